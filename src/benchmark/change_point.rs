//! Since when a series is not what it was: change points in the figures of many stored runs.
//!
//! Hierarchical divisive estimation by energy statistics (Matteson and James, A Nonparametric Approach for Multiple
//! Change Point Analysis of Multivariate Data, 2014; E-divisive, with exponent 1, and each segment split at one
//! point): the split whose two sides are furthest apart counts if few random orders of the same values have one as
//! good. The random orders are seeded: the same series has the same change points everywhere. Daly et al. (The Use
//! of Change Point Detection to Identify Software Performance Regressions, 2020) tell of years with it.

use super::statistics::median;
use crate::random::Random;

/// The shortest series that is looked at.
pub const LEAST: usize = 20;

/// The shortest stretch between two change points, and before the end.
const STRETCH: usize = 3;

/// How rare a split must be among random orders.
const SIGNIFICANCE: f64 = 0.01;

/// Random orders of a segment; the rarest split that can be told is one in a thousand.
const ORDERS: usize = 999;

/// Where a series changed.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangePoint {
    /// The first value that is different.
    pub index: usize,
    /// The medians of the stretches before, back to the previous change point, and after, up to the next one.
    pub before: f64,
    pub after: f64,
    pub p_value: f64,
}

/// The change points of a series in time order; none of fewer than [`LEAST`] values. All values must be finite.
pub fn change_points(values: &[f64]) -> Vec<ChangePoint> {
    if values.len() < LEAST {
        return Vec::new();
    }
    let mut found = Vec::new();
    split(values, 0, &mut Random::new(0), &mut found);
    found.sort_unstable_by_key(|(index, _)| *index);
    let stretch = |from: usize, to: usize| median(&values[from..to]).unwrap_or(0.0);
    let edge = |place: Option<&(usize, f64)>, edge: usize| place.map_or(edge, |(index, _)| *index);
    found
        .iter()
        .enumerate()
        .map(|(number, &(index, p_value))| {
            let start = edge(number.checked_sub(1).and_then(|before| found.get(before)), 0);
            let end = edge(found.get(number + 1), values.len());
            let (before, after) = (stretch(start, index), stretch(index, end));
            ChangePoint { index, before, after, p_value }
        })
        .collect()
}

/// Splits a segment that starts at `offset`, and then its parts.
fn split(segment: &[f64], offset: usize, random: &mut Random, found: &mut Vec<(usize, f64)>) {
    let Some((place, distance)) = best_split(segment) else { return };
    let Some(p_value) = significance(segment, distance, random) else { return };
    found.push((offset + place, p_value));
    split(&segment[..place], offset, random, found);
    split(&segment[place..], offset + place, random, found);
}

/// The share of random orders that have as good a split, if it is small enough.
fn significance(segment: &[f64], distance: f64, random: &mut Random) -> Option<f64> {
    let mut order = segment.to_vec();
    let mut as_good = 1;
    for _ in 0..ORDERS {
        shuffle(&mut order, random);
        as_good += usize::from(best_split(&order).is_some_and(|(_, other)| other >= distance));
        if as_good as f64 > SIGNIFICANCE * (ORDERS + 1) as f64 {
            return None;
        }
    }
    Some(as_good as f64 / (ORDERS + 1) as f64)
}

/// The split with the largest energy distance between its sides, and that distance.
fn best_split(segment: &[f64]) -> Option<(usize, f64)> {
    let sum_to = |value: f64, others: &[f64]| -> f64 {
        others.iter().map(|other| (value - other).abs()).sum()
    };
    let count = segment.len();
    let mut right: f64 = segment
        .iter()
        .enumerate()
        .map(|(index, &value)| sum_to(value, &segment[index + 1..]))
        .sum();
    let (all, mut left) = (right, 0.0);
    let mut best: Option<(usize, f64)> = None;
    for place in 1..count {
        let moved = segment[place - 1];
        left += sum_to(moved, &segment[..place - 1]);
        right -= sum_to(moved, &segment[place..]);
        if place < STRETCH || count - place < STRETCH {
            continue;
        }
        let (m, n) = (place as f64, (count - place) as f64);
        let between = 2.0 * (all - left - right) / (m * n);
        let within = 2.0 * left / (m * (m - 1.0)) + 2.0 * right / (n * (n - 1.0));
        let distance = m * n / (m + n) * (between - within);
        if best.is_none_or(|(_, known)| distance > known) {
            best = Some((place, distance));
        }
    }
    best
}

/// Fisher and Yates.
fn shuffle(values: &mut [f64], random: &mut Random) {
    for last in (1..values.len()).rev() {
        values.swap(last, random.below(last + 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(count: usize, seed: u64) -> Vec<f64> {
        let mut random = Random::new(seed);
        (0..count).map(|_| 100.0 + 3.0 * random.normal()).collect()
    }

    #[test]
    fn a_step_is_found_where_it_is() {
        let mut values = noise(40, 1);
        for value in &mut values[25..] {
            *value += 20.0;
        }
        let found = change_points(&values);
        let [point] = &found[..] else { panic!("one change point, not {found:?}") };
        assert_eq!(point.index, 25);
        assert!((point.before - 100.0).abs() < 3.0 && (point.after - 120.0).abs() < 3.0);
        assert!(point.p_value <= 0.01);
    }

    #[test]
    fn two_steps_are_two_change_points_in_order() {
        let mut values = noise(60, 2);
        for value in &mut values[20..40] {
            *value += 20.0;
        }
        let indices: Vec<usize> = change_points(&values).iter().map(|point| point.index).collect();
        assert_eq!(indices, [20, 40]);
    }

    #[test]
    fn three_runs_after_a_clear_step_are_enough() {
        let mut values = noise(23, 3);
        for value in &mut values[20..] {
            *value *= 1.5;
        }
        assert_eq!(change_points(&values).last().map(|point| point.index), Some(20));
    }

    #[test]
    fn noise_constants_and_short_series_have_none() {
        assert_eq!(change_points(&noise(60, 4)), []);
        assert_eq!(change_points(&[7.0; 30]), []);
        assert_eq!(change_points(&[1.0, 1.0, 1.0, 1.0, 9.0, 9.0, 9.0, 9.0]), []);
    }
}
