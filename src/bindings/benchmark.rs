//! `PerformanceBenchmark`: the figures, comparisons, reports and load tests of `benchmark`.

use napi::bindgen_prelude::Float64Array;
use napi_derive::napi;

use crate::benchmark::{
    regression::{self, Averages, Verdict},
    statistics::{self, Statistics},
    summary::{Completed, MemoryUsage, Summary},
};

/// The figures of one metric, in its unit.
#[napi(object)]
pub struct MetricStatistics {
    pub min: f64,
    pub max: f64,
    pub avg: f64,
    pub median: f64,
    pub p95: f64,
    pub p99: f64,
    pub stddev: f64,
    pub mad: f64,
    #[napi(ts_type = "[number, number]")]
    pub ci95: Vec<f64>,
    pub outliers: f64,
    /// Of durations only.
    pub ops_per_second: Option<f64>,
}

impl From<Statistics> for MetricStatistics {
    fn from(known: Statistics) -> Self {
        let Statistics { min, max, avg, median, p95, p99, stddev, mad, ci95, outliers } = known;
        let (ci95, outliers) = (ci95.to_vec(), outliers as f64);
        let ops_per_second = None;
        Self { min, max, avg, median, p95, p99, stddev, mad, ci95, outliers, ops_per_second }
    }
}

#[napi(object)]
pub struct BenchmarkStatistics {
    pub duration: Option<MetricStatistics>,
    pub memory: Option<MetricStatistics>,
    pub throughput: Option<MetricStatistics>,
    pub error_rate: f64,
}

#[napi(catch_unwind)]
pub fn benchmark_statistics(
    duration: Float64Array,
    memory: Float64Array,
    throughput: Float64Array,
    errors: f64,
) -> BenchmarkStatistics {
    let figures = |values: &[f64]| Statistics::of(values).map(MetricStatistics::from);
    BenchmarkStatistics {
        duration: figures(&duration).map(|known| MetricStatistics {
            ops_per_second: statistics::per_second(known.avg),
            ..known
        }),
        memory: figures(&memory),
        throughput: figures(&throughput),
        error_rate: statistics::error_rate(duration.len() as f64, errors),
    }
}

/// 0 of nothing.
#[napi(catch_unwind)]
pub fn benchmark_median(values: Float64Array) -> f64 {
    statistics::median(&values).unwrap_or(0.0)
}

/// 0 of nothing.
#[napi(catch_unwind)]
pub fn benchmark_percentile(values: Float64Array, percentile: f64) -> f64 {
    statistics::percentile(&values, percentile).unwrap_or(0.0)
}

/// 0 of nothing.
#[napi(catch_unwind)]
pub fn benchmark_standard_deviation(values: Float64Array) -> f64 {
    statistics::standard_deviation(&values).unwrap_or(0.0)
}

#[napi(object)]
pub struct HeapChange {
    pub min: f64,
    pub max: f64,
    pub avg: f64,
}

#[napi(object)]
pub struct CompletedTest {
    pub total_time: f64,
    pub memory: Option<HeapChange>,
}

#[napi(object)]
pub struct SuiteTotals {
    pub average_duration: f64,
    pub total_duration: f64,
    pub memory_usage: HeapChange,
}

#[napi(catch_unwind)]
pub fn benchmark_summary(completed: Vec<CompletedTest>) -> SuiteTotals {
    let usage = |HeapChange { min, max, avg }| MemoryUsage { min, max, avg };
    let completed: Vec<Completed> = completed
        .into_iter()
        .map(|test| Completed { total_time: test.total_time, memory: test.memory.map(usage) })
        .collect();
    let Summary { average_duration, total_duration, memory_usage } = Summary::of(&completed);
    let MemoryUsage { min, max, avg } = memory_usage;
    SuiteTotals { average_duration, total_duration, memory_usage: HeapChange { min, max, avg } }
}

#[napi(object)]
pub struct MetricAverages {
    pub duration: Option<f64>,
    pub memory: Option<f64>,
    pub throughput: Option<f64>,
}

impl From<MetricAverages> for Averages {
    fn from(MetricAverages { duration, memory, throughput }: MetricAverages) -> Self {
        Self { duration, memory, throughput }
    }
}

#[napi(object, object_from_js = false)]
pub struct MetricChange {
    #[napi(ts_type = "'duration' | 'memory' | 'throughput'")]
    pub metric: &'static str,
    pub change: f64,
    pub threshold: f64,
    pub worse: bool,
}

/// The metrics beyond their thresholds; `null` if none could be compared.
#[napi(catch_unwind)]
pub fn benchmark_compare(
    current: MetricAverages,
    baseline: MetricAverages,
) -> Option<Vec<MetricChange>> {
    let changes = regression::compare(&current.into(), &baseline.into())?;
    let described = changes.into_iter().map(|regression::Change { metric, change, verdict }| {
        let (worse, threshold) = (verdict == Verdict::Worse, metric.threshold());
        MetricChange { metric: metric.name(), change, threshold, worse }
    });
    Some(described.collect())
}
