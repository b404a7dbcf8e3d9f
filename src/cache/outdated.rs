//! What should be gone from the disk and could not be removed: nobody is served it, and it goes when that can be done.

use std::collections::HashSet;

use super::Key;

/// So many keys are remembered. Beyond that all that is on the disk counts as outdated.
const MOST: usize = 10_000;

/// See the module's description.
#[derive(Debug, Default)]
pub struct Outdated {
    keys: HashSet<Key>,
    all: bool,
}

impl Outdated {
    pub fn has(&self, key: Key) -> bool {
        self.all || self.keys.contains(&key)
    }

    /// The keys; `None` if it is all there is.
    pub fn keys(&self) -> Option<impl Iterator<Item = Key>> {
        (!self.all).then(|| self.keys.iter().copied())
    }

    pub fn add(&mut self, keys: impl IntoIterator<Item = Key>) {
        self.keys.extend(keys);
        if self.keys.len() > MOST {
            self.add_all();
        }
    }

    pub fn add_all(&mut self) {
        *self = Self { all: true, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> Key {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        Key(bytes)
    }

    #[test]
    fn more_than_can_be_remembered_is_all() {
        let mut outdated = Outdated::default();
        outdated.add((0..MOST).map(key));
        assert!(outdated.has(key(0)) && !outdated.has(key(MOST)));
        assert_eq!(outdated.keys().unwrap().count(), MOST);
        outdated.add([key(MOST)]);
        assert!(outdated.has(key(MOST + 1)) && outdated.keys().is_none());
        assert!(outdated.keys.is_empty());
    }
}
