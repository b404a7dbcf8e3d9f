//! The memory tier: which entries stay, by when they were used last, within a bound on entries and on bytes. A new one always
//! comes in: refused, a value that is nowhere else, or that others in memory have outlived, would be fetched each time.
//!
//! The values themselves live in a JavaScript array; this room gives each a *slot* there, judges whether it
//! may be served, and says which slots are free again. So nothing here refers to JavaScript. All calls come
//! from one thread.
//!
//! Hits are noted in a buffer and told to the policy in batches, each slot once, as Caffeine's read buffers
//! do: the policy needs to know what is in use, not every single read.

use std::{collections::HashMap, mem, sync::Arc};

use moka::{policy::EvictionPolicy, sync::Cache};
use parking_lot::{Mutex, RwLock};

use super::{Changes, Stamp, Terms};

/// How many hits are noted before the policy is told, and how many entries it takes at a time.
const READS: usize = 64;

/// An entry and where its value is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Held {
    pub slot: u32,
    pub stamp: Stamp,
    /// How often the content was seen to change, where that is learnt.
    pub changes: Option<Changes>,
}

#[derive(Debug)]
struct Slot {
    key: Arc<str>,
    held: Held,
    /// Counts insertions, so that entries can be listed in their order.
    sequence: u64,
}

#[derive(Debug, Default)]
struct Books {
    by_key: HashMap<Arc<str>, u32>,
    slots: Vec<Option<Slot>>,
    /// Slots whose values JavaScript has yet to let go.
    freed: Vec<u32>,
    /// Slots to use again.
    vacant: Vec<u32>,
    /// Slots that were hit since the policy was told.
    reads: Vec<u32>,
    inserted: u64,
}

/// What the policy knows of an entry.
#[derive(Clone, Copy, Debug)]
struct Ticket {
    slot: u32,
    bytes: u64,
}

/// See the module's description.
pub struct Memory {
    /// Another one once the bounds change: moka's are fixed.
    policy: RwLock<Cache<Arc<str>, Ticket>>,
    books: Arc<Mutex<Books>>,
    /// See [`Terms::jitter`].
    jitter: f64,
}

impl Memory {
    /// Holds at most `max_entries` entries and `max_bytes` bytes.
    pub fn new(max_entries: u64, max_bytes: u64, jitter: f64) -> Self {
        let books = Arc::new(Mutex::new(Books::default()));
        let policy = RwLock::new(policy(max_entries, max_bytes, &books));
        Self { policy, books, jitter }
    }

    /// Other bounds from now on. What no longer fits goes, the oldest first.
    pub fn resize(&self, max_entries: u64, max_bytes: u64) {
        let resized = policy(max_entries, max_bytes, &self.books);
        let before = std::mem::replace(&mut *self.policy.write(), resized.clone());
        for keys in self.keys().chunks(READS) {
            for key in keys {
                if let Some(ticket) = before.get(key) {
                    resized.insert(Arc::clone(key), ticket);
                }
            }
            resized.run_pending_tasks();
        }
    }

    /// The share of the room that is taken, 0 to 1.
    pub fn fill(&self) -> f64 {
        let policy = self.policy.read();
        policy.weighted_size() as f64 / policy.policy().max_capacity().unwrap_or(0).max(1) as f64
    }

    /// Whether the value in `slot` is fresh at `now` in a cache with this `ttl`; if so, that is a hit.
    pub fn hit(&self, slot: u32, now: f64, ttl: f64) -> bool {
        let terms = Terms { now, ttl, jitter: self.jitter, grace: 0.0 };
        let mut books = self.books.lock();
        let held = books.slots.get(slot as usize).and_then(Option::as_ref);
        if !held.is_some_and(|slot| slot.held.stamp.may_be_served(&terms)) {
            return false;
        }
        books.reads.push(slot);
        if books.reads.len() == READS {
            let used = books.take_reads();
            // The policy may evict, which is entered in the books.
            drop(books);
            let policy = self.policy.read();
            for key in used {
                policy.get(&key);
            }
        }
        true
    }

    /// The entry with this key. The policy is told that it was asked for.
    pub fn get(&self, key: &str) -> Option<Held> {
        let ticket = self.policy.read().get(key)?;
        let books = self.books.lock();
        Some(books.slots.get(ticket.slot as usize)?.as_ref()?.held)
    }

    /// Files a value of `bytes` bytes under `key`, in place of any before; returns its slot. If it is larger than all
    /// the room it is evicted at once: then the slot is among [`Self::freed`].
    pub fn insert(&self, key: &str, stamp: Stamp, changes: Option<Changes>, bytes: u64) -> u32 {
        let key: Arc<str> = key.into();
        let (slot, used) = {
            let mut books = self.books.lock();
            let used = books.take_reads();
            (books.open(Arc::clone(&key), stamp, changes), used)
        };
        let policy = self.policy.read();
        for key in used {
            policy.get(&key);
        }
        policy.insert(key, Ticket { slot, bytes });
        // Left to itself, moka evicts a little later.
        policy.run_pending_tasks();
        slot
    }

