//! One setting: hill climbing with patience, and multiplicative decrease under memory pressure.
//!
//! The idea is that of congestion control (Chiu and Jain, "Analysis of the Increase and Decrease Algorithms for
//! Congestion Avoidance", 1989; the file engine's own limit uses it between operations): try more, keep it while the
//! whole gains, go back when it does not. Here a step is a quarter, since a setting may be 4 or 4 million, and a
//! smaller value that does as much is preferred, since it costs less memory.

use super::decision::{Decision, Reason};

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
mod tests;
