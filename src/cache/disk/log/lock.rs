//! The lock that orders the writers of all processes.

use std::{
    fs::{File, OpenOptions},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::cache::disk::segment::private;

/// The name of the lock file.
const LOCK: &str = "lock";

/// Held by the one who writes; where nothing can be written, why not.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    file: Result<Arc<File>, ReadOnly>,
}

impl Lock {
    /// The lock of this folder. Fails if it can be neither opened nor is refused for good.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let path = folder.join(LOCK);
        Ok(Self { file: open(&path)?, path })
    }

    /// Whether anything can be written.
    pub fn is_writable(&self) -> bool {
        self.file.is_ok()
    }

    /// Makes this the only writer, until the guard is dropped; whether the file had to be opened anew, since it was
    /// deleted: others then lock the one that they have made. File systems without locks have none.
    pub fn acquire(&mut self) -> io::Result<(Guard, bool)> {
        let mut is_new = false;
        loop {
            let file = self.file.as_ref().map_err(ReadOnly::error)?;
            match file.lock() {
                Err(error) if error.kind() != ErrorKind::Unsupported => return Err(error),
                _ => {}
            }
            let guard = Guard(Arc::clone(file));
            if is_at(file, &self.path)? {
                return Ok((guard, is_new));
            }
            self.file = open(&self.path)?;
            is_new = true;
        }
    }
}

fn open(path: &Path) -> io::Result<Result<Arc<File>, ReadOnly>> {
    match private(OpenOptions::new().read(true).write(true).create(true)).open(path) {
        Ok(file) => Ok(Ok(Arc::new(file))),
        Err(error) => ReadOnly::of(error).map(Err),
    }
}

/// Whether an open file is the one that the path leads to.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let ours = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(found) => Ok((found.dev(), found.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> io::Result<bool> {
    Ok(true)
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
