//! `RateLimiter`: the window of `github::rate_limit`, driven by the shared runtime's timer.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use napi_derive::napi;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::settle::{Reporter, Settler, Ticket};
use crate::{github::rate_limit::RateLimit, runtime};

/// A limit with the one task that sleeps from release to release while anybody waits.
struct Driver {
    state: Mutex<State>,
    /// The limit has changed: the next release may be sooner than the task believes.
    changed: Notify,
    reporter: Reporter,
}

struct State {
    limit: RateLimit<Ticket>,
    /// Whether the task runs.
    ticking: bool,
}

/// What [`NativeRateLimiter::stats`] returns.
#[napi(object)]
pub struct RateLimiterStats {
    pub total_requests: f64,
    pub throttled_requests: f64,
    pub current_requests: u32,
}

#[napi]
pub struct NativeRateLimiter {
    driver: Arc<Driver>,
}

#[napi]
impl NativeRateLimiter {
    #[napi(constructor, catch_unwind)]
    pub fn new(settler: &Settler, max_requests: u32, time_window: f64) -> Self {
        let limit = RateLimit::new(max_requests as usize, millis(time_window));
        let driver = Driver {
            state: Mutex::new(State { limit, ticking: false }),
            changed: Notify::new(),
            reporter: settler.reporter(),
        };
        Self { driver: Arc::new(driver) }
    }

    #[napi(catch_unwind)]
    pub fn configure(&self, max_requests: u32, time_window: f64) {
        self.driver.state.lock().limit.configure(max_requests as usize, millis(time_window));
        self.driver.changed.notify_one();
    }

    /// Settles `ticket` when its turn has come. True if that was at once: then nothing is reported.
    #[napi(catch_unwind)]
    pub fn wait_for_next(&self, ticket: Ticket) -> bool {
        let now = Instant::now();
        let mut state = self.driver.state.lock();
        state.limit.enqueue(ticket, now);
        let released = state.limit.release(now);
        drop(state);
        let at_once = released.contains(&ticket);
        let others = released.into_iter().filter(|&other| other != ticket);
        self.driver.reporter.report_all(others.map(turn));
        if !at_once {
            self.driver.start();
        }
        at_once
    }

    /// Takes `ticket` out of the queue; its promise is then the caller's to settle.
    #[napi(catch_unwind)]
    pub fn withdraw(&self, ticket: Ticket) {
        self.driver.state.lock().limit.withdraw(|waiting| *waiting == ticket);
    }

    #[napi(catch_unwind)]
    pub fn stats(&self) -> RateLimiterStats {
        let stats = self.driver.state.lock().limit.stats(Instant::now());
        RateLimiterStats {
            total_requests: stats.total as f64,
            throttled_requests: stats.throttled as f64,
            current_requests: stats.current as u32,
        }
    }
}

impl Driver {
    fn start(self: &Arc<Self>) {
        if std::mem::replace(&mut self.state.lock().ticking, true) {
            return;
        }
        let driver = Arc::clone(self);
        runtime::spawn(async move {
            while let Some(wait) = driver.release() {
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = driver.changed.notified() => {}
                }
            }
        });
    }

    /// Lets through whose turn has come; returns how long to the next, or `None` when nobody waits.
    fn release(&self) -> Option<Duration> {
        let mut state = self.state.lock();
        let now = Instant::now();
        let released = state.limit.release(now);
        let next = state.limit.next_release(now);
        state.ticking = next.is_some();
        drop(state);
        self.reporter.report_all(released.into_iter().map(turn));
        next
    }
}

fn turn(ticket: Ticket) -> (Ticket, crate::error::Result<()>) {
    (ticket, Ok(()))
}

fn millis(value: f64) -> Duration {
    Duration::try_from_secs_f64(value / 1_000.0).unwrap_or(Duration::MAX)
}
