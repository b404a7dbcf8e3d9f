//! HTTP/1.1 on a stream: one request, then its response.

use std::io;

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

use super::{
    connection::{Answer, Broken, Seen, failure},
    response::{Reader, Reply},
    tally::Failure,
};

/// What a connection reads at once, and the longest response head it takes.
const BUFFER: usize = 16 * 1024;

pub struct Http1 {
    stream: Stream,
    buffer: Box<[u8]>,
}

enum Stream {
    Plain(TcpStream),
    Secured(Box<TlsStream<TcpStream>>),
}

impl Http1 {
    pub fn new(stream: TcpStream) -> Self {
        Self { stream: Stream::Plain(stream), buffer: vec![0; BUFFER].into() }
    }

    pub fn secured(stream: TlsStream<TcpStream>) -> Self {
        Self { stream: Stream::Secured(stream.into()), buffer: vec![0; BUFFER].into() }
    }

    /// Sends `request` and reads the response to its end.
    pub async fn exchange(&mut self, request: &[u8], to_head: bool) -> Result<Answer, Broken> {
        let Self { stream, buffer } = self;
        match stream {
            Stream::Plain(stream) => exchange(stream, buffer, request, to_head).await,
            Stream::Secured(stream) => exchange(stream, buffer, request, to_head).await,
        }
    }
}

async fn exchange(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    buffer: &mut [u8],
    request: &[u8],
    to_head: bool,
) -> Result<Answer, Broken> {
    let broken = |failure, received| Broken {
        failure,
        seen: if received == 0 { Seen::Perhaps } else { Seen::Surely },
    };
    // A server may answer and close before it has read everything: the answer still counts.
    let sent = send(stream, request).await;
    let mut reader = Reader::new(to_head);
    let (mut filled, mut received) = (0, 0);
    loop {
        let count = stream
            .read(&mut buffer[filled..])
            .await
            .map_err(|error| broken(failure(&error), received))?;
        if count == 0 {
            let reply = reader.close().ok_or(broken(Failure::Reset, received))?;
            return Ok(Answer { reply, received });
        }
        received += count as u64;
        filled += count;
        let taken =
            reader.read(&buffer[..filled]).map_err(|_| broken(Failure::Protocol, received))?;
        if let Some(reply) = reader.done() {
            // Bytes after a response nobody asked for, or a request that was not taken whole.
            let clean = taken == filled && sent.is_ok();
            return Ok(Answer {
                reply: Reply { reusable: reply.reusable && clean, ..reply },
                received,
            });
        }
        buffer.copy_within(taken..filled, 0);
        filled -= taken;
        if filled == buffer.len() {
            return Err(broken(Failure::Protocol, received));
        }
    }
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), request: &[u8]) -> io::Result<()> {
    stream.write_all(request).await?;
    stream.flush().await
}
