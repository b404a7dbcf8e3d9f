//! Recommendations from plain figures.

use crate::page::{bytes, milliseconds};

/// Files above this many bytes are better streamed than read whole.
pub const LARGE_FILE: u64 = 100 << 20;
/// Arrays above this length.
pub const LARGE_ARRAY: usize = 10_000;
/// Objects above this many keys.
pub const LARGE_OBJECT: usize = 1_000;
/// Heap growth that makes a leak likely, as a share.
pub const LEAKING: f64 = 0.1;

/// How to read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileAdvice {
    Streaming,
    Buffer,
}

impl FileAdvice {
    /// For a file of `size` bytes.
    pub fn for_size(size: u64) -> Self {
        if size > LARGE_FILE { Self::Streaming } else { Self::Buffer }
    }

    /// The recommendation and its reason.
    pub fn text(self) -> Advice {
        match self {
            Self::Streaming => Advice::new("streaming", "The file is larger than 100 MiB"),
            Self::Buffer => Advice::new("buffer", "The file fits into memory at once"),
        }
    }
}

/// What to do, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advice {
    pub recommendation: &'static str,
    pub reason: &'static str,
}

impl Advice {
    const fn new(recommendation: &'static str, reason: &'static str) -> Self {
        Self { recommendation, reason }
    }
}

/// For a value with `length` elements, if it is an array, and `keys` keys of its own.
pub fn data_structure(length: Option<usize>, keys: usize) -> Advice {
    if length.is_some_and(|length| length > LARGE_ARRAY) {
        Advice::new(
            "Look things up in a Set or a Map, or work in chunks",
            "The array has more than 10,000 elements",
        )
    } else if keys > LARGE_OBJECT {
        Advice::new("Keep the entries in a Map", "The object has more than 1,000 keys")
    } else {
        Advice::new("Current data structure is optimal", "It is small enough")
    }
}

/// One thing worth doing about memory, with the figure that says so.
#[derive(Clone, Debug, PartialEq)]
pub struct Suggestion {
    pub kind: &'static str,
    pub suggestion: String,
    pub priority: &'static str,
    /// What was measured: bytes, milliseconds or a share.
    pub value: f64,
    /// Above which it is worth something, in the same unit.
    pub threshold: f64,
}

/// What was measured. Bytes and milliseconds; `None` where nothing was.
#[derive(Clone, Copy, Debug)]
pub struct Situation {
    pub heap_used: f64,
    pub heap_threshold: f64,
    pub external: f64,
    pub external_threshold: f64,
    /// Growth of the heap, as a share of where it started.
    pub heap_trend: f64,
    /// The pace of a leak that is suspected.
    pub leak_bytes_per_minute: Option<f64>,
    /// The share of the profiled time for which collections stopped the program.
    pub collecting: Option<f64>,
    /// The mean time by which the event loop was late.
    pub mean_delay: Option<f64>,
    /// The container's limit and what is used of it.
    pub limit: Option<(f64, f64)>,
}

/// Shares and milliseconds above which something is worth doing.
const COLLECTING: f64 = 0.1;
const NEAR_LIMIT: f64 = 0.9;
const LATE: f64 = 50.0;

impl Situation {
    /// What is worth doing, in the order it is told.
    pub fn suggestions(&self) -> Vec<Suggestion> {
        let found = [
            self.heap(),
            self.leak(),
            self.external(),
            self.limit(),
            self.collecting(),
            self.late(),
        ];
        found.into_iter().flatten().collect()
    }

    fn heap(&self) -> Option<Suggestion> {
        let Self { heap_used, heap_threshold, .. } = *self;
        let advice = "release what is no longer needed, or hold it in more compact data structures";
        suggestion("high_memory_usage", "high", heap_used, heap_threshold, |value, threshold| {
            format!(
                "The heap holds {}, above its threshold of {}: {advice}",
                bytes(value),
                bytes(threshold)
            )
        })
    }

    fn leak(&self) -> Option<Suggestion> {
        let pace = self.leak_bytes_per_minute;
        let pace =
            pace.map_or_else(String::new, |pace| format!(", now by {} a minute", bytes(pace)));
        let advice = "look for references and event listeners that are never let go";
        suggestion("memory_leak", "critical", self.heap_trend, LEAKING, |trend, _| {
            format!("The heap keeps growing, by {} of what it was{pace}: {advice}", percent(trend))
        })
    }

