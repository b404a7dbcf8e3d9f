//! A request through the cache: looked up, validated or sent, and stored on the way back.
//!
//! The rules are those of [`http_cache`](crate::http_cache). Each hop of a redirect is looked up for itself.

mod call;

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use parking_lot::Mutex;
use reqwest::Url;

use self::call::{Call, is_conditional};
use super::{
    answer::{Answer, Body, Served, serve},
    budget::Budget,
    exchange::{self, Incoming, Listener, Terms},
    http_store::HttpStore,
    limits::Rules,
    redirect::{self, Ask},
    transport::{self, Timeouts},
};
use crate::{
    error::{Error, NetworkError, NetworkFailure, Result},
    http_cache::{Decision, Headers, Millis, Mode, decision},
};

/// As many as the Fetch standard has.
const MAX_REDIRECTS: usize = 20;
/// So much of a redirect's body is read, and for so long, so that its connection may serve again.
const REDIRECT_BYTES: usize = 64 << 10;
const REDIRECT_WAIT: Duration = Duration::from_millis(50);

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

/// How one request is made.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub mode: Mode,
    pub redirect: Redirect,
    pub max_redirects: usize,
    /// See [`transport::Request::timeout`].
    pub timeout: Option<Duration>,
    /// Whether it counts against the limits of its host.
    pub metered: bool,
}

impl Default for Options {
    fn default() -> Self {
        let (mode, redirect) = (Mode::default(), Redirect::default());
        Self { mode, redirect, max_redirects: MAX_REDIRECTS, timeout: None, metered: true }
    }
}

/// How all requests are made.
#[derive(Clone, Debug)]
pub struct Settings {
    pub offline: Offline,
    pub terms: Terms,
    pub timeouts: Timeouts,
    /// The host that has limits, and which.
    pub api: Option<(Url, Rules)>,
    /// Whether what was stored for one token is validated with another; see [`rotation`](super::rotation).
    pub across_tokens: bool,
}

/// See the module's description.
pub struct Fetcher {
    store: Arc<HttpStore>,
    settings: Settings,
    /// The budget that the last request counted against.
    budget: Mutex<Option<Arc<Budget>>>,
    /// Requests whose responses are being renewed behind the scenes.
    renewing: Mutex<HashSet<String>>,
}

impl Fetcher {
    pub fn new(store: HttpStore, settings: Settings) -> Self {
        Self {
            store: Arc::new(store),
            settings,
            budget: Mutex::default(),
            renewing: Mutex::default(),
        }
    }

    pub fn store(&self) -> &Arc<HttpStore> {
        &self.store
    }

    /// The budget that the last request counted against.
    pub fn budget(&self) -> Option<Arc<Budget>> {
        self.budget.lock().clone()
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

    /// What is answered without the network, if that is no redirect.
    pub async fn without_network(self: &Arc<Self>, ask: &Ask, mode: Mode) -> Option<Answer> {
        let call = Call {
            fetcher: self,
            ask,
            options: Options { mode, ..Options::default() },
            listener: None,
        };
        let answer = call.look_up().await.ok()?;
        redirect::next(ask, answer.status, &answer.headers).is_none().then_some(answer)
    }

    /// `listener` hears of GitHub's limits.
    pub async fn fetch(
        self: &Arc<Self>,
        mut ask: Ask,
        options: Options,
        listener: Option<Listener>,
    ) -> Result<Answer> {
        for hop in 0..=options.max_redirects {
            let call = Call { fetcher: self, ask: &ask, options, listener: listener.as_ref() };
            let mut answer = call.answer().await?;
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
                let _ = tokio::time::timeout(REDIRECT_WAIT, live.skip(REDIRECT_BYTES)).await;
            }
            ask = next.map_err(|reason| not_followed(&ask, reason))?;
        }
        Err(not_followed(&ask, "too many redirects"))
    }

    async fn send(
        &self,
        ask: &Ask,
        headers: &Headers,
        options: Options,
        listener: Option<&Listener>,
    ) -> Result<Incoming> {
        let request = transport::Request {
            method: ask.method.clone(),
            url: ask.url.to_string(),
            headers: headers.clone().into_inner(),
            body: ask.body.clone(),
            timeout: options.timeout,
            timeouts: self.settings.timeouts,
        };
        let budget = self.settings.api.as_ref().and_then(|(api, rules)| {
            let own = options.metered && api.origin() == ask.url.origin();
            own.then(|| Budget::of(api, headers.first("authorization"), *rules))
        });
        if budget.is_some() {
            self.budget.lock().clone_from(&budget);
        }
        exchange::send(request, self.settings.terms, budget, listener).await
    }
}

fn not_followed(ask: &Ask, reason: &str) -> Error {
    NetworkError::new(NetworkFailure::Redirect, ask.url.as_str(), reason).into()
}

fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)
}
