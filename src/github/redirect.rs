//! Where a redirect leads, and what goes along (RFC 9110 section 15.4, the Fetch standard's HTTP-redirect fetch).

use bytes::Bytes;
use reqwest::Url;

use crate::http_cache::Headers;

/// A request that may be asked anew elsewhere.
#[derive(Clone, Debug)]
pub struct Ask {
    /// In upper case where the case does not count.
    pub method: String,
    /// Without fragment.
    pub url: Url,
    pub headers: Headers,
    pub body: Option<Bytes>,
}

/// Secrets, which stay with the origin they were meant for.
const CREDENTIALS: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];
const OF_THE_BODY: [&str; 5] =
    ["content-encoding", "content-language", "content-length", "content-location", "content-type"];

/// The next request; `None` if the response is no redirect. An error says why it is not followed.
pub fn next(ask: &Ask, status: u16, response: &Headers) -> Option<Result<Ask, &'static str>> {
    let location = response.first("location")?;
    if !matches!(status, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let Ok(mut url) = ask.url.join(&text_of(location)) else {
        return Some(Err("its target is no URL"));
    };
    if !matches!(url.scheme(), "http" | "https") {
        return Some(Err("a redirect to another scheme"));
    }
    if ask.url.scheme() == "https" && url.scheme() != "https" {
        return Some(Err("a redirect leaves https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Some(Err("a redirect to a URL with credentials"));
    }
    url.set_fragment(None);
    let mut next = Ask { url, ..ask.clone() };
    let becomes_get = match status {
        301 | 302 => ask.method == "POST",
        303 => ask.method != "GET" && ask.method != "HEAD",
        _ => false,
    };
    if becomes_get {
        "GET".clone_into(&mut next.method);
        next.body = None;
        OF_THE_BODY.iter().for_each(|name| next.headers.remove(name));
    }
    if next.url.origin() != ask.url.origin() {
        CREDENTIALS.iter().for_each(|name| next.headers.remove(name));
    }
    Some(Ok(next))
}

/// A field's bytes, of which each is a character here, as the text that they are if they are UTF-8.
fn text_of(field: &str) -> String {
    let bytes: Option<Vec<u8>> = field.chars().map(|byte| u8::try_from(byte).ok()).collect();
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_else(|| field.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(method: &str, status: u16, location: &str) -> Option<Result<Ask, &'static str>> {
        let pairs = |fields: &[(&str, &str)]| {
            Headers::new(fields.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())))
        };
        let ask = Ask {
            method: method.to_owned(),
            url: Url::parse("https://a.example/x").unwrap(),
            headers: pairs(&[("Authorization", "Bearer s"), ("Content-Type", "t"), ("A", "1")]),
            body: Some("body".into()),
        };
        next(&ask, status, &pairs(&[("Location", location)]))
    }

    #[test]
    fn credentials_stay_with_their_origin() {
        let same = follow("GET", 302, "/y#part").unwrap().unwrap();
        assert_eq!(same.url.as_str(), "https://a.example/y");
        assert!(same.headers.contains("authorization"));
        for other in ["https://b.example/", "https://a.example:444/"] {
            let other = follow("GET", 302, other).unwrap().unwrap();
            assert!(!other.headers.contains("authorization") && other.headers.contains("a"));
        }
    }

    #[test]
    fn a_target_in_utf8_is_read_as_such() {
        let field: String = "/café".bytes().map(char::from).collect();
        assert_eq!(follow("GET", 302, &field).unwrap().unwrap().url.path(), "/caf%C3%A9");
        assert!(follow("GET", 302, "https://u:p@a.example/").unwrap().is_err());
    }

    #[test]
    fn the_method_changes_as_in_browsers() {
        let method = |method, status| {
            let next = follow(method, status, "/").unwrap().unwrap();
            assert_eq!(next.body.is_some(), next.method == method);
            next.method
        };
        assert_eq!(method("POST", 301), "GET");
        assert_eq!(method("PUT", 302), "PUT");
        assert_eq!(method("DELETE", 303), "GET");
        assert_eq!(method("POST", 307), "POST");
    }

    #[test]
    fn some_are_not_followed() {
        assert!(follow("GET", 304, "/").is_none() && follow("GET", 200, "/").is_none());
        for target in ["http://a.example/", "file:///etc/passwd", "https://"] {
            assert!(follow("GET", 302, target).unwrap().is_err(), "{target}");
        }
    }
}
