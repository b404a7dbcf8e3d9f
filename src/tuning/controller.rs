//! One setting: hill climbing with patience, and multiplicative decrease under memory pressure.
//!
//! The idea is that of congestion control (Chiu and Jain, "Analysis of the Increase and Decrease Algorithms for
//! Congestion Avoidance", 1989; the file engine's own limit uses it between operations): try more, keep it while the
//! whole gains, go back when it does not. Here a step is a quarter, since a setting may be 4 or 4 million, and a
//! smaller value that does as much is preferred, since it costs less memory.

use std::fmt;

/// So much more is more; the rest is noise.
const GAIN: f64 = 1.05;
/// So much is as much, when less is tried.
const AS_MUCH: f64 = 0.97;
/// So much longer for each is congestion, if the whole gains nothing.
const SLOWER: f64 = 1.25;
/// A fall by so much means that the load has changed.
const CHANGED: f64 = 0.7;
/// Observations that are judged together, by their median: one alone may be of a moment when others had the machine.
const TOGETHER: usize = 3;
/// Judgements of a settled value before another is tried.
const PATIENCE: u32 = 4;
const STEP: f64 = 1.25;

/// What was measured since the observation before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observation {
    /// What the setting is for, in any unit: work a second, or the share of hits.
    pub throughput: f64,
    /// Milliseconds each took; 0 where that means nothing.
    pub latency_ms: f64,
    /// The share of the memory there may be that is used, 0 to 1.
    pub memory_pressure: f64,
    /// Whether more of the setting could be used at all. What an idle object does says nothing.
    pub saturated: bool,
}

/// The values a setting may have, and what memory pressure means. `min` and `max` are included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    pub min: f64,
    pub max: f64,
    /// From this pressure on the setting shrinks.
    pub high_pressure: f64,
    /// Below this one it may grow.
    pub low_pressure: f64,
}

/// A change of the setting.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decision {
    pub from: f64,
    pub to: f64,
    pub reason: Reason,
}

/// Why it was changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reason {
    /// Memory is short.
    MemoryPressure { share: f64 },
    /// The last step up paid.
    Gained { before: f64, now: f64 },
    /// The last step up did not.
    NoGain { before: f64, now: f64 },
    /// The last step down cost nothing.
    AsMuch { before: f64, now: f64 },
    /// The last step down cost too much.
    Lost { before: f64, now: f64 },
    /// Each takes longer, and the whole gains nothing.
    Congestion { before_ms: f64, now_ms: f64 },
    /// Nothing is known of other values, or not any more.
    Probe,
}

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MemoryPressure { share } => {
                write!(out, "memory is short: {:.0} % is used", share * 100.0)
            }
            Self::Gained { before, now } => write!(out, "more paid: {before:.2} became {now:.2}"),
            Self::NoGain { before, now } => {
                write!(out, "more did not pay: {before:.2} became {now:.2}")
            }
            Self::AsMuch { before, now } => write!(out, "less does: {before:.2} became {now:.2}"),
            Self::Lost { before, now } => {
                write!(out, "less does not do: {before:.2} became {now:.2}")
            }
            Self::Congestion { before_ms, now_ms } => {
                write!(out, "each takes longer: {before_ms:.2} ms became {now_ms:.2} ms")
            }
            Self::Probe => out.write_str("to see what another value does"),
        }
    }
}

/// The controller of one setting.
#[derive(Clone, Debug)]
pub struct Controller {
    value: f64,
    limits: Limits,
    phase: Phase,
    /// Of this value, not judged yet.
    observed: Vec<Observation>,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Nothing is known of this value yet.
    Fresh,
    /// A step was made from a value at which `best` was measured; what is observed next judges it.
    Trial { from: f64, best: Observation, direction: Direction },
    /// The value stays for now.
    Settled { known: Option<Observation>, quiet: u32, next: Direction },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

impl Controller {
    /// Begins at `value`, or at the limit next to it.
    pub fn new(value: f64, limits: Limits) -> Self {
        let value = value.clamp(limits.min, limits.max).round();
        Self { value, limits, phase: Phase::Fresh, observed: Vec::with_capacity(TOGETHER) }
    }

    pub fn value(&self) -> f64 {
        self.value
    }

    pub fn high_pressure(&self) -> f64 {
        self.limits.high_pressure
    }

    /// Whether no step waits to be judged.
    pub fn is_settled(&self) -> bool {
        matches!(self.phase, Phase::Settled { .. })
    }

    /// What to change, given what was measured with the value as it is.
    pub fn decide(&mut self, now: &Observation) -> Option<Decision> {
        if now.memory_pressure >= self.limits.high_pressure {
            return self.shrink(now);
        }
        if !now.saturated {
            return None;
        }
        self.observed.push(*now);
        if self.observed.len() < TOGETHER {
            return None;
        }
        self.observed.sort_by(|one, other| one.throughput.total_cmp(&other.throughput));
        let median = self.observed[TOGETHER / 2];
        self.observed.clear();
        self.judge(&median)
    }

