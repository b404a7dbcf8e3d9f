//! In which order operations start.
//!
//! Operations are taken in batches, in the order they were added; within a batch those of one kind
//! start together. An operation that touches what an earlier one touches waits for exactly that one
//! (see `hazard`). When all of a batch has started or waits, the next is taken, so unrelated work never
//! stands still. Of those that may start, the most urgent do so first; an urgent one is taken before another starts,
//! with all that was added before it. The schedule is a pure state machine: the caller runs what it hands out, and
//! has it look for that in steps, which are short however much is waiting.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, VecDeque},
    mem,
};

use super::{
    hazard::{Hazards, Id, NumberMap},
    operation::{Kind, Request},
};

/// Operations taken from the queue in one step.
const STEP: usize = 64;

/// Operations on their way, each with the caller's tag.
#[derive(Debug)]
pub(super) struct Schedule<T> {
    pub(super) batch_size: usize,
    pub(super) max_concurrency: usize,
    /// Nothing starts.
    pub(super) paused: bool,
    queue: VecDeque<(T, Request)>,
    /// Those of `queue` that are urgent.
    urgent: usize,
    batch: Batch,
    /// Admitted, not started. One that was withdrawn has no tag any more but still keeps the order of those
    /// before and after it.
    waiting: NumberMap<(Option<T>, Request)>,
    withdrawn: usize,
    /// Those of `waiting` that may start, by priority.
    ready: BTreeMap<Reverse<i32>, VecDeque<Id>>,
    running: Vec<Id>,
    hazards: Hazards,
    next_id: Id,
}

/// The batch that is being taken from the queue.
#[derive(Debug, Default)]
struct Batch {
    taken: usize,
    /// Those of it that may start, by kind, with their priorities.
    free: Vec<(Kind, Vec<(i32, Id)>)>,
}

/// What came of a step.
#[derive(Debug)]
pub(super) enum Step<T> {
    Start(Started<T>),
    /// Another step may start something.
    Again,
    /// Nothing may start.
    Nothing,
}

/// What was cleared; it may take a while to go through.
pub(super) struct Cleared<T> {
    waiting: NumberMap<(Option<T>, Request)>,
    queue: VecDeque<(T, Request)>,
    _hazards: Hazards,
}

/// An operation to be run now. [`Schedule::finish`] wants `id` back.
#[derive(Debug)]
pub(super) struct Started<T> {
    pub(super) id: Id,
    pub(super) tag: T,
    pub(super) request: Request,
}

impl<T> Schedule<T> {
    pub(super) fn new(batch_size: usize, max_concurrency: usize) -> Self {
        Self {
            batch_size,
            max_concurrency,
            paused: false,
            queue: VecDeque::new(),
            urgent: 0,
            batch: Batch::default(),
            waiting: NumberMap::default(),
            withdrawn: 0,
            ready: BTreeMap::new(),
            running: Vec::new(),
            hazards: Hazards::default(),
            next_id: 0,
        }
    }

    pub(super) fn add<R: Into<Request>>(&mut self, requests: impl IntoIterator<Item = (T, R)>) {
        for (tag, request) in requests {
            let request = request.into();
            self.urgent += usize::from(is_urgent(&request));
            self.queue.push_back((tag, request));
        }
    }

    /// Does a little work towards the next operation to run, if one may.
    pub(super) fn step(&mut self) -> Step<T> {
        if self.paused || self.running.len() >= self.max_concurrency {
            return Step::Nothing;
        }
        let queued = !self.queue.is_empty();
        if self.batch.taken > 0 || queued && (self.urgent > 0 || self.most_urgent() < Some(0)) {
            self.admit();
            return Step::Again;
        }
        let Some(id) = self.pop_ready() else { return Step::Nothing };
        match self.waiting.remove(&id) {
            Some((Some(tag), request)) => {
                self.running.push(id);
                Step::Start(Started { id, tag, request })
            }
            _ => {
                self.withdrawn -= 1;
                self.release(id);
                Step::Again
            }
        }
    }

    /// Ends a started operation, whatever came of it.
    pub(super) fn finish(&mut self, id: Id) {
        self.running.retain(|running| *running != id);
        self.release(id);
    }

