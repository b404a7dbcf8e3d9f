//! In which order operations start.
//!
//! Operations are taken in batches, in the order they were added; within a batch those of one kind
//! start together. An operation that touches what an earlier one touches waits for exactly that one
//! (see `hazard`). When all of a batch has started or waits, the next is taken, so unrelated work never
//! stands still. The schedule is a pure state machine: the caller runs what it hands out.

use std::collections::VecDeque;

use super::{
    hazard::{Hazards, Id, NumberMap},
    operation::{Kind, Operation},
};

/// Operations on their way, each with the caller's tag.
#[derive(Debug)]
pub(super) struct Schedule<T> {
    pub(super) batch_size: usize,
    pub(super) max_concurrency: usize,
    queue: VecDeque<(T, Operation)>,
    /// Admitted, not started.
    waiting: NumberMap<(T, Operation)>,
    /// Those of `waiting` that may start.
    ready: VecDeque<Id>,
    running: Vec<Id>,
    hazards: Hazards,
    next_id: Id,
}

/// An operation to be run now. [`Schedule::finish`] wants `id` back.
#[derive(Debug)]
pub(super) struct Started<T> {
    pub(super) id: Id,
    pub(super) tag: T,
    pub(super) operation: Operation,
}

impl<T> Schedule<T> {
    pub(super) fn new(batch_size: usize, max_concurrency: usize) -> Self {
        Self {
            batch_size,
            max_concurrency,
            queue: VecDeque::new(),
            waiting: NumberMap::default(),
            ready: VecDeque::new(),
            running: Vec::new(),
            hazards: Hazards::default(),
            next_id: 0,
        }
    }

    pub(super) fn add(&mut self, operations: impl IntoIterator<Item = (T, Operation)>) {
        self.queue.extend(operations);
    }

    /// The next operation to run, if one may.
    pub(super) fn start(&mut self) -> Option<Started<T>> {
        if self.running.len() >= self.max_concurrency {
            return None;
        }
        while self.ready.is_empty() && !self.queue.is_empty() {
            self.admit_batch();
        }
        let id = self.ready.pop_front()?;
        let (tag, operation) = self.waiting.remove(&id)?;
        self.running.push(id);
        Some(Started { id, tag, operation })
    }

    /// Ends a started operation, whatever came of it.
    pub(super) fn finish(&mut self, id: Id) {
        self.running.retain(|running| *running != id);
        // What was freed belongs to a batch at least as old as any that is ready.
        for freed in self.hazards.release(id).into_iter().rev() {
            self.ready.push_front(freed);
        }
    }

    /// Takes back all that has not started, in the order it was added.
    pub(super) fn clear(&mut self) -> Vec<T> {
        let mut waiting: Vec<_> = std::mem::take(&mut self.waiting).into_iter().collect();
        waiting.sort_unstable_by_key(|(id, _)| *id);
        self.ready.clear();
        self.hazards.keep_only(self.running.iter().copied());
        let waiting = waiting.into_iter().map(|(_, entry)| entry);
        waiting.chain(std::mem::take(&mut self.queue)).map(|(tag, _)| tag).collect()
    }

    /// How many have not started.
    pub(super) fn queued(&self) -> usize {
        self.waiting.len() + self.queue.len()
    }

    /// At most how many more could start, were there no limit.
    pub(super) fn startable(&self) -> usize {
        self.ready.len() + self.queue.len()
    }

    pub(super) fn running(&self) -> usize {
        self.running.len()
    }

