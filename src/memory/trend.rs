//! Robust statistics of a trend: how steep, and how surely.

/// The Theil–Sen slope of `(x, y)` points: the median of the slopes of all pairs, which a third of wild
/// values cannot move far. `None` without two different `x`. (Sen, J. Am. Stat. Assoc. 63, 1968.)
pub fn theil_sen(points: &[(f64, f64)]) -> Option<f64> {
    let mut slopes = Vec::with_capacity(points.len() * points.len() / 2);
    for (index, &(x1, y1)) in points.iter().enumerate() {
        let later = points[index + 1..].iter().filter(|&&(x2, _)| x2 != x1);
        slopes.extend(later.map(|&(x2, y2)| (y2 - y1) / (x2 - x1)));
    }
    median(&mut slopes)
}

/// The Theil–Sen slopes of a whole series and of its halves, from one walk over the pairs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slopes {
    pub whole: f64,
    pub early: f64,
    pub late: f64,
}

impl Slopes {
    /// `None` unless each half has two different `x`.
    pub fn of(points: &[(f64, f64)]) -> Option<Self> {
        let half = points.len() / 2;
        let mut whole = Vec::with_capacity(points.len() * points.len() / 2);
        let (mut early, mut late) = (Vec::new(), Vec::new());
        for (index, &(x1, y1)) in points.iter().enumerate() {
            for (at, &(x2, y2)) in points.iter().enumerate().skip(index + 1) {
                if x2 == x1 {
                    continue;
                }
                let slope = (y2 - y1) / (x2 - x1);
                whole.push(slope);
                if at < half {
                    early.push(slope);
                } else if index >= half {
                    late.push(slope);
                }
            }
        }
        let [whole, early, late] = [&mut whole, &mut early, &mut late].map(|all| median(all));
        Some(Self { whole: whole?, early: early?, late: late? })
    }
}

/// The Mann–Kendall test: by how many standard deviations rises outnumber falls among all pairs, if
/// there were no trend. Above 2.33 a rise has p < 0.01, above 3.29 p < 0.0005. Zero for fewer than three
/// values. (Mann, Econometrica 13, 1945; Kendall, Rank Correlation Methods, 1975.)
pub fn mann_kendall(values: &[f64]) -> f64 {
    standardised(values, 1.0)
}

/// As [`mann_kendall`], for values that depend on their predecessors, as memory does: the variance is
/// corrected for the autocorrelation that is left when a line of this `slope`, Theil and Sen's, is taken out.
/// (Hamed and Rao, J. Hydrology 204, 1998.) Only the significant lags before the first insignificant one count, so
/// that the variance is only ever widened: the swing back of a slow wave is no evidence against itself.
pub fn mann_kendall_autocorrelated(points: &[(f64, f64)], slope: f64) -> f64 {
    let values: Vec<f64> = points.iter().map(|(_, y)| *y).collect();
    standardised(&values, variance_inflation(points, slope))
}

/// How sure a rise of so many standard deviations is: 1 − p, one-sided. (Abramowitz and Stegun, Handbook of
/// Mathematical Functions, 26.2.17; off by less than 1e-7.)
pub fn confidence(deviations: f64) -> f64 {
    const POWERS: [f64; 5] =
        [0.319_381_530, -0.356_563_782, 1.781_477_937, -1.821_255_978, 1.330_274_429];
    let t = 1.0 / (1.0 + 0.231_641_9 * deviations.abs());
    let density = (-deviations * deviations / 2.0).exp() / std::f64::consts::TAU.sqrt();
    let tail = density * POWERS.iter().rev().fold(0.0, |sum, power| (sum + power) * t);
    if deviations < 0.0 { tail } else { 1.0 - tail }
}

fn standardised(values: &[f64], inflation: f64) -> f64 {
    if values.len() < 3 {
        return 0.0;
    }
    let score = rises_minus_falls(values);
    let deviation = (variance(values) * inflation).sqrt();
    if score == 0 || deviation == 0.0 {
        return 0.0;
    }
    // The continuity correction: the score moves in steps of two.
    (score - score.signum()) as f64 / deviation
}

fn rises_minus_falls(values: &[f64]) -> i64 {
    let pairs = values.iter().enumerate().map(|(index, value)| {
        let later = &values[index + 1..];
        let sum: i64 =
            later.iter().map(|other| i64::from(other > value) - i64::from(other < value)).sum();
        sum
    });
    pairs.sum()
}

/// The variance of the score under no trend, with ties.
fn variance(values: &[f64]) -> f64 {
    let term = |count: usize| {
        let count = count as f64;
        count * (count - 1.0) * (2.0 * count + 5.0)
    };
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let ties: f64 = sorted.chunk_by(|a, b| a == b).map(|equal| term(equal.len())).sum();
    (term(values.len()) - ties) / 18.0
}

/// `n / n*` of Hamed and Rao, at least 1: how many dependent values are worth one.
fn variance_inflation(points: &[(f64, f64)], slope: f64) -> f64 {
    if points.len() <= 3 {
        return 1.0;
    }
    let ranks = ranks(points.iter().map(|(x, y)| y - slope * x).collect());
    let n = points.len() as f64;
    let significant = 1.96 / n.sqrt();
    let sum: f64 = (1..points.len() - 2)
        .map(|lag| (lag as f64, autocorrelation(&ranks, lag)))
        .take_while(|(_, correlation)| *correlation > significant)
        .map(|(lag, correlation)| (n - lag) * (n - lag - 1.0) * (n - lag - 2.0) * correlation)
        .sum();
    (1.0 + 2.0 * sum / (n * (n - 1.0) * (n - 2.0))).max(1.0)
}

