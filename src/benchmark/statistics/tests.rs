use super::*;
use proptest::prelude::*;

#[test]
fn the_figures_of_a_known_list() {
    let values = [4.0, 1.0, 3.0, 2.0, 100.0, 5.0];
    let known = Statistics::of(&values).unwrap();
    assert_eq!((known.min, known.max, known.median), (1.0, 100.0, 3.5));
    assert_eq!((known.p95, known.p99, known.outliers), (100.0, 100.0, 1));
    assert_eq!(known.mad, 1.5);
    assert!((known.avg - 115.0 / 6.0).abs() < 1e-12);
    assert!((known.stddev - 36.172811).abs() < 1e-6);
}

#[test]
fn percentiles_are_nearest_rank() {
    let values: Vec<f64> = (1..=20).map(f64::from).collect();
    for (rank, expected) in [(0.0, 1.0), (5.0, 1.0), (5.1, 2.0), (50.0, 10.0), (95.0, 19.0)] {
        assert_eq!(percentile(&values, rank), Some(expected), "p{rank}");
    }
    for (rank, expected) in [(99.0, 20.0), (100.0, 20.0), (-7.0, 1.0), (1e300, 20.0)] {
        assert_eq!(percentile(&values, rank), Some(expected), "p{rank}");
    }
    assert_eq!(percentile(&values, f64::NAN), Some(1.0));
}

#[test]
fn what_is_not_finite_is_left_out() {
    let noisy = [f64::NAN, 2.0, f64::INFINITY, 1.0, f64::NEG_INFINITY, 3.0];
    assert_eq!(Statistics::of(&noisy), Statistics::of(&[1.0, 2.0, 3.0]));
    assert_eq!(Statistics::of(&[f64::NAN]), None);
    assert_eq!((median(&[]), percentile(&[], 50.0), standard_deviation(&[])), (None, None, None));
}

#[test]
fn the_error_rate_of_nothing_is_zero() {
    assert_eq!(error_rate(0.0, 0.0), 0.0);
    assert_eq!(error_rate(3.0, 1.0), 0.25);
    assert_eq!(error_rate(0.0, 5.0), 1.0);
}

#[test]
fn a_binomial_distribution_sums_as_the_tables_say() {
    assert!((binomial_cdf(10, 0.5, 5) - 0.623_046_875).abs() < 1e-12);
    assert!((binomial_cdf(20, 0.3, 3) - 0.107086805).abs() < 1e-9);
    assert!((binomial_cdf(1_000_000, 0.5, 500_000) - 0.500_398_942).abs() < 1e-6);
}

/// The interval against what it stands for: medians of many random resamples.
#[test]
fn the_interval_is_the_limit_of_random_resamples() {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let sample: Vec<f64> = (0..51).map(|value| f64::from(value * value)).collect();
    let medians: Vec<f64> = (0..20_000)
        .map(|_| {
            let resample: Vec<f64> = (0..51).map(|_| sample[random(51)]).collect();
            median(&resample).unwrap()
        })
        .collect();
    let [lower, upper] = Statistics::of(&sample).unwrap().ci95;
    let share = |test: &dyn Fn(f64) -> bool| {
        medians.iter().filter(|&&value| test(value)).count() as f64 / medians.len() as f64
    };
    assert!(share(&|value| value < lower) < 0.03 && share(&|value| value <= lower) > 0.02);
    assert!(share(&|value| value > upper) < 0.03 && share(&|value| value >= upper) > 0.02);
}

proptest! {
    #[test]
    fn the_figures_keep_their_order(values in prop::collection::vec(-1e9..1e9_f64, 1..300)) {
        let known = Statistics::of(&values).unwrap();
        let slack = 1e-3;
        prop_assert!(known.min <= known.median && known.median <= known.max);
        prop_assert!(known.min - slack <= known.avg && known.avg <= known.max + slack);
        prop_assert!(known.median <= known.p95 && known.p95 <= known.p99 && known.p99 <= known.max);
        prop_assert!(known.ci95[0] <= known.median && known.median <= known.ci95[1]);
        prop_assert!(known.ci95.iter().all(|bound| values.contains(bound)));
        prop_assert!(known.stddev <= known.max - known.min + slack);
        prop_assert!(known.outliers * 2 <= values.len());
    }

    #[test]
    fn a_percentile_is_the_least_value_that_reaches_its_share(
        values in prop::collection::vec(-1e9..1e9_f64, 1..100),
        rank in 1.0..100.0_f64,
    ) {
        let found = percentile(&values, rank).unwrap();
        let share = |limit: &dyn Fn(f64) -> bool| {
            values.iter().filter(|&&value| limit(value)).count() as f64 / values.len() as f64
        };
        prop_assert!(share(&|value| value <= found) >= rank / 100.0 - 1e-12);
        prop_assert!(share(&|value| value < found) < rank / 100.0);
    }
}
