//! The memory tier: which entries stay, by TinyLFU, within a bound on entries and on bytes.
//!
//! The values themselves live in a JavaScript array; this room gives each a *slot* there and says which
//! slots are free again. So nothing here refers to JavaScript. All calls come from one thread.
//!
//! An entry is filed under its request, whole: a look-up compares the text, so no hash collision can mix
//! up two requests, and needs no digest. Its public key leads to it as well.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hasher, RandomState},
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use moka::sync::Cache;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::Stamp;

/// What was asked for, in UTF-16: JavaScript's own form, in which no two strings look the same.
pub type Request = Box<[u16]>;

/// What kind of text a [`Request`] holds; its first unit.
#[derive(Clone, Copy, Debug)]
#[repr(u16)]
pub enum Kind {
    /// A URL, asked for without headers.
    Url = 1,
    /// `JSON.stringify({ url, headers })`.
    Json = 2,
    /// A public key, of an entry whose request is not known.
    Key = 3,
}

/// An entry and where its value is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Held {
    pub slot: u32,
    pub stamp: Stamp,
    weight: u32,
    /// Counts insertions, so that entries can be listed in their order.
    sequence: u64,
}

/// Where the entry with a certain public key is.
#[derive(Debug)]
struct Filed {
    request: Request,
    slot: u32,
}

#[derive(Debug, Default)]
struct Books {
    by_key: HashMap<Arc<str>, Filed>,
    /// Public keys by slot.
    keys: Vec<Arc<str>>,
    /// Slots whose values JavaScript has yet to let go.
    freed: Vec<u32>,
    /// Slots to use again.
    vacant: Vec<u32>,
    inserted: u64,
}

/// See the module's description.
pub struct Memory {
    entries: Cache<Request, Held, Seeded>,
    books: Arc<Mutex<Books>>,
    /// The least an entry weighs, in bytes.
    share: u64,
}

impl Memory {
    /// Holds at most `max_entries` entries and `max_bytes` bytes. One number bounds both: an entry weighs
    /// its bytes, but at least its even share of them.
    pub fn new(max_entries: u64, max_bytes: u64) -> Self {
        let share = (max_bytes / max_entries.max(1)).clamp(1, u32::MAX.into());
        let books = Arc::new(Mutex::new(Books::default()));
        let ledger = Arc::clone(&books);
        let entries = Cache::builder()
            .max_capacity(share * max_entries.min(max_bytes))
            .weigher(|_, held: &Held| held.weight)
            .eviction_listener(move |_, held: Held, _| lock(&ledger).release(held))
            .build_with_hasher(Seeded::default());
        Self { entries, books, share }
    }

    /// The entry a request leads to. `request` starts with its [`Kind`].
    pub fn get(&self, request: &[u16]) -> Option<Held> {
        self.entries.get(request)
    }

    /// The entry with a public key.
    pub fn get_by_key(&self, key: &str) -> Option<Held> {
        let books = lock(&self.books);
        let request = books.by_key.get(key)?.request.clone();
        drop(books);
        self.entries.get(&request)
    }

    /// Files a value of `bytes` bytes under `key`, and under `request` where that is known, in place of
    /// any before; returns its slot. It may be evicted at once: then the slot is among [`Self::freed`].
    pub fn insert(&self, request: Option<Request>, key: &str, stamp: Stamp, bytes: u64) -> u32 {
        let before = lock(&self.books).by_key.get(key).map(|filed| filed.request.clone());
        let request = match (request, before) {
            (Some(request), Some(before)) if before != request => {
                self.entries.invalidate(&before);
                request
            }
            (Some(request), _) => request,
            (None, Some(before)) => before,
            (None, None) => marked(Kind::Key, key.encode_utf16()),
        };
        let weight = u32::try_from(bytes.max(self.share)).unwrap_or(u32::MAX);
        let held = lock(&self.books).open(key, &request, stamp, weight);
        self.entries.insert(request, held);
        // Left to itself, moka evicts a little later.
        self.entries.run_pending_tasks();
        held.slot
    }

    /// Takes the entry with a public key out; whether there was one.
    pub fn remove(&self, key: &str) -> bool {
        let filed = lock(&self.books).by_key.get(key).map(|filed| filed.request.clone());
        let removed = filed.and_then(|request| self.entries.remove(&request)).is_some();
        self.entries.run_pending_tasks();
        removed
    }

    /// Takes out every entry that `expired` says; returns how many.
    pub fn remove_if(&self, expired: impl Fn(Stamp) -> bool) -> usize {
        let keys = self.list().into_iter().filter(|(_, held)| expired(held.stamp));
        keys.filter(|(key, _)| self.remove(key)).count()
    }

    pub fn clear(&self) {
        self.remove_if(|_| true);
    }

