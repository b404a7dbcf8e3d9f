//! One thread's part in the work: it takes one operation after the other and reports outcomes in slices, since a
//! thread hop or a wake-up for each file would cost more than the file.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use bytes::BytesMut;

use super::{
    buffers::Buffers,
    control::Control,
    execute::Shared,
    operation::{Output, Request},
    perform::perform,
    schedule::Started,
};
use crate::{
    error::{Error, Result},
    runtime,
};

/// Outcomes reported together.
const SLICE: usize = 16;
/// An outcome waits no longer than this for others to be reported with, unless the next file is slow.
const LONGEST_WAIT: Duration = Duration::from_micros(250);
/// After so many operations a runner lets other work have its thread.
const TURN: usize = 256;
/// An operation that took no longer did not wait for a disk.
const QUICK: Duration = Duration::from_micros(100);

/// Starts a runner, which the caller has counted: it works until nothing may start, or until its turn is over.
pub(super) fn spawn<T: Send + 'static>(shared: Arc<Shared<T>>) {
    spawn_with(shared, Buffers::new());
}

fn spawn_with<T: Send + 'static>(shared: Arc<Shared<T>>, buffers: Buffers) {
    runtime::spawn_blocking(move || run(shared, buffers));
}

fn run<T: Send + 'static>(shared: Arc<Shared<T>>, mut buffers: Buffers) {
    let mut outbox = Outbox { shared: &shared, outcomes: Vec::new(), since: Instant::now() };
    let mut waits = Waits::so_far();
    for _ in 0..TURN {
        let Some(Started { id, tag, request }) = shared.start() else { return };
        let began = Instant::now();
        let outcome = attempt(&shared, &request, &mut outbox, &mut buffers.current);
        if let Ok(output) = &outcome {
            shared.held.fetch_add(output.weight(), Ordering::Relaxed);
        }
        let took = began.elapsed();
        shared.finish(id, outcome.is_ok(), took);
        if outbox.push(tag, outcome, began) {
            buffers.turn_over();
        }
        if took > QUICK && waits.were_added() {
            shared.start_another();
        }
    }
    drop(outbox);
    spawn_with(shared, buffers);
}

fn attempt<T: Send + 'static>(
    shared: &Arc<Shared<T>>,
    request: &Request,
    outbox: &mut Outbox<'_, T>,
    buffer: &mut BytesMut,
) -> Result<Output> {
    let mut before_wait = || {
        outbox.flush();
        shared.start_another();
    };
    let mut control = Control {
        cancel: request.cancel.as_ref(),
        before_wait: &mut before_wait,
        moved: &shared.moved,
        buffer,
    };
    let work = AssertUnwindSafe(|| perform(&request.operation, &mut control));
    catch_unwind(work).unwrap_or_else(|panic| Err(Error::panicked(&*panic)))
}

/// How often this thread has let go of its core to wait, which is not the same as having lost it to others.
struct Waits(i64);

impl Waits {
    #[cfg(target_os = "linux")]
    fn so_far() -> Self {
        use nix::sys::resource::{UsageWho, getrusage};
        Self(
            getrusage(UsageWho::RUSAGE_THREAD)
                .map_or(0, |usage| usage.voluntary_context_switches()),
        )
    }

    /// Where the system does not tell, whoever was slow is taken to have waited.
    #[cfg(not(target_os = "linux"))]
    fn so_far() -> Self {
        Self(0)
    }

    fn were_added(&mut self) -> bool {
        let before = std::mem::replace(self, Self::so_far());
        cfg!(not(target_os = "linux")) || self.0 > before.0
    }
}

/// Outcomes of one runner that have not been reported; they are when it is dropped.
struct Outbox<'a, T> {
    shared: &'a Shared<T>,
    outcomes: Vec<(T, Result<Output>)>,
    since: Instant,
}

impl<T> Outbox<'_, T> {
    /// True if the outcomes were reported.
    fn push(&mut self, tag: T, outcome: Result<Output>, began: Instant) -> bool {
        if self.outcomes.is_empty() {
            self.since = began;
        }
        self.outcomes.push((tag, outcome));
        let enough = self.outcomes.len() >= SLICE || self.since.elapsed() > LONGEST_WAIT;
        if enough {
            self.flush();
        }
        enough
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
