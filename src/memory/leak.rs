//! Whether what survives V8's major collections keeps growing: the leak detector of a running profiler.
//!
//! What is left after a major collection, its *floor*, is what the program holds. The lowest floor of each
//! bucket of 30 beats enters two windows. A window alarms when its floors rise beyond chance (Mann–Kendall
//! with Hamed and Rao's variance), by enough (Theil–Sen), in both halves, and without levelling off;
//! when a window does so three times running, a leak is suspected. Of the simulated leak-free hours of the tests
//! 0.4 % (steady) to 7 % (wandering) raise an alarm, and nearly all leaks of 0.5 % a minute are found after half
//! an hour; load that comes in waves of about an hour fools it more often. A process so idle that V8 never collects gives no floors and no verdict.
//!
//! All times are counted in beats, so that a faster profiler judges sooner.

use std::collections::VecDeque;

use super::{
    growth::{self, Reading, Trend},
    trend::{mann_kendall_autocorrelated, median, theil_sen},
};

/// The time constants, in beats of the profiler, and the gates.
#[derive(Clone, Debug)]
pub struct LeakRule {
    /// Beats whose floors are merged to their lowest.
    pub bucket: f64,
    /// Beats at the start that are not judged: a program warms up.
    pub grace: f64,
    /// Beats of the long window, and the least growth in it as a share a bucket.
    pub slow: Window,
    /// The same for the short window, which finds fast leaks sooner.
    pub fast: Window,
    /// How many verdicts running make a suspicion.
    pub persistence: u32,
    /// Growth of the samples themselves that is a suspicion at once, if the floors rose with them.
    pub steep_growth: f64,
    /// Beats at the start in which even that is not judged.
    pub steep_grace: f64,
}

/// One stretch of time in which floors are judged.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Its length in buckets.
    pub buckets: f64,
    /// The least Theil–Sen slope, as a share of the median floor a bucket.
    pub min_slope: f64,
}

impl Default for LeakRule {
    /// At one beat a second: buckets of 30 s, 10 min of grace, 30 min for 0.2 % a minute, 10 min for 2 % a minute.
    fn default() -> Self {
        Self {
            bucket: 30.0,
            grace: 600.0,
            slow: Window { buckets: 60.0, min_slope: 0.001 },
            fast: Window { buckets: 20.0, min_slope: 0.01 },
            persistence: 3,
            steep_growth: 0.5,
            steep_grace: 60.0,
        }
    }
}

/// The fewest floors in a window that are judged.
const FEWEST: usize = 8;
/// The floors must span this share of their window.
const SPAN: f64 = 2.0 / 3.0;
/// p < 0.01, one-sided.
const BEYOND_CHANCE: f64 = 2.33;
/// Collections that must confirm a steep growth.
const CONFIRMATIONS: usize = 3;
/// Single floors that are kept to confirm a steep growth.
const RECENT: usize = 64;

/// Collects floors and judges them. Time comes in with the readings.
#[derive(Debug)]
pub struct LeakDetector {
    rule: LeakRule,
    /// Milliseconds.
    started_ms: f64,
    beat_ms: f64,
    /// The lowest floor of each bucket, with the bucket's number; the last bucket is still open.
    buckets: VecDeque<(f64, Reading)>,
    recent: VecDeque<Reading>,
    /// The last bucket that was judged.
    judged: f64,
    /// Verdicts running.
    streak: u32,
}

impl LeakDetector {
    /// Starts at `now_ms` with a beat every `beat_ms`.
    pub fn new(rule: LeakRule, now_ms: f64, beat_ms: f64) -> Self {
        let (buckets, recent) = (VecDeque::new(), VecDeque::new());
        Self { rule, started_ms: now_ms, beat_ms, buckets, recent, judged: -1.0, streak: 0 }
    }

