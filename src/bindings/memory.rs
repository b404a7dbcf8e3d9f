//! The memory profiler: the sampling thread, the leak judges, the advice, and work on files.

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
        advice::{self, FileAdvice, Situation},
        growth::{self, Reading, Trend},
        leak::{LeakDetector, LeakRule},
        sample,
        sampler::Sampler,
        temp_files::{self, Scope},
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
    pub fn new(wake: Function<(), ()>, interval: f64, capacity: u32) -> napi::Result<Self, String> {
        let wake = wake.build_threadsafe_function().weak::<true>().build();
        let wake =
            Arc::new(wake.map_err(|error| coded(error.status.as_ref(), error.reason.as_str()))?);
        let interval = Duration::try_from_secs_f64(interval / 1_000.0).unwrap_or(Duration::MAX);
        let sampler = Sampler::start(interval, capacity as usize, {
            let wake = Arc::clone(&wake);
            move || {
                wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
            }
        });
        let sampler = sampler.map_err(|error| coded(error.code(), &error))?;
        Ok(Self { sampler: Some(sampler), wake: Some(wake) })
    }

    /// Takes the waiting beats, oldest first, flat: milliseconds since the epoch, bytes resident, …
    #[napi(catch_unwind)]
    pub fn drain(&self) -> Float64Array {
        let beats = self.sampler.iter().flat_map(Sampler::drain);
        beats.flat_map(|beat| [beat.at_ms, beat.rss as f64]).collect::<Vec<_>>().into()
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

/// Judges the floors that V8's major collections leave.
#[napi]
pub struct NativeLeakDetector {
    detector: LeakDetector,
}

#[napi]
impl NativeLeakDetector {
    /// Times in milliseconds: since the epoch, and between two samples.
    #[napi(constructor, catch_unwind)]
    pub fn new(now: f64, sampling_interval: f64) -> Self {
        Self { detector: LeakDetector::new(LeakRule::default(), now, sampling_interval) }
    }

    /// What a major collection left.
    #[napi(catch_unwind)]
    pub fn floor(&mut self, at_ms: f64, heap: f64, external: f64, rss: f64) {
        self.detector.floor(Reading { at_ms, heap, external, rss });
    }

    /// The growth if the floors up to `now`, or `samples` as in `steadyGrowth` together with them, make a
    /// leak suspected. Each suspicion of the floors is told once.
    #[napi(catch_unwind)]
    pub fn suspect(&mut self, now: f64, samples: Float64Array) -> Option<MemoryTrend> {
        let suspicion = self.detector.suspect(now);
        let steep = || self.detector.suspect_steep(&readings(&samples));
        suspicion.or_else(steep).map(MemoryTrend::from)
    }
}

/// The growth of samples, on a regular beat, if it is steady. Flat: milliseconds, heap, external and resident
/// bytes of each.
#[napi(catch_unwind)]
pub fn steady_growth(samples: Float64Array) -> Option<MemoryTrend> {
    growth::steady(&readings(&samples), growth::MIN_GROWTH).map(MemoryTrend::from)
}

/// How many of the latest samples `steadyGrowth` judges; older ones can only speak against a leak.
#[napi(catch_unwind)]
pub fn growth_window() -> u32 {
    growth::WINDOW as u32
}

/// The fewest samples that are judged.
#[napi(catch_unwind)]
pub fn fewest_samples() -> u32 {
    growth::FEWEST as u32
}

fn readings(flat: &[f64]) -> Vec<Reading> {
    let (rows, _) = flat.as_chunks();
    rows.iter()
        .map(|&[at_ms, heap, external, rss]| Reading { at_ms, heap, external, rss })
        .collect()
}

/// The most bytes this process ever had resident, where the system says so.
#[napi(catch_unwind)]
pub fn peak_rss() -> Option<f64> {
    sample::peak_rss().map(|bytes| bytes as f64)
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

/// One thing worth doing.
#[napi(object, object_from_js = false)]
pub struct MemorySuggestion {
    pub r#type: &'static str,
    pub suggestion: &'static str,
    pub priority: &'static str,
}

/// What is worth doing.
#[napi(catch_unwind)]
pub fn memory_suggestions(
    heap_above_threshold: bool,
    external_above_threshold: bool,
    heap_trend: f64,
) -> Vec<MemorySuggestion> {
    let situation = Situation { heap_above_threshold, external_above_threshold, heap_trend };
    let found = advice::suggestions(situation).into_iter();
    found
        .map(|found| MemorySuggestion {
            r#type: found.kind,
            suggestion: found.suggestion,
            priority: found.priority,
        })
        .collect()
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