    fn external(&self) -> Option<Suggestion> {
        let Self { external, external_threshold, .. } = *self;
        suggestion("external_memory", "medium", external, external_threshold, |value, threshold| {
            let (value, threshold) = (bytes(value), bytes(threshold));
            format!(
                "{value} lie outside of the heap, above the threshold of {threshold}: look at Buffers and native addons"
            )
        })
    }

    fn limit(&self) -> Option<Suggestion> {
        let (limit, used) = self.limit?;
        suggestion("memory_limit", "critical", used, NEAR_LIMIT * limit, |used, _| {
            let (used, limit) = (bytes(used), bytes(limit));
            format!(
                "The container uses {used} of its limit of {limit}: the system ends the process when that is reached"
            )
        })
    }

    fn collecting(&self) -> Option<Suggestion> {
        let advice = "make fewer short-lived objects, or give V8 more room (--max-semi-space-size, --max-old-space-size)";
        suggestion("garbage_collection", "medium", self.collecting?, COLLECTING, |share, _| {
            format!("Collections stopped the program for {} of the time: {advice}", percent(share))
        })
    }

    fn late(&self) -> Option<Suggestion> {
        suggestion("event_loop_delay", "medium", self.mean_delay?, LATE, |delay, _| {
            let delay = milliseconds(delay);
            format!(
                "The event loop was late by {delay} in the mean: split long work, or move it to a worker thread"
            )
        })
    }
}

/// If `value` is above `threshold`.
fn suggestion(
    kind: &'static str,
    priority: &'static str,
    value: f64,
    threshold: f64,
    text: impl FnOnce(f64, f64) -> String,
) -> Option<Suggestion> {
    let worth = value > threshold;
    worth.then(|| Suggestion {
        kind,
        suggestion: text(value, threshold),
        priority,
        value,
        threshold,
    })
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_themselves_are_still_fine() {
        assert_eq!(FileAdvice::for_size(LARGE_FILE), FileAdvice::Buffer);
        assert_eq!(FileAdvice::for_size(LARGE_FILE + 1), FileAdvice::Streaming);
        let optimal = "Current data structure is optimal";
        assert_eq!(data_structure(None, LARGE_OBJECT).recommendation, optimal);
        assert_eq!(data_structure(Some(1_000), 1_000).recommendation, optimal);
        assert_eq!(
            data_structure(Some(10_001), 10_001).reason,
            "The array has more than 10,000 elements"
        );
        assert_eq!(data_structure(None, 1_001).reason, "The object has more than 1,000 keys");
    }

    #[test]
    fn each_trouble_has_its_suggestion_and_its_figure() {
        let fine = Situation {
            heap_used: 1e6,
            heap_threshold: 1e6,
            external: 1e6,
            external_threshold: 1e6,
            heap_trend: LEAKING,
            leak_bytes_per_minute: None,
            collecting: Some(COLLECTING),
            mean_delay: Some(LATE),
            limit: Some((1e6, 0.9e6)),
        };
        assert_eq!(fine.suggestions(), []);
        let bad = Situation {
            heap_used: 3_145_728.0,
            external: 2_097_152.0,
            heap_trend: 0.11,
            leak_bytes_per_minute: Some(524_288.0),
            collecting: Some(0.25),
            mean_delay: Some(75.0),
            limit: Some((1_048_576.0, 1_000_000.0)),
            ..fine
        };
        let found = bad.suggestions();
        let told = [
            ("high_memory_usage", "holds 3.00 MiB"),
            ("memory_leak", "by 11.0 % of what it was, now by 512.00 KiB a minute"),
            ("external_memory", "2.00 MiB lie outside"),
            ("memory_limit", "976.56 KiB of its limit of 1.00 MiB"),
            ("garbage_collection", "25.0 % of the time"),
            ("event_loop_delay", "75.00 ms in the mean"),
        ];
        assert_eq!(found.len(), told.len());
        for (found, (kind, figure)) in found.iter().zip(told) {
            assert_eq!(found.kind, kind);
            assert!(found.suggestion.contains(figure), "{}", found.suggestion);
            assert!(found.value > found.threshold);
        }
        let unknown = Situation { collecting: None, mean_delay: None, limit: None, ..bad };
        assert_eq!(unknown.suggestions().len(), 3);
    }
}
