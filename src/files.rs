//! The file engine: many file operations at once, in an order nobody can tell from the one they were
//! asked in.
//!
//! [`Processor`] takes operations, `schedule` decides which may run (batches, groups, hazards), a few
//! threads run them and report in slices. The operations themselves are plain functions that block; `perform`
//! names them all.

mod adapt;
mod buffers;
mod control;
mod copy;
mod descriptors;
mod digest;
mod execute;
mod hazard;
mod io;
mod metadata;
mod operation;
mod perform;
mod publish;
mod remove;
mod runner;
mod schedule;
mod settings;
mod tree;

pub use adapt::Decisions;
pub use digest::Algorithm;
pub use execute::{Processor, WeakProcessor};
pub use io::write;
pub use metadata::{Entry, FileKind, FileStat};
pub use operation::{Operation, Output, Request, WriteOptions};
pub use settings::{Concurrency, Settings, Stats};
