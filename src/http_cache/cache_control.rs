//! `Cache-Control` (RFC 9111 section 5.2, RFC 5861, RFC 8246), of requests and of responses.

use super::{
    Headers,
    headers::{is_unclosed, members},
};

/// The directives a private cache knows. Spans are in seconds.
///
/// What cannot be understood errs on the safe side: a `max-age` that is no number is 0, a field with an
/// unclosed quote is `no-store`. Of a repeated directive the first counts. A directive limited to some fields
/// (`no-cache="set-cookie"`) counts for the whole response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheControl {
    pub no_store: bool,
    pub no_cache: bool,
    pub must_revalidate: bool,
    pub must_understand: bool,
    pub public: bool,
    pub private: bool,
    pub immutable: bool,
    pub only_if_cached: bool,
    pub max_age: Option<u64>,
    pub min_fresh: Option<u64>,
    /// [`u64::MAX`] where it has no value: however stale.
    pub max_stale: Option<u64>,
    pub stale_while_revalidate: Option<u64>,
    pub stale_if_error: Option<u64>,
}

impl CacheControl {
    /// Of a response.
    pub fn of_response(headers: &Headers) -> Self {
        let mut control = Self::default();
        for line in headers.all("cache-control") {
            control.read(line);
        }
        control
    }

    /// Of a request; without the field, `Pragma: no-cache` stands for it (RFC 9111 section 5.4).
    pub fn of_request(headers: &Headers) -> Self {
        let mut control = Self::of_response(headers);
        if !headers.contains("cache-control") {
            let mut pragma = headers.all("pragma").flat_map(members);
            control.no_cache = pragma.any(|member| member.eq_ignore_ascii_case("no-cache"));
        }
        control
    }

    fn read(&mut self, line: &str) {
        for member in members(line) {
            if is_unclosed(member) {
                self.no_store = true;
                continue;
            }
            let (name, value) = match member.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (member, None),
            };
            self.apply(&name.to_ascii_lowercase(), value);
        }
    }

    fn apply(&mut self, name: &str, value: Option<&str>) {
        let seconds = value.and_then(seconds);
        match name {
            "no-store" => self.no_store = true,
            "no-cache" => self.no_cache = true,
            "must-revalidate" => self.must_revalidate = true,
            "must-understand" => self.must_understand = true,
            "public" => self.public = true,
            "private" => self.private = true,
            "immutable" => self.immutable = true,
            "only-if-cached" => self.only_if_cached = true,
            "max-age" => self.max_age = self.max_age.or(Some(seconds.unwrap_or(0))),
            "min-fresh" => self.min_fresh = self.min_fresh.or(seconds),
            "max-stale" if value.is_none() => self.max_stale = self.max_stale.or(Some(u64::MAX)),
            "max-stale" => self.max_stale = self.max_stale.or(seconds),
            "stale-while-revalidate" => {
                self.stale_while_revalidate = self.stale_while_revalidate.or(seconds);
            }
            "stale-if-error" => self.stale_if_error = self.stale_if_error.or(seconds),
            _ => {}
        }
    }
}

/// A number of seconds, also quoted; one that is too large to hold is as large as can be.
pub fn seconds(value: &str) -> Option<u64> {
    let quoted = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let digits = quoted.unwrap_or(value);
    let valid = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    valid.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(line: &str) -> CacheControl {
        let fields = [("Cache-Control".to_owned(), line.to_owned())];
        CacheControl::of_response(&Headers::new(fields))
    }

    #[test]
    fn directives_are_read_whatever_their_case_and_company() {
        let control =
            parse("MaX-aGe=60, foobar, Private, stale-while-revalidate=\"5\",must-revalidate");
        let expected = CacheControl {
            max_age: Some(60),
            private: true,
            stale_while_revalidate: Some(5),
            must_revalidate: true,
            ..CacheControl::default()
        };
        assert_eq!(control, expected);
        assert_eq!(parse("max-stale").max_stale, Some(u64::MAX));
        assert_eq!(parse("max-stale=3").max_stale, Some(3));
    }

    #[test]
    fn what_is_not_understood_is_never_fresher() {
        for bad in ["max-age=-1", "max-age='3600'", "max-age=3600.5", "max-age= 3600", "max-age"] {
            assert_eq!(parse(bad).max_age, Some(0), "{bad}");
        }
        assert_eq!(parse("max-age =3600").max_age, None);
        assert_eq!(parse("max-age=1, max-age=1800").max_age, Some(1));
        assert_eq!(parse("extension=\"max-age=3600\", max-age=1").max_age, Some(1));
        assert_eq!(parse("max-age=99999999999999999999999").max_age, Some(u64::MAX));
        assert!(parse("private=\"x-a, max-age=60").no_store);
    }

    #[test]
    fn pragma_stands_in_for_requests_without_cache_control() {
        let fields = |fields: &[(&str, &str)]| {
            Headers::new(fields.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())))
        };
        let pragma = ("Pragma", "No-Cache");
        assert!(CacheControl::of_request(&fields(&[pragma])).no_cache);
        assert!(
            !CacheControl::of_request(&fields(&[pragma, ("Cache-Control", "max-age=1")])).no_cache
        );
        assert!(!CacheControl::of_response(&fields(&[pragma])).no_cache);
    }

    proptest! {
        #[test]
        fn any_field_can_be_read(line: String) {
            parse(&line);
        }

        #[test]
        fn a_prohibition_is_heard_in_any_company(before in "[a-z=,\" 0-9\\\\]*", after in "[a-z=, 0-9]*") {
            let line = format!("{before}, no-store, {after}");
            prop_assert!(parse(&line).no_store);
        }
    }
}
