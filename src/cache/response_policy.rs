//! How a value is kept that came in an HTTP response: what the headers say, by the rules of [`crate::http_cache`],
//! and what the user wants for its content type.

use std::collections::HashMap;

use crate::http_cache::{CacheControl, Headers, Millis, Stored, vary};

/// Times to live in milliseconds by content type: `type/subtype`, `type/*` or `*/*`.
#[derive(Clone, Debug, Default)]
pub struct ContentTypes(HashMap<String, f64>);

impl ContentTypes {
    pub fn new(ttls: impl IntoIterator<Item = (String, f64)>) -> Self {
        Self(ttls.into_iter().map(|(range, ttl)| (range.to_ascii_lowercase(), ttl)).collect())
    }

    /// Of the most specific range that covers this value of `Content-Type` (as RFC 9110 section 12.5.1 ranks them).
    fn ttl(&self, content_type: &str) -> Option<f64> {
        let essence = content_type.split(';').next()?.trim().to_ascii_lowercase();
        let (kind, _) = essence.split_once('/')?;
        let ranges = [&essence, &format!("{kind}/*"), "*/*"];
        ranges.iter().find_map(|range| self.0.get(*range).copied())
    }
}

/// How a value is to be kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// Milliseconds for which it is fresh; `None` if nobody says.
    pub ttl: Option<f64>,
    /// Whether it must not be served when it is no longer fresh; `None` if nobody says.
    pub must_revalidate: Option<bool>,
    /// Its `ETag`.
    pub validator: Option<String>,
}

impl Policy {
    /// The policy for a response that came in at `now`; `None` if it must not be stored.
    ///
    /// What the response says (`Cache-Control` or `Expires` less its age, `X-Poll-Interval`) counts before the
    /// content type. Nothing is guessed from `Last-Modified`: the cache has a `ttl` for what nobody says.
    pub fn of_response(headers: Headers, now: Millis, types: &ContentTypes) -> Option<Self> {
        let control = CacheControl::of_response(&headers);
        if control.no_store {
            return None;
        }
        let reusable = !control.no_cache && vary::fields(&headers).is_some();
        let says = ["expires", "x-poll-interval"].iter().any(|name| headers.contains(name));
        let stated = says || control.max_age.is_some();
        let must_revalidate = (!reusable || headers.contains("cache-control"))
            .then_some(!reusable || control.must_revalidate);
        let by_type =
            headers.first("content-type").and_then(|content_type| types.ttl(content_type));
        let validator = headers.first("etag").map(str::to_owned);
        let response = Stored::new(200, headers, (now, now));
        let left = || response.lifetime().saturating_sub(response.age(now)).max(0) as f64;
        let ttl = match reusable {
            false => Some(0.0),
            true if stated => Some(left()),
            true => by_type,
        };
        Some(Self { ttl, must_revalidate, validator })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Sun, 06 Nov 1994 08:49:37 GMT
    const NOW: Millis = 784_111_777_000;
    const DATE: (&str, &str) = ("Date", "Sun, 06 Nov 1994 08:49:37 GMT");
    const MINUTE_LATER: (&str, &str) = ("Expires", "Sun, 06 Nov 1994 08:50:37 GMT");

    fn policy(fields: &[(&str, &str)]) -> Option<Policy> {
        let types = [("Text/HTML", 1.0), ("text/*", 2.0), ("*/*", 3.0)];
        let types = ContentTypes::new(types.map(|(range, ttl)| (range.to_owned(), ttl)));
        let fields = fields.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        Policy::of_response(Headers::new(fields), NOW, &types)
    }

    fn ttl(fields: &[(&str, &str)]) -> Option<f64> {
        policy(fields).unwrap().ttl
    }

    #[test]
    fn what_the_response_says_counts_less_its_age() {
        let an_hour = ("Cache-Control", "private, max-age=3600, s-maxage=5");
        assert_eq!(ttl(&[DATE, an_hour]), Some(3_600_000.0));
        assert_eq!(ttl(&[DATE, an_hour, ("Age", "600")]), Some(3_000_000.0));
        assert_eq!(ttl(&[DATE, an_hour, ("Age", "9999")]), Some(0.0));
        assert_eq!(ttl(&[DATE, MINUTE_LATER]), Some(60_000.0));
        assert_eq!(ttl(&[DATE, MINUTE_LATER, an_hour]), Some(3_600_000.0));
        assert_eq!(ttl(&[DATE, ("Expires", "0")]), Some(0.0));
        assert_eq!(ttl(&[("X-Poll-Interval", "60")]), Some(60_000.0));
        assert_eq!(ttl(&[an_hour, ("Content-Type", "text/html")]), Some(3_600_000.0));
    }

    #[test]
    fn where_it_says_nothing_the_most_specific_content_type_counts() {
        let of_type = |value| ttl(&[DATE, ("Content-Type", value)]);
        assert_eq!(of_type("text/html"), Some(1.0));
        assert_eq!(of_type("TEXT/html ; charset=utf-8"), Some(1.0));
        assert_eq!(of_type("text/plain"), Some(2.0));
        assert_eq!(of_type("application/json"), Some(3.0));
        assert_eq!(of_type("nonsense"), None);
        assert_eq!(ttl(&[DATE]), None);
        assert_eq!(ttl(&[DATE, ("Last-Modified", "Sun, 06 Nov 1904 08:49:37 GMT")]), None);
    }

    #[test]
    fn what_may_not_be_reused_is_kept_for_revalidation_only() {
        for field in [("Cache-Control", "no-cache, max-age=9"), ("Vary", "*")] {
            let policy = policy(&[DATE, field, ("ETag", "\"a\"")]).unwrap();
            let validator = Some("\"a\"".to_owned());
            assert_eq!(policy, Policy { ttl: Some(0.0), must_revalidate: Some(true), validator });
        }
        let strict = |fields: &[_]| policy(fields).unwrap().must_revalidate;
        assert_eq!(strict(&[("Cache-Control", "max-age=1, must-revalidate")]), Some(true));
        assert_eq!(strict(&[("Cache-Control", "max-age=1")]), Some(false));
        assert_eq!(strict(&[DATE]), None);
        assert_eq!(policy(&[("Cache-Control", "no-store, max-age=60")]), None);
        assert_eq!(policy(&[("Cache-Control", "max-age=\"60")]), None);
    }

    proptest! {
        #[test]
        fn any_headers_make_a_time_to_live(
            fields in prop::collection::vec((
                prop::sample::select(vec!["age", "date", "expires", "cache-control", "content-type", "vary", "etag"]),
                prop_oneof!["[0-9]{1,25}", "max-age=[0-9]{1,25}", Just(DATE.1.to_owned()), ".*"],
            ), 0..8),
        ) {
            let fields: Vec<_> = fields.iter().map(|(n, v)| (*n, v.as_str())).collect();
            if let Some(Policy { ttl: Some(ttl), .. }) = policy(&fields) {
                prop_assert!((0.0..=1e15).contains(&ttl));
            }
        }
    }
}
