//! The memory profiler: the sampling thread, the leak judges, and work on files.

use std::{path::PathBuf, sync::Arc, time::Duration, time::SystemTime};

use napi::{
    bindgen_prelude::{Float64Array, Function},
    threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode},
};
use napi_derive::napi;

use super::settle::{Settler, Ticket};
use crate::{
    error::SystemError,
    memory::{
        advice::{self, FileAdvice},
        growth::{self, Reading, Trend},
        leak::{LeakDetector, LeakRule, Leaking, Level, Limits, Suspicion},
        process::{self, Figures, Pss},
        sampler::{Beat, Drained, Sampler, SamplerOptions},
        temp_files::{self, Scope},
        threshold::{AlertGates, AlertRule},
    },
};

type Wake = ThreadsafeFunction<(), (), (), napi::Status, false, true>;

/// A running sampling thread. It does not keep the event loop alive.
#[napi]
pub struct NativeMemorySampler {
    // Dropped in this order: the thread ends while the function it calls still stands.
    sampler: Option<Sampler>,
    wake: Option<Arc<Wake>>,
}

#[napi]
impl NativeMemorySampler {
    /// Calls `wake` on the JavaScript thread when beats wait to be drained.
    #[napi(constructor, catch_unwind)]
    pub fn new(
        wake: Function<(), ()>,
        interval: f64,
        capacity: u32,
        pss: bool,
    ) -> napi::Result<Self, String> {
        let wake = wake.build_threadsafe_function().weak::<true>().build();
        let wake =
            Arc::new(wake.map_err(|error| coded(error.status.as_ref(), error.reason.as_str()))?);
        let interval = Duration::try_from_secs_f64(interval / 1_000.0).unwrap_or(Duration::MAX);
        let pss = if pss { Pss::EachMinute } else { Pss::Never };
        let options = SamplerOptions { interval, capacity: capacity as usize, pss };
        let sampler = Sampler::start(options, {
            let wake = Arc::clone(&wake);
            move || {
                wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
            }
        });
        let sampler = sampler.map_err(|error| coded(error.code(), &error))?;
        Ok(Self { sampler: Some(sampler), wake: Some(wake) })
    }

    /// Takes the waiting beats, oldest first, flat: first the milliseconds between the wake-up and now, then 12 figures
    /// of each beat, not a number where unknown.
    #[napi(catch_unwind)]
    pub fn drain(&self) -> Float64Array {
        let Some(sampler) = &self.sampler else { return Vec::new().into() };
        let Drained { beats, delay } = sampler.drain();
        let mut flat = Vec::with_capacity(1 + 12 * beats.len());
        flat.push(delay.as_secs_f64() * 1e3);
        for Beat { at_ms, figures: Figures { rss, anonymous, file, cpu_ms, details } } in beats {
            flat.extend([at_ms, rss, anonymous, file, cpu_ms]);
            flat.extend([details.minor_faults, details.major_faults, details.threads]);
            flat.extend([details.descriptors, details.limit, details.limit_used, details.pss]);
        }
        flat.into()
    }

    /// Ends the thread. Beats that were not drained are lost.
    #[napi(catch_unwind)]
    pub fn stop(&mut self) {
        self.sampler = None;
        self.wake = None;
    }
}

/// An error to be thrown at once, with its `code`.
fn coded(code: &str, reason: impl ToString) -> napi::Error<String> {
    napi::Error::new(code.to_owned(), reason)
}

/// Growth as a share of where it started.
#[napi(object, object_from_js = false)]
pub struct MemoryTrend {
    pub heap_trend: f64,
    pub rss_trend: f64,
}

impl From<Trend> for MemoryTrend {
    fn from(Trend { heap, rss }: Trend) -> Self {
        Self { heap_trend: heap, rss_trend: rss }
    }
}

/// What makes a leak suspected; every time in milliseconds.
#[napi(object, object_to_js = false)]
pub struct MemoryLeakRule {
    pub bucket: f64,
    pub grace: f64,
    /// A share a minute.
    pub min_growth: f64,
    /// Infinite for never.
    pub probe: f64,
}

/// A suspicion, as an alert tells it.
#[napi(object, object_from_js = false)]
pub struct MemoryLeak {
    pub heap_trend: f64,
    pub rss_trend: f64,
    #[napi(ts_type = "'suspected' | 'leak'")]
    pub level: &'static str,
    #[napi(ts_type = "'heap' | 'external' | 'native'")]
    pub memory: &'static str,
    pub bytes_per_minute: f64,
    pub confidence: f64,
    pub window: f64,
    pub until_limit: Option<f64>,
}

impl From<Suspicion> for MemoryLeak {
    fn from(found: Suspicion) -> Self {
        Self {
            heap_trend: found.trend.heap,
            rss_trend: found.trend.rss,
            level: match found.level {
                Level::Suspected => "suspected",
                Level::Leak => "leak",
            },
            memory: match found.memory {
                Leaking::Heap => "heap",
                Leaking::External => "external",
                Leaking::Native => "native",
            },
            bytes_per_minute: found.bytes_per_minute,
            confidence: found.confidence,
            window: found.window_ms,
            until_limit: found.until_limit_ms,
        }
    }
}

/// Decides which alerts are told again, and when.
#[napi]
pub struct NativeAlertGates {
    gates: AlertGates,
}

