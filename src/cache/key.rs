//! The names of entries.
//!
//! The public name is the lower-case hex SHA-256 of `JSON.stringify({ url, headers })`. A caller may make
//! names of another form; the disk tier then files the entry under their digest.

use sha2::{Digest, Sha256};

/// What the disk tier files an entry under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub [u8; 32]);

impl Key {
    /// The digest of a request, as `JSON.stringify({ url, headers })` wrote it.
    pub fn of_request(json: &str) -> Self {
        Self(Sha256::digest(json).into())
    }

    /// The key with this public name.
    pub fn named(name: &str) -> Self {
        Self::from_hex(name).unwrap_or_else(|| Self(Sha256::digest(name).into()))
    }

    /// The key whose 64 lower-case hex digits are `name`.
    pub fn from_hex(name: &str) -> Option<Self> {
        let lower = name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let mut bytes = [0; 32];
        (lower && hex::decode_to_slice(name, &mut bytes).is_ok()).then_some(Self(bytes))
    }

    /// The 64 lower-case hex digits.
    pub fn to_hex(self) -> String {
        hex::encode(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_names_are_the_digest_itself_and_others_are_digested() {
        let key = Key::of_request(r#"{"url":"u","headers":{}}"#);
        assert_eq!(Key::named(&key.to_hex()), key);
        assert_eq!(Key::from_hex(&key.to_hex().to_uppercase()), None);
        assert_eq!(Key::from_hex("ab"), None);
        assert_ne!(Key::named("mine"), Key::named("yours"));
    }
}
