//! The limits of one token at one host, shared by all clients of the process: [`limits`](super::limits) with the clock,
//! and those who wait.
//!
//! Budgets are found by a keyed hash of the token. The key is drawn anew in each process and stays in memory.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use parking_lot::Mutex;
use reqwest::Url;
use ring::{
    hmac,
    rand::{SecureRandom, SystemRandom},
};
use tokio::sync::{Notify, oneshot};

use super::limits::{
    Claim, Limited, Limits, Outcome, Permit, Rules, Turn, pacing, resource,
    told::{self, Refusal},
};
use crate::{http_cache::Headers, runtime};

/// So many budgets are kept before those that no longer matter are looked for.
const MANY: usize = 64;

type Waiter = oneshot::Sender<Granted>;

pub struct Budget {
    state: Mutex<State>,
    /// Somebody came or something was told: the next release may be sooner than the task believes.
    changed: Notify,
}

struct State {
    limits: Limits<Waiter>,
    /// Whether the task that sleeps until the next release runs.
    ticking: bool,
}

enum Granted {
    Go(Pass),
    Refused(Limited),
    Unreached,
}

/// Why a request may not be sent.
pub enum Denied {
    Limited(Limited),
    /// Another was sent first, and found no server.
    Unreached,
}

/// Leave to send one request, until it is dropped.
pub struct Pass {
    budget: Arc<Budget>,
    /// Until it is settled.
    permit: Option<Permit>,
    sent: bool,
    finished: bool,
}

/// What is known of a budget, for those who look.
pub struct Report {
    /// What was told last, by resource.
    pub budgets: Vec<(String, told::Budget)>,
    pub under_way: usize,
    pub waiting: usize,
    /// Milliseconds that a secondary limit lasts yet.
    pub paused_for: Option<f64>,
}

static SECRET: LazyLock<hmac::Key> = LazyLock::new(|| {
    let mut bytes = [0; 32];
    #[expect(clippy::expect_used, reason = "without randomness tokens could not be kept apart")]
    SystemRandom::new().fill(&mut bytes).expect("the system has no randomness");
    hmac::Key::new(hmac::HMAC_SHA256, &bytes)
});

static BUDGETS: LazyLock<Mutex<HashMap<Vec<u8>, Arc<Budget>>>> = LazyLock::new(Mutex::default);

impl Budget {
    /// The budget of who sends such an `Authorization` to the host of `url`; that of the address for who sends none.
    pub fn of(url: &Url, authorization: Option<&str>, rules: Rules) -> Arc<Self> {
        let origin = url.origin().ascii_serialization();
        let text = format!("{origin} {}", authorization.unwrap_or_default());
        let key = hmac::sign(&SECRET, text.as_bytes()).as_ref().to_vec();
        let now = Instant::now();
        let mut budgets = BUDGETS.lock();
        if let Some(known) = budgets.get(&key) {
            known.state.lock().limits.tighten(rules, now);
            return Arc::clone(known);
        }
        if budgets.len() >= MANY {
            budgets.retain(|_, budget| {
                Arc::strong_count(budget) > 1 || !budget.state.lock().limits.is_idle(now)
            });
        }
        let state = State { limits: Limits::new(rules, now), ticking: false };
        let budget = Arc::new(Self { state: Mutex::new(state), changed: Notify::new() });
        budgets.insert(key, Arc::clone(&budget));
        budget
    }

    /// Whether GitHub's pace is kept to.
    pub fn is_paced(&self) -> bool {
        self.state.lock().limits.is_paced()
    }

    /// Waits for the turn of such a request. `blocked` hears of the limit that it has to wait for, if there is one.
    pub async fn enter(
        self: &Arc<Self>,
        method: &str,
        url: &Url,
        patient: bool,
        blocked: impl FnOnce(&Limited),
    ) -> Result<Pass, Denied> {
        let claim =
            Claim { resource: resource::of(url.path()), points: pacing::points(method), patient };
        // Dropped after `turn`, so that the waiter of a request that was given up is closed by then.
        let queued = Queued { budget: self, resource: claim.resource };
        let (waiter, turn) = oneshot::channel();
        let now = Instant::now();
        let limited = {
            let mut state = self.state.lock();
            state.limits.enqueue(waiter, claim);
            state.limits.limited(claim.resource, now)
        };
        if let Some(limited) = limited {
            blocked(&limited);
        }
        self.release();
        let granted = turn.await;
        // It has left the queue.
        std::mem::forget(queued);
        match granted {
            Ok(Granted::Go(mut pass)) => {
                pass.sent = true;
                Ok(pass)
            }
            Ok(Granted::Refused(limited)) => Err(Denied::Limited(limited)),
            Ok(Granted::Unreached) | Err(_) => Err(Denied::Unreached),
        }
    }

