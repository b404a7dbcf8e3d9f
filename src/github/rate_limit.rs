//! An exact sliding-window rate limit, first come first served.
//!
//! In any stretch of `window` at most `max` calls pass, however many wait, and none waits longer than that
//! needs. The limit is a pure state machine: the caller brings the time and does the waiting.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// A sliding-window log: the times of the last calls that passed, and those who wait for their turn.
#[derive(Debug)]
pub struct RateLimit<Waiter> {
    max: usize,
    window: Duration,
    passed: VecDeque<Instant>,
    waiting: VecDeque<Waiter>,
    total: u64,
    throttled: u64,
}

/// What happened so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Calls that passed.
    pub total: u64,
    /// Calls that had to wait.
    pub throttled: u64,
    /// Calls that passed within the last window.
    pub current: usize,
}

impl<Waiter> RateLimit<Waiter> {
    /// Lets at most `max` calls pass in any stretch of `window`.
    pub fn new(max: usize, window: Duration) -> Self {
        Self {
            max,
            window,
            passed: VecDeque::new(),
            waiting: VecDeque::new(),
            total: 0,
            throttled: 0,
        }
    }

    /// Changes the limit from the next decision on; who waits already is decided anew.
    pub fn configure(&mut self, max: usize, window: Duration) {
        self.max = max;
        self.window = window;
    }

    /// Queues a caller. [`Self::release`] says when its turn has come, which may be at once.
    pub fn enqueue(&mut self, waiter: Waiter, now: Instant) {
        let must_wait = !self.waiting.is_empty() || self.free_at(now).is_some();
        self.throttled += u64::from(must_wait);
        self.waiting.push_back(waiter);
    }

    /// Takes the callers whose turn has come, in order. The time it counts is `now`, so a late call lets
    /// the window slide later: calls are never closer than the limit allows.
    pub fn release(&mut self, now: Instant) -> Vec<Waiter> {
        let mut released = Vec::new();
        while !self.waiting.is_empty() && self.free_at(now).is_none() {
            released.extend(self.waiting.pop_front());
            self.passed.push_back(now);
            self.total += 1;
        }
        released
    }

    /// How long until the next waiting caller's turn; `None` when nobody waits.
    pub fn next_release(&mut self, now: Instant) -> Option<Duration> {
        if self.waiting.is_empty() {
            return None;
        }
        Some(self.free_at(now).map_or(Duration::ZERO, |at| at.saturating_duration_since(now)))
    }

    /// Takes back a caller that no longer wants its turn.
    pub fn withdraw(&mut self, unwanted: impl Fn(&Waiter) -> bool) {
        self.waiting.retain(|waiter| !unwanted(waiter));
    }

    pub fn stats(&mut self, now: Instant) -> Stats {
        self.forget(now);
        Stats { total: self.total, throttled: self.throttled, current: self.passed.len() }
    }

    /// When the next call may pass; `None` for now.
    fn free_at(&mut self, now: Instant) -> Option<Instant> {
        self.forget(now);
        // With `max` calls in the window, the one `max` back from the end must leave it first.
        let index = self.passed.len().checked_sub(self.max)?;
        self.passed.get(index).map(|&passed| passed + self.window)
    }

    fn forget(&mut self, now: Instant) {
        while self
            .passed
            .front()
            .is_some_and(|&at| now.saturating_duration_since(at) >= self.window)
        {
            self.passed.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WINDOW: Duration = Duration::from_millis(1_000);

    #[test]
    fn passes_in_order_and_no_earlier_than_allowed() {
        let start = Instant::now();
        let mut limit = RateLimit::new(2, WINDOW);
        let mut passed = Vec::new();
        for waiter in 0..5 {
            limit.enqueue(waiter, start);
            passed.extend(limit.release(start));
        }
        assert_eq!(passed, [0, 1]);
        assert_eq!(limit.next_release(start), Some(WINDOW));
        assert!(limit.release(start + WINDOW - Duration::from_nanos(1)).is_empty());
        assert_eq!(limit.release(start + WINDOW), [2, 3]);
        assert_eq!(limit.release(start + 2 * WINDOW), [4]);
        assert_eq!(limit.next_release(start + 2 * WINDOW), None);
        let stats = limit.stats(start + 2 * WINDOW);
        assert_eq!(stats, Stats { total: 5, throttled: 3, current: 1 });
    }

    #[test]
    fn a_raised_limit_frees_those_who_wait() {
        let start = Instant::now();
        let mut limit = RateLimit::new(1, WINDOW);
        limit.enqueue('a', start);
        limit.enqueue('b', start);
        assert_eq!(limit.release(start), ['a']);
        limit.configure(2, WINDOW);
        assert_eq!(limit.next_release(start), Some(Duration::ZERO));
        assert_eq!(limit.release(start), ['b']);
    }

    #[test]
    fn a_withdrawn_caller_gives_its_turn_to_the_next() {
        let start = Instant::now();
        let mut limit = RateLimit::new(1, WINDOW);
        for waiter in ['a', 'b', 'c'] {
            limit.enqueue(waiter, start);
        }
        assert_eq!(limit.release(start), ['a']);
        limit.withdraw(|waiter| *waiter == 'b');
        assert_eq!(limit.release(start + WINDOW), ['c']);
    }

    proptest! {
        /// Callers arrive at any times; the driver wakes late by any delay. No window ever holds more than
        /// `max` passes, the order is kept, and a punctual driver releases as early as the rule allows.
        #[test]
        fn no_window_holds_more_than_the_limit(
            max in 1usize..6,
            arrivals in prop::collection::vec(0u64..400, 1..60),
            delays in prop::collection::vec(0u64..50, 60),
        ) {
            let start = Instant::now();
            let mut limit = RateLimit::new(max, WINDOW);
            let mut now = start;
            let (mut order, mut times) = (Vec::new(), Vec::new());
            let mut drive = |limit: &mut RateLimit<usize>, now: Instant| {
                for waiter in limit.release(now) {
                    order.push(waiter);
                    times.push(now);
                }
            };
            for (waiter, gap) in arrivals.iter().enumerate() {
                now += Duration::from_millis(*gap);
                limit.enqueue(waiter, now);
                drive(&mut limit, now);
            }
            for delay in delays.iter().cycle() {
                let Some(wait) = limit.next_release(now) else { break };
                prop_assert!(wait <= WINDOW);
                now += wait + Duration::from_millis(*delay);
                drive(&mut limit, now);
            }
            prop_assert_eq!(order, (0..arrivals.len()).collect::<Vec<_>>());
            for pair in times.windows(max + 1) {
                prop_assert!(pair[max] - pair[0] >= WINDOW);
            }
        }
    }
}
