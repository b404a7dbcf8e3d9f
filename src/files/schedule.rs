//! In which order operations start.
//!
//! Operations are taken in batches, in the order they were added; within a batch those of one kind
//! start together. An operation that touches what an earlier one touches waits for exactly that one
//! (see `hazard`). When all of a batch has started or waits, the next is taken, so unrelated work never
//! stands still. Of those that may start, the most urgent do so first; an urgent one is taken at once, with all
//! that was added before it. The schedule is a pure state machine: the caller runs what it hands out.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, VecDeque},
};

use super::{
    hazard::{Hazards, Id, NumberMap},
    operation::{Kind, Request},
};

/// Operations on their way, each with the caller's tag.
#[derive(Debug)]
pub(super) struct Schedule<T> {
    pub(super) batch_size: usize,
    pub(super) max_concurrency: usize,
    /// Nothing starts.
    pub(super) paused: bool,
    queue: VecDeque<(T, Request)>,
    /// Admitted, not started. One that was withdrawn has no tag any more but still keeps the order of those
    /// before and after it.
    waiting: NumberMap<(Option<T>, Request)>,
    withdrawn: usize,
    /// Those of `waiting` that may start, by priority.
    ready: BTreeMap<Reverse<i32>, VecDeque<Id>>,
    running: Vec<Id>,
    hazards: Hazards,
    next_id: Id,
}

/// An operation to be run now. [`Schedule::finish`] wants `id` back.
#[derive(Debug)]
pub(super) struct Started<T> {
    pub(super) id: Id,
    pub(super) tag: T,
    pub(super) request: Request,
}

impl<T> Schedule<T> {
    pub(super) fn new(batch_size: usize, max_concurrency: usize) -> Self {
        Self {
            batch_size,
            max_concurrency,
            paused: false,
            queue: VecDeque::new(),
            waiting: NumberMap::default(),
            withdrawn: 0,
            ready: BTreeMap::new(),
            running: Vec::new(),
            hazards: Hazards::default(),
            next_id: 0,
        }
    }

    pub(super) fn add<R: Into<Request>>(&mut self, requests: impl IntoIterator<Item = (T, R)>) {
        let before = self.queue.len();
        self.queue.extend(requests.into_iter().map(|(tag, request)| (tag, request.into())));
        if self.queue.range(before..).any(|(_, request)| request.priority > 0) {
            while !self.queue.is_empty() {
                self.admit_batch();
            }
        }
    }

    /// The next operation to run, if one may.
    pub(super) fn start(&mut self) -> Option<Started<T>> {
        if self.paused || self.running.len() >= self.max_concurrency {
            return None;
        }
        loop {
            while self.most_urgent() < Some(0) && !self.queue.is_empty() {
                self.admit_batch();
            }
            let id = self.pop_ready()?;
            let (tag, request) = self.waiting.remove(&id)?;
            if let Some(tag) = tag {
                self.running.push(id);
                return Some(Started { id, tag, request });
            }
            self.withdrawn -= 1;
            self.release(id);
        }
    }

    /// Ends a started operation, whatever came of it.
    pub(super) fn finish(&mut self, id: Id) {
        self.running.retain(|running| *running != id);
        self.release(id);
    }

    /// Takes back all that has not started, in the order it was added.
    pub(super) fn clear(&mut self) -> Vec<T> {
        let mut waiting: Vec<_> = std::mem::take(&mut self.waiting).into_iter().collect();
        waiting.sort_unstable_by_key(|(id, _)| *id);
        self.ready.clear();
        self.withdrawn = 0;
        self.hazards.keep_only(self.running.iter().copied());
        let waiting = waiting.into_iter().filter_map(|(_, (tag, _))| tag);
        waiting.chain(std::mem::take(&mut self.queue).into_iter().map(|(tag, _)| tag)).collect()
    }

    /// Takes back what was cancelled and has not started.
    pub(super) fn withdraw(&mut self) -> Vec<T> {
        let waiting = self.waiting.values_mut().filter(|(_, request)| request.is_cancelled());
        let mut taken: Vec<T> = waiting.filter_map(|(tag, _)| tag.take()).collect();
        self.withdrawn += taken.len();
        let (cancelled, kept): (VecDeque<_>, _) = std::mem::take(&mut self.queue)
            .into_iter()
            .partition(|(_, request)| request.is_cancelled());
        self.queue = kept;
        taken.extend(cancelled.into_iter().map(|(tag, _)| tag));
        taken
    }

    /// How many have not started.
    pub(super) fn queued(&self) -> usize {
        self.waiting.len() - self.withdrawn + self.queue.len()
    }

    /// At most how many more could start, were there no limit.
    pub(super) fn startable(&self) -> usize {
        match self.paused {
            true => 0,
            false => self.ready.values().map(VecDeque::len).sum::<usize>() + self.queue.len(),
        }
    }

    pub(super) fn running(&self) -> usize {
        self.running.len()
    }

    fn admit_batch(&mut self) {
        let mut free: Vec<(Kind, Vec<(i32, Id)>)> = Vec::new();
        for _ in 0..self.batch_size.min(self.queue.len()) {
            let Some((tag, request)) = self.queue.pop_front() else { break };
            let (id, kind) = (self.next_id, request.operation.kind());
            self.next_id += 1;
            if self.hazards.admit(id, &request.operation) {
                let entry = (request.priority, id);
                match free.iter_mut().find(|(other, _)| *other == kind) {
                    Some((_, group)) => group.push(entry),
                    None => free.push((kind, vec![entry])),
                }
            }
            self.waiting.insert(id, (Some(tag), request));
        }
        for (priority, id) in free.into_iter().flat_map(|(_, group)| group) {
            self.ready.entry(Reverse(priority)).or_default().push_back(id);
        }
    }

    fn release(&mut self, id: Id) {
        // What was freed belongs to a batch at least as old as any that is ready.
        for freed in self.hazards.release(id).into_iter().rev() {
            if let Some((_, request)) = self.waiting.get(&freed) {
                self.ready.entry(Reverse(request.priority)).or_default().push_front(freed);
            }
        }
    }

    fn most_urgent(&self) -> Option<i32> {
        self.ready.first_key_value().map(|(Reverse(priority), _)| *priority)
    }

    fn pop_ready(&mut self) -> Option<Id> {
        let mut first = self.ready.first_entry()?;
        let id = first.get_mut().pop_front();
        if first.get().is_empty() {
            first.remove();
        }
        id
    }
}

#[cfg(test)]
mod tests;
