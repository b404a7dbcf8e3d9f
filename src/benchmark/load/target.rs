//! Where requests go, and the bytes of one request.

use std::{net::SocketAddr, sync::Arc, time::Duration};

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
}

/// What is sent beside the URL.
#[derive(Clone, Debug)]
pub struct Message {
    /// A token (RFC 9110, section 9.1), such as `GET`.
    pub method: String,
    /// Names and values, valid and without line ends; the framing fields are the engine's.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Target {
    /// Fails with [`NetworkFailure::InvalidUrl`].
    pub fn new(url: &str, message: &Message) -> Result<Self> {
        let invalid = |reason: &dyn ToString| {
            NetworkError::new(NetworkFailure::InvalidUrl, url, reason.to_string())
        };
        let url = Url::parse(url).map_err(|error| invalid(&error))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(invalid(&format!("the scheme '{}' is not supported", url.scheme())).into());
        }
        let request = request(&url, message);
        Ok(Self { url, method: message.method.clone(), request })
    }

    /// The bytes of the request.
    pub fn request(&self) -> &[u8] {
        &self.request
    }

    /// Whether responses have no body whatever their headers say.
    pub fn is_head(&self) -> bool {
        self.method == "HEAD"
    }

    /// Whether a request may be sent again when its connection turns out to be dead (RFC 9110, 9.2.2).
    pub fn is_idempotent(&self) -> bool {
        matches!(&*self.method, "GET" | "HEAD" | "PUT" | "DELETE" | "OPTIONS" | "TRACE")
    }
}

/// The request with `Host`, framing, and the caller's fields after them. A caller's `Host` replaces ours.
fn request(url: &Url, Message { method, headers, body }: &Message) -> Vec<u8> {
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

/// A target with its addresses and, for `https:`, how to secure the connection.
pub struct Endpoint {
    pub target: Target,
    pub addresses: Vec<SocketAddr>,
    pub security: Option<(TlsConnector, ServerName<'static>)>,
}

impl Endpoint {
    /// Looks up the host once. A host that is not found within `timeout` leaves no addresses, so that each
    /// request fails to connect.
    pub async fn resolve(target: Target, timeout: Duration) -> Result<Self> {
        let host = target.url.host_str().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = target.url.port_or_known_default().unwrap_or(80);
        let lookup = tokio::net::lookup_host((host.clone(), port));
        let addresses = match tokio::time::timeout(timeout, lookup).await {
            Ok(Ok(addresses)) => addresses.collect(),
            Ok(Err(_)) | Err(_) => Vec::new(),
        };
        let security = match target.url.scheme() {
            "https" => Some(secure(&target.url, host)?),
            _ => None,
        };
        Ok(Self { target, addresses, security })
    }
}

fn secure(url: &Url, host: String) -> Result<(TlsConnector, ServerName<'static>)> {
    let fail =
        |failure, error: &dyn ToString| NetworkError::new(failure, url.as_str(), error.to_string());
    let name =
        ServerName::try_from(host).map_err(|error| fail(NetworkFailure::InvalidUrl, &error))?;
    let config = tls::client_config().map_err(|error| fail(NetworkFailure::Tls, &error))?;
    Ok((TlsConnector::from(Arc::new(config)), name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(url: &str, method: &str, headers: &[(&str, &str)], body: &str) -> String {
        let headers =
            headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let message = Message { method: method.into(), headers, body: body.into() };
        let target = Target::new(url, &message).unwrap();
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
        let message = Message { method: "GET".into(), headers: vec![], body: vec![] };
        for url in ["/path", "ftp://a/"] {
            assert_eq!(Target::new(url, &message).unwrap_err().code(), "ERR_INVALID_URL");
        }
    }
}
