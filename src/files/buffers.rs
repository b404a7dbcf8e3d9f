//! The memory that a runner reads small files into.

use std::collections::VecDeque;

use bytes::BytesMut;

/// Of as many small files as are reported together.
const SIZE: usize = 64 << 10;
/// So many wait to come back; more than these are let go.
const MOST_LENT: usize = 16;

/// One piece of memory for the files of each report: two threads that count references to one piece at the same
/// time hold each other up. What the caller has taken is used again.
pub(super) struct Buffers {
    pub(super) current: BytesMut,
    lent: VecDeque<BytesMut>,
}

impl Buffers {
    pub(super) fn new() -> Self {
        Self { current: BytesMut::with_capacity(SIZE), lent: VecDeque::new() }
    }

    /// What is in the current piece has been handed out.
    pub(super) fn turn_over(&mut self) {
        if self.current.capacity() == SIZE {
            return; // Nothing is in it.
        }
        let next = self.taken_back().unwrap_or_else(|| BytesMut::with_capacity(SIZE));
        self.lent.push_back(std::mem::replace(&mut self.current, next));
    }

    fn taken_back(&mut self) -> Option<BytesMut> {
        let mut first = self.lent.pop_front()?;
        if first.try_reclaim(SIZE) {
            return Some(first);
        }
        if self.lent.len() < MOST_LENT {
            self.lent.push_front(first);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_comes_back_when_it_was_taken() {
        let mut buffers = Buffers::new();
        buffers.turn_over();
        let lend = |buffers: &mut Buffers| {
            buffers.current.resize(4096, 1);
            let content = buffers.current.split().freeze();
            buffers.turn_over();
            content
        };
        let place = lend(&mut buffers).as_ptr();
        assert_ne!(lend(&mut buffers).as_ptr(), place);
        let kept: Vec<_> = (0..40).map(|_| lend(&mut buffers)).collect();
        assert!(kept.iter().any(|content| content.as_ptr() == place));
        assert!(kept.iter().all(|content| content.iter().all(|&byte| byte == 1)));
        assert!(buffers.lent.len() <= MOST_LENT + 1);
    }
}
