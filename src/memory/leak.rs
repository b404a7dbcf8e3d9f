//! Whether what the process holds keeps growing: the leak detector of a running profiler.
//!
//! What is left after a major collection, its *floor*, is what JavaScript holds. What native code holds needs no
//! collection to be seen. The lowest value of each *bucket* of half a minute enters the windows of two levels. A
//! [`Window`] finds growth where the floors rise beyond chance (Mann–Kendall with Hamed and Rao's variance), by enough
//! (Theil–Sen), without coming back, without levelling off, and not in one step. `suspected` looks at half an
//! hour and more, `leak` at an hour; both have a short window for steep growth. `docs/leak-detection.md`
//! has how often they are wrong, and the rules they were measured against.
//!
//! Times are real times, whatever the beat: a program that warms up does so no faster for being sampled more often.
//! Only growth by half within a hundred beats is judged by the beats, if collections confirm it.
//! A process so idle that V8 never collects gives no floors; see [`LeakDetector::wants_probe`].

mod window;

use std::collections::VecDeque;

use super::{
    growth::{self, Reading, Trend},
    trend::{confidence, theil_sen},
};
pub use window::{Growth, Window};

/// What a user may set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeakRule {
    /// Milliseconds whose floors are merged to their lowest. All windows are counted in buckets.
    pub bucket_ms: f64,
    /// Milliseconds at the start that are not judged: a program warms up.
    pub grace_ms: f64,
    /// The least growth that is suspected, as a share of what is held, a minute (of two buckets).
    pub min_growth: f64,
    /// Milliseconds without a major collection after which one should be forced; infinite for never.
    pub probe_ms: f64,
}

impl Default for LeakRule {
    fn default() -> Self {
        let probe_ms = f64::INFINITY;
        Self { bucket_ms: 30_000.0, grace_ms: 600_000.0, min_growth: 0.002, probe_ms }
    }
}

const BUCKETS_A_MINUTE: f64 = 2.0;
/// 10 minutes for 2 % a minute.
const STEEP: Window =
    Window { buckets: 20.0, span: 13.0, steepness: 10.0, third: 0.3, sustained: 0.7 };
const SUSPECTED: &[Window] = &[
    Window { buckets: 60.0, span: 40.0, steepness: 1.0, third: 0.2, sustained: 0.7 },
    Window { buckets: 90.0, span: 60.0, steepness: 1.0, third: 0.2, sustained: 0.7 },
    Window { buckets: 120.0, span: 80.0, steepness: 1.0, third: 0.2, sustained: 0.7 },
    STEEP,
];
const LEAK: &[Window] = &[
    Window { buckets: 120.0, span: 60.0, steepness: 1.5, third: f64::NEG_INFINITY, sustained: 0.0 },
    STEEP,
];
/// The longest window.
const KEPT_BUCKETS: f64 = 120.0;

/// Growth over the last hundred beats that is suspected at once.
const AT_ONCE: f64 = 0.5;
/// Collections that must confirm it, each leaving more than the one before.
const CONFIRMATIONS: usize = 3;
/// The share of that growth which what they leave must show too.
const CONFIRMED: f64 = 0.5;
/// Beats at the start in which even that is not judged.
const AT_ONCE_GRACE: f64 = 60.0;

/// How sure a verdict is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Suspected,
    Leak,
}

/// Which memory grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaking {
    /// V8's heap.
    Heap,
    /// What JavaScript objects hold outside of it, such as `Buffer`s.
    External,
    /// What V8 does not account for.
    Native,
}

/// A verdict.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Suspicion {
    pub level: Level,
    pub memory: Leaking,
    /// Over the time that was judged.
    pub trend: Trend,
    pub bytes_per_minute: f64,
    /// 1 − p of the trend test.
    pub confidence: f64,
    /// Milliseconds that were judged.
    pub window_ms: f64,
    /// Milliseconds until a limit is reached at this pace, if there is one.
    pub until_limit_ms: Option<f64>,
}

/// Bytes that can't be exceeded; infinite where there is no limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Of V8's heap.
    pub heap: f64,
    /// Of what the process may have resident, such as its container's.
    pub resident: f64,
}

impl Limits {
    /// Milliseconds until `memory` that grows by `bytes_per_minute` reaches a limit.
    fn reached_ms(&self, memory: Leaking, now: &Reading, bytes_per_minute: f64) -> Option<f64> {
        let heap = match memory {
            Leaking::Heap => self.heap - now.heap,
            Leaking::External | Leaking::Native => f64::INFINITY,
        };
        let room = heap.min(self.resident - now.rss).max(0.0);
        room.is_finite().then(|| room / bytes_per_minute * 60_000.0)
    }
}

