//! HTTP itself: one shared client, and failures told apart.
//!
//! Connections are kept alive, HTTP/2, gzip, brotli and zstd are spoken, proxies come from the environment. Credentials
//! do not follow a redirect to another host, and no redirect leaves `https`.

use std::{collections::HashMap, sync::LazyLock, time::Duration};

use bytes::Bytes;
use reqwest::{
    Client, Method, Url,
    header::{HeaderMap, HeaderName, HeaderValue},
    redirect,
};

use parking_lot::Mutex;

use crate::{
    error::{Error, NetworkError, NetworkFailure, Result, without_credentials},
    tls,
};

/// The longest body: what a JavaScript string holds on 64-bit machines, about 512 MiB.
const MAX_BODY_BYTES: usize = 0x1fff_ffe8;

const MAX_REDIRECTS: usize = 10;

/// How long to wait for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timeouts {
    /// For a connection.
    pub connect: Duration,
    /// For the next piece of an answer.
    pub idle: Duration,
}

impl Default for Timeouts {
    /// GitHub itself gives up after ten seconds.
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), idle: Duration::from_secs(30) }
    }
}

/// What to ask.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// Absolute.
    pub url: String,
    /// Of several under one name, the last is sent.
    pub headers: Vec<(String, String)>,
    pub body: Option<Bytes>,
    /// For the whole exchange; `None` leaves it to the others.
    pub timeout: Option<Duration>,
    pub timeouts: Timeouts,
}

impl Request {
    pub fn get(url: String, headers: Vec<(String, String)>) -> Self {
        let (method, timeouts) = ("GET".to_owned(), Timeouts::default());
        Self { method, url, headers, body: None, timeout: None, timeouts }
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
    pub url: String,
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
    let prepared = Prepared::new(&request, Redirects::Follow)?;
    let answer = prepared.execute(request.timeout).await.map_err(|failed| failed.error)?;
    let url = answer.url().to_string();
    let (status, headers) = (answer.status().as_u16(), pairs(answer.headers()));
    let mut stream = Stream { status, headers, url: request.url, response: answer };
    let mut body = Vec::new();
    while let Some(piece) = stream.chunk().await? {
        append(&mut body, &piece, &stream.url)?;
    }
    Ok(Response { status, headers: stream.headers, body, url })
}

/// Adds a piece to a body that is read whole.
pub fn append(body: &mut Vec<u8>, piece: &[u8], url: &str) -> Result<()> {
    if body.len() + piece.len() > MAX_BODY_BYTES {
        let reason = format!("more than {MAX_BODY_BYTES} bytes");
        return Err(NetworkError::new(NetworkFailure::TooLarge, url, reason).into());
    }
    body.extend_from_slice(piece);
    Ok(())
}

/// An answer whose body is yet to come.
pub struct Stream {
    pub status: u16,
    /// As [`Response::headers`].
    pub headers: Vec<(String, String)>,
    url: String,
    response: reqwest::Response,
}

/// Why no answer began.
pub struct Failed {
    pub error: NetworkError,
    /// Whether the server may have heard of the request.
    pub reached: bool,
}

impl Stream {
    /// The length of the body, if it was told and the body is not encoded.
    pub fn length(&self) -> Option<u64> {
        self.response.content_length()
    }

    /// The next piece of the body, decoded; `None` at its end. A body that breaks off is an error.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        let fail =
            |error: reqwest::Error| NetworkError::new(failure(&error), &self.url, root(&error));
        Ok(self.response.chunk().await.map_err(fail)?)
    }
}

/// A request that can be sent, as often as need be.
pub struct Prepared {
    client: Client,
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Option<Bytes>,
}

impl Prepared {
    /// Fails if there is no such request.
    pub fn new(request: &Request, redirects: Redirects) -> Result<Self, NetworkError> {
        let invalid = |failure, reason: String| NetworkError::new(failure, &request.url, reason);
        let invalid_url = |reason| invalid(NetworkFailure::InvalidUrl, reason);
        let invalid_request = |reason| invalid(NetworkFailure::InvalidRequest, reason);
        let url = Url::parse(&request.url).map_err(|error| invalid_url(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            let reason = format!("the scheme '{}' is not supported", url.scheme());
            return Err(invalid_url(reason));
        }
        let method = request.method.parse();
        let method =
            method.map_err(|_| invalid_request(format!("'{}' is not a method", request.method)))?;
        let mut headers = HeaderMap::new();
        for (name, value) in &request.headers {
            // The value may be a secret, so only the name is told.
            let (Ok(header), Some(value)) = (name.parse::<HeaderName>(), header_value(value))
            else {
                return Err(invalid_request(format!("the header '{name}' is not valid")));
            };
            headers.insert(header, value);
        }
        let client = client(&request.url, redirects, request.timeouts)?;
        Ok(Self { client, method, url, headers, body: request.body.clone() })
    }

    pub fn method(&self) -> &str {
        self.method.as_str()
    }

    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Sends it and hands the body on as it arrives. The `timeout` is for all of it.
    pub async fn open(&self, timeout: Option<Duration>) -> Result<Stream, Failed> {
        let response = self.execute(timeout).await?;
        let (status, headers) = (response.status().as_u16(), pairs(response.headers()));
        Ok(Stream { status, headers, url: self.url.to_string(), response })
    }

    async fn execute(&self, timeout: Option<Duration>) -> Result<reqwest::Response, Failed> {
        let mut request = reqwest::Request::new(self.method.clone(), self.url.clone());
        *request.timeout_mut() = timeout;
        request.headers_mut().clone_from(&self.headers);
        *request.body_mut() = self.body.clone().map(Into::into);
        let url = self.url.as_str();
        let response = self.client.execute(request).await.map_err(|error| Failed {
            error: NetworkError::new(failure(&error), url, root(&error)),
            reached: !error.is_connect(),
        })?;
        let has = |name| response.headers().contains_key(name);
        if has("transfer-encoding") && has("content-length") {
            // RFC 9112 section 6.1: it "ought to be handled as an error".
            let reason = "it has a length and chunks at once";
            let error = NetworkError::new(NetworkFailure::Protocol, url, reason);
            return Err(Failed { error, reached: true });
        }
        Ok(response)
    }
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
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Redirects {
    /// The client.
    Follow,
    /// The caller.
    Return,
}

/// The clients of the process: their pools of connections are worth sharing.
fn client(url: &str, redirects: Redirects, timeouts: Timeouts) -> Result<Client, NetworkError> {
    static CLIENTS: LazyLock<Mutex<HashMap<(Redirects, Timeouts), Client>>> =
        LazyLock::new(Mutex::default);
    let mut clients = CLIENTS.lock();
    if let Some(client) = clients.get(&(redirects, timeouts)) {
        return Ok(client.clone());
    }
    let failed = |reason: String| NetworkError::new(NetworkFailure::Tls, url, reason);
    let mut tls = tls::client_config().map_err(|error| failed(error.to_string()))?;
    // A configuration that is handed in is taken as it is: without these HTTP/2 is never agreed on.
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let policy = match redirects {
        Redirects::Follow => redirect::Policy::custom(follow),
        Redirects::Return => redirect::Policy::none(),
    };
    let client = Client::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(timeouts.connect)
        .read_timeout(timeouts.idle)
        .redirect(policy)
        .build()
        .map_err(|error| failed(root(&error).to_string()))?;
    clients.insert((redirects, timeouts), client.clone());
    Ok(client)
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
