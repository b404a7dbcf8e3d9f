//! When GitHub lets the next request of one token through: never one too many, and none later than it has to be.
//!
//! A pure state machine: the caller brings the time, sends, and tells how it went. It knows GitHub's documented limits
//! ("Rate limits for the REST API", GitHub Docs):
//!
//! - *primary*: each resource has a budget until its reset. An answer tells what is left; requests under way count as
//!   spent until theirs has come. Where nothing is known yet the first goes alone, and its answer tells; if it is lost, the
//!   others no longer wait.
//! - *secondary*: at most so many at once, so many points a minute ([`pacing`]), and a pause for all when GitHub says so:
//!   as long as it asks for, else a minute that doubles each time. After a pause the first goes alone.
//!
//! Waiting requests pass first come first served, apart by resource: an empty budget holds up no other.

mod account;
mod claim;
pub mod pacing;
pub mod resource;
#[cfg(test)]
mod simulation;
pub mod told;

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

pub use self::claim::{Claim, Kind, Limited, Outcome, Permit, Rules, Turn};
use self::{
    account::{Account, Obstacle},
    pacing::Pacing,
    told::{Budget, Refusal},
};

/// The pause after a secondary limit that names none, doubled each time, and the longest.
const PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(3_600);
/// GitHub has about fifteen.
const MOST_RESOURCES: usize = 64;

#[derive(Debug)]
pub struct Limits<Waiter> {
    rules: Rules,
    pacing: Option<Pacing>,
    /// When the bucket has what the next one needs.
    paced_until: Option<Instant>,
    lanes: HashMap<String, Lane<Waiter>>,
    /// Requests under way, their bodies included.
    under_way: usize,
    /// Those without an answer yet.
    unanswered: usize,
    settled: u64,
    arrivals: u64,
    /// The end of the last pause, until a request after it has gone well.
    pause: Option<Instant>,
    /// Pauses in a row.
    strikes: u32,
}

/// Those who wait for one resource, by their arrival.
#[derive(Debug)]
struct Lane<Waiter> {
    queue: VecDeque<(u64, Waiter, Claim)>,
    account: Account,
}

impl<Waiter> Limits<Waiter> {
    pub fn new(rules: Rules, now: Instant) -> Self {
        let pacing = rules.points_per_minute.map(|points| Pacing::new(points, now));
        Self {
            rules,
            pacing,
            paced_until: None,
            lanes: HashMap::new(),
            under_way: 0,
            unanswered: 0,
            settled: 0,
            arrivals: 0,
            pause: None,
            strikes: 0,
        }
    }

    /// Of two rules for one token the stricter holds.
    pub fn tighten(&mut self, rules: Rules, now: Instant) {
        self.rules.max_concurrent = self.rules.max_concurrent.min(rules.max_concurrent);
        let known = self.pacing.as_ref().map(Pacing::points_per_minute);
        if let Some(points) = rules.points_per_minute
            && known.is_none_or(|known| points < known)
        {
            self.rules.points_per_minute = Some(points);
            self.pacing = Some(Pacing::new(points, now));
        }
    }

    pub fn is_paced(&self) -> bool {
        self.pacing.is_some()
    }

    /// Queues a request. [`Self::release`] says when its turn has come, which may be at once.
    pub fn enqueue(&mut self, waiter: Waiter, claim: Claim) {
        self.arrivals += 1;
        let arrival = self.arrivals;
        self.lane(claim.resource).queue.push_back((arrival, waiter, claim));
    }

    /// Takes those out of a resource's queue who no longer want their turn.
    pub fn withdraw(&mut self, resource: &str, unwanted: impl Fn(&Waiter) -> bool) {
        if let Some(lane) = self.lanes.get_mut(resource) {
            lane.queue.retain(|(_, waiter, _)| !unwanted(waiter));
        }
    }

    /// The limit that stands in the way of a resource, if one does.
    pub fn limited(&self, resource: &str, now: Instant) -> Option<Limited> {
        let lane = self.lanes.get(resource)?;
        match self.obstacle(lane, now) {
            Some(Obstacle::Limit(kind, until)) => Some(self.describe(kind, resource, until, now)),
            _ => None,
        }
    }

