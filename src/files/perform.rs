//! Carries out one operation.

use std::thread;

use super::{
    control::Control,
    descriptors, digest,
    io::{self, Source},
    metadata,
    operation::{Operation, Output},
    remove, tree,
};
use crate::error::Result;

/// Does the work, when the system has descriptors for it.
pub(super) fn perform(operation: &Operation, control: &mut Control<'_>) -> Result<Output> {
    let done = descriptors::retry(control, |control| attempt(operation, control), thread::sleep);
    // Whatever an operation failed with once it was cancelled: that is why.
    done.map_err(|error| control.check().err().unwrap_or(error))
}

fn attempt(operation: &Operation, control: &mut Control<'_>) -> Result<Output> {
    control.check()?;
    match operation {
        Operation::Read { path } => {
            let source = Source::open(path)?;
            control.before_bytes(source.size());
            source.read(control).map(Output::Content)
        }
        Operation::Write { path, content, options } => {
            control.before_writing(content.len() as u64, *options);
            io::write_watched(path, content, *options, control).map(|()| Output::Done)
        }
        Operation::Append { path, content, options } => {
            control.before_writing(content.len() as u64, *options);
            io::append(path, content, *options, control).map(|()| Output::Done)
        }
        Operation::Copy { source: from, destination, options } => {
            let source = Source::open_for_copy(from, destination)?;
            control.before_writing(source.size(), *options);
            source.copy_to(from, destination, *options, control).map(|()| Output::Done)
        }
        Operation::MakeDir { path, mode } => io::make_dir(path, *mode).map(Output::FirstMade),
        Operation::Move { source, destination } => {
            tree::rename(source, destination, control).map(|()| Output::Done)
        }
        Operation::Remove { path, recursive, force } => {
            remove::remove(path, *recursive, *force, control).map(|()| Output::Done)
        }
        Operation::CopyDir { source, destination, options } => {
            tree::copy_dir(source, destination, *options, control).map(|()| Output::Done)
        }
        Operation::Stat { path, follow_links } => {
            metadata::stat(path, *follow_links).map(Output::Stat)
        }
        Operation::ReadDir { path } => metadata::read_dir(path, control).map(Output::Entries),
        Operation::Hash { path, algorithm } => {
            digest::hash(path, *algorithm, control).map(Output::Digest)
        }
    }
}
