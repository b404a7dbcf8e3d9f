//! `GitHubAPICache`: the memory tier on the JavaScript thread, the store on a blocking thread.

use std::{
    collections::VecDeque,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use napi::{
    Env,
    bindgen_prelude::{Either3, Null, Unknown, Utf16String},
};
use napi_derive::napi;

use super::{
    raw,
    settle::{Reporter, Settler, Ticket},
};
use crate::{
    cache::{
        Entry, Key, Memory, Stamp, Store,
        disk::Extent,
        memory::{Kind, Request, marked},
    },
    error::{Error, Result},
    runtime,
};

/// The public key of a request, given as `JSON.stringify({ url, headers })`.
#[napi(catch_unwind)]
pub fn cache_key(json: String) -> String {
    Key::of_request(&json).to_hex()
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
    pub meta: String,
    pub fresh: bool,
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
}

#[napi]
impl NativeCache {
    #[napi(constructor, catch_unwind)]
    pub fn new(
        settler: &Settler,
        cache_dir: String,
        max_entries: f64,
        max_memory_bytes: f64,
        max_disk_bytes: f64,
    ) -> Self {
        let memory = Arc::new(Memory::new(max_entries as u64, max_memory_bytes as u64));
        let max_disk_bytes = max_disk_bytes as u64;
        let store = Store::new(PathBuf::from(cache_dir), max_disk_bytes);
        let worker = Mutex::new(Arc::new(Worker::new(store, settler.reporter())));
        Self { memory, worker, max_disk_bytes }
    }

    /// A function `(request, now, ttl, json?) => slot | -1`; see `raw`.
    #[napi(
        catch_unwind,
        ts_return_type = "(request: string, now: number, ttl: number, json?: true) => number"
    )]
    pub fn probe<'env>(&self, env: &'env Env) -> napi::Result<Unknown<'env>> {
        raw::probe(env, Arc::clone(&self.memory))
    }

    /// Files a value in memory. Returns its slot, then the slots whose values are to be let go, in this
    /// order.
    #[napi(catch_unwind)]
    pub fn insert(
        &self,
        request: Option<Utf16String>,
        json: bool,
        key: String,
        timestamp: f64,
        ttl: Option<f64>,
        bytes: f64,
    ) -> Vec<u32> {
        let kind = if json { Kind::Json } else { Kind::Url };
        let request: Option<Request> = request
            .filter(|text| text.len() < raw::LONGEST_REQUEST)
            .map(|text| marked(kind, text.iter().copied()));
        let stamp = Stamp { timestamp, ttl };
        let mut slots = vec![self.memory.insert(request, &key, stamp, bytes as u64)];
        slots.extend(self.memory.freed());
        slots
    }

    /// The slot of an entry that is fresh, or stale for less than `grace` ms; else -1.
    #[napi(catch_unwind)]
    pub fn find(&self, key: String, now: f64, ttl: f64, grace: f64) -> i32 {
        let held = self.memory.get_by_key(&key);
        let held = held.filter(|held| held.stamp.is_within(now, ttl, grace));
        held.map_or(-1, |held| held.slot as i32)
    }

    /// An entry in memory, fresh or not.
    #[napi(catch_unwind)]
    pub fn held(&self, key: String) -> Option<HeldEntry> {
        let held = self.memory.get_by_key(&key)?;
        Some(HeldEntry { slot: held.slot, timestamp: held.stamp.timestamp, ttl: held.stamp.ttl })
    }

    /// Takes an entry out of memory.
    #[napi(catch_unwind)]
    pub fn forget(&self, key: String) -> bool {
        self.memory.remove(&key)
    }

    /// Takes the expired entries out of memory; returns how many.
    #[napi(catch_unwind)]
    pub fn forget_expired(&self, now: f64, ttl: f64) -> u32 {
        self.memory.remove_if(|stamp| !stamp.is_fresh(now, ttl)) as u32
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
        self.memory.list().into_iter().map(|(key, _)| key.as_ref().to_owned()).collect()
    }

    #[napi(getter)]
    pub fn size(&self) -> u32 {
        self.memory.len() as u32
    }

    /// Uses another folder from now on. What was begun ends in the old one.
    #[napi(catch_unwind)]
    pub fn use_folder(&self, settler: &Settler, cache_dir: String) {
        let store = Store::new(PathBuf::from(cache_dir), self.max_disk_bytes);
        *lock(&self.worker) = Arc::new(Worker::new(store, settler.reporter()));
    }

    /// Makes the folder.
    #[napi(catch_unwind)]
    pub fn init(&self, ticket: Ticket) {
        self.push(ticket, Job::Init);
    }

    /// Reads an entry that is fresh, or stale for less than `grace` ms: a `StoredEntry` or `null`.
    #[napi(catch_unwind)]
    pub fn load(&self, ticket: Ticket, key: String, now: f64, ttl: f64, grace: f64) {
        self.push(ticket, Job::Load { key: Key::named(&key), now, ttl, grace });
    }

    /// Writes an entry; `text` is JSON.
    #[napi(catch_unwind)]
    pub fn save(
        &self,
        ticket: Ticket,
        key: String,
        text: String,
        timestamp: f64,
        ttl: Option<f64>,
        meta: Option<String>,
    ) {
        let (body, meta) = (text.into_bytes(), meta.unwrap_or_default().into_bytes());
        let entry = Entry { stamp: Stamp { timestamp, ttl }, meta, body };
        self.push(ticket, Job::Save { key: Key::named(&key), entry });
    }

    /// Removes an entry: a `DiskExtent` of how many there were.
    #[napi(catch_unwind)]
    pub fn remove(&self, ticket: Ticket, key: String) {
        self.push(ticket, Job::Remove { key: Key::named(&key) });
    }

    /// Removes what is expired: a `DiskExtent`.
    #[napi(catch_unwind)]
    pub fn remove_expired(&self, ticket: Ticket, now: f64, ttl: f64) {
        self.push(ticket, Job::RemoveExpired { now, ttl });
    }

    /// Removes everything.
    #[napi(catch_unwind)]
    pub fn remove_all(&self, ticket: Ticket) {
        self.push(ticket, Job::RemoveAll);
    }

    /// Removes what is damaged: a `DiskExtent`.
    #[napi(catch_unwind)]
    pub fn verify(&self, ticket: Ticket) {
        self.push(ticket, Job::Verify);
    }

    /// Entries and bytes on disk: a `DiskExtent`.
    #[napi(catch_unwind)]
    pub fn extent(&self, ticket: Ticket) {
        self.push(ticket, Job::Extent);
    }

    fn push(&self, ticket: Ticket, job: Job) {
        let worker = Arc::clone(&lock(&self.worker));
        let mut queue = lock(&worker.queue);
        queue.jobs.push_back((ticket, job));
        if !mem::replace(&mut queue.running, true) {
            drop(queue);
            runtime::spawn_blocking(move || worker.run());
        }
    }
}