    /// Takes a floor: what was there right after a major collection.
    pub fn floor(&mut self, floor: Reading) {
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(floor);
        if self.beats_until(floor.at_ms) < self.rule.grace {
            return;
        }
        let bucket = self.bucket_of(floor.at_ms);
        match self.buckets.back_mut() {
            Some((last, lowest)) if *last >= bucket => {
                if floor.held() < lowest.held() {
                    *lowest = floor;
                }
            }
            _ => self.buckets.push_back((bucket, floor)),
        }
        while self.buckets.front().is_some_and(|(old, _)| bucket - old > self.rule.slow.buckets) {
            self.buckets.pop_front();
        }
    }

    /// The growth, if a bucket with floors has ended since the last call and makes a leak suspected.
    pub fn suspect(&mut self, now_ms: f64) -> Option<Trend> {
        let now = self.bucket_of(now_ms);
        let ended = self.buckets.iter().map(|(bucket, _)| *bucket).rfind(|bucket| *bucket < now)?;
        if ended <= self.judged {
            return None;
        }
        self.judged = ended;
        let grown = [self.rule.slow, self.rule.fast].into_iter().find_map(|window| {
            let inside = |(bucket, _): &&(f64, Reading)| {
                *bucket <= ended && ended - *bucket < window.buckets
            };
            let floors: Vec<_> = self.buckets.iter().filter(inside).copied().collect();
            grows(&floors, window)
                .then(|| Trend::over(floors.iter().map(|(bucket, floor)| (*bucket, floor))))
        });
        self.streak = if grown.is_some() { self.streak + 1 } else { 0 };
        grown.filter(|_| self.streak >= self.rule.persistence)
    }

    /// The growth of `samples`, if it is so steep that half an hour is too long to wait and each of the last
    /// collections left more behind than the one before.
    pub fn suspect_steep(&self, samples: &[Reading]) -> Option<Trend> {
        let trend = growth::steady(samples, self.rule.steep_growth)?;
        let window = &samples[samples.len().saturating_sub(growth::WINDOW)..];
        let since = window.first()?.at_ms;
        let judged = |floor: &&Reading| self.beats_until(floor.at_ms) >= self.rule.steep_grace;
        let mut latest = self.recent.iter().rev().filter(judged).take(CONFIRMATIONS);
        let confirmed = latest.clone().count() == CONFIRMATIONS
            && latest.clone().is_sorted_by(|newer, older| newer.held() > older.held())
            && latest.next().is_some_and(|newest| newest.at_ms >= since);
        confirmed.then_some(trend)
    }

    fn beats_until(&self, at_ms: f64) -> f64 {
        (at_ms - self.started_ms) / self.beat_ms
    }

    fn bucket_of(&self, at_ms: f64) -> f64 {
        (self.beats_until(at_ms) / self.rule.bucket).floor()
    }
}

fn grows(floors: &[(f64, Reading)], window: Window) -> bool {
    let points: Vec<_> = floors.iter().map(|(bucket, floor)| (*bucket, floor.held())).collect();
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return false };
    if points.len() < FEWEST || last.0 - first.0 < SPAN * window.buckets {
        return false;
    }
    let mut values: Vec<f64> = points.iter().map(|(_, held)| *held).collect();
    let surely = mann_kendall_autocorrelated(&values) > BEYOND_CHANCE;
    let level = median(&mut values).unwrap_or_default();
    let (early, late) = points.split_at(points.len() / 2);
    let slope = |points| theil_sen(points).unwrap_or_default();
    let (whole, early, late) = (slope(&points), slope(early), slope(late));
    surely
        && whole >= window.min_slope * level
        && early.min(late) >= 0.5 * whole
        && late >= 0.7 * early
}

#[cfg(test)]
mod tests {
    use super::super::simulation::{Load, Random};
    use super::*;

    const MINUTE: f64 = 60_000.0;

