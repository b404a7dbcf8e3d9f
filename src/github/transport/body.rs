//! The body of an answer: as it arrives, no silence longer than allowed, decoded as its `Content-Encoding` says (RFC 9110
//! section 8.4).

use std::{io, pin::Pin, time::Duration};

use async_compression::tokio::bufread::{BrotliDecoder, GzipDecoder, ZstdDecoder};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use http_body_util::BodyExt;
use reqwest::{
    Body, Method, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap},
};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio_util::io::StreamReader;

/// What is asked for.
pub(super) const ACCEPTED: &str = "gzip, br, zstd";
/// A decoded piece is no larger.
const PIECE: usize = 64 << 10;

type Arriving = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;
type Buffered = Pin<Box<dyn AsyncBufRead + Send>>;

pub(super) enum Incoming {
    Plain(Arriving),
    /// Nothing was read of it yet.
    Encoded(Buffered, Vec<Coding>),
    Decoding(Buffered),
    Ended,
}

#[derive(Clone, Copy)]
pub(super) enum Coding {
    Brotli,
    Gzip,
    Zstd,
}

impl Incoming {
    /// `idle` is the longest silence while a piece is awaited.
    pub fn new(body: Body, codings: Vec<Coding>, idle: Duration) -> Self {
        let arriving = Box::pin(stream::unfold(body, move |body| next_of(body, idle)).fuse());
        match codings.is_empty() {
            true => Self::Plain(arriving),
            false => Self::Encoded(Box::pin(StreamReader::new(arriving)), codings),
        }
    }

    /// The next piece, which is not empty; `None` at the end.
    pub async fn chunk(&mut self) -> io::Result<Option<Bytes>> {
        if let Self::Encoded(reader, _) = self {
            // Of nothing there is nothing to decode.
            let empty = reader.fill_buf().await?.is_empty();
            if let Self::Encoded(reader, codings) = std::mem::replace(self, Self::Ended)
                && !empty
            {
                let reader: Buffered = codings.into_iter().rfold(reader, decoded);
                *self = Self::Decoding(reader);
            }
        }
        match self {
            Self::Plain(arriving) => arriving.next().await.transpose(),
            Self::Decoding(reader) => {
                let mut piece = BytesMut::with_capacity(PIECE);
                reader.read_buf(&mut piece).await?;
                Ok((!piece.is_empty()).then(|| piece.freeze()))
            }
            Self::Encoded(..) | Self::Ended => Ok(None),
        }
    }
}

/// The next piece of a body as it comes over the wire. The silence is counted from when somebody asks for it.
async fn next_of(mut body: Body, idle: Duration) -> Option<(io::Result<Bytes>, Body)> {
    loop {
        let frame = match tokio::time::timeout(idle, body.frame()).await {
            Ok(frame) => frame?,
            Err(_) => {
                let silence = format!("nothing came for {} ms", idle.as_millis());
                return Some((Err(io::Error::new(io::ErrorKind::TimedOut, silence)), body));
            }
        };
        match frame.map(|frame| frame.into_data()) {
            Ok(Ok(data)) if !data.is_empty() => return Some((Ok(data), body)),
            // An empty frame, or trailers.
            Ok(_) => {}
            Err(error) => return Some((Err(io::Error::other(error)), body)),
        }
    }
}

fn decoded(reader: Buffered, coding: Coding) -> Buffered {
    match coding {
        Coding::Brotli => Box::pin(BufReader::new(BrotliDecoder::new(reader))),
        Coding::Gzip => {
            let mut decoder = GzipDecoder::new(reader);
            decoder.multiple_members(true);
            Box::pin(BufReader::new(decoder))
        }
        Coding::Zstd => {
            let mut decoder = ZstdDecoder::new(reader);
            decoder.multiple_members(true);
            Box::pin(BufReader::new(decoder))
        }
    }
}

/// How the body of an answer is encoded, in the order in which it was: none if one of the codings is not known, which is
/// then the reader's to undo. The fields of what is decoded no longer hold, and are removed.
pub(super) fn codings(method: &Method, status: StatusCode, headers: &mut HeaderMap) -> Vec<Coding> {
    if method == Method::HEAD || matches!(status.as_u16(), 204 | 205 | 304) {
        return Vec::new();
    }
    let fields = headers.get_all(CONTENT_ENCODING);
    let names = fields.iter().flat_map(|field| field.to_str().unwrap_or("?").split(','));
    let names = names.map(|name| name.trim().to_ascii_lowercase());
    let known = names.filter(|name| !name.is_empty() && name != "identity").map(|name| {
        Some(match name.as_str() {
            "br" => Coding::Brotli,
            "gzip" | "x-gzip" => Coding::Gzip,
            "zstd" => Coding::Zstd,
            _ => return None,
        })
    });
    let codings: Vec<Coding> = known.collect::<Option<_>>().unwrap_or_default();
    if !codings.is_empty() {
        headers.remove(CONTENT_ENCODING);
        headers.remove(CONTENT_LENGTH);
    }
    codings
}
