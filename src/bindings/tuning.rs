//! `AutoTuner`: the settings of one object.

use napi_derive::napi;

use crate::tuning::{
    controller::{Limits, Observation},
    decision::Decision,
    tuner::Tuner,
};

/// A setting: where it begins, and its limits. Pressures are shares of the memory there may be.
#[napi(object)]
pub struct TunedSetting {
    pub value: f64,
    pub min: f64,
    pub max: f64,
    pub high_pressure: f64,
    pub low_pressure: f64,
}

/// What was measured since the observation before.
#[napi(object)]
pub struct TuningObservation {
    pub throughput: f64,
    /// Milliseconds each took.
    pub latency: f64,
    pub memory_pressure: f64,
    pub saturated: bool,
}

/// A change of the setting with this index.
#[napi(object, object_from_js = false)]
pub struct TuningDecision {
    pub setting: u32,
    pub from: f64,
    pub to: f64,
    pub reason: String,
}

#[napi]
pub struct NativeTuner {
    tuner: Tuner,
}

#[napi]
impl NativeTuner {
    #[napi(constructor, catch_unwind)]
    pub fn new(settings: Vec<TunedSetting>) -> Self {
        let settings = settings.into_iter().map(|setting| {
            let TunedSetting { value, min, max, high_pressure, low_pressure } = setting;
            (value, Limits { min, max, high_pressure, low_pressure })
        });
        Self { tuner: Tuner::new(settings) }
    }

    #[napi(catch_unwind)]
    pub fn decide(&mut self, now: TuningObservation) -> Vec<TuningDecision> {
        let TuningObservation { throughput, latency, memory_pressure, saturated } = now;
        let now = Observation { throughput, latency_ms: latency, memory_pressure, saturated };
        let decisions = self.tuner.decide(&now).into_iter();
        decisions
            .map(|(index, Decision { from, to, reason })| TuningDecision {
                setting: index as u32,
                from,
                to,
                reason: reason.to_string(),
            })
            .collect()
    }
}
