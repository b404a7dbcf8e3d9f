//! How often a content changes, learnt from looking at it again and again, and how long it is therefore
//! fresh.
//!
//! Changes are taken for a Poisson process. Its rate is estimated from how many looks found a change: one
//! look cannot tell one change from many, for which the estimator allows (J. Cho, H. Garcia-Molina,
//! "Estimating Frequency of Change", ACM TOIT 3(3), 2003, section 4.2). Older looks count for less and less,
//! so that a content may change its ways.

use xxhash_rust::xxh3::xxh3_64;

/// How much less the past counts at every look.
const MEMORY: f64 = 0.8;
/// An entry lives until its content has changed with this probability; with it, learning starts from the
/// time to live that it is given.
const RISK: f64 = 1.0 / 3.0;

/// The bounds of a time to live, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    pub min: f64,
    pub max: f64,
}

/// What was seen of a content up to now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Changes {
    /// Of the content last seen.
    digest: u64,
    /// How often it was looked at.
    looks: f64,
    /// How many of the looks found a change.
    changes: f64,
    /// Milliseconds between the looks, together.
    observed: f64,
}

impl Changes {
    /// Of its encoding, in bytes.
    pub const LENGTH: usize = 32;

    /// After a first look. What is expected is half a change in `ttl` milliseconds.
    pub fn first(content: &[u8], ttl: f64) -> Self {
        // From zero on nothing could grow.
        let observed = ttl.clamp(1.0, 1e15);
        Self { digest: xxh3_64(content), looks: 1.0, changes: 0.5, observed }
    }

    /// After another look, `elapsed` milliseconds later.
    pub fn again(self, content: &[u8], elapsed: f64) -> Self {
        let digest = xxh3_64(content);
        let changed = f64::from(u8::from(digest != self.digest));
        Self {
            digest,
            looks: self.looks * MEMORY + 1.0,
            changes: self.changes * MEMORY + changed,
            observed: self.observed * MEMORY + elapsed.clamp(0.0, 1e15),
        }
    }

    /// For how long the content will likely stay the same, in milliseconds, within the bounds; never longer
    /// than it was watched.
    pub fn ttl(&self, bounds: Bounds) -> f64 {
        let Self { looks, changes, observed, .. } = self;
        let rate = -((looks - changes + 0.5) / (looks + 0.5)).ln() * looks / observed;
        let ttl = -(1.0 - RISK).ln() / rate;
        ttl.min(*observed).max(bounds.min).min(bounds.max)
    }

    /// As bytes.
    pub fn encode(&self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        let floats = [self.looks, self.changes, self.observed].map(f64::to_bits);
        let numbers = [self.digest].into_iter().chain(floats);
        for (out, number) in bytes.as_chunks_mut().0.iter_mut().zip(numbers) {
            *out = number.to_le_bytes();
        }
        bytes
    }

    /// What [`Self::encode`] made; `None` of anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let ([digest, floats @ ..], []) = bytes.as_chunks() else { return None };
        let floats: [[u8; 8]; 3] = floats.try_into().ok()?;
        let [looks, changes, observed] = floats.map(f64::from_le_bytes);
        let sound = looks >= changes && changes >= 0.0 && observed > 0.0 && looks + observed < 1e16;
        let digest = u64::from_le_bytes(*digest);
        sound.then_some(Self { digest, looks, changes, observed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BOUNDS: Bounds = Bounds { min: 1_000.0, max: 1e7 };

    /// The time to live after each of `looks` at a content that changes every `period`.
    fn learn(period: f64, looks: usize) -> Vec<f64> {
        let (mut time, mut ttls) = (0.0, Vec::new());
        let content = |time: f64| (time / period).floor().to_le_bytes();
        let mut changes = Changes::first(&content(time), 60_000.0);
        for _ in 0..looks {
            let ttl = changes.ttl(BOUNDS);
            time += ttl;
            changes = changes.again(&content(time), ttl);
            ttls.push(ttl);
        }
        ttls
    }

    #[test]
    fn what_never_changes_is_kept_longer_and_longer_up_to_the_bound() {
        let ttls = learn(f64::INFINITY, 60);
        assert!((ttls[0] - 60_000.0).abs() < 1e-6);
        assert!(ttls.windows(2).all(|pair| pair[1] <= 2.0 * pair[0] + 1.0));
        assert!(ttls.windows(2).all(|pair| pair[0] <= pair[1]));
        assert_eq!(ttls[59], BOUNDS.max);
    }

    #[test]
    fn what_changes_at_every_look_is_soon_kept_for_the_least_time() {
        let ttls = learn(1.0, 60);
        assert!(ttls.windows(2).all(|pair| pair[0] >= pair[1]));
        assert_eq!(ttls[59], BOUNDS.min);
    }

    #[test]
    fn a_steady_rhythm_is_found() {
        for period in [10_000.0, 200_000.0, 2_000_000.0] {
            let late = &learn(period, 200)[100..];
            let mean = late.iter().sum::<f64>() / late.len() as f64;
            assert!(mean > period / 10.0 && mean < period, "{period}: {mean}");
        }
    }

    proptest! {
        #[test]
        fn it_keeps_to_the_bounds_and_survives_the_disk(
            looks in prop::collection::vec((any::<bool>(), -1e6f64..1e12), 0..50),
            default in 0f64..=1e9,
        ) {
            let mut changes = Changes::first(b"00", default);
            for (number, (changed, elapsed)) in looks.into_iter().enumerate() {
                let content = if changed { [number as u8; 2] } else { *b"00" };
                changes = changes.again(&content, elapsed);
                let ttl = changes.ttl(BOUNDS);
                prop_assert!((BOUNDS.min..=BOUNDS.max).contains(&ttl));
                prop_assert_eq!(Changes::decode(&changes.encode()), Some(changes));
            }
        }

        #[test]
        fn any_bytes_may_be_decoded(bytes: Vec<u8>) {
            if let Some(changes) = Changes::decode(&bytes) {
                prop_assert!(!changes.ttl(BOUNDS).is_nan());
            }
        }
    }
}
