//! Whether two samples differ in more than chance would make them: ranks, so that no shape is presumed.
//!
//! Exact for any values, ties included: the distribution of the rank sum over all ways to deal the pooled ranks
//! out is counted, not approximated (Mann and Whitney 1947; with ties, the permutation distribution of midranks). The
//! shift is that of Hodges and Lehmann (1963), its interval the exact one of the same test (Bauer 1972), the effect
//! size that of Cliff (1993).

use super::statistics::median;

/// The fewest values a side: of 3 against 3 no outcome is rarer than 1 in 10.
pub const LEAST: usize = 4;

/// The most values a side; counting takes the fourth power of it.
pub const MOST: usize = 50;

const CONFIDENCE: f64 = 0.95;

/// How one sample differs from another.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The chance of ranks at least as uneven, either way, if the two did not differ.
    pub p_value: f64,
    /// The share of pairs in which the first is larger, less that in which it is smaller: -1 to 1.
    pub cliffs_delta: f64,
    /// The median of the differences of all pairs, in the unit of the values.
    pub shift: f64,
    /// At least 95 % confidence for `shift`.
    pub interval: [f64; 2],
}

/// How `first` differs from `second`; `None` unless both have [`LEAST`] to [`MOST`] finite values.
pub fn difference(first: &[f64], second: &[f64]) -> Option<Difference> {
    let finite = |values: &[f64]| -> Vec<f64> {
        values.iter().copied().filter(|value| value.is_finite()).collect()
    };
    let (first, second) = (finite(first), finite(second));
    let sizes = LEAST..=MOST;
    if !sizes.contains(&first.len()) || !sizes.contains(&second.len()) {
        return None;
    }
    let mut pairs: Vec<f64> =
        first.iter().flat_map(|one| second.iter().map(move |other| one - other)).collect();
    pairs.sort_unstable_by(f64::total_cmp);
    let share =
        |test: fn(&&f64) -> bool| pairs.iter().filter(test).count() as f64 / pairs.len() as f64;
    let outermost = outermost_pair(first.len(), second.len());
    Some(Difference {
        p_value: p_value(&first, &second),
        cliffs_delta: share(|pair| **pair > 0.0) - share(|pair| **pair < 0.0),
        shift: median(&pairs)?,
        interval: [pairs[outermost], pairs[pairs.len() - 1 - outermost]],
    })
}

/// Two-sided: the share of all ways to deal the ranks out whose sum is at least as far from the middle.
fn p_value(first: &[f64], second: &[f64]) -> f64 {
    let ranks = doubled_midranks(first, second);
    let observed: usize = ranks[..first.len()].iter().sum();
    let distribution = rank_sums(&ranks, first.len());
    // All doubled ranks together are N(N + 1), so this mean is a whole number.
    let middle = first.len() * (ranks.len() + 1);
    let distance = observed.abs_diff(middle);
    let (mut far, mut all) = (0.0, 0.0);
    for (sum, ways) in distribution.into_iter().enumerate() {
        all += ways;
        far += if sum.abs_diff(middle) >= distance { ways } else { 0.0 };
    }
    far / all
}

/// Twice the rank of each value among all, those of `first` first; equal values share their mean rank.
fn doubled_midranks(first: &[f64], second: &[f64]) -> Vec<usize> {
    let pooled: Vec<f64> = first.iter().chain(second).copied().collect();
    let rank = |value: &f64| {
        let below = pooled.iter().filter(|other| *other < value).count();
        let equal = pooled.iter().filter(|other| *other == value).count();
        2 * below + equal + 1
    };
    pooled.iter().map(rank).collect()
}

/// In how many ways `size` of the ranks have each sum; its index is the sum.
fn rank_sums(ranks: &[usize], size: usize) -> Vec<f64> {
    let most: usize = ranks.iter().sum();
    let mut ways = vec![vec![0.0; most + 1]; size + 1];
    ways[0][0] = 1.0;
    for &rank in ranks {
        for taken in (1..=size).rev() {
            let (fewer, more) = ways.split_at_mut(taken);
            for sum in rank..=most {
                more[0][sum] += fewer[taken - 1][sum - rank];
            }
        }
    }
    ways.swap_remove(size)
}

/// How many of the sorted differences lie outside the interval at either end.
fn outermost_pair(first: usize, second: usize) -> usize {
    let ranks: Vec<usize> = (1..=first + second).collect();
    let distribution = rank_sums(&ranks, first);
    let all: f64 = distribution.iter().sum();
    let least = first * (first + 1) / 2;
    let mut below = 0.0;
    let outside = distribution[least..].iter().take_while(|&&ways| {
        below += ways / all;
        below <= (1.0 - CONFIDENCE) / 2.0
    });
    outside.count().saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn four_against_four_apart_are_two_in_seventy() {
        let known = difference(&[5.0, 6.0, 7.0, 8.0], &[1.0, 2.0, 3.0, 4.0]).unwrap();
        assert!((known.p_value - 2.0 / 70.0).abs() < 1e-15);
        assert_eq!((known.cliffs_delta, known.shift), (1.0, 4.0));
        assert_eq!(known.interval, [1.0, 7.0]);
    }

    #[test]
    fn equal_values_do_not_differ() {
        let known = difference(&[1.0; 5], &[1.0; 6]).unwrap();
        assert_eq!((known.p_value, known.cliffs_delta, known.shift), (1.0, 0.0, 0.0));
    }

    #[test]
    fn too_few_are_not_judged() {
        assert_eq!(difference(&[1.0; 3], &[1.0; 9]), None);
        assert_eq!(difference(&[1.0, 2.0, 3.0, f64::NAN], &[1.0; 9]), None);
        assert_eq!(difference(&[1.0; 51], &[1.0; 9]), None);
        assert!(difference(&[1.0; 50], &[1.0; 50]).is_some());
    }

    proptest! {
        #[test]
        fn both_ways_round_it_is_the_same(
            first in prop::collection::vec(-9..9_i32, 4..9),
            second in prop::collection::vec(-9..9_i32, 4..9),
        ) {
            let [first, second] = [first, second]
                .map(|values| values.into_iter().map(f64::from).collect::<Vec<_>>());
            let (one, other) =
                (difference(&first, &second).unwrap(), difference(&second, &first).unwrap());
            prop_assert!((one.p_value - other.p_value).abs() < 1e-12);
            prop_assert!(one.p_value > 0.0 && one.p_value <= 1.0 + 1e-12);
            prop_assert_eq!((one.shift, one.cliffs_delta), (-other.shift, -other.cliffs_delta));
            prop_assert!(one.interval[0] <= one.shift && one.shift <= one.interval[1]);
        }
    }
}
