//! The client's requests: through the HTTP cache or past it, with bodies that arrive piece by piece or as text.

mod limits;

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use napi::bindgen_prelude::Buffer;
use napi_derive::napi;
use parking_lot::Mutex;
use reqwest::{StatusCode, Url};
use tokio::sync::Semaphore;

use self::limits::{NativeLimited, NativeLimits};
use super::{
    cache::DiskExtent,
    raw,
    settle::{Reporter, Settler, Ticket},
};
use crate::{
    error::{Error, NetworkError, NetworkFailure, Result},
    github::{
        answer::{Answer, Body},
        exchange::{Listener, OnLimit, Terms},
        fetch::{Fetcher, Offline, Options, Redirect, Settings},
        http_store::HttpStore,
        limits::Rules,
        redirect::Ask,
        transport::Timeouts,
    },
    http_cache::{Headers, Mode},
};

/// How many bytes of a body JavaScript may be given that nobody has read.
const WINDOW: usize = 1 << 20;

/// Of a request for text, which is one to the API.
const MAX_REDIRECTS: usize = 10;
/// How long a head waits for its body.
const GATHERING: Duration = Duration::from_millis(2);

/// How all requests of a client are made. Times are in milliseconds; names that the client's options have mean the same.
#[napi(object)]
pub struct NativeFetcherOptions {
    /// Where responses are stored.
    pub folder: String,
    pub max_memory_bytes: f64,
    pub max_disk_bytes: f64,
    pub max_body_bytes: Option<f64>,
    pub offline: Option<String>,
    pub retries: u32,
    pub connect_timeout: Option<f64>,
    pub idle_timeout: Option<f64>,
    /// The host that has limits.
    pub api_url: String,
    pub on_rate_limit: Option<String>,
    /// Infinity for no pacing; without it the host decides.
    pub points_per_minute: Option<f64>,
    pub max_concurrent: Option<u32>,
    pub validate_across_tokens: bool,
}

/// A request as JavaScript states it. `cache` and `redirect` are those of the Fetch standard.
#[napi(object)]
pub struct NativeAsk {
    pub method: String,
    pub url: String,
    /// Names and values in turn.
    pub headers: Vec<String>,
    pub body: Option<Buffer>,
    pub cache: Option<String>,
    pub redirect: Option<String>,
    /// Milliseconds for the whole exchange.
    pub timeout: Option<f64>,
    /// The `ETag` of what is known already: the answer may be that nothing has changed.
    pub validator: Option<String>,
}

/// The first event of a response; what follows are pieces of its body.
#[napi(object, object_from_js = false)]
pub struct NativeHead {
    pub status: u32,
    pub status_text: String,
    /// Names and values in turn.
    pub headers: Vec<String>,
    pub url: String,
    pub redirected: bool,
    /// All of the body, if it is there; then nothing follows.
    #[napi(ts_type = "Buffer")]
    pub body: Option<raw::Binary>,
}

/// A successful answer, whole.
#[napi(object, object_from_js = false)]
pub struct NativeText {
    /// Absent if nothing has changed.
    #[napi(ts_type = "string")]
    pub text: Option<raw::Text>,
    /// Its `ETag`.
    pub validator: Option<String>,
    /// Its `Content-Type`.
    pub content_type: Option<String>,
    pub status: u32,
    /// How it came about.
    #[napi(ts_type = "'hit' | 'revalidated' | 'stale' | 'miss' | 'bypass'")]
    pub cache: Option<String>,
}

#[napi]
pub struct NativeFetcher {
    fetcher: Arc<Fetcher>,
    reporter: Reporter,
    /// How many bytes of each body may yet be sent.
    windows: Arc<Mutex<HashMap<Ticket, Arc<Semaphore>>>>,
}

#[napi]
impl NativeFetcher {
    #[napi(constructor, catch_unwind)]
    pub fn new(settler: &Settler, options: NativeFetcherOptions) -> Self {
        let settings = settings(&options);
        let (memory, disk) = (options.max_memory_bytes as u64, options.max_disk_bytes as u64);
        let store = HttpStore::new(PathBuf::from(options.folder), memory, disk);
        Self {
            fetcher: Arc::new(Fetcher::new(store, settings)),
            reporter: settler.reporter(),
            windows: Arc::default(),
        }
    }

    /// The response to a plain GET request if it is fresh in memory.
    #[napi(catch_unwind)]
    pub fn at_once(&self, url: String, headers: Vec<String>) -> Option<NativeHead> {
        let ask = ask("GET".to_owned(), &url, headers, None).ok()?;
        let mut answer = self.fetcher.at_once(&ask)?;
        let body = take(&mut answer.body);
        Some(head(answer, body))
    }