    fn admit_batch(&mut self) {
        let mut free: Vec<(Kind, Vec<Id>)> = Vec::new();
        for _ in 0..self.batch_size.min(self.queue.len()) {
            let Some((tag, operation)) = self.queue.pop_front() else { break };
            let (id, kind) = (self.next_id, operation.kind());
            self.next_id += 1;
            if self.hazards.admit(id, &operation) {
                match free.iter_mut().find(|(other, _)| *other == kind) {
                    Some((_, group)) => group.push(id),
                    None => free.push((kind, vec![id])),
                }
            }
            self.waiting.insert(id, (tag, operation));
        }
        self.ready.extend(free.into_iter().flat_map(|(_, group)| group));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(path: &str) -> Operation {
        Operation::Read { path: path.into() }
    }

    fn write(path: &str) -> Operation {
        Operation::Write { path: path.into(), content: Vec::new(), options: Default::default() }
    }

    fn copy(source: &str, destination: &str) -> Operation {
        let (source, destination) = (source.into(), destination.into());
        Operation::Copy { source, destination, options: Default::default() }
    }

    fn make_dir(path: &str) -> Operation {
        Operation::MakeDir { path: path.into(), mode: 0o777 }
    }

    fn schedule(batch_size: usize, operations: Vec<Operation>) -> Schedule<usize> {
        let mut schedule = Schedule::new(batch_size, usize::MAX);
        schedule.add(operations.into_iter().enumerate());
        schedule
    }

    fn start_all(schedule: &mut Schedule<usize>) -> Vec<Started<usize>> {
        std::iter::from_fn(|| schedule.start()).collect()
    }

    fn tags(started: &[Started<usize>]) -> Vec<usize> {
        started.iter().map(|started| started.tag).collect()
    }

    #[test]
    fn groups_a_batch_by_kind_and_takes_batches_in_order() {
        let operations =
            ["/a", "/b", "/c", "/d", "/e"].map(|path| [read(path), write(&format!("{path}x"))]);
        let mut schedule = schedule(4, operations.into_iter().flatten().collect());
        assert_eq!(tags(&start_all(&mut schedule)), [0, 2, 1, 3, 4, 6, 5, 7, 8, 9]);
    }

    #[test]
    fn what_touches_the_same_path_keeps_its_order() {
        let operations = vec![write("/a"), read("/a"), read("/a"), copy("/a", "/b"), write("/a")];
        let mut schedule = schedule(50, operations);
        for expected in [vec![0], vec![1, 2, 3], vec![4]] {
            let started = start_all(&mut schedule);
            assert_eq!(tags(&started), expected);
            started.iter().for_each(|started| schedule.finish(started.id));
        }
    }

    #[test]
    fn a_folder_comes_before_what_goes_into_it() {
        let mut schedule = schedule(50, vec![make_dir("/a"), write("/a/b/c"), make_dir("/a")]);
        for expected in [[0], [1], [2]] {
            let started = start_all(&mut schedule);
            assert_eq!(tags(&started), expected);
            schedule.finish(started[0].id);
        }
    }

    #[test]
    fn a_blocked_batch_does_not_hold_up_the_next() {
        let mut schedule = schedule(2, vec![write("/a"), write("/a"), write("/a"), write("/b")]);
        assert_eq!(tags(&start_all(&mut schedule)), [0, 3]);
        assert_eq!(schedule.queued(), 2);
    }

    #[test]
    fn copying_a_file_onto_itself_waits_for_nobody() {
        let mut schedule = schedule(50, vec![copy("/a", "/a"), read("/a")]);
        let started = start_all(&mut schedule);
        assert_eq!(tags(&started), [0]);
        schedule.finish(started[0].id);
        assert_eq!(tags(&start_all(&mut schedule)), [1]);
    }

    #[test]
    fn clearing_keeps_the_order_of_what_runs_and_what_comes() {
        let mut schedule = schedule(50, vec![read("/a"), write("/a"), read("/b")]);
        schedule.max_concurrency = 1;
        let started = start_all(&mut schedule);
        assert_eq!(schedule.clear(), [1, 2]);
        schedule.max_concurrency = 9;
        schedule.add([(3, write("/a")), (4, read("/a"))]);
        assert_eq!(tags(&start_all(&mut schedule)), [0usize; 0]);
        schedule.finish(started[0].id);
        assert_eq!(tags(&start_all(&mut schedule)), [3]);
    }

    fn any_operation() -> impl Strategy<Value = Operation> {
        let path = || prop::sample::select(vec!["/a", "/a/b", "/a/b/c", "/a/d", "/e"]);
        prop_oneof![
            path().prop_map(read),
            path().prop_map(write),
            (path(), path()).prop_map(|(source, destination)| copy(source, destination)),
            path().prop_map(make_dir),
        ]
    }

    fn related(one: &Operation, other: &Operation) -> bool {
        use super::super::operation::Access::Read;
        one.accesses().any(|(path, access)| {
            other.accesses().any(|(other_path, other_access)| {
                (access, other_access) != (Read, Read)
                    && (path.starts_with(other_path) || other_path.starts_with(path))
            })
        })
    }

    proptest! {
        /// Operations start and finish in any interleaving. Nothing starts before an earlier one it is
        /// related to has finished, never more run than allowed, whoever waits has a reason, and all
        /// are run once.
        #[test]
        fn order_holds_where_it_matters_and_nowhere_else(
            operations in prop::collection::vec(any_operation(), 1..60),
            batch_size in 1usize..20,
            max_concurrency in 1usize..8,
            picks in prop::collection::vec(any::<prop::sample::Index>(), 200),
        ) {
            let mut schedule = schedule(batch_size, operations.clone());
            schedule.max_concurrency = max_concurrency;
            let mut finished = vec![false; operations.len()];
            let mut running: Vec<Started<usize>> = Vec::new();
            for pick in picks {
                while let Some(started) = schedule.start() {
                    let earlier = (0..started.tag).filter(|&tag| !finished[tag]);
                    for tag in earlier {
                        prop_assert!(!related(&operations[tag], &operations[started.tag]));
                    }
                    running.push(started);
                }
                prop_assert!(running.len() <= max_concurrency);
                if running.is_empty() {
                    break;
                }
                if running.len() < max_concurrency {
                    for tag in (0..operations.len()).filter(|&tag| !finished[tag]) {
                        let runs = running.iter().any(|started| started.tag == tag);
                        let waits = (0..tag).any(|other| {
                            !finished[other] && related(&operations[other], &operations[tag])
                        });
                        prop_assert!(runs || waits);
                    }
                }
                let done = running.swap_remove(pick.index(running.len()));
                prop_assert!(!std::mem::replace(&mut finished[done.tag], true));
                schedule.finish(done.id);
            }
            prop_assert!(finished.iter().all(|finished| *finished));
            prop_assert_eq!(schedule.queued(), 0);
        }
    }
}
