//! Deadlines without a timer each: one sweep a thread looks for those that have passed.
//!
//! A request that is answered in time costs two stores. A deadline is noticed late by up to one
//! tick of the [sweep](Deadlines::sweep), never early.

use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    pin::pin,
    rc::Rc,
    task::{Poll, Waker},
    time::Duration,
};

use tokio::time::{Instant, MissedTickBehavior, interval};

/// The deadlines of one thread's workers.
#[derive(Default)]
pub struct Deadlines(RefCell<Vec<Rc<Slot>>>);

/// One worker's deadline.
#[derive(Default)]
pub struct Slot {
    deadline: Cell<Option<Instant>>,
    passed: Cell<bool>,
    waiting: RefCell<Option<Waker>>,
}

/// The deadline passed first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Late;

impl Deadlines {
    pub fn slot(&self) -> Rc<Slot> {
        let slot = Rc::<Slot>::default();
        self.0.borrow_mut().push(Rc::clone(&slot));
        slot
    }

    /// Looks for passed deadlines, for ever, at intervals that suit `timeout`.
    pub async fn sweep(&self, timeout: Duration) {
        let tick = (timeout / 20).clamp(Duration::from_millis(1), Duration::from_millis(50));
        let mut ticks = interval(tick);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            let now = ticks.tick().await;
            for slot in self.0.borrow().iter() {
                slot.look(now);
            }
        }
    }
}

impl Slot {
    fn look(&self, now: Instant) {
        if self.deadline.get().is_some_and(|deadline| deadline <= now) {
            self.passed.set(true);
            if let Some(waiting) = &*self.waiting.borrow() {
                waiting.wake_by_ref();
            }
        }
    }

    /// Runs `work` unless `deadline` passes first. One at a time.
    pub async fn limit<F: Future>(&self, deadline: Instant, work: F) -> Result<F::Output, Late> {
        let mut work = pin!(work);
        self.passed.set(false);
        self.deadline.set(Some(deadline));
        let outcome = poll_fn(|context| {
            if let Poll::Ready(output) = work.as_mut().poll(context) {
                return Poll::Ready(Ok(output));
            }
            if self.passed.get() {
                return Poll::Ready(Err(Late));
            }
            let mut waiting = self.waiting.borrow_mut();
            // A task keeps its waker, so this clones once a worker.
            if !waiting.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
                *waiting = Some(context.waker().clone());
            }
            Poll::Pending
        })
        .await;
        self.deadline.set(None);
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;

    #[tokio::test(start_paused = true)]
    async fn what_takes_too_long_is_given_up_and_the_next_starts_afresh() {
        let deadlines = Deadlines::default();
        let slot = deadlines.slot();
        let start = Instant::now();
        let timeout = Duration::from_secs(1);
        let worker = async {
            assert_eq!(slot.limit(start + timeout, pending::<()>()).await, Err(Late));
            let late = start.elapsed();
            assert!(late >= timeout && late <= timeout + Duration::from_millis(51), "{late:?}");
            assert_eq!(slot.limit(start, async { 1 }).await, Ok(1));
            assert_eq!(slot.limit(start + 9 * timeout, tokio::time::sleep(timeout)).await, Ok(()));
        };
        tokio::select! {
            () = worker => {}
            () = deadlines.sweep(timeout) => {}
        }
    }
}
