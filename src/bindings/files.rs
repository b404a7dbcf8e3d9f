//! `FileBatchProcessor`: the operations of one turn of the event loop arrive in one call.

use napi::bindgen_prelude::{BufferSlice, Either, Either4};
use napi_derive::napi;

use super::{
    raw::{Bytes, Text},
    settle::{Reporter, Settler, Ticket},
};
use crate::{
    error::{Error, Result},
    files::{Operation, Output, Processor, Settings, WriteOptions},
};

/// V8's longest string on 64 bits. What is longer goes over as bytes: Node's own decoder then says whether
/// it fits.
const LONGEST_STRING: usize = (1 << 29) - 24;

/// A promise, and whether it wants a string.
type Tag = (Ticket, bool);
type Value = Either4<Text, Bytes, String, ()>;

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
}

#[napi]
pub struct NativeFileProcessor {
    processor: Processor<Tag>,
    reporter: Reporter,
}

#[napi]
impl NativeFileProcessor {
    #[napi(constructor, catch_unwind)]
    pub fn new(settler: &Settler, max_concurrency: u32, batch_size: u32) -> Self {
        let reporter = settler.reporter();
        let settle = reporter.clone();
        let report = move |outcomes: Vec<(Tag, Result<Output>)>| {
            settle.report_all(outcomes.into_iter().map(|((ticket, wants_text), outcome)| {
                (ticket, outcome.map(|output| value(output, wants_text)))
            }));
        };
        Self { processor: Processor::new(settings(max_concurrency, batch_size), report), reporter }
    }

    #[napi(catch_unwind)]
    pub fn configure(&self, max_concurrency: u32, batch_size: u32) {
        self.processor.configure(settings(max_concurrency, batch_size));
    }

    /// Queues operations. Each has four numbers: ticket, kind (read text, read bytes, write, copy, make a
    /// folder), mode, and flags (1: atomic, 2: durable). Their paths follow each other in `paths`,
    /// each ended by a NUL; a copy has two. `contents` are those of the writes.
    #[napi(catch_unwind)]
    pub fn add(&self, numbers: &[u32], paths: String, contents: Vec<Either<String, BufferSlice>>) {
        let mut paths = paths.split('\0').map(Into::into);
        let mut contents = contents.into_iter();
        let operations = numbers.chunks_exact(4).filter_map(|numbers| {
            let &[ticket, kind, mode, flags] = numbers else { return None };
            let options = WriteOptions { mode, atomic: flags & 1 != 0, durable: flags & 2 != 0 };
            let path = paths.next()?;
            let operation = match kind {
                0 | 1 => Operation::Read { path },
                2 => {
                    let content = match contents.next()? {
                        Either::A(text) => text.into_bytes(),
                        Either::B(bytes) => bytes.to_vec(),
                    };
                    Operation::Write { path, content, options }
                }
                3 => Operation::Copy { source: path, destination: paths.next()?, options },
                _ => Operation::MakeDir { path, mode },
            };
            Some(((ticket, kind == 0), operation))
        });
        self.processor.add(operations.collect::<Vec<_>>());
    }

    /// Rejects what has not started, and `staged`, which were never handed over.
    #[napi(catch_unwind)]
    pub fn clear(&self, staged: &[u32]) {
        self.processor.clear();
        let cleared = |&ticket: &Ticket| (ticket, Err::<(), _>(Error::QueueCleared));
        self.reporter.report_all(staged.iter().map(cleared));
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
        }
    }
}

/// Goes with its environment: JavaScript keeps the instance while promises are out. Nobody is left then
/// to want what has not started.
impl Drop for NativeFileProcessor {
    fn drop(&mut self) {
        self.processor.clear();
    }
}

fn settings(max_concurrency: u32, batch_size: u32) -> Settings {
    Settings { max_concurrency: max_concurrency as usize, batch_size: batch_size as usize }
}

fn value(output: Output, wants_text: bool) -> Value {
    match output {
        Output::Content(bytes) if wants_text && bytes.len() <= LONGEST_STRING => {
            Either4::A(Text::new(bytes))
        }
        Output::Content(bytes) => Either4::B(Bytes(bytes)),
        Output::FirstMade(Some(path)) => Either4::C(path.to_string_lossy().into_owned()),
        Output::FirstMade(None) | Output::Done => Either4::D(()),
    }
}
