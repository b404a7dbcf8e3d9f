//! One request and its answer, as often as it takes: when the limits let it through, and again after what passes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use reqwest::Url;
use ring::rand::{SecureRandom, SystemRandom};

use super::{
    budget::{self, Budget, Denied, Pass},
    limits::{Kind, Limited, told},
    retry,
    transport::{Failed, Prepared, Request, Stream},
};
use crate::{
    error::{Error, NetworkError, NetworkFailure, Result, without_credentials},
    http_cache::Headers,
};

/// After so many refusals in a row a request is given up.
const MOST_REFUSALS: u32 = 5;
/// As much of a 403 is read to find out what it is.
const PEEK_BYTES: usize = 64 << 10;

/// What to do about a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnLimit {
    /// Hand on GitHub's refusal as any answer; refuse what it would refuse for sure.
    #[default]
    Answer,
    Throw,
    Wait,
}

/// Hears of limits.
pub type Listener = Arc<dyn Fn(&Limited) + Send + Sync>;

/// How requests are sent.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// How often an idempotent request is sent again at most when no answer begins, or one that tells of a failure that
    /// passes. The timeout is that of each attempt.
    pub retries: u32,
    pub on_limit: OnLimit,
    /// The longest body, in bytes.
    pub max_body_bytes: u64,
}

impl Default for Terms {
    fn default() -> Self {
        Self { retries: 0, on_limit: OnLimit::default(), max_body_bytes: u64::MAX }
    }
}

/// An answer whose body is yet to come.
pub struct Incoming {
    pub status: u16,
    pub headers: Headers,
    url: Url,
    stream: Stream,
    /// What was read of the body to find out what it is.
    peeked: Option<Bytes>,
    left: u64,
    /// Whether it refuses because of a limit.
    pub limited: bool,
    /// Counts as under way until the body is through.
    pass: Option<Pass>,
}

impl Incoming {
    /// As [`Stream::chunk`].
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        let piece = match self.peeked.take() {
            Some(piece) => Some(piece),
            None => self.stream.chunk().await?,
        };
        let Some(piece) = piece else {
            self.step_aside();
            return Ok(None);
        };
        let left = self.left.checked_sub(piece.len() as u64);
        self.left = left.ok_or_else(|| too_large(&self.url))?;
        Ok(Some(piece))
    }

    /// No longer counts as under way: it is not GitHub that is waited for.
    pub fn step_aside(&mut self) {
        self.pass = None;
    }

    /// Reads on until it is clear whether a 403 is a secondary limit.
    async fn is_secondary(&mut self) -> Result<bool> {
        let mut body = Vec::new();
        while body.len() < PEEK_BYTES
            && let Some(piece) = self.stream.chunk().await?
        {
            body.extend_from_slice(&piece);
        }
        let secondary = told::is_secondary(&body);
        self.peeked = (!body.is_empty()).then(|| body.into());
        Ok(secondary)
    }
}

/// Sends `request` until there is an answer to hand on. It counts against `budget`, if it counts at all.
pub async fn send(
    request: Request,
    terms: Terms,
    budget: Option<Arc<Budget>>,
    listener: Option<&Listener>,
) -> Result<Incoming> {
    let prepared = Prepared::new(&request)?;
    let exchange = Exchange { prepared, timeout: request.timeout, budget, terms, listener };
    let retries = if retry::is_idempotent(&request.method) { terms.retries } else { 0 };
    let (mut attempt, mut refusals) = (0, 0);
    loop {
        let (outcome, asked) = match exchange.attempt().await {
            Attempt::Answered(incoming) if retry::status_passes(incoming.status) => {
                let asked = incoming.headers.first("retry-after");
                let asked = asked.and_then(|value| retry::asked(value, budget::seconds_now()));
                (Ok(incoming), asked)
            }
            Attempt::Answered(incoming) => return Ok(*incoming),
            Attempt::Failed(error) if retry::passes(error.failure()) => (Err(error), None),
            Attempt::Failed(error) => return Err(error.into()),
            Attempt::Broken(error) => return Err(error),
            Attempt::Limited(limited, status) => {
                refusals += 1;
                if terms.on_limit != OnLimit::Wait || refusals == MOST_REFUSALS {
                    return Err(rate_limited(limited, &request.url, status));
                }
                exchange.wait_elsewhere(&limited).await;
                continue;
            }
        };
        let pause = retry::pause(attempt, asked, lot()).filter(|_| attempt < retries);
        let Some(pause) = pause else {
            return outcome.map(|incoming| *incoming).map_err(Error::from);
        };
        drop(outcome);
        tokio::time::sleep(pause).await;
        attempt += 1;
    }
}

enum Attempt {
    Answered(Box<Incoming>),
    Failed(NetworkError),
    /// The answer broke off.
    Broken(Error),
    /// With the status, if it was an answer.
    Limited(Limited, Option<u16>),
}

