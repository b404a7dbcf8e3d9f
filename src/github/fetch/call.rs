//! One hop of a request: what is stored, or what the origin says.

use std::sync::Arc;

use super::{Fetcher, Offline, Options, now};
use crate::{
    error::Result,
    github::{
        answer::{Answer, Body, Record, Served, answer, live, serve},
        exchange::{Incoming, Listener},
        http_store::State,
        redirect::Ask,
        rotation,
    },
    http_cache::{
        CacheControl, Decision, Headers, Millis, Mode, Stored, decision, invalidation, storability,
    },
    runtime,
};

/// Who sends one of these has a cache of his own (the Fetch standard: `no-store`).
const CONDITIONAL: [&str; 5] =
    ["if-modified-since", "if-none-match", "if-unmodified-since", "if-match", "if-range"];

/// See the module's description.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub fetcher: &'a Arc<Fetcher>,
    pub ask: &'a Ask,
    pub options: Options,
    pub listener: Option<&'a Listener>,
}

impl Call<'_> {
    pub async fn answer(&self) -> Result<Answer> {
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
    pub async fn look_up(&self) -> Result<Answer, Option<Arc<Stored>>> {
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
                let mut asked = asked;
                if gone && stored.is_some() {
                    fetcher.store.invalidate(&ask.url).await;
                    // By this very answer, which may be stored.
                    asked.state = fetcher.store.state();
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

pub(super) fn is_conditional(headers: &Headers) -> bool {
    CONDITIONAL.iter().any(|name| headers.contains(name))
}
