//! How long an entry may be served.

/// When an entry was stored and for how long it said it is good. All times in milliseconds, instants since
/// the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stamp {
    pub timestamp: f64,
    /// The entry's own policy; without one the cache's `ttl` decides, as it stands when the entry is read.
    pub ttl: Option<f64>,
}

impl Stamp {
    /// Whether the entry may be served at `now`.
    pub fn is_fresh(&self, now: f64, default_ttl: f64) -> bool {
        self.is_within(now, default_ttl, 0.0)
    }

    /// Whether the entry is fresh, or has been stale for less than `grace`.
    ///
    /// An entry from the future, after the clock was set back, ages in the same way: it is never served for
    /// longer than its time to live.
    pub fn is_within(&self, now: f64, default_ttl: f64, grace: f64) -> bool {
        let age = (now - self.timestamp).abs();
        age < self.ttl.unwrap_or(default_ttl) + grace
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_fresh_strictly_before_its_time_is_up() {
        let stamp = Stamp { timestamp: 1_000.0, ttl: None };
        assert!(stamp.is_fresh(1_099.0, 100.0));
        assert!(!stamp.is_fresh(1_100.0, 100.0));
        assert!(!stamp.is_fresh(1_000.0, 0.0));
        assert!(stamp.is_within(1_149.0, 100.0, 50.0));
        assert!(!stamp.is_within(1_150.0, 100.0, 50.0));
    }

    #[test]
    fn its_own_policy_wins() {
        let stamp = Stamp { timestamp: 0.0, ttl: Some(10.0) };
        assert!(stamp.is_fresh(9.0, 0.0));
        assert!(!stamp.is_fresh(10.0, 1_000.0));
    }

    #[test]
    fn a_clock_set_back_makes_nothing_immortal() {
        let stamp = Stamp { timestamp: 10_000.0, ttl: None };
        assert!(stamp.is_fresh(9_950.0, 100.0));
        assert!(!stamp.is_fresh(5_000.0, 100.0));
        assert!(!stamp.is_fresh(9_999.0, 0.0));
    }
}
