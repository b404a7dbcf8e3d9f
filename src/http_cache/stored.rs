//! A stored response: how old it is, how long it is fresh, and how validation renews it.

use bytes::Bytes;
use serde::{Deserialize, Serialize, Serializer};

use super::{CacheControl, Headers, Millis, cache_control, date, headers::members, storability};

/// The longest that freshness is guessed.
const HEURISTIC_LIMIT: Millis = 24 * 3_600_000;

/// Fields that describe the body as it is stored, which a 304 has none of.
const OF_THE_BODY: [&str; 3] = ["content-encoding", "content-length", "content-range"];

const SETS_COOKIES: [&str; 2] = ["set-cookie", "set-cookie2"];

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    pub status: u16,
    /// Cookies stay in memory: what is serialised is for the disk, where no secret is kept in clear.
    #[serde(serialize_with = "without_cookies")]
    pub headers: Headers,
    /// When the request went out.
    pub requested_at: Millis,
    /// When its response came in.
    pub received_at: Millis,
    /// Kept beside the rest.
    #[serde(skip)]
    pub body: Bytes,
}

impl Stored {
    pub fn new(
        status: u16,
        mut headers: Headers,
        (requested_at, received_at): (Millis, Millis),
    ) -> Self {
        headers.remove_hop_by_hop();
        Self { status, headers, requested_at, received_at, body: Bytes::new() }
    }

    /// How long it is fresh (RFC 9111 section 4.2.1), counted as its [`age`](Self::age).
    ///
    /// GitHub's `X-Poll-Interval` says how long not to ask again; it lengthens what the others say.
    pub fn lifetime(&self) -> Millis {
        let control = CacheControl::of_response(&self.headers);
        let stated = match (control.max_age, self.headers.contains("expires")) {
            (Some(max_age), _) => millis(max_age),
            (None, true) => self.expires().map_or(0, |at| (at - self.date()).max(0)),
            (None, false) => self.heuristic(&control),
        };
        let poll_interval = self.headers.first("x-poll-interval").and_then(cache_control::seconds);
        stated.max(poll_interval.map_or(0, millis))
    }

    /// Its age (RFC 9111 section 4.2.3).
    pub fn age(&self, now: Millis) -> Millis {
        let apparent = (self.received_at - self.date()).max(0);
        let told = self.headers.first("age").and_then(|value| members(value).next());
        let told = told.and_then(cache_control::seconds).map_or(0, millis);
        let corrected = told.saturating_add((self.received_at - self.requested_at).max(0));
        // A clock that was set back makes nothing immortal.
        apparent.max(corrected).saturating_add((now - self.received_at).abs())
    }

    /// What to ask the origin with, so that it can say that nothing has changed (RFC 9111 section 4.3.1).
    pub fn conditions(&self) -> Option<(&'static str, &str)> {
        let etag = self.headers.first("etag").map(|etag| ("if-none-match", etag));
        etag.or_else(|| Some(("if-modified-since", self.headers.first("last-modified")?)))
    }

    /// Whether a 304 is about this response, and not about another that the origin has by now (RFC 9111 section 4.3.4).
    pub fn is_confirmed_by(&self, not_modified: &Headers) -> bool {
        let opaque = |etag: &'_ str| etag.strip_prefix("W/").unwrap_or(etag).to_owned();
        match (self.headers.first("etag"), not_modified.first("etag")) {
            (Some(known), Some(told)) => opaque(known) == opaque(told),
            _ => true,
        }
    }

    /// Whether storing it can be of use: it is fresh for a while, may be served stale, or can be validated.
    pub fn is_useful(&self) -> bool {
        let control = CacheControl::of_response(&self.headers);
        self.conditions().is_some()
            || (!control.no_cache && self.lifetime() > 0)
            || control.stale_while_revalidate.is_some()
            || control.stale_if_error.is_some()
    }

    /// Takes over what a 304 says (RFC 9111 section 3.2); the age starts anew.
    pub fn freshen(&mut self, mut news: Headers, (requested_at, received_at): (Millis, Millis)) {
        news.remove_hop_by_hop();
        let taken = |name: &str| !OF_THE_BODY.contains(&name);
        self.headers.remove("age");
        for (name, _) in news.iter().filter(|(name, _)| taken(name)) {
            self.headers.remove(name);
        }
        for (name, value) in news.iter().filter(|(name, _)| taken(name)) {
            self.headers.append(name, value);
        }
        (self.requested_at, self.received_at) = (requested_at, received_at);
    }

    /// When it was made, by the origin's clock; without word of that, when it came in.
    fn date(&self) -> Millis {
        self.instant("date").unwrap_or(self.received_at)
    }

    /// `None` if it cannot be told: then it is past.
    fn expires(&self) -> Option<Millis> {
        let once = self.headers.all("expires").count() == 1;
        self.instant("expires").filter(|_| once)
    }

    /// A tenth of the time since it was last changed (RFC 9111 section 4.2.2).
    fn heuristic(&self, control: &CacheControl) -> Millis {
        if !control.public && !storability::is_heuristically_cacheable(self.status) {
            return 0;
        }
        let changed = self.instant("last-modified").unwrap_or(Millis::MAX);
        (self.date().saturating_sub(changed) / 10).clamp(0, HEURISTIC_LIMIT)
    }

    fn instant(&self, name: &str) -> Option<Millis> {
        Some(date::parse(self.headers.first(name)?, self.received_at / 1_000)? * 1_000)
    }
}

fn without_cookies<S: Serializer>(headers: &Headers, serializer: S) -> Result<S::Ok, S::Error> {
    let mut headers = headers.clone();
    for name in SETS_COOKIES {
        headers.remove(name);
    }
    headers.serialize(serializer)
}

