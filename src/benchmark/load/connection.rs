//! A connection of a worker: made, used for one request after the other, and what can go wrong with it.

use std::io;

use tokio::net::TcpStream;

use super::{
    http1::Http1,
    http2::Http2,
    response::Reply,
    tally::Failure,
    target::{Endpoint, Protocol, Target},
};

/// A connection, whatever it speaks.
pub struct Connection {
    speaking: Speaking,
    /// Whether it has carried a request before.
    pub used: bool,
}

enum Speaking {
    Http1(Http1),
    Http2(Http2),
}

/// A whole response, and what it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    pub reply: Reply,
    /// Bytes that arrived: of HTTP/1 all of the response, of HTTP/2 its body.
    pub received: u64,
}

/// Why an exchange failed, and whether the server may have acted upon the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken {
    pub failure: Failure,
    pub seen: Seen,
}

/// What the server did with a request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It says that it did nothing (RFC 9113, section 8.7).
    Refused,
    /// It said nothing.
    Perhaps,
    /// It began to answer, or had its time.
    Surely,
}

impl Connection {
    /// A new connection to the first address that takes one; `None` if none does.
    pub async fn open(endpoint: &Endpoint) -> Option<Self> {
        let stream = TcpStream::connect(&*endpoint.addresses).await.ok()?;
        stream.set_nodelay(true).ok()?;
        let speaking = match (&endpoint.security, endpoint.protocol) {
            (None, Protocol::Http1) => Speaking::Http1(Http1::new(stream)),
            (None, Protocol::Http2) => Speaking::Http2(Http2::start(stream).await?),
            (Some((connector, name)), protocol) => {
                let secured = connector.connect(name.clone(), stream).await.ok()?;
                match protocol {
                    Protocol::Http1 => Speaking::Http1(Http1::secured(secured)),
                    Protocol::Http2 => {
                        let agreed = secured.get_ref().1.alpn_protocol() == Some(b"h2");
                        Speaking::Http2(Http2::start(agreed.then_some(secured)?).await?)
                    }
                }
            }
        };
        Some(Self { speaking, used: false })
    }

    /// Sends `target`'s request and reads the response to its end.
    pub async fn exchange(&mut self, target: &Target) -> Result<Answer, Broken> {
        self.used = true;
        match &mut self.speaking {
            Speaking::Http1(http1) => http1.exchange(target.request(), target.is_head()).await,
            Speaking::Http2(http2) => http2.exchange(target).await,
        }
    }
}

impl Broken {
    /// Whether the request may go out again on another connection, if this one was not fresh: a server may
    /// close an idle connection at any time, which is no failure of the request that finds out (RFC 9112,
    /// section 9.3.1; RFC 9113, section 8.7).
    pub fn is_repeatable(&self, target: &Target) -> bool {
        self.failure == Failure::Reset
            && match self.seen {
                Seen::Refused => true,
                Seen::Perhaps => target.is_idempotent(),
                Seen::Surely => false,
            }
    }
}

/// The kind of failure behind an error of a stream.
pub(super) fn failure(error: &io::Error) -> Failure {
    match error.kind() {
        // How TLS reports bytes that are none of its own.
        io::ErrorKind::InvalidData => Failure::Protocol,
        _ => Failure::Reset,
    }
}
