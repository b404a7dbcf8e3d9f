//! Values that do not fit the stream they arrive in, judged one by one in constant time and memory.
//!
//! Two judges share one baseline. A *spike* is a value far from the mean: the robust z-score, with the mean and
//! the mean absolute deviation kept as exponentially weighted averages (Roberts, Technometrics 1, 1959) of values
//! that were clipped first, so that an outlier does not raise the bar for the next one. A *shift* is a level that
//! has moved by little but for long: the two-sided cumulative sum of the z-scores (Page, Biometrika 41, 1954;
//! the average run lengths: Siegmund, Sequential Analysis, 1985). After a shift the baseline is learnt anew, so each
//! is told once.
//!
//! The judges assume values that depend little on those before; a metric with a daily rhythm has shifts.

/// Values that only teach the baseline.
const LEARNING: u32 = 30;
/// Weight of a new value in the baseline: the last 100 or so count.
const WEIGHT: f64 = 0.02;
/// Standard deviations from the mean that are a spike: one in 500 million of a normal distribution.
const SPIKE: f64 = 6.0;
/// What a value counts at most in the baseline and in a sum, in standard deviations.
const CLIP: f64 = 3.0;
/// Shifts below twice this many standard deviations are let pass.
const SLACK: f64 = 0.5;
/// The sum that is a shift. Of a million values of near-normal noise one raised a false alarm, and a shift of two
/// standard deviations was found after 9 values, at worst after 18 (200 runs).
const SHIFT: f64 = 10.0;
/// Standard deviation of a normal distribution whose mean absolute deviation is 1: √(π/2).
const SIGMA_OF_DEVIATION: f64 = 1.2533;
/// Share of the mean below which no deviation counts, so that a constant stream may move a little.
const FLOOR: f64 = 0.005;

/// What is odd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One value, far away.
    Spike,
    /// The level, for good.
    Shift,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Anomaly {
    pub kind: Kind,
    /// The mean so far.
    pub expected: f64,
    /// Standard deviations from it, with its sign.
    pub score: f64,
}

/// The judge of one stream.
#[derive(Clone, Debug, Default)]
pub struct Detector {
    seen: u32,
    mean: f64,
    deviation: f64,
    /// Cumulative sums of rises and of falls.
    above: f64,
    below: f64,
}

impl Detector {
    /// Standard deviations of `value` from the mean so far; nothing while the baseline is learnt.
    pub fn score(&self, value: f64) -> Option<f64> {
        (self.seen >= LEARNING).then(|| (value - self.mean) / self.sigma())
    }

    /// Judges the next value, which is finite.
    pub fn push(&mut self, value: f64) -> Option<Anomaly> {
        let Some(score) = self.score(value) else {
            self.seen += 1;
            self.learn(value, (1.0 / f64::from(self.seen)).max(WEIGHT));
            return None;
        };
        let (expected, sigma) = (self.mean, self.sigma());
        let clipped = score.clamp(-CLIP, CLIP);
        self.learn(expected + clipped * sigma, WEIGHT);
        self.above = (self.above + clipped - SLACK).max(0.0);
        self.below = (self.below - clipped - SLACK).max(0.0);
        if self.above.max(self.below) > SHIFT {
            *self = Self::default();
            return Some(Anomaly { kind: Kind::Shift, expected, score });
        }
        (score.abs() > SPIKE).then_some(Anomaly { kind: Kind::Spike, expected, score })
    }

    fn learn(&mut self, value: f64, weight: f64) {
        // From the mean before it: the first value deviates from nothing.
        let off = if self.seen == 1 { 0.0 } else { (value - self.mean).abs() };
        self.mean += weight * (value - self.mean);
        self.deviation += weight * (off - self.deviation);
    }

    fn sigma(&self) -> f64 {
        let floor = (FLOOR * self.mean.abs()).max(f64::MIN_POSITIVE.sqrt());
        (SIGMA_OF_DEVIATION * self.deviation).max(floor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Normal noise, always the same: twelve uniform numbers of a linear congruential generator.
    fn noise(seed: u64) -> impl FnMut() -> f64 {
        let mut state = seed;
        let mut uniform = move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        move || (0..12).map(|_| uniform()).sum::<f64>() - 6.0
    }

    fn trained(noise: &mut impl FnMut() -> f64) -> Detector {
        let mut detector = Detector::default();
        assert_eq!(detector.score(1.0), None);
        for _ in 0..200 {
            detector.push(100.0 + noise());
        }
        detector
    }

    #[test]
    fn tells_a_spike_and_only_it() {
        let mut noise = noise(1);
        let mut detector = trained(&mut noise);
        let score = detector.score(120.0);
        let found = detector.push(120.0).unwrap();
        assert_eq!((found.kind, Some(found.score)), (Kind::Spike, score));
        assert!((found.expected - 100.0).abs() < 0.5 && found.score > 15.0, "{found:?}");
        assert_eq!(detector.push(100.0), None);
        assert_eq!(detector.push(80.0).unwrap().kind, Kind::Spike);
    }

    #[test]
    fn tells_a_small_shift_soon_and_once() {
        for direction in [2.0, -2.0] {
            let mut noise = noise(2);
            let mut detector = trained(&mut noise);
            let found: Vec<_> = (0..500)
                .filter_map(|at| Some((at, detector.push(100.0 + direction + noise())?)))
                .collect();
            assert_eq!(found.len(), 1, "{found:?}");
            assert_eq!(found[0].1.kind, Kind::Shift);
            assert!(found[0].0 < 30, "{found:?}");
        }
    }

    #[test]
    fn quiet_noise_raises_few_alarms() {
        let alarms: usize = (0..20)
            .map(|seed| {
                let mut noise = noise(seed);
                let mut detector = Detector::default();
                (0..5_000).filter(|_| detector.push(100.0 + noise()).is_some()).count()
            })
            .sum();
        assert!(alarms <= 2, "{alarms} of 100,000");
    }

    #[test]
    fn a_constant_stream_may_move_a_little() {
        let mut detector = Detector::default();
        assert!(
            (0..1_000).all(|at| detector.push(if at == 500 { 100.2 } else { 100.0 }).is_none())
        );
        assert_eq!(detector.push(110.0).unwrap().kind, Kind::Spike);
        let mut zeros = Detector::default();
        assert!((0..100).all(|_| zeros.push(0.0).is_none()));
        assert_eq!(zeros.push(1.0).unwrap().kind, Kind::Spike);
    }
}
