//! What a thread can tell of the process without asking JavaScript.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::{
    error::Result,
    memory::process::{Figures, ProcessReader, Pss},
};

/// Reads the process's figures, again and again.
pub(super) struct Pulse {
    reader: ProcessReader,
    /// When, and how much CPU time was used by then.
    last: Option<(Instant, f64)>,
}

/// One reading; what the system does not tell is `null`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Reading {
    /// Milliseconds since the epoch.
    timestamp: f64,
    rss: f64,
    anonymous: f64,
    file: f64,
    /// Busy processors since the reading before: 1.5 is one and a half.
    cpu: Option<f64>,
    threads: f64,
    file_descriptors: f64,
    limit: f64,
    limit_used: f64,
    /// Milliseconds since JavaScript was heard of.
    silence: f64,
}

impl Pulse {
    pub(super) fn start() -> Result<Self> {
        Ok(Self { reader: ProcessReader::open(Pss::Never)?, last: None })
    }

    /// A reading at `now` as JSON; `None` if the system refuses one.
    pub(super) fn read(&mut self, now: Instant, silence: Duration) -> Option<String> {
        let Figures { rss, anonymous, file, cpu_ms, details } = self.reader.read().ok()?;
        let last = self.last.replace((now, cpu_ms));
        let cpu = last.map(|(then, before)| (cpu_ms - before) / millis(now - then).max(1.0));
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let reading = Reading {
            timestamp: millis(since_epoch).floor(),
            rss,
            anonymous,
            file,
            cpu,
            threads: details.threads,
            file_descriptors: details.descriptors,
            limit: details.limit,
            limit_used: details.limit_used,
            silence: millis(silence).floor(),
        };
        serde_json::to_string(&reading).ok()
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_of_this_process_in_json() {
        let mut pulse = Pulse::start().unwrap();
        let now = Instant::now();
        let read = |pulse: &mut Pulse, at| {
            let json = pulse.read(at, Duration::from_millis(1_500)).unwrap();
            serde_json::from_str::<serde_json::Value>(&json).unwrap()
        };
        let first = read(&mut pulse, now);
        assert!(first["rss"].as_f64().unwrap() > 1e6 && first["cpu"].is_null());
        assert_eq!(first["silence"], 1_500.0);
        let second = read(&mut pulse, now + Duration::from_secs(1));
        assert!(second["cpu"].as_f64().unwrap() >= 0.0);
    }
}