    /// Files a value as [`Self::insert`] does, unless one that was stored later is there.
    pub fn promote(
        &self,
        key: &str,
        stamp: Stamp,
        changes: Option<Changes>,
        bytes: u64,
    ) -> Option<u32> {
        let newer = |slot: &Slot| slot.held.stamp.timestamp > stamp.timestamp;
        let outdated = self.books.lock().slot(key).is_some_and(newer);
        (!outdated).then(|| self.insert(key, stamp, changes, bytes))
    }

    /// Takes an entry out; whether there was one.
    pub fn remove(&self, key: &str) -> bool {
        let policy = self.policy.read();
        let removed = policy.remove(key).is_some();
        policy.run_pending_tasks();
        removed
    }

    /// Takes out every entry that `doomed` says; returns how many.
    pub fn remove_if(&self, doomed: impl Fn(Stamp) -> bool) -> usize {
        let doomed: Vec<Arc<str>> = {
            let books = self.books.lock();
            let slots = books.slots.iter().flatten();
            slots.filter(|slot| doomed(slot.held.stamp)).map(|slot| Arc::clone(&slot.key)).collect()
        };
        let policy = self.policy.read();
        let removed = doomed.iter().filter(|key| policy.remove(*key).is_some()).count();
        policy.run_pending_tasks();
        removed
    }

    pub fn clear(&self) {
        self.remove_if(|_| true);
    }

