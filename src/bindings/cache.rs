//! `GitHubAPICache`: the memory tier on the JavaScript thread, the store on a blocking thread.

mod successors;
mod values;
mod worker;

use std::{path::PathBuf, sync::Arc};

use napi::{
    Env,
    bindgen_prelude::{Either3, Null, Undefined, Unknown},
};
use napi_derive::napi;
use parking_lot::Mutex;

pub use self::values::DiskExtent;
use self::{
    values::{CacheRules, EntryPolicy, HeldEntry, PromotedEntry, TtlBounds},
    worker::{Job, Worker},
};
use super::{
    raw::{self, Text},
    settle::{Settler, Ticket},
};
use crate::{
    cache::{Bounds, Changes, ContentTypes, Entry, Key, Memory, Meta, Policy, Stamp, Store, Terms},
    http_cache::Headers,
};

/// The public key of a request, given as `JSON.stringify({ url, headers })`.
#[napi(catch_unwind)]
pub fn cache_key(json: String) -> String {
    Key::of_request(&json).to_hex()
}

#[napi]
pub struct NativeCache {
    memory: Arc<Memory>,
    worker: Mutex<Arc<Worker>>,
    max_disk_bytes: u64,
    jitter: f64,
    adaptive: Option<Bounds>,
    content_types: ContentTypes,
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
            content_types: ContentTypes::new(rules.ttl_by_content_type),
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
    pub fn hold(&self, key: String, timestamp: f64, ttl: Option<f64>, bytes: f64) -> Vec<u32> {
        let stamp = Stamp::new(Key::named(&key), timestamp, ttl);
        self.with_freed(self.memory.insert(&key, stamp, None, bytes as u64))
    }

    /// Files a value from the disk in memory, as [`Self::hold`] does; `null` if one that was stored later is there.
    #[napi(catch_unwind)]
    pub fn promote(
        &self,
        key: String,
        timestamp: f64,
        ttl: Option<f64>,
        bytes: f64,
        learnt: Option<String>,
    ) -> Option<Vec<u32>> {
        let changes = learnt.and_then(|learnt| Changes::decode(&hex::decode(learnt).ok()?));
        let stamp = Stamp::new(Key::named(&key), timestamp, ttl);
        let slot = self.memory.promote(&key, stamp, changes, bytes as u64)?;
        Some(self.with_freed(slot))
    }

    /// How a value is kept that came in a response with these headers, names and values in turn; `null` if it must
    /// not be stored.
    #[napi(catch_unwind)]
    pub fn policy_of(&self, headers: Vec<String>, now: f64) -> Option<EntryPolicy> {
        let mut flat = headers.into_iter();
        let headers = Headers::new(std::iter::from_fn(|| flat.next().zip(flat.next())));
        Policy::of_response(headers, now as i64, &self.content_types).map(EntryPolicy::from)
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
        policy: EntryPolicy,
        default_ttl: f64,
    ) -> Vec<u32> {
        let EntryPolicy { ttl, must_revalidate, validator } = policy;
        let body = text.into_bytes();
        let bounds = self.adaptive.filter(|_| ttl.is_none());
        let changes = bounds.map(|_| self.look(&key, &body, timestamp, default_ttl));
        let learnt = changes.zip(bounds).map(|(changes, bounds)| changes.ttl(bounds));
        let disk_key = Key::named(&key);
        let stamp = Stamp::new(disk_key, timestamp, ttl.or(learnt));
        let slots = self.with_freed(self.memory.insert(&key, stamp, changes, body.len() as u64));
        let must_revalidate = must_revalidate.unwrap_or(false);
        let meta = Meta { must_revalidate, changes, validator }.encode();
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

    /// Reads an entry that is fresh, or stale for less than `grace` ms, into memory, if that needs no waiting for the
    /// disk. `null` if there is none; `undefined` if that can't be told without waiting.
    #[napi(catch_unwind)]
    pub fn promote_at_once(
        &self,
        key: String,
        now: f64,
        ttl: f64,
        grace: f64,
    ) -> Either3<PromotedEntry, Null, Undefined> {
        let terms = self.terms(now, ttl, grace);
        let worker = Arc::clone(&self.worker.lock());
        let Some(found) = worker.load_at_once(Key::named(&key), &terms) else {
            return Either3::C(());
        };
        let promoted = found.and_then(|Entry { stamp, meta, body }| {
            let Meta { must_revalidate, changes, validator } = Meta::decode(&meta);
            let slot = self.memory.promote(&key, stamp, changes, body.len() as u64)?;
            let (slots, fresh) = (self.with_freed(slot), stamp.is_fresh(&terms));
            Some(PromotedEntry { slots, text: Text::new(body), fresh, must_revalidate, validator })
        });
        promoted.map_or(Either3::B(Null), Either3::A)
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

    /// A slot, then those whose values are to be let go.
    fn with_freed(&self, slot: u32) -> Vec<u32> {
        let mut slots = vec![slot];
        slots.extend(self.memory.freed());
        slots
    }

    fn push(&self, ticket: Option<Ticket>, job: Job) {
        Worker::push(&self.worker.lock(), ticket, job);
    }
}
