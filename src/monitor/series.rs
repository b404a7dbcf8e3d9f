//! The values of one metric over a sliding window.
//!
//! The window moves in steps of a sixtieth. Each step holds a sketch of its values with a relative error of 1 %
//! (DDSketch: Masson, Rim and Lee, VLDB 12, 2019), so memory is bounded however many values arrive.

use std::collections::{BTreeMap, VecDeque};

const STEPS: u64 = 60;
/// The relative error of a percentile.
pub const ACCURACY: f64 = 0.01;
/// Ratio of a bucket's bounds.
const GAMMA: f64 = (1.0 + ACCURACY) / (1.0 - ACCURACY);
/// Values above 0 are told apart within these bounds, which bounds the buckets of a step to about 4,900.
const SMALLEST: f64 = 1e-18;
const LARGEST: f64 = 1e24;
/// The bucket of 0.
const ZERO: i32 = i32::MIN;

/// What is known of a window. The unit of the values is the caller's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    pub count: u64,
    /// Values a second.
    pub rate: f64,
    pub mean: f64,
    pub min: f64,
    pub max: f64,
    /// Percentiles by nearest rank, each within [`ACCURACY`].
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
}

/// All values there ever were.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    pub count: u64,
    pub sum: f64,
}

impl Totals {
    /// A sum beyond all numbers stays the largest one.
    fn add(&mut self, other: Totals) {
        self.count += other.count;
        self.sum = (self.sum + other.sum).min(f64::MAX);
    }
}

/// The latest values of a metric.
#[derive(Debug)]
pub struct Series {
    step_ms: f64,
    started_ms: f64,
    steps: VecDeque<Step>,
    totals: Totals,
}

#[derive(Debug)]
struct Step {
    /// Which step since time 0.
    number: u64,
    totals: Totals,
    min: f64,
    max: f64,
    buckets: BTreeMap<i32, u64>,
}

impl Series {
    /// A window of `window_ms` that begins to fill at `now_ms`, on any clock that never goes back.
    pub fn new(window_ms: f64, now_ms: f64) -> Self {
        let step_ms = window_ms / STEPS as f64;
        let (steps, totals) = (VecDeque::new(), Totals::default());
        Self { step_ms, started_ms: now_ms, steps, totals }
    }

    /// Adds a value, finite and not below 0.
    pub fn record(&mut self, now_ms: f64, value: f64) {
        let number = self.step_at(now_ms);
        self.drop_before(number);
        if self.steps.back().is_none_or(|step| step.number < number) {
            self.steps.push_back(Step::new(number));
        }
        if let Some(step) = self.steps.back_mut() {
            step.record(value);
        }
        self.totals.add(Totals { count: 1, sum: value });
    }

    /// All values, also those that left the window.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// What is known at `now_ms`; `None` if the window is empty.
    pub fn summary(&self, now_ms: f64) -> Option<Summary> {
        let oldest = self.step_at(now_ms).saturating_sub(STEPS - 1);
        let steps = || self.steps.iter().filter(move |step| step.number >= oldest);
        let mut totals = Totals::default();
        steps().for_each(|step| totals.add(step.totals));
        let Totals { count, sum } = totals;
        if count == 0 {
            return None;
        }
        let min = steps().map(|step| step.min).fold(f64::INFINITY, f64::min);
        let max = steps().map(|step| step.max).fold(0.0, f64::max);
        let mut buckets = BTreeMap::new();
        for (&bucket, &values) in steps().flat_map(|step| &step.buckets) {
            *buckets.entry(bucket).or_insert(0) += values;
        }
        let percentile = |share: f64| percentile(&buckets, count, share).clamp(min, max);
        Some(Summary {
            count,
            rate: count as f64 * 1_000.0 / self.covered_ms(now_ms),
            mean: (sum / count as f64).clamp(min, max),
            min,
            max,
            p50: percentile(0.50),
            p95: percentile(0.95),
            p99: percentile(0.99),
        })
    }

    /// The time the window stands for, at least one step: it may not be full yet, and its latest step is not over.
    fn covered_ms(&self, now_ms: f64) -> f64 {
        let oldest = self.step_at(now_ms).saturating_sub(STEPS - 1);
        let from = (oldest as f64 * self.step_ms).max(self.started_ms);
        (now_ms - from).max(self.step_ms)
    }

    fn step_at(&self, now_ms: f64) -> u64 {
        (now_ms / self.step_ms) as u64
    }

    fn drop_before(&mut self, number: u64) {
        while self.steps.front().is_some_and(|step| step.number + STEPS <= number) {
            self.steps.pop_front();
        }
    }
}

