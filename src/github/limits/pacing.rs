//! The documented pace of the secondary limit: points a minute, in `governor`'s token bucket (GCRA).
//!
//! A bucket that holds a whole minute's points lets nearly twice as many pass in one minute: all at once, then those that
//! flow back. So it holds a ninth of them, and the rest flows back in a minute: no minute ever sees more than the limit.

use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

use governor::{
    NotUntil, Quota, RateLimiter,
    clock::{Clock, FakeRelativeClock},
    middleware::NoOpMiddleware,
    state::{InMemoryState, NotKeyed},
};

const MINUTE: Duration = Duration::from_secs(60);
/// What a request that changes something costs; others cost one.
const POINTS_OF_A_CHANGE: u32 = 5;

type Moment = <FakeRelativeClock as Clock>::Instant;

#[derive(Debug)]
pub struct Pacing {
    points_per_minute: u32,
    bucket: RateLimiter<NotKeyed, InMemoryState, FakeRelativeClock, NoOpMiddleware<Moment>>,
    /// Moved by hand: the time comes in.
    clock: FakeRelativeClock,
    moved: Instant,
}

/// What a request of this method counts for. A 304 counts as much.
pub fn points(method: &str) -> NonZeroU32 {
    let changes = !matches!(method, "GET" | "HEAD" | "OPTIONS");
    NonZeroU32::MIN.saturating_add(if changes { POINTS_OF_A_CHANGE - 1 } else { 0 })
}

impl Pacing {
    pub fn new(points_per_minute: u32, now: Instant) -> Self {
        let burst = (points_per_minute / 9).max(POINTS_OF_A_CHANGE);
        let flow = points_per_minute.saturating_sub(burst).max(1);
        let capacity = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
        // `with_period` has none for a period of nothing, which sixty seconds by a number never is.
        let quota = Quota::with_period(MINUTE / flow)
            .unwrap_or_else(|| Quota::per_minute(capacity))
            .allow_burst(capacity);
        let clock = FakeRelativeClock::default();
        let bucket = RateLimiter::direct_with_clock(quota, clock.clone());
        Self { points_per_minute, bucket, clock, moved: now }
    }

    pub fn points_per_minute(&self) -> u32 {
        self.points_per_minute
    }

    /// Whether nothing was taken for so long that all of it has flown back.
    pub fn is_full(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.moved) >= MINUTE
    }

    /// Takes the points, or says how long until they are there.
    pub fn take(&mut self, points: NonZeroU32, now: Instant) -> Result<(), Duration> {
        self.clock.advance(now.saturating_duration_since(self.moved));
        self.moved = self.moved.max(now);
        let missing = |not_until: NotUntil<Moment>| not_until.wait_time_from(self.clock.now());
        // The bucket is never smaller than a request.
        self.bucket.check_n(points).unwrap_or(Ok(())).map_err(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn changes_cost_five_points() {
        assert_eq!(["GET", "HEAD", "OPTIONS"].map(|method| points(method).get()), [1, 1, 1]);
        assert_eq!(["POST", "PATCH", "PUT", "DELETE"].map(|method| points(method).get()), [5; 4]);
    }

    proptest! {
        /// Whoever takes what he gets as soon as he gets it never has more than the limit in any minute, and no less than
        /// what flows back.
        #[test]
        fn no_minute_sees_more(limit in 10u32..2_000, changes in prop::collection::vec(any::<bool>(), 8)) {
            let start = Instant::now();
            let mut pacing = Pacing::new(limit, start);
            let (mut now, mut taken) = (start, Vec::new());
            for change in changes.iter().cycle() {
                let points = points(if *change { "POST" } else { "GET" });
                while let Err(wait) = pacing.take(points, now) {
                    prop_assert!(wait > Duration::ZERO && wait <= MINUTE);
                    now += wait;
                }
                taken.push((now, points.get()));
                if now > start + 3 * MINUTE {
                    break;
                }
            }
            let (mut from, mut sum) = (0, 0);
            for (at, points) in &taken {
                sum += points;
                while *at - taken[from].0 >= MINUTE {
                    sum -= taken[from].1;
                    from += 1;
                }
                prop_assert!(sum <= limit, "{sum} points in a minute");
            }
            let all: u32 = taken.iter().map(|(_, points)| points).sum();
            prop_assert!(all >= limit.saturating_sub((limit / 9).max(5)) * 5 / 2);
        }
    }
}
