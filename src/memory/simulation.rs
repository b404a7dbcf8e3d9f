//! Simulated programs, to measure how often a leak detector is wrong: seeded, so that a run is the same everywhere.
//!
//! A program allocates at its own rate; scavenges promote a share of that to garbage in the old generation; major
//! collections come when the heap has grown by its own factor, or after its own pause. What survives them follows
//! a [`Shape`], with noise, and perhaps a leak. Its heap swings and its collections come about as they did in
//! recorded Node programs: 0.4 to 5 major collections a minute.

use std::f64::consts::TAU;

pub use crate::random::Random;

/// How what a leak-free program holds changes, as shares of what it holds at first. Times in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    Steady,
    /// Goes up and down by `deviation`, forgetting where it was after `memory` seconds.
    Wander {
        deviation: f64,
        memory: f64,
    },
    /// Approaches `rise` more.
    WarmUp {
        rise: f64,
        time_constant: f64,
    },
    /// Takes `rise` more at some moment.
    Step {
        rise: f64,
    },
    /// Waves of 40 to 90 minutes.
    Sine {
        amplitude: f64,
    },
}

/// What a second brought.
#[derive(Clone, Copy, Debug)]
pub struct Second {
    /// Since the program started.
    pub at: f64,
    /// Bytes of the heap in use.
    pub used: f64,
    /// Bytes that a major collection left, if there was one.
    pub floor: Option<f64>,
}

const MB: f64 = 1e6;
/// V8's semi-space, which a scavenge empties.
const YOUNG: f64 = 16.0 * MB;
/// Noise of every program, as a share, and how long it lasts in seconds.
const NOISE: (f64, f64) = (0.01, 30.0);

/// A running program: an endless sequence of its seconds.
pub struct Program {
    random: Random,
    shape: Shape,
    /// Share of the first size that is lost in a second.
    leak: f64,
    base: f64,
    allocation: f64,
    promoted: f64,
    growth_factor: f64,
    longest_pause: f64,
    step_at: f64,
    wave: (f64, f64),
    second: f64,
    young: f64,
    garbage: f64,
    last_major: f64,
    noise: Autoregression,
    wander: Autoregression,
}

impl Program {
    /// A program of this shape that leaks `leak` of its size a minute, its other traits drawn from `seed`.
    pub fn new(shape: Shape, leak: f64, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let (deviation, memory) = match shape {
            Shape::Wander { deviation, memory } => (deviation, memory),
            _ => (0.0, 1.0),
        };
        Self {
            shape,
            leak: leak / 60.0,
            base: random.log_between(30.0, 300.0) * MB,
            allocation: random.log_between(0.5, 10.0) * MB,
            promoted: random.between(0.05, 0.9),
            growth_factor: random.between(1.3, 3.0),
            longest_pause: random.log_between(10.0, 300.0),
            step_at: random.between(0.0, 3_600.0),
            wave: (random.between(40.0, 90.0) * 60.0, random.between(0.0, TAU)),
            second: 0.0,
            young: 0.0,
            garbage: 0.0,
            last_major: 0.0,
            noise: Autoregression::new(NOISE.0, NOISE.1),
            wander: Autoregression::new(deviation, memory),
            random,
        }
    }

    /// What is in use, as a share of what is used at first.
    fn level(&mut self) -> f64 {
        let shape = match self.shape {
            Shape::Steady | Shape::Wander { .. } => 0.0,
            Shape::WarmUp { rise, time_constant } => {
                rise * (1.0 - (-self.second / time_constant).exp())
            }
            Shape::Step { rise } => {
                if self.second < self.step_at {
                    0.0
                } else {
                    rise
                }
            }
            Shape::Sine { amplitude } => {
                amplitude * (TAU * self.second / self.wave.0 + self.wave.1).sin()
            }
        };
        let chance = self.noise.next(&mut self.random) + self.wander.next(&mut self.random);
        (1.0 + shape + chance + self.leak * self.second).max(0.1)
    }
}

impl Iterator for Program {
    type Item = Second;

    fn next(&mut self) -> Option<Second> {
        self.second += 1.0;
        let live = self.base * self.level();
        self.young += self.allocation;
        if self.young >= YOUNG {
            self.young -= YOUNG;
            self.garbage += self.promoted * YOUNG;
        }
        let full = live + self.garbage >= self.growth_factor * live;
        let late = self.second - self.last_major >= self.longest_pause;
        let major = full || late;
        if major {
            (self.garbage, self.last_major) = (0.0, self.second);
        }
        let used = live + self.garbage + self.young;
        Some(Second { at: self.second, used, floor: major.then_some(live + 0.1 * self.young) })
    }
}

/// Noise that forgets slowly: an AR(1) process sampled each second.
struct Autoregression {
    keep: f64,
    deviation: f64,
    value: f64,
}

impl Autoregression {
    fn new(deviation: f64, memory: f64) -> Self {
        Self { keep: (-1.0 / memory).exp(), deviation, value: 0.0 }
    }

    fn next(&mut self, random: &mut Random) -> f64 {
        let fresh = self.deviation * (1.0 - self.keep * self.keep).sqrt();
        self.value = self.keep * self.value + fresh * random.normal();
        self.value
    }
}
