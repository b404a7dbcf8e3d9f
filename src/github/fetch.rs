//! A request through the cache: looked up, validated or sent, and stored on the way back.
//!
//! The rules are those of [`http_cache`](crate::http_cache). Each hop of a redirect is looked up for itself. A body is
//! handed on as it arrives and stored when all of it has: what breaks off is an error and never an entry.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;

use super::{
    http_store::HttpStore,
    redirect::{self, Ask},
    transport::{self, Stream},
};
use crate::{
    error::{Error, NetworkError, NetworkFailure, Result},
    http_cache::{
        CacheControl, Decision, Headers, Millis, Mode, Stored, decision, invalidation, range,
        storability,
    },
    runtime,
};

const MAX_REDIRECTS: usize = 20;

/// A longer body is handed on and not stored.
const MAX_STORED_BYTES: usize = 32 << 20;

/// Who sends one of these has a cache of his own (the Fetch standard: `no-store`).
const CONDITIONAL: [&str; 5] =
    ["if-modified-since", "if-none-match", "if-unmodified-since", "if-match", "if-range"];

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Redirect {
    #[default]
    Follow,
    /// A redirect is an error.
    Error,
    /// A redirect is the answer.
    Manual,
}

/// Whether stored responses stand in for a network that is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Offline {
    /// Only where `stale-if-error` allows it.
    #[default]
    Never,
    /// However stale, unless they must be revalidated.
    Auto,
    /// Without asking the network at all.
    Force,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    pub mode: Mode,
    pub redirect: Redirect,
    pub offline: Offline,
    /// See [`transport::Request::retries`].
    pub retries: u32,
}

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
    stream: Stream,
    record: Option<Record>,
}

/// What is to be stored once the body is complete.
struct Record {
    store: Arc<HttpStore>,
    ask: Ask,
    stored: Stored,
    body: Vec<u8>,
}

impl Live {
    /// The next piece; at the end, when it is stored, `None`.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        let piece = self.stream.chunk().await?;
        match (&piece, &mut self.record) {
            (Some(piece), Some(record)) if record.body.len() + piece.len() <= MAX_STORED_BYTES => {
                record.body.extend_from_slice(piece);
            }
            (Some(_), _) => self.record = None,
            (None, _) => {
                if let Some(Record { store, ask, mut stored, body }) = self.record.take() {
                    stored.body = body.into();
                    store.put(&ask.url, &ask.headers, Arc::new(stored)).await;
                }
            }
        }
        Ok(piece)
    }
}

/// See the module's description.
pub struct Fetcher {
    store: Arc<HttpStore>,
}

impl Fetcher {
    pub fn new(store: HttpStore) -> Self {
        Self { store: Arc::new(store) }
    }

    /// What a plain request is answered with that needs neither disk nor network.
    pub fn at_once(&self, ask: &Ask) -> Option<Answer> {
        if ask.method != "GET" || is_conditional(&ask.headers) {
            return None;
        }
        let stored = self.store.in_memory(&ask.url, &ask.headers)?;
        let now = now();
        let fresh = decision::decide(&stored, &ask.headers, Mode::Default, now) == Decision::Fresh;
        let is_redirect = redirect::next(ask, stored.status, &stored.headers).is_some();
        (fresh && !is_redirect).then(|| serve(&stored, ask, Served::Hit, now))?
    }

    pub async fn fetch(&self, mut ask: Ask, options: Options) -> Result<Answer> {
        for hop in 0..=MAX_REDIRECTS {
            let mut answer = self.hop(&ask, options).await?;
            answer.redirected = hop > 0;
            let next = match options.redirect {
                Redirect::Manual => None,
                _ => redirect::next(&ask, answer.status, &answer.headers),
            };
            let Some(next) = next else { return Ok(answer) };
            if options.redirect == Redirect::Error {
                return Err(not_followed(&ask, "a redirect, which the caller did not want"));
            }
            if let Body::Live(live) = &mut answer.body {
                while live.next().await?.is_some() {}
            }
            ask = next.map_err(|reason| not_followed(&ask, reason))?;
        }
        Err(not_followed(&ask, "too many redirects"))
    }

