//! How many operations should run at once: found out by trying.
//!
//! Additive increase, multiplicative decrease (Chiu and Jain, "Analysis of the Increase and Decrease Algorithms
//! for Congestion Avoidance", 1989), with latency as the sign of congestion as in TCP Vegas: one more while
//! that makes the whole faster, a quarter fewer when each operation takes longer and the whole gains nothing. Pure:
//! the caller brings the time.

use std::time::Duration;

/// Operations between two decisions.
const WINDOW: u32 = 64;
/// So much faster is faster; the rest is noise.
const GAIN: f64 = 1.05;
/// So much slower is slower.
const LOSS: f64 = 1.25;
/// After so many windows without a reason for either, one more is tried: the load may have changed.
const PATIENCE: u32 = 8;
/// As much work as an operation of no bytes.
const UNIT: f64 = 65_536.0;

/// The limit, and how often it moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decisions {
    pub limit: usize,
    pub raised: u64,
    pub lowered: u64,
}

#[derive(Debug)]
pub(super) struct Adaptive {
    decisions: Decisions,
    most: usize,
    window: Window,
    last: Option<Rates>,
    quiet: u32,
}

/// What was measured since `began`.
#[derive(Debug, Default)]
struct Window {
    began: Duration,
    bytes: u64,
    operations: u32,
    busy: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Rates {
    /// Units of work a second, by all.
    throughput: f64,
    /// Seconds a unit of work.
    latency: f64,
}

impl Adaptive {
    pub(super) fn new(most: usize) -> Self {
        Self {
            decisions: Decisions { limit: most.min(2), raised: 0, lowered: 0 },
            most,
            window: Window::default(),
            last: None,
            quiet: 0,
        }
    }

    pub(super) fn decisions(&self) -> Decisions {
        self.decisions
    }

    /// Work begins after a rest, which says nothing of speed. `bytes` is what all operations moved so far.
    pub(super) fn begin(&mut self, now: Duration, bytes: u64) {
        self.window = Window { began: now, bytes, ..Window::default() };
    }

    /// An operation that took `took` has ended.
    pub(super) fn finish(&mut self, now: Duration, took: Duration, bytes: u64) {
        self.window.operations += 1;
        self.window.busy += took;
        if self.window.operations < WINDOW || now <= self.window.began {
            return;
        }
        let work = f64::from(self.window.operations) + (bytes - self.window.bytes) as f64 / UNIT;
        let throughput = work / (now - self.window.began).as_secs_f64();
        let rates = Rates { throughput, latency: self.window.busy.as_secs_f64() / work };
        self.decide(rates);
        self.last = Some(rates);
        self.begin(now, bytes);
    }

    fn decide(&mut self, now: Rates) {
        self.quiet += 1;
        let faster = self.last.is_none_or(|last| now.throughput > last.throughput * GAIN);
        let slower = self.last.is_some_and(|last| now.latency > last.latency * LOSS);
        let Decisions { limit, raised, lowered } = &mut self.decisions;
        if faster || (!slower && self.quiet >= PATIENCE) {
            self.quiet = 0;
            *raised += u64::from(*limit < self.most);
            *limit = self.most.min(*limit + 1);
        } else if slower {
            self.quiet = 0;
            *lowered += u64::from(*limit > 1);
            *limit = (*limit * 3 / 4).max(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk that serves `best` operations at once, each in a millisecond; with more, all take longer, and
    /// together they gain nothing.
    fn run(
        adaptive: &mut Adaptive,
        now: &mut Duration,
        best: usize,
        operations: u32,
    ) -> Vec<usize> {
        let mut limits = Vec::new();
        for _ in 0..operations {
            let limit = adaptive.decisions().limit;
            let crowd = (limit as f64 / best as f64).max(1.0);
            let took = Duration::from_millis(1).mul_f64(crowd.powi(2));
            *now += took / limit as u32;
            adaptive.finish(*now, took, 0);
            limits.push(adaptive.decisions().limit);
        }
        limits
    }

    #[test]
    fn climbs_while_it_pays_and_backs_off_when_it_does_not() {
        let (mut adaptive, mut now) = (Adaptive::new(8), Duration::ZERO);
        run(&mut adaptive, &mut now, 8, WINDOW * 8);
        assert_eq!(adaptive.decisions(), Decisions { limit: 8, raised: 6, lowered: 0 });
        let limits = run(&mut adaptive, &mut now, 3, WINDOW * 200);
        let settled = &limits[limits.len() / 2..];
        let mean = settled.iter().sum::<usize>() as f64 / settled.len() as f64;
        assert!((2.0..=5.0).contains(&mean), "{mean}");
        assert!(adaptive.decisions().lowered > 0);
    }

    #[test]
    fn stays_within_its_bounds() {
        let (mut adaptive, mut now) = (Adaptive::new(8), Duration::ZERO);
        for best in [1, 100, 2, 50] {
            let limits = run(&mut adaptive, &mut now, best, WINDOW * 100);
            assert!(limits.iter().all(|limit| (1..=8).contains(limit)));
        }
        assert_eq!(Adaptive::new(1).decisions().limit, 1);
    }

    #[test]
    fn a_rest_is_not_taken_for_slowness() {
        let (mut adaptive, mut now) = (Adaptive::new(8), Duration::ZERO);
        for _ in 0..4 {
            run(&mut adaptive, &mut now, 8, WINDOW / 2);
            now += Duration::from_secs(60);
            adaptive.begin(now, 0);
            run(&mut adaptive, &mut now, 8, WINDOW);
        }
        assert_eq!(adaptive.decisions().lowered, 0);
    }
}