    /// Sends the head of the response and the pieces of its body as events; settles `ticket` at its end.
    #[napi(catch_unwind)]
    pub fn fetch(&self, ticket: Ticket, request: NativeAsk) {
        let options = options(&request);
        let NativeAsk { method, url, headers, body, .. } = request;
        let ask = ask(method, &url, headers, body);
        let window = Arc::new(Semaphore::new(WINDOW));
        self.windows.lock().insert(ticket, Arc::clone(&window));
        let (fetcher, windows) = (Arc::clone(&self.fetcher), Arc::clone(&self.windows));
        let (events, listener) = (self.reporter.clone(), self.listener(ticket));
        self.reporter.spawn(ticket, |cancel| async move {
            let deliver = async {
                let mut answer = fetcher.fetch(ask?, options, Some(listener)).await?;
                let (pieces, complete) = gather(&mut answer.body).await?;
                if complete {
                    events.tell(ticket, head(answer, Some(raw::Binary(pieces.concat().into()))));
                    return Ok(());
                }
                let mut rest = std::mem::replace(&mut answer.body, Body::Whole(Bytes::new()));
                events.tell(ticket, head(answer, None));
                let mut pieces = pieces.into_iter();
                while let Some(piece) = match (pieces.next(), &mut rest) {
                    (None, Body::Live(live)) => live.next().await?,
                    (piece, _) => piece,
                } {
                    let bytes = piece.len().min(WINDOW) as u32;
                    if let Body::Live(live) = &mut rest
                        && window.available_permits() < bytes as usize
                    {
                        live.step_aside();
                    }
                    if let Ok(permit) = window.acquire_many(bytes).await {
                        permit.forget();
                    }
                    events.tell(ticket, raw::Binary(piece));
                }
                Ok(())
            };
            let outcome = tokio::select! {
                () = cancel.cancelled() => Err(Error::Aborted),
                outcome = deliver => outcome,
            };
            windows.lock().remove(&ticket);
            outcome
        });
    }

    /// Settles `ticket` with a `NativeText`. A status outside 2xx rejects it, but for a 304 that was asked for. Without the
    /// `network` it settles with nothing if that would be needed.
    #[napi(catch_unwind)]
    pub fn fetch_text(&self, ticket: Ticket, request: NativeAsk, network: bool) {
        let options = Options { max_redirects: MAX_REDIRECTS, ..options(&request) };
        let NativeAsk { method, url, mut headers, body, validator, .. } = request;
        let conditional = validator.is_some();
        if let Some(validator) = validator {
            headers.extend(["if-none-match".to_owned(), validator]);
        }
        let ask = ask(method, &url, headers, body);
        let (fetcher, listener) = (Arc::clone(&self.fetcher), self.listener(ticket));
        self.reporter.spawn(ticket, move |cancel| async move {
            let answer = async {
                let ask = ask?;
                let answer = match network {
                    true => fetcher.fetch(ask, options, Some(listener)).await?,
                    false => match fetcher.without_network(&ask, options.mode).await {
                        Some(answer) => answer,
                        None => return Ok(None),
                    },
                };
                let response = answer.complete().await?;
                let header = |name| response.header(name).map(str::to_owned);
                let (validator, content_type) = (header("etag"), header("content-type"));
                let (status, cache) = (response.status.into(), header("x-aiwf-cache"));
                let text = match response.status {
                    304 if conditional => None,
                    _ => Some(raw::Text::new(response.success()?.body)),
                };
                Ok(Some(NativeText { text, validator, content_type, status, cache }))
            };
            tokio::select! {
                () = cancel.cancelled() => Err(Error::Aborted),
                answer = answer => answer,
            }
        });
    }

    /// So many bytes of the body were read.
    #[napi(catch_unwind)]
    pub fn grant(&self, ticket: Ticket, bytes: u32) {
        if let Some(window) = self.windows.lock().get(&ticket) {
            window.add_permits((bytes as usize).min(WINDOW));
        }
    }

    /// Forgets all stored responses.
    #[napi(catch_unwind)]
    pub fn clear(&self, ticket: Ticket) {
        let store = Arc::clone(self.fetcher.store());
        self.reporter.spawn(ticket, |_| async move { store.clear().await });
    }

    /// What is stored on disk: a `DiskExtent`.
    #[napi(catch_unwind)]
    pub fn extent(&self, ticket: Ticket) {
        let store = Arc::clone(self.fetcher.store());
        self.reporter.spawn(ticket, |_| async move { store.extent().await.map(DiskExtent::from) });
    }

    /// Removes what is damaged: a `DiskExtent`.
    #[napi(catch_unwind)]
    pub fn verify(&self, ticket: Ticket) {
        let store = Arc::clone(self.fetcher.store());
        self.reporter.spawn(ticket, |_| async move { store.verify().await.map(DiskExtent::from) });
    }

    /// The budget that the last request counted against.
    #[napi(catch_unwind)]
    pub fn limits(&self) -> Option<NativeLimits> {
        Some(NativeLimits::from(self.fetcher.budget()?.report()))
    }
}

