//! Many metrics by name, written out for other systems.

use std::collections::{BTreeMap, HashSet};

use super::series::{Series, Summary};
use crate::prometheus::{Exposition, Kind};

/// More names are a defect of the caller, such as a name that holds an identifier.
pub const MOST_METRICS: usize = 1_000;

/// Sliding windows by name.
#[derive(Debug)]
pub struct Metrics {
    window_ms: f64,
    series: BTreeMap<String, Series>,
}

impl Metrics {
    pub fn new(window_ms: f64) -> Self {
        Self { window_ms, series: BTreeMap::new() }
    }

    /// Adds a value to the metric `name`. False, and nothing happens, if that is one name too many.
    pub fn record(&mut self, name: &str, now_ms: f64, value: f64) -> bool {
        if let Some(series) = self.series.get_mut(name) {
            series.record(now_ms, value);
            return true;
        }
        let room = self.series.len() < MOST_METRICS;
        if room {
            let mut series = Series::new(self.window_ms, now_ms);
            series.record(now_ms, value);
            self.series.insert(name.to_owned(), series);
        }
        room
    }

    /// What is known of one metric.
    pub fn summary(&self, name: &str, now_ms: f64) -> Option<Summary> {
        self.series.get(name)?.summary(now_ms)
    }

    /// What is known of each metric with values in the window, by name.
    pub fn summaries(&self, now_ms: f64) -> impl Iterator<Item = (&str, Summary)> {
        self.series
            .iter()
            .filter_map(move |(name, series)| Some((name.as_str(), series.summary(now_ms)?)))
    }

    /// `gauges` and the windows in Prometheus' text format 0.0.4: a window is a summary whose `_sum` and
    /// `_count` are of the window.
    pub fn prometheus(&self, now_ms: f64, gauges: &[(String, f64)]) -> String {
        let mut text = Exposition::default();
        let mut taken = HashSet::new();
        // A family that comes twice would spoil the whole answer.
        let mut own_name = |name: &str| {
            let mut name = metric_name(name);
            while !taken.insert(name.clone()) {
                name.push('_');
            }
            name
        };
        for (name, value) in gauges {
            text.gauge(&own_name(name), None, *value);
        }
        for (name, Summary { count, mean, p50, p95, p99, .. }) in self.summaries(now_ms) {
            let name = own_name(name);
            text.family(&name, Kind::Summary, None);
            for (quantile, value) in [("0.5", p50), ("0.95", p95), ("0.99", p99)] {
                text.sample(&name, &[("quantile", quantile)], value);
            }
            text.sample(&format!("{name}_sum"), &[], mean * count as f64);
            text.sample(&format!("{name}_count"), &[], count as f64);
        }
        text.into_text()
    }
}

/// `responseTime` as `aiwf_response_time`; what Prometheus allows in no name becomes `_`.
fn metric_name(name: &str) -> String {
    let mut written = String::from("aiwf_");
    let mut lower = false;
    for char in name.chars() {
        if char.is_ascii_uppercase() && lower {
            written.push('_');
        }
        lower = char.is_ascii_lowercase() || char.is_ascii_digit();
        written.push(if char.is_ascii_alphanumeric() { char.to_ascii_lowercase() } else { '_' });
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_prometheus_text() {
        let mut metrics = Metrics::new(60_000.0);
        assert!(metrics.record("responseTime", 0.0, 0.0));
        let text = metrics.prometheus(0.0, &[("memory.rss".to_owned(), 1024.0)]);
        let expected = "# TYPE aiwf_memory_rss gauge\naiwf_memory_rss 1024\n\
            # TYPE aiwf_response_time summary\n\
            aiwf_response_time{quantile=\"0.5\"} 0\n\
            aiwf_response_time{quantile=\"0.95\"} 0\n\
            aiwf_response_time{quantile=\"0.99\"} 0\n\
            aiwf_response_time_sum 0\naiwf_response_time_count 1\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_hostile_name_adds_no_line() {
        assert_eq!(metric_name("a\nb{c=\"d\"} 1 é"), "aiwf_a_b_c__d___1__");
    }

    #[test]
    fn names_that_become_one_are_kept_apart() {
        let mut metrics = Metrics::new(1_000.0);
        metrics.record("a.b", 0.0, 1.0);
        metrics.record("a-b", 0.0, 1.0);
        let text = metrics.prometheus(0.0, &[("aB".to_owned(), 1.0)]);
        let families: Vec<_> = text.lines().filter(|line| line.starts_with('#')).collect();
        let expected =
            ["# TYPE aiwf_a_b gauge", "# TYPE aiwf_a_b_ summary", "# TYPE aiwf_a_b__ summary"];
        assert_eq!(families, expected);
    }

    #[test]
    fn refuses_a_name_too_many_but_not_a_known_one() {
        let mut metrics = Metrics::new(1_000.0);
        assert!((0..MOST_METRICS).all(|number| metrics.record(&number.to_string(), 0.0, 1.0)));
        assert!(!metrics.record("more", 0.0, 1.0));
        assert!(metrics.record("7", 0.0, 1.0));
        assert_eq!(metrics.summaries(0.0).count(), MOST_METRICS);
    }
}