/// Ranks from 1; equal values share their mean rank.
fn ranks(values: Vec<f64>) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut below = 0;
    for equal in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = below as f64 + (equal.len() as f64 + 1.0) / 2.0;
        equal.iter().for_each(|&index| ranks[index] = rank);
        below += equal.len();
    }
    ranks
}

fn autocorrelation(values: &[f64], lag: usize) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let total: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let lagged = values.iter().zip(&values[lag..]).map(|(a, b)| (a - mean) * (b - mean));
    if total == 0.0 { 0.0 } else { lagged.sum::<f64>() / total }
}

/// The median; of an even count the mean of the two in the middle. `None` for none.
pub fn median(values: &mut [f64]) -> Option<f64> {
    let middle = values.len() / 2;
    let even = values.len().is_multiple_of(2);
    if values.is_empty() {
        return None;
    }
    let (below, &mut upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let lower = below.iter().copied().max_by(f64::total_cmp).filter(|_| even);
    Some(lower.map_or(upper, |lower| f64::midpoint(lower, upper)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn indexed(values: &[f64]) -> Vec<(f64, f64)> {
        (0..).map(f64::from).zip(values.iter().copied()).collect()
    }

    fn autocorrelated(values: &[f64]) -> f64 {
        let points = indexed(values);
        mann_kendall_autocorrelated(&points, theil_sen(&points).unwrap())
    }

    #[test]
    fn confidence_is_that_of_the_tables() {
        for (deviations, expected) in [(0.0, 0.5), (1.645, 0.95), (2.326, 0.99), (-1.0, 0.158_655)]
        {
            let found = confidence(deviations);
            assert!((found - expected).abs() < 1e-4, "{deviations}: {found}");
        }
    }

    #[test]
    fn a_few_wild_values_do_not_move_the_slope() {
        let mut values: Vec<f64> = (0..20).map(|x| 3.0 * f64::from(x)).collect();
        values[4] = 1e9;
        values[11] = -1e9;
        let slope = theil_sen(&indexed(&values)).unwrap();
        assert!((slope - 3.0).abs() < 0.1, "{slope}");
        assert_eq!(theil_sen(&[(1.0, 2.0)]), None);
    }

    /// The score, the variances and the corrected variance, worked out by hand from the papers.
    #[test]
    fn agrees_with_figures_worked_by_hand() {
        let rising: Vec<f64> = (0..10).map(f64::from).collect();
        assert!((mann_kendall(&rising) - 44.0 / 125.0_f64.sqrt()).abs() < 1e-12);
        // One tie of two: (4·3·13 − 2·1·9) / 18 = 7.666…, score 5.
        assert!(
            (mann_kendall(&[1.0, 2.0, 2.0, 3.0]) - 4.0 / (138.0_f64 / 18.0).sqrt()).abs() < 1e-12
        );
        assert_eq!(mann_kendall(&[1.0, 1.0, 1.0]), 0.0);
        assert_eq!(ranks(vec![5.0, 1.0, 5.0]), [2.5, 1.0, 2.5]);
        assert!((autocorrelation(&[1.0, 2.0, 3.0, 4.0], 1) - 0.25).abs() < 1e-12);
    }

    #[test]
    fn slow_waves_count_for_less() {
        let wave: Vec<f64> =
            (0..60).map(|x| (f64::from(x) / 9.0).sin() + f64::from(x) / 20.0).collect();
        let (naive, corrected) = (mann_kendall(&wave), autocorrelated(&wave));
        assert!(naive > 2.33 && corrected < 0.7 * naive, "{naive} {corrected}");
    }

    proptest! {
        #[test]
        fn turning_time_round_turns_the_verdict(values in prop::collection::vec(-1e6..1e6_f64, 3..40)) {
            let mut reversed = values.clone();
            reversed.reverse();
            prop_assert!((mann_kendall(&values) + mann_kendall(&reversed)).abs() < 1e-9);
            prop_assert!(autocorrelated(&values).abs() <= mann_kendall(&values).abs());
        }

        #[test]
        fn a_line_has_its_slope(slope in -1e3..1e3_f64, start in -1e3..1e3_f64, count in 2..50_usize) {
            let points: Vec<_> = (0..count).map(|x| (x as f64, slope.mul_add(x as f64, start))).collect();
            prop_assert!((theil_sen(&points).unwrap() - slope).abs() < 1e-6);
        }

        #[test]
        fn one_walk_finds_the_slopes_of_whole_and_halves(values in prop::collection::vec(-1e3..1e3_f64, 4..40)) {
            let points = indexed(&values);
            let (early, late) = points.split_at(points.len() / 2);
            let [whole, early, late] = [&points, early, late].map(|part| theil_sen(part).unwrap());
            prop_assert_eq!(Slopes::of(&points), Some(Slopes { whole, early, late }));
        }

        #[test]
        fn the_median_splits_in_half(mut values in prop::collection::vec(-1e3..1e3_f64, 1..50)) {
            let middle = median(&mut values).unwrap();
            let below = values.iter().filter(|&&value| value < middle).count();
            let above = values.iter().filter(|&&value| value > middle).count();
            prop_assert!(below <= values.len() / 2 && above <= values.len() / 2);
        }
    }
}
