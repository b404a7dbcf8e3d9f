//! The lock that orders the writers of all processes.

use std::{
    fs::{File, OpenOptions},
    io::{self, ErrorKind},
    path::Path,
    sync::Arc,
};

use crate::cache::disk::segment::private;

/// The name of the lock file.
const LOCK: &str = "lock";

/// Held by the one who writes; where nothing can be written, why not.
#[derive(Debug)]
pub(super) struct Lock(Result<Arc<File>, ReadOnly>);

impl Lock {
    /// The lock of this folder. Fails if it can be neither opened nor is refused for good.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let file =
            private(OpenOptions::new().read(true).write(true).create(true)).open(folder.join(LOCK));
        Ok(Self(match file {
            Ok(file) => Ok(Arc::new(file)),
            Err(error) => Err(ReadOnly::of(error)?),
        }))
    }

    /// Whether anything can be written.
    pub fn is_writable(&self) -> bool {
        self.0.is_ok()
    }

    /// Makes this the only writer, until the guard is dropped. File systems without locks have none.
    pub fn acquire(&self) -> io::Result<Guard> {
        let file = self.0.as_ref().map_err(|read_only| read_only.error())?;
        match file.lock() {
            Err(error) if error.kind() != ErrorKind::Unsupported => Err(error),
            _ => Ok(Guard(Arc::clone(file))),
        }
    }
}

/// Why a folder can only be read: the code of the operating system, if it gave one.
#[derive(Debug)]
struct ReadOnly(ErrorKind, Option<i32>);

impl ReadOnly {
    /// What refusal to write means that. Other errors are handed back.
    fn of(error: io::Error) -> io::Result<Self> {
        match error.kind() {
            kind @ (ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied) => {
                Ok(Self(kind, error.raw_os_error()))
            }
            _ => Err(error),
        }
    }

    fn error(&self) -> io::Error {
        self.1.map_or_else(|| self.0.into(), io::Error::from_raw_os_error)
    }
}

/// Holds the lock of the writers.
pub(super) struct Guard(Arc<File>);

impl Drop for Guard {
    fn drop(&mut self) {
        // Closing the file unlocks it in any case.
        let _ = self.0.unlock();
    }
}
