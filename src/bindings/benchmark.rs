//! `PerformanceBenchmark`: the figures, comparisons, reports and load tests of `benchmark`.

use std::sync::{Mutex, MutexGuard, PoisonError};

use napi::bindgen_prelude::Float64Array;
use napi_derive::napi;

use crate::benchmark::{
    change_point::{self, ChangePoint},
    regression::{self, Averages, Metric, Verdict},
    samples::{self, Sample, Samples},
    statistics::{self, Statistics},
    summary::{Completed, MemoryUsage, Summary},
    text_histogram, warm_up,
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

impl From<MetricStatistics> for Statistics {
    fn from(known: MetricStatistics) -> Self {
        let MetricStatistics { min, max, avg, median, p95, p99, stddev, mad, ci95, .. } = known;
        let bound = |index| ci95.get(index).copied().unwrap_or(median);
        let (ci95, outliers) = ([bound(0), bound(1)], known.outliers as usize);
        Self { min, max, avg, median, p95, p99, stddev, mad, ci95, outliers }
    }
}

impl MetricStatistics {
    fn of_durations(known: Statistics) -> Self {
        let ops_per_second = statistics::per_second(known.avg);
        Self { ops_per_second, ..known.into() }
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
        duration: Statistics::of(&duration).map(MetricStatistics::of_durations),
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

/// The timings of a test.
#[napi]
#[derive(Default)]
pub struct BenchmarkSamples(Mutex<Samples>);

#[napi]
impl BenchmarkSamples {
    #[napi(constructor, catch_unwind)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Milliseconds, bytes and rates a second of some iterations; a rate that is not a number is none.
    #[napi(catch_unwind)]
    pub fn add(&self, durations: Float64Array, heaps: Float64Array, rates: Float64Array) {
        let mut samples = self.lock();
        for ((&duration, &heap), &rate) in durations.iter().zip(&*heaps).zip(&*rates) {
            samples.add(Sample { duration, heap, rate });
        }
    }

    #[napi(getter, catch_unwind)]
    pub fn count(&self) -> f64 {
        self.lock().count() as f64
    }

    #[napi(catch_unwind)]
    pub fn durations(&self) -> Float64Array {
        self.lock().kept().iter().map(|sample| sample.duration).collect::<Vec<_>>().into()
    }

    #[napi(catch_unwind)]
    pub fn heap_changes(&self) -> Float64Array {
        self.lock().kept().iter().map(|sample| sample.heap).collect::<Vec<_>>().into()
    }

    #[napi(catch_unwind)]
    pub fn rates(&self) -> Float64Array {
        let samples = self.lock();
        let rates = samples.kept().iter().map(|sample| sample.rate);
        rates.filter(|rate| rate.is_finite()).collect::<Vec<_>>().into()
    }

    /// Of all iterations, beside which so many failed, if not all are kept.
    #[napi(catch_unwind)]
    pub fn exact_statistics(&self, errors: f64) -> Option<ExactStatistics> {
        let samples = self.lock();
        Some(ExactStatistics::of(samples.durations()?, samples.count() as f64, errors))
    }

    fn lock(&self) -> MutexGuard<'_, Samples> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The figures of all iterations, of which `metrics` has a sample.
#[napi(object, object_from_js = false)]
pub struct ExactStatistics {
    pub duration: MetricStatistics,
    pub error_rate: f64,
}

impl ExactStatistics {
    fn of(durations: Statistics, count: f64, errors: f64) -> Self {
        let error_rate = statistics::error_rate(count, errors);
        Self { duration: MetricStatistics::of_durations(durations), error_rate }
    }
}

/// Successful iterations of a process, and the figures of their durations.
#[napi(object, object_to_js = false)]
pub struct ProcessDurations {
    pub count: f64,
    pub statistics: MetricStatistics,
}

/// Those of several processes, with the samples of all; `null` without any.
#[napi(catch_unwind)]
pub fn benchmark_together(
    parts: Vec<ProcessDurations>,
    samples: Float64Array,
    errors: f64,
) -> Option<ExactStatistics> {
    let count = parts.iter().map(|part| part.count).sum();
    let parts: Vec<(u64, Statistics)> =
        parts.into_iter().map(|part| (part.count as u64, part.statistics.into())).collect();
    Some(ExactStatistics::of(samples::together(&parts, &samples)?, count, errors))
}

/// Whether the medians of a warm-up's windows have stopped changing.
#[napi(catch_unwind)]
pub fn benchmark_is_steady(medians: Float64Array) -> bool {
    warm_up::is_steady(&medians)
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

/// The metrics beyond their thresholds; `null` if none could be compared. Of what was measured, few bytes are none.
#[napi(catch_unwind)]
pub fn benchmark_compare(
    current: MetricAverages,
    baseline: MetricAverages,
    measured: bool,
) -> Option<Vec<MetricChange>> {
    let changes = regression::compare(&current.into(), &baseline.into(), measured)?;
    let described = changes.into_iter().map(|regression::Change { metric, change, verdict }| {
        let (worse, threshold) = (verdict == Verdict::Worse, metric.threshold());
        MetricChange { metric: metric.name(), change, threshold, worse }
    });
    Some(described.collect())
}

/// A metric of many runs on both sides.
#[napi(object, object_from_js = false)]
pub struct RunsComparison {
    #[napi(ts_type = "'regressed' | 'improved' | 'inconclusive' | 'unchanged'")]
    pub outcome: &'static str,
    pub change: f64,
    pub threshold: f64,
    pub p_value: Option<f64>,
    pub cliffs_delta: Option<f64>,
    pub shift: Option<f64>,
    #[napi(ts_type = "[number, number]")]
    pub interval: Option<Vec<f64>>,
}

/// `null` if there is nothing to compare.
#[napi(catch_unwind)]
pub fn benchmark_compare_runs(
    #[napi(ts_arg_type = "'duration' | 'memory' | 'throughput'")] metric: String,
    current: Float64Array,
    baseline: Float64Array,
) -> Option<RunsComparison> {
    let metric = Metric::named(&metric)?;
    let known = regression::compare_runs(metric, &current, &baseline)?;
    let difference = known.difference.as_ref();
    Some(RunsComparison {
        outcome: known.outcome.name(),
        change: known.change,
        threshold: metric.threshold(),
        p_value: difference.map(|known| known.p_value),
        cliffs_delta: difference.map(|known| known.cliffs_delta),
        shift: difference.map(|known| known.shift),
        interval: known.interval.map(Vec::from),
    })
}

#[napi(object, object_from_js = false)]
pub struct BenchmarkChangePoint {
    pub index: u32,
    pub before: f64,
    pub after: f64,
    pub p_value: f64,
}

/// The change points of a series of finite values.
#[napi(catch_unwind)]
pub fn benchmark_change_points(values: Float64Array) -> Vec<BenchmarkChangePoint> {
    let found = change_point::change_points(&values).into_iter();
    found
        .map(|ChangePoint { index, before, after, p_value }| BenchmarkChangePoint {
            index: index as u32,
            before,
            after,
            p_value,
        })
        .collect()
}

#[napi(object, object_from_js = false)]
pub struct BenchmarkHistogramRow {
    pub from: f64,
    pub to: f64,
    pub count: f64,
    pub bar: String,
}

#[napi(catch_unwind)]
pub fn benchmark_histogram(values: Float64Array, rows: u32) -> Vec<BenchmarkHistogramRow> {
    let drawn = text_histogram::rows(&values, rows as usize).into_iter();
    drawn
        .map(|text_histogram::Row { from, to, count, bar }| BenchmarkHistogramRow {
            from,
            to,
            count: count as f64,
            bar,
        })
        .collect()
}
