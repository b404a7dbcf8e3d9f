//! One worker: connects, and sends one request after the other.

use std::{rc::Rc, sync::atomic::Ordering, time::Duration};

use tokio::time::{Instant, sleep, sleep_until};

use super::{
    GRACE, Pace, Test, Thread,
    connection::{Answer, Broken, Connection, Seen},
    deadline::Slot,
    schedule::Mix,
    tally::{Failure, lock},
    target::Target,
};

/// A worker that cannot connect waits this long before it tries again, so as not to spin.
const RECONNECT_PAUSE: Duration = Duration::from_millis(10);

/// What a timer may be late by. A request sent this late by a worker that was free is the timer's doing, not
/// the server's.
const TIMER_SLACK: Duration = Duration::from_millis(2);

/// Runs worker `index` of the test, from its start in the ramp-up to its end.
pub(super) async fn run(thread: Rc<Thread>, index: usize) {
    let test = &*thread.test;
    let (start, end) = test.life(index);
    tokio::select! {
        () = sleep_until(start) => {}
        () = test.exhausted.cancelled() => return,
    }
    lock(&thread.tally).join();
    let weights: Vec<f64> = test.targets.targets.iter().map(Target::weight).collect();
    let mut worker = Worker {
        thread: &thread,
        mix: Mix::new(&weights, index),
        connections: test.targets.endpoints.iter().map(|_| None).collect(),
        deadline: thread.deadlines.slot(),
        end,
        now: Instant::now(),
    };
    worker.work().await;
    lock(&thread.tally).leave();
}

impl Test {
    /// When worker `index` starts and ends.
    fn life(&self, index: usize) -> (Instant, Instant) {
        let plan = &self.plan;
        match plan.pace {
            Pace::Closed => {
                let share = index as f64 / plan.concurrency as f64;
                let start = self.started + plan.ramp_up.mul_f64(share);
                (start, start + plan.duration)
            }
            // It is the rate that grows.
            Pace::Open(_) => (self.started, self.started + plan.ramp_up + plan.duration),
        }
    }

    /// Whether one more request may be sent.
    fn claim(&self) -> bool {
        let Some(max) = self.plan.max_requests else { return true };
        let claimed = self.claimed.fetch_add(1, Ordering::Relaxed) < max;
        if !claimed {
            self.exhausted.cancel();
        }
        claimed
    }
}

struct Worker<'thread> {
    thread: &'thread Thread,
    mix: Mix,
    /// One an endpoint.
    connections: Vec<Option<Connection>>,
    deadline: Rc<Slot>,
    end: Instant,
    /// When the last request ended: the clock is not read twice for one moment.
    now: Instant,
}

impl Worker<'_> {
    async fn work(&mut self) {
        match self.thread.test.plan.pace {
            Pace::Closed => {
                while self.now < self.end && self.thread.test.claim() {
                    self.request(None).await;
                }
            }
            Pace::Open(_) => {
                // The first requests are not to pay for the connection, and a server that takes none
                // answers each of them with a failure soon enough.
                if let Ok(connection) = self.ready(0).await {
                    self.connections[0] = Some(connection);
                }
                self.now = Instant::now();
                while let Some(due) = self.next_due() {
                    sleep_until(due).await;
                    let idle = self.now <= due;
                    let late = Instant::now() > due + TIMER_SLACK;
                    self.request((late || !idle).then_some(due)).await;
                }
            }
        }
    }

    /// When the next request of the open model is due, if one is left.
    fn next_due(&self) -> Option<Instant> {
        let Test { plan, started, claimed, .. } = &*self.thread.test;
        let Pace::Open(schedule) = plan.pace else { return None };
        if self.now >= self.end {
            return None;
        }
        let number = claimed.fetch_add(1, Ordering::Relaxed);
        let due = started.checked_add(schedule.due(number))?;
        let left = plan.max_requests.is_none_or(|max| number < max);
        (left && due < self.end).then_some(due)
    }

    /// Sends one request and counts what comes of it. What was due earlier counts from then on: the time it
    /// waited for a free worker is the server's doing (coordinated omission).
    async fn request(&mut self, due: Option<Instant>) {
        let thread = self.thread;
        let index = self.mix.deal();
        let target = &thread.test.targets.targets[index];
        let outcome = self.attempt(target, thread.test.targets.endpoint[index]).await;
        self.now = Instant::now();
        self.count(target, due, outcome);
        if outcome.is_err_and(|failure| failure == Failure::Connect) {
            sleep(RECONNECT_PAUSE).await;
            self.now = Instant::now();
        }
    }

    fn count(
        &self,
        target: &Target,
        due: Option<Instant>,
        outcome: Result<(Answer, Instant), Failure>,
    ) {
        let mut tally = lock(&self.thread.tally);
        match outcome {
            Ok((answer, start)) => {
                tally.receive(answer.received);
                if target.expects(answer.reply.status) {
                    tally.succeed(self.now - due.unwrap_or(start), self.now - start);
                } else {
                    tally.fail(Failure::Status);
                }
            }
            Err(failure) => tally.fail(failure),
        }
    }

    /// One request, and when it was sent. If a kept connection turns out to be dead, it is sent again on a new
    /// one.
    async fn attempt(
        &mut self,
        target: &Target,
        endpoint: usize,
    ) -> Result<(Answer, Instant), Failure> {
        loop {
            let mut connection = self.ready(endpoint).await?;
            let kept = connection.used;
            let start = Instant::now();
            lock(&self.thread.tally).send(target.request().len() as u64);
            let exchange = connection.exchange(target);
            let outcome = self.deadline.limit(self.limit(start), exchange).await;
            let late = Broken { failure: Failure::Timeout, seen: Seen::Surely };
            match outcome.unwrap_or(Err(late)) {
                Ok(answer) => {
                    if answer.reply.reusable {
                        self.connections[endpoint] = Some(connection);
                    }
                    return Ok((answer, start));
                }
                Err(broken) if kept && broken.is_repeatable(target) => {}
                Err(broken) => return Err(broken.failure),
            }
        }
    }

    /// The kept connection to an endpoint, or a new one.
    async fn ready(&mut self, endpoint: usize) -> Result<Connection, Failure> {
        if let Some(connection) = self.connections[endpoint].take() {
            return Ok(connection);
        }
        let opening = Connection::open(&self.thread.test.targets.endpoints[endpoint]);
        let opened = self.deadline.limit(self.limit(Instant::now()), opening).await;
        let connection = opened.map_err(|_| Failure::Timeout)?.ok_or(Failure::Connect)?;
        lock(&self.thread.tally).connect();
        Ok(connection)
    }

    fn limit(&self, start: Instant) -> Instant {
        (self.end + GRACE).min(start + self.thread.test.plan.timeout)
    }
}