/// Seconds as milliseconds, at most some thousand years.
pub(super) fn millis(seconds: u64) -> Millis {
    Millis::try_from(seconds).unwrap_or(Millis::MAX).saturating_mul(1_000).min(1 << 47)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Sun, 06 Nov 1994 08:49:37 GMT
    const NOW: Millis = 784_111_777_000;
    const DATE: (&str, &str) = ("Date", "Sun, 06 Nov 1994 08:49:37 GMT");
    const HOUR_LATER: &str = "Sun, 06 Nov 1994 09:49:37 GMT";

    fn stored(fields: &[(&str, &str)]) -> Stored {
        let fields = fields.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        Stored::new(200, Headers::new(fields), (NOW, NOW))
    }

    #[test]
    fn the_lifetime_is_max_age_else_expires_else_a_guess() {
        let lifetime = |fields: &[(&str, &str)]| stored(fields).lifetime() / 1_000;
        let expires = ("Expires", HOUR_LATER);
        assert_eq!(lifetime(&[DATE, expires]), 3_600);
        assert_eq!(lifetime(&[DATE, expires, ("Cache-Control", "max-age=5, s-maxage=9")]), 5);
        assert_eq!(lifetime(&[DATE, expires, expires]), 0);
        assert_eq!(lifetime(&[DATE, ("Expires", "0"), ("Last-Modified", DATE.1)]), 0);
        assert_eq!(lifetime(&[("Date", "foo"), expires]), 3_600);
        assert_eq!(lifetime(&[("Last-Modified", "Sun, 06 Nov 1994 08:39:37 GMT")]), 60);
        assert_eq!(lifetime(&[("Last-Modified", "Sun, 06 Nov 1904 08:39:37 GMT")]), 86_400);
        assert_eq!(lifetime(&[("Last-Modified", HOUR_LATER)]), 0);
        assert_eq!(lifetime(&[]), 0);
        assert_eq!(lifetime(&[("X-Poll-Interval", "60"), ("Cache-Control", "max-age=5")]), 60);
    }

    #[test]
    fn the_age_is_the_larger_of_what_is_told_and_what_is_seen() {
        let age = |fields: &[(&str, &str)]| stored(fields).age(NOW + 2_000) / 1_000;
        assert_eq!(age(&[DATE]), 2);
        assert_eq!(age(&[DATE, ("Age", "30")]), 32);
        assert_eq!(age(&[("Date", "Sun, 06 Nov 1994 08:48:37 GMT"), ("Age", "30")]), 62);
        assert_eq!(age(&[DATE, ("Age", "7, 0")]), 9);
        assert_eq!(age(&[DATE, ("Age", "7200.0")]), 2);
        let slow = Stored { requested_at: NOW - 5_000, ..stored(&[DATE, ("Age", "1")]) };
        assert_eq!(slow.age(NOW), 6_000);
    }

    #[test]
    fn a_304_with_another_etag_is_about_another_response() {
        let confirmed = |known: &[(&str, &str)], told: &[(&str, &str)]| {
            stored(known).is_confirmed_by(&stored(told).headers)
        };
        assert!(confirmed(&[("ETag", "\"1\"")], &[("ETag", "W/\"1\"")]));
        assert!(confirmed(&[("ETag", "\"1\"")], &[]));
        assert!(confirmed(&[], &[("ETag", "\"1\"")]));
        assert!(!confirmed(&[("ETag", "\"1\"")], &[("ETag", "\"2\"")]));
    }

    #[test]
    fn validation_renews_all_but_what_describes_the_body() {
        let mut entry =
            stored(&[DATE, ("A", "1"), ("Content-Length", "3"), ("Age", "9"), ("B", "1")]);
        let fields = [("Date", HOUR_LATER), ("A", "2"), ("Content-Length", "0"), ("a", "3")];
        let news = Headers::new(fields.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
        let later = NOW + 3_600_000;
        entry.freshen(news, (later, later));
        assert_eq!(entry.headers.all("a").collect::<Vec<_>>(), ["2", "3"]);
        assert_eq!(entry.headers.first("content-length"), Some("3"));
        assert_eq!(entry.headers.first("b"), Some("1"));
        assert_eq!(entry.age(later), 0);
    }

    #[test]
    fn an_etag_is_preferred_to_a_date() {
        let modified = ("Last-Modified", HOUR_LATER);
        assert_eq!(
            stored(&[modified, ("ETag", "W/\"a\"")]).conditions(),
            Some(("if-none-match", "W/\"a\""))
        );
        assert_eq!(stored(&[modified]).conditions(), Some(("if-modified-since", HOUR_LATER)));
        assert_eq!(stored(&[]).conditions(), None);
    }

    proptest! {
        /// Whatever an origin sends, ages grow with time and nothing overflows.
        #[test]
        fn ages_only_grow(
            fields in prop::collection::vec((
                prop::sample::select(vec!["age", "date", "expires", "cache-control", "last-modified"]),
                prop_oneof!["[0-9]{1,25}", Just("max-age=18446744073709551615".to_owned()),
                    Just(DATE.1.to_owned()), Just(HOUR_LATER.to_owned()), ".*"],
            ), 0..8),
            earlier in 0i64..1 << 45,
            more in 0i64..1 << 45,
        ) {
            let headers = Headers::new(fields.into_iter().map(|(n, v)| (n.to_owned(), v)));
            let entry = Stored::new(200, headers, (NOW, NOW));
            let age = entry.age(NOW + earlier);
            prop_assert!(age >= earlier && entry.age(NOW + earlier + more) >= age);
            prop_assert!(entry.lifetime() >= 0);
        }
    }
}
