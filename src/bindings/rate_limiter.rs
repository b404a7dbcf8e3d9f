//! `RateLimiter`: the window of `github::rate_limit`, driven by the shared runtime's timer.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use napi_derive::napi;
use parking_lot::Mutex;

use super::settle::{Reporter, Settler, Ticket};
use crate::{github::rate_limit::RateLimit, runtime};

struct State {
    limit: RateLimit<Ticket>,
    /// Whether a task sleeps until the next release.
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
    state: Arc<Mutex<State>>,
    reporter: Reporter,
}

#[napi]
impl NativeRateLimiter {
    #[napi(constructor, catch_unwind)]
    pub fn new(settler: &Settler, max_requests: u32, time_window: f64) -> Self {
        let limit = RateLimit::new(max_requests as usize, millis(time_window));
        let state = Arc::new(Mutex::new(State { limit, ticking: false }));
        Self { state, reporter: settler.reporter() }
    }

    #[napi(catch_unwind)]
    pub fn configure(&self, max_requests: u32, time_window: f64) {
        self.state.lock().limit.configure(max_requests as usize, millis(time_window));
        tick(&self.state, &self.reporter);
    }

    /// Settles `ticket` when its turn has come. True if that was at once: then nothing is reported.
    #[napi(catch_unwind)]
    pub fn wait_for_next(&self, ticket: Ticket) -> bool {
        let now = Instant::now();
        let mut state = self.state.lock();
        state.limit.enqueue(ticket, now);
        let released = state.limit.release(now);
        drop(state);
        let at_once = released.contains(&ticket);
        self.reporter.report_all(released.into_iter().filter(|&other| other != ticket).map(turn));
        if !at_once {
            tick(&self.state, &self.reporter);
        }
        at_once
    }

    /// Takes `ticket` out of the queue; its promise is then the caller's to settle.
    #[napi(catch_unwind)]
    pub fn withdraw(&self, ticket: Ticket) {
        self.state.lock().limit.withdraw(|waiting| *waiting == ticket);
    }

    #[napi(catch_unwind)]
    pub fn stats(&self) -> RateLimiterStats {
        let stats = self.state.lock().limit.stats(Instant::now());
        RateLimiterStats {
            total_requests: stats.total as f64,
            throttled_requests: stats.throttled as f64,
            current_requests: stats.current as u32,
        }
    }
}

/// Starts the one task that sleeps from release to release while anybody waits.
fn tick(state: &Arc<Mutex<State>>, reporter: &Reporter) {
    if std::mem::replace(&mut state.lock().ticking, true) {
        return;
    }
    let (state, reporter) = (Arc::clone(state), reporter.clone());
    runtime::spawn(async move {
        while let Some(wait) = release(&state, &reporter) {
            tokio::time::sleep(wait).await;
        }
    });
}

/// Lets through whose turn has come; returns how long to the next, or `None` when nobody waits.
fn release(state: &Mutex<State>, reporter: &Reporter) -> Option<Duration> {
    let mut state = state.lock();
    let now = Instant::now();
    let released = state.limit.release(now);
    let next = state.limit.next_release(now);
    state.ticking = next.is_some();
    drop(state);
    reporter.report_all(released.into_iter().map(turn));
    next
}

fn turn(ticket: Ticket) -> (Ticket, crate::error::Result<()>) {
    (ticket, Ok(()))
}

fn millis(value: f64) -> Duration {
    Duration::try_from_secs_f64(value / 1_000.0).unwrap_or(Duration::MAX)
}
