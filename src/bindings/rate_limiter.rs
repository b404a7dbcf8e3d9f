//! `RateLimiter`: the window of `github::rate_limit`, on the process's clock. JavaScript has the timer, so that a call passes
//! when its caller hears of it, and not before a blocked event loop turns again.

use std::time::{Duration, Instant};

use napi_derive::napi;

use crate::github::rate_limit::RateLimit;

/// What [`NativeRateLimiter::stats`] returns.
#[napi(object)]
pub struct RateLimiterStats {
    pub total_requests: f64,
    pub throttled_requests: f64,
    pub current_requests: u32,
}

#[napi]
pub struct NativeRateLimiter {
    limit: RateLimit<u32>,
}

#[napi]
impl NativeRateLimiter {
    #[napi(constructor, catch_unwind)]
    pub fn new(max_requests: u32, time_window: f64) -> Self {
        Self { limit: RateLimit::new(max_requests as usize, millis(time_window)) }
    }

    #[napi(catch_unwind)]
    pub fn configure(&mut self, max_requests: u32, time_window: f64) {
        self.limit.configure(max_requests as usize, millis(time_window));
    }

    /// Queues a caller.
    #[napi(catch_unwind)]
    pub fn enqueue(&mut self, caller: u32) {
        self.limit.enqueue(caller, Instant::now());
    }

    /// The callers whose turn it is, in order.
    #[napi(catch_unwind)]
    pub fn release(&mut self) -> Vec<u32> {
        self.limit.release(Instant::now())
    }

    /// Milliseconds until somebody's turn comes; `null` if nobody waits.
    #[napi(catch_unwind)]
    pub fn next_release(&mut self) -> Option<f64> {
        Some(self.limit.next_release(Instant::now())?.as_secs_f64() * 1_000.0)
    }

    /// Takes a caller out of the queue.
    #[napi(catch_unwind)]
    pub fn withdraw(&mut self, caller: u32) {
        self.limit.withdraw(|waiting| *waiting == caller);
    }

    #[napi(catch_unwind)]
    pub fn stats(&mut self) -> RateLimiterStats {
        let stats = self.limit.stats(Instant::now());
        RateLimiterStats {
            total_requests: stats.total as f64,
            throttled_requests: stats.throttled as f64,
            current_requests: stats.current as u32,
        }
    }
}

fn millis(value: f64) -> Duration {
    Duration::try_from_secs_f64(value / 1_000.0).unwrap_or(Duration::MAX)
}
