//! HTTP itself: one shared client, and failures told apart.
//!
//! Connections are kept alive, HTTP/2, gzip, brotli and zstd are spoken, proxies come from the environment. Credentials
//! do not follow a redirect to another host, and no redirect leaves `https`.

use std::{
    sync::OnceLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use reqwest::{
    Client, Method, Url,
    header::{HeaderMap, HeaderName, HeaderValue},
    redirect,
};

use ring::rand::{SecureRandom, SystemRandom};

use super::retry;
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
    /// How often it is sent again at most when no answer begins, or one that tells of a passing failure. With these the
    /// timeout is that of each attempt.
    pub retries: u32,
}

impl Request {
    pub fn get(url: String, headers: Vec<(String, String)>) -> Self {
        Self { method: "GET".to_owned(), url, headers, body: None, timeout: None, retries: 0 }
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
    /// The value of the first header of this name, which is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

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
    let mut response = execute(&request, Redirects::Follow).await?;
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

/// An answer whose body is yet to come.
pub struct Stream {
    pub status: u16,
    /// As [`Response::headers`].
    pub headers: Vec<(String, String)>,
    url: String,
    response: reqwest::Response,
}

/// Sends `request`, follows no redirect, and hands the body on as it arrives.
pub async fn open(request: Request) -> Result<Stream> {
    let url = request.url.clone();
    let response = execute(&request, Redirects::Return).await?;
    let (status, headers) = (response.status().as_u16(), pairs(response.headers()));
    Ok(Stream { status, headers, url, response })
}

impl Stream {
    /// The next piece of the body, decoded; `None` at its end. A body that breaks off is an error.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        let fail =
            |error: reqwest::Error| NetworkError::new(failure(&error), &self.url, root(&error));
        Ok(self.response.chunk().await.map_err(fail)?)
    }
}

/// Sends `request` until an answer begins, as often as it may.
async fn execute(request: &Request, redirects: Redirects) -> Result<reqwest::Response> {
    let client = client(&request.url, redirects)?;
    let retries = if retry::is_idempotent(&request.method) { request.retries } else { 0 };
    let mut attempt = 0;
    loop {
        let outcome = client.execute(build(request)?).await;
        let passes = match &outcome {
            Ok(response) => retry::status_passes(response.status().as_u16()),
            Err(error) => retry::passes(failure(error)),
        };
        let asked = outcome.as_ref().ok().and_then(retry_after);
        let pause = retry::pause(attempt, asked, lot()).filter(|_| passes && attempt < retries);
        let Some(pause) = pause else {
            let fail = |error: reqwest::Error| {
                NetworkError::new(failure(&error), &request.url, root(&error)).into()
            };
            return outcome.map_err(fail);
        };
        tokio::time::sleep(pause).await;
        attempt += 1;
    }
}

fn retry_after(response: &reqwest::Response) -> Option<Duration> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let value = response.headers().get("retry-after")?.to_str().ok()?;
    retry::asked(value, i64::try_from(now.as_secs()).ok()?)
}

/// Random in `0.0..1.0`.
fn lot() -> f64 {
    let mut bytes = [0; 4];
    // Without randomness all wait as long as the bound allows.
    let drawn = SystemRandom::new().fill(&mut bytes);
    drawn.map_or(1.0, |()| f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX))
}

fn build(request: &Request) -> Result<reqwest::Request> {
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
        let (Ok(header), Some(value)) = (name.parse::<HeaderName>(), header_value(value)) else {
            return Err(invalid_request(format!("the header '{name}' is not valid")));
        };
        built.headers_mut().insert(header, value);
    }
    *built.body_mut() = request.body.clone().map(Into::into);
    Ok(built)
}

/// HTTP fields are bytes; JavaScript has a character for each.
fn header_value(text: &str) -> Option<HeaderValue> {
    let bytes: Option<Vec<u8>> =
        text.chars().map(|character| u8::try_from(character).ok()).collect();
    HeaderValue::from_bytes(&bytes?).ok()
}

fn pairs(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &[u8]| value.iter().map(|byte| char::from(*byte)).collect();
    headers.iter().map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect()
}

/// Who follows redirects.
#[derive(Clone, Copy)]
enum Redirects {
    /// The client.
    Follow,
    /// The caller.
    Return,
}

/// The clients of the process: their pools of connections are worth sharing.
fn client(url: &str, redirects: Redirects) -> Result<&'static Client> {
    static CLIENTS: [OnceLock<Client>; 2] = [const { OnceLock::new() }; 2];
    let shared = &CLIENTS[redirects as usize];
    if let Some(client) = shared.get() {
        return Ok(client);
    }
    let tls =
        tls::client_config().map_err(|error| NetworkError::new(NetworkFailure::Tls, url, error))?;
    let policy = match redirects {
        Redirects::Follow => redirect::Policy::custom(follow),
        Redirects::Return => redirect::Policy::none(),
    };
    let client = Client::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(IDLE_TIMEOUT)
        .redirect(policy)
        .build()
        .map_err(|error| NetworkError::new(NetworkFailure::Tls, url, root(&error)))?;
    Ok(shared.get_or_init(|| client))
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
