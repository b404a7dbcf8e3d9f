//! What is left of one resource's budget, as far as answers have told.

use std::time::Instant;

use super::{claim::Kind, told::Budget};

/// By how many seconds answers of one window may differ about its end.
const SAME_RESET: i64 = 2;

#[derive(Debug)]
pub(super) struct Account {
    known: Known,
    /// Requests under way without an answer yet.
    pub unanswered: usize,
    /// Those without an answer that the server may have counted.
    lost: u64,
}

#[derive(Debug)]
enum Known {
    Nothing,
    /// It answers, and has no limit.
    Unlimited,
    Left(Budget, Instant),
}

/// What stands in the way of the next request.
pub(super) enum Obstacle {
    /// Until then; a limit that the impatient do not wait for.
    Limit(Kind, Instant),
    /// An answer that is on its way.
    Answer,
}

impl Account {
    /// `free` is what costs nothing.
    pub fn new(free: bool) -> Self {
        let known = if free { Known::Unlimited } else { Known::Nothing };
        Self { known, unanswered: 0, lost: 0 }
    }

    /// What was told last.
    pub fn budget(&self) -> Option<&Budget> {
        match &self.known {
            Known::Left(budget, _) => Some(budget),
            _ => None,
        }
    }

    /// Whether forgetting it would make no difference, as far as it tells.
    pub fn is_over(&self, now: Instant) -> bool {
        !matches!(&self.known, Known::Left(_, reset) if now < *reset)
    }

    /// Whether an answer has to tell what others may. Where one was lost nobody waits for the next.
    pub fn is_unknown(&self, now: Instant) -> bool {
        match &self.known {
            Known::Nothing => self.lost == 0,
            Known::Unlimited => false,
            Known::Left(_, reset) => *reset <= now,
        }
    }

    /// `probing`: of those whose answer has to tell, one goes alone.
    pub fn obstacle(&self, probing: bool, now: Instant) -> Option<Obstacle> {
        if probing && self.is_unknown(now) && self.unanswered > 0 {
            return Some(Obstacle::Answer);
        }
        let Known::Left(budget, reset) = &self.known else { return None };
        if *reset <= now {
            return None;
        }
        match budget.remaining.saturating_sub(self.lost) {
            0 => Some(Obstacle::Limit(Kind::Primary, *reset)),
            left if self.unanswered as u64 >= left => Some(Obstacle::Answer),
            _ => None,
        }
    }

    /// A request may have reached the server, and no answer came.
    pub fn lose(&mut self, now: Instant) {
        self.lost += 1;
        if self.is_over(now) && self.budget().is_some() {
            self.known = Known::Nothing;
        }
    }

    /// An answer told of no limit.
    pub fn learn_that_there_is_none(&mut self) {
        if matches!(self.known, Known::Nothing) {
            self.known = Known::Unlimited;
        }
    }

    /// `exact`: nothing else was under way.
    pub fn learn(&mut self, mut told: Budget, exact: bool, now: Instant) {
        if let Known::Left(budget, reset) = &self.known {
            let later = told.reset - budget.reset;
            if later < -SAME_RESET || (*reset <= now && later <= SAME_RESET) {
                return;
            }
            if later <= SAME_RESET && !exact {
                told.remaining = told.remaining.min(budget.remaining);
                told.used = told.used.max(budget.used);
            }
        }
        if exact {
            self.lost = 0;
        }
        let reset = now + told.reset_in;
        self.known = Known::Left(told, reset);
    }
}
