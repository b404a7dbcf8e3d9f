//! What the caller of a request gets: a stored response or one from the origin, with word of how it came about.
//!
//! A body is handed on as it arrives and stored when all of it has: what breaks off is an error and never an entry.

use std::sync::Arc;

use bytes::Bytes;
use tokio::task::JoinHandle;

use super::{
    exchange::Incoming,
    http_store::{HttpStore, State},
    redirect::Ask,
    transport,
};
use crate::{
    error::Result,
    http_cache::{Headers, Millis, Stored, range},
    runtime,
};

/// A longer body is handed on and not stored.
const MAX_STORED_BYTES: usize = 32 << 20;

/// How a response came about; the value of `x-aiwf-cache`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    Hit,
    /// Stored, and the origin said that it has not changed.
    Revalidated,
    Stale,
    Miss,
    /// The cache was not asked.
    Bypass,
}

impl Served {
    fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Revalidated => "revalidated",
            Self::Stale => "stale",
            Self::Miss => "miss",
            Self::Bypass => "bypass",
        }
    }
}

pub struct Answer {
    pub status: u16,
    pub headers: Headers,
    pub url: String,
    pub redirected: bool,
    pub body: Body,
}

pub enum Body {
    /// All of it.
    Whole(Bytes),
    /// Yet to come.
    Live(Box<Live>),
}

pub struct Live {
    incoming: Incoming,
    record: Option<Record>,
    /// Under way, whoever still waits for it.
    storing: Option<JoinHandle<()>>,
}

/// What is to be stored once the body is complete.
pub struct Record {
    pub store: Arc<HttpStore>,
    pub ask: Ask,
    pub stored: Stored,
    pub body: Vec<u8>,
    /// The store's when the request went out.
    pub state: State,
}

impl Record {
    async fn keep(self) {
        let Self { store, ask, mut stored, body, state } = self;
        stored.body = body.into();
        store.put(&ask, Arc::new(stored), state).await;
    }
}

impl Answer {
    /// Reads the whole body.
    pub async fn complete(self) -> Result<transport::Response> {
        let body = match self.body {
            Body::Whole(bytes) => bytes.to_vec(),
            Body::Live(mut live) => {
                let mut body = Vec::new();
                while let Some(piece) = live.next().await? {
                    transport::append(&mut body, &piece, &self.url)?;
                }
                body
            }
        };
        let headers = self.headers.into_inner();
        Ok(transport::Response { status: self.status, headers, body, url: self.url })
    }
}

impl Live {
    /// See [`Incoming::step_aside`].
    pub fn step_aside(&mut self) {
        self.incoming.step_aside();
    }

    /// Reads on to the end, unless that is further away than so many bytes.
    pub async fn skip(&mut self, bytes: usize) -> Result<()> {
        let mut read = 0;
        while read <= bytes
            && let Some(piece) = self.next().await?
        {
            read += piece.len();
        }
        Ok(())
    }

    /// The next piece; at the end, when it is stored, `None`. Nothing is lost if the call is given up and made again.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        let piece = self.incoming.chunk().await?;
        match (&piece, &mut self.record) {
            (Some(piece), Some(record)) if record.body.len() + piece.len() <= MAX_STORED_BYTES => {
                record.body.extend_from_slice(piece);
            }
            (Some(_), _) => self.record = None,
            (None, _) => {
                if let Some(record) = self.record.take() {
                    self.storing = Some(runtime::spawn(record.keep()));
                }
                if let Some(storing) = &mut self.storing {
                    // A panic costs what it would have stored.
                    let _ = storing.await;
                    self.storing = None;
                }
            }
        }
        Ok(piece)
    }
}

/// A stored response with its age; the part of it that was asked for. `None` if that is for the origin.
pub fn serve(stored: &Stored, ask: &Ask, served: Served, now: Millis) -> Option<Answer> {
    let range = ask.headers.first("range").filter(|_| ask.method == "GET");
    let part = match range {
        Some(range) => Some(range::part(stored, range)?),
        None => None,
    };
    let mut answer = answer(part.as_ref().unwrap_or(stored), ask, served);
    answer.headers.set("age", (stored.age(now) / 1_000).to_string());
    Some(answer)
}

pub fn answer(stored: &Stored, ask: &Ask, served: Served) -> Answer {
    let mut headers = stored.headers.clone();
    headers.set("x-aiwf-cache", served.name());
    let body = if ask.method == "HEAD" { Bytes::new() } else { stored.body.clone() };
    let url = ask.url.to_string();
    Answer { status: stored.status, headers, url, redirected: false, body: Body::Whole(body) }
}

pub fn live(incoming: Incoming, ask: &Ask, served: Served, record: Option<Record>) -> Answer {
    let (status, url) = (incoming.status, ask.url.to_string());
    let mut headers = incoming.headers.clone();
    headers.set("x-aiwf-cache", served.name());
    let body = Body::Live(Box::new(Live { incoming, record, storing: None }));
    Answer { status, headers, url, redirected: false, body }
}
