//! Two results compared by the averages of their metrics.
//!
//! A change is relative to the baseline: 0.25 is a quarter more. A metric is compared when both sides have
//! a finite average and the baseline's is above zero; against anything else no relative change exists, and
//! the metric is left alone.

/// What the averages of a test measure.
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

/// The metrics of a test that moved beyond their thresholds; `None` if no metric could be compared.
pub fn compare(current: &Averages, baseline: &Averages) -> Option<Vec<Change>> {
    let compared: Vec<(Metric, f64)> = Metric::ALL
        .into_iter()
        .filter_map(|metric| {
            let change = relative_change(current.of(metric)?, baseline.of(metric)?)?;
            Some((metric, change))
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
        assert_eq!(compare(&averages(120.0, 130.0, 90.0), &baseline), Some(vec![]));
        let worse = compare(&averages(121.0, 131.0, 89.0), &baseline).unwrap();
        assert!(worse.iter().all(|change| change.verdict == Verdict::Worse));
        assert_eq!(worse.iter().map(|change| change.metric).collect::<Vec<_>>(), Metric::ALL);
        let better = compare(&averages(79.0, 69.0, 111.0), &baseline).unwrap();
        assert!(better.iter().all(|change| change.verdict == Verdict::Better));
        assert_eq!(better.len(), 3);
    }

    #[test]
    fn without_a_positive_baseline_nothing_is_compared() {
        assert_eq!(compare(&averages(1.0, 1.0, 1.0), &averages(0.0, -3.0, f64::NAN)), None);
        assert_eq!(compare(&averages(1.0, 1.0, 1.0), &Averages::default()), None);
        assert_eq!(compare(&averages(1e308, 1.0, 1.0), &averages(1e-308, 0.0, 0.0)), None);
    }

    proptest! {
        #[test]
        fn changes_are_finite_and_nothing_regresses_against_itself(
            one in any::<[f64; 3]>(),
            other in any::<[f64; 3]>(),
        ) {
            let [one, other] = [one, other].map(|[a, b, c]| averages(a, b, c));
            for change in compare(&one, &other).unwrap_or_default() {
                prop_assert!(change.change.is_finite());
            }
            prop_assert_eq!(compare(&one, &one).unwrap_or_default(), vec![]);
        }
    }
}