/// What is asked of the store.
enum Job {
    Init,
    Load { key: Key, now: f64, ttl: f64, grace: f64 },
    Save { key: Key, entry: Entry },
    Remove { key: Key },
    RemoveExpired { now: f64, ttl: f64 },
    RemoveAll,
    Verify,
    Extent,
}

type Answer = Either3<StoredEntry, DiskExtent, Null>;

#[derive(Default)]
struct Queue {
    jobs: VecDeque<(Ticket, Job)>,
    running: bool,
}

/// Does the jobs of one store in order, on one blocking thread at a time. Writes that stand in line
/// together are done together.
struct Worker {
    store: Mutex<Store>,
    queue: Mutex<Queue>,
    reporter: Reporter,
}

/// How many jobs are answered with one wake-up.
const BATCH: usize = 64;

impl Worker {
    fn new(store: Store, reporter: Reporter) -> Self {
        Self { store: Mutex::new(store), queue: Mutex::default(), reporter }
    }

    fn run(&self) {
        let mut store = lock(&self.store);
        while let Some(jobs) = self.next() {
            let mut answers = Vec::with_capacity(jobs.len());
            let mut saves = Vec::new();
            for (ticket, job) in jobs {
                match job {
                    Job::Save { key, entry } => saves.push((ticket, key, entry)),
                    job => {
                        answers.extend(save(&mut store, mem::take(&mut saves)));
                        answers.push((ticket, contained(&mut store, |store| answer(store, job))));
                    }
                }
            }
            answers.extend(save(&mut store, saves));
            self.reporter.report_all(answers);
        }
    }

