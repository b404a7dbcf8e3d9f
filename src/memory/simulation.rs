//! Simulated programs, for the tests of the detectors: seeded, so that a run is the same everywhere.

use super::growth::Reading;

/// SplitMix64. (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014.)
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Uniform in 0..1.
    pub fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// How what a program holds changes, as shares of 100 MB.
#[derive(Clone, Copy, Default)]
pub struct Load {
    /// Spread of the noise from floor to floor.
    pub wander: f64,
    /// Approached with a time constant of five minutes.
    pub warm_up: f64,
    /// Taken after 25 minutes.
    pub step: f64,
    /// Lost every minute.
    pub leak: f64,
}

impl Load {
    /// What is left after a collection at `at_ms`.
    pub fn floor(&self, at_ms: f64, wander: f64) -> Reading {
        let minutes = at_ms / 60_000.0;
        let warm = self.warm_up * (1.0 - (-minutes / 5.0).exp());
        let stepped = if minutes >= 25.0 { self.step } else { 0.0 };
        let heap = 1e8 * (1.0 + wander + warm + stepped + self.leak * minutes);
        Reading { at_ms, heap, external: 0.0, rss: heap + 5e7 }
    }
}