#[napi]
impl NativeAlertGates {
    /// The least milliseconds between equal alerts; the share of its threshold by which a value must fall before it
    /// counts as crossing again.
    #[napi(constructor, catch_unwind)]
    pub fn new(interval: f64, hysteresis: f64) -> Self {
        Self { gates: AlertGates::new(AlertRule { interval_ms: interval, hysteresis }) }
    }

    /// Whether the value of `metric` is to be told now.
    #[napi(catch_unwind)]
    pub fn exceeds(&mut self, metric: String, value: f64, threshold: f64, now: f64) -> bool {
        self.gates.exceeds(&metric, value, threshold, now)
    }
}

/// Judges whether memory keeps growing.
#[napi]
pub struct NativeLeakDetector {
    detector: LeakDetector,
}

#[napi]
impl NativeLeakDetector {
    /// Times in milliseconds: of a clock that nobody sets, and between two samples. Limits in bytes, infinite for none.
    #[napi(constructor, catch_unwind)]
    pub fn new(
        now: f64,
        sampling_interval: f64,
        rule: MemoryLeakRule,
        heap_limit: f64,
        resident_limit: f64,
    ) -> Self {
        let limits = Limits { heap: heap_limit, resident: resident_limit };
        let MemoryLeakRule { bucket, grace, min_growth, probe } = rule;
        let rule = LeakRule { bucket_ms: bucket, grace_ms: grace, min_growth, probe_ms: probe };
        Self { detector: LeakDetector::new(rule, limits, now, sampling_interval) }
    }

    /// What a major collection left.
    #[napi(catch_unwind)]
    pub fn floor(&mut self, at_ms: f64, heap: f64, heap_total: f64, external: f64, rss: f64) {
        self.detector.floor(Reading { at_ms, heap, heap_total, external, rss });
    }

    /// Takes what a sample of the beat found; the suspicion, if there is one now.
    #[napi(catch_unwind)]
    pub fn beat(
        &mut self,
        at_ms: f64,
        heap: f64,
        heap_total: f64,
        external: f64,
        rss: f64,
    ) -> Option<MemoryLeak> {
        self.detector.beat(Reading { at_ms, heap, heap_total, external, rss });
        self.detector.judge(at_ms).map(MemoryLeak::from)
    }

    /// Whether a collection should be forced, since V8 makes none.
    #[napi(catch_unwind)]
    pub fn wants_probe(&self, now: f64) -> bool {
        self.detector.wants_probe(now)
    }
}

/// The growth of samples, if it is steady. Flat: milliseconds, heap used and in all, external and resident bytes
/// of each. Samples closer than `interval` milliseconds are merged; 0 for none.
#[napi(catch_unwind)]
pub fn steady_growth(samples: Float64Array, interval: f64) -> Option<MemoryTrend> {
    let (rows, _) = samples.as_chunks();
    let reading = |&[at_ms, heap, heap_total, external, rss]: &[f64; 5]| Reading {
        at_ms,
        heap,
        heap_total,
        external,
        rss,
    };
    let readings: Vec<_> = rows.iter().map(reading).collect();
    let judged = if interval > 0.0 { growth::thinned(&readings, interval) } else { readings };
    growth::steady(&judged, growth::MIN_GROWTH).map(MemoryTrend::from)
}

/// The fewest samples that are judged.
#[napi(catch_unwind)]
pub fn fewest_samples() -> u32 {
    growth::FEWEST as u32
}

/// The most bytes this process ever had resident, where the system says so.
#[napi(catch_unwind)]
pub fn peak_rss() -> Option<f64> {
    process::peak_rss()
}

/// Bytes resident now, where that is cheaper than to ask Node.
#[napi(catch_unwind)]
pub fn read_rss() -> Option<f64> {
    process::rss()
}

/// The limit of the control groups of this process in bytes, if there is one.
#[napi(catch_unwind)]
pub fn container_limit() -> Option<f64> {
    process::container_limit()
}

/// A recommendation and its reason.
#[napi(object, object_from_js = false)]
pub struct MemoryAdvice {
    pub recommendation: &'static str,
    pub reason: &'static str,
}

impl From<advice::Advice> for MemoryAdvice {
    fn from(advice::Advice { recommendation, reason }: advice::Advice) -> Self {
        Self { recommendation, reason }
    }
}

/// How best to read the file at `path`.
#[napi(catch_unwind)]
pub fn advise_on_file(settler: &Settler, ticket: Ticket, path: String) {
    settler.reporter().spawn_blocking(ticket, move || {
        let file = std::fs::metadata(&path)
            .map_err(|source| SystemError::new(&source, "stat").path(&path))?;
        Ok(MemoryAdvice::from(FileAdvice::for_size(file.len()).text()))
    });
}

/// Whether a value's elements, if it is an array, or keys are too many for what it is.
#[napi(catch_unwind)]
pub fn advise_on_data(length: Option<u32>, keys: u32) -> MemoryAdvice {
    advice::data_structure(length.map(|length| length as usize), keys as usize).into()
}

/// Removes forgotten files from `folder`: only those this package or AIWF made if `own_only`.
#[napi(catch_unwind)]
pub fn clean_up_temporary_files(settler: &Settler, ticket: Ticket, folder: String, own_only: bool) {
    let scope = if own_only { Scope::Own } else { Scope::All };
    settler.reporter().spawn_blocking(ticket, move || {
        let removed = temp_files::clean_up(&PathBuf::from(folder), scope, SystemTime::now())?;
        let paths = removed.into_iter().map(|path| path.to_string_lossy().into_owned());
        Ok(paths.collect::<Vec<_>>())
    });
}