    /// Takes those whose turn has come, in order.
    pub fn release(&mut self, now: Instant) -> Vec<(Waiter, Turn)> {
        let mut released = self.refuse(now);
        self.paced_until = None;
        while let Some(Claim { resource, points, .. }) = self.next(now) {
            if let Some(Err(wait)) = self.pacing.as_mut().map(|pacing| pacing.take(points, now)) {
                self.paced_until = Some(now + wait);
                break;
            }
            let settled = self.settled;
            let lane = self.lane(resource);
            let Some((_, waiter, _)) = lane.queue.pop_front() else { break };
            let alone_since = (lane.account.unanswered == 0).then_some(settled);
            lane.account.unanswered += 1;
            self.unanswered += 1;
            self.under_way += 1;
            released.push((waiter, Turn::Go(Permit { resource, admitted: now, alone_since })));
        }
        released
    }

    /// When to call [`Self::release`] again if nothing is told before; `None` if nobody waits for the time.
    pub fn next_release(&self, now: Instant) -> Option<Duration> {
        let waiting = self.lanes.values().filter(|lane| !lane.queue.is_empty());
        let times = waiting.filter_map(|lane| match self.obstacle(lane, now) {
            None => Some(self.paced_until.unwrap_or(now)),
            Some(Obstacle::Limit(_, until)) => Some(until),
            Some(Obstacle::Answer) => None,
        });
        times.min().map(|at| at.saturating_duration_since(now))
    }

    /// Hears how a request went; the limit it ran into, and those who need no longer wait for its answer.
    pub fn settle(
        &mut self,
        permit: &Permit,
        outcome: Outcome,
        now: Instant,
    ) -> (Option<Limited>, Vec<(Waiter, Turn)>) {
        let resource = permit.resource;
        self.unanswered -= 1;
        self.lane(resource).account.unanswered -= 1;
        match outcome {
            Outcome::Unsent => {}
            Outcome::Unreached => return (None, self.give_up(resource, now)),
            Outcome::Lost => {
                self.settled += 1;
                self.lane(resource).account.lose(now);
            }
            Outcome::Answered(budget, refusal) => {
                let exact = permit.alone_since == Some(self.settled);
                self.settled += 1;
                let told = budget.as_ref().and_then(|budget| budget.resource.clone());
                self.learn(resource, budget, exact, now);
                let limited = self.heed(permit, refusal, told.as_deref().unwrap_or(resource), now);
                return (limited, Vec::new());
            }
        }
        (None, Vec::new())
    }

    /// The request and its body are through.
    pub fn finish(&mut self) {
        self.under_way -= 1;
    }

    /// What was told last, by resource.
    pub fn budgets(&self) -> impl Iterator<Item = (&str, &Budget)> {
        self.lanes
            .iter()
            .filter_map(|(resource, lane)| Some((resource.as_str(), lane.account.budget()?)))
    }

    pub fn under_way(&self) -> usize {
        self.under_way
    }

    pub fn waiting(&self) -> usize {
        self.lanes.values().map(|lane| lane.queue.len()).sum()
    }