impl Step {
    fn new(number: u64) -> Self {
        let (totals, buckets) = (Totals::default(), BTreeMap::new());
        Self { number, totals, min: f64::INFINITY, max: 0.0, buckets }
    }

    fn record(&mut self, value: f64) {
        self.totals.add(Totals { count: 1, sum: value });
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        *self.buckets.entry(bucket(value)).or_insert(0) += 1;
    }
}

/// The bucket of values in `(GAMMA^(bucket - 1), GAMMA^bucket]`.
fn bucket(value: f64) -> i32 {
    if value == 0.0 {
        return ZERO;
    }
    (value.clamp(SMALLEST, LARGEST).ln() / GAMMA.ln()).ceil() as i32
}

fn percentile(buckets: &BTreeMap<i32, u64>, count: u64, share: f64) -> f64 {
    let rank = ((share * count as f64).ceil() as u64).max(1);
    let mut seen = 0;
    let found = buckets.iter().find(|&(_, &values)| {
        seen += values;
        seen >= rank
    });
    // The point whose relative distance to both bounds is the same.
    found
        .filter(|&(&bucket, _)| bucket != ZERO)
        .map_or(0.0, |(&bucket, _)| 2.0 * GAMMA.powi(bucket) / (GAMMA + 1.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn knows_the_figures_of_its_window() {
        let mut series = Series::new(60_000.0, 0.0);
        for value in 1..=100 {
            series.record(f64::from(value) * 100.0, f64::from(value));
        }
        let summary = series.summary(10_000.0).unwrap();
        assert_eq!((summary.count, summary.min, summary.max), (100, 1.0, 100.0));
        assert!((summary.mean - 50.5).abs() < 1e-9);
        assert!((summary.rate - 10.0).abs() < 1e-9, "{}", summary.rate);
        assert!((summary.p50 - 50.0).abs() <= 0.51, "{}", summary.p50);
        assert!((summary.p99 - 99.0).abs() <= 1.0, "{}", summary.p99);
    }

    #[test]
    fn forgets_what_left_the_window() {
        let mut series = Series::new(60_000.0, 0.0);
        series.record(0.0, 1.0);
        series.record(30_000.0, 5.0);
        assert_eq!(series.summary(59_999.0).unwrap().count, 2);
        assert_eq!(series.summary(60_000.0).unwrap().min, 5.0);
        assert_eq!(series.summary(90_000.0), None);
        for second in 0..1_000 {
            series.record(100_000.0 + f64::from(second) * 1_000.0, 1.0);
        }
        assert!(series.steps.len() as u64 <= STEPS);
    }

    #[test]
    fn holds_extremes() {
        let mut series = Series::new(1_000.0, 0.0);
        series.record(0.0, 0.0);
        assert_eq!(series.summary(0.0).unwrap().p99, 0.0);
        for value in [0.0, 5.0, f64::MAX, f64::MAX, f64::MAX] {
            series.record(0.0, value);
        }
        let summary = series.summary(0.0).unwrap();
        assert_eq!((summary.max, summary.p99.is_finite()), (f64::MAX, true));
        assert!(summary.mean.is_finite() && series.totals().sum.is_finite());
    }

    #[test]
    fn zeros_are_exact() {
        let mut series = Series::new(1_000.0, 0.0);
        [0.0, 0.0, 5.0].iter().for_each(|&value| series.record(0.0, value));
        assert_eq!(series.summary(0.0).unwrap().p50, 0.0);
    }

    #[test]
    fn totals_only_grow() {
        let mut series = Series::new(1_000.0, 0.0);
        series.record(0.0, 2.0);
        series.record(5_000.0, 3.0);
        assert_eq!(series.totals(), Totals { count: 2, sum: 5.0 });
    }

    proptest! {
        #[test]
        fn percentiles_are_within_the_accuracy(
            powers in prop::collection::vec(-17.0..23.0_f64, 1..300),
        ) {
            let mut values: Vec<_> = powers.iter().map(|power| 10_f64.powf(*power)).collect();
            let mut series = Series::new(1_000.0, 0.0);
            values.iter().for_each(|&value| series.record(0.0, value));
            values.sort_by(f64::total_cmp);
            let summary = series.summary(0.0).unwrap();
            for (share, found) in [(0.5, summary.p50), (0.95, summary.p95), (0.99, summary.p99)] {
                let exact = values[(share * values.len() as f64).ceil() as usize - 1];
                prop_assert!((found - exact).abs() <= exact * (ACCURACY + 1e-9));
            }
        }
    }
}
