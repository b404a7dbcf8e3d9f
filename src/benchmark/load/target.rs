//! Where requests go, and the bytes of one request.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, header};
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;
use url::Url;

use crate::{
    error::{NetworkError, NetworkFailure, Result},
    tls,
};

/// One request, again and again.
#[derive(Clone, Debug)]
pub struct Target {
    url: Url,
    method: String,
    request: Vec<u8>,
    parts: (Request<()>, Bytes),
    expected: Expected,
    weight: f64,
}

/// What is sent, and how often among other targets.
#[derive(Clone, Debug)]
pub struct Message {
    /// A token (RFC 9110, section 9.1), such as `GET`.
    pub method: String,
    /// Names and values, valid and without line ends; the framing fields are the engine's.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub expected: Expected,
    /// Its share among the weights of all targets; above 0.
    pub weight: f64,
}

/// Which statuses are a success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Every status below 400.
    NoError,
    OneOf(Vec<u16>),
}

impl Expected {
    pub fn accepts(&self, status: u16) -> bool {
        match self {
            Self::NoError => status < 400,
            Self::OneOf(statuses) => statuses.contains(&status),
        }
    }
}

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Http1,
    /// Agreed on by ALPN on secured connections, known beforehand on others (RFC 9113, section 3.3).
    Http2,
}

impl Target {
    /// Fails with [`NetworkFailure::InvalidUrl`] and [`NetworkFailure::InvalidRequest`].
    pub fn new(url: &str, message: Message) -> Result<Self> {
        let invalid =
            |failure, reason: &dyn ToString| NetworkError::new(failure, url, reason.to_string());
        let url = Url::parse(url).map_err(|error| invalid(NetworkFailure::InvalidUrl, &error))?;
        if !matches!(url.scheme(), "http" | "https") {
            let reason = format!("the scheme '{}' is not supported", url.scheme());
            return Err(invalid(NetworkFailure::InvalidUrl, &reason).into());
        }
        let request = request(&url, &message);
        let head = head(&url, &message)
            .map_err(|error| invalid(NetworkFailure::InvalidRequest, &error))?;
        let Message { method, body, expected, weight, .. } = message;
        Ok(Self { url, method, request, parts: (head, body.into()), expected, weight })
    }

    /// The bytes of the request in HTTP/1.1.
    pub fn request(&self) -> &[u8] {
        &self.request
    }

    /// The request as HTTP/2 takes it.
    pub fn parts(&self) -> &(Request<()>, Bytes) {
        &self.parts
    }

    pub fn expects(&self, status: u16) -> bool {
        self.expected.accepts(status)
    }

    pub fn weight(&self) -> f64 {
        self.weight
    }

    /// Whether responses have no body whatever their headers say.
    pub fn is_head(&self) -> bool {
        self.method == "HEAD"
    }

    /// Whether a request may be sent again when its connection turns out to be dead (RFC 9110, 9.2.2).
    pub fn is_idempotent(&self) -> bool {
        matches!(&*self.method, "GET" | "HEAD" | "PUT" | "DELETE" | "OPTIONS" | "TRACE")
    }

    /// Whether one connection can serve both.
    fn shares_origin(&self, other: &Self) -> bool {
        self.url.origin() == other.url.origin()
    }
}

/// The request as HTTP/2 has it: without the fields that HTTP/1 connections need (RFC 9113, section 8.2.2).
fn head(url: &Url, message: &Message) -> Result<Request<()>, http::Error> {
    const OF_CONNECTIONS: [&str; 7] = [
        "connection",
        "keep-alive",
        "proxy-connection",
        "transfer-encoding",
        "upgrade",
        "host",
        "content-length",
    ];
    let mut request = Request::builder()
        .method(&*message.method)
        .uri(url[..url::Position::AfterQuery].parse::<http::Uri>()?)
        .version(http::Version::HTTP_2);
    for (name, value) in &message.headers {
        if OF_CONNECTIONS.iter().any(|other| name.eq_ignore_ascii_case(other)) {
            continue;
        }
        let latin1: Vec<u8> = value.chars().map(|letter| letter as u8).collect();
        request = request.header(HeaderName::try_from(name)?, HeaderValue::from_bytes(&latin1)?);
    }
    if !message.body.is_empty() {
        request = request.header(header::CONTENT_LENGTH, message.body.len());
    }
    request.body(())
}

/// The request with `Host`, framing, and the caller's fields after them. A caller's `Host` replaces ours.
fn request(url: &Url, message: &Message) -> Vec<u8> {
    let Message { method, headers, body, .. } = message;
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut head = format!("{method} {}{query} HTTP/1.1\r\n", url.path());
    let given = |name: &str| headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
    if !given("host") {
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        head += &format!("host: {}{port}\r\n", url.host_str().unwrap_or_default());
    }
    if !body.is_empty() || matches!(&**method, "POST" | "PUT" | "PATCH") {
        head += &format!("content-length: {}\r\n", body.len());
    }
    let mut request = head.into_bytes();
    for (name, value) in headers {
        if name.eq_ignore_ascii_case("content-length")
            || name.eq_ignore_ascii_case("transfer-encoding")
        {
            continue;
        }
        request.extend(name.bytes());
        request.extend(b": ");
        // Field values are Latin-1 (RFC 9110, section 5.5), and so are JavaScript's.
        request.extend(value.chars().map(|letter| letter as u8));
        request.extend(b"\r\n");
    }
    request.extend(b"\r\n");
    request.extend(body);
    request
}

