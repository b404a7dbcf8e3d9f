//! HTTP itself: one shared client, and failures told apart.
//!
//! Connections are kept alive, HTTP/2 and gzip are spoken, proxies come from the environment. Credentials
//! do not follow a redirect to another host, and no redirect leaves `https`.

use std::{sync::OnceLock, time::Duration};

use reqwest::{Client, Method, Url, header::HeaderMap, redirect};

use crate::{
    error::{Error, NetworkError, NetworkFailure, Result, without_credentials},
    tls,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest silence between two pieces of an answer. GitHub itself gives up after ten seconds.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest body: what a JavaScript string holds on 64-bit machines, about 512 MiB.
const MAX_BODY_BYTES: usize = 0x1fff_ffe8;

const MAX_REDIRECTS: usize = 10;

/// What to ask.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// Absolute.
    pub url: String,
    /// Of several under one name, the last is sent.
    pub headers: Vec<(String, String)>,
    pub body: Option<Vec<u8>>,
    /// For the whole exchange; `None` leaves it to the connect and idle timeouts.
    pub timeout: Option<Duration>,
}

impl Request {
    pub fn get(url: String, headers: Vec<(String, String)>) -> Self {
        Self { method: "GET".to_owned(), url, headers, body: None, timeout: None }
    }
}

/// A complete answer of any status.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    /// Lower-case names; a name occurs as often as it was sent.
    pub headers: Vec<(String, String)>,
    /// Decoded.
    pub body: Vec<u8>,
    url: String,
}

impl Response {
    /// The response itself if its status is 2xx, else the error that tells of it.
    pub fn success(self) -> Result<Self> {
        let status = self.status;
        if (200..300).contains(&status) {
            return Ok(self);
        }
        let reason = reqwest::StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason());
        Err(Error::HttpStatus {
            status,
            status_text: reason.unwrap_or_default().to_owned(),
            url: without_credentials(&self.url),
            headers: self.headers,
            body: String::from_utf8_lossy(&self.body).into_owned(),
        })
    }
}

/// Sends `request` and reads the whole answer.
pub async fn send(request: Request) -> Result<Response> {
    let url = request.url.clone();
    let fail = |error: reqwest::Error| NetworkError::new(failure(&error), &url, root(&error));
    let mut response = client(&url)?.execute(build(request)?).await.map_err(fail)?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(fail)? {
        if body.len() + chunk.len() > MAX_BODY_BYTES {
            let reason = format!("more than {MAX_BODY_BYTES} bytes");
            return Err(NetworkError::new(NetworkFailure::TooLarge, &url, reason).into());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Response {
        status: response.status().as_u16(),
        headers: pairs(response.headers()),
        body,
        url: response.url().to_string(),
    })
}

fn build(request: Request) -> Result<reqwest::Request> {
    let invalid = |failure| {
        let url = &request.url;
        move |reason: String| Error::from(NetworkError::new(failure, url, reason))
    };
    let invalid_request = invalid(NetworkFailure::InvalidRequest);
    let url = Url::parse(&request.url)
        .map_err(|error| invalid(NetworkFailure::InvalidUrl)(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        let reason = format!("the scheme '{}' is not supported", url.scheme());
        return Err(invalid(NetworkFailure::InvalidUrl)(reason));
    }
    let method: Method = request
        .method
        .parse()
        .map_err(|_| invalid_request(format!("'{}' is not a method", request.method)))?;
    let mut built = reqwest::Request::new(method, url);
    *built.timeout_mut() = request.timeout;
    for (name, value) in &request.headers {
        // The value may be a secret, so only the name is told.
        let (Ok(header), Ok(value)) = (name.parse::<reqwest::header::HeaderName>(), value.parse())
        else {
            return Err(invalid_request(format!("the header '{name}' is not valid")));
        };
        built.headers_mut().insert(header, value);
    }
    *built.body_mut() = request.body.map(Into::into);
    Ok(built)
}

fn pairs(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    headers.iter().map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect()
}

/// The client of the process: its pool of connections is worth sharing.
fn client(url: &str) -> Result<&'static Client> {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    if let Some(client) = CLIENT.get() {
        return Ok(client);
    }
    let tls =
        tls::client_config().map_err(|error| NetworkError::new(NetworkFailure::Tls, url, error))?;
    let client = Client::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(IDLE_TIMEOUT)
        .redirect(redirect::Policy::custom(follow))
        .build()
        .map_err(|error| NetworkError::new(NetworkFailure::Tls, url, root(&error)))?;
    Ok(CLIENT.get_or_init(|| client))
}

fn follow(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let leaves_https = attempt.url().scheme() != "https"
        && attempt.previous().last().is_some_and(|from| from.scheme() == "https");
    if leaves_https {
        attempt.error("a redirect leaves https")
    } else if attempt.previous().len() > MAX_REDIRECTS {
        attempt.error("too many redirects")
    } else {
        attempt.follow()
    }
}

fn failure(error: &reqwest::Error) -> NetworkFailure {
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

fn is_unparsable(cause: &(dyn std::error::Error + 'static)) -> bool {
    cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse)
}

fn is_broken_off(cause: &(dyn std::error::Error + 'static)) -> bool {
    use std::io::ErrorKind;
    let ended = |error: &std::io::Error| {
        matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset)
    };
    cause.downcast_ref().is_some_and(ended)
        || cause.downcast_ref().is_some_and(hyper::Error::is_incomplete_message)
}

/// The error and all it was caused by, outermost first.
fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| {
        // An I/O error hides what it wraps from `source`.
        error
            .downcast_ref::<std::io::Error>()
            .and_then(|error| error.get_ref())
            .map(|inner| inner as _)
            .or_else(|| error.source())
    })
}

fn root<'a>(error: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    causes(error).last().unwrap_or(error)
}
