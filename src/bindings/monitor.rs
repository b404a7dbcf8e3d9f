//! `Monitor`: the metrics of `monitor`, on the process's clock.

use std::{collections::HashMap, time::Instant};

use napi_derive::napi;

use crate::monitor::{metrics::Metrics, series::Summary};

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

#[napi(object)]
pub struct Gauge {
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
    /// `window` in milliseconds.
    #[napi(constructor, catch_unwind)]
    pub fn new(window: f64) -> Self {
        Self { started: Instant::now(), metrics: Metrics::new(window) }
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
    pub fn summaries(&self) -> HashMap<String, MetricSummary> {
        let known = self.metrics.summaries(self.now());
        known.map(|(name, summary)| (name.to_owned(), summary.into())).collect()
    }

    #[napi(catch_unwind)]
    pub fn prometheus(&self, gauges: Vec<Gauge>) -> String {
        let gauges: Vec<_> =
            gauges.into_iter().map(|Gauge { name, value }| (name, value)).collect();
        self.metrics.prometheus(self.now(), &gauges)
    }

    /// Milliseconds since this monitor was made.
    fn now(&self) -> f64 {
        self.started.elapsed().as_secs_f64() * 1_000.0
    }
}
