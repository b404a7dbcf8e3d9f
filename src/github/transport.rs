//! HTTP itself: one attempt, and failures told apart.
//!
//! Connections are kept alive and shared by the process, HTTP/2, gzip, brotli and zstd are spoken, proxies come from the
//! environment. Redirects are the caller's to follow.

mod body;
mod failure;
mod upload;

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
    time::Duration,
};

use bytes::Bytes;
use parking_lot::Mutex;
use reqwest::{
    Client, Method, Url,
    header::{ACCEPT_ENCODING, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, RANGE},
    redirect,
};
use tokio::sync::Notify;

use self::upload::Upload;
use crate::{
    error::{Error, NetworkError, NetworkFailure, Result, without_credentials},
    tls,
};

/// The longest body: what a JavaScript string holds on 64-bit machines, about 512 MiB.
const MAX_BODY_BYTES: usize = 0x1fff_ffe8;

/// What says how a message is framed is not the caller's to say (the Fetch standard has these, and more, as forbidden).
const FRAMING: [&str; 9] = [
    "connection",
    "content-length",
    "expect",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

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
    /// Of the body, if it was told and the body is not encoded.
    pub length: Option<u64>,
    url: String,
    body: body::Incoming,
}

/// Why no answer began.
pub struct Failed {
    pub error: NetworkError,
    /// Whether the server may have heard of the request.
    pub reached: bool,
}

impl Stream {
    /// The next piece of the body, decoded; `None` at its end. A body that breaks off is an error.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        let failed = |error| failure::of_body(&error, &self.url);
        Ok(self.body.chunk().await.map_err(failed)?)
    }
}

/// A request that can be sent, as often as need be.
pub struct Prepared {
    client: Client,
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Option<Bytes>,
    idle: Duration,
}

impl Prepared {
    /// Fails if there is no such request.
    pub fn new(request: &Request) -> Result<Self, NetworkError> {
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
            if !FRAMING.contains(&header.as_str()) {
                headers.insert(header, value);
            }
        }
        // A part of what is encoded could not be decoded.
        let accepted = if headers.contains_key(RANGE) { "identity" } else { body::ACCEPTED };
        headers.entry(ACCEPT_ENCODING).or_insert(HeaderValue::from_static(accepted));
        let body = request.body.clone().filter(|body| !body.is_empty());
        if body.is_none() && matches!(method, Method::POST | Method::PUT | Method::PATCH) {
            // RFC 9110 section 8.6: it tells that there is none.
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let client = client(&request.url, request.timeouts.connect)?;
        Ok(Self { client, method, url, headers, body, idle: request.timeouts.idle })
    }

    pub fn method(&self) -> &str {
        self.method.as_str()
    }

    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Sends it and hands the body on as it arrives. The `timeout` is for all of it.
    pub async fn open(&self, timeout: Option<Duration>) -> Result<Stream, Failed> {
        let mut response = self.execute(timeout).await?;
        let status = response.status();
        let has = |name| response.headers().contains_key(name);
        if has("transfer-encoding") && has("content-length") {
            // RFC 9112 section 6.1: it "ought to be handled as an error".
            return Err(self.not_http("it has a length and chunks at once"));
        }
        if !(200..600).contains(&status.as_u16()) {
            return Err(self.not_http(&format!("there is no status {}", status.as_u16())));
        }
        let codings = body::codings(&self.method, status, response.headers_mut());
        let length = response.content_length().filter(|_| codings.is_empty());
        let (status, headers) = (status.as_u16(), pairs(response.headers()));
        let body = body::Incoming::new(response.into(), codings, self.idle);
        Ok(Stream { status, headers, length, url: self.url.to_string(), body })
    }

    /// The head of the answer. The silence is counted from the last piece of the body that went out.
    async fn execute(&self, timeout: Option<Duration>) -> Result<reqwest::Response, Failed> {
        let moved = Arc::new(Notify::new());
        let mut request = reqwest::Request::new(self.method.clone(), self.url.clone());
        *request.timeout_mut() = timeout;
        request.headers_mut().clone_from(&self.headers);
        *request.body_mut() = self.body.clone().map(|body| Upload::body(body, &moved));
        let answer = self.client.execute(request);
        tokio::pin!(answer);
        loop {
            tokio::select! {
                biased;
                answer = &mut answer => return answer.map_err(|error| Failed {
                    error: failure::of_request(&error, self.url.as_str()),
                    reached: !error.is_connect(),
                }),
                () = moved.notified() => {}
                () = tokio::time::sleep(self.idle) => {
                    let silence = format!("nothing came for {} ms", self.idle.as_millis());
                    let url = self.url.as_str();
                    let error = NetworkError::new(NetworkFailure::Timeout, url, silence);
                    return Err(Failed { error, reached: true });
                }
            }
        }
    }

    fn not_http(&self, reason: &str) -> Failed {
        let error = NetworkError::new(NetworkFailure::Protocol, self.url.as_str(), reason);
        Failed { error, reached: true }
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

/// The clients of the process: their pools of connections are worth sharing.
fn client(url: &str, connect: Duration) -> Result<Client, NetworkError> {
    static CLIENTS: LazyLock<Mutex<HashMap<Duration, Client>>> = LazyLock::new(Mutex::default);
    let mut clients = CLIENTS.lock();
    if let Some(client) = clients.get(&connect) {
        return Ok(client.clone());
    }
    let failed = |reason: String| NetworkError::new(NetworkFailure::Tls, url, reason);
    let mut tls = tls::client_config().map_err(|error| failed(error.to_string()))?;
    // A configuration that is handed in is taken as it is: without these HTTP/2 is never agreed on.
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let client = Client::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(connect)
        .redirect(redirect::Policy::none())
        .build()
        .map_err(|error| failed(failure::root(&error).to_string()))?;
    clients.insert(connect, client.clone());
    Ok(client)
}
