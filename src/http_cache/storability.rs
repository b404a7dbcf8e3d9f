//! What may be stored (RFC 9111 section 3).

use super::{CacheControl, Headers, vary};

/// Whether a cache that has this status may guess how long it stays fresh (RFC 9110 section 15.1).
pub fn is_heuristically_cacheable(status: u16) -> bool {
    matches!(status, 200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}

/// Whether the response to a GET request may be stored for other requests. Parts of a representation (206)
/// are not.
pub fn may_be_stored(request: &Headers, status: u16, response: &Headers) -> bool {
    let asked = CacheControl::of_request(request);
    let control = CacheControl::of_response(response);
    let understood =
        reqwest::StatusCode::from_u16(status).is_ok_and(|s| s.canonical_reason().is_some());
    // Section 5.2.2.3: who knows the status and `must-understand` passes over the `no-store` beside it.
    let forbidden = if control.must_understand { !understood } else { control.no_store };
    let allowed = control.public
        || control.private
        || control.max_age.is_some()
        || response.contains("expires")
        || is_heuristically_cacheable(status);
    status >= 200
        && !matches!(status, 206 | 304)
        && !asked.no_store
        && !forbidden
        && allowed
        && !request.contains("range")
        && vary::fields(response).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&str, &str)]) -> Headers {
        Headers::new(fields.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())))
    }

    fn stored(status: u16, control: &str) -> bool {
        may_be_stored(&headers(&[]), status, &headers(&[("Cache-Control", control)]))
    }

    #[test]
    fn a_private_cache_stores_what_is_the_users_own() {
        assert!(stored(200, "private, max-age=60"));
        let request = headers(&[("Authorization", "Bearer x")]);
        assert!(may_be_stored(&request, 200, &headers(&[])));
    }

    #[test]
    fn no_store_is_obeyed_on_both_sides() {
        assert!(!stored(200, "max-age=60, no-store"));
        let request = headers(&[("Cache-Control", "no-store")]);
        assert!(!may_be_stored(&request, 200, &headers(&[("Cache-Control", "max-age=60")])));
    }

    #[test]
    fn unknown_statuses_need_an_explicit_word() {
        assert!(!stored(599, "foo"));
        assert!(stored(599, "max-age=1") && stored(599, "public"));
        assert!(!stored(599, "max-age=1, must-understand"));
        assert!(stored(200, "no-store, must-understand, max-age=1"));
    }

    #[test]
    fn parts_and_what_varies_by_anything_are_not_stored() {
        assert!(!stored(206, "max-age=1") && !stored(304, "max-age=1"));
        assert!(!may_be_stored(&headers(&[("Range", "bytes=0-1")]), 200, &headers(&[])));
        assert!(!may_be_stored(&headers(&[]), 200, &headers(&[("Vary", "*")])));
    }
}
