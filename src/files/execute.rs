//! Runs operations on the shared blocking threads, in the order `schedule` gives.
//!
//! A *runner* (see `runner`) is a job on one of these threads. There are as many as there are cores at first, which
//! keeps the cores busy while nothing waits for the disk; each that has to wait brings in another, up to a limit.

use std::{
    sync::{
        Arc, LazyLock, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use parking_lot::{Mutex, MutexGuard};

use super::{
    adapt::Adaptive,
    operation::{Output, Request},
    runner,
    schedule::{Schedule, Started, Step},
    settings::{Concurrency, Settings, Stats},
};
use crate::{
    error::{Error, Result},
    runtime,
};

/// More runners than these don't help a disk; the shared threads are there for others too.
const MOST_RUNNERS: usize = runtime::BLOCKING_THREADS / 2;
static CORES: LazyLock<usize> =
    LazyLock::new(|| thread::available_parallelism().map_or(1, usize::from));
/// Nothing more starts while the caller has not taken as much of what was read (see [`Output::weight`]).
const MOST_HELD: usize = 64 << 20;
/// What was cleared is reported in parts, so that others get the thread between them.
const CLEARED_AT_ONCE: usize = 1000;
/// While the caller lags behind by this much, one runner is enough: the cores are better left to it.
const ENOUGH_HELD: usize = 1 << 20;

/// Takes file operations, each with a tag, and reports the tags with the outcomes.
#[derive(Clone)]
pub struct Processor<T>(Arc<Shared<T>>);

/// A [`Processor`] that does not keep it alive, such as for its own reports.
pub struct WeakProcessor<T>(Weak<Shared<T>>);

impl<T> WeakProcessor<T> {
    pub fn upgrade(&self) -> Option<Processor<T>> {
        self.0.upgrade().map(Processor)
    }
}

type Report<T> = dyn Fn(Vec<(T, Result<Output>)>) + Send + Sync;

pub(super) struct Shared<T> {
    state: Mutex<State<T>>,
    pub(super) report: Box<Report<T>>,
    /// Bytes that operations have read and written.
    pub(super) moved: AtomicU64,
    since: Instant,
    /// The weight of what was read and the caller has not taken yet.
    pub(super) held: AtomicUsize,
}

struct State<T> {
    schedule: Schedule<T>,
    /// Sets the schedule's limit, with [`Concurrency::Auto`].
    adaptive: Option<Adaptive>,
    runners: usize,
    succeeded: u64,
    failed: u64,
    busy: Duration,
}

impl<T: Send + 'static> Processor<T> {
    /// `report` is called on any thread, several times at once, and should be quick.
    pub fn new(
        settings: Settings,
        report: impl Fn(Vec<(T, Result<Output>)>) + Send + Sync + 'static,
    ) -> Self {
        let mut state = State {
            schedule: Schedule::new(0, 0),
            adaptive: None,
            runners: 0,
            succeeded: 0,
            failed: 0,
            busy: Duration::ZERO,
        };
        state.configure(settings);
        Self(Arc::new(Shared {
            state: Mutex::new(state),
            report: Box::new(report),
            moved: AtomicU64::new(0),
            since: Instant::now(),
            held: AtomicUsize::new(0),
        }))
    }

    pub fn downgrade(&self) -> WeakProcessor<T> {
        WeakProcessor(Arc::downgrade(&self.0))
    }

    /// Queues operations; returns at once.
    pub fn add<R: Into<Request>>(&self, requests: impl IntoIterator<Item = (T, R)>) {
        let mut state = self.0.lock();
        if state.schedule.queued() + state.schedule.running() == 0
            && let Some(adaptive) = &mut state.adaptive
        {
            adaptive.begin(self.0.since.elapsed(), self.0.moved.load(Ordering::Relaxed));
        }
        state.schedule.add(requests);
        self.0.start_runners(state);
    }

    pub fn configure(&self, settings: Settings) {
        let mut state = self.0.lock();
        state.configure(settings);
        self.0.start_runners(state);
    }

    /// Drops what has not started: each is reported as [`Error::QueueCleared`], and so are `more`, which were never
    /// added. Returns at once, however many these are.
    pub fn clear(&self, more: Vec<T>) {
        let cleared = self.0.lock().schedule.clear();
        let shared = Arc::clone(&self.0);
        // Threads for files may all have to wait.
        runtime::spawn(async move {
            let mut tags = cleared.tags().chain(more).peekable();
            while tags.peek().is_some() {
                let some = tags.by_ref().take(CLEARED_AT_ONCE);
                (shared.report)(some.map(|tag| (tag, Err(Error::QueueCleared))).collect());
                tokio::task::yield_now().await;
            }
        });
    }

    /// The caller has taken outputs of this weight. One who does not tell is soon served no more.
    pub fn taken(&self, weight: usize) {
        let before = self.0.held.fetch_sub(weight, Ordering::Relaxed);
        let falls_below = |limit| before >= limit && before - weight < limit;
        if falls_below(MOST_HELD) || falls_below(ENOUGH_HELD) {
            self.0.start_runners(self.0.lock());
        }
    }

    /// Drops what was cancelled and has not started: each is reported as [`Error::Aborted`]. What runs notices by
    /// itself.
    pub fn withdraw(&self) {
        let withdrawn = self.0.lock().schedule.withdraw();
        (self.0.report)(withdrawn.into_iter().map(|tag| (tag, Err(Error::Aborted))).collect());
    }

    /// Starts nothing more until it is told to go on; what runs goes on.
    pub fn pause(&self, paused: bool) {
        let mut state = self.0.lock();
        state.schedule.paused = paused;
        self.0.start_runners(state);
    }

    pub fn stats(&self) -> Stats {
        let state = self.0.lock();
        Stats {
            succeeded: state.succeeded,
            failed: state.failed,
            busy: state.busy,
            queued: state.schedule.queued(),
            running: state.schedule.running(),
            bytes: self.0.moved.load(Ordering::Relaxed),
            decisions: state.adaptive.as_ref().map(Adaptive::decisions),
        }
    }
}

impl<T> State<T> {
    fn configure(&mut self, settings: Settings) {
        self.schedule.batch_size = settings.batch_size;
        self.schedule.max_concurrency = match settings.concurrency {
            Concurrency::AtMost(limit) => {
                self.adaptive = None;
                limit
            }
            Concurrency::Auto => {
                let adaptive = self.adaptive.get_or_insert_with(|| Adaptive::new(MOST_RUNNERS));
                adaptive.decisions().limit
            }
        };
    }
}

impl<T: Send + 'static> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock()
    }

    /// Starts as many runners as there may be work for. One who looks for the best number gets all it wants.
    fn start_runners(self: &Arc<Self>, state: MutexGuard<'_, State<T>>) {
        let enough = if state.adaptive.is_some() { MOST_RUNNERS } else { *CORES };
        self.start_runners_up_to(enough, state);
    }

    /// One runner has to wait and leaves its core to another.
    pub(super) fn start_another(self: &Arc<Self>) {
        let state = self.lock();
        self.start_runners_up_to(state.runners + 1, state);
    }

    fn start_runners_up_to(self: &Arc<Self>, enough: usize, mut state: MutexGuard<'_, State<T>>) {
        let limit = enough.min(self.useful_runners()).min(state.schedule.max_concurrency);
        let more = state.schedule.startable().min(limit.saturating_sub(state.runners));
        state.runners += more;
        drop(state);
        for _ in 0..more {
            runner::spawn(Arc::clone(self));
        }
    }

    fn useful_runners(&self) -> usize {
        match self.held.load(Ordering::Relaxed) {
            MOST_HELD.. => 0,
            ENOUGH_HELD.. => 1,
            _ => MOST_RUNNERS,
        }
    }

    /// The next operation; without one the runner counts as gone.
    pub(super) fn start(&self) -> Option<Started<T>> {
        let mut state = self.lock();
        while state.runners <= self.useful_runners() {
            match state.schedule.step() {
                Step::Start(started) => return Some(started),
                Step::Again => MutexGuard::bump(&mut state),
                Step::Nothing => break,
            }
        }
        state.runners -= 1;
        None
    }

    pub(super) fn finish(self: &Arc<Self>, id: u64, succeeded: bool, took: Duration) {
        let mut state = self.lock();
        state.schedule.finish(id);
        state.busy += took;
        if let Some(adaptive) = &mut state.adaptive {
            adaptive.finish(self.since.elapsed(), took, self.moved.load(Ordering::Relaxed));
            state.schedule.max_concurrency = adaptive.decisions().limit;
        }
        if succeeded {
            state.succeeded += 1;
        } else {
            state.failed += 1;
        }
        // It may have freed several that waited for it; this runner takes one.
        if state.schedule.startable() > 1 {
            self.start_runners(state);
        }
    }
}

#[cfg(test)]
mod tests;
