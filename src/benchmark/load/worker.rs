//! One worker: connects, and sends its next request when the last one is answered.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use tokio::{
    net::TcpStream,
    time::{Instant, Sleep, sleep, sleep_until},
};

use super::{
    GRACE, Test,
    connection::{Broken, Connection},
    response::Reply,
    tally::{Failure, Tally, lock},
};

/// A worker that cannot connect waits this long before it tries again, so as not to spin.
const RECONNECT_PAUSE: Duration = Duration::from_millis(10);

/// Runs worker `index` of the test, from its start in the ramp-up to its end.
pub(super) async fn run(test: Arc<Test>, index: usize, tally: Arc<Mutex<Tally>>) {
    let share = index as f64 / test.plan.concurrency as f64;
    let start = test.started + test.plan.ramp_up.mul_f64(share);
    tokio::select! {
        () = sleep_until(start) => {}
        () = test.exhausted.cancelled() => return,
    }
    lock(&tally).join();
    let end = start + test.plan.duration;
    let mut worker = Worker {
        test: &test,
        tally: &tally,
        connection: None,
        alarm: Alarm::new(end),
        last_answer: end + GRACE,
    };
    while Instant::now() < end && test.claim() {
        worker.request().await;
    }
    lock(&tally).leave();
}

impl Test {
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

struct Worker<'test> {
    test: &'test Test,
    tally: &'test Mutex<Tally>,
    connection: Option<Connection>,
    alarm: Alarm,
    last_answer: Instant,
}

impl Worker<'_> {
    /// Sends one request and counts what comes of it.
    async fn request(&mut self) {
        match self.attempt().await {
            Ok((reply, latency)) => {
                let mut tally = lock(self.tally);
                if reply.status < 400 {
                    tally.succeed(latency);
                } else {
                    tally.fail(Failure::Status);
                }
            }
            Err(failure) => {
                lock(self.tally).fail(failure);
                if failure == Failure::Connect {
                    sleep(RECONNECT_PAUSE).await;
                }
            }
        }
    }

    /// One request, its latency without the time to connect. A kept connection may have been closed by the
    /// server meanwhile, which is no failure of the request: it is then sent again on a new one (RFC 9112,
    /// section 9.3.1).
    async fn attempt(&mut self) -> Result<(Reply, Duration), Failure> {
        loop {
            let mut connection = match self.connection.take() {
                Some(connection) => connection,
                None => self.connect().await?,
            };
            let repeatable = connection.used && self.test.endpoint.target.is_idempotent();
            let start = Instant::now();
            match self.exchange(&mut connection, start).await {
                Ok(reply) => {
                    if reply.reusable {
                        self.connection = Some(connection);
                    }
                    return Ok((reply, start.elapsed()));
                }
                Err(Broken { failure: Failure::Reset, answered: false }) if repeatable => {}
                Err(broken) => return Err(broken.failure),
            }
        }
    }

    async fn exchange(
        &mut self,
        connection: &mut Connection,
        start: Instant,
    ) -> Result<Reply, Broken> {
        let target = &self.test.endpoint.target;
        let deadline = self.deadline(start);
        tokio::select! {
            biased;
            reply = connection.exchange(target.request(), target.is_head()) => reply,
            () = self.alarm.ring(deadline) => Err(Broken { failure: Failure::Timeout, answered: false }),
        }
    }

    async fn connect(&mut self) -> Result<Connection, Failure> {
        let deadline = self.deadline(Instant::now());
        let connection = tokio::select! {
            biased;
            connection = open(self.test) => connection.ok_or(Failure::Connect)?,
            () = self.alarm.ring(deadline) => return Err(Failure::Timeout),
        };
        lock(self.tally).connect();
        Ok(connection)
    }

    fn deadline(&self, start: Instant) -> Instant {
        self.last_answer.min(start + self.test.plan.timeout)
    }
}

/// A new connection to the first address that takes one.
async fn open(test: &Test) -> Option<Connection> {
    let stream = TcpStream::connect(&*test.endpoint.addresses).await.ok()?;
    stream.set_nodelay(true).ok()?;
    match &test.endpoint.security {
        None => Some(Connection::new(stream)),
        Some((connector, name)) => {
            let secured = connector.connect(name.clone(), stream).await.ok()?;
            Some(Connection::new(secured))
        }
    }
}

/// A timer for one deadline after another, none earlier than the one before.
///
/// It is set again only when it goes off, so a request that is answered in time costs no timer.
struct Alarm(Pin<Box<Sleep>>);

impl Alarm {
    /// Looks at its deadline at `first`, or earlier if the first deadline is.
    fn new(first: Instant) -> Self {
        Self(Box::pin(sleep_until(first)))
    }

    /// Returns once `deadline` has passed.
    async fn ring(&mut self, deadline: Instant) {
        if self.0.deadline() > deadline {
            self.0.as_mut().reset(deadline);
        }
        while Instant::now() < deadline {
            self.0.as_mut().await;
            if self.0.deadline() < deadline {
                self.0.as_mut().reset(deadline);
            }
        }
    }
}