    fn next(&self) -> Option<Vec<(Ticket, Job)>> {
        let mut queue = lock(&self.queue);
        queue.running = !queue.jobs.is_empty();
        let count = queue.jobs.len().min(BATCH);
        queue.running.then(|| queue.jobs.drain(..count).collect())
    }
}

fn answer(store: &mut Store, job: Job) -> Result<Answer> {
    Ok(match job {
        Job::Init => nothing(store.init()?),
        Job::Load { key, now, ttl, grace } => {
            let entry = store.get(key, |stamp| stamp.is_within(now, ttl, grace));
            entry.and_then(|entry| stored(entry, now, ttl)).map_or(Either3::C(Null), Either3::A)
        }
        Job::Save { key, entry } => nothing(store.put(vec![(key, entry)])?),
        Job::Remove { key } => {
            extent(Extent { entries: u64::from(store.remove(key)?), ..Extent::default() })
        }
        Job::RemoveExpired { now, ttl } => {
            extent(store.remove_if(|stamp| !stamp.is_fresh(now, ttl))?)
        }
        Job::RemoveAll => nothing(store.clear()?),
        Job::Verify => extent(store.verify()?),
        Job::Extent => extent(store.extent()?),
    })
}

/// Writes entries in one go; they succeed or fail together.
fn save(store: &mut Store, saves: Vec<(Ticket, Key, Entry)>) -> Vec<(Ticket, Result<Answer>)> {
    let tickets: Vec<Ticket> = saves.iter().map(|(ticket, ..)| *ticket).collect();
    let entries = saves.into_iter().map(|(_, key, entry)| (key, entry)).collect();
    match contained(store, |store| store.put(entries)) {
        Ok(()) => tickets.into_iter().map(|ticket| (ticket, Ok(nothing(())))).collect(),
        Err(error) => {
            let error = Arc::new(error);
            let failed = |ticket| (ticket, Err(Error::Shared(Arc::clone(&error))));
            tickets.into_iter().map(failed).collect()
        }
    }
}

/// Runs `work`; after a panic the store looks at its files anew.
fn contained<T>(store: &mut Store, work: impl FnOnce(&mut Store) -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(|| work(store))).unwrap_or_else(|panic| {
        store.close();
        Err(Error::panicked(&*panic))
    })
}

/// The digest has vouched for the bytes, so they are the text that was given.
fn stored(entry: Entry, now: f64, ttl: f64) -> Option<StoredEntry> {
    Some(StoredEntry {
        fresh: entry.stamp.is_fresh(now, ttl),
        text: String::from_utf8(entry.body).ok()?,
        timestamp: entry.stamp.timestamp,
        ttl: entry.stamp.ttl,
        meta: String::from_utf8(entry.meta).ok()?,
    })
}

fn nothing((): ()) -> Answer {
    Either3::C(Null)
}

fn extent(extent: Extent) -> Answer {
    Either3::B(DiskExtent { entries: extent.entries as f64, bytes: extent.bytes as f64 })
}

/// These mutexes guard plain queues, and a store that is reset after a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