/// Collects floors and judges them. Time comes in with the readings.
#[derive(Debug)]
pub struct LeakDetector {
    rule: LeakRule,
    limits: Limits,
    /// Milliseconds.
    started_ms: f64,
    held: Floors,
    native: Floors,
    /// The latest collections.
    collections: VecDeque<Reading>,
    beats: VecDeque<Reading>,
    last_collection_ms: f64,
    /// When growth at once may be told again.
    at_once_from_ms: f64,
}

impl LeakDetector {
    /// Starts at `now_ms` with a beat every `beat_ms`.
    pub fn new(rule: LeakRule, limits: Limits, now_ms: f64, beat_ms: f64) -> Self {
        Self {
            rule,
            limits,
            started_ms: now_ms,
            held: Floors::new(Watched::Held),
            native: Floors::new(Watched::Native),
            collections: VecDeque::with_capacity(CONFIRMATIONS),
            beats: VecDeque::with_capacity(growth::WINDOW),
            last_collection_ms: now_ms,
            at_once_from_ms: now_ms + AT_ONCE_GRACE * beat_ms,
        }
    }

    /// Takes what was there right after a major collection.
    pub fn floor(&mut self, floor: Reading) {
        self.last_collection_ms = floor.at_ms;
        push_bounded(&mut self.collections, floor, CONFIRMATIONS);
        if floor.at_ms - self.started_ms >= self.rule.grace_ms {
            self.held.add(self.bucket_of(floor.at_ms), floor);
        }
    }

    /// Takes what was there at a beat.
    pub fn beat(&mut self, reading: Reading) {
        push_bounded(&mut self.beats, reading, growth::WINDOW);
        if reading.at_ms - self.started_ms >= self.rule.grace_ms {
            self.native.add(self.bucket_of(reading.at_ms), reading);
        }
    }

    /// The surest suspicion, if a bucket has ended since the last call and makes something suspected, or if growth is
    /// so steep that half an hour is too long to wait. Growth that goes on is told once a bucket.
    pub fn judge(&mut self, now_ms: f64) -> Option<Suspicion> {
        let now = self.bucket_of(now_ms);
        let verdicts = [&mut self.held, &mut self.native]
            .map(|floors| floors.judge(now, &self.rule, &self.limits));
        let surest = verdicts
            .into_iter()
            .flatten()
            .reduce(|first, other| if other.level > first.level { other } else { first });
        surest.or_else(|| self.at_once(now_ms))
    }

    /// Whether V8 has not collected for so long that the user wants a collection forced.
    pub fn wants_probe(&self, now_ms: f64) -> bool {
        now_ms - self.last_collection_ms >= self.rule.probe_ms
    }

    fn at_once(&mut self, now_ms: f64) -> Option<Suspicion> {
        let [oldest, middle, newest] = *self.collections.make_contiguous() else { return None };
        let (first, last) = (*self.beats.front()?, *self.beats.back()?);
        let window_ms = last.at_ms - first.at_ms;
        let pace = (newest.held() - oldest.held()) / (newest.at_ms - oldest.at_ms).max(1.0);
        let confirmed = now_ms >= self.at_once_from_ms
            && newest.at_ms >= first.at_ms
            && middle.held() > oldest.held()
            && newest.held() > middle.held()
            && pace * window_ms >= CONFIRMED * AT_ONCE * oldest.held();
        if !confirmed {
            return None;
        }
        let trend = growth::steady(self.beats.make_contiguous(), AT_ONCE)?;
        self.at_once_from_ms = now_ms + self.rule.bucket_ms;
        let external = newest.external - oldest.external;
        let in_heap = newest.heap - oldest.heap >= external;
        let memory = if in_heap { Leaking::Heap } else { Leaking::External };
        let bytes_per_minute = pace * 60_000.0;
        Some(Suspicion {
            level: Level::Suspected,
            memory,
            trend,
            bytes_per_minute,
            until_limit_ms: self.limits.reached_ms(memory, &last, bytes_per_minute),
            confidence: confidence(growth::BEYOND_CHANCE),
            window_ms,
        })
    }

    fn bucket_of(&self, at_ms: f64) -> f64 {
        ((at_ms - self.started_ms) / self.rule.bucket_ms).floor()
    }
}

fn push_bounded(queue: &mut VecDeque<Reading>, reading: Reading, most: usize) {
    if queue.len() == most {
        queue.pop_front();
    }
    queue.push_back(reading);
}

