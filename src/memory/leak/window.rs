//! Whether the floors of one stretch of time keep rising.

use super::{
    super::trend::{Slopes, mann_kendall_autocorrelated, median, theil_sen},
    BUCKETS_A_MINUTE,
};

/// What a stretch of time must show to count as growth.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Its length, in buckets.
    pub buckets: f64,
    /// The least time between its first and its last floor, in buckets.
    pub span: f64,
    /// The least slope, as a multiple of the rule's least growth.
    pub steepness: f64,
    /// Each third must rise with at least this share of the whole slope; a step shows in one third alone.
    pub third: f64,
    /// The late half must rise with at least this share of the early half's slope; a warm-up levels off.
    pub sustained: f64,
}

/// Growth that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Growth {
    /// Bytes a bucket.
    pub slope: f64,
    /// By how many standard deviations rises outnumber falls.
    pub deviations: f64,
}

/// The fewest floors that are judged.
const FEWEST: usize = 8;
/// p < 0.01, one-sided.
const BEYOND_CHANCE: f64 = 2.33;
/// Each half must rise with at least this share of the whole slope.
const HALF: f64 = 0.5;
/// The lowest floor of the last third may lie below the highest of the first by this share at most: what a wandering
/// program holds comes back to where it was.
const OVERLAP: f64 = 0.02;

impl Window {
    /// The growth of `floors`, given as bucket and bytes, if they grow by at least `min_growth` of their level a
    /// minute. The cheap tests come first.
    pub fn judge(&self, floors: &[(f64, f64)], min_growth: f64) -> Option<Growth> {
        let (first, last) = (floors.first()?, floors.last()?);
        if floors.len() < FEWEST || last.0 - first.0 < self.span || overlap(floors) {
            return None;
        }
        let slopes = Slopes::of(floors)?;
        let level = median(&mut floors.iter().map(|(_, bytes)| *bytes).collect::<Vec<_>>())?;
        let rises = slopes.whole >= self.steepness * min_growth / BUCKETS_A_MINUTE * level
            && slopes.early.min(slopes.late) >= HALF * slopes.whole
            && slopes.late >= self.sustained * slopes.early
            && thirds(floors).into_iter().all(|third| {
                theil_sen(third).is_some_and(|slope| slope >= self.third * slopes.whole)
            });
        let deviations = mann_kendall_autocorrelated(floors, slopes.whole);
        (rises && deviations > BEYOND_CHANCE).then_some(Growth { slope: slopes.whole, deviations })
    }
}

fn overlap(floors: &[(f64, f64)]) -> bool {
    let [first, _, last] = thirds(floors);
    let highest = first.iter().fold(f64::NEG_INFINITY, |most, (_, bytes)| most.max(*bytes));
    let lowest = last.iter().fold(f64::INFINITY, |least, (_, bytes)| least.min(*bytes));
    lowest <= highest * (1.0 - OVERLAP)
}

fn thirds(floors: &[(f64, f64)]) -> [&[(f64, f64)]; 3] {
    let third = floors.len() / 3;
    let (first, rest) = floors.split_at(third);
    let (second, last) = rest.split_at(rest.len() - third);
    [first, second, last]
}
