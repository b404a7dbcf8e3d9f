//! What stays open between calls, such as files: so much of it in the whole process and no more, since descriptors are
//! few. What was not used for longest is closed first, and opened again by whoever needs it.

use std::sync::{
    Arc, Weak,
    atomic::{AtomicU64, Ordering},
};

use parking_lot::{Mutex, MutexGuard};

/// So much is open at once, unless more is in use.
const MOST: usize = 64;

/// All that was opened in the process.
static OPENED: Register = Register::new();

/// A `T` that may be closed between two calls.
#[derive(Debug)]
pub struct KeptOpen<T> {
    slot: Arc<Slot<T>>,
    register: &'static Register,
}

#[derive(Debug)]
struct Slot<T> {
    last_used: AtomicU64,
    /// `None` while it is closed.
    open: Mutex<Option<T>>,
}

/// What was opened, and the time: it counts uses.
struct Register {
    opened: Mutex<Vec<Weak<dyn Closable>>>,
    time: AtomicU64,
}

trait Closable: Send + Sync {
    fn last_used(&self) -> u64;
    fn is_closed(&self) -> bool;
    fn close(&self);
}

impl<T: Send + 'static> KeptOpen<T> {
    pub fn closed() -> Self {
        Self::closed_in(&OPENED)
    }

    fn closed_in(register: &'static Register) -> Self {
        let slot = Slot { last_used: AtomicU64::new(0), open: Mutex::new(None) };
        Self { slot: Arc::new(slot), register }
    }

    /// What is open. It stays so until the guard is dropped.
    pub fn lock(&self) -> MutexGuard<'_, Option<T>> {
        let now = self.register.time.fetch_add(1, Ordering::Relaxed);
        self.slot.last_used.store(now, Ordering::Relaxed);
        self.slot.open.lock()
    }

    /// Like [`Self::lock`], after opening it where it is closed. `open` may leave it so.
    pub fn open<E>(
        &self,
        open: impl FnOnce() -> Result<Option<T>, E>,
    ) -> Result<MutexGuard<'_, Option<T>>, E> {
        let mut guard = self.lock();
        if guard.is_none() {
            *guard = open()?;
            if guard.is_some() {
                let slot: Weak<Slot<T>> = Arc::downgrade(&self.slot);
                self.register.note(slot);
            }
        }
        Ok(guard)
    }
}

impl Register {
    const fn new() -> Self {
        Self { opened: Mutex::new(Vec::new()), time: AtomicU64::new(0) }
    }

    /// Notes what was opened, and closes what is too much. It is in use itself, so it stays open.
    fn note(&self, slot: Weak<dyn Closable>) {
        let mut opened = self.opened.lock();
        // It may have been closed and not been forgotten.
        opened.retain(|other| !Weak::ptr_eq(other, &slot));
        opened.push(slot);
        if opened.len() <= MOST {
            return;
        }
        let mut open: Vec<Arc<dyn Closable>> = opened.iter().filter_map(Weak::upgrade).collect();
        open.retain(|slot| !slot.is_closed());
        // Others may be used meanwhile, so each is asked once.
        open.sort_by_cached_key(|slot| slot.last_used());
        for slot in open.iter().take(open.len().saturating_sub(MOST)) {
            slot.close();
        }
        open.retain(|slot| !slot.is_closed());
        *opened = open.iter().map(Arc::downgrade).collect();
    }
}

impl std::fmt::Debug for Register {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Register").finish_non_exhaustive()
    }
}

impl<T: Send> Closable for Slot<T> {
    fn last_used(&self) -> u64 {
        self.last_used.load(Ordering::Relaxed)
    }

    /// What is in use is open, or about to be.
    fn is_closed(&self) -> bool {
        self.open.try_lock().is_some_and(|open| open.is_none())
    }

    /// Leaves alone what is in use.
    fn close(&self) {
        if let Some(mut open) = self.open.try_lock() {
            *open = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(kept: &KeptOpen<u32>, value: u32) {
        let opened = kept.open(|| Ok::<_, ()>(Some(value))).unwrap();
        assert!(opened.is_some());
    }

    #[test]
    fn what_was_not_used_for_longest_is_closed() {
        static REGISTER: Register = Register::new();
        let many: Vec<KeptOpen<u32>> = (0..500).map(|_| KeptOpen::closed_in(&REGISTER)).collect();
        let held = KeptOpen::closed_in(&REGISTER);
        open(&held, 0);
        let guard = held.lock();
        for (number, kept) in (0..).zip(&many) {
            open(kept, number);
            open(&many[0], 500);
        }
        assert!(guard.is_some(), "what is in use stays open");
        assert_eq!(many.iter().filter(|kept| kept.lock().is_some()).count(), MOST);
        assert_eq!(*many[0].lock(), Some(0), "what is used stays open");
        assert_eq!(*many[100].lock(), None);
        open(&many[100], 100);
        assert_eq!(*many[100].lock(), Some(100));
    }
}
