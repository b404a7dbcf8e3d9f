//! How an entry is written in a segment: a header of fixed size, then `meta`, then `body`.
//!
//! ```text
//!  0  state      1    ALIVE, or overwritten in place when the entry is replaced or removed
//!  1  mark       7    the segment's own, to find the next record behind damage
//!  8  key       32
//! 40  timestamp  8    f64, milliseconds since the Unix epoch
//! 48  ttl        8    f64, milliseconds; NaN for none
//! 56  meta       4    length
//! 60  body       4    length
//! 64  digest    16    XXH3-128 of meta and body, seeded with the segment's nonce
//! 80  sum        8    XXH3-64 of bytes 1..80, likewise
//! ```
//!
//! Numbers are little-endian. The nonce is random, so that nothing inside a cached body can pass for a
//! record, and a record cannot pass for one of another segment.

use xxhash_rust::xxh3::{Xxh3, xxh3_64_with_seed};

use super::Entry;
use crate::cache::{Key, Stamp};

pub(super) const HEADER: usize = 88;
pub(super) const ALIVE: u8 = 0xA1;
pub(super) const DEAD: u8 = 0;
/// The length of a mark, which is the nonce without its last byte.
pub(super) const MARK: usize = 7;

/// The header of a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub alive: bool,
    pub key: Key,
    pub stamp: Stamp,
    pub meta: u32,
    pub body: u32,
    digest: u128,
}

impl Header {
    /// The header for an entry in the segment with this nonce; `None` if the entry is too large.
    pub fn of(key: Key, entry: &Entry, nonce: u64) -> Option<Self> {
        let (meta, body) = (entry.meta.len().try_into().ok()?, entry.body.len().try_into().ok()?);
        let digest = digest(&entry.meta, &entry.body, nonce);
        Some(Self { alive: true, key, stamp: entry.stamp, meta, body, digest })
    }

    /// Bytes of the whole record.
    pub fn record_len(&self) -> u64 {
        HEADER as u64 + u64::from(self.meta) + u64::from(self.body)
    }

    pub fn encode(&self, nonce: u64) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[0] = if self.alive { ALIVE } else { DEAD };
        bytes[1..8].copy_from_slice(&nonce.to_le_bytes()[..MARK]);
        bytes[8..40].copy_from_slice(&self.key.0);
        bytes[40..48].copy_from_slice(&self.stamp.timestamp.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.stamp.ttl.unwrap_or(f64::NAN).to_le_bytes());
        bytes[56..60].copy_from_slice(&self.meta.to_le_bytes());
        bytes[60..64].copy_from_slice(&self.body.to_le_bytes());
        bytes[64..80].copy_from_slice(&self.digest.to_le_bytes());
        let sum = xxh3_64_with_seed(&bytes[1..80], nonce);
        bytes[80..88].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Reads a header; `None` if these bytes are none of this segment.
    pub fn decode(bytes: &[u8; HEADER], nonce: u64) -> Option<Self> {
        let sum = u64::from_le_bytes(field(bytes, 80));
        if bytes[1..8] != nonce.to_le_bytes()[..MARK]
            || sum != xxh3_64_with_seed(&bytes[1..80], nonce)
        {
            return None;
        }
        let key = Key(field(bytes, 8));
        let [timestamp, ttl] = [40, 48].map(|at| f64::from_le_bytes(field(bytes, at)));
        Some(Self {
            alive: bytes[0] == ALIVE,
            key,
            stamp: Stamp::new(key, timestamp, (!ttl.is_nan()).then_some(ttl)),
            meta: u32::from_le_bytes(field(bytes, 56)),
            body: u32::from_le_bytes(field(bytes, 60)),
            digest: u128::from_le_bytes(field(bytes, 64)),
        })
    }

    /// Whether `meta` and `body` are what was written.
    pub fn vouches_for(&self, meta: &[u8], body: &[u8], nonce: u64) -> bool {
        self.digest == digest(meta, body, nonce)
    }
}

fn field<const N: usize>(bytes: &[u8; HEADER], at: usize) -> [u8; N] {
    std::array::from_fn(|index| bytes[at + index])
}

fn digest(meta: &[u8], body: &[u8], nonce: u64) -> u128 {
    let mut hasher = Xxh3::with_seed(nonce);
    hasher.update(meta);
    hasher.update(body);
    hasher.digest128()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_header_survives_and_any_flipped_bit_but_the_state_is_noticed(
            key: [u8; 32], timestamp: u32, ttl: Option<u32>, meta: Vec<u8>, body: Vec<u8>, nonce: u64,
            bit in 8..HEADER * 8,
        ) {
            let stamp = Stamp::new(Key(key), timestamp.into(), ttl.map(f64::from));
            let entry = Entry { stamp, meta, body };
            let header = Header::of(Key(key), &entry, nonce).unwrap();
            let mut bytes = header.encode(nonce);
            let read = Header::decode(&bytes, nonce).unwrap();
            prop_assert!(read.alive && read.key == Key(key) && read.stamp == stamp);
            prop_assert!(read.vouches_for(&entry.meta, &entry.body, nonce));
            prop_assert!(Header::decode(&bytes, nonce.wrapping_add(1)).is_none());
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(Header::decode(&bytes, nonce).is_none());
        }
    }
}
