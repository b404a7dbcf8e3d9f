//! Whether a failed request is sent again, and when.
//!
//! Only what changes nothing when it is done twice (RFC 9110 section 9.2.2), and only after failures that pass. The
//! pauses are Brooker's "full jitter" (AWS Architecture Blog, "Exponential Backoff And Jitter"): anything up to a
//! bound that doubles, so that clients that failed together do not come back together.

use std::time::Duration;

use crate::{error::NetworkFailure, http_cache::date};

/// The bound of the first pause.
const BASE: Duration = Duration::from_millis(500);
/// The bound of all pauses. A server that wants a longer one is not asked again.
const LIMIT: Duration = Duration::from_secs(60);

pub fn is_idempotent(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE")
}

/// Whether a failure may pass by itself.
pub fn passes(failure: NetworkFailure) -> bool {
    matches!(failure, NetworkFailure::Connect | NetworkFailure::Timeout | NetworkFailure::Reset)
}

/// Whether what a status tells of may pass by itself.
pub fn status_passes(status: u16) -> bool {
    matches!(status, 500 | 502 | 503 | 504)
}

/// How long a `Retry-After` asks to wait; `now` in seconds since the Unix epoch.
pub fn asked(retry_after: &str, now: i64) -> Option<Duration> {
    let seconds = retry_after.parse::<u64>().ok();
    let until = || u64::try_from(date::parse(retry_after, now)?.saturating_sub(now).max(0)).ok();
    seconds.or_else(until).map(Duration::from_secs)
}

/// The pause before the attempt after this one, which counts from 0; `None` if there should be none. `lot` is random
/// in `0.0..1.0`.
pub fn pause(attempt: u32, asked: Option<Duration>, lot: f64) -> Option<Duration> {
    let bound = BASE.saturating_mul(2u32.saturating_pow(attempt)).min(LIMIT);
    match asked {
        Some(asked) => (asked <= LIMIT).then_some(asked),
        None => Some(bound.mul_f64(lot)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_server_says_how_long_to_wait() {
        assert_eq!(asked("7", 0), Some(Duration::from_secs(7)));
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(asked(date, 784_111_770), Some(Duration::from_secs(7)));
        assert_eq!(asked(date, 784_111_999), Some(Duration::ZERO));
        assert_eq!(asked("soon", 0), None);
        assert_eq!(pause(0, Some(Duration::from_secs(60)), 0.5), Some(Duration::from_secs(60)));
        assert_eq!(pause(0, Some(Duration::from_secs(61)), 0.5), None);
    }

    #[test]
    fn only_what_may_be_repeated_is() {
        assert!(is_idempotent("GET") && !is_idempotent("POST") && !is_idempotent("PATCH"));
        assert!(passes(NetworkFailure::Reset) && !passes(NetworkFailure::Tls));
        assert!(status_passes(503) && !status_passes(501) && !status_passes(429));
    }

    proptest! {
        #[test]
        fn pauses_stay_below_a_bound_that_doubles(attempt: u32, lot in 0.0f64..1.0) {
            let pause = pause(attempt, None, lot).unwrap();
            let bound = BASE.as_secs_f64() * f64::from(attempt.min(20)).exp2();
            prop_assert!(pause <= LIMIT && pause.as_secs_f64() <= bound);
        }
    }
}
