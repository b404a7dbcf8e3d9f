//! What can be asked of the engine, and what comes back.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::{
    digest::Algorithm,
    metadata::{Entry, FileStat},
};

/// One piece of work on files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Reads a whole file: [`Output::Content`].
    Read { path: PathBuf },
    /// Makes missing parent folders and writes a whole file.
    Write { path: PathBuf, content: Vec<u8>, options: WriteOptions },
    /// Makes missing parent folders and copies a file with its mode, over whatever file is there.
    Copy { source: PathBuf, destination: PathBuf, options: WriteOptions },
    /// Makes a folder and its parents: [`Output::FirstMade`].
    MakeDir { path: PathBuf, mode: u32 },
    /// Makes missing parent folders and writes at the end of a file.
    Append { path: PathBuf, content: Vec<u8>, options: WriteOptions },
    /// Gives a file or folder another name, on whatever device, over whatever file is there.
    Move { source: PathBuf, destination: PathBuf },
    /// Removes a file; if `recursive` a folder too, with all that is inside. With `force` it may be missing.
    Remove { path: PathBuf, recursive: bool, force: bool },
    /// Copies a folder with all that is inside into one that may exist.
    CopyDir { source: PathBuf, destination: PathBuf, options: WriteOptions },
    /// [`Output::Stat`] of a file, or of a symbolic link itself.
    Stat { path: PathBuf, follow_links: bool },
    /// What a folder holds: [`Output::Entries`].
    ReadDir { path: PathBuf },
    /// The digest of a file's content: [`Output::Digest`].
    Hash { path: PathBuf, algorithm: Algorithm },
}

/// An operation, and what its caller wants besides.
#[derive(Clone, Debug)]
pub struct Request {
    pub operation: Operation,
    /// Of two that may start, the one with the larger number does so first; usually 0.
    pub priority: i32,
    /// Ends the operation, as soon as it may be ended without harm.
    pub cancel: Option<CancellationToken>,
}

impl From<Operation> for Request {
    fn from(operation: Operation) -> Self {
        Self { operation, priority: 0, cancel: None }
    }
}

impl Request {
    pub(super) fn is_cancelled(&self) -> bool {
        self.cancel.as_ref().is_some_and(CancellationToken::is_cancelled)
    }
}

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteOptions {
    /// Permissions of a new file, less the process's umask. A file that exists keeps its own.
    pub mode: u32,
    /// The target changes from old to new in one step: a reader, a crash or a full disk never shows a
    /// mix. A hard link to the old file keeps the old content.
    pub atomic: bool,
    /// The content is on the disk when the write returns.
    pub durable: bool,
    /// A copy has the times of its original.
    pub keep_times: bool,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self { mode: 0o666, atomic: true, durable: false, keep_times: false }
    }
}

/// The value of an operation that succeeded.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    Content(Bytes),
    Stat(FileStat),
    Entries(Vec<Entry>),
    /// In lower-case hex.
    Digest(String),
    /// The first folder that had to be made, if any.
    FirstMade(Option<PathBuf>),
    Done,
}

impl Output {
    /// How much of a burden it is until it is taken: its bytes, and of content no less than a page.
    pub fn weight(&self) -> usize {
        match self {
            Self::Content(content) => content.len().max(4096),
            _ => 0,
        }
    }
}

/// Operations of one kind run together within a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Read,
    Write,
    Copy,
    MakeDir,
    Append,
    Move,
    Remove,
    CopyDir,
    Stat,
    ReadDir,
    Hash,
}

/// Whether a path's content is only looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

impl Operation {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Read { .. } => Kind::Read,
            Self::Write { .. } => Kind::Write,
            Self::Copy { .. } => Kind::Copy,
            Self::MakeDir { .. } => Kind::MakeDir,
            Self::Append { .. } => Kind::Append,
            Self::Move { .. } => Kind::Move,
            Self::Remove { .. } => Kind::Remove,
            Self::CopyDir { .. } => Kind::CopyDir,
            Self::Stat { .. } => Kind::Stat,
            Self::ReadDir { .. } => Kind::ReadDir,
            Self::Hash { .. } => Kind::Hash,
        }
    }

    /// The paths it touches, what is read first.
    pub(super) fn accesses(&self) -> impl Iterator<Item = (&Path, Access)> {
        let (first, second) = match self {
            Self::Read { path }
            | Self::Stat { path, .. }
            | Self::ReadDir { path }
            | Self::Hash { path, .. } => ((path, Access::Read), None),
            Self::Write { path, .. }
            | Self::MakeDir { path, .. }
            | Self::Append { path, .. }
            | Self::Remove { path, .. } => ((path, Access::Write), None),
            Self::Copy { source, destination, .. } | Self::CopyDir { source, destination, .. } => {
                ((source, Access::Read), Some((destination, Access::Write)))
            }
            Self::Move { source, destination } => {
                ((source, Access::Write), Some((destination, Access::Write)))
            }
        };
        std::iter::once(first).chain(second).map(|(path, access)| (path.as_path(), access))
    }
}
