//! Which values above their threshold are told, so that one that hovers there is not told at every sample.

use std::collections::HashMap;

/// When an alert is told again. Both 0: at every sample.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct AlertRule {
    /// The least time between two alerts of one metric.
    pub interval_ms: f64,
    /// Above 0, a metric that was told is told again only after it fell below its threshold by this share of it.
    pub hysteresis: f64,
}

/// Remembers of each metric what was told.
#[derive(Debug)]
pub struct AlertGates {
    rule: AlertRule,
    gates: HashMap<String, Gate>,
}

#[derive(Debug)]
struct Gate {
    told_ms: f64,
    /// Told, and not fallen far enough since.
    raised: bool,
}

impl AlertGates {
    pub fn new(rule: AlertRule) -> Self {
        Self { rule, gates: HashMap::new() }
    }

    /// Whether `metric` is above its threshold and to be told now.
    ///
    /// When the clock was set back nobody knows how long the last alert is ago: it is long enough.
    pub fn exceeds(&mut self, metric: &str, value: f64, threshold: f64, now_ms: f64) -> bool {
        let AlertRule { interval_ms, hysteresis } = self.rule;
        let gate = self.gates.get_mut(metric);
        let above = value > threshold;
        if !above {
            if let Some(gate) = gate.filter(|_| value < threshold * (1.0 - hysteresis)) {
                gate.raised = false;
            }
            return false;
        }
        let Some(gate) = gate else {
            self.gates.insert(metric.to_owned(), Gate { told_ms: now_ms, raised: true });
            return true;
        };
        let held_back = gate.raised && hysteresis > 0.0;
        let elapsed_ms = now_ms - gate.told_ms;
        let tell = !held_back && (elapsed_ms < 0.0 || elapsed_ms >= interval_ms);
        if tell {
            *gate = Gate { told_ms: now_ms, raised: true };
        }
        tell
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At which of the values, one a millisecond, an alert is told. The threshold is 100.
    fn told(rule: AlertRule, values: &[f64]) -> Vec<usize> {
        let mut gates = AlertGates::new(rule);
        let mut told = |at: &usize| gates.exceeds("rss", values[*at], 100.0, *at as f64);
        (0..values.len()).filter(|at| told(at)).collect()
    }

    #[test]
    fn without_a_rule_every_value_above_is_told() {
        assert_eq!(told(AlertRule::default(), &[99.0, 101.0, 100.0, 102.0, 103.0]), [1, 3, 4]);
    }

    #[test]
    fn with_hysteresis_it_must_fall_far_enough_first() {
        let rule = AlertRule { hysteresis: 0.1, ..AlertRule::default() };
        assert_eq!(told(rule, &[101.0, 102.0, 95.0, 101.0, 90.0, 101.0, 89.0, 101.0]), [0, 7]);
    }

    #[test]
    fn with_an_interval_equal_alerts_wait_and_are_not_lost() {
        let rule = AlertRule { interval_ms: 3.0, hysteresis: 0.0 };
        assert_eq!(told(rule, &[101.0; 8]), [0, 3, 6]);
        let both = AlertRule { interval_ms: 5.0, hysteresis: 0.1 };
        assert_eq!(told(both, &[101.0, 80.0, 101.0, 101.0, 101.0, 101.0, 101.0]), [0, 5]);
    }

    #[test]
    fn a_clock_set_back_silences_nothing() {
        let mut gates = AlertGates::new(AlertRule { interval_ms: 10.0, hysteresis: 0.0 });
        let mut tell = |now_ms| gates.exceeds("rss", 2.0, 1.0, now_ms);
        assert!(tell(1e6) && tell(5.0) && !tell(14.0) && tell(15.0));
    }

    #[test]
    fn what_is_no_number_exceeds_nothing() {
        let mut gates = AlertGates::new(AlertRule::default());
        assert!(!gates.exceeds("rss", f64::NAN, 1.0, 0.0));
        assert!(!gates.exceeds("rss", 2.0, f64::NAN, 0.0));
    }

    #[test]
    fn each_metric_has_its_own_gate() {
        let mut gates = AlertGates::new(AlertRule { interval_ms: 1e9, hysteresis: 0.5 });
        assert!(gates.exceeds("rss", 2.0, 1.0, 0.0) && gates.exceeds("heapUsed", 2.0, 1.0, 0.0));
        assert!(!gates.exceeds("rss", 3.0, 1.0, 1.0));
    }
}
