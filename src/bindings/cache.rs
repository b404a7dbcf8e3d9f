//! `GitHubAPICache`: the memory tier on the JavaScript thread, the store on a blocking thread.

mod worker;

use std::{path::PathBuf, sync::Arc};

use napi::{
    Env,
    bindgen_prelude::{Either3, Null, Undefined, Unknown},
};
use napi_derive::napi;
use parking_lot::Mutex;

use self::worker::{Job, Worker};
use super::{
    raw,
    settle::{Settler, Ticket},
};
use crate::cache::{Bounds, Changes, Entry, Key, Memory, Meta, Stamp, Store, Successors, Terms};

/// The public key of a request, given as `JSON.stringify({ url, headers })`.
#[napi(catch_unwind)]
pub fn cache_key(json: String) -> String {
    Key::of_request(&json).to_hex()
}

/// The bounds of a cache, and how it judges what is fresh.
#[napi(object)]
pub struct CacheRules {
    pub max_entries: f64,
    pub max_memory_bytes: f64,
    pub max_disk_bytes: f64,
    /// By how much of its time an entry may expire sooner, 0 to 1.
    pub jitter: f64,
    /// The bounds of times to live that are learnt, in milliseconds.
    pub adaptive_ttl: Option<TtlBounds>,
}

/// In milliseconds.
#[napi(object)]
pub struct TtlBounds {
    pub min: f64,
    pub max: f64,
}

/// Where an entry in memory has its value, and how long it is good.
#[napi(object)]
pub struct HeldEntry {
    pub slot: u32,
    pub timestamp: f64,
    pub ttl: Option<f64>,
}

/// An entry as it comes from the disk.
#[napi(object)]
pub struct StoredEntry {
    /// JSON.
    pub text: String,
    pub timestamp: f64,
    pub ttl: Option<f64>,
    pub fresh: bool,
    /// What it came with.
    pub validator: Option<String>,
    /// What was learnt of its changes; for `hold`.
    pub learnt: Option<String>,
}

/// Entries and bytes.
#[napi(object)]
pub struct DiskExtent {
    pub entries: f64,
    pub bytes: f64,
}

#[napi]
pub struct NativeCache {
    memory: Arc<Memory>,
    worker: Mutex<Arc<Worker>>,
    max_disk_bytes: u64,
    jitter: f64,
    adaptive: Option<Bounds>,
}

#[napi]
impl NativeCache {
    #[napi(constructor, catch_unwind)]
    pub fn new(settler: &Settler, cache_dir: String, rules: CacheRules) -> Self {
        let CacheRules { max_entries, max_memory_bytes, max_disk_bytes, jitter, .. } = rules;
        let memory = Memory::new(max_entries as u64, max_memory_bytes as u64, jitter);
        let store = Store::new(PathBuf::from(cache_dir), max_disk_bytes as u64);
        Self {
            memory: Arc::new(memory),
            worker: Mutex::new(Arc::new(Worker::new(store, settler.reporter()))),
            max_disk_bytes: max_disk_bytes as u64,
            jitter,
            adaptive: rules.adaptive_ttl.map(|TtlBounds { min, max }| Bounds { min, max }),
        }
    }

