//! Validation that survives a new token.
//!
//! GitHub's `ETag`s depend on the token, so a token that rotates makes all of them worthless. As observed by others (the
//! project github-conditional-http-transport, 2025; GitHub documents nothing), an `ETag` is the SHA-256 of the request's
//! `Accept`, `Authorization` and `Cookie`, each followed by a colon, and of the body. So the `ETag` that a stored body
//! would have for the new token can be told. A 304 then proves that the new token may see that very body; where the
//! guess is wrong the answer is a plain 200.

use std::sync::Arc;

use reqwest::Url;
use sha2::{Digest, Sha256};

use super::{http_store::HttpStore, limits::Rules, redirect::Ask};
use crate::http_cache::{Headers, Stored};

/// What describes the body itself. All else of a stored response is of the token it was for.
const OF_THE_CONTENT: [&str; 6] = [
    "content-type",
    "content-language",
    "content-disposition",
    "last-modified",
    "x-github-media-type",
    "vary",
];

/// A response that was stored for another token.
pub struct Precedent {
    pub stored: Arc<Stored>,
    etag: String,
    /// Whether there are more pages, whose addresses are of the token that it was stored for.
    has_links: bool,
}

impl Precedent {
    pub fn condition(&self) -> (&'static str, &str) {
        ("if-none-match", &self.etag)
    }

    /// Whether a 304 tells all that the stored response does not. GitHub leaves out the `Link` of some.
    pub fn suffices(&self, not_modified: &Headers) -> bool {
        !self.has_links || not_modified.contains("link")
    }
}

/// What is stored of the URL for another, as it would be for whoever asks now.
pub async fn precedent(
    store: &Arc<HttpStore>,
    ask: &Ask,
    api: Option<&(Url, Rules)>,
) -> Option<Precedent> {
    let own = api.is_some_and(|(api, _)| api.origin() == ask.url.origin());
    if !own || !ask.headers.contains("authorization") {
        return None;
    }
    let other = store.latest(&ask.url).await.filter(|other| other.status == 200)?;
    let etag = etag(&ask.headers, &other.body);
    let fields = other.headers.iter().filter(|(name, _)| OF_THE_CONTENT.contains(name));
    let owned = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut headers = Headers::new(owned);
    // A 304 need not repeat it.
    headers.set("etag", etag.clone());
    let stored = Stored { headers, ..Stored::clone(&other) };
    let has_links = other.headers.contains("link");
    Some(Precedent { stored: Arc::new(stored), etag, has_links })
}

fn etag(request: &Headers, body: &[u8]) -> String {
    let mut hash = Sha256::new();
    for value in ["accept", "authorization", "cookie"].iter().filter_map(|name| request.first(name))
    {
        hash.update(value);
        hash.update(b":");
    }
    hash.update(body);
    format!("\"{}\"", hex::encode(hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_etag_is_the_hash_of_who_asks_and_of_what_there_is() {
        let of = |fields: &[(&str, &str)]| {
            let fields = fields.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
            etag(&Headers::new(fields), b"{}")
        };
        let hash = |text: &str| format!("\"{}\"", hex::encode(Sha256::digest(text)));
        assert_eq!(of(&[]), hash("{}"));
        let fields = [("Cookie", "c"), ("Accept", "*/*"), ("Authorization", "Bearer t")];
        assert_eq!(of(&fields), hash("*/*:Bearer t:c:{}"));
    }
}