struct Exchange<'a> {
    prepared: Prepared,
    timeout: Option<Duration>,
    budget: Option<Arc<Budget>>,
    terms: Terms,
    listener: Option<&'a Listener>,
}

impl Exchange<'_> {
    async fn attempt(&self) -> Attempt {
        let url = self.prepared.url();
        let fail =
            |failure, reason| Attempt::Failed(NetworkError::new(failure, url.as_str(), reason));
        let patient = self.terms.on_limit == OnLimit::Wait;
        let (asked, enter) = (Instant::now(), self.enter(patient));
        // Who is ready to wait for a reset does not mean that with a timeout.
        let entered = match self.timeout.filter(|_| !patient) {
            Some(timeout) => tokio::time::timeout(timeout, enter).await,
            None => Ok(enter.await),
        };
        let mut pass = match entered {
            Ok(Ok(pass)) => pass,
            Ok(Err(Denied::Limited(limited))) => return Attempt::Limited(limited, None),
            Ok(Err(Denied::Unreached)) => {
                return fail(NetworkFailure::Connect, "a request before it found no server");
            }
            Err(_) => return fail(NetworkFailure::Timeout, "its turn did not come"),
        };
        let waited = if patient { Duration::ZERO } else { asked.elapsed() };
        let left = self.timeout.map(|timeout| timeout.saturating_sub(waited));
        let stream = match self.prepared.open(left).await {
            Ok(stream) => stream,
            Err(Failed { error, reached }) => {
                if let Some(pass) = &mut pass {
                    pass.failed(reached);
                }
                return Attempt::Failed(error);
            }
        };
        if stream.length.is_some_and(|length| length > self.terms.max_body_bytes)
            && self.prepared.method() != "HEAD"
        {
            return Attempt::Broken(too_large(url));
        }
        let mut incoming = Incoming {
            status: stream.status,
            headers: Headers::new(stream.headers.iter().cloned()),
            url: url.clone(),
            stream,
            peeked: None,
            left: self.terms.max_body_bytes,
            limited: false,
            pass,
        };
        match self.limited(&mut incoming).await {
            Err(error) => Attempt::Broken(error),
            Ok(Some(limited)) if self.terms.on_limit != OnLimit::Answer => {
                Attempt::Limited(limited, Some(incoming.status))
            }
            Ok(limited) => {
                incoming.limited = limited.is_some();
                Attempt::Answered(Box::new(incoming))
            }
        }
    }

    async fn enter(&self, patient: bool) -> Result<Option<Pass>, Denied> {
        let Some(budget) = &self.budget else { return Ok(None) };
        let (method, url) = (self.prepared.method(), self.prepared.url());
        match budget.enter(method, url, patient, |limited| self.tell(limited)).await {
            // How long GitHub's pauses last is known; another host that has refused one may answer the next.
            Err(Denied::Limited(limited))
                if self.terms.on_limit == OnLimit::Answer
                    && limited.kind == Kind::Secondary
                    && !budget.is_paced() =>
            {
                Ok(None)
            }
            entered => entered.map(Some),
        }
    }

    /// Tells the limits of the answer; the one it ran into.
    async fn limited(&self, incoming: &mut Incoming) -> Result<Option<Limited>> {
        if incoming.pass.is_none() {
            return Ok(None);
        }
        let now = budget::seconds_now();
        let mut refusal = told::refusal(incoming.status, &incoming.headers, now);
        if refusal == told::Refusal::Perhaps && incoming.is_secondary().await? {
            refusal = told::Refusal::Secondary(None);
        }
        let pass = incoming.pass.as_mut();
        let limited = pass.and_then(|pass| pass.answered(&incoming.headers, refusal));
        if let Some(limited) = &limited {
            self.tell(limited);
        }
        Ok(limited)
    }

    /// The queue waits for the limits of the resource that was asked for, not for another that the answer named.
    async fn wait_elsewhere(&self, limited: &Limited) {
        let known = super::limits::resource::of(self.prepared.url().path());
        if limited.resource != known && limited.kind == Kind::Primary {
            tokio::time::sleep(limited.retry_after).await;
        }
    }

    fn tell(&self, limited: &Limited) {
        if let Some(listener) = self.listener {
            listener(limited);
        }
    }
}

fn rate_limited(limited: Limited, url: &str, status: Option<u16>) -> Error {
    Error::RateLimited {
        reset_ms: limited.reset_ms(),
        retry_after_ms: limited.retry_after_ms(),
        url: without_credentials(url),
        resource: limited.resource,
        status,
    }
}

fn too_large(url: &Url) -> Error {
    let reason = "the body is longer than maxBodyBytes";
    NetworkError::new(NetworkFailure::TooLarge, url.as_str(), reason).into()
}

/// Random in `0.0..1.0`.
fn lot() -> f64 {
    let mut bytes = [0; 4];
    // Without randomness all wait as long as the bound allows.
    let drawn = SystemRandom::new().fill(&mut bytes);
    drawn.map_or(1.0, |()| f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX))
}
