//! URLs of GitHub's REST API and of its raw files.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What RFC 3986 leaves as it is in a path segment (`unreserved`).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Encodes one segment; a slash in it is no separator.
pub fn encode_segment(segment: &str) -> String {
    utf8_percent_encode(segment, SEGMENT).to_string()
}

/// Encodes a path whose slashes separate.
pub fn encode_path(path: &str) -> String {
    path.split('/').map(encode_segment).collect::<Vec<_>>().join("/")
}

/// Where the raw files of an API at `base_url` are: GitHub keeps them on a host of their own, GitHub
/// Enterprise Server beside its API, and so does anything else.
pub fn raw_base(base_url: &str) -> String {
    let base = base_url.trim_end_matches('/');
    match base {
        "https://api.github.com" => "https://raw.githubusercontent.com".to_owned(),
        _ => format!("{}/raw", base.trim_end_matches("/api/v3")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_what_a_url_cannot_hold() {
        assert_eq!(encode_path("a b/#?%/é.txt"), "a%20b/%23%3F%25/%C3%A9.txt");
        assert_eq!(encode_segment("feature/x"), "feature%2Fx");
    }

    #[test]
    fn knows_where_raw_files_are() {
        assert_eq!(raw_base("https://api.github.com/"), "https://raw.githubusercontent.com");
        assert_eq!(raw_base("https://ghe.example/api/v3"), "https://ghe.example/raw");
        assert_eq!(raw_base("http://127.0.0.1:4000"), "http://127.0.0.1:4000/raw");
    }
}
