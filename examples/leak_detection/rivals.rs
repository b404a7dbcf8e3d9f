//! The rules that the detector is measured against: each looks at a program second by second and says when it alarms.

use aiwf_native::memory::{
    growth::Reading,
    leak::{LeakDetector, LeakRule, Level, Limits},
    simulation::Second,
    trend::{mann_kendall, mann_kendall_autocorrelated, median, theil_sen},
};

/// What a rule says of one second: nothing, that it has looked and found nothing, or an alarm.
pub type Verdict = Option<bool>;

/// A rule at work on one program.
pub type Judge = Box<dyn FnMut(&Second) -> Verdict>;

/// A named rule.
pub struct Rule {
    pub name: &'static str,
    pub start: fn() -> Judge,
}

pub const RULES: &[Rule] = &[
    Rule { name: "first against last, 10 samples, 1 s", start: || first_against_last(1) },
    Rule { name: "first against last, 10 samples, 30 s", start: || first_against_last(30) },
    Rule { name: "five growing major collections (memwatch)", start: growing_collections },
    Rule { name: "Mann–Kendall, 60 raw samples, 5 s", start: raw_trend },
    Rule { name: "Mann–Kendall on floors, 30 min", start: floor_trend },
    Rule { name: "research detector K, suspected", start: || research(RESEARCH_K) },
    Rule { name: "research detector J, leak", start: || research(RESEARCH_J) },
    Rule { name: "this package, suspected", start: || ours(Level::Suspected) },
    Rule { name: "this package, leak", start: || ours(Level::Leak) },
];

/// The rule that this package replaces: growth by 5 % from the first to the last of ten samples.
fn first_against_last(interval: u64) -> Judge {
    let mut samples: Vec<f64> = Vec::new();
    Box::new(move |second| {
        if !(second.at as u64).is_multiple_of(interval) {
            return None;
        }
        samples.push(second.used);
        let window = &samples[samples.len().checked_sub(10)?..];
        Some((window[9] - window[0]) / window[0] > 0.05)
    })
}

fn growing_collections() -> Judge {
    let (mut last, mut growing) = (f64::INFINITY, 0);
    Box::new(move |second| {
        let floor = second.floor?;
        growing = if floor > last { growing + 1 } else { 0 };
        last = floor;
        Some(growing >= 5)
    })
}

fn raw_trend() -> Judge {
    let mut samples: Vec<f64> = Vec::new();
    Box::new(move |second| {
        if !(second.at as u64).is_multiple_of(5) {
            return None;
        }
        samples.push(second.used);
        Some(mann_kendall(&samples[samples.len().checked_sub(60)?..]) > 2.33)
    })
}

fn floor_trend() -> Judge {
    let mut buckets = Buckets::default();
    Box::new(move |second| {
        let floors = buckets.ended(second)?;
        let floors = window(floors, 60.0);
        let values: Vec<f64> = floors.iter().map(|(_, bytes)| *bytes).collect();
        Some(values.len() >= 8 && mann_kendall(&values) > 2.33)
    })
}

/// The windows of a detector of the research: buckets, least span, least slope a bucket.
#[derive(Clone, Copy)]
struct Research {
    slow: (f64, f64, f64),
    /// Least slope of the late half, as a share of the early half's.
    sustained: f64,
}

const RESEARCH_K: Research = Research { slow: (60.0, 40.0, 0.001), sustained: 0.7 };
const RESEARCH_J: Research = Research { slow: (120.0, 60.0, 0.0015), sustained: 0.0 };
const RESEARCH_FAST: (f64, f64, f64) = (20.0, 13.0, 0.01);

fn research(rule: Research) -> Judge {
    let mut buckets = Buckets::default();
    let mut streak = 0;
    Box::new(move |second| {
        let floors = buckets.ended(second)?;
        let grows = [rule.slow, RESEARCH_FAST].into_iter().any(|(length, span, slope)| {
            grows(window(floors, length), span, slope, rule.sustained)
        });
        streak = if grows { streak + 1 } else { 0 };
        Some(streak >= 3)
    })
}

fn grows(floors: &[(f64, f64)], span: f64, least: f64, sustained: f64) -> bool {
    let (Some(first), Some(last)) = (floors.first(), floors.last()) else { return false };
    if floors.len() < 8 || last.0 - first.0 < span {
        return false;
    }
    let slope = |points: &[(f64, f64)]| theil_sen(points).unwrap_or_default();
    let (early, late) = floors.split_at(floors.len() / 2);
    let (whole, early, late) = (slope(floors), slope(early), slope(late));
    let mut values: Vec<f64> = floors.iter().map(|(_, bytes)| *bytes).collect();
    whole >= least * median(&mut values).unwrap_or_default()
        && early.min(late) >= 0.5 * whole
        && late >= sustained * early
        && mann_kendall_autocorrelated(floors, whole) > 2.33
}

fn ours(level: Level) -> Judge {
    let limits = Limits { heap: f64::INFINITY, resident: f64::INFINITY };
    let mut detector = LeakDetector::new(LeakRule::default(), limits, 0.0, 1_000.0);
    Box::new(move |second| {
        let at_ms = second.at * 1_000.0;
        let reading = |heap| Reading { at_ms, heap, heap_total: heap, external: 0.0, rss: heap };
        if let Some(floor) = second.floor {
            detector.floor(reading(floor));
        }
        detector.beat(reading(second.used));
        let found = detector.judge(at_ms).is_some_and(|suspicion| suspicion.level >= level);
        // It looks once a bucket.
        (found || (second.at as u64).is_multiple_of(30)).then_some(found)
    })
}

/// The lowest floor of each half minute, after ten minutes of grace.
#[derive(Default)]
struct Buckets {
    floors: Vec<(f64, f64)>,
    open: Option<(f64, f64)>,
}

impl Buckets {
    /// All floors, when a bucket with floors has just ended.
    fn ended(&mut self, second: &Second) -> Option<&[(f64, f64)]> {
        let bucket = (second.at / 30.0).floor();
        let ended = self.open.take_if(|(open, _)| *open < bucket);
        self.floors.extend(ended);
        if let Some(floor) = second.floor.filter(|_| second.at >= 600.0) {
            let lowest = self.open.map_or(floor, |(_, lowest)| lowest.min(floor));
            self.open = Some((bucket, lowest));
        }
        ended.map(|_| self.floors.as_slice())
    }
}

/// The last `length` buckets.
fn window(floors: &[(f64, f64)], length: f64) -> &[(f64, f64)] {
    let last = floors.last().map_or(0.0, |(bucket, _)| *bucket);
    &floors[floors.partition_point(|(bucket, _)| last - bucket >= length)..]
}
