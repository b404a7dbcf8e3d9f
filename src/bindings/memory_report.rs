//! What the memory profiler tells of its figures: advice, and metrics for a scraper.

use napi::bindgen_prelude::Float64Array;
use napi_derive::napi;

use crate::memory::{
    advice::Situation,
    exposition::{self, Collections, HeapSpace, PAUSES, Told},
};

/// What was measured, in bytes, milliseconds and shares.
#[napi(object, object_to_js = false)]
pub struct MemorySituation {
    pub heap_used: f64,
    pub heap_threshold: f64,
    pub external: f64,
    pub external_threshold: f64,
    pub heap_trend: f64,
    pub leak_bytes_per_minute: Option<f64>,
    pub collecting: Option<f64>,
    pub mean_delay: Option<f64>,
    pub limit: Option<f64>,
    pub limit_used: Option<f64>,
}

/// One thing worth doing.
#[napi(object, object_from_js = false)]
pub struct MemorySuggestion {
    pub r#type: &'static str,
    pub suggestion: String,
    pub priority: &'static str,
    pub value: f64,
    pub threshold: f64,
}

/// What is worth doing.
#[napi(catch_unwind)]
pub fn memory_suggestions(found: MemorySituation) -> Vec<MemorySuggestion> {
    let situation = Situation {
        heap_used: found.heap_used,
        heap_threshold: found.heap_threshold,
        external: found.external,
        external_threshold: found.external_threshold,
        heap_trend: found.heap_trend,
        leak_bytes_per_minute: found.leak_bytes_per_minute,
        collecting: found.collecting,
        mean_delay: found.mean_delay,
        limit: found.limit.zip(found.limit_used),
    };
    let suggestions = situation.suggestions().into_iter();
    suggestions
        .map(|found| MemorySuggestion {
            r#type: found.kind,
            suggestion: found.suggestion,
            priority: found.priority,
            value: found.value,
            threshold: found.threshold,
        })
        .collect()
}

#[napi(object, object_to_js = false)]
pub struct HeapSpaceFigures {
    pub name: String,
    pub size: f64,
    pub used: f64,
    pub available: f64,
}

/// Collections of one kind, counted between the bounds of `collectionBounds` and beyond the last.
#[napi(object, object_to_js = false)]
pub struct CollectionHistogram {
    pub kind: String,
    pub seconds: f64,
    pub counts: Float64Array,
}

#[napi(object, object_to_js = false)]
pub struct NamedFigure {
    pub name: String,
    pub value: f64,
}

fn named(figures: Vec<NamedFigure>) -> Vec<(String, f64)> {
    figures.into_iter().map(|NamedFigure { name, value }| (name, value)).collect()
}

/// Bytes, seconds and counts, as the names of the metrics say; `delays` in milliseconds.
#[napi(object, object_to_js = false)]
pub struct MemoryMetrics {
    pub rss: f64,
    pub heap_total: f64,
    pub heap_used: f64,
    pub external: f64,
    pub array_buffers: f64,
    pub cpu_user_seconds: f64,
    pub cpu_system_seconds: f64,
    pub start_time_seconds: f64,
    pub node_version: String,
    pub heap_spaces: Vec<HeapSpaceFigures>,
    pub delays: Float64Array,
    pub collections: Vec<CollectionHistogram>,
    pub alerts: Vec<NamedFigure>,
    pub anomaly_scores: Vec<NamedFigure>,
    pub open_descriptors: Option<f64>,
    pub threads: Option<f64>,
    pub anonymous: Option<f64>,
    pub limit: Option<f64>,
    pub limit_used: Option<f64>,
}

impl From<MemoryMetrics> for Told {
    fn from(metrics: MemoryMetrics) -> Self {
        let spaces = metrics.heap_spaces.into_iter().map(|space| HeapSpace {
            name: space.name,
            size: space.size,
            used: space.used,
            available: space.available,
        });
        let collections = metrics.collections.into_iter().map(|found| {
            let mut counts = [0.0; PAUSES.len() + 1];
            counts.iter_mut().zip(&*found.counts).for_each(|(count, known)| *count = *known);
            Collections { kind: found.kind, seconds: found.seconds, counts }
        });
        Self {
            rss: metrics.rss,
            heap_total: metrics.heap_total,
            heap_used: metrics.heap_used,
            external: metrics.external,
            array_buffers: metrics.array_buffers,
            cpu_user_seconds: metrics.cpu_user_seconds,
            cpu_system_seconds: metrics.cpu_system_seconds,
            start_time_seconds: metrics.start_time_seconds,
            node_version: metrics.node_version,
            heap_spaces: spaces.collect(),
            delays: metrics.delays.to_vec(),
            collections: collections.collect(),
            alerts: named(metrics.alerts),
            anomaly_scores: named(metrics.anomaly_scores),
            open_descriptors: metrics.open_descriptors,
            threads: metrics.threads,
            anonymous: metrics.anonymous,
            limit: metrics.limit,
            limit_used: metrics.limit_used,
        }
    }
}

/// The metrics in Prometheus' text format.
#[napi(catch_unwind)]
pub fn memory_prometheus(metrics: MemoryMetrics) -> String {
    exposition::prometheus(&metrics.into())
}

/// Seconds: the upper bounds by which pauses are counted.
#[napi(catch_unwind)]
pub fn collection_bounds() -> Vec<f64> {
    PAUSES.to_vec()
}
