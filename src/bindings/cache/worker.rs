//! The thread behind the disk tier.

use std::{
    collections::VecDeque,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use napi::bindgen_prelude::{Either3, Null};
use parking_lot::Mutex;

use super::values::{DiskExtent, StoredEntry};
use crate::{
    bindings::settle::{Reporter, Ticket},
    cache::{Entry, Key, Store, Terms, disk::Extent},
    error::{Error, Result},
    runtime,
};

/// What is asked of the store.
pub(super) enum Job {
    Init,
    Load { key: Key, terms: Terms },
    Save { key: Key, entry: Entry },
    Remove { key: Key },
    RemoveExpired(Terms),
    RemoveAll,
    Verify,
    Extent,
}

type Answer = Either3<StoredEntry, DiskExtent, Null>;

#[derive(Default)]
struct Queue {
    /// Without a ticket nobody waits.
    jobs: VecDeque<(Option<Ticket>, Job)>,
    running: bool,
}

/// Does the jobs of one store in order, on one blocking thread at a time. Writes that stand in line
/// together are done together.
pub(super) struct Worker {
    store: Mutex<Store>,
    queue: Mutex<Queue>,
    reporter: Reporter,
}

/// How many jobs are answered with one wake-up.
const BATCH: usize = 64;

impl Worker {
    pub fn new(store: Store, reporter: Reporter) -> Self {
        Self { store: Mutex::new(store), queue: Mutex::default(), reporter }
    }

    pub fn push(worker: &Arc<Self>, ticket: Option<Ticket>, job: Job) {
        let mut queue = worker.queue.lock();
        queue.jobs.push_back((ticket, job));
        if !mem::replace(&mut queue.running, true) {
            drop(queue);
            let worker = Arc::clone(worker);
            runtime::spawn_blocking(move || worker.run());
        }
    }

    /// Reads an entry on this thread; `None` if that would have to wait for the disk or for other jobs.
    pub fn load_at_once(&self, key: Key, terms: &Terms) -> Option<Option<Entry>> {
        if self.queue.lock().running {
            return None;
        }
        self.store.try_lock()?.get_at_once(key, |stamp| stamp.may_be_served(terms))
    }

    fn run(&self) {
        let mut store = self.store.lock();
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
            let waiting = answers.into_iter();
            self.reporter
                .report_all(waiting.filter_map(|(ticket, answer)| Some((ticket?, answer))));
        }
    }

    fn next(&self) -> Option<Vec<(Option<Ticket>, Job)>> {
        let mut queue = self.queue.lock();
        queue.running = !queue.jobs.is_empty();
        let count = queue.jobs.len().min(BATCH);
        queue.running.then(|| queue.jobs.drain(..count).collect())
    }
}

fn answer(store: &mut Store, job: Job) -> Result<Answer> {
    Ok(match job {
        Job::Init => nothing(store.init()?),
        Job::Load { key, terms } => {
            let entry = store.get(key, |stamp| stamp.may_be_served(&terms));
            let stored = entry.map(|entry| StoredEntry::new(entry, &terms));
            stored.map_or(Either3::C(Null), Either3::A)
        }
        Job::Save { key, entry } => nothing(store.put(vec![(key, entry)])?),
        Job::Remove { key } => {
            extent(Extent { entries: u64::from(store.remove(key)?), ..Extent::default() })
        }
        Job::RemoveExpired(terms) => extent(store.remove_if(|stamp| !stamp.may_be_served(&terms))?),
        Job::RemoveAll => nothing(store.clear()?),
        Job::Verify => extent(store.verify()?),
        Job::Extent => extent(store.extent()?),
    })
}

/// Writes entries in one go; they succeed or fail together.
fn save(
    store: &mut Store,
    saves: Vec<(Option<Ticket>, Key, Entry)>,
) -> Vec<(Option<Ticket>, Result<Answer>)> {
    if saves.is_empty() {
        return Vec::new();
    }
    let tickets: Vec<_> = saves.iter().map(|(ticket, ..)| *ticket).collect();
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

fn nothing((): ()) -> Answer {
    Either3::C(Null)
}

fn extent(extent: Extent) -> Answer {
    Either3::B(extent.into())
}
