//! Runs operations on the shared blocking threads, in the order `schedule` gives.
//!
//! A *runner* is a job on one of these threads. It takes one operation after the other and reports
//! outcomes in slices: a thread hop or a wake-up for each file would cost more than the file.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    adapt::Adaptive,
    control::Control,
    operation::{Output, Request},
    perform::perform,
    schedule::{Schedule, Started},
    settings::{Concurrency, Settings, Stats},
};
use crate::{
    error::{Error, Result},
    runtime,
};

/// More runners than these don't help a disk; the shared threads are there for others too.
const MOST_RUNNERS: usize = runtime::BLOCKING_THREADS / 2;
/// Nothing more starts while the caller has not taken as many bytes of what was read.
const MOST_HELD: usize = 64 << 20;
/// Outcomes reported together.
const SLICE: usize = 16;
/// An outcome waits no longer than this for others to be reported with, unless the next file is slow.
const LONGEST_WAIT: Duration = Duration::from_micros(250);
/// After so many operations a runner lets other work have its thread.
const TURN: usize = 256;

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

struct Shared<T> {
    state: Mutex<State<T>>,
    report: Box<Report<T>>,
    /// Bytes that operations have read and written.
    moved: AtomicU64,
    since: Instant,
    /// Bytes that were read and reported, and that the caller has not taken yet.
    held: AtomicUsize,
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

    /// Drops what has not started: each is reported as [`Error::QueueCleared`].
    pub fn clear(&self) {
        let cleared = self.0.lock().schedule.clear();
        (self.0.report)(cleared.into_iter().map(|tag| (tag, Err(Error::QueueCleared))).collect());
    }

