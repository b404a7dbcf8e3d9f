//! What is remembered beside a value on disk.

use super::Changes;

// The flags of the first byte.
const CHANGES: u8 = 1;
const MUST_REVALIDATE: u8 = 2;

/// As bytes: nothing at all, or a byte of flags, the changes where one says so, and the validator as the rest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Meta {
    /// Whether the value must not be served when it is no longer fresh.
    pub must_revalidate: bool,
    /// How often the value changed.
    pub changes: Option<Changes>,
    /// What the value's origin needs to tell whether it is still the same, such as an `ETag`.
    pub validator: Option<String>,
}

impl Meta {
    pub fn encode(&self) -> Vec<u8> {
        if *self == Self::default() {
            return Vec::new();
        }
        let flag = |set, flag| if set { flag } else { 0 };
        let flags =
            flag(self.changes.is_some(), CHANGES) | flag(self.must_revalidate, MUST_REVALIDATE);
        let mut bytes = vec![flags];
        bytes.extend(self.changes.iter().flat_map(Changes::encode));
        bytes.extend(self.validator.iter().flat_map(|text| text.as_bytes()));
        bytes
    }

    /// What [`Self::encode`] made. Of other bytes as much as makes sense: nobody depends on it.
    pub fn decode(bytes: &[u8]) -> Self {
        let Some((flags, rest)) = bytes.split_first() else { return Self::default() };
        let (changes, rest) = match rest.split_at_checked(Changes::LENGTH) {
            Some((changes, rest)) if flags & CHANGES != 0 => (Changes::decode(changes), rest),
            _ => (None, rest),
        };
        let text = std::str::from_utf8(rest).ok().filter(|text| !text.is_empty());
        Self {
            must_revalidate: flags & MUST_REVALIDATE != 0,
            changes,
            validator: text.map(str::to_owned),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_survives(
            must_revalidate: bool,
            learnt: Option<Vec<u8>>,
            validator in prop::option::of(".+"),
        ) {
            let changes = learnt.map(|content| Changes::first(&content, 1.0));
            let meta = Meta { must_revalidate, changes, validator };
            prop_assert_eq!(Meta::decode(&meta.encode()), meta);
        }

        #[test]
        fn any_bytes_may_be_decoded(bytes: Vec<u8>) {
            Meta::decode(&bytes);
        }
    }
}
