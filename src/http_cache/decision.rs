//! Whether a stored response may answer a request (RFC 9111 section 4, RFC 5861, RFC 8246).

use super::{CacheControl, Headers, Millis, Stored, stored::millis};

/// What the caller wants of the cache; the modes of the Fetch standard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    #[default]
    Default,
    /// Neither look nor store.
    NoStore,
    /// Do not look, but store.
    Reload,
    /// Validate what is stored. What is `immutable` and fresh needs no validation.
    NoCache,
    /// What is stored, however stale.
    ForceCache,
    /// As [`Self::ForceCache`], and never the network.
    OnlyIfCached,
}

/// How a stored response is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Fresh,
    /// It is stale, and whoever asks is content with it.
    Stale,
    /// It is stale and may be served while another is fetched behind the scenes.
    StaleWhileRevalidate,
    /// The origin has to be asked.
    Validate,
}

pub fn decide(stored: &Stored, request: &Headers, mode: Mode, now: Millis) -> Decision {
    let control = CacheControl::of_response(&stored.headers);
    let asked = CacheControl::of_request(request);
    let (age, lifetime) = (stored.age(now), stored.lifetime());
    let fresh = age < lifetime;
    let found = if fresh { Decision::Fresh } else { Decision::Stale };
    match mode {
        Mode::NoStore | Mode::Reload => return Decision::Validate,
        Mode::ForceCache | Mode::OnlyIfCached => return found,
        Mode::NoCache if !(control.immutable && fresh) => return Decision::Validate,
        Mode::Default | Mode::NoCache => {}
    }
    if control.no_cache || asked.no_cache {
        return Decision::Validate;
    }
    let too_old = asked.max_age.is_some_and(|limit| age > millis(limit));
    let too_brief = asked.min_fresh.is_some_and(|least| lifetime - age < millis(least));
    if fresh && !too_old && !too_brief {
        return Decision::Fresh;
    }
    let within = |span: Option<u64>| span.is_some_and(|span| age - lifetime <= millis(span));
    if control.must_revalidate || too_old || too_brief {
        Decision::Validate
    } else if within(asked.max_stale) {
        Decision::Stale
    } else if within(control.stale_while_revalidate) {
        Decision::StaleWhileRevalidate
    } else {
        Decision::Validate
    }
}

/// Whether a stored response may stand in for an origin that fails (RFC 5861 section 4, RFC 9111 section
/// 4.2.4). `anyhow` if the caller takes it however stale.
pub fn may_replace_error(stored: &Stored, request: &Headers, anyhow: bool, now: Millis) -> bool {
    let control = CacheControl::of_response(&stored.headers);
    let asked = CacheControl::of_request(request);
    let stale_for = stored.age(now) - stored.lifetime();
    let within = |span: Option<u64>| span.is_some_and(|span| stale_for <= millis(span));
    let allowed = anyhow || within(control.stale_if_error) || within(asked.stale_if_error);
    allowed && !control.must_revalidate && !control.no_cache && !asked.no_cache
}

/// Whether a status tells of a failure that a stored response may stand in for.
pub fn is_failure(status: u16) -> bool {
    matches!(status, 500 | 502 | 503 | 504)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Decision::{Fresh, Stale, StaleWhileRevalidate, Validate};

    const NOW: Millis = 1_000_000_000;

    fn headers(control: &str) -> Headers {
        Headers::new([("cache-control".to_owned(), control.to_owned())])
    }

    fn stored(control: &str) -> Stored {
        Stored::new(200, headers(control), (NOW, NOW))
    }

    /// The decision on a response of this age, in seconds.
    fn decided(response: &str, request: &str, mode: Mode, age: Millis) -> Decision {
        decide(&stored(response), &headers(request), mode, NOW + age * 1_000)
    }

    #[test]
    fn a_response_is_fresh_strictly_before_its_time_is_up() {
        assert_eq!(decided("max-age=5", "", Mode::Default, 4), Fresh);
        assert_eq!(decided("max-age=5", "", Mode::Default, 5), Validate);
        assert_eq!(decided("max-age=5, no-cache", "", Mode::Default, 0), Validate);
    }

    #[test]
    fn a_request_may_ask_for_more_or_for_less() {
        for (request, age, expected) in [
            ("no-cache", 0, Validate),
            ("max-age=3", 3, Fresh),
            ("max-age=3", 4, Validate),
            ("min-fresh=5", 5, Fresh),
            ("min-fresh=5", 6, Validate),
            ("max-stale=2", 12, Stale),
            ("max-stale=2", 13, Validate),
            ("max-stale", 1_000, Stale),
            ("max-age=3, max-stale", 12, Validate),
        ] {
            assert_eq!(decided("max-age=10", request, Mode::Default, age), expected, "{request}");
        }
        assert_eq!(decided("max-age=1, must-revalidate", "max-stale", Mode::Default, 2), Validate);
    }

    #[test]
    fn stale_while_revalidate_has_its_window() {
        let response = "max-age=5, stale-while-revalidate=5";
        assert_eq!(decided(response, "", Mode::Default, 10), StaleWhileRevalidate);
        assert_eq!(decided(response, "", Mode::Default, 11), Validate);
        assert_eq!(decided(response, "max-age=3", Mode::Default, 7), Validate);
        let strict = format!("{response}, must-revalidate");
        assert_eq!(decided(&strict, "", Mode::Default, 7), Validate);
    }

    #[test]
    fn the_modes_of_fetch() {
        assert_eq!(decided("max-age=5", "", Mode::Reload, 1), Validate);
        assert_eq!(decided("max-age=5", "", Mode::NoCache, 1), Validate);
        assert_eq!(decided("max-age=5, immutable", "", Mode::NoCache, 1), Fresh);
        assert_eq!(decided("max-age=5, immutable", "", Mode::NoCache, 5), Validate);
        assert_eq!(decided("max-age=5", "", Mode::ForceCache, 9), Stale);
        assert_eq!(decided("no-cache", "", Mode::OnlyIfCached, 9), Stale);
    }

    #[test]
    fn errors_are_replaced_only_where_that_is_allowed() {
        let replaced = |response: &str, request: &str, anyhow, age: Millis| {
            may_replace_error(&stored(response), &headers(request), anyhow, NOW + age * 1_000)
        };
        assert!(replaced("max-age=1, stale-if-error=5", "", false, 6));
        assert!(!replaced("max-age=1, stale-if-error=5", "", false, 7));
        assert!(replaced("max-age=1", "stale-if-error=5", false, 6));
        assert!(!replaced("max-age=1", "", false, 2) && replaced("max-age=1", "", true, 99));
        assert!(!replaced("max-age=1, must-revalidate", "", true, 2));
        assert!(!replaced("max-age=1, no-cache", "", true, 2));
        assert!(is_failure(503) && !is_failure(501) && !is_failure(404));
    }
}
