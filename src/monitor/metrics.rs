//! Many metrics by name, written out for other systems.

use std::collections::{BTreeMap, HashSet};

use super::series::{Series, Summary, Totals};
use crate::prometheus::{Exposition, Kind};

/// More names are a defect of the caller, such as a name that holds an identifier.
pub const MOST_METRICS: usize = 1_000;

/// Sliding windows by name.
#[derive(Debug)]
pub struct Metrics {
    window_ms: f64,
    metrics: BTreeMap<String, Metric>,
    /// Names in Prometheus' text that mean something. One that comes twice would spoil the whole answer.
    taken: HashSet<String>,
}

#[derive(Debug)]
struct Metric {
    /// Its name in Prometheus' text, for good.
    family: String,
    series: Series,
}

/// What is known of one metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Known<'a> {
    pub name: &'a str,
    pub totals: Totals,
    /// `None` if the window is empty.
    pub window: Option<Summary>,
}

impl Metrics {
    /// `figures` are the names of the gauges and counters that [`prometheus`](Self::prometheus) will be given.
    pub fn new(window_ms: f64, figures: &[String]) -> Self {
        let names = figures.iter().flat_map(|name| [metric_name(name), counter_name(name)]);
        Self { window_ms, metrics: BTreeMap::new(), taken: names.collect() }
    }

    /// Adds a value to the metric `name`. False, and nothing happens, if that is one name too many.
    pub fn record(&mut self, name: &str, now_ms: f64, value: f64) -> bool {
        if let Some(metric) = self.metrics.get_mut(name) {
            metric.series.record(now_ms, value);
            return true;
        }
        let room = self.metrics.len() < MOST_METRICS;
        if room {
            let mut series = Series::new(self.window_ms, now_ms);
            series.record(now_ms, value);
            let metric = Metric { family: self.take_name(name), series };
            self.metrics.insert(name.to_owned(), metric);
        }
        room
    }

    /// A free name for a summary, whose samples have two more.
    fn take_name(&mut self, name: &str) -> String {
        let mut family = metric_name(name);
        let names = |family: &str| ["", "_sum", "_count"].map(|end| format!("{family}{end}"));
        while names(&family).iter().any(|name| self.taken.contains(name)) {
            family.push('_');
        }
        self.taken.extend(names(&family));
        family
    }

    /// What is known of one metric's window.
    pub fn summary(&self, name: &str, now_ms: f64) -> Option<Summary> {
        self.metrics.get(name)?.series.summary(now_ms)
    }

    /// What is known of each metric, by name.
    pub fn known(&self, now_ms: f64) -> impl Iterator<Item = Known<'_>> {
        self.metrics.iter().map(move |(name, Metric { series, .. })| Known {
            name,
            totals: series.totals(),
            window: series.summary(now_ms),
        })
    }

    /// All in Prometheus' text format 0.0.4. A metric is a summary: its quantiles are of the window, `NaN` while that is
    /// empty, its `_sum` and `_count` are of all values, as is usual.
    pub fn prometheus(
        &self,
        now_ms: f64,
        gauges: &[(String, f64)],
        counters: &[(String, f64)],
    ) -> String {
        let mut text = Exposition::default();
        for (name, value) in gauges {
            text.gauge(&metric_name(name), None, *value);
        }
        for (name, value) in counters {
            let name = counter_name(name);
            text.family(&name, Kind::Counter, None);
            text.sample(&name, &[], *value);
        }
        for Metric { family, series } in self.metrics.values() {
            let window = series.summary(now_ms);
            let quantile = |of: fn(Summary) -> f64| window.map_or(f64::NAN, of);
            text.family(family, Kind::Summary, None);
            for (label, value) in [
                ("0.5", quantile(|window| window.p50)),
                ("0.95", quantile(|window| window.p95)),
                ("0.99", quantile(|window| window.p99)),
            ] {
                text.sample(family, &[("quantile", label)], value);
            }
            let Totals { count, sum } = series.totals();
            text.sample(&format!("{family}_sum"), &[], sum);
            text.sample(&format!("{family}_count"), &[], count as f64);
        }
        text.into_text()
    }
}

/// Prometheus' counters say so in their name.
fn counter_name(name: &str) -> String {
    metric_name(name) + "_total"
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
        let mut metrics = Metrics::new(60_000.0, &[]);
        assert!(metrics.record("responseTime", 0.0, 2.0));
        let gauges = [("memory.rss".to_owned(), 1024.0)];
        let text = metrics.prometheus(0.0, &gauges, &[("apiCalls".to_owned(), 3.0)]);
        let expected = "# TYPE aiwf_memory_rss gauge\naiwf_memory_rss 1024\n\
            # TYPE aiwf_api_calls_total counter\naiwf_api_calls_total 3\n\
            # TYPE aiwf_response_time summary\n\
            aiwf_response_time{quantile=\"0.5\"} 2\n\
            aiwf_response_time{quantile=\"0.95\"} 2\n\
            aiwf_response_time{quantile=\"0.99\"} 2\n\
            aiwf_response_time_sum 2\naiwf_response_time_count 1\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn sums_and_counts_outlive_the_window() {
        let mut metrics = Metrics::new(1_000.0, &[]);
        metrics.record("a", 0.0, 2.0);
        let text = metrics.prometheus(5_000.0, &[], &[]);
        assert!(text.contains("aiwf_a{quantile=\"0.5\"} NaN\n"), "{text}");
        assert!(text.ends_with("aiwf_a_sum 2\naiwf_a_count 1\n"), "{text}");
    }

    #[test]
    fn a_hostile_name_adds_no_line() {
        assert_eq!(metric_name("a\nb{c=\"d\"} 1 é"), "aiwf_a_b_c__d___1__");
    }

    #[test]
    fn names_that_become_one_are_kept_apart_for_good() {
        let figures = ["aB".to_owned(), "calls".to_owned()];
        let mut metrics = Metrics::new(1_000.0, &figures);
        for (name, family) in [
            ("a.b", "aiwf_a_b_"),
            ("a-b", "aiwf_a_b__"),
            ("a.b_sum", "aiwf_a_b_sum"),
            ("a.b__count", "aiwf_a_b__count_"),
            ("callsTotal", "aiwf_calls_total_"),
            ("A", "aiwf_a"),
            ("aSum", "aiwf_a_sum_"),
        ] {
            metrics.record(name, 0.0, 1.0);
            assert_eq!(metrics.metrics[name].family, family);
        }
        metrics.record("a-b", 5_000.0, 1.0);
        assert_eq!(metrics.metrics["a-b"].family, "aiwf_a_b__");
    }

    #[test]
    fn refuses_a_name_too_many_but_not_a_known_one() {
        let mut metrics = Metrics::new(1_000.0, &[]);
        assert!((0..MOST_METRICS).all(|number| metrics.record(&number.to_string(), 0.0, 1.0)));
        assert!(!metrics.record("more", 0.0, 1.0));
        assert!(metrics.record("7", 0.0, 1.0));
        assert_eq!(metrics.known(0.0).count(), MOST_METRICS);
    }
}
