//! Whether samples, taken by anybody at any pace, grow steadily: a suspicion without knowing V8's collections.
//!
//! Garbage that waits for a collection looks like growth, so the rule asks for a lot. Where samples fall
//! deeply, as after a collection, only the floors after such falls count. These must rise beyond chance and
//! by enough, go on rising, and stand above everything that was there before: a sawtooth comes back to a
//! level it has had, a leak does not. What it cannot tell from a leak is the very first rise of a sawtooth that is
//! longer than ten samples; [`super::leak`] can, by the collections themselves. Samples taken faster than the
//! profiler's beat are merged to one a beat by [`thinned`]: a tight loop sees nothing but garbage pile up.

use super::trend::{Slopes, mann_kendall, mann_kendall_autocorrelated, median, theil_sen};

/// One sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// Milliseconds, from any start.
    pub at_ms: f64,
    /// Bytes of V8's heap in use.
    pub heap: f64,
    /// Bytes that V8 has reserved for its heap.
    pub heap_total: f64,
    /// Bytes that JavaScript objects hold outside of the heap.
    pub external: f64,
    /// Bytes resident.
    pub rss: f64,
}

impl Reading {
    /// What JavaScript holds: a leak of `Buffer`s does not show in the heap.
    pub fn held(&self) -> f64 {
        self.heap + self.external
    }

    /// What neither V8 nor JavaScript objects account for: native code, and what allocators keep.
    pub fn native(&self) -> f64 {
        (self.rss - self.heap_total - self.external).max(0.0)
    }
}

/// Growth over the samples that were judged, each as a share of where it started: 0.1 is 10 % more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    pub heap: f64,
    pub rss: f64,
}

/// The fewest samples that are judged.
pub const FEWEST: usize = 10;
/// How many of the latest samples are judged; the older ones only say what has been there before.
pub const WINDOW: usize = 100;
/// Less growth than this over the window is no leak.
pub const MIN_GROWTH: f64 = 0.05;

/// Rises so frequent by chance in one series of 2,000; ten values must rise with at most three exceptions.
pub const BEYOND_CHANCE: f64 = 3.29;
/// A fall by this share of the window's whole range is taken for a collection.
const DEEP_FALL: f64 = 0.3;
/// From so many values on their dependence on each other can be measured.
const MEASURABLE: usize = 30;

/// The lowest of the readings in each stretch of `interval_ms`.
pub fn thinned(readings: &[Reading], interval_ms: f64) -> Vec<Reading> {
    let stretch = |reading: &Reading| (reading.at_ms / interval_ms).floor();
    let lowest =
        |part: &[Reading]| part.iter().copied().min_by(|a, b| a.held().total_cmp(&b.held()));
    readings.chunk_by(|a, b| stretch(a) == stretch(b)).filter_map(lowest).collect()
}

/// The growth over the latest [`WINDOW`] of `readings`, if they grow steadily by at least `min_growth`.
pub fn steady(readings: &[Reading], min_growth: f64) -> Option<Trend> {
    let (before, window) = readings.split_at(readings.len().saturating_sub(WINDOW));
    if window.len() < FEWEST {
        return None;
    }
    let held: Vec<f64> = window.iter().map(Reading::held).collect();
    let rising = thirds_rise(&held, min_growth)
        && is_news(before, &held)
        && keeps_rising(&floors(&held), min_growth);
    // Samples taken by hand may bear the same time, so their order counts.
    rising.then(|| Trend::over((0..).map(f64::from).zip(window)))
}

impl Trend {
    /// The growth of `readings`, each with its place in time, as a robust estimate.
    pub fn over<'a>(readings: impl Iterator<Item = (f64, &'a Reading)> + Clone) -> Self {
        let of = |figure: fn(&Reading) -> f64| {
            growth(&readings.clone().map(|(at, reading)| (at, figure(reading))).collect::<Vec<_>>())
        };
        Self { heap: of(|reading| reading.heap), rss: of(|reading| reading.rss) }
    }
}

