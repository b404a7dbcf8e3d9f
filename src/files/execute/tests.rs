use std::sync::mpsc;

use super::*;
use crate::files::Operation;

fn processor(settings: Settings) -> (Processor<usize>, mpsc::Receiver<(usize, Result<Output>)>) {
    let (sender, receiver) = mpsc::channel();
    let report = move |outcomes: Vec<_>| {
        outcomes.into_iter().for_each(|outcome| sender.send(outcome).unwrap());
    };
    (Processor::new(settings, report), receiver)
}

#[test]
fn runs_what_depends_on_each_other_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/file");
    let (processor, outcomes) =
        processor(Settings { concurrency: Concurrency::AtMost(4), batch_size: 7 });
    let count = 600;
    processor.add((0..count).map(|tag| {
        let content = tag.to_string().into_bytes();
        let operation = match tag % 2 {
            0 => Operation::Write { path: path.clone(), content, options: Default::default() },
            _ => Operation::Read { path: path.clone() },
        };
        (tag, operation)
    }));
    for _ in 0..count {
        let (tag, outcome) = outcomes.recv().unwrap();
        let expected = match tag % 2 {
            0 => Output::Done,
            _ => Output::Content((tag - 1).to_string().into()),
        };
        assert_eq!(outcome.unwrap(), expected);
    }
    let stats = processor.stats();
    assert_eq!((stats.succeeded, stats.failed, stats.queued), (count as u64, 0, 0));
    assert_eq!(stats.success_rate(), "100.00%");
}

#[test]
fn what_nobody_takes_holds_up_the_rest() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(MOST_HELD as u64 / 2).unwrap();
    let (processor, outcomes) =
        processor(Settings { concurrency: Concurrency::AtMost(1), batch_size: 50 });
    processor.add((0..6).map(|tag| (tag, Operation::Read { path: file.path().into() })));
    for _ in 0..3 {
        let pair = [outcomes.recv().unwrap(), outcomes.recv().unwrap()];
        while processor.stats().running > 0 {
            std::thread::yield_now();
        }
        let left = processor.stats().queued;
        assert!(outcomes.try_recv().is_err());
        assert_eq!(left, 4 - pair[0].0);
        for (_, outcome) in pair {
            processor.taken(outcome.unwrap().weight());
        }
    }
}

#[test]
fn clearing_reports_what_never_started() {
    let (processor, outcomes) =
        processor(Settings { concurrency: Concurrency::AtMost(0), batch_size: 50 });
    processor.add([(1, Operation::Read { path: "/nowhere".into() })]);
    processor.clear(vec![2]);
    for expected in [1, 2] {
        let (tag, outcome) = outcomes.recv().unwrap();
        assert_eq!((tag, outcome.unwrap_err().code()), (expected, "ERR_AIWF_QUEUE_CLEARED"));
    }
    assert_eq!(processor.stats(), Stats::default());
    assert_eq!(processor.stats().success_rate(), "0%");
}