    fn judge(&mut self, now: &Observation) -> Option<Decision> {
        match self.phase {
            Phase::Fresh => self.probe(now, Direction::Up),
            Phase::Trial { from, best, direction: Direction::Up } => {
                self.judge_more(from, best, now)
            }
            Phase::Trial { from, best, direction: Direction::Down } => {
                self.judge_less(from, best, now)
            }
            Phase::Settled { known: Some(known), quiet, next } => {
                self.watch(known, quiet, next, now)
            }
            Phase::Settled { known: None, quiet, next } => {
                self.phase = Phase::Settled { known: Some(*now), quiet, next };
                None
            }
        }
    }

    fn shrink(&mut self, now: &Observation) -> Option<Decision> {
        self.observed.clear();
        self.settle(None, Direction::Up);
        let reason = Reason::MemoryPressure { share: now.memory_pressure };
        self.change((self.value / 2.0).floor(), reason)
    }

    fn judge_more(&mut self, from: f64, best: Observation, now: &Observation) -> Option<Decision> {
        let (before, after) = (best.throughput, now.throughput);
        if after > before * GAIN {
            return self.step(*now, Direction::Up, Reason::Gained { before, now: after });
        }
        self.settle(Some(best), Direction::Down);
        self.change(from, Reason::NoGain { before, now: after })
    }

    fn judge_less(&mut self, from: f64, best: Observation, now: &Observation) -> Option<Decision> {
        let (before, after) = (best.throughput, now.throughput);
        if after >= before * AS_MUCH {
            // Measured against the best, or many small losses would add up.
            return self.step(best, Direction::Down, Reason::AsMuch { before, now: after });
        }
        self.settle(Some(best), Direction::Up);
        self.change(from, Reason::Lost { before, now: after })
    }

    fn watch(
        &mut self,
        known: Observation,
        quiet: u32,
        next: Direction,
        now: &Observation,
    ) -> Option<Decision> {
        let gained = now.throughput > known.throughput * GAIN;
        if now.latency_ms > known.latency_ms * SLOWER && known.latency_ms > 0.0 && !gained {
            self.settle(None, Direction::Up);
            let (before_ms, now_ms) = (known.latency_ms, now.latency_ms);
            let less = (self.value * 3.0 / 4.0).floor();
            return self.change(less, Reason::Congestion { before_ms, now_ms });
        }
        if now.throughput < known.throughput * CHANGED || quiet >= PATIENCE {
            return self.probe(now, next);
        }
        self.phase = Phase::Settled { known: Some(known), quiet: quiet + 1, next };
        None
    }

    /// Tries another value in `direction`, or in the other one at a limit.
    fn probe(&mut self, now: &Observation, direction: Direction) -> Option<Decision> {
        self.step(*now, direction, Reason::Probe).or_else(|| match direction {
            Direction::Up => self.step(*now, Direction::Down, Reason::Probe),
            Direction::Down => self.step(*now, Direction::Up, Reason::Probe),
        })
    }

    /// One step on, which the next observations judge against `best`; settles where there is no room.
    fn step(
        &mut self,
        best: Observation,
        direction: Direction,
        reason: Reason,
    ) -> Option<Decision> {
        let from = self.value;
        let crowded = best.memory_pressure >= self.limits.low_pressure;
        let to = match direction {
            Direction::Up if crowded => from,
            Direction::Up => (from * STEP).round().max(from + 1.0),
            Direction::Down => (from / STEP).round().min(from - 1.0),
        };
        let decision = self.change(to, reason);
        match decision {
            Some(_) => self.phase = Phase::Trial { from, best, direction },
            None if direction == Direction::Up => self.settle(Some(best), Direction::Down),
            None => self.settle(Some(best), Direction::Up),
        }
        decision
    }

    fn settle(&mut self, known: Option<Observation>, next: Direction) {
        self.phase = Phase::Settled { known, quiet: 0, next };
    }

