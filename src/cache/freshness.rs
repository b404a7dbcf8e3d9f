//! How long an entry may be served.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::Key;

/// When an entry was stored and for how long it said it is good. All times in milliseconds, instants since
/// the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stamp {
    pub timestamp: f64,
    /// The entry's own policy; without one the cache's `ttl` decides, as it stands when the entry is read.
    pub ttl: Option<f64>,
    /// The entry's lot, in `0.0..1.0`: by how much of the jitter its time is shorter.
    pub lot: f64,
}

/// The terms on which entries are served. All times in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terms {
    pub now: f64,
    /// For how long an entry without a policy of its own is fresh.
    pub ttl: f64,
    /// By how much of its time an entry may expire sooner, in `0.0..=1.0`, so that entries that were stored
    /// together do not all expire together.
    pub jitter: f64,
    /// For how long an entry is served when it is no longer fresh.
    pub grace: f64,
}

impl Stamp {
    /// The lot is drawn from the key and the time, so that all who share an entry agree on it.
    pub fn new(key: Key, timestamp: f64, ttl: Option<f64>) -> Self {
        let drawn = xxh3_64_with_seed(&key.0, timestamp.to_bits()) >> 11;
        Self { timestamp, ttl, lot: drawn as f64 / (1u64 << 53) as f64 }
    }

    /// Whether the entry may be served.
    ///
    /// An entry from the future, after the clock was set back, ages in the same way: it is never served for
    /// longer than its time to live.
    pub fn may_be_served(&self, terms: &Terms) -> bool {
        let age = (terms.now - self.timestamp).abs();
        let ttl = self.ttl.unwrap_or(terms.ttl) * (1.0 - terms.jitter * self.lot);
        age < ttl + terms.grace
    }

    /// Whether the entry is fresh.
    pub fn is_fresh(&self, terms: &Terms) -> bool {
        self.may_be_served(&Terms { grace: 0.0, ..*terms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stamp(timestamp: f64, ttl: Option<f64>) -> Stamp {
        Stamp::new(Key([1; 32]), timestamp, ttl)
    }

    fn terms(now: f64, ttl: f64) -> Terms {
        Terms { now, ttl, jitter: 0.0, grace: 0.0 }
    }

    #[test]
    fn an_entry_is_fresh_strictly_before_its_time_is_up() {
        let stamp = stamp(1_000.0, None);
        assert!(stamp.is_fresh(&terms(1_099.0, 100.0)));
        assert!(!stamp.is_fresh(&terms(1_100.0, 100.0)));
        assert!(!stamp.is_fresh(&terms(1_000.0, 0.0)));
        let late = |now| Terms { grace: 50.0, ..terms(now, 100.0) };
        assert!(stamp.may_be_served(&late(1_149.0)) && !stamp.is_fresh(&late(1_149.0)));
        assert!(!stamp.may_be_served(&late(1_150.0)));
    }

    #[test]
    fn its_own_policy_wins() {
        let stamp = stamp(0.0, Some(10.0));
        assert!(stamp.is_fresh(&terms(9.0, 0.0)));
        assert!(!stamp.is_fresh(&terms(10.0, 1_000.0)));
    }

    #[test]
    fn a_clock_set_back_makes_nothing_immortal() {
        let stamp = stamp(10_000.0, None);
        assert!(stamp.is_fresh(&terms(9_950.0, 100.0)));
        assert!(!stamp.is_fresh(&terms(5_000.0, 100.0)));
        assert!(!stamp.is_fresh(&terms(9_999.0, 0.0)));
    }

    #[test]
    fn forever_is_forever_with_jitter_too() {
        for jitter in [0.0, 0.5, 1.0] {
            assert!(stamp(0.0, None).is_fresh(&Terms { jitter, ..terms(1e300, f64::INFINITY) }));
        }
    }

    proptest! {
        /// Jitter only ever shortens, by no more than it may, and spreads entries of one moment evenly.
        #[test]
        fn jitter_spreads(jitter in 0.0f64..=1.0, ttl in 1.0f64..1e9) {
            let ends: Vec<f64> = (0..=255u8)
                .map(|number| ttl - ttl * jitter * Stamp::new(Key([number; 32]), 5.0, None).lot)
                .collect();
            prop_assert!(ends.iter().all(|end| *end <= ttl && *end >= ttl * (1.0 - jitter) - 1e-6));
            let mean = ends.iter().sum::<f64>() / ends.len() as f64;
            prop_assert!((mean - ttl * (1.0 - jitter / 2.0)).abs() <= ttl * jitter * 0.1 + 1e-6);
            for (number, end) in (0..=255u8).zip(ends) {
                let stamp = Stamp::new(Key([number; 32]), 5.0, None);
                let fresh = |age: f64| stamp.is_fresh(&Terms { jitter, ..terms(5.0 + age, ttl) });
                prop_assert!(fresh(end * 0.999 - 1e-3) && !fresh(end * 1.001 + 1e-3));
            }
        }
    }
}
