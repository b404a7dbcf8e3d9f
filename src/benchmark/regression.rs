//! Two results compared: by the averages of their metrics, or by the medians of many runs.
//!
//! Averages of one run each move by their thresholds too often by mere chance. Where both sides have several runs, each
//! a process of its own, a metric [regressed](Verdict::Worse) only if the [rank test](super::rank_test) agrees.
//!
//! A change is relative to the baseline: 0.25 is a quarter more. A metric is compared when both sides have
//! a finite average and the baseline's is above zero; against anything else no relative change exists, and
//! the metric is left alone.

use super::{
    rank_test::{Difference, difference},
    statistics::median,
};

/// What a test measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Less is better.
    Duration,
    /// Less is better.
    Memory,
    /// More is better.
    Throughput,
}

impl Metric {
    const ALL: [Self; 3] = [Self::Duration, Self::Memory, Self::Throughput];

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Duration => "duration",
            Self::Memory => "memory",
            Self::Throughput => "throughput",
        }
    }

    /// The change beyond which the metric got worse; beyond its negative it got better.
    pub fn threshold(self) -> f64 {
        match self {
            Self::Duration => 0.2,
            Self::Memory => 0.3,
            Self::Throughput => -0.1,
        }
    }
}

/// The averages of one test; those it lacks are `None`.
#[derive(Clone, Debug, Default)]
pub struct Averages {
    pub duration: Option<f64>,
    pub memory: Option<f64>,
    pub throughput: Option<f64>,
}

impl Averages {
    fn of(&self, metric: Metric) -> Option<f64> {
        match metric {
            Metric::Duration => self.duration,
            Metric::Memory => self.memory,
            Metric::Throughput => self.throughput,
        }
    }
}

/// A metric that moved beyond its threshold.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub metric: Metric,
    pub change: f64,
    pub verdict: Verdict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Worse,
    Better,
}

/// The p-value below which the rank test agrees.
const SIGNIFICANCE: f64 = 0.05;

/// Changes of the heap by fewer bytes an iteration say nothing: reading it is not finer.
const LEAST_BYTES: f64 = 1_024.0;

/// One metric in many runs of each side.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The shift between the sides, relative to the baseline's median.
    pub change: f64,
    /// At least 95 % confidence for `change`; `None` if a side has too few runs to judge.
    pub difference: Option<Difference>,
    pub interval: Option<[f64; 2]>,
    pub outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Worse beyond the threshold, and beyond chance.
    Regressed,
    /// Better beyond the threshold, and beyond chance.
    Improved,
    /// Beyond the threshold, but it may be chance.
    Inconclusive,
    /// Within the threshold.
    Unchanged,
}

impl Outcome {
    pub fn name(self) -> &'static str {
        match self {
            Self::Regressed => "regressed",
            Self::Improved => "improved",
            Self::Inconclusive => "inconclusive",
            Self::Unchanged => "unchanged",
        }
    }
}

/// Compares the medians of one metric, one a run. `None` if a side has no finite value, or the baseline's median is
/// not above zero.
pub fn compare_runs(metric: Metric, current: &[f64], baseline: &[f64]) -> Option<Comparison> {
    let (now, then) = (median(current)?, median(baseline)?);
    let difference = difference(current, baseline);
    let shift = difference.as_ref().map_or(now - then, |known| known.shift);
    let change = relative_change(then + shift, then)?;
    let negligible = is_negligible(metric, shift);
    let certain = difference.as_ref().is_some_and(|known| known.p_value < SIGNIFICANCE);
    let outcome = match judge(change, metric.threshold()) {
        None => Outcome::Unchanged,
        Some(_) if negligible => Outcome::Unchanged,
        Some(_) if !certain => Outcome::Inconclusive,
        Some(Verdict::Worse) => Outcome::Regressed,
        Some(Verdict::Better) => Outcome::Improved,
    };
    let interval = difference
        .as_ref()
        .map(|known| known.interval.map(|bound| bound / then))
        .filter(|bounds| bounds.iter().all(|bound| bound.is_finite()));
    Some(Comparison { change, difference, interval, outcome })
}

/// The metrics of a test that moved beyond their thresholds; `None` if no metric could be compared. With `measured`
/// the averages are of measurements, of which [few bytes](LEAST_BYTES) say nothing.
pub fn compare(current: &Averages, baseline: &Averages, measured: bool) -> Option<Vec<Change>> {
    let compared: Vec<(Metric, f64)> = Metric::ALL
        .into_iter()
        .filter_map(|metric| {
            let (now, then) = (current.of(metric)?, baseline.of(metric)?);
            let change = relative_change(now, then)?;
            let negligible = measured && is_negligible(metric, now - then);
            Some((metric, if negligible { 0.0 } else { change }))
        })
        .collect();
    if compared.is_empty() {
        return None;
    }
    let judged = compared.into_iter().filter_map(|(metric, change)| {
        Some(Change { metric, change, verdict: judge(change, metric.threshold())? })
    });
    Some(judged.collect())
}