/// Where connections of some targets go and, for `https:`, how they are secured.
pub struct Endpoint {
    pub addresses: Vec<SocketAddr>,
    pub security: Option<(TlsConnector, ServerName<'static>)>,
    pub protocol: Protocol,
}

impl Endpoint {
    /// Looks up the host once. A host that is not found within `timeout` leaves no addresses, so that each
    /// request fails to connect.
    async fn resolve(target: &Target, protocol: Protocol, timeout: Duration) -> Result<Self> {
        let host = target.url.host_str().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = target.url.port_or_known_default().unwrap_or(80);
        let lookup = tokio::net::lookup_host((host.clone(), port));
        let addresses = match tokio::time::timeout(timeout, lookup).await {
            Ok(Ok(addresses)) => addresses.collect(),
            Ok(Err(_)) | Err(_) => Vec::new(),
        };
        let security = match target.url.scheme() {
            "https" => Some(secure(&target.url, host, protocol)?),
            _ => None,
        };
        Ok(Self { addresses, security, protocol })
    }
}

/// All targets of a test and the endpoints they share.
pub struct Targets {
    pub targets: Vec<Target>,
    pub endpoints: Vec<Endpoint>,
    /// Of each target, the index of its endpoint.
    pub endpoint: Vec<usize>,
}

impl Targets {
    /// One endpoint an origin.
    pub async fn resolve(
        targets: Vec<Target>,
        protocol: Protocol,
        timeout: Duration,
    ) -> Result<Self> {
        let mut first: Vec<&Target> = Vec::new();
        let mut endpoint = Vec::new();
        for target in &targets {
            let known = first.iter().position(|other| target.shares_origin(other));
            endpoint.push(known.unwrap_or(first.len()));
            if known.is_none() {
                first.push(target);
            }
        }
        let mut endpoints = Vec::new();
        for target in first {
            endpoints.push(Endpoint::resolve(target, protocol, timeout).await?);
        }
        Ok(Self { targets, endpoints, endpoint })
    }
}

fn secure(
    url: &Url,
    host: String,
    protocol: Protocol,
) -> Result<(TlsConnector, ServerName<'static>)> {
    let fail =
        |failure, error: &dyn ToString| NetworkError::new(failure, url.as_str(), error.to_string());
    let name =
        ServerName::try_from(host).map_err(|error| fail(NetworkFailure::InvalidUrl, &error))?;
    let mut config = tls::client_config().map_err(|error| fail(NetworkFailure::Tls, &error))?;
    if protocol == Protocol::Http2 {
        config.alpn_protocols = vec![b"h2".to_vec()];
    }
    Ok((TlsConnector::from(Arc::new(config)), name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get() -> Message {
        Message {
            method: "GET".into(),
            headers: vec![],
            body: vec![],
            expected: Expected::NoError,
            weight: 1.0,
        }
    }

    fn sent(url: &str, method: &str, headers: &[(&str, &str)], body: &str) -> String {
        let headers =
            headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let message = Message { method: method.into(), headers, body: body.into(), ..get() };
        let target = Target::new(url, message).unwrap();
        target.request().iter().map(|&byte| char::from(byte)).collect()
    }

    #[test]
    fn a_request_has_what_the_server_needs() {
        assert_eq!(
            sent("http://example.com", "GET", &[], ""),
            "GET / HTTP/1.1\r\nhost: example.com\r\n\r\n"
        );
        assert_eq!(
            sent("http://[::1]:8080/a%20b?c=d#e", "GET", &[("x-name", "J\u{e9}")], ""),
            "GET /a%20b?c=d HTTP/1.1\r\nhost: [::1]:8080\r\nx-name: J\u{e9}\r\n\r\n"
        );
        assert_eq!(
            sent("http://a/", "POST", &[("Host", "b"), ("Content-Length", "9")], "{}"),
            "POST / HTTP/1.1\r\ncontent-length: 2\r\nHost: b\r\n\r\n{}"
        );
    }

    #[test]
    fn other_urls_are_refused() {
        for url in ["/path", "ftp://a/"] {
            assert_eq!(Target::new(url, get()).unwrap_err().code(), "ERR_INVALID_URL");
        }
    }

    #[test]
    fn in_http2_fields_of_the_connection_are_left_out() {
        let headers = vec![("Connection".into(), "close".into()), ("X-Name".into(), "a".into())];
        let message = Message { headers, body: b"{}".into(), method: "POST".into(), ..get() };
        let target = Target::new("https://a:8/b?c#d", message).unwrap();
        let (head, body) = target.parts();
        assert_eq!((head.uri().to_string(), body.len()), ("https://a:8/b?c".to_owned(), 2));
        let names: Vec<&str> = head.headers().keys().map(|name| name.as_str()).collect();
        assert_eq!(names, ["x-name", "content-length"]);
    }

    #[test]
    fn statuses_are_expected_or_not() {
        assert!(Expected::NoError.accepts(399) && !Expected::NoError.accepts(400));
        assert!(Expected::OneOf(vec![404]).accepts(404) && !Expected::OneOf(vec![]).accepts(200));
    }

    #[tokio::test]
    async fn targets_of_one_origin_share_their_connections() {
        let targets = ["http://127.0.0.1:1/a", "http://127.0.0.1:2/", "http://127.0.0.1:1/b"]
            .map(|url| Target::new(url, get()).unwrap());
        let resolved =
            Targets::resolve(targets.into(), Protocol::Http1, Duration::from_secs(1)).await;
        let Targets { endpoints, endpoint, .. } = resolved.unwrap();
        assert_eq!((endpoints.len(), endpoint), (2, vec![0, 1, 0]));
    }
}
