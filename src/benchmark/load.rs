//! Load on a server: real HTTP requests, as fast as it answers or at a rate of their own.
//!
//! In the closed model each worker owns one keep-alive connection and sends its next request when the last
//! one is answered. Workers start evenly over the ramp-up, and each runs for the whole duration from its own
//! start. In the open model requests are due at a rate, whoever answers; a free worker sends the next one, and
//! what waited for a free worker counts as waiting. Workers live on threads of their own, one single-threaded
//! runtime each, so that neither the event loop of Node nor the shared runtime is in the way.
//!
//! - [`target`]: where requests go, and their bytes.
//! - [`schedule`]: when they are due, and which target is next.
//! - [`response`]: where an HTTP/1 response ends.
//! - [`connection`]: one request and its response, by [`http1`] or [`http2`].
//! - [`deadline`]: time limits without a timer each.
//! - [`worker`]: one worker's life.
//! - [`tally`], [`record`]: latencies and failures, a second at a time.

use std::{
    num::NonZero,
    rc::Rc,
    sync::{Arc, Mutex, atomic::AtomicU64},
    thread,
    time::Duration,
};

use futures_util::future::join_all;
use tokio::{
    sync::oneshot,
    task::{JoinSet, LocalSet},
    time::{Instant, MissedTickBehavior, interval_at},
};
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result, SystemError};

pub mod connection;
pub mod deadline;
pub mod http1;
pub mod http2;
pub mod record;
pub mod response;
pub mod schedule;
pub mod tally;
pub mod target;
pub mod worker;

use deadline::Deadlines;
use record::{Outcome, Point, Record};
use schedule::Schedule;
use tally::Tally;
use target::{Protocol, Target, Targets};

/// What a request in flight still gets when its worker's time is up; then it counts as timed out.
pub const GRACE: Duration = Duration::from_secs(1);

/// How much load, and for how long.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How long each worker sends requests, from its own start; in the open model, from the end of the
    /// ramp-up.
    pub duration: Duration,
    /// The time over which workers are added evenly, or over which the rate grows evenly.
    pub ramp_up: Duration,
    /// How many workers, each with one connection.
    pub concurrency: usize,
    pub pace: Pace,
    pub protocol: Protocol,
    /// No more requests than these, over all workers.
    pub max_requests: Option<u64>,
    /// For connecting, and again for each request.
    pub timeout: Duration,
}

/// What decides when a request is sent.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// The answer to the one before.
    Closed,
    /// The clock.
    Open(Schedule),
}

impl Plan {
    /// How many requests are due in the open model.
    fn scheduled(&self) -> Option<u64> {
        let Pace::Open(schedule) = self.pace else { return None };
        let due = schedule.count(self.ramp_up + self.duration);
        Some(due.min(self.max_requests.unwrap_or(u64::MAX)))
    }
}

/// What all workers of a test share.
struct Test {
    plan: Plan,
    targets: Targets,
    started: Instant,
    claimed: AtomicU64,
    /// Fires when no request is left to send, so that no worker waits to start.
    exhausted: CancellationToken,
}

/// What all workers of a thread share.
struct Thread {
    test: Arc<Test>,
    tally: Arc<Mutex<Tally>>,
    deadlines: Deadlines,
}

/// Runs the test to its end and tells `on_point` of each second. Fails with [`Error::Aborted`] if `cancel`
/// fires, and if the system refuses threads or its certificates; whatever the server does is counted, not
/// returned.
pub async fn run(
    targets: Vec<Target>,
    plan: Plan,
    cancel: CancellationToken,
    mut on_point: impl FnMut(Point),
) -> Result<Outcome> {
    let targets = tokio::select! {
        targets = Targets::resolve(targets, plan.protocol, plan.timeout) => targets?,
        () = cancel.cancelled() => return Err(Error::Aborted),
    };
    let test = Arc::new(Test {
        plan,
        targets,
        started: Instant::now(),
        claimed: 0.into(),
        exhausted: CancellationToken::new(),
    });
    // The threads must not outlive this future, whichever way it ends.
    let stop = cancel.child_token();
    let _stop_threads = stop.clone().drop_guard();
    let (tallies, ended) = start_threads(&test, &stop)?;
    let mut ended = std::pin::pin!(join_all(ended));
    let mut record = Record::default();
    let mut seconds = interval_at(test.started + SECOND, SECOND);
    seconds.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let ended = loop {
        tokio::select! {
            ended = &mut ended => break ended,
            _ = seconds.tick() => on_point(record.close_interval(&tallies, test.started.elapsed())),
        }
    };
    if cancel.is_cancelled() {
        return Err(Error::Aborted);
    }
    if ended.iter().any(Result::is_err) {
        return Err(Error::Panic("a thread of the load test ended early".to_owned()));
    }
    on_point(record.close_interval(&tallies, test.started.elapsed()));
    Ok(Outcome { scheduled: test.plan.scheduled(), ..record.finish() })
}

const SECOND: Duration = Duration::from_secs(1);

type Tallies = Vec<Arc<Mutex<Tally>>>;
type Ended = Vec<oneshot::Receiver<()>>;

/// As many threads as there are processors, and workers dealt out among them in turn.
fn start_threads(test: &Arc<Test>, stop: &CancellationToken) -> Result<(Tallies, Ended)> {
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let threads = processors.min(test.plan.concurrency);
    let (mut tallies, mut ended) = (Vec::new(), Vec::new());
    for first in 0..threads {
        let tally = Arc::new(Mutex::new(Tally::default()));
        tallies.push(Arc::clone(&tally));
        let (end, on_end) = oneshot::channel();
        ended.push(on_end);
        let (test, stop) = (Arc::clone(test), stop.clone());
        let refused = |error| SystemError::new(&error, "pthread_create");
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(refused)?;
        thread::Builder::new()
            .name("aiwf-load".to_owned())
            .spawn(move || {
                let indices = (first..test.plan.concurrency).step_by(threads);
                let work = work(test, tally, indices);
                LocalSet::new().block_on(&runtime, async {
                    tokio::select! {
                        biased;
                        () = work => {}
                        () = stop.cancelled() => {}
                    }
                });
                // Nobody listens any more if the test was dropped.
                let _ = end.send(());
            })
            .map_err(refused)?;
    }
    Ok((tallies, ended))
}

/// The workers of one thread, to their end.
async fn work(test: Arc<Test>, tally: Arc<Mutex<Tally>>, indices: impl Iterator<Item = usize>) {
    let thread = Rc::new(Thread { test, tally, deadlines: Deadlines::default() });
    let mut workers = JoinSet::new();
    for index in indices {
        workers.spawn_local(worker::run(Rc::clone(&thread), index));
    }
    tokio::select! {
        _ = workers.join_all() => {}
        () = thread.deadlines.sweep(thread.test.plan.timeout) => {}
    }
}

#[cfg(test)]
mod tests;
