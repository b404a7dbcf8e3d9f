//! HTTP/2 on a stream (RFC 9113): one request at a time, as a worker sends them.

use bytes::Bytes;
use h2::{Reason, RecvStream, client::SendRequest};
use http::Response;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::{JoinHandle, spawn_local},
};

use super::{
    connection::{Answer, Broken, Seen, failure},
    response::Reply,
    tally::Failure,
    target::Target,
};

/// What a server may send before it hears from us: large, so that flow control is not what is measured.
const WINDOW: u32 = 1 << 24;

pub struct Http2 {
    requests: SendRequest<Bytes>,
    /// Moves the frames.
    driver: JoinHandle<()>,
}

impl Http2 {
    /// Greets the server; `None` if it does not speak HTTP/2. Must be called on a local task set.
    pub async fn start(stream: impl AsyncRead + AsyncWrite + Unpin + 'static) -> Option<Self> {
        let (requests, connection) = h2::client::Builder::new()
            .initial_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .enable_push(false)
            .handshake(stream)
            .await
            .ok()?;
        // Whatever ends the connection is told to the request on it, too.
        let driver = spawn_local(async { drop(connection.await) });
        Some(Self { requests, driver })
    }

    /// Sends `target`'s request and reads the response to its end.
    pub async fn exchange(&mut self, target: &Target) -> Result<Answer, Broken> {
        let response = self.respond(target).await.map_err(|error| broken(&error))?;
        let status = response.status().as_u16();
        let received = drain(response.into_body())
            .await
            .map_err(|error| Broken { seen: Seen::Surely, ..broken(&error) })?;
        Ok(Answer { reply: Reply { status, reusable: true }, received })
    }

    /// The head of the response.
    async fn respond(&mut self, target: &Target) -> Result<Response<RecvStream>, h2::Error> {
        std::future::poll_fn(|context| self.requests.poll_ready(context)).await?;
        let (request, body) = target.parts();
        let (response, mut upload) =
            self.requests.send_request(request.clone(), body.is_empty())?;
        if !body.is_empty() {
            upload.send_data(body.clone(), true)?;
        }
        response.await
    }
}

/// Reads a body to its end; how many bytes it had.
async fn drain(mut body: RecvStream) -> Result<u64, h2::Error> {
    let mut received = 0;
    while let Some(piece) = body.data().await {
        let length = piece?.len();
        received += length as u64;
        body.flow_control().release_capacity(length)?;
    }
    body.trailers().await?;
    Ok(received)
}

impl Drop for Http2 {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

fn broken(error: &h2::Error) -> Broken {
    let refused = error.reason() == Some(Reason::REFUSED_STREAM)
        || (error.is_go_away() && error.is_remote() && error.reason() == Some(Reason::NO_ERROR));
    let failure = match error.get_io() {
        Some(error) => failure(error),
        // The server ended the connection or the stream by its own will.
        None if error.is_remote() => Failure::Reset,
        None => Failure::Protocol,
    };
    Broken { failure, seen: if refused { Seen::Refused } else { Seen::Perhaps } }
}
