//! `Monitor` and `AlertSystem`: the metrics and the alerts of `monitor`, on the process's clock.

use std::time::Instant;

use napi_derive::napi;

use crate::monitor::{
    alerts::{Alerts, Rule, Verdict},
    anomaly::{Anomaly, Detector, Kind},
    metrics::{Known, Metrics},
    series::{Summary, Totals},
};

/// What is known of a metric's window. `rate` is values a second, `p…` percentiles.
#[napi(object, object_from_js = false)]
pub struct MetricSummary {
    pub count: f64,
    pub rate: f64,
    pub mean: f64,
    pub min: f64,
    pub max: f64,
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
}

impl From<Summary> for MetricSummary {
    fn from(Summary { count, rate, mean, min, max, p50, p95, p99 }: Summary) -> Self {
        Self { count: count as f64, rate, mean, min, max, p50, p95, p99 }
    }
}

/// A metric: of all its values, and of its window unless that is empty.
#[napi(object, object_from_js = false)]
pub struct MetricKnown {
    pub name: String,
    pub count: f64,
    pub sum: f64,
    pub window: Option<MetricSummary>,
}

impl From<Known<'_>> for MetricKnown {
    fn from(Known { name, totals: Totals { count, sum }, window }: Known) -> Self {
        let window = window.map(MetricSummary::from);
        Self { name: name.to_owned(), count: count as f64, sum, window }
    }
}

#[napi(object)]
pub struct Figure {
    pub name: String,
    pub value: f64,
}

#[napi]
pub struct NativeMonitor {
    started: Instant,
    metrics: Metrics,
}

#[napi]
impl NativeMonitor {
    /// `window` in milliseconds, `figures` are the names of what `prometheus` will be given.
    #[napi(constructor, catch_unwind)]
    pub fn new(window: f64, figures: Vec<String>) -> Self {
        Self { started: Instant::now(), metrics: Metrics::new(window, &figures) }
    }

    /// False if there are too many metrics already.
    #[napi(catch_unwind)]
    pub fn record(&mut self, name: String, value: f64) -> bool {
        self.metrics.record(&name, self.now(), value)
    }

    #[napi(catch_unwind)]
    pub fn summary(&self, name: String) -> Option<MetricSummary> {
        self.metrics.summary(&name, self.now()).map(MetricSummary::from)
    }

    #[napi(catch_unwind)]
    pub fn known(&self) -> Vec<MetricKnown> {
        self.metrics.known(self.now()).map(MetricKnown::from).collect()
    }

    #[napi(catch_unwind)]
    pub fn prometheus(&self, gauges: Vec<Figure>, counters: Vec<Figure>) -> String {
        let pairs = |figures: Vec<Figure>| -> Vec<_> {
            figures.into_iter().map(|Figure { name, value }| (name, value)).collect()
        };
        self.metrics.prometheus(self.now(), &pairs(gauges), &pairs(counters))
    }

    fn now(&self) -> f64 {
        millis_since(self.started)
    }
}

/// The verdicts of `AlertSystem`: 0 nothing to do, 1 raise, 2 resolved.
#[napi]
pub struct NativeAlerts {
    started: Instant,
    alerts: Alerts,
}

#[napi]
impl NativeAlerts {
    #[napi(constructor, catch_unwind)]
    pub fn new() -> Self {
        Self { started: Instant::now(), alerts: Alerts::default() }
    }

    /// `repeat_after` in milliseconds.
    #[napi(catch_unwind)]
    pub fn judge(
        &mut self,
        metric: String,
        value: f64,
        threshold: f64,
        hysteresis: f64,
        repeat_after: f64,
    ) -> u32 {
        let rule = Rule { threshold, hysteresis, repeat_after_ms: repeat_after };
        match self.alerts.judge(&metric, value, rule, millis_since(self.started)) {
            Verdict::Quiet => 0,
            Verdict::Raise => 1,
            Verdict::Resolved => 2,
        }
    }

    /// `duration` in milliseconds.
    #[napi(catch_unwind)]
    pub fn silence(&mut self, metric: String, duration: f64) {
        let now = millis_since(self.started);
        self.alerts.silence(&metric, now + duration, now);
    }

    #[napi(catch_unwind)]
    pub fn silenced(&self, metric: String) -> bool {
        self.alerts.silenced(&metric, millis_since(self.started))
    }
}

fn millis_since(started: Instant) -> f64 {
    started.elapsed().as_secs_f64() * 1_000.0
}

#[napi(object, object_from_js = false)]
pub struct AnomalyFound {
    #[napi(ts_type = "'spike' | 'shift'")]
    pub kind: &'static str,
    pub expected: f64,
    pub score: f64,
}

#[napi]
pub struct NativeAnomalyDetector {
    detector: Detector,
}

#[napi]
impl NativeAnomalyDetector {
    #[napi(constructor, catch_unwind)]
    pub fn new() -> Self {
        Self { detector: Detector::default() }
    }

    #[napi(catch_unwind)]
    pub fn score(&self, value: f64) -> Option<f64> {
        self.detector.score(value)
    }

    #[napi(catch_unwind)]
    pub fn push(&mut self, value: f64) -> Option<AnomalyFound> {
        let Anomaly { kind, expected, score } = self.detector.push(value)?;
        let kind = match kind {
            Kind::Spike => "spike",
            Kind::Shift => "shift",
        };
        Some(AnomalyFound { kind, expected, score })
    }
}