/// The Theil–Sen line's rise from the first to the last `x`, as a share of where it starts.
pub fn growth(points: &[(f64, f64)]) -> f64 {
    theil_sen(points).map_or(0.0, |slope| rise(points, slope))
}

fn rise(points: &[(f64, f64)], slope: f64) -> f64 {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return 0.0 };
    let mut starts: Vec<f64> = points.iter().map(|(x, y)| y - slope * (x - first.0)).collect();
    let start = median(&mut starts).unwrap_or_default();
    slope * (last.0 - first.0) / start.max(1.0)
}

/// The cheap test that spares the others most of the time: the lowest of each third is above the last one's.
fn thirds_rise(held: &[f64], min_growth: f64) -> bool {
    let third = held.len() / 3;
    let lowest = |part: &[f64]| part.iter().copied().fold(f64::INFINITY, f64::min);
    let (first, rest) = held.split_at(third);
    let (second, last) = rest.split_at(rest.len() - third);
    let [first, second, last] = [first, second, last].map(lowest);
    // A straight line rises by two thirds from the first third's start to the last one's.
    first < second && second < last && last - first >= first * min_growth / 2.0
}

/// Whether the window ends above everything that was there before it.
fn is_news(before: &[Reading], held: &[f64]) -> bool {
    let highest = |values: &mut dyn Iterator<Item = f64>| values.fold(f64::NEG_INFINITY, f64::max);
    let last_third = &held[held.len() - held.len() / 3..];
    highest(&mut last_third.iter().copied()) > highest(&mut before.iter().map(Reading::held))
}

/// The samples after deep falls, or all of them when nothing fell.
fn floors(held: &[f64]) -> Vec<(f64, f64)> {
    let points: Vec<_> = (0..).map(f64::from).zip(held.iter().copied()).collect();
    let lowest = held.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = held.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let deep = DEEP_FALL * (highest - lowest);
    let mut floors = Vec::new();
    let (mut peak, mut floor) = (points[0].1, None::<(f64, f64)>);
    for &point in &points {
        match floor {
            None if peak - point.1 > deep => floor = Some(point),
            None => peak = peak.max(point.1),
            Some(lower) if point.1 <= lower.1 => floor = Some(point),
            Some(lower) if point.1 - lower.1 > deep => {
                floors.push(lower);
                (peak, floor) = (point.1, None);
            }
            Some(_) => {}
        }
    }
    floors.extend(floor);
    if floors.is_empty() { points } else { floors }
}

/// Beyond chance, by enough, in both halves, and the later one is not levelling off as a warm-up does.
fn keeps_rising(floors: &[(f64, f64)], min_growth: f64) -> bool {
    let Some(slopes) = Slopes::of(floors) else { return false };
    let surely = || {
        if floors.len() >= MEASURABLE {
            return mann_kendall_autocorrelated(floors, slopes.whole);
        }
        mann_kendall(&floors.iter().map(|(_, y)| *y).collect::<Vec<_>>())
    };
    slopes.early > 0.0
        && slopes.late >= 0.5 * slopes.whole
        && rise(floors, slopes.whole) >= min_growth
        && surely() >= BEYOND_CHANCE
}

#[cfg(test)]
mod tests {
    use super::super::simulation::Random;
    use super::*;
    use proptest::prelude::*;

    const MB: f64 = 1_048_576.0;

    fn readings(held: impl IntoIterator<Item = f64>) -> Vec<Reading> {
        let with = |(at_ms, heap): (u32, f64)| Reading {
            at_ms: f64::from(at_ms) * 1_000.0,
            heap,
            heap_total: heap,
            external: MB,
            rss: heap + 50.0 * MB,
        };
        (0..).zip(held).map(with).collect()
    }

    /// Whether any sample of the series, judged as it comes, raises the suspicion.
    fn ever(held: &[f64]) -> bool {
        let all = readings(held.iter().copied());
        (0..=all.len()).any(|seen| steady(&all[..seen], MIN_GROWTH).is_some())
    }