    fn change(&mut self, to: f64, reason: Reason) -> Option<Decision> {
        let to = to.clamp(self.limits.min, self.limits.max);
        let from = std::mem::replace(&mut self.value, to);
        (to != from).then_some(Decision { from, to, reason })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: Limits = Limits { min: 1.0, max: 64.0, high_pressure: 0.9, low_pressure: 0.75 };

    /// The decision on a value that goes on as it was observed.
    fn decided(controller: &mut Controller, now: &Observation) -> Option<Decision> {
        (0..TOGETHER).find_map(|_| controller.decide(now))
    }

    fn observed(throughput: f64, latency_ms: f64) -> Observation {
        Observation { throughput, latency_ms, memory_pressure: 0.1, saturated: true }
    }

    /// A system that gains until `best` are at work at once, and loses a little for each one more.
    fn system(value: f64, best: f64) -> Observation {
        let throughput = value.min(best) * 100.0 / (1.0 + (value - best).max(0.0) / 100.0);
        observed(throughput, value / throughput * 1e3)
    }

    #[test]
    fn climbs_while_it_pays_and_goes_back_when_it_does_not() {
        let mut controller = Controller::new(1.0, LIMITS);
        let decisions: Vec<_> = (0..5)
            .filter_map(|_| {
                let now = system(controller.value(), 3.0);
                decided(&mut controller, &now)
            })
            .map(|Decision { from, to, reason }| (from, to, reason))
            .collect();
        let [
            (1.0, 2.0, Reason::Probe),
            (2.0, 3.0, Reason::Gained { .. }),
            (3.0, 4.0, Reason::Gained { .. }),
            (4.0, 3.0, Reason::NoGain { .. }),
        ] = decisions[..]
        else {
            panic!("{decisions:?}")
        };
        assert!(controller.is_settled());
    }

    #[test]
    fn prefers_less_that_does_as_much() {
        let mut controller = Controller::new(60.0, LIMITS);
        let flat = observed(100.0, 1.0);
        for _ in 0..100 {
            decided(&mut controller, &flat);
        }
        assert!(controller.value() <= 2.0, "{}", controller.value());
    }

    #[test]
    fn a_moment_in_which_others_had_the_machine_decides_nothing() {
        let mut controller = Controller::new(4.0, LIMITS);
        decided(&mut controller, &observed(100.0, 1.0)).unwrap();
        let after = [observed(130.0, 1.0), observed(20.0, 9.0), observed(130.0, 1.0)];
        let decision = after.iter().find_map(|now| controller.decide(now)).unwrap();
        assert_eq!(decision.reason, Reason::Gained { before: 100.0, now: 130.0 });
    }

    #[test]
    fn an_idle_object_says_nothing() {
        let mut controller = Controller::new(8.0, LIMITS);
        let idle = Observation { saturated: false, ..observed(0.0, 0.0) };
        assert!((0..50).all(|_| controller.decide(&idle).is_none()));
    }

    #[test]
    fn congestion_takes_a_quarter() {
        let mut controller = Controller::new(16.0, LIMITS);
        controller.phase =
            Phase::Settled { known: Some(observed(100.0, 10.0)), quiet: 0, next: Direction::Up };
        let decision = decided(&mut controller, &observed(100.0, 20.0)).unwrap();
        assert_eq!(
            decision,
            Decision {
                from: 16.0,
                to: 12.0,
                reason: Reason::Congestion { before_ms: 10.0, now_ms: 20.0 }
            }
        );
    }

    #[test]
    fn does_not_grow_until_memory_is_free_again() {
        let mut controller = Controller::new(16.0, LIMITS);
        let at = |memory_pressure| Observation { memory_pressure, ..observed(100.0, 1.0) };
        let decision = controller.decide(&at(0.95)).unwrap();
        assert_eq!((decision.from, decision.to), (16.0, 8.0));
        for _ in 0..100 {
            if let Some(Decision { from, to, reason }) = decided(&mut controller, &at(0.8)) {
                assert!(to < from || matches!(reason, Reason::Lost { .. }));
            }
        }
        assert!(controller.value() <= 8.0);
    }

    proptest! {
        /// Whatever is measured: the limits hold, and nothing grows under pressure.
        #[test]
        fn stays_within_its_limits(
            start in -10.0..200.0_f64,
            min in 1.0..20.0_f64,
            room in 0.0..100.0_f64,
            measured in prop::collection::vec((0.0..1e9_f64, 0.0..1e6_f64, 0.0..1.2_f64, any::<bool>()), 1..200),
        ) {
            let min = min.round();
            let limits = Limits { min, max: min + room.round(), ..LIMITS };
            let mut controller = Controller::new(start, limits);
            for (throughput, latency_ms, memory_pressure, saturated) in measured {
                let before = controller.value();
                let now = Observation { throughput, latency_ms, memory_pressure, saturated };
                let decision = controller.decide(&now);
                let after = controller.value();
                prop_assert!((limits.min..=limits.max).contains(&after) && after.fract() == 0.0);
                prop_assert_eq!(decision.is_some(), before != after);
                if memory_pressure >= limits.high_pressure {
                    prop_assert!(after < before || after == limits.min);
                }
            }
        }

        /// Wherever it starts and wherever the best is, it comes near and stays near, also with noise of 5 %.
        #[test]
        fn converges_on_a_curve(
            start in 1.0..64.0_f64,
            best in 2.0..50.0_f64,
            noise in prop::collection::vec(0.95..1.05_f64, 600),
        ) {
            let mut controller = Controller::new(start, LIMITS);
            let mut done = Vec::new();
            for noise in noise {
                let measured = system(controller.value(), best);
                done.push(measured.throughput);
                controller.decide(&Observation { throughput: measured.throughput * noise, ..measured });
            }
            let later = &done[300..];
            let mean = later.iter().sum::<f64>() / later.len() as f64;
            prop_assert!(mean > 0.75 * best * 100.0, "{mean} of {}", best * 100.0);
        }
    }
}
