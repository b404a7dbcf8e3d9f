//! The page: one document that asks for nothing but the events.

use http::{HeaderName, HeaderValue, header};

use crate::page;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = concat!(include_str!("charts.js"), include_str!("page.js"));

/// The page for one answer. Only the style and the script that bear its `nonce`, a random text without
/// meaning in HTML, are obeyed.
pub(super) fn html(nonce: &str) -> String {
    PAGE.replace("NONCE", nonce)
        .replace("/* style */", &[page::STYLE, STYLE].concat())
        .replace("/* script */", SCRIPT)
}

/// What the page may do: talk to its own server.
pub(super) fn policy(nonce: &str) -> String {
    format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; \
         connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    )
}

/// Headers of every answer: it is for this page alone, is kept nowhere, and its address, which has the token,
/// is told to nobody.
pub(super) fn headers() -> [(HeaderName, HeaderValue); 5] {
    let fixed = HeaderValue::from_static;
    [
        (header::CACHE_CONTROL, fixed("no-store")),
        (header::X_CONTENT_TYPE_OPTIONS, fixed("nosniff")),
        (header::REFERRER_POLICY, fixed("no-referrer")),
        (HeaderName::from_static("cross-origin-opener-policy"), fixed("same-origin")),
        (HeaderName::from_static("cross-origin-resource-policy"), fixed("same-origin")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_whole_and_asks_for_nothing() {
        let page = html("0a1b");
        assert!(page.contains("--first") && page.contains("new EventSource"));
        assert_eq!(page.matches("nonce=\"0a1b\"").count(), 2);
        // The name of SVG's elements is no address.
        let addresses = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!addresses.contains("http://") && !addresses.contains("https://"));
        assert!(policy("0a1b").contains("script-src 'nonce-0a1b'"));
    }
}
