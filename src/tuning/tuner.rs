//! Several settings of one object, one at a time.

use super::{
    controller::{Controller, Limits, Observation},
    decision::Decision,
};

/// The controllers of one object.
#[derive(Clone, Debug)]
pub struct Tuner {
    controllers: Vec<Controller>,
    /// Whose turn it is.
    active: usize,
}

impl Tuner {
    /// Settings with their values, in the order in which they get their turns.
    pub fn new(settings: impl IntoIterator<Item = (f64, Limits)>) -> Self {
        let controllers =
            settings.into_iter().map(|(value, limits)| Controller::new(value, limits));
        Self { controllers: controllers.collect(), active: 0 }
    }

    /// What to change, with the index of the setting. Under memory pressure that may be all of them; else it is the
    /// one whose turn it is, until it has settled.
    pub fn decide(&mut self, now: &Observation) -> Vec<(usize, Decision)> {
        let short = |controller: &Controller| now.memory_pressure >= controller.high_pressure();
        if self.controllers.iter().any(short) {
            let all = self.controllers.iter_mut().enumerate();
            let shrinking = all.filter(|(_, controller)| short(controller));
            return shrinking
                .filter_map(|(index, controller)| Some((index, controller.decide(now)?)))
                .collect();
        }
        let Some(controller) = self.controllers.get_mut(self.active) else { return Vec::new() };
        let decided = controller.decide(now).map(|decision| (self.active, decision));
        if controller.is_settled() {
            self.active = (self.active + 1) % self.controllers.len();
        }
        decided.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { min: 1.0, max: 100.0, high_pressure: 0.9, low_pressure: 0.75 };

    fn observed(throughput: f64) -> Observation {
        Observation { throughput, latency_ms: 1.0, memory_pressure: 0.1, saturated: true }
    }

    #[test]
    fn each_setting_sees_its_own_effect() {
        let mut tuner = Tuner::new([(4.0, LIMITS), (10.0, LIMITS)]);
        let flat = observed(100.0);
        let turns: Vec<_> = (0..60).flat_map(|_| tuner.decide(&flat)).collect();
        // The first one is tried and goes back before the second has its turn.
        let indices: Vec<_> = turns.iter().map(|(index, _)| *index).collect();
        assert_eq!(indices[..4], [0, 0, 1, 1]);
        assert_eq!((turns[0].1.to, turns[1].1.to), (5.0, 4.0));
    }

    #[test]
    fn all_settings_back_off_when_memory_is_short() {
        let mut tuner = Tuner::new([(4.0, LIMITS), (10.0, LIMITS)]);
        let short = Observation { memory_pressure: 0.95, ..observed(100.0) };
        let values: Vec<_> = tuner.decide(&short).iter().map(|(_, decision)| decision.to).collect();
        assert_eq!(values, [2.0, 5.0]);
    }

    #[test]
    fn the_same_observations_lead_to_the_same_decisions() {
        let observations: Vec<_> = (0..200).map(|at| observed(f64::from(at * 37 % 101))).collect();
        let run = || {
            let mut tuner = Tuner::new([(4.0, LIMITS), (10.0, LIMITS)]);
            observations.iter().flat_map(|now| tuner.decide(now)).collect::<Vec<_>>()
        };
        assert!(!run().is_empty());
        assert_eq!(run(), run());
    }
}
