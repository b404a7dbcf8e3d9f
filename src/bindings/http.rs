//! `client.fetch`: requests through the HTTP cache, with bodies that arrive piece by piece.

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use bytes::Bytes;
use napi::bindgen_prelude::Buffer;
use napi_derive::napi;
use parking_lot::Mutex;
use reqwest::{StatusCode, Url};
use tokio::sync::Semaphore;

use super::settle::{Reporter, Settler, Ticket};
use crate::{
    error::{Error, NetworkError, NetworkFailure, Result},
    github::{
        fetch::{Answer, Body, Fetcher, Offline, Options, Redirect},
        http_store::HttpStore,
        redirect::Ask,
    },
    http_cache::{Headers, Mode},
};

/// How many bytes of a body JavaScript may be given that nobody has read.
const WINDOW: usize = 1 << 20;

/// A request as JavaScript states it. The last four have the names of the Fetch standard and of the client's options.
#[napi(object)]
pub struct NativeAsk {
    pub method: String,
    pub url: String,
    /// Names and values in turn.
    pub headers: Vec<String>,
    pub body: Option<Buffer>,
    pub cache: Option<String>,
    pub redirect: Option<String>,
    pub offline: Option<String>,
    pub retries: u32,
}

/// The first event of a response; what follows are pieces of its body.
#[napi(object)]
pub struct NativeHead {
    pub status: u32,
    pub status_text: String,
    /// Names and values in turn.
    pub headers: Vec<String>,
    pub url: String,
    pub redirected: bool,
    /// All of the body, if it is there; then nothing follows.
    pub body: Option<Buffer>,
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
    pub fn new(
        settler: &Settler,
        folder: String,
        max_memory_bytes: f64,
        max_disk_bytes: f64,
    ) -> Self {
        let folder = PathBuf::from(folder);
        let store = HttpStore::new(folder, max_memory_bytes as u64, max_disk_bytes as u64);
        Self {
            fetcher: Arc::new(Fetcher::new(store)),
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
        let events = self.reporter.clone();
        self.reporter.spawn(ticket, |cancel| async move {
            let deliver = async {
                let mut answer = fetcher.fetch(ask?, options).await?;
                let body = take(&mut answer.body);
                let mut rest = std::mem::replace(&mut answer.body, Body::Whole(Bytes::new()));
                events.tell(ticket, head(answer, body));
                if let Body::Live(live) = &mut rest {
                    while let Some(piece) = live.next().await? {
                        let bytes = piece.len().min(WINDOW) as u32;
                        if let Ok(permit) = window.acquire_many(bytes).await {
                            permit.forget();
                        }
                        events.tell(ticket, Buffer::from(piece.to_vec()));
                    }
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

    /// So many bytes of the body were read.
    #[napi(catch_unwind)]
    pub fn grant(&self, ticket: Ticket, bytes: u32) {
        if let Some(window) = self.windows.lock().get(&ticket) {
            window.add_permits((bytes as usize).min(WINDOW));
        }
    }
}

fn ask(method: String, url: &str, headers: Vec<String>, body: Option<Buffer>) -> Result<Ask> {
    let invalid = |reason: String| NetworkError::new(NetworkFailure::InvalidUrl, url, reason);
    let mut parsed = Url::parse(url).map_err(|error| invalid(error.to_string()))?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(invalid(format!("the scheme '{}' is not supported", parsed.scheme())).into());
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
        offline: match request.offline.as_deref() {
            Some("auto") => Offline::Auto,
            Some("force") => Offline::Force,
            _ => Offline::Never,
        },
        retries: request.retries,
    }
}

fn take(body: &mut Body) -> Option<Buffer> {
    match body {
        Body::Whole(bytes) => Some(bytes.to_vec().into()),
        Body::Live(_) => None,
    }
}

fn head(answer: Answer, body: Option<Buffer>) -> NativeHead {
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
