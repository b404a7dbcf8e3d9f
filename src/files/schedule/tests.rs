use super::*;
use proptest::prelude::*;

use crate::files::Operation;
use tokio_util::sync::CancellationToken;

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

fn rename(source: &str, destination: &str) -> Operation {
    Operation::Move { source: source.into(), destination: destination.into() }
}

fn make_dir(path: &str) -> Operation {
    Operation::MakeDir { path: path.into(), mode: 0o777 }
}

fn schedule(batch_size: usize, operations: Vec<Operation>) -> Schedule<usize> {
    let mut schedule = Schedule::new(batch_size, usize::MAX);
    schedule.add(operations.into_iter().enumerate());
    schedule
}

fn start(schedule: &mut Schedule<usize>) -> Option<Started<usize>> {
    loop {
        match schedule.step() {
            Step::Start(started) => return Some(started),
            Step::Again => {}
            Step::Nothing => return None,
        }
    }
}

fn start_all(schedule: &mut Schedule<usize>) -> Vec<Started<usize>> {
    std::iter::from_fn(|| start(schedule)).collect()
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
    assert!(schedule.clear().tags().eq([1, 2]));
    schedule.max_concurrency = 9;
    schedule.add([(3, write("/a")), (4, read("/a"))]);
    assert_eq!(tags(&start_all(&mut schedule)), [0usize; 0]);
    schedule.finish(started[0].id);
    assert_eq!(tags(&start_all(&mut schedule)), [3]);
}

#[test]
fn the_urgent_start_first_but_never_before_what_they_wait_for() {
    let urgent = |operation, priority| Request { priority, ..Request::from(operation) };
    let mut schedule = schedule(2, vec![write("/a"), read("/b"), read("/c"), read("/d")]);
    schedule.add([
        (4, urgent(read("/e"), 1)),
        (5, urgent(read("/a"), 9)),
        (6, urgent(read("/f"), -1)),
        (7, urgent(read("/g"), 5)),
    ]);
    let started = start_all(&mut schedule);
    assert_eq!(tags(&started), [7, 4, 0, 1, 2, 3, 6]);
    schedule.finish(started[2].id);
    assert_eq!(tags(&start_all(&mut schedule)), [5]);
}

/// The last of many is urgent, and the batch is as large as can be.
#[test]
fn no_step_takes_long() {
    let mut schedule = schedule(usize::MAX, vec![read("/a"); 10_000]);
    schedule.add([(10_000, Request { priority: 1, ..Request::from(read("/b")) })]);
    loop {
        let before = schedule.queue.len();
        match schedule.step() {
            Step::Start(started) => return assert_eq!(started.tag, 10_000),
            Step::Again => assert!(before - schedule.queue.len() <= STEP),
            Step::Nothing => panic!("there is something to start"),
        }
    }
}

#[test]
fn pausing_starts_nothing() {
    let mut schedule = schedule(50, vec![read("/a")]);
    schedule.paused = true;
    assert_eq!((tags(&start_all(&mut schedule)), schedule.startable()), (vec![], 0));
    schedule.paused = false;
    assert_eq!(tags(&start_all(&mut schedule)), [0]);
}

/// Cancelled are the second of three writes to a file, which waits, and one that was not admitted yet.
#[test]
fn what_is_withdrawn_still_keeps_others_in_order() {
    let cancel = CancellationToken::new();
    let cancellable =
        |operation| Request { cancel: Some(cancel.clone()), ..Request::from(operation) };
    let mut schedule = schedule(3, vec![write("/a")]);
    schedule.add([
        (1, cancellable(write("/a"))),
        (2, write("/a").into()),
        (3, read("/b").into()),
        (4, cancellable(read("/c"))),
    ]);
    schedule.max_concurrency = 1;
    let started = start_all(&mut schedule);
    assert_eq!(tags(&started), [0]);
    cancel.cancel();
    assert_eq!((schedule.withdraw(), schedule.queued()), (vec![1, 4], 2));
    assert_eq!(schedule.withdraw(), [0usize; 0]);
    schedule.max_concurrency = 9;
    assert_eq!(tags(&start_all(&mut schedule)), [3]);
    schedule.finish(started[0].id);
    assert_eq!(tags(&start_all(&mut schedule)), [2]);
    assert_eq!(schedule.queued(), 0);
}

fn any_operation() -> impl Strategy<Value = Operation> {
    let path = || prop::sample::select(vec!["/a", "/a/b", "/a/b/c", "/a/d", "/e"]);
    prop_oneof![
        path().prop_map(read),
        path().prop_map(write),
        (path(), path()).prop_map(|(source, destination)| copy(source, destination)),
        (path(), path()).prop_map(|(source, destination)| rename(source, destination)),
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
        requests in prop::collection::vec((any_operation(), -1..2i32), 1..60),
        batch_size in 1usize..20,
        max_concurrency in 1usize..8,
        picks in prop::collection::vec(any::<prop::sample::Index>(), 200),
    ) {
        let operations: Vec<_> = requests.iter().map(|(operation, _)| operation.clone()).collect();
        let mut schedule = schedule(batch_size, Vec::new());
        let request = |(operation, priority)| Request { priority, ..Request::from(operation) };
        schedule.add(requests.into_iter().map(request).enumerate());
        schedule.max_concurrency = max_concurrency;
        let mut finished = vec![false; operations.len()];
        let mut running: Vec<Started<usize>> = Vec::new();
        for pick in picks {
            while let Some(started) = start(&mut schedule) {
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