#[derive(Clone, Copy, Debug)]
enum Watched {
    /// What JavaScript holds, as collections leave it.
    Held,
    Native,
}

impl Watched {
    fn of(self, reading: &Reading) -> f64 {
        match self {
            Self::Held => reading.held(),
            Self::Native => reading.native(),
        }
    }
}

/// The lowest readings of one figure, a bucket each, and who judges them.
#[derive(Debug)]
struct Floors {
    watched: Watched,
    /// With the bucket's number; the last is still open.
    buckets: VecDeque<(f64, Reading)>,
    judged: f64,
    judges: [Judge; 2],
}

impl Floors {
    fn new(watched: Watched) -> Self {
        let suspected = Judge { level: Level::Suspected, windows: SUSPECTED, needed: 2, streak: 0 };
        let leak = Judge { level: Level::Leak, windows: LEAK, needed: 3, streak: 0 };
        let buckets = VecDeque::with_capacity(KEPT_BUCKETS as usize + 2);
        Self { watched, buckets, judged: -1.0, judges: [suspected, leak] }
    }

    fn add(&mut self, bucket: f64, reading: Reading) {
        match self.buckets.back_mut() {
            Some((last, lowest)) if *last >= bucket => {
                if self.watched.of(&reading) < self.watched.of(lowest) {
                    *lowest = reading;
                }
            }
            _ => self.buckets.push_back((bucket, reading)),
        }
        while self.buckets.front().is_some_and(|(old, _)| bucket - old > KEPT_BUCKETS) {
            self.buckets.pop_front();
        }
    }

    /// The surest verdict on the buckets before `now`, if one has ended since the last call.
    fn judge(&mut self, now: f64, rule: &LeakRule, limits: &Limits) -> Option<Suspicion> {
        let ended = self.buckets.iter().map(|(bucket, _)| *bucket).rfind(|bucket| *bucket < now)?;
        if ended <= self.judged {
            return None;
        }
        self.judged = ended;
        let floors: Vec<_> =
            self.buckets.iter().filter(|(bucket, _)| *bucket <= ended).copied().collect();
        let points = points(&floors, |floor| self.watched.of(floor));
        let verdicts = self.judges.each_mut().map(|judge| {
            let growth = judge.judge(&points, rule.min_growth)?;
            Some((judge.level, growth))
        });
        let (level, (growth, length)) = verdicts.into_iter().flatten().next_back()?;
        let judged = &floors[floors.len() - length..];
        let memory = self.leaking(judged, growth.slope);
        let bytes_per_minute = growth.slope * 60_000.0 / rule.bucket_ms;
        let latest = &judged[judged.len() - 1].1;
        Some(Suspicion {
            level,
            memory,
            until_limit_ms: limits.reached_ms(memory, latest, bytes_per_minute),
            trend: Trend::over(judged.iter().map(|(bucket, floor)| (*bucket, floor))),
            bytes_per_minute,
            confidence: confidence(growth.deviations),
            window_ms: (ended + 1.0 - judged[0].0) * rule.bucket_ms,
        })
    }

    fn leaking(&self, floors: &[(f64, Reading)], slope: f64) -> Leaking {
        let external = || theil_sen(&points(floors, |floor| floor.external)).unwrap_or_default();
        match self.watched {
            Watched::Native => Leaking::Native,
            Watched::Held if external() > slope / 2.0 => Leaking::External,
            Watched::Held => Leaking::Heap,
        }
    }
}

fn points(floors: &[(f64, Reading)], figure: impl Fn(&Reading) -> f64) -> Vec<(f64, f64)> {
    floors.iter().map(|(bucket, floor)| (*bucket, figure(floor))).collect()
}

/// Judges floors for one level, and counts the verdicts running.
#[derive(Debug)]
struct Judge {
    level: Level,
    windows: &'static [Window],
    /// Verdicts running that make a suspicion.
    needed: u32,
    streak: u32,
}

impl Judge {
    /// The growth and how many of the latest floors show it.
    fn judge(&mut self, floors: &[(f64, f64)], min_growth: f64) -> Option<(Growth, usize)> {
        let last = floors.last()?.0;
        let grown = self.windows.iter().find_map(|window| {
            let before = floors.partition_point(|(bucket, _)| last - bucket >= window.buckets);
            let inside = &floors[before..];
            window.judge(inside, min_growth).map(|growth| (growth, inside.len()))
        });
        self.streak = if grown.is_some() { self.streak + 1 } else { 0 };
        grown.filter(|_| self.streak >= self.needed)
    }
}

#[cfg(test)]
mod tests;
