//! A large body on its way to the server, piece by piece, so that it shows that it moves.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::Notify;

const PIECE: usize = 64 << 10;

pub(super) struct Upload {
    left: Bytes,
    /// Told of each piece.
    moved: Arc<Notify>,
}

impl Upload {
    /// What to send. A body of one piece is sent as it is.
    pub fn body(body: Bytes, moved: &Arc<Notify>) -> reqwest::Body {
        match body.len() > PIECE {
            true => reqwest::Body::wrap(Self { left: body, moved: Arc::clone(moved) }),
            false => body.into(),
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        self.moved.notify_one();
        let length = self.left.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.left.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.len() as u64)
    }
}
