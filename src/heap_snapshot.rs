//! V8's heap snapshots: who holds how much, and what grew.
//!
//! [`summarise`] reads a `.heapsnapshot` as V8 writes it, in one pass and without holding the file: [`scan`] takes the
//! JSON apart, [`parse`] keeps nodes and edges as plain arrays in a [`graph`], and only the strings that name
//! something. [`dominators`] finds what would be freed with each object, [`summary`] adds that up by constructor as
//! Chrome's summary view does, and [`compare`] tells what grew between two summaries, and what holds it.
//!
//! The memory it takes is about that of the file; no copy of the file and no tree of JSON is made.

pub mod compare;
mod dominators;
mod graph;
mod parse;
mod retaining;
mod scan;
mod summary;
#[cfg(test)]
mod testing;

use std::{fs::File, path::Path};

use crate::error::{Error, Result, SystemError};
pub use retaining::Step;
pub use summary::{Constructor, HeapSummary};

/// Summarises the snapshot at `path`. Paths lead to objects that are newer than `newest_before`, the
/// [`HeapSummary::newest`] of an earlier snapshot of the same heap, where a constructor has such.
///
/// Fails with [`Error::System`] where the file can't be read, with [`Error::InvalidHeapSnapshot`] where it is cut off
/// or no snapshot.
pub fn summarise(path: &Path, newest_before: u32) -> Result<HeapSummary> {
    let failed = |syscall| move |source| SystemError::new(&source, syscall).path(path);
    let file = File::open(path).map_err(failed("open"))?;
    let length = file.metadata().map_err(failed("fstat"))?.len();
    let graph = parse::parse(file, length).map_err(|error| match error {
        scan::ScanError::Io(source) => failed("read")(source).into(),
        scan::ScanError::Damaged { offset, reason } => {
            Error::InvalidHeapSnapshot { path: path.to_owned(), offset, reason }
        }
    })?;
    Ok(HeapSummary::of(graph, newest_before))
}
