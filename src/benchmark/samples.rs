//! The timings of a test in bounded memory.
//!
//! Up to [`KEPT`] of them are kept as they are. Of more, a uniform sample stays (Vitter, Random Sampling with a
//! Reservoir, 1985, algorithm R), while count, mean, deviation and extremes stay exact, and a histogram knows
//! the percentiles to within 0.1 %.

use hdrhistogram::Histogram;

use super::statistics::Statistics;
use crate::random::Random;

/// How many timings are kept.
pub const KEPT: usize = 100_000;

/// One timing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Milliseconds.
    pub duration: f64,
    /// Bytes by which the used heap changed.
    pub heap: f64,
    /// Per second; not a number if the test has none.
    pub rate: f64,
}

#[derive(Debug)]
pub struct Samples {
    kept: Vec<Sample>,
    count: u64,
    random: Random,
    /// Known from when not all are kept.
    all: Option<Box<All>>,
}

/// The figures of all durations.
#[derive(Debug)]
struct All {
    count: u64,
    /// Running mean and sum of squared distances from it (Welford 1962).
    mean: f64,
    squares: f64,
    min: f64,
    max: f64,
    histogram: Histogram<u64>,
}

/// Units of the histogram in a millisecond: a thousandth of a nanosecond each.
const PER_MILLISECOND: f64 = 1e9;

/// A day in units of the histogram; what is longer counts as that long.
const LONGEST: u64 = 86_400_000 * 1_000_000_000;

impl Default for Samples {
    fn default() -> Self {
        Self { kept: Vec::new(), count: 0, random: Random::new(0), all: None }
    }
}

impl Samples {
    pub fn add(&mut self, sample: Sample) {
        self.count += 1;
        if self.kept.len() < KEPT {
            self.kept.push(sample);
            return;
        }
        let kept = &self.kept;
        self.all.get_or_insert_with(|| Box::new(All::of(kept))).add(sample.duration);
        if let Some(place) = self.kept.get_mut(self.random.below(self.count as usize)) {
            *place = sample;
        }
    }

    /// How many were added.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// All of them, or a uniform sample.
    pub fn kept(&self) -> &[Sample] {
        &self.kept
    }

    /// The figures of all durations, if [`kept`](Self::kept) has not all of them. What the histogram does not tell
    /// (the interval of the median, the deviation from it, outliers) is that of the sample; outliers are scaled up.
    pub fn durations(&self) -> Option<Statistics> {
        let all = self.all.as_ref()?;
        let sample: Vec<f64> = self.kept.iter().map(|sample| sample.duration).collect();
        let sample = Statistics::of(&sample)?;
        let scale = self.count as f64 / self.kept.len() as f64;
        Some(Statistics {
            min: all.min,
            max: all.max,
            avg: all.mean,
            median: all.quantile(0.5),
            p95: all.quantile(0.95),
            p99: all.quantile(0.99),
            stddev: (all.squares / all.count as f64).sqrt(),
            outliers: (sample.outliers as f64 * scale).round() as usize,
            ..sample
        })
    }
}

/// The durations of several processes taken together, by how many each has, its figures, and the samples of all. Count,
/// extremes, mean and deviation are exact; the rest is that of the samples, and outliers are scaled up.
pub fn together(parts: &[(u64, Statistics)], samples: &[f64]) -> Option<Statistics> {
    if let [(_, only)] = parts {
        return Some(only.clone());
    }
    let sample = Statistics::of(samples)?;
    let sum = |figure: &dyn Fn(&Statistics) -> f64| -> f64 {
        parts.iter().map(|(count, known)| *count as f64 * figure(known)).sum()
    };
    let count = sum(&|_| 1.0);
    let avg = sum(&|known| known.avg) / count;
    let squares = sum(&|known| known.stddev.powi(2) + (known.avg - avg).powi(2));
    Some(Statistics {
        min: parts.iter().map(|(_, known)| known.min).reduce(f64::min)?,
        max: parts.iter().map(|(_, known)| known.max).reduce(f64::max)?,
        avg,
        stddev: (squares / count).sqrt(),
        outliers: (sample.outliers as f64 * count / samples.len() as f64).round() as usize,
        ..sample
    })
}