    /// The caller has taken so many bytes of [`Output::Content`]. One who does not tell is soon served no more.
    pub fn taken(&self, bytes: usize) {
        let before = self.0.held.fetch_sub(bytes, Ordering::Relaxed);
        if before >= MOST_HELD && before - bytes < MOST_HELD {
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
    /// The state is consistent between any two calls on it, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts as many runners as there may be work for.
    fn start_runners(self: &Arc<Self>, mut state: MutexGuard<'_, State<T>>) {
        if self.is_full() {
            return;
        }
        let limit = MOST_RUNNERS.min(state.schedule.max_concurrency);
        let more = state.schedule.startable().min(limit.saturating_sub(state.runners));
        state.runners += more;
        drop(state);
        for _ in 0..more {
            self.spawn_runner();
        }
    }

    fn is_full(&self) -> bool {
        self.held.load(Ordering::Relaxed) >= MOST_HELD
    }

    fn spawn_runner(self: &Arc<Self>) {
        let shared = Arc::clone(self);
        runtime::spawn_blocking(move || shared.run());
    }

    /// A runner: works until nothing may start, or until its turn is over.
    fn run(self: Arc<Self>) {
        let mut outbox = Outbox { shared: &self, outcomes: Vec::new(), since: Instant::now() };
        for _ in 0..TURN {
            let Some(Started { id, tag, request }) = self.start() else { return };
            let began = Instant::now();
            let mut before_wait = || outbox.flush();
            let cancel = request.cancel.as_ref();
            let mut control = Control { cancel, before_wait: &mut before_wait, moved: &self.moved };
            let work = AssertUnwindSafe(|| perform(&request.operation, &mut control));
            let outcome = catch_unwind(work).unwrap_or_else(|panic| Err(Error::panicked(&*panic)));
            if let Ok(Output::Content(content)) = &outcome {
                self.held.fetch_add(content.len(), Ordering::Relaxed);
            }
            self.finish(id, outcome.is_ok(), began.elapsed());
            outbox.push(tag, outcome, began);
        }
        drop(outbox);
        self.spawn_runner();
    }

    /// The next operation; without one the runner counts as gone.
    fn start(&self) -> Option<Started<T>> {
        let mut state = self.lock();
        let started = if self.is_full() { None } else { state.schedule.start() };
        state.runners -= usize::from(started.is_none());
        started
    }

    fn finish(self: &Arc<Self>, id: u64, succeeded: bool, took: Duration) {
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

/// Outcomes of one runner that have not been reported; they are when it is dropped.
struct Outbox<'a, T> {
    shared: &'a Shared<T>,
    outcomes: Vec<(T, Result<Output>)>,
    since: Instant,
}

impl<T> Outbox<'_, T> {
    fn push(&mut self, tag: T, outcome: Result<Output>, began: Instant) {
        if self.outcomes.is_empty() {
            self.since = began;
        }
        self.outcomes.push((tag, outcome));
        if self.outcomes.len() >= SLICE || self.since.elapsed() > LONGEST_WAIT {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if !self.outcomes.is_empty() {
            (self.shared.report)(std::mem::take(&mut self.outcomes));
        }
    }
}

impl<T> Drop for Outbox<'_, T> {
    fn drop(&mut self) {
        self.flush();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::files::Operation;

    fn processor(
        settings: Settings,
    ) -> (Processor<usize>, mpsc::Receiver<(usize, Result<Output>)>) {
        let (sender, receiver) = mpsc::channel();
        let report = move |outcomes: Vec<_>| {
            outcomes.into_iter().for_each(|outcome| sender.send(outcome).unwrap());
        };
        (Processor::new(settings, report), receiver)
    }

    #[test]
    fn runs_what_depends_on_each_other_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/file");
        let (processor, outcomes) =
            processor(Settings { concurrency: Concurrency::AtMost(4), batch_size: 7 });
        let count = 600;
        processor.add((0..count).map(|tag| {
            let content = tag.to_string().into_bytes();
            let operation = match tag % 2 {
                0 => Operation::Write { path: path.clone(), content, options: Default::default() },
                _ => Operation::Read { path: path.clone() },
            };
            (tag, operation)
        }));
        for _ in 0..count {
            let (tag, outcome) = outcomes.recv().unwrap();
            let expected = match tag % 2 {
                0 => Output::Done,
                _ => Output::Content((tag - 1).to_string().into_bytes()),
            };
            assert_eq!(outcome.unwrap(), expected);
        }
        let stats = processor.stats();
        assert_eq!((stats.succeeded, stats.failed, stats.queued), (count as u64, 0, 0));
        assert_eq!(stats.success_rate(), "100.00%");
    }

    #[test]
    fn what_nobody_takes_holds_up_the_rest() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(MOST_HELD as u64 / 2).unwrap();
        let (processor, outcomes) =
            processor(Settings { concurrency: Concurrency::AtMost(1), batch_size: 50 });
        processor.add((0..6).map(|tag| (tag, Operation::Read { path: file.path().into() })));
        for _ in 0..3 {
            let pair = [outcomes.recv().unwrap(), outcomes.recv().unwrap()];
            while processor.stats().running > 0 {
                std::thread::yield_now();
            }
            let left = processor.stats().queued;
            assert!(outcomes.try_recv().is_err());
            assert_eq!(left, 4 - pair[0].0);
            for (_, outcome) in pair {
                let Output::Content(content) = outcome.unwrap() else { panic!("not a content") };
                processor.taken(content.len());
            }
        }
    }

    #[test]
    fn clearing_reports_what_never_started() {
        let (processor, outcomes) =
            processor(Settings { concurrency: Concurrency::AtMost(0), batch_size: 50 });
        processor.add([(1, Operation::Read { path: "/nowhere".into() })]);
        processor.clear();
        let (tag, outcome) = outcomes.recv().unwrap();
        assert_eq!((tag, outcome.unwrap_err().code()), (1, "ERR_AIWF_QUEUE_CLEARED"));
        assert_eq!(processor.stats(), Stats::default());
        assert_eq!(processor.stats().success_rate(), "0%");
    }
}
