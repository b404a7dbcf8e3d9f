//! What is said between the limits and who asks them.

use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

use reqwest::Url;

use super::told::{Budget, Refusal};

/// What holds for a host without an answer of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Requests under way at once.
    pub max_concurrent: usize,
    /// `None` for a host that need not have limits: then nothing is paced, and no first request goes alone.
    pub points_per_minute: Option<u32>,
}

impl Rules {
    /// GitHub's own for its hosts; a GitHub Enterprise Server has none unless its answers say so.
    pub fn of(api: &Url) -> Self {
        let host = api.host_str().unwrap_or_default();
        let github = host == "api.github.com" || host.ends_with(".ghe.com");
        Self { max_concurrent: 100, points_per_minute: github.then_some(900) }
    }
}

/// A request that asks to pass.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    pub resource: &'static str,
    pub points: NonZeroU32,
    /// Whether it waits for a reset or the end of a pause; else it is refused.
    pub patient: bool,
}

/// A limit that stands in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limited {
    pub kind: Kind,
    pub resource: String,
    /// What was told last of the resource.
    pub budget: Option<Budget>,
    /// How long until it may be asked again.
    pub retry_after: Duration,
}

impl Limited {
    /// In milliseconds since the Unix epoch.
    pub fn reset_ms(&self) -> Option<f64> {
        Some(self.budget.as_ref()?.reset as f64 * 1_000.0)
    }

    /// In milliseconds.
    pub fn retry_after_ms(&self) -> f64 {
        self.retry_after.as_secs_f64() * 1_000.0
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Primary,
    Secondary,
}

/// Leave to send one request; to be given back by [`Limits::settle`] and [`Limits::finish`].
#[derive(Debug)]
pub struct Permit {
    pub(super) resource: &'static str,
    pub(super) admitted: Instant,
    /// How many had been settled by then, if none was under way: then the answer tells exactly what is left.
    pub(super) alone_since: Option<u64>,
}

/// How a request ended, as far as the limits are concerned.
#[derive(Debug)]
pub enum Outcome {
    /// It was not sent.
    Unsent,
    /// It never reached the server.
    Unreached,
    /// It may have reached the server, and no answer came.
    Lost,
    Answered(Option<Budget>, Refusal),
}

/// What becomes of a claim.
#[derive(Debug)]
pub enum Turn {
    Go(Permit),
    Refused(Limited),
    /// The one whose answer it waited for found no server; neither would this one.
    Unreached,
}