    async fn hop(&self, ask: &Ask, options: Options) -> Result<Answer> {
        let cacheable = matches!(ask.method.as_str(), "GET" | "HEAD");
        if !cacheable || options.mode == Mode::NoStore || is_conditional(&ask.headers) {
            return self.pass(ask, Served::Bypass, options).await;
        }
        let mode =
            if options.offline == Offline::Force { Mode::OnlyIfCached } else { options.mode };
        let stored = match mode {
            Mode::Reload => None,
            _ => self.store.find(&ask.url, &ask.headers).await,
        };
        let whole = ask.method == "GET" && !ask.headers.contains("range");
        if let Some(stored) = &stored {
            let now = now();
            let served = match decision::decide(stored, &ask.headers, mode, now) {
                Decision::Fresh => Some(Served::Hit),
                Decision::Stale => Some(Served::Stale),
                Decision::StaleWhileRevalidate if whole => {
                    self.renew(ask.clone(), Arc::clone(stored));
                    Some(Served::Stale)
                }
                _ => None,
            };
            if let Some(answer) = served.and_then(|served| serve(stored, ask, served, now)) {
                return Ok(answer);
            }
        }
        if mode == Mode::OnlyIfCached || CacheControl::of_request(&ask.headers).only_if_cached {
            let none = Stored::new(504, Headers::default(), (0, 0));
            return Ok(answer(&none, ask, Served::Miss));
        }
        if whole {
            Asking { store: &self.store, ask, stored, options }.send().await
        } else {
            self.pass(ask, Served::Miss, options).await
        }
    }

    /// Sends what the cache has no part in.
    async fn pass(&self, ask: &Ask, served: Served, options: Options) -> Result<Answer> {
        let stream = transport::open(request(ask, &ask.headers, options.retries)).await?;
        let headers = Headers::new(stream.headers.iter().cloned());
        for url in invalidation::outdated(&ask.method, &ask.url, stream.status, &headers) {
            self.store.invalidate(&url).await;
        }
        Ok(live(stream, headers, ask, served, None))
    }

    /// Asks the origin behind the scenes. Nobody hears of a failure: what is stored serves on until its time is up.
    fn renew(&self, ask: Ask, stored: Arc<Stored>) {
        let store = Arc::clone(&self.store);
        runtime::spawn(async move {
            let options = Options::default();
            let asking = Asking { store: &store, ask: &ask, stored: Some(stored), options };
            let Ok(Answer { body: Body::Live(mut live), .. }) = asking.send().await else { return };
            while let Ok(Some(_)) = live.next().await {}
        });
    }
}

/// A GET request that goes to the origin.
struct Asking<'a> {
    store: &'a Arc<HttpStore>,
    ask: &'a Ask,
    /// What is stored and did not do.
    stored: Option<Arc<Stored>>,
    options: Options,
}