impl All {
    fn of(samples: &[Sample]) -> Self {
        #[expect(clippy::expect_used, reason = "1 ≤ 1, twice that ≤ a day, 3 ≤ 5 digits")]
        let histogram = Histogram::new_with_bounds(1, LONGEST, 3).expect("valid bounds");
        let (min, max) = (f64::INFINITY, f64::NEG_INFINITY);
        let mut all = Self { count: 0, mean: 0.0, squares: 0.0, min, max, histogram };
        samples.iter().for_each(|sample| all.add(sample.duration));
        all
    }

    fn add(&mut self, duration: f64) {
        self.count += 1;
        let distance = duration - self.mean;
        self.mean += distance / self.count as f64;
        self.squares += distance * (duration - self.mean);
        self.min = self.min.min(duration);
        self.max = self.max.max(duration);
        self.histogram.saturating_record((duration * PER_MILLISECOND).round() as u64);
    }

    fn quantile(&self, share: f64) -> f64 {
        let value = self.histogram.value_at_quantile(share) as f64 / PER_MILLISECOND;
        value.clamp(self.min, self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(count: usize) -> Samples {
        let mut samples = Samples::default();
        for number in 1..=count {
            samples.add(Sample { duration: number as f64, heap: -(number as f64), rate: f64::NAN });
        }
        samples
    }

    #[test]
    fn few_are_kept_as_they_are() {
        let samples = samples(KEPT);
        assert_eq!((samples.count(), samples.kept().len()), (KEPT as u64, KEPT));
        assert_eq!(samples.kept()[41].duration, 42.0);
        assert_eq!(samples.durations(), None);
    }

    #[test]
    fn parts_taken_together_are_the_whole() {
        let values: Vec<f64> = (0..1_000).map(|number| f64::from(number * number % 977)).collect();
        let whole = Statistics::of(&values).unwrap();
        let parts: Vec<(u64, Statistics)> = [&values[..100], &values[100..101], &values[101..]]
            .map(|part| (part.len() as u64, Statistics::of(part).unwrap()))
            .to_vec();
        let found = together(&parts, &values).unwrap();
        for (found, expected) in [(found.avg, whole.avg), (found.stddev, whole.stddev)] {
            assert!((found / expected - 1.0).abs() < 1e-12, "{found} is not {expected}");
        }
        assert_eq!(Statistics { avg: whole.avg, stddev: whole.stddev, ..found }, whole);
        // Of one there is nothing to add up: its figures are better than those of its sample.
        let only = (9, Statistics { p99: 42.0, ..whole });
        assert_eq!(together(std::slice::from_ref(&only), &values), Some(only.1));
        assert_eq!(together(&[], &[]), None);
    }

    #[test]
    fn of_many_the_figures_are_those_of_all() {
        let count = 4 * KEPT;
        let samples = samples(count);
        assert_eq!((samples.count(), samples.kept().len()), (count as u64, KEPT));
        let (known, count) = (samples.durations().unwrap(), count as f64);
        assert_eq!((known.min, known.max), (1.0, count));
        let near = |found: f64, expected: f64, share: f64| {
            assert!((found / expected - 1.0).abs() < share, "{found} is not {expected}");
        };
        near(known.avg, (count + 1.0) / 2.0, 1e-12);
        near(known.stddev, ((count * count - 1.0) / 12.0).sqrt(), 1e-9);
        for (found, share) in [(known.median, 0.5), (known.p95, 0.95), (known.p99, 0.99)] {
            near(found, count * share, 1e-3);
        }
        // A uniform sample has the mean of all, and keeps what belongs together.
        let mean = samples.kept().iter().map(|sample| sample.duration).sum::<f64>() / KEPT as f64;
        near(mean, count / 2.0, 0.01);
        assert!(samples.kept().iter().all(|sample| sample.heap == -sample.duration));
    }
}