    pub fn report(&self) -> Report {
        let state = self.state.lock();
        let budgets = state.limits.budgets();
        Report {
            budgets: budgets.map(|(name, budget)| (name.to_owned(), budget.clone())).collect(),
            under_way: state.limits.under_way(),
            waiting: state.limits.waiting(),
            paused_for: state
                .limits
                .paused_for(Instant::now())
                .map(|pause| pause.as_secs_f64() * 1_000.0),
        }
    }

    /// Lets through whose turn has come, and sees to it that the next is let through in time.
    fn release(self: &Arc<Self>) {
        while let Some(turns) = self.turns() {
            self.grant(turns);
        }
        let mut state = self.state.lock();
        if state.limits.next_release(Instant::now()).is_none() {
            return;
        }
        let ticks = std::mem::replace(&mut state.ticking, true);
        drop(state);
        if ticks {
            self.changed.notify_one();
        } else {
            let budget = Arc::clone(self);
            runtime::spawn(async move { budget.tick().await });
        }
    }

    /// Those whose turn has come, if there are any.
    fn turns(&self) -> Option<Vec<(Waiter, Turn)>> {
        let turns = self.state.lock().limits.release(Instant::now());
        (!turns.is_empty()).then_some(turns)
    }

    async fn tick(self: Arc<Self>) {
        loop {
            while let Some(turns) = self.turns() {
                self.grant(turns);
            }
            let wait = {
                let mut state = self.state.lock();
                let wait = state.limits.next_release(Instant::now());
                state.ticking = wait.is_some();
                wait
            };
            let Some(wait) = wait else { return };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.changed.notified() => {}
            }
        }
    }

    fn grant(self: &Arc<Self>, turns: Vec<(Waiter, Turn)>) {
        for (waiter, turn) in turns {
            let granted = match turn {
                Turn::Go(permit) => Granted::Go(Pass {
                    budget: Arc::clone(self),
                    permit: Some(permit),
                    sent: false,
                    finished: false,
                }),
                Turn::Refused(limited) => Granted::Refused(limited),
                Turn::Unreached => Granted::Unreached,
            };
            // Who no longer waits leaves his turn to the next, whom the caller's next look finds.
            if let Err(Granted::Go(mut pass)) = waiter.send(granted) {
                pass.finish();
            }
        }
    }

    fn settle(self: &Arc<Self>, permit: &Permit, outcome: Outcome) -> Option<Limited> {
        let (limited, turns) = self.state.lock().limits.settle(permit, outcome, Instant::now());
        self.grant(turns);
        self.release();
        limited
    }
}

/// A request in the queue, which leaves it when it is dropped.
struct Queued<'a> {
    budget: &'a Budget,
    resource: &'static str,
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.budget.state.lock().limits.withdraw(self.resource, oneshot::Sender::is_closed);
    }
}

impl Pass {
    /// Hears the answer; the limit that it ran into, if it did.
    pub fn answered(&mut self, headers: &Headers, refusal: Refusal) -> Option<Limited> {
        let told = told::Budget::read(headers, seconds_now());
        let permit = self.permit.take()?;
        self.budget.settle(&permit, Outcome::Answered(told, refusal))
    }

    /// Hears that there is no answer.
    pub fn failed(&mut self, reached: bool) {
        let outcome = if reached { Outcome::Lost } else { Outcome::Unreached };
        if let Some(permit) = self.permit.take() {
            self.budget.settle(&permit, outcome);
        }
    }

    fn finish(&mut self) {
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        let mut state = self.budget.state.lock();
        let outcome = if self.sent { Outcome::Lost } else { Outcome::Unsent };
        if let Some(permit) = self.permit.take() {
            // Neither tells those who wait anything.
            state.limits.settle(&permit, outcome, Instant::now());
        }
        state.limits.finish();
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if !self.finished {
            self.finish();
            self.budget.release();
        }
    }
}

/// Since the Unix epoch.
pub fn seconds_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