impl Asking<'_> {
    async fn send(&self) -> Result<Answer> {
        let mut headers = self.ask.headers.clone();
        let condition = self.stored.as_ref().and_then(|stored| stored.conditions());
        if let Some((name, value)) = condition {
            headers.set(name, value);
        }
        let silent = !headers.contains("cache-control");
        match self.options.mode {
            Mode::NoCache if silent => headers.set("cache-control", "max-age=0"),
            Mode::Reload if silent => headers.set("cache-control", "no-cache"),
            _ => {}
        }
        let requested_at = now();
        let opened = transport::open(request(self.ask, &headers, self.options.retries)).await;
        let times = (requested_at, now());
        let offline = self.options.offline == Offline::Auto;
        let validated = self.stored.as_ref().filter(|_| condition.is_some());
        match (opened, validated) {
            (Err(error), _) => self.instead_of_error(offline).ok_or(error),
            (Ok(stream), Some(stored)) if stream.status == 304 => {
                let stored = Stored::clone(stored);
                Ok(self.revalidated(stored, Headers::new(stream.headers), times))
            }
            (Ok(stream), _) if decision::is_failure(stream.status) => {
                Ok(self.instead_of_error(false).unwrap_or_else(|| self.received(stream, times)))
            }
            (Ok(stream), _) => {
                let gone = matches!(stream.status, 401 | 404 | 410);
                if gone && self.stored.is_some() {
                    self.store.invalidate(&self.ask.url).await;
                }
                Ok(self.received(stream, times))
            }
        }
    }

    fn instead_of_error(&self, offline: bool) -> Option<Answer> {
        let (stored, now) = (self.stored.as_ref()?, now());
        let allowed = decision::may_replace_error(stored, &self.ask.headers, offline, now);
        allowed.then(|| serve(stored, self.ask, Served::Stale, now))?
    }

    fn revalidated(&self, mut stored: Stored, news: Headers, times: (Millis, Millis)) -> Answer {
        stored.freshen(news, times);
        let answer = answer(&stored, self.ask, Served::Revalidated);
        if !CacheControl::of_request(&self.ask.headers).no_store {
            let (store, ask) = (Arc::clone(self.store), self.ask.clone());
            // Nobody has to wait for the disk: what it has still serves, only sooner validated again.
            runtime::spawn(
                async move { store.put(&ask.url, &ask.headers, Arc::new(stored)).await },
            );
        }
        answer
    }

    fn received(&self, stream: Stream, times: (Millis, Millis)) -> Answer {
        let headers = Headers::new(stream.headers.iter().cloned());
        let stored = Stored::new(stream.status, headers.clone(), times);
        let kept = storability::may_be_stored(&self.ask.headers, stream.status, &stored.headers)
            && stored.is_useful();
        let record = kept.then(|| Record {
            store: Arc::clone(self.store),
            ask: self.ask.clone(),
            stored,
            body: Vec::new(),
        });
        live(stream, headers, self.ask, Served::Miss, record)
    }
}

/// A stored response with its age; the part of it that was asked for. `None` if that is for the origin.
fn serve(stored: &Stored, ask: &Ask, served: Served, now: Millis) -> Option<Answer> {
    let range = ask.headers.first("range").filter(|_| ask.method == "GET");
    let part = match range {
        Some(range) => Some(range::part(stored, range)?),
        None => None,
    };
    let mut answer = answer(part.as_ref().unwrap_or(stored), ask, served);
    answer.headers.set("age", (stored.age(now) / 1_000).to_string());
    Some(answer)
}

fn answer(stored: &Stored, ask: &Ask, served: Served) -> Answer {
    let mut headers = stored.headers.clone();
    headers.set("x-aiwf-cache", served.name());
    let body = if ask.method == "HEAD" { Bytes::new() } else { stored.body.clone() };
    let url = ask.url.to_string();
    Answer { status: stored.status, headers, url, redirected: false, body: Body::Whole(body) }
}

fn live(
    stream: Stream,
    mut headers: Headers,
    ask: &Ask,
    served: Served,
    record: Option<Record>,
) -> Answer {
    headers.set("x-aiwf-cache", served.name());
    let (status, url) = (stream.status, ask.url.to_string());
    let body = Body::Live(Box::new(Live { stream, record }));
    Answer { status, headers, url, redirected: false, body }
}

fn request(ask: &Ask, headers: &Headers, retries: u32) -> transport::Request {
    transport::Request {
        method: ask.method.clone(),
        url: ask.url.to_string(),
        headers: headers.clone().into_inner(),
        body: ask.body.as_ref().map(|body| body.to_vec()),
        timeout: None,
        retries,
    }
}

fn is_conditional(headers: &Headers) -> bool {
    CONDITIONAL.iter().any(|name| headers.contains(name))
}

fn not_followed(ask: &Ask, reason: &str) -> Error {
    NetworkError::new(NetworkFailure::Redirect, ask.url.as_str(), reason).into()
}

fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)
}
