//! What a request that changes things leaves outdated (RFC 9111 section 4.4).

use reqwest::Url;

use super::Headers;

/// Whether a method changes nothing (RFC 9110 section 9.2.1). One we do not know may change anything.
pub fn is_safe(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE")
}

/// The URLs whose stored responses are outdated: its own, and those of the same origin in `Location` and
/// `Content-Location`. None after a safe method or an error.
pub fn outdated(method: &str, url: &Url, status: u16, response: &Headers) -> Vec<Url> {
    if is_safe(method) || !(200..400).contains(&status) {
        return Vec::new();
    }
    let named = ["location", "content-location"].map(|name| response.first(name));
    let named = named.into_iter().flatten().filter_map(|target| url.join(target).ok());
    let mut outdated = vec![url.clone()];
    outdated.extend(named.filter(|target| target.origin() == url.origin()));
    outdated
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn success_of_an_unsafe_method_outdates_its_url_and_those_it_names() {
        let url = Url::parse("https://a.example/x/y").unwrap();
        let fields = [("Location", "z"), ("Content-Location", "https://b.example/x")];
        let response = Headers::new(fields.map(|(n, v)| (n.to_owned(), v.to_owned())));
        let all = |method: &str, status| {
            let all = outdated(method, &url, status, &response);
            all.iter().map(Url::to_string).collect::<Vec<_>>()
        };
        assert_eq!(all("POST", 201), ["https://a.example/x/y", "https://a.example/x/z"]);
        assert_eq!(all("M-SEARCH", 200).len(), 2);
        assert!(all("POST", 500).is_empty() && all("GET", 200).is_empty());
    }
}
