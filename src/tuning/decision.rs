//! What a controller decides, and why.

use std::fmt;

/// A change of the setting.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decision {
    pub from: f64,
    pub to: f64,
    pub reason: Reason,
}

/// Why it was changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reason {
    /// Memory is short.
    MemoryPressure { share: f64 },
    /// The last step up paid.
    Gained { before: f64, now: f64 },
    /// The last step up did not.
    NoGain { before: f64, now: f64 },
    /// The last step down cost nothing.
    AsMuch { before: f64, now: f64 },
    /// The last step down cost too much.
    Lost { before: f64, now: f64 },
    /// Each takes longer, and the whole gains nothing.
    Congestion { before_ms: f64, now_ms: f64 },
    /// Nothing is known of other values, or not any more.
    Probe,
}

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MemoryPressure { share } => {
                write!(out, "memory is short: {:.0} % is used", share * 100.0)
            }
            Self::Gained { before, now } => write!(out, "more paid: {before:.2} became {now:.2}"),
            Self::NoGain { before, now } => {
                write!(out, "more did not pay: {before:.2} became {now:.2}")
            }
            Self::AsMuch { before, now } => write!(out, "less does: {before:.2} became {now:.2}"),
            Self::Lost { before, now } => {
                write!(out, "less does not do: {before:.2} became {now:.2}")
            }
            Self::Congestion { before_ms, now_ms } => {
                write!(out, "each takes longer: {before_ms:.2} ms became {now_ms:.2} ms")
            }
            Self::Probe => out.write_str("to see what another value does"),
        }
    }
}
