//! What went wrong, told from the error of whichever layer noticed it.

use std::{error::Error, io};

use crate::error::{NetworkError, NetworkFailure};

/// The failure of a request to `url`.
pub fn of_request(error: &reqwest::Error, url: &str) -> NetworkError {
    NetworkError::new(kind(error), url, root(error))
}

/// The failure of the body of an answer from `url`: the network's, or of what decodes it.
pub fn of_body(error: &io::Error, url: &str) -> NetworkError {
    let network = causes(error).find_map(|cause| cause.downcast_ref::<reqwest::Error>());
    let kind = match network {
        Some(error) => kind(error),
        None if error.kind() == io::ErrorKind::TimedOut => NetworkFailure::Timeout,
        None => NetworkFailure::Protocol,
    };
    NetworkError::new(kind, url, root(error))
}

fn kind(error: &reqwest::Error) -> NetworkFailure {
    if error.is_timeout() {
        NetworkFailure::Timeout
    } else if error.is_redirect() {
        NetworkFailure::Redirect
    } else if causes(error).any(|cause| cause.is::<rustls::Error>()) {
        NetworkFailure::Tls
    } else if error.is_dns() {
        NetworkFailure::Dns
    } else if error.is_connect() {
        NetworkFailure::Connect
    } else if !causes(error).any(is_broken_off)
        && (error.is_decode() || causes(error).any(is_unparsable))
    {
        NetworkFailure::Protocol
    } else {
        NetworkFailure::Reset
    }
}

fn is_unparsable(cause: &(dyn Error + 'static)) -> bool {
    cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse)
}

fn is_broken_off(cause: &(dyn Error + 'static)) -> bool {
    let ended = |error: &io::Error| {
        matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset)
    };
    cause.downcast_ref().is_some_and(ended)
        || cause.downcast_ref().is_some_and(hyper::Error::is_incomplete_message)
}

/// The error and all it was caused by, outermost first.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error: &&'a (dyn Error + 'static)| {
        // An I/O error hides what it wraps from `source`.
        error
            .downcast_ref::<io::Error>()
            .and_then(|error| error.get_ref())
            .map(|inner| inner as _)
            .or_else(|| error.source())
    })
}

/// The innermost cause.
pub fn root<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    causes(error).last().unwrap_or(error)
}