impl NativeFetcher {
    pub(super) fn fetcher(&self) -> Arc<Fetcher> {
        Arc::clone(&self.fetcher)
    }

    fn listener(&self, ticket: Ticket) -> Listener {
        let events = self.reporter.clone();
        Arc::new(move |limited| events.tell(ticket, NativeLimited::from(limited)))
    }
}

fn settings(options: &NativeFetcherOptions) -> Settings {
    let defaults = Timeouts::default();
    let api = Url::parse(&options.api_url).ok().map(|url| {
        let mut rules = Rules::of(&url);
        if let Some(most) = options.max_concurrent {
            rules.max_concurrent = most as usize;
        }
        if let Some(points) = options.points_per_minute {
            rules.points_per_minute = points.is_finite().then_some(points as u32);
        }
        (url, rules)
    });
    Settings {
        offline: match options.offline.as_deref() {
            Some("auto") => Offline::Auto,
            Some("force") => Offline::Force,
            _ => Offline::Never,
        },
        terms: Terms {
            retries: options.retries,
            on_limit: match options.on_rate_limit.as_deref() {
                Some("wait") => OnLimit::Wait,
                Some("throw") => OnLimit::Throw,
                _ => OnLimit::Answer,
            },
            max_body_bytes: options.max_body_bytes.map_or(u64::MAX, |bytes| bytes as u64),
        },
        timeouts: Timeouts {
            connect: options.connect_timeout.map_or(defaults.connect, millis),
            idle: options.idle_timeout.map_or(defaults.idle, millis),
        },
        api,
        across_tokens: options.validate_across_tokens,
    }
}

pub(super) fn millis(value: f64) -> Duration {
    Duration::try_from_secs_f64(value / 1_000.0).unwrap_or(Duration::MAX)
}

fn ask(method: String, url: &str, headers: Vec<String>, body: Option<Buffer>) -> Result<Ask> {
    let invalid = |reason: String| NetworkError::new(NetworkFailure::InvalidUrl, url, reason);
    let mut parsed = Url::parse(url).map_err(|error| invalid(error.to_string()))?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(invalid(format!("the scheme '{}' is not supported", parsed.scheme())).into());
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(invalid("it has credentials, which belong into a header".to_owned()).into());
    }
    parsed.set_fragment(None);
    let mut flat = headers.into_iter();
    let headers = Headers::new(std::iter::from_fn(|| flat.next().zip(flat.next())));
    let body = body.map(|body| Bytes::from(Vec::from(body)));
    Ok(Ask { method, url: parsed, headers, body })
}

fn options(request: &NativeAsk) -> Options {
    Options {
        mode: match request.cache.as_deref() {
            Some("no-store") => Mode::NoStore,
            Some("reload") => Mode::Reload,
            Some("no-cache") => Mode::NoCache,
            Some("force-cache") => Mode::ForceCache,
            Some("only-if-cached") => Mode::OnlyIfCached,
            _ => Mode::Default,
        },
        redirect: match request.redirect.as_deref() {
            Some("error") => Redirect::Error,
            Some("manual") => Redirect::Manual,
            _ => Redirect::Follow,
        },
        timeout: request.timeout.map(millis),
        ..Options::default()
    }
}

/// What of the body is there within moments, and whether that is all. Most bodies arrive with their head, and one event is
/// cheaper than several.
async fn gather(body: &mut Body) -> Result<(Vec<Bytes>, bool)> {
    let live = match body {
        Body::Whole(bytes) => return Ok((vec![bytes.clone()], true)),
        Body::Live(live) => live,
    };
    let (mut pieces, mut size) = (Vec::new(), 0);
    let enough = tokio::time::sleep(GATHERING);
    tokio::pin!(enough);
    while size < WINDOW / 2 {
        let piece = tokio::select! {
            biased;
            piece = live.next() => piece?,
            () = &mut enough => return Ok((pieces, false)),
        };
        let Some(piece) = piece else { return Ok((pieces, true)) };
        size += piece.len();
        pieces.push(piece);
    }
    Ok((pieces, false))
}

fn take(body: &mut Body) -> Option<raw::Binary> {
    match body {
        Body::Whole(bytes) => Some(raw::Binary(bytes.clone())),
        Body::Live(_) => None,
    }
}

fn head(answer: Answer, body: Option<raw::Binary>) -> NativeHead {
    let status_text = StatusCode::from_u16(answer.status).ok().and_then(|s| s.canonical_reason());
    let fields = answer.headers.into_inner().into_iter();
    NativeHead {
        status: answer.status.into(),
        status_text: status_text.unwrap_or_default().to_owned(),
        headers: fields.flat_map(|(name, value)| [name, value]).collect(),
        url: answer.url,
        redirected: answer.redirected,
        body,
    }
}
