//! What is remembered beside a value on disk.

use super::Changes;

const NOTHING_LEARNT: u8 = 0;
const CHANGES: u8 = 1;

/// As bytes: nothing at all, or a byte that says whether changes follow, those, and the validator as the rest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Meta {
    /// How often the value changed.
    pub changes: Option<Changes>,
    /// What the value's origin needs to tell whether it is still the same, such as an `ETag`.
    pub validator: Option<String>,
}

impl Meta {
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match &self.changes {
            None if self.validator.is_none() => {}
            None => bytes.push(NOTHING_LEARNT),
            Some(changes) => {
                bytes.push(CHANGES);
                bytes.extend(changes.encode());
            }
        }
        bytes.extend(self.validator.iter().flat_map(|text| text.as_bytes()));
        bytes
    }

    /// What [`Self::encode`] made. Of other bytes as much as makes sense: nobody depends on it.
    pub fn decode(bytes: &[u8]) -> Self {
        let (changes, rest) = match bytes.split_first() {
            Some((&CHANGES, rest)) if rest.len() >= Changes::LENGTH => {
                let (changes, rest) = rest.split_at(Changes::LENGTH);
                (Changes::decode(changes), rest)
            }
            Some((_, rest)) => (None, rest),
            None => (None, bytes),
        };
        let text = std::str::from_utf8(rest).ok().filter(|text| !text.is_empty());
        Self { changes, validator: text.map(str::to_owned) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_survives(learnt: Option<Vec<u8>>, validator in prop::option::of(".+")) {
            let meta = Meta { changes: learnt.map(|content| Changes::first(&content, 1.0)), validator };
            prop_assert_eq!(Meta::decode(&meta.encode()), meta);
        }

        #[test]
        fn any_bytes_may_be_decoded(bytes: Vec<u8>) {
            Meta::decode(&bytes);
        }
    }
}