    #[test]
    fn ten_samples_of_steady_growth_are_enough() {
        let growing: Vec<f64> = (0..10).map(|step| (100.0 + 2.0 * f64::from(step)) * MB).collect();
        assert!(steady(&readings(growing[..9].to_vec()), MIN_GROWTH).is_none());
        let trend = steady(&readings(growing), MIN_GROWTH).unwrap();
        assert!((trend.heap - 0.18).abs() < 1e-9 && (trend.rss - 0.12).abs() < 1e-9, "{trend:?}");
    }

    #[test]
    fn doubling_and_slow_growth_are_found_too() {
        let doubling: Vec<f64> = (0..12).map(|step| MB * 2.0_f64.powi(step)).collect();
        assert!(ever(&doubling));
        let slow: Vec<f64> = (0..100).map(|step| (100.0 + 0.1 * f64::from(step)) * MB).collect();
        assert!(ever(&slow));
    }

    #[test]
    fn growth_that_levels_off_is_a_warm_up() {
        let warm_up: Vec<f64> =
            (0..300).map(|step| (100.0 - 60.0 * (-f64::from(step) / 2.0).exp()) * MB).collect();
        assert!(!ever(&warm_up));
    }

    #[test]
    fn buffers_count_as_what_javascript_holds() {
        let mut samples = readings([100.0 * MB; 20]);
        for (step, sample) in samples.iter_mut().enumerate() {
            sample.external = step as f64 * 10.0 * MB;
        }
        assert_eq!(steady(&samples, MIN_GROWTH).map(|trend| trend.heap), Some(0.0));
    }

    proptest! {
        #[test]
        fn a_sawtooth_is_no_leak(period in 2..10_usize, height in 1.0..500.0_f64, phase in 0..10_usize) {
            let teeth: Vec<f64> =
                (0..400).map(|at| (50.0 + ((at + phase) % period) as f64 * height) * MB).collect();
            prop_assert!(!ever(&teeth));
        }

        /// Beyond the first tooth, which nothing tells from a leak, long teeth are recognised as well.
        #[test]
        fn a_long_sawtooth_is_no_leak_once_it_fell(period in 10..400_usize, height in 1.0..9.0_f64) {
            let teeth = (0..1_000).map(|at| (50.0 + (at % period) as f64 * height) * MB);
            let all = readings(teeth);
            prop_assert!((period + 1..all.len()).all(|seen| steady(&all[..seen], MIN_GROWTH).is_none()));
        }

        #[test]
        fn a_leak_under_a_sawtooth_is_found(period in 2..10_usize, height in 1.0..20.0_f64) {
            let leak: Vec<f64> = (0..300_usize)
                .map(|at| (50.0 + (at % period) as f64 * height + 2.0 * at as f64) * MB)
                .collect();
            prop_assert!(ever(&leak));
        }

        #[test]
        fn a_line_rises_beyond_any_gate_below_it(rise in 0.1..5.0_f64, count in 10..100_usize) {
            let line = (0..count).map(|at| 100.0 * MB * (1.0 + rise * at as f64 / (count - 1) as f64));
            prop_assert!(steady(&readings(line), rise * 0.9).is_some());
        }
    }

    /// 500 series of 200 samples each, every prefix judged: under 1 in 50 may raise a false alarm.
    #[test]
    fn noise_is_no_leak_and_a_leak_in_noise_is_found() {
        let mut random = Random::new(7);
        let (mut false_alarms, mut found) = (0, 0);
        for _ in 0..500 {
            let spread = 5.0 + 45.0 * random.unit();
            let mut series = |per_sample: f64| -> Vec<f64> {
                let mut noise =
                    |step| 100.0 + spread * (random.unit() - 0.5) + per_sample * f64::from(step);
                (0..200).map(|step| noise(step) * MB).collect()
            };
            false_alarms += usize::from(ever(&series(0.0)));
            found += usize::from(ever(&series(0.5)));
        }
        assert!(false_alarms <= 10, "{false_alarms} of 500");
        assert!(found >= 475, "{found} of 500");
    }
}
