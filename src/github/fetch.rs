//! A request through the cache: looked up, validated or sent, and stored on the way back.
//!
//! The rules are those of [`http_cache`](crate::http_cache). Each hop of a redirect is looked up for itself.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use parking_lot::Mutex;
use reqwest::Url;

use super::{
    answer::{Answer, Body, Record, Served, answer, live, serve},
    budget::Budget,
    exchange::{self, Incoming, Listener, Terms},
    http_store::{HttpStore, State},
    limits::Rules,
    redirect::{self, Ask},
    rotation,
    transport::{self, Timeouts},
};
use crate::{
    error::{Error, NetworkError, NetworkFailure, Result},
    http_cache::{
        CacheControl, Decision, Headers, Millis, Mode, Stored, decision, invalidation, storability,
    },
    runtime,
};

/// As many as the Fetch standard has.
const MAX_REDIRECTS: usize = 20;
/// So much of a redirect's body is read, and for so long, so that its connection may serve again.
const REDIRECT_BYTES: usize = 64 << 10;
const REDIRECT_WAIT: Duration = Duration::from_millis(50);

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
    /// Whether what was stored for one token is validated with another; see [`rotation`].
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

/// One hop of a request.
#[derive(Clone, Copy)]
struct Call<'a> {
    fetcher: &'a Arc<Fetcher>,
    ask: &'a Ask,
    options: Options,
    listener: Option<&'a Listener>,
}

