//! What a processor is told, and what it tells of itself.

use std::time::Duration;

use super::adapt::Decisions;

/// How many operations run at once; the engine may run fewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concurrency {
    AtMost(usize),
    /// As many as prove useful.
    Auto,
}

/// How a [`super::Processor`] works; from the next operation on when changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    pub concurrency: Concurrency,
    /// Operations taken from the queue at a time, and grouped by kind.
    pub batch_size: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { concurrency: Concurrency::AtMost(10), batch_size: 50 }
    }
}

/// What happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    pub succeeded: u64,
    pub failed: u64,
    /// The time operations took, summed.
    pub busy: Duration,
    /// Operations that have not started.
    pub queued: usize,
    pub running: usize,
    /// Read and written, also by operations that are not done.
    pub bytes: u64,
    /// With [`Concurrency::Auto`].
    pub decisions: Option<Decisions>,
}

impl Stats {
    pub fn total(&self) -> u64 {
        self.succeeded + self.failed
    }

    /// The time an operation took, on average.
    pub fn average(&self) -> Duration {
        self.busy.checked_div(u32::try_from(self.total()).unwrap_or(u32::MAX)).unwrap_or_default()
    }

    /// Such as `66.67%`; `0%` before any operation.
    pub fn success_rate(&self) -> String {
        match self.total() {
            0 => "0%".to_owned(),
            total => format!("{:.2}%", self.succeeded as f64 / total as f64 * 100.0),
        }
    }
}
