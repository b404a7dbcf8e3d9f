//! Load on a server: real HTTP/1.1 requests, as fast as it answers.
//!
//! A closed model: each worker owns one keep-alive connection and sends its next request when the last one
//! is answered. Workers start evenly over the ramp-up, and each runs for the whole duration from its own
//! start. They live on threads of their own, one single-threaded runtime each, so that neither the event
//! loop of Node nor the shared runtime is in the way.
//!
//! - [`target`]: where requests go, and their bytes.
//! - [`response`]: where a response ends.
//! - [`connection`]: one request and its response on a stream.
//! - [`worker`]: one connection's life.
//! - [`tally`]: latencies and failures, a second at a time.

use std::{
    num::NonZero,
    sync::{Arc, Mutex, atomic::AtomicU64},
    thread,
    time::Duration,
};

use futures_util::future::join_all;
use tokio::{
    sync::oneshot,
    task::LocalSet,
    time::{Instant, MissedTickBehavior, interval_at},
};
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result, SystemError};

pub mod connection;
pub mod response;
pub mod tally;
pub mod target;
pub mod worker;

use tally::{Outcome, Record, Tally};
use target::{Endpoint, Target};

/// What a request in flight still gets when its worker's time is up; then it counts as timed out.
pub const GRACE: Duration = Duration::from_secs(1);

/// How much load, and for how long.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How long each worker sends requests, from its own start.
    pub duration: Duration,
    /// The time over which workers are added evenly.
    pub ramp_up: Duration,
    /// How many workers, each with one connection.
    pub concurrency: usize,
    /// No more requests than these, over all workers.
    pub max_requests: Option<u64>,
    /// For connecting, and again for each request.
    pub timeout: Duration,
}

/// What all workers of a test share.
struct Test {
    plan: Plan,
    endpoint: Endpoint,
    started: Instant,
    claimed: AtomicU64,
    /// Fires when no request is left to send, so that no worker waits to start.
    exhausted: CancellationToken,
}

/// Runs the test to its end. Fails with [`Error::Aborted`] if `cancel` fires, and if the system refuses
/// threads or its certificates; whatever the server does is counted, not returned.
pub async fn run(target: Target, plan: Plan, cancel: CancellationToken) -> Result<Outcome> {
    let endpoint = tokio::select! {
        endpoint = Endpoint::resolve(target, plan.timeout) => endpoint?,
        () = cancel.cancelled() => return Err(Error::Aborted),
    };
    let test = Arc::new(Test {
        plan,
        endpoint,
        started: Instant::now(),
        claimed: 0.into(),
        exhausted: CancellationToken::new(),
    });
    // The threads must not outlive this future, whichever way it ends.
    let stop = cancel.child_token();
    let _stop_threads = stop.clone().drop_guard();
    let (tallies, ended) = start_threads(&test, &stop)?;
    let mut ended = std::pin::pin!(join_all(ended));
    let mut record = Record::new(test.plan.timeout);
    let mut seconds = interval_at(test.started + SECOND, SECOND);
    seconds.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let ended = loop {
        tokio::select! {
            ended = &mut ended => break ended,
            _ = seconds.tick() => record.close_interval(&tallies, test.started.elapsed()),
        }
    };
    if cancel.is_cancelled() {
        return Err(Error::Aborted);
    }
    if ended.iter().any(Result::is_err) {
        return Err(Error::Panic("a thread of the load test ended early".to_owned()));
    }
    record.close_interval(&tallies, test.started.elapsed());
    Ok(record.finish())
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
        let tally = Arc::new(Mutex::new(Tally::new(test.plan.timeout)));
        let (end, on_end) = oneshot::channel();
        let (test, stop, own_tally) = (Arc::clone(test), stop.clone(), Arc::clone(&tally));
        let refused = |error| SystemError::new(&error, "pthread_create");
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(refused)?;
        thread::Builder::new()
            .name("aiwf-load".to_owned())
            .spawn(move || {
                let workers = LocalSet::new();
                for index in (first..test.plan.concurrency).step_by(threads) {
                    workers.spawn_local(worker::run(
                        Arc::clone(&test),
                        index,
                        Arc::clone(&own_tally),
                    ));
                }
                runtime.block_on(async {
                    tokio::select! {
                        () = workers => {}
                        () = stop.cancelled() => {}
                    }
                });
                // Nobody listens any more if the test was dropped.
                let _ = end.send(());
            })
            .map_err(refused)?;
        tallies.push(tally);
        ended.push(on_end);
    }
    Ok((tallies, ended))
}

#[cfg(test)]
mod tests;
