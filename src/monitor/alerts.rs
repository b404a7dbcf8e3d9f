//! Whether a value beyond its threshold is worth an alert.
//!
//! An episode begins when a value is above its threshold and ends when one is below the threshold less the
//! hysteresis, so that a value that swings around the threshold is one episode. Alerts repeat no sooner than the
//! caller allows, also where a new episode has begun meanwhile; an episode without an alert ends unheard. A silenced
//! metric raises none.

use std::collections::HashMap;

/// Episodes that are remembered. Beyond it the one that was quiet for longest is forgotten, and may alert anew.
const MOST_EPISODES: usize = 1_000;

/// How a metric is judged.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    pub threshold: f64,
    /// Share of the threshold by which a value must fall below it to end an episode.
    pub hysteresis: f64,
    /// Milliseconds between two alerts, of one episode or of two; infinite for one alert an episode.
    pub repeat_after_ms: f64,
}

/// What a value means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Within the threshold, or nothing new, or silenced.
    Quiet,
    /// An alert is due.
    Raise,
    /// The episode is over.
    Resolved,
}

/// The latest episode of a metric that alerted.
#[derive(Clone, Copy, Debug)]
struct Episode {
    /// When an alert was last due.
    alerted_ms: f64,
    over: bool,
}

impl Episode {
    /// Whether another alert is due.
    fn is_due(self, repeat_after_ms: f64, now_ms: f64) -> bool {
        if repeat_after_ms.is_infinite() {
            return self.over;
        }
        now_ms - self.alerted_ms >= repeat_after_ms
    }
}

/// The episodes and silences of all metrics.
#[derive(Debug, Default)]
pub struct Alerts {
    /// By metric and the bits of its threshold: one metric may have several.
    episodes: HashMap<(String, u64), Episode>,
    silenced_until_ms: HashMap<String, f64>,
}

impl Alerts {
    /// Judges a value of `metric` at `now_ms`, on any clock that never goes back.
    pub fn judge(&mut self, metric: &str, value: f64, rule: Rule, now_ms: f64) -> Verdict {
        let key = (metric.to_owned(), rule.threshold.to_bits());
        if value > rule.threshold {
            let last = self.episodes.get(&key);
            let due = last.is_none_or(|last| last.is_due(rule.repeat_after_ms, now_ms));
            if !due || self.silenced(metric, now_ms) {
                return Verdict::Quiet;
            }
            self.remember(key, now_ms);
            return Verdict::Raise;
        }
        let low = value <= rule.threshold - rule.threshold.abs() * rule.hysteresis;
        match self.episodes.get_mut(&key) {
            Some(episode) if low && !episode.over => {
                episode.over = true;
                Verdict::Resolved
            }
            _ => Verdict::Quiet,
        }
    }

    /// Raises no alert of `metric` before `until_ms`; one that is in the past ends the silence.
    pub fn silence(&mut self, metric: &str, until_ms: f64, now_ms: f64) {
        self.silenced_until_ms.retain(|_, until| *until > now_ms);
        self.silenced_until_ms.insert(metric.to_owned(), until_ms);
    }

    /// Whether alerts of `metric` are silenced.
    pub fn silenced(&self, metric: &str, now_ms: f64) -> bool {
        self.silenced_until_ms.get(metric).is_some_and(|until| now_ms < *until)
    }

    fn remember(&mut self, key: (String, u64), now_ms: f64) {
        if self.episodes.len() >= MOST_EPISODES && !self.episodes.contains_key(&key) {
            let oldest =
                self.episodes.iter().min_by(|(_, a), (_, b)| a.alerted_ms.total_cmp(&b.alerted_ms));
            let oldest = oldest.map(|(key, _)| key.clone());
            oldest.map(|key| self.episodes.remove(&key));
        }
        self.episodes.insert(key, Episode { alerted_ms: now_ms, over: false });
    }
}

#[cfg(test)]
mod tests {
    use super::{Verdict::*, *};

    const EVERY: Rule = Rule { threshold: 100.0, hysteresis: 0.0, repeat_after_ms: 0.0 };

    fn verdicts(rule: Rule, values: &[f64]) -> Vec<Verdict> {
        let mut alerts = Alerts::default();
        (0..)
            .map(f64::from)
            .zip(values)
            .map(|(now, &value)| alerts.judge("m", value, rule, now))
            .collect()
    }

    #[test]
    fn every_value_above_alerts_unless_told_otherwise() {
        let expected = [Quiet, Raise, Raise, Resolved, Quiet];
        assert_eq!(verdicts(EVERY, &[100.0, 101.0, 101.0, 100.0, 99.0]), expected);
    }

    #[test]
    fn a_swing_around_the_threshold_is_one_episode() {
        let rule = Rule { hysteresis: 0.1, repeat_after_ms: f64::INFINITY, ..EVERY };
        let expected = [Raise, Quiet, Quiet, Quiet, Resolved, Raise];
        assert_eq!(verdicts(rule, &[101.0, 99.0, 101.0, 90.1, 90.0, 101.0]), expected);
    }

    #[test]
    fn an_episode_repeats_after_its_time() {
        let rule = Rule { repeat_after_ms: 2.0, ..EVERY };
        assert_eq!(verdicts(rule, &[101.0; 5]), [Raise, Quiet, Raise, Quiet, Raise]);
    }

    #[test]
    fn a_new_episode_alerts_no_sooner() {
        let rule = Rule { repeat_after_ms: 4.0, ..EVERY };
        let expected = [Raise, Resolved, Quiet, Quiet, Raise, Resolved];
        assert_eq!(verdicts(rule, &[101.0, 99.0, 101.0, 99.0, 101.0, 99.0]), expected);
    }

    #[test]
    fn a_negative_threshold_has_its_hysteresis_below_it() {
        let rule = Rule { threshold: -100.0, hysteresis: 0.1, repeat_after_ms: 0.0 };
        assert_eq!(verdicts(rule, &[-99.0, -105.0, -110.0]), [Raise, Quiet, Resolved]);
    }

    #[test]
    fn silence_covers_its_metric_and_its_time() {
        let mut alerts = Alerts::default();
        alerts.silence("m", 10.0, 0.0);
        assert_eq!(alerts.judge("m", 101.0, EVERY, 9.0), Quiet);
        assert_eq!(alerts.judge("other", 101.0, EVERY, 9.0), Raise);
        assert_eq!(alerts.judge("m", 101.0, EVERY, 10.0), Raise);
        alerts.silence("m", f64::INFINITY, 11.0);
        alerts.silence("m", 11.0, 11.0);
        assert_eq!(alerts.judge("m", 101.0, EVERY, 12.0), Raise);
    }

    #[test]
    fn remembers_the_latest_episodes() {
        let mut alerts = Alerts::default();
        let rule = Rule { repeat_after_ms: f64::INFINITY, ..EVERY };
        for number in 0..=MOST_EPISODES {
            alerts.judge(&number.to_string(), 101.0, rule, number as f64);
        }
        assert_eq!(alerts.episodes.len(), MOST_EPISODES);
        assert_eq!(alerts.judge("1", 101.0, rule, 1e9), Quiet);
        assert_eq!(alerts.judge("0", 101.0, rule, 1e9), Raise);
    }
}
