//! The figures of a list of measured values.
//!
//! One rule for every caller: values that are not finite are no measurements and are left out, the order
//! of the input does not matter, and a figure of nothing is `None`.

/// What is known of one metric. The unit is that of the values.
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
pub struct Statistics {
    pub min: f64,
    pub max: f64,
    pub avg: f64,
    /// The middle value; of an even count the mean of the two in the middle.
    pub median: f64,
    /// Nearest-rank percentiles.
    pub p95: f64,
    pub p99: f64,
    /// The standard deviation of the values themselves (population, divided by n).
    pub stddev: f64,
    /// The median distance from the median, unscaled.
    pub mad: f64,
    /// The 95 % confidence interval of the median.
    pub ci95: [f64; 2],
    /// How many values lie outside Tukey's fences.
    pub outliers: usize,
}

impl Statistics {
    /// The figures of `values`; `None` if no value is finite.
    pub fn of(values: &[f64]) -> Option<Self> {
        let sorted = sorted(values);
        let median = median_of_sorted(&sorted)?;
        let distances: Vec<f64> = sorted.iter().map(|value| (value - median).abs()).collect();
        Some(Self {
            min: *sorted.first()?,
            max: *sorted.last()?,
            avg: mean(&sorted)?,
            median,
            p95: percentile_of_sorted(&sorted, 95.0)?,
            p99: percentile_of_sorted(&sorted, 99.0)?,
            stddev: standard_deviation(&sorted)?,
            mad: self::median(&distances)?,
            ci95: median_interval(&sorted)?,
            outliers: outliers(&sorted)?,
        })
    }
}

/// The middle value; of an even count the mean of the two in the middle.
pub fn median(values: &[f64]) -> Option<f64> {
    median_of_sorted(&sorted(values))
}

/// The nearest-rank percentile: the smallest value that at least `percentile` percent of all values do
/// not exceed. Below 0 it is the smallest value, above 100 the largest.
pub fn percentile(values: &[f64], percentile: f64) -> Option<f64> {
    percentile_of_sorted(&sorted(values), percentile)
}

/// The population standard deviation, in two passes.
pub fn standard_deviation(values: &[f64]) -> Option<f64> {
    let finite: Vec<f64> = finite(values).collect();
    let mean = mean(&finite)?;
    let squares: f64 = finite.iter().map(|value| (value - mean).powi(2)).sum();
    Some((squares / finite.len() as f64).sqrt())
}

/// How many fit into a second if one takes `milliseconds`; `None` if that is no finite number.
pub fn per_second(milliseconds: f64) -> Option<f64> {
    Some(1_000.0 / milliseconds).filter(|rate| rate.is_finite() && *rate > 0.0)
}

/// The share of failures among all attempts; 0 when there was none.
pub fn error_rate(successes: f64, errors: f64) -> f64 {
    if errors > 0.0 { errors / (successes + errors) } else { 0.0 }
}

fn finite(values: &[f64]) -> impl Iterator<Item = f64> {
    values.iter().copied().filter(|value| value.is_finite())
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut values: Vec<f64> = finite(values).collect();
    values.sort_unstable_by(f64::total_cmp);
    values
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn median_of_sorted(sorted: &[f64]) -> Option<f64> {
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = *sorted.get(sorted.len().saturating_sub(1) / 2)?;
    Some(lower.midpoint(upper))
}

fn percentile_of_sorted(sorted: &[f64], percentile: f64) -> Option<f64> {
    let rank = (percentile / 100.0 * sorted.len() as f64).ceil();
    // The cast saturates, so that any percentile names a rank.
    sorted.get((rank as usize).clamp(1, sorted.len().max(1)) - 1).copied()
}

/// Values beyond 1.5 interquartile ranges from the quartiles (Tukey, Exploratory Data Analysis, 1977).
fn outliers(sorted: &[f64]) -> Option<usize> {
    let lower = percentile_of_sorted(sorted, 25.0)?;
    let upper = percentile_of_sorted(sorted, 75.0)?;
    let reach = 1.5 * (upper - lower);
    let outside = |value: &&f64| **value < lower - reach || **value > upper + reach;
    Some(sorted.iter().filter(outside).count())
}

/// The 95 % percentile-bootstrap interval of the median.
///
/// For the median the bootstrap needs no random resamples: the k-th value of a resample of size n is at
/// most the j-th value of the sample with probability P(Binomial(n, j/n) ≥ k) (Efron, The Jackknife, the
/// Bootstrap and Other Resampling Plans, 1982, section 10.3). So the limit of infinitely many resamples
/// is read off, always the same for the same values. Of an even count the lower middle value decides the
/// lower bound and the upper one the upper, which can only widen the interval.
fn median_interval(sorted: &[f64]) -> Option<[f64; 2]> {
    let count = sorted.len();
    let bound = |middle: usize, probability: f64| {
        let reached = |value: usize| {
            1.0 - binomial_cdf(count, value as f64 / count as f64, middle - 1) >= probability
        };
        let (mut low, mut high) = (1, count);
        while low < high {
            let value = low.midpoint(high);
            if reached(value) { high = value } else { low = value + 1 }
        }
        sorted.get(low - 1).copied()
    };
    if count == 0 {
        return None;
    }
    Some([bound(count.div_ceil(2), 0.025)?, bound(count / 2 + 1, 0.975)?])
}

/// P(Binomial(`count`, `chance`) ≤ `limit`), with 0 < `chance` < 1.
///
/// Terms are taken relative to the likeliest one and outwards until they no longer count, so the cost
/// grows with the square root of `count` and nothing under- or overflows.
fn binomial_cdf(count: usize, chance: f64, limit: usize) -> f64 {
    let (n, odds) = (count as f64, chance / (1.0 - chance));
    let mode = (((n + 1.0) * chance) as usize).min(count);
    let (mut total, mut below) = (0.0, 0.0);
    let mut add = |successes: usize, term: f64| {
        total += term;
        below += if successes <= limit { term } else { 0.0 };
        term > f64::EPSILON * total
    };
    let mut term = 1.0;
    for successes in mode..=count {
        if !add(successes, term) {
            break;
        }
        term *= odds * (n - successes as f64) / (successes as f64 + 1.0);
    }
    term = 1.0;
    for successes in (1..=mode).rev() {
        term *= successes as f64 / (odds * (n - successes as f64 + 1.0));
        if !add(successes - 1, term) {
            break;
        }
    }
    below / total
}

#[cfg(test)]
mod tests;
