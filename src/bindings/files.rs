//! `FileBatchProcessor`: the operations of one turn of the event loop arrive in one call.

use std::{
    collections::HashMap,
    ffi::OsString,
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use napi::bindgen_prelude::{BufferSlice, Either, Either5};
use napi_derive::napi;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::{
    raw::{Binary, Text},
    settle::{Settler, Ticket},
};
use crate::{
    error::Result,
    files::{
        Algorithm, Concurrency, Decisions, Entry, FileStat, Operation, Output, Processor, Request,
        Settings, WeakProcessor, WriteOptions,
    },
};

/// V8's longest string on 64 bits. What is longer goes over as bytes: Node's own decoder then says whether
/// it fits.
const LONGEST_STRING: usize = (1 << 29) - 24;

/// A promise, and how it wants to be answered.
#[derive(Clone, Copy)]
struct Tag {
    ticket: Ticket,
    flags: Flags,
}

/// Of the operations that have a signal.
type Cancels = Arc<Mutex<HashMap<Ticket, CancellationToken>>>;
type Value = Either5<Text, Binary, String, Vec<f64>, ()>;

/// What [`NativeFileProcessor::stats`] returns.
#[napi(object)]
pub struct FileProcessorStats {
    pub total_operations: f64,
    pub successful_operations: f64,
    pub failed_operations: f64,
    /// Milliseconds an operation.
    pub average_processing_time: f64,
    pub queue_length: u32,
    pub success_rate: String,
    /// Read and written so far.
    pub bytes: f64,
    /// Where the engine finds the limit out: it, and how often it was raised and lowered.
    pub decisions: Option<Vec<f64>>,
}

#[napi]
pub struct NativeFileProcessor {
    processor: Processor<Tag>,
    cancels: Cancels,
}

#[napi]
impl NativeFileProcessor {
    #[napi(constructor, catch_unwind)]
    pub fn new(settler: &Settler, max_concurrency: u32, batch_size: u32) -> Self {
        let reporter = settler.reporter();
        let cancels = Cancels::default();
        let done = Arc::clone(&cancels);
        let itself = Arc::new(OnceLock::<WeakProcessor<Tag>>::new());
        let weak = Arc::clone(&itself);
        let taken = move |weight| {
            if let Some(processor) = weak.get().and_then(WeakProcessor::upgrade) {
                processor.taken(weight);
            }
        };
        let report = move |outcomes: Vec<(Tag, Result<Output>)>| {
            let outcomes = outcomes.into_iter().map(|(Tag { ticket, flags }, outcome)| {
                if flags.has(Flags::CANCELLABLE) {
                    done.lock().remove(&ticket);
                }
                (ticket, outcome.map(|output| weighed_value(output, flags.has(Flags::TEXT))))
            });
            reporter.report_bytes(outcomes, taken.clone());
        };
        let processor = Processor::new(settings(max_concurrency, batch_size), report);
        itself.get_or_init(|| processor.downgrade());
        Self { processor, cancels }
    }

    #[napi(catch_unwind)]
    pub fn configure(&self, max_concurrency: u32, batch_size: u32) {
        self.processor.configure(settings(max_concurrency, batch_size));
    }

    /// Queues operations. Each has five numbers: ticket, kind (see [`operation`]), mode or algorithm, flags
    /// (see [`Flags`]), and priority. Their paths follow each other in `paths`, each ended by a NUL; some kinds have two.
    /// `contents` are those of the writes.
    #[napi(catch_unwind)]
    pub fn add(
        &self,
        numbers: &[u32],
        paths: Either<String, BufferSlice>,
        contents: Vec<Either<String, BufferSlice>>,
    ) {
        let paths: &[u8] = match &paths {
            Either::A(text) => text.as_bytes(),
            Either::B(bytes) => bytes,
        };
        let mut paths = paths.split(|&byte| byte == 0).map(path);
        let mut contents = contents.into_iter().map(|content| match content {
            Either::A(text) => text.into_bytes(),
            Either::B(bytes) => bytes.to_vec(),
        });
        let requests = numbers.chunks_exact(5).filter_map(|numbers| {
            let &[ticket, kind, mode, flags, priority] = numbers else { return None };
            let flags = Flags(flags);
            let operation = operation(kind, mode, flags, &mut paths, &mut contents)?;
            let cancel = flags.has(Flags::CANCELLABLE).then(|| {
                let cancel = CancellationToken::new();
                self.cancels.lock().insert(ticket, cancel.clone());
                cancel
            });
            let priority = priority.cast_signed();
            Some((Tag { ticket, flags }, Request { operation, priority, cancel }))
        });
        self.processor.add(requests.collect::<Vec<_>>());
    }

    /// Ends operations that have not ended: their promises reject.
    #[napi(catch_unwind)]
    pub fn cancel(&self, tickets: &[u32]) {
        let cancels = self.cancels.lock();
        tickets.iter().filter_map(|ticket| cancels.get(ticket)).for_each(CancellationToken::cancel);
        drop(cancels);
        self.processor.withdraw();
    }

    /// Starts nothing more until it is told to go on.
    #[napi(catch_unwind)]
    pub fn pause(&self, paused: bool) {
        self.processor.pause(paused);
    }

    /// Rejects what has not started, and `staged`, which were never handed over.
    #[napi(catch_unwind)]
    pub fn clear(&self, staged: &[u32]) {
        let tag = |&ticket| Tag { ticket, flags: Flags(0) };
        self.processor.clear(staged.iter().map(tag).collect());
    }

    #[napi(catch_unwind)]
    pub fn stats(&self) -> FileProcessorStats {
        let stats = self.processor.stats();
        FileProcessorStats {
            total_operations: stats.total() as f64,
            successful_operations: stats.succeeded as f64,
            failed_operations: stats.failed as f64,
            average_processing_time: stats.average().as_secs_f64() * 1_000.0,
            queue_length: stats.queued as u32,
            success_rate: stats.success_rate(),
            bytes: stats.bytes as f64,
            decisions: stats.decisions.map(|Decisions { limit, raised, lowered }| {
                vec![limit as f64, raised as f64, lowered as f64]
            }),
        }
    }
}

/// Goes with its environment: JavaScript keeps the instance while promises are out. Nobody is left then
/// to want what has not started.
impl Drop for NativeFileProcessor {
    fn drop(&mut self) {
        self.processor.clear(Vec::new());
    }
}

/// A limit of 0 is for the engine to find out.
fn settings(max_concurrency: u32, batch_size: u32) -> Settings {
    let concurrency = match max_concurrency {
        0 => Concurrency::Auto,
        limit => Concurrency::AtMost(limit as usize),
    };
    Settings { concurrency, batch_size: batch_size as usize }
}

/// What JavaScript asks for by a bit each.
#[derive(Clone, Copy)]
struct Flags(u32);

impl Flags {
    const ATOMIC: u32 = 1;
    const DURABLE: u32 = 2;
    const TEXT: u32 = 4;
    const TIMES: u32 = 8;
    const RECURSIVE: u32 = 16;
    const FORCE: u32 = 32;
    const FOLLOW: u32 = 64;
    const CANCELLABLE: u32 = 128;

    fn has(self, flag: u32) -> bool {
        self.0 & flag != 0
    }
}

/// The operation of a kind, as JavaScript numbers them (`lib/file-batch-processor/staging.js`).
fn operation(
    kind: u32,
    mode: u32,
    flags: Flags,
    paths: &mut impl Iterator<Item = PathBuf>,
    contents: &mut impl Iterator<Item = Vec<u8>>,
) -> Option<Operation> {
    let options = WriteOptions {
        mode,
        atomic: flags.has(Flags::ATOMIC),
        durable: flags.has(Flags::DURABLE),
        keep_times: flags.has(Flags::TIMES),
    };
    let path = paths.next()?;
    Some(match kind {
        0 => Operation::Read { path },
        1 => Operation::Write { path, content: contents.next()?, options },
        2 => Operation::Copy { source: path, destination: paths.next()?, options },
        3 => Operation::MakeDir { path, mode },
        4 => Operation::Append { path, content: contents.next()?, options },
        5 => Operation::Move { source: path, destination: paths.next()? },
        6 => {
            let (recursive, force) = (flags.has(Flags::RECURSIVE), flags.has(Flags::FORCE));
            Operation::Remove { path, recursive, force }
        }
        7 => Operation::CopyDir { source: path, destination: paths.next()?, options },
        8 => Operation::Stat { path, follow_links: flags.has(Flags::FOLLOW) },
        9 => Operation::ReadDir { path },
        _ => {
            let algorithm = match mode {
                0 => Algorithm::Sha1,
                1 => Algorithm::Sha256,
                2 => Algorithm::Sha384,
                _ => Algorithm::Sha512,
            };
            Operation::Hash { path, algorithm }
        }
    })
}

/// A path of any bytes, where the system has such.
fn path(bytes: &[u8]) -> PathBuf {
    #[cfg(unix)]
    return PathBuf::from(<OsString as std::os::unix::ffi::OsStringExt>::from_vec(bytes.to_vec()));
    #[cfg(not(unix))]
    PathBuf::from(OsString::from(String::from_utf8_lossy(bytes).into_owned()))
}

/// The value, and the weight JavaScript takes with it.
fn weighed_value(output: Output, wants_text: bool) -> (Value, usize) {
    let weight = output.weight();
    (value(output, wants_text), weight)
}

fn value(output: Output, wants_text: bool) -> Value {
    match output {
        Output::Content(bytes) if wants_text && bytes.len() <= LONGEST_STRING => {
            Either5::A(Text::new(bytes))
        }
        Output::Content(bytes) => Either5::B(Binary(bytes)),
        Output::Entries(entries) if wants_text => Either5::A(Text::new(list(entries))),
        Output::Entries(entries) => Either5::B(Binary(list(entries).into())),
        Output::FirstMade(Some(path)) => Either5::C(path.to_string_lossy().into_owned()),
        Output::Digest(digest) => Either5::C(digest),
        Output::Stat(stat) => Either5::D(numbers(&stat)),
        Output::FirstMade(None) | Output::Done => Either5::E(()),
    }
}

/// The entries one after the other: a digit for the kind, the name, a NUL.
fn list(entries: Vec<Entry>) -> Vec<u8> {
    let entry =
        |Entry { name, kind }| [&[b'0' + kind as u8], name.as_encoded_bytes(), &[0]].concat();
    entries.into_iter().flat_map(entry).collect()
}

fn numbers(stat: &FileStat) -> Vec<f64> {
    vec![
        f64::from(stat.kind as u8),
        stat.size as f64,
        stat.mode.into(),
        stat.device as f64,
        stat.inode as f64,
        stat.links as f64,
        stat.user.into(),
        stat.group.into(),
        stat.blocks as f64,
        stat.accessed,
        stat.modified,
        stat.changed,
        stat.created,
    ]
}