impl Call<'_> {
    async fn answer(&self) -> Result<Answer> {
        let Self { fetcher, ask, options, .. } = *self;
        let offline = fetcher.settings.offline == Offline::Force;
        if !offline && (!is_cacheable(ask) || options.mode == Mode::NoStore) {
            return self.pass(Served::Bypass).await;
        }
        let stored = match self.look_up().await {
            Ok(answer) => return Ok(answer),
            Err(stored) => stored,
        };
        if offline
            || options.mode == Mode::OnlyIfCached
            || CacheControl::of_request(&ask.headers).only_if_cached
        {
            let none = Stored::new(504, Headers::default(), (0, 0));
            return Ok(answer(&none, ask, Served::Miss));
        }
        if is_whole(ask) {
            return self.ask_origin(stored).await;
        }
        match self.pass(Served::Miss).await {
            Err(error) => self.instead_of_error(stored.as_deref()).ok_or(error),
            answer => answer,
        }
    }

    /// What the store answers, or what it has that does not do.
    async fn look_up(&self) -> Result<Answer, Option<Arc<Stored>>> {
        let Self { fetcher, ask, options, .. } = *self;
        let mode = match (fetcher.settings.offline, options.mode) {
            (_, Mode::Reload | Mode::NoStore) => return Err(None),
            (Offline::Force, _) => Mode::OnlyIfCached,
            (_, mode) => mode,
        };
        if !is_cacheable(ask) {
            return Err(None);
        }
        let stored = fetcher.store.find(&ask.url, &ask.headers).await.ok_or(None)?;
        let now = now();
        let served = match decision::decide(&stored, &ask.headers, mode, now) {
            Decision::Fresh => Some(Served::Hit),
            Decision::Stale => Some(Served::Stale),
            Decision::StaleWhileRevalidate if is_whole(ask) => {
                self.renew(Arc::clone(&stored));
                Some(Served::Stale)
            }
            _ => None,
        };
        served.and_then(|served| serve(&stored, ask, served, now)).ok_or(Some(stored))
    }

    /// Sends what the cache has no part in.
    async fn pass(&self, served: Served) -> Result<Answer> {
        let Self { fetcher, ask, options, listener } = *self;
        let incoming = fetcher.send(ask, &ask.headers, options, listener).await?;
        for url in invalidation::outdated(&ask.method, &ask.url, incoming.status, &incoming.headers)
        {
            fetcher.store.invalidate(&url).await;
        }
        Ok(live(incoming, ask, served, None))
    }

    /// Asks the origin behind the scenes, once for all who ask meanwhile. Nobody hears of a failure: what is stored serves on
    /// until its time is up.
    fn renew(&self, stored: Arc<Stored>) {
        let (fetcher, ask) = (Arc::clone(self.fetcher), self.ask.clone());
        let name = format!("{} {:?}", ask.url, ask.headers);
        if !fetcher.renewing.lock().insert(name.clone()) {
            return;
        }
        let options = Options { timeout: self.options.timeout, ..Options::default() };
        runtime::spawn(async move {
            let call = Call { fetcher: &fetcher, ask: &ask, options, listener: None };
            if let Ok(Answer { body: Body::Live(mut live), .. }) =
                call.ask_origin(Some(stored)).await
            {
                while let Ok(Some(_)) = live.next().await {}
            }
            fetcher.renewing.lock().remove(&name);
        });
    }

    async fn ask_origin(&self, stored: Option<Arc<Stored>>) -> Result<Answer> {
        let Self { fetcher, ask, options, .. } = *self;
        let foreign = match &stored {
            None if fetcher.settings.across_tokens => {
                rotation::precedent(&fetcher.store, ask, fetcher.settings.api.as_ref()).await
            }
            _ => None,
        };
        let mut headers = ask.headers.clone();
        let condition = match (&stored, &foreign) {
            (Some(stored), _) => stored.conditions(),
            (None, Some(precedent)) => Some(precedent.condition()),
            (None, None) => None,
        };
        if let Some((name, value)) = condition {
            headers.set(name, value);
        }
        let silent = !headers.contains("cache-control");
        match options.mode {
            Mode::NoCache if silent => headers.set("cache-control", "max-age=0"),
            Mode::Reload if silent => headers.set("cache-control", "no-cache"),
            _ => {}
        }
        let validated = match (&stored, &foreign) {
            (Some(stored), _) if condition.is_some() => Some(stored),
            (None, Some(precedent)) => Some(&precedent.stored),
            _ => None,
        };
        let asked = Asked { at: now(), state: fetcher.store.state() };
        let sent = fetcher.send(ask, &headers, options, self.listener).await;
        match (sent, validated) {
            (Err(error), _) => self.instead_of_error(stored.as_deref()).ok_or(error),
            (Ok(incoming), Some(known)) if incoming.status == 304 => {
                let is_whole =
                    foreign.as_ref().is_none_or(|other| other.suffices(&incoming.headers));
                if known.is_confirmed_by(&incoming.headers) && is_whole {
                    return Ok(self.revalidated(known, incoming.headers, asked));
                }
                drop(incoming);
                self.ask_plainly().await
            }
            (Ok(incoming), _) if decision::is_failure(incoming.status) => {
                let instead = self.instead_of_status(stored.as_deref());
                Ok(instead.unwrap_or_else(|| self.received(incoming, asked)))
            }
            (Ok(incoming), _) => {
                let gone = match incoming.status {
                    401 | 404 | 410 => true,
                    403 => !incoming.limited,
                    _ => false,
                };
                if gone && stored.is_some() {
                    fetcher.store.invalidate(&ask.url).await;
                }
                Ok(self.received(incoming, asked))
            }
        }
    }

    /// Asks anew for what a 304 did not tell: it confirmed another response than the one it was asked about (RFC 9111 section
    /// 4.3.4), or less than all of it.
    async fn ask_plainly(&self) -> Result<Answer> {
        let Self { fetcher, ask, options, listener } = *self;
        let asked = Asked { at: now(), state: fetcher.store.state() };
        let incoming = fetcher.send(ask, &ask.headers, options, listener).await?;
        Ok(self.received(incoming, asked))
    }

    /// What is stored, where the network is gone.
    fn instead_of_error(&self, stored: Option<&Stored>) -> Option<Answer> {
        self.instead(stored, self.fetcher.settings.offline == Offline::Auto)
    }

    /// What is stored, where the server fails.
    fn instead_of_status(&self, stored: Option<&Stored>) -> Option<Answer> {
        self.instead(stored, false)
    }

    fn instead(&self, stored: Option<&Stored>, offline: bool) -> Option<Answer> {
        let (stored, now) = (stored?, now());
        let allowed = decision::may_replace_error(stored, &self.ask.headers, offline, now);
        allowed.then(|| serve(stored, self.ask, Served::Stale, now))?
    }

    fn revalidated(&self, known: &Stored, news: Headers, asked: Asked) -> Answer {
        let mut stored = known.clone();
        stored.freshen(news, (asked.at, now()));
        let answer = answer(&stored, self.ask, Served::Revalidated);
        if !CacheControl::of_request(&self.ask.headers).no_store {
            self.fetcher.store.renew(self.ask, known, stored, asked.state);
        }
        answer
    }

    fn received(&self, incoming: Incoming, asked: Asked) -> Answer {
        let times = (asked.at, now());
        let stored = Stored::new(incoming.status, incoming.headers.clone(), times);
        let kept = storability::may_be_stored(&self.ask.headers, incoming.status, &stored.headers)
            && stored.is_useful();
        let record = kept.then(|| Record {
            store: Arc::clone(&self.fetcher.store),
            ask: self.ask.clone(),
            stored,
            body: Vec::new(),
            state: asked.state,
        });
        live(incoming, self.ask, Served::Miss, record)
    }
}

/// When a request went out.
#[derive(Clone, Copy)]
struct Asked {
    at: Millis,
    state: State,
}

fn is_cacheable(ask: &Ask) -> bool {
    matches!(ask.method.as_str(), "GET" | "HEAD") && !is_conditional(&ask.headers)
}

/// Whether all of the response is asked for.
fn is_whole(ask: &Ask) -> bool {
    ask.method == "GET" && !ask.headers.contains("range")
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