    /// Feeds an hour of a simulated program; the minute of the first suspicion.
    fn first_suspicion(load: &Load, random: &mut Random) -> Option<f64> {
        let mut detector = LeakDetector::new(LeakRule::default(), 0.0, 1_000.0);
        let mut collection = 0.0;
        let mut wander = 0.0;
        (1..=120).map(|half_minute| f64::from(half_minute) * MINUTE / 2.0).find_map(|now| {
            while collection < now {
                wander = 0.9 * wander + load.wander * (random.unit() - 0.5);
                detector.floor(load.floor(collection, wander));
                // Major collections come about every 40 s, as in recorded programs.
                collection += 5_000.0 + 70_000.0 * random.unit();
            }
            detector.suspect(now).map(|_| now / MINUTE)
        })
    }

    fn suspicions(load: Load, seed: u64) -> Vec<f64> {
        let mut random = Random::new(seed);
        (0..200).filter_map(|_| first_suspicion(&load, &mut random)).collect()
    }

    #[test]
    fn leak_free_hours_rarely_alarm() {
        let steady = suspicions(Load { wander: 0.04, ..Load::default() }, 1);
        assert!(steady.len() <= 20, "wandering: {} of 200", steady.len());
        let warm_up = suspicions(Load { wander: 0.02, warm_up: 0.5, ..Load::default() }, 2);
        assert!(warm_up.len() <= 16, "warm-up: {} of 200", warm_up.len());
        let step = suspicions(Load { wander: 0.02, step: 0.3, ..Load::default() }, 3);
        assert!(step.len() <= 16, "step: {} of 200", step.len());
    }

    #[test]
    fn slow_leaks_are_found_after_half_an_hour_and_fast_ones_sooner() {
        let mut slow = suspicions(Load { wander: 0.02, leak: 0.01, ..Load::default() }, 4);
        assert!(slow.len() >= 180, "1 % a minute: {} of 200", slow.len());
        assert!(median(&mut slow).unwrap() < 45.0);
        let mut fast = suspicions(Load { wander: 0.02, leak: 0.05, ..Load::default() }, 5);
        assert!(fast.len() >= 180, "5 % a minute: {} of 200", fast.len());
        assert!(median(&mut fast).unwrap() < 25.0);
    }

    #[test]
    fn a_faster_beat_judges_sooner_and_reports_the_growth() {
        let mut detector = LeakDetector::new(LeakRule::default(), 0.0, 10.0);
        let load = Load { leak: 1.0, ..Load::default() };
        let trend = (0..600).find_map(|step| {
            let now = f64::from(step) * 50.0;
            detector.floor(load.floor(now, 0.0));
            detector.suspect(now)
        });
        let trend = trend.unwrap();
        assert!(trend.heap > 0.05 && trend.rss > 0.0 && trend.rss < trend.heap, "{trend:?}");
    }

    #[test]
    fn without_floors_there_is_no_verdict() {
        let mut detector = LeakDetector::new(LeakRule::default(), 0.0, 1.0);
        assert_eq!(detector.suspect(1e6), None);
    }

    /// Samples that double within seconds, with collections that leave `left(step)` behind.
    fn steep(left: impl Fn(f64) -> f64) -> bool {
        let mut detector = LeakDetector::new(LeakRule::default(), 0.0, 1_000.0);
        let mut samples = Vec::new();
        (0..150).any(|step| {
            let at_ms = f64::from(step) * 1_000.0;
            let reading = |heap| Reading { at_ms, heap, external: 0.0, rss: heap };
            samples.push(reading(1e8 + 2e6 * f64::from(step)));
            if step % 10 == 0 {
                detector.floor(reading(left(f64::from(step))));
            }
            detector.suspect_steep(&samples).is_some()
        })
    }

    #[test]
    fn steep_growth_is_suspected_at_once_if_collections_confirm_it() {
        assert!(steep(|step| 9e7 + 2e6 * step));
        assert!(!steep(|step| 9e7 + 1e6 * (step / 10.0 % 2.0)), "it was garbage");
    }
}