    /// How long a pause lasts yet.
    pub fn paused_for(&self, now: Instant) -> Option<Duration> {
        let left = self.pause?.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    /// Whether forgetting all of it would make no difference.
    pub fn is_idle(&self, now: Instant) -> bool {
        self.under_way == 0
            && self.waiting() == 0
            && self.paused_for(now).is_none()
            && self.pacing.as_ref().is_none_or(|pacing| pacing.is_full(now))
            && self.lanes.values().all(|lane| lane.account.is_over(now))
    }

    fn lane(&mut self, resource: &str) -> &mut Lane<Waiter> {
        if !self.lanes.contains_key(resource) {
            let account = Account::new(resource == resource::RATE_LIMIT);
            self.lanes.insert(resource.to_owned(), Lane { queue: VecDeque::new(), account });
        }
        #[expect(clippy::expect_used, reason = "it was put there if it was not")]
        self.lanes.get_mut(resource).expect("a lane")
    }

    /// The one who has waited longest of those that may go.
    fn next(&self, now: Instant) -> Option<Claim> {
        let fronts = self.lanes.values().filter_map(|lane| {
            let (arrival, _, claim) = lane.queue.front()?;
            self.obstacle(lane, now).is_none().then_some((*arrival, *claim))
        });
        fronts.min_by_key(|(arrival, _)| *arrival).map(|(_, claim)| claim)
    }

    fn obstacle(&self, lane: &Lane<Waiter>, now: Instant) -> Option<Obstacle> {
        if let Some(until) = self.pause {
            if now < until {
                return Some(Obstacle::Limit(Kind::Secondary, until));
            }
            if self.unanswered > 0 {
                return Some(Obstacle::Answer);
            }
        }
        let full = self.under_way >= self.rules.max_concurrent;
        lane.account.obstacle(self.is_paced(), now).or(full.then_some(Obstacle::Answer))
    }

    /// Takes the impatient out of the queues that wait for a limit.
    fn refuse(&mut self, now: Instant) -> Vec<(Waiter, Turn)> {
        let mut refused = Vec::new();
        let impatient = |lane: &Lane<Waiter>| lane.queue.iter().any(|(_, _, claim)| !claim.patient);
        let resources: Vec<String> = self
            .lanes
            .iter()
            .filter(|(_, lane)| impatient(lane))
            .map(|(resource, _)| resource.clone())
            .collect();
        for resource in resources {
            let Some(limited) = self.limited(&resource, now) else { continue };
            let queue = &mut self.lane(&resource).queue;
            let (patient, others) = queue.drain(..).partition(|(_, _, claim)| claim.patient);
            *queue = patient;
            let others: VecDeque<_> = others;
            refused.extend(
                others.into_iter().map(|(_, waiter, _)| (waiter, Turn::Refused(limited.clone()))),
            );
        }
        refused
    }

    /// Those who wait for the answer of one that found no server.
    fn give_up(&mut self, resource: &'static str, now: Instant) -> Vec<(Waiter, Turn)> {
        let paced = self.is_paced();
        let Lane { queue, account } = self.lane(resource);
        if !paced || !account.is_unknown(now) || account.unanswered > 0 {
            return Vec::new();
        }
        queue.drain(..).map(|(_, waiter, _)| (waiter, Turn::Unreached)).collect()
    }

    fn learn(&mut self, asked: &'static str, told: Option<Budget>, exact: bool, now: Instant) {
        let Some(told) = told else {
            self.lane(asked).account.learn_that_there_is_none();
            return;
        };
        let resource = told.resource.clone().unwrap_or_else(|| asked.to_owned());
        if !self.lanes.contains_key(&resource) && self.lanes.len() >= MOST_RESOURCES {
            return;
        }
        // It was asked for under another name: what was under way there says nothing of this one.
        let exact = exact && resource == asked;
        self.lane(&resource).account.learn(told, exact, now);
    }

    /// Takes a refusal to heart. `resource` is the one that the answer names.
    fn heed(
        &mut self,
        permit: &Permit,
        refusal: Refusal,
        resource: &str,
        now: Instant,
    ) -> Option<Limited> {
        let since_pause = self.pause.is_none_or(|until| permit.admitted >= until);
        let asked = match refusal {
            Refusal::No | Refusal::Perhaps => {
                if since_pause {
                    (self.pause, self.strikes) = (None, 0);
                }
                return None;
            }
            Refusal::Primary => return self.limited(resource, now),
            Refusal::Secondary(asked) => asked,
        };
        // Those that were under way together are refused together, and count once.
        if since_pause {
            self.strikes += 1;
        }
        let doubled = PAUSE.saturating_mul(2u32.saturating_pow(self.strikes.saturating_sub(1)));
        let until = now + asked.unwrap_or(doubled).min(LONGEST_PAUSE);
        let until = self.pause.map_or(until, |pause| pause.max(until));
        self.pause = Some(until);
        Some(self.describe(Kind::Secondary, resource, until, now))
    }

    fn describe(&self, kind: Kind, resource: &str, until: Instant, now: Instant) -> Limited {
        let budget = self.lanes.get(resource).and_then(|lane| lane.account.budget()).cloned();
        let retry_after = until.saturating_duration_since(now);
        Limited { kind, resource: resource.to_owned(), budget, retry_after }
    }
}
