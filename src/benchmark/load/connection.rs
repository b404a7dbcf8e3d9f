//! One request and its response on a stream, plain or secured.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{
    response::{Reader, Reply},
    tally::Failure,
};

/// What a connection reads at once, and the longest response head it takes.
const BUFFER: usize = 16 * 1024;

/// A stream that carries requests one after the other.
pub struct Connection {
    stream: Box<dyn Stream>,
    buffer: Box<[u8]>,
    /// Whether it has carried a request before.
    pub used: bool,
}

/// A connection's bytes, whatever secures them.
pub trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// Why an exchange failed, and whether the server had begun to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken {
    pub failure: Failure,
    pub answered: bool,
}

impl Connection {
    pub fn new(stream: impl Stream + 'static) -> Self {
        Self { stream: Box::new(stream), buffer: vec![0; BUFFER].into(), used: false }
    }

    /// Sends `request` and reads the response to its end.
    pub async fn exchange(&mut self, request: &[u8], to_head: bool) -> Result<Reply, Broken> {
        self.used = true;
        let broken = |failure, answered| Broken { failure, answered };
        // A server may answer and close before it has read everything: the answer still counts.
        let sent = self.send(request).await;
        let mut reader = Reader::new(to_head);
        let (mut filled, mut answered) = (0, false);
        loop {
            let count = self
                .stream
                .read(&mut self.buffer[filled..])
                .await
                .map_err(|error| broken(failure(&error), answered))?;
            if count == 0 {
                return reader.close().ok_or(broken(Failure::Reset, answered));
            }
            answered = true;
            filled += count;
            let taken =
                reader.read(&self.buffer[..filled]).map_err(|_| broken(Failure::Protocol, true))?;
            if let Some(reply) = reader.done() {
                // Bytes after a response nobody asked for, or a request that was not taken whole.
                let clean = taken == filled && sent.is_ok();
                return Ok(Reply { reusable: reply.reusable && clean, ..reply });
            }
            self.buffer.copy_within(taken..filled, 0);
            filled -= taken;
            if filled == self.buffer.len() {
                return Err(broken(Failure::Protocol, true));
            }
        }
    }

    async fn send(&mut self, request: &[u8]) -> io::Result<()> {
        self.stream.write_all(request).await?;
        self.stream.flush().await
    }
}

fn failure(error: &io::Error) -> Failure {
    match error.kind() {
        // How TLS reports bytes that are none of its own.
        io::ErrorKind::InvalidData => Failure::Protocol,
        _ => Failure::Reset,
    }
}