    /// Takes back all that has not started.
    pub(super) fn clear(&mut self) -> Cleared<T> {
        self.ready.clear();
        self.withdrawn = 0;
        self.urgent = 0;
        self.batch = Batch::default();
        Cleared {
            waiting: mem::take(&mut self.waiting),
            queue: mem::take(&mut self.queue),
            _hazards: self.hazards.keep_only(self.running.iter().copied()),
        }
    }

    /// Takes back what was cancelled and has not started.
    pub(super) fn withdraw(&mut self) -> Vec<T> {
        let waiting = self.waiting.values_mut().filter(|(_, request)| request.is_cancelled());
        let mut taken: Vec<T> = waiting.filter_map(|(tag, _)| tag.take()).collect();
        self.withdrawn += taken.len();
        let (cancelled, kept): (VecDeque<_>, _) =
            mem::take(&mut self.queue).into_iter().partition(|(_, request)| request.is_cancelled());
        self.queue = kept;
        self.urgent -= cancelled.iter().filter(|(_, request)| is_urgent(request)).count();
        taken.extend(cancelled.into_iter().map(|(tag, _)| tag));
        taken
    }

    /// How many have not started.
    pub(super) fn queued(&self) -> usize {
        self.waiting.len() - self.withdrawn + self.queue.len()
    }

    /// At most how many more could start, were there no limit.
    pub(super) fn startable(&self) -> usize {
        match self.paused {
            true => 0,
            false => self.ready.values().map(VecDeque::len).sum::<usize>() + self.entering(),
        }
    }

    pub(super) fn running(&self) -> usize {
        self.running.len()
    }

    /// Those that are not waiting yet, or not ready though they may start.
    fn entering(&self) -> usize {
        self.batch.free.iter().map(|(_, group)| group.len()).sum::<usize>() + self.queue.len()
    }

    /// Takes some of a batch from the queue. When all of it is taken, those that may start are ready.
    fn admit(&mut self) {
        let left = self.batch_size.saturating_sub(self.batch.taken).min(self.queue.len());
        let step = left.min(STEP);
        for (tag, request) in self.queue.drain(..step) {
            let (id, kind) = (self.next_id, request.operation.kind());
            self.next_id += 1;
            self.urgent -= usize::from(is_urgent(&request));
            if self.hazards.admit(id, &request.operation) {
                let entry = (request.priority, id);
                match self.batch.free.iter_mut().find(|(other, _)| *other == kind) {
                    Some((_, group)) => group.push(entry),
                    None => self.batch.free.push((kind, vec![entry])),
                }
            }
            self.waiting.insert(id, (Some(tag), request));
        }
        self.batch.taken += step;
        if step == left {
            let Batch { free, .. } = mem::take(&mut self.batch);
            for (priority, id) in free.into_iter().flat_map(|(_, group)| group) {
                self.ready.entry(Reverse(priority)).or_default().push_back(id);
            }
        }
    }

    fn release(&mut self, id: Id) {
        // What was freed belongs to a batch at least as old as any that is ready.
        for freed in self.hazards.release(id).into_iter().rev() {
            if let Some((_, request)) = self.waiting.get(&freed) {
                self.ready.entry(Reverse(request.priority)).or_default().push_front(freed);
            }
        }
    }

    fn most_urgent(&self) -> Option<i32> {
        self.ready.first_key_value().map(|(Reverse(priority), _)| *priority)
    }

    fn pop_ready(&mut self) -> Option<Id> {
        let mut first = self.ready.first_entry()?;
        let id = first.get_mut().pop_front();
        if first.get().is_empty() {
            first.remove();
        }
        id
    }
}

impl<T> Cleared<T> {
    /// In the order they were added.
    pub(super) fn tags(self) -> impl Iterator<Item = T> {
        let mut waiting: Vec<_> = self.waiting.into_iter().collect();
        waiting.sort_unstable_by_key(|(id, _)| *id);
        let waiting = waiting.into_iter().filter_map(|(_, (tag, _))| tag);
        waiting.chain(self.queue.into_iter().map(|(tag, _)| tag))
    }
}

fn is_urgent(request: &Request) -> bool {
    request.priority > 0
}

#[cfg(test)]
mod tests;