    /// All entries by public key, in the order in which they were filed.
    pub fn list(&self) -> Vec<(Arc<str>, Held)> {
        let books = lock(&self.books);
        let by_slot: HashMap<u32, Held> =
            self.entries.iter().map(|(_, held)| (held.slot, held)).collect();
        let find = |(key, filed): (&Arc<str>, &Filed)| {
            by_slot.get(&filed.slot).map(|held| (Arc::clone(key), *held))
        };
        let mut entries: Vec<_> = books.by_key.iter().filter_map(find).collect();
        entries.sort_unstable_by_key(|(_, held)| held.sequence);
        entries
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        lock(&self.books).by_key.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The slots that emptied since the last call. The caller lets their values go; from then on they
    /// are used again.
    pub fn freed(&self) -> Vec<u32> {
        let mut books = lock(&self.books);
        let freed = mem::take(&mut books.freed);
        books.vacant.extend(&freed);
        freed
    }
}

impl Books {
    fn open(&mut self, key: &str, request: &Request, stamp: Stamp, weight: u32) -> Held {
        let key: Arc<str> = key.into();
        let slot = self.vacant.pop().unwrap_or(self.keys.len() as u32);
        match self.keys.get_mut(slot as usize) {
            Some(vacant) => *vacant = Arc::clone(&key),
            None => self.keys.push(Arc::clone(&key)),
        }
        self.by_key.insert(key, Filed { request: request.clone(), slot });
        self.inserted += 1;
        Held { slot, stamp, weight, sequence: self.inserted }
    }

    /// An entry has left. Its key stays where another entry has taken its place.
    fn release(&mut self, held: Held) {
        self.freed.push(held.slot);
        let Some(key) = self.keys.get_mut(held.slot as usize).map(mem::take) else { return };
        if self.by_key.get(&key).is_some_and(|filed| filed.slot == held.slot) {
            self.by_key.remove(&key);
        }
    }
}

/// A request of a certain kind.
pub fn marked(kind: Kind, text: impl IntoIterator<Item = u16>) -> Request {
    std::iter::once(kind as u16).chain(text).collect()
}

/// Hashes a request in one go with a random seed: collisions cost time only, and nobody can arrange them.
#[derive(Clone, Debug)]
struct Seeded(u64);

impl Default for Seeded {
    fn default() -> Self {
        Self(RandomState::new().hash_one(0))
    }
}

impl BuildHasher for Seeded {
    type Hasher = Seeded;

    fn build_hasher(&self) -> Seeded {
        self.clone()
    }
}

impl Hasher for Seeded {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    fn write_usize(&mut self, length: usize) {
        self.0 = self.0.wrapping_add(length as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The books are plain collections that no panic can leave half-changed.
fn lock(books: &Mutex<Books>) -> MutexGuard<'_, Books> {
    books.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STAMP: Stamp = Stamp { timestamp: 0.0, ttl: None };

    fn request(text: &str) -> Request {
        marked(Kind::Url, text.encode_utf16())
    }

    #[test]
    fn an_entry_is_found_by_request_and_by_key() {
        let memory = Memory::new(10, 1_000);
        let slot = memory.insert(Some(request("u")), "key", STAMP, 1);
        assert_eq!(memory.get(&request("u")).unwrap().slot, slot);
        assert_eq!(memory.get_by_key("key").unwrap().slot, slot);
        assert!(memory.get(&marked(Kind::Json, "u".encode_utf16())).is_none());
        let again = memory.insert(None, "key", STAMP, 1);
        assert_eq!(memory.get(&request("u")).unwrap().slot, again);
        assert_eq!((memory.len(), memory.freed()), (1, vec![slot]));
        let other = memory.insert(Some(request("v")), "key", STAMP, 1);
        assert!(memory.get(&request("u")).is_none());
        assert_eq!(memory.get_by_key("key").unwrap().slot, other);
        assert!(memory.remove("key") && !memory.remove("key"));
        assert!(memory.is_empty() && memory.get(&request("v")).is_none());
    }

    proptest! {
        /// Whatever happens, the bounds hold, the books agree, and no slot is used twice.
        #[test]
        fn the_bounds_hold(
            max_entries in 1u64..6,
            max_bytes in 1u64..2_000,
            steps in prop::collection::vec((0u8..12, 0u64..700, any::<bool>()), 1..80),
        ) {
            let memory = Memory::new(max_entries, max_bytes);
            let mut sizes: HashMap<u32, u64> = HashMap::new();
            for (name, bytes, remove) in steps {
                let key = name.to_string();
                if remove {
                    memory.remove(&key);
                } else {
                    let slot = memory.insert(Some(request(&key)), &key, STAMP, bytes);
                    prop_assert!(sizes.insert(slot, bytes).is_none());
                }
                for slot in memory.freed() {
                    prop_assert!(sizes.remove(&slot).is_some());
                }
                let listed: Vec<u32> = memory.list().iter().map(|(_, held)| held.slot).collect();
                prop_assert_eq!(listed.len(), sizes.len());
                prop_assert!(listed.iter().all(|slot| sizes.contains_key(slot)));
                prop_assert!(memory.len() as u64 <= max_entries);
                prop_assert!(sizes.values().sum::<u64>() <= max_bytes);
            }
        }
    }
}