fn is_negligible(metric: Metric, shift: f64) -> bool {
    metric == Metric::Memory && shift.abs() < LEAST_BYTES
}

fn relative_change(current: f64, baseline: f64) -> Option<f64> {
    let change = (current - baseline) / baseline;
    (baseline > 0.0 && change.is_finite()).then_some(change)
}

fn judge(change: f64, threshold: f64) -> Option<Verdict> {
    // In the threshold's direction a change is for the worse.
    let towards = change * threshold.signum();
    if towards > threshold.abs() {
        Some(Verdict::Worse)
    } else if towards < -threshold.abs() {
        Some(Verdict::Better)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn averages(duration: f64, memory: f64, throughput: f64) -> Averages {
        Averages { duration: Some(duration), memory: Some(memory), throughput: Some(throughput) }
    }

    #[test]
    fn each_metric_has_its_own_direction_and_threshold() {
        let baseline = averages(100.0, 100.0, 100.0);
        assert_eq!(compare(&averages(120.0, 130.0, 90.0), &baseline, false), Some(vec![]));
        let worse = compare(&averages(121.0, 131.0, 89.0), &baseline, false).unwrap();
        assert!(worse.iter().all(|change| change.verdict == Verdict::Worse));
        assert_eq!(worse.iter().map(|change| change.metric).collect::<Vec<_>>(), Metric::ALL);
        let better = compare(&averages(79.0, 69.0, 111.0), &baseline, false).unwrap();
        assert!(better.iter().all(|change| change.verdict == Verdict::Better));
        assert_eq!(better.len(), 3);
    }

    #[test]
    fn of_runs_threshold_and_test_must_agree() {
        let compare = |current: &[f64], baseline: &[f64]| {
            compare_runs(Metric::Duration, current, baseline).unwrap()
        };
        let baseline = [10.0, 10.1, 10.2, 10.3];
        let slower = compare(&[13.0, 13.1, 13.2, 13.3], &baseline);
        assert_eq!(slower.outcome, Outcome::Regressed);
        assert!((slower.change - 3.0 / 10.15).abs() < 1e-12, "{}", slower.change);
        let [low, high] = slower.interval.unwrap();
        assert!(low < slower.change && slower.change < high && low > 0.2);
        assert_eq!(compare(&baseline, &[13.0, 13.1, 13.2, 13.3]).outcome, Outcome::Improved);
        // Slower as a whole, but one run of four was fast.
        assert_eq!(compare(&[9.0, 14.0, 15.0, 16.0], &baseline).outcome, Outcome::Inconclusive);
        assert_eq!(compare(&[13.0, 13.0, 13.0], &baseline).outcome, Outcome::Inconclusive);
        // Certain, but small.
        assert_eq!(compare(&[11.0, 11.1, 11.2, 11.3], &baseline).outcome, Outcome::Unchanged);
    }

    #[test]
    fn of_memory_a_few_bytes_are_nothing() {
        let runs = |heap: f64| [heap, heap + 1.0, heap + 2.0, heap + 3.0];
        let outcome = |current: f64, baseline: f64| {
            compare_runs(Metric::Memory, &runs(current), &runs(baseline)).unwrap().outcome
        };
        assert_eq!(outcome(200.0, 100.0), Outcome::Unchanged);
        assert_eq!(outcome(20_000.0, 10_000.0), Outcome::Regressed);
        assert_eq!(compare_runs(Metric::Memory, &runs(5.0), &[-1.0; 4]), None);
        let changes = |current: f64, measured| {
            compare(&averages(1.0, current, 1.0), &averages(1.0, 100.0, 1.0), measured)
                .unwrap()
                .len()
        };
        assert_eq!([changes(1_100.0, true), changes(1_100.0, false)], [0, 1]);
        assert_eq!(changes(1_200.0, true), 1);
    }

    #[test]
    fn without_a_positive_baseline_nothing_is_compared() {
        assert_eq!(compare(&averages(1.0, 1.0, 1.0), &averages(0.0, -3.0, f64::NAN), false), None);
        assert_eq!(compare(&averages(1.0, 1.0, 1.0), &Averages::default(), false), None);
        assert_eq!(compare(&averages(1e308, 1.0, 1.0), &averages(1e-308, 0.0, 0.0), false), None);
    }

    proptest! {
        #[test]
        fn changes_are_finite_and_nothing_regresses_against_itself(
            one in any::<[f64; 3]>(),
            other in any::<[f64; 3]>(),
        ) {
            let [one, other] = [one, other].map(|[a, b, c]| averages(a, b, c));
            for change in compare(&one, &other, false).unwrap_or_default() {
                prop_assert!(change.change.is_finite());
            }
            prop_assert_eq!(compare(&one, &one, false).unwrap_or_default(), vec![]);
        }
    }
}
