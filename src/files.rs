//! The file engine: many file operations at once, in an order nobody can tell from the one they were
//! asked in.
//!
//! [`Processor`] takes operations, `schedule` decides which may run (batches, groups, hazards), a few
//! threads run them and report in slices. The operations themselves are plain functions that block:
//! [`read`], [`write`], [`copy`], [`make_dir`].

mod descriptors;
mod execute;
mod hazard;
mod io;
mod operation;
mod publish;
mod schedule;

pub use execute::{Processor, Settings, Stats};
pub use io::{copy, make_dir, read, write};
pub use operation::{Operation, Output, WriteOptions};
