//! Recommendations from plain figures.

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

/// One thing worth doing about memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suggestion {
    pub kind: &'static str,
    pub suggestion: &'static str,
    pub priority: &'static str,
}

/// Whether what is in use exceeds what is allowed, and how the heap grew.
#[derive(Clone, Copy, Debug)]
pub struct Situation {
    pub heap_above_threshold: bool,
    pub external_above_threshold: bool,
    /// As a share of where it started.
    pub heap_trend: f64,
}

/// What is worth doing, in the order it is told.
pub fn suggestions(situation: Situation) -> Vec<Suggestion> {
    let heap = situation.heap_above_threshold.then_some(Suggestion {
        kind: "high_memory_usage",
        suggestion: "Release what is no longer needed, or hold it in more compact data structures",
        priority: "high",
    });
    let leak = (situation.heap_trend > LEAKING).then_some(Suggestion {
        kind: "memory_leak",
        suggestion: "The heap keeps growing: look for references and event listeners that are never let go",
        priority: "critical",
    });
    let external = situation.external_above_threshold.then_some(Suggestion {
        kind: "external_memory",
        suggestion: "Much memory lies outside of the heap: look at Buffers and native addons",
        priority: "medium",
    });
    [heap, leak, external].into_iter().flatten().collect()
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
    fn each_trouble_has_its_suggestion() {
        let mut situation = Situation {
            heap_above_threshold: false,
            external_above_threshold: false,
            heap_trend: LEAKING,
        };
        assert!(suggestions(situation).is_empty());
        situation = Situation {
            heap_above_threshold: true,
            external_above_threshold: true,
            heap_trend: 0.11,
        };
        let kinds: Vec<_> = suggestions(situation).iter().map(|found| found.kind).collect();
        assert_eq!(kinds, ["high_memory_usage", "memory_leak", "external_memory"]);
    }
}
