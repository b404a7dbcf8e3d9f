//! Requests that got no usable answer.

use super::Class;

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkFailure {
    /// The URL cannot be parsed, or its scheme is neither `http` nor `https`.
    InvalidUrl,
    /// A header name or value, or the method, is not allowed in HTTP.
    InvalidRequest,
    /// The host name has no address.
    Dns,
    /// No connection could be made: refused, unreachable.
    Connect,
    /// The secure channel could not be made: certificate, protocol.
    Tls,
    /// Connecting, waiting for data, or the whole took too long.
    Timeout,
    /// The connection broke, or the answer ended before its announced length.
    Reset,
    /// The answer is not HTTP, or its encoding is broken.
    Protocol,
    /// Too many redirects, or one that leaves `https`.
    Redirect,
    /// The body is larger than allowed.
    TooLarge,
}

/// A request that failed on the way. Its URL carries no credentials.
#[derive(Debug, thiserror::Error)]
#[error("{} {url}: {reason}", .failure.summary())]
pub struct NetworkError {
    failure: NetworkFailure,
    url: String,
    reason: String,
}

impl NetworkError {
    /// `reason` is the innermost cause in words.
    pub fn new(failure: NetworkFailure, url: &str, reason: impl ToString) -> Self {
        Self { failure, url: without_credentials(url), reason: reason.to_string() }
    }

    pub fn failure(&self) -> NetworkFailure {
        self.failure
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn class(&self) -> Class {
        match self.failure {
            NetworkFailure::InvalidUrl | NetworkFailure::InvalidRequest => Class::TypeError,
            _ => Class::Error,
        }
    }

    pub(super) fn code(&self) -> &'static str {
        match self.failure {
            NetworkFailure::InvalidUrl => "ERR_INVALID_URL",
            NetworkFailure::InvalidRequest => "ERR_AIWF_INVALID_REQUEST",
            NetworkFailure::Dns => "ERR_AIWF_DNS",
            NetworkFailure::Connect => "ERR_AIWF_CONNECT",
            NetworkFailure::Tls => "ERR_AIWF_TLS",
            NetworkFailure::Timeout => "ERR_AIWF_TIMEOUT",
            NetworkFailure::Reset => "ERR_AIWF_RESET",
            NetworkFailure::Protocol => "ERR_AIWF_PROTOCOL",
            NetworkFailure::Redirect => "ERR_AIWF_REDIRECT",
            NetworkFailure::TooLarge => "ERR_AIWF_TOO_LARGE",
        }
    }
}

impl NetworkFailure {
    fn summary(self) -> &'static str {
        match self {
            Self::InvalidUrl => "Not a usable URL",
            Self::InvalidRequest => "Not a valid request to",
            Self::Dns => "No address found for",
            Self::Connect => "Cannot connect to",
            Self::Tls => "No secure connection to",
            Self::Timeout => "Too slow an answer from",
            Self::Reset => "The connection broke while reading",
            Self::Protocol => "Not a valid HTTP answer from",
            Self::Redirect => "Refused to follow the redirects of",
            Self::TooLarge => "Too large an answer from",
        }
    }
}

/// The URL with user name, password and query removed: both may hold secrets.
pub fn without_credentials(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let path_start = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(path_start);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let separator = if scheme.is_empty() { "" } else { "://" };
    format!("{scheme}{separator}{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_secrets_out_of_the_url() {
        let clean = "https://example.com/a/b";
        assert_eq!(without_credentials("https://me:secret@example.com/a/b?token=t#f"), clean);
        assert_eq!(without_credentials(clean), clean);
        assert_eq!(without_credentials("no url"), "no url");
        assert_eq!(without_credentials("http://a@b@c?x"), "http://c");
    }
}