    /// All keys, in the order in which they were filed.
    pub fn keys(&self) -> Vec<Arc<str>> {
        let books = self.books.lock();
        let mut slots: Vec<&Slot> = books.slots.iter().flatten().collect();
        slots.sort_unstable_by_key(|slot| slot.sequence);
        slots.into_iter().map(|slot| Arc::clone(&slot.key)).collect()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.books.lock().by_key.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The slots that emptied since the last call. The caller lets their values go; from then on they
    /// are used again.
    pub fn freed(&self) -> Vec<u32> {
        let mut books = self.books.lock();
        let freed = mem::take(&mut books.freed);
        books.vacant.extend(&freed);
        freed
    }
}

/// A policy that tells `books` what it evicts. One number bounds entries and bytes: an entry weighs its bytes,
/// but at least its even share of them.
fn policy(max_entries: u64, max_bytes: u64, books: &Arc<Mutex<Books>>) -> Cache<Arc<str>, Ticket> {
    let share = (max_bytes / max_entries.max(1)).clamp(1, u32::MAX.into());
    let ledger = Arc::clone(books);
    Cache::builder()
        .max_capacity(share * max_entries.min(max_bytes))
        .eviction_policy(EvictionPolicy::lru())
        .weigher(move |_, ticket: &Ticket| {
            u32::try_from(ticket.bytes.max(share)).unwrap_or(u32::MAX)
        })
        .eviction_listener(move |key: Arc<Arc<str>>, ticket: Ticket, _| {
            ledger.lock().release(&key, ticket.slot);
        })
        .build()
}

impl Books {
    fn open(&mut self, key: Arc<str>, stamp: Stamp, changes: Option<Changes>) -> u32 {
        let slot = self.vacant.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() as u32 - 1
        });
        self.inserted += 1;
        if let Some(before) = self.by_key.insert(Arc::clone(&key), slot) {
            // Its value is let go when the policy says that it was replaced.
            self.slots[before as usize] = None;
        }
        let held = Held { slot, stamp, changes };
        self.slots[slot as usize] = Some(Slot { key, held, sequence: self.inserted });
        slot
    }

    fn slot(&self, key: &str) -> Option<&Slot> {
        self.slots[*self.by_key.get(key)? as usize].as_ref()
    }

    /// An entry has left. Its key stays where another entry has taken its place.
    fn release(&mut self, key: &str, slot: u32) {
        self.freed.push(slot);
        if self.by_key.get(key) == Some(&slot) {
            self.by_key.remove(key);
            self.slots[slot as usize] = None;
        }
    }

    /// The keys of the slots that were hit, each once.
    fn take_reads(&mut self) -> Vec<Arc<str>> {
        self.reads.sort_unstable();
        self.reads.dedup();
        let hit = mem::take(&mut self.reads).into_iter();
        hit.filter_map(|slot| Some(Arc::clone(&self.slots[slot as usize].as_ref()?.key))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STAMP: Stamp = Stamp { timestamp: 0.0, ttl: None, lot: 0.0 };

    fn insert(memory: &Memory, key: &str, bytes: u64) -> u32 {
        memory.insert(key, STAMP, None, bytes)
    }

    #[test]
    fn an_entry_is_found_until_it_is_replaced_or_removed() {
        let memory = Memory::new(10, 1_000, 0.0);
        let slot = insert(&memory, "key", 1);
        assert_eq!(memory.get("key").unwrap().slot, slot);
        assert!(memory.hit(slot, 0.0, 1.0));
        assert!(!memory.hit(slot, 0.0, 0.0));
        let again = insert(&memory, "key", 1);
        assert!(!memory.hit(slot, 0.0, 1.0) && memory.hit(again, 0.0, 1.0));
        assert_eq!((memory.len(), memory.freed()), (1, vec![slot]));
        assert!(memory.remove("key") && !memory.remove("key"));
        assert!(memory.is_empty() && memory.get("key").is_none() && !memory.hit(again, 0.0, 1.0));
    }

    #[test]
    fn what_is_promoted_does_not_replace_what_is_newer() {
        let memory = Memory::new(10, 1_000, 0.0);
        let at = |timestamp| Stamp { timestamp, ..STAMP };
        assert!(memory.promote("key", at(5.0), None, 1).is_some());
        assert!(memory.promote("key", at(4.0), None, 1).is_none());
        assert!(memory.promote("key", at(5.0), None, 1).is_some());
        assert_eq!(memory.get("key").unwrap().stamp, at(5.0));
    }

    #[test]
    fn what_is_in_use_stays_and_what_is_new_comes_in() {
        let memory = Memory::new(10, 1_000, 0.0);
        let slots: Vec<u32> = (0..10).map(|n| insert(&memory, &n.to_string(), 1)).collect();
        for round in 10..200 {
            assert!(slots[..5].iter().all(|slot| memory.hit(*slot, 0.0, 1.0)));
            let slot = insert(&memory, &round.to_string(), 1);
            assert!(memory.hit(slot, 0.0, 1.0));
        }
        assert!((5..10).all(|n| memory.get(&n.to_string()).is_none()));
    }

    #[test]
    fn what_was_popular_makes_room() {
        let memory = Memory::new(10, 1_000, 0.0);
        let slots: Vec<u32> = (0..10).map(|n| insert(&memory, &n.to_string(), 1)).collect();
        for _ in 0..100 {
            assert!(slots.iter().all(|slot| memory.hit(*slot, 0.0, 1.0)));
        }
        for round in 10..20 {
            let slot = insert(&memory, &round.to_string(), 1);
            assert!(memory.hit(slot, 0.0, 1.0));
        }
        assert!((0..10).all(|n| memory.get(&n.to_string()).is_none()));
    }

    #[test]
    fn when_bounds_shrink_the_newest_stay() {
        let memory = Memory::new(10, 1_000, 0.0);
        for n in 0..10 {
            insert(&memory, &n.to_string(), 100);
        }
        assert_eq!(memory.fill(), 1.0);
        memory.resize(4, 1_000);
        let keys: Vec<String> = memory.keys().iter().map(|key| key.as_ref().to_owned()).collect();
        assert_eq!(
            (keys, memory.freed().len()),
            (["6", "7", "8", "9"].map(str::to_owned).into(), 6)
        );
        memory.resize(100, 10_000);
        assert_eq!((memory.len(), memory.fill()), (4, 0.04));
        assert!(memory.hit(memory.get("9").unwrap().slot, 0.0, 1.0));
    }

    proptest! {
        /// Whatever happens, the bounds hold, the books agree, and no slot is used twice.
        #[test]
        fn the_bounds_hold(
            mut max_entries in 1u64..6,
            mut max_bytes in 1u64..2_000,
            steps in prop::collection::vec((0u8..12, 0u64..700, 0u8..6), 1..80),
        ) {
            let memory = Memory::new(max_entries, max_bytes, 0.0);
            let mut sizes: HashMap<u32, u64> = HashMap::new();
            for (name, bytes, what) in steps {
                let key = name.to_string();
                match what {
                    0 => prop_assert_eq!(memory.get(&key).is_some(), memory.remove(&key)),
                    1 => prop_assert!(memory.get(&key).is_none_or(|held| memory.hit(held.slot, 0.0, 1.0))),
                    2 => {
                        (max_entries, max_bytes) = (u64::from(name) % 6 + 1, bytes + 1);
                        memory.resize(max_entries, max_bytes);
                    }
                    _ => {
                        let slot = insert(&memory, &key, bytes);
                        prop_assert!(sizes.insert(slot, bytes).is_none());
                    }
                }
                for slot in memory.freed() {
                    prop_assert!(sizes.remove(&slot).is_some());
                }
                let listed: Vec<Held> = memory.keys().iter().filter_map(|key| memory.get(key)).collect();
                prop_assert_eq!(listed.len(), sizes.len());
                prop_assert!(listed.iter().all(|held| sizes.contains_key(&held.slot)));
                prop_assert!(memory.len() as u64 <= max_entries);
                prop_assert!(sizes.values().sum::<u64>() <= max_bytes);
            }
        }
    }
}