    /// A function `(slot, now, ttl) => boolean`; see `raw`.
    #[napi(catch_unwind, ts_return_type = "(slot: number, now: number, ttl: number) => boolean")]
    pub fn hit<'env>(&self, env: &'env Env) -> napi::Result<Unknown<'env>> {
        raw::hit(env, Arc::clone(&self.memory))
    }

    /// Files a value in memory only. Returns its slot, then the slots whose values are to be let go, in this
    /// order.
    #[napi(catch_unwind)]
    pub fn hold(
        &self,
        key: String,
        timestamp: f64,
        ttl: Option<f64>,
        bytes: f64,
        learnt: Option<String>,
    ) -> Vec<u32> {
        let changes = learnt.and_then(|learnt| Changes::decode(&hex::decode(learnt).ok()?));
        self.insert(&key, Stamp::new(Key::named(&key), timestamp, ttl), changes, bytes as u64)
    }

    /// Files a value in memory, as [`Self::hold`] does, and writes it to the disk; `text` is its JSON.
    /// `default_ttl` is where learning its time to live starts.
    #[napi(catch_unwind)]
    pub fn save(
        &self,
        ticket: Ticket,
        key: String,
        text: String,
        timestamp: f64,
        ttl: Option<f64>,
        default_ttl: f64,
        validator: Option<String>,
    ) -> Vec<u32> {
        let body = text.into_bytes();
        let bounds = self.adaptive.filter(|_| ttl.is_none());
        let changes = bounds.map(|_| self.look(&key, &body, timestamp, default_ttl));
        let learnt = changes.zip(bounds).map(|(changes, bounds)| changes.ttl(bounds));
        let disk_key = Key::named(&key);
        let stamp = Stamp::new(disk_key, timestamp, ttl.or(learnt));
        let slots = self.insert(&key, stamp, changes, body.len() as u64);
        let meta = Meta { changes, validator }.encode();
        let entry = Entry { stamp, meta, body };
        self.push(Some(ticket), Job::Save { key: disk_key, entry });
        slots
    }

    /// The slot of an entry that is fresh, or stale for less than `grace` ms; else -1.
    #[napi(catch_unwind)]
    pub fn find(&self, key: String, now: f64, ttl: f64, grace: f64) -> i32 {
        let terms = self.terms(now, ttl, grace);
        let held = self.memory.get(&key).filter(|held| held.stamp.may_be_served(&terms));
        held.map_or(-1, |held| held.slot as i32)
    }

    /// An entry in memory, fresh or not.
    #[napi(catch_unwind)]
    pub fn held(&self, key: String) -> Option<HeldEntry> {
        let held = self.memory.get(&key)?;
        Some(HeldEntry { slot: held.slot, timestamp: held.stamp.timestamp, ttl: held.stamp.ttl })
    }

    /// Takes an entry out of memory.
    #[napi(catch_unwind)]
    pub fn forget(&self, key: String) -> bool {
        self.memory.remove(&key)
    }

    /// Takes out of memory what is expired for `grace` ms; returns how many.
    #[napi(catch_unwind)]
    pub fn forget_expired(&self, now: f64, ttl: f64, grace: f64) -> u32 {
        let terms = self.terms(now, ttl, grace);
        self.memory.remove_if(|stamp| !stamp.may_be_served(&terms)) as u32
    }

    /// Empties the memory tier.
    #[napi(catch_unwind)]
    pub fn forget_all(&self) {
        self.memory.clear();
    }

    /// The slots whose values are to be let go since the last call.
    #[napi(catch_unwind)]
    pub fn freed(&self) -> Vec<u32> {
        self.memory.freed()
    }

    /// The keys in memory, in the order of insertion.
    #[napi(catch_unwind)]
    pub fn keys(&self) -> Vec<String> {
        self.memory.keys().into_iter().map(|key| key.as_ref().to_owned()).collect()
    }

    #[napi(getter)]
    pub fn size(&self) -> u32 {
        self.memory.len() as u32
    }

    /// Other bounds of the memory tier. Slots that empty are among [`Self::freed`].
    #[napi(catch_unwind)]
    pub fn resize(&self, max_entries: f64, max_memory_bytes: f64) {
        self.memory.resize(max_entries as u64, max_memory_bytes as u64);
    }

    /// The share of the memory tier's room that is taken, 0 to 1.
    #[napi(getter)]
    pub fn fill(&self) -> f64 {
        self.memory.fill()
    }

    /// Uses another folder from now on. What was begun ends in the old one.
    #[napi(catch_unwind)]
    pub fn use_folder(&self, settler: &Settler, cache_dir: String) {
        let store = Store::new(PathBuf::from(cache_dir), self.max_disk_bytes);
        *self.worker.lock() = Arc::new(Worker::new(store, settler.reporter()));
    }

    /// Makes the folder.
    #[napi(catch_unwind)]
    pub fn init(&self, ticket: Ticket) {
        self.push(Some(ticket), Job::Init);
    }

    /// Reads an entry that is fresh, or stale for less than `grace` ms, if that needs no waiting for the
    /// disk. `null` if there is none; `undefined` if that can't be told without waiting.
    #[napi(catch_unwind)]
    pub fn load_at_once(
        &self,
        key: String,
        now: f64,
        ttl: f64,
        grace: f64,
    ) -> Either3<StoredEntry, Null, Undefined> {
        let worker = Arc::clone(&self.worker.lock());
        match worker.load_at_once(Key::named(&key), &self.terms(now, ttl, grace)) {
            Some(Some(stored)) => Either3::A(stored),
            Some(None) => Either3::B(Null),
            None => Either3::C(()),
        }
    }

    /// Reads an entry that is fresh, or stale for less than `grace` ms: a `StoredEntry` or `null`.
    #[napi(catch_unwind)]
    pub fn load(&self, ticket: Ticket, key: String, now: f64, ttl: f64, grace: f64) {
        let terms = self.terms(now, ttl, grace);
        self.push(Some(ticket), Job::Load { key: Key::named(&key), terms });
    }

    /// Removes an entry: a `DiskExtent` of how many there were.
    #[napi(catch_unwind)]
    pub fn remove(&self, ticket: Ticket, key: String) {
        self.push(Some(ticket), Job::Remove { key: Key::named(&key) });
    }

    /// Removes what is expired: a `DiskExtent`.
    #[napi(catch_unwind)]
    pub fn remove_expired(&self, ticket: Ticket, now: f64, ttl: f64) {
        self.push(Some(ticket), Job::RemoveExpired(self.terms(now, ttl, 0.0)));
    }

    /// Removes from the disk what is expired for `grace` ms. Nobody waits for that.
    #[napi(catch_unwind)]
    pub fn sweep(&self, now: f64, ttl: f64, grace: f64) {
        self.push(None, Job::RemoveExpired(self.terms(now, ttl, grace)));
    }

    /// Removes everything.
    #[napi(catch_unwind)]
    pub fn remove_all(&self, ticket: Ticket) {
        self.push(Some(ticket), Job::RemoveAll);
    }

    /// Removes what is damaged: a `DiskExtent`.
    #[napi(catch_unwind)]
    pub fn verify(&self, ticket: Ticket) {
        self.push(Some(ticket), Job::Verify);
    }

    /// Entries and bytes on disk: a `DiskExtent`.
    #[napi(catch_unwind)]
    pub fn extent(&self, ticket: Ticket) {
        self.push(Some(ticket), Job::Extent);
    }

    fn terms(&self, now: f64, ttl: f64, grace: f64) -> Terms {
        Terms { now, ttl, jitter: self.jitter, grace }
    }

    /// What is known of the changes of an entry, now that it is `body`.
    fn look(&self, key: &str, body: &[u8], now: f64, ttl: f64) -> Changes {
        let held = self.memory.get(key);
        let known = held.and_then(|held| Some((held.changes?, now - held.stamp.timestamp)));
        match known {
            Some((changes, elapsed)) => changes.again(body, elapsed),
            None => Changes::first(body, ttl),
        }
    }

    fn insert(&self, key: &str, stamp: Stamp, changes: Option<Changes>, bytes: u64) -> Vec<u32> {
        let mut slots = vec![self.memory.insert(key, stamp, changes, bytes)];
        slots.extend(self.memory.freed());
        slots
    }

    fn push(&self, ticket: Option<Ticket>, job: Job) {
        Worker::push(&self.worker.lock(), ticket, job);
    }
}

/// What is asked for next, learnt from what was asked for.
#[napi]
pub struct NativeSuccessors(Mutex<Successors>);

#[napi]
impl NativeSuccessors {
    #[napi(constructor, catch_unwind)]
    pub fn new(max_requests: f64) -> Self {
        Self(Mutex::new(Successors::new(max_requests as u64)))
    }

    /// Notes a request; the one that is likely to follow.
    #[napi(catch_unwind)]
    pub fn visit(&self, request: String) -> Option<String> {
        self.0.lock().visit(&request).map(|next| next.as_ref().to_owned())
    }
}
