//! What is told of a file without opening it, and what a folder holds.

use std::{
    ffi::OsString,
    fs::{self, FileType, Metadata},
    io,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use super::control::Control;
use crate::error::{Result, SystemError};

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    Other,
    File,
    Directory,
    SymbolicLink,
    Fifo,
    Socket,
    CharacterDevice,
    BlockDevice,
}

impl FileKind {
    pub(super) fn of(kind: FileType) -> Self {
        #[cfg(unix)]
        {
            use std::os::unix::fs::FileTypeExt;
            if kind.is_fifo() {
                return Self::Fifo;
            } else if kind.is_socket() {
                return Self::Socket;
            } else if kind.is_char_device() {
                return Self::CharacterDevice;
            } else if kind.is_block_device() {
                return Self::BlockDevice;
            }
        }
        match kind {
            kind if kind.is_file() => Self::File,
            kind if kind.is_dir() => Self::Directory,
            kind if kind.is_symlink() => Self::SymbolicLink,
            _ => Self::Other,
        }
    }
}

/// The fields of `stat`; those a system does not have are 0. Times are milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FileStat {
    pub kind: FileKind,
    pub size: u64,
    pub mode: u32,
    pub device: u64,
    pub inode: u64,
    pub links: u64,
    pub user: u32,
    pub group: u32,
    pub blocks: u64,
    pub accessed: f64,
    pub modified: f64,
    pub changed: f64,
    pub created: f64,
}

/// One thing in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub name: OsString,
    pub kind: FileKind,
}

/// Of what a symbolic link leads to, or of the link itself.
pub(super) fn stat(path: &Path, follow_links: bool) -> Result<FileStat> {
    let (found, syscall) = match follow_links {
        true => (fs::metadata(path), "stat"),
        false => (fs::symlink_metadata(path), "lstat"),
    };
    let found = found.map_err(|error| SystemError::new(&error, syscall).path(path))?;
    Ok(describe(&found))
}

#[cfg(unix)]
fn describe(found: &Metadata) -> FileStat {
    use std::os::unix::fs::MetadataExt;
    let milliseconds = |seconds: i64, nanos: i64| seconds as f64 * 1e3 + nanos as f64 / 1e6;
    let changed = milliseconds(found.ctime(), found.ctime_nsec());
    FileStat {
        kind: FileKind::of(found.file_type()),
        size: found.len(),
        mode: found.mode(),
        device: found.dev(),
        inode: found.ino(),
        links: found.nlink(),
        user: found.uid(),
        group: found.gid(),
        blocks: found.blocks(),
        accessed: milliseconds(found.atime(), found.atime_nsec()),
        modified: milliseconds(found.mtime(), found.mtime_nsec()),
        changed,
        // As Node has it where the file system keeps no time of creation.
        created: found.created().map_or(changed, since_epoch),
    }
}

#[cfg(not(unix))]
fn describe(found: &Metadata) -> FileStat {
    let time = |time: io::Result<SystemTime>| time.map_or(0.0, since_epoch);
    let kind = FileKind::of(found.file_type());
    let (kind_bits, all) =
        if kind == FileKind::Directory { (0o040_000, 0o777) } else { (0o100_000, 0o666) };
    let writable = if found.permissions().readonly() { 0o555 } else { 0o777 };
    FileStat {
        kind,
        size: found.len(),
        mode: kind_bits | (all & writable),
        device: 0,
        inode: 0,
        links: 1,
        user: 0,
        group: 0,
        blocks: found.len().div_ceil(512),
        accessed: time(found.accessed()),
        modified: time(found.modified()),
        changed: time(found.modified()),
        created: time(found.created()),
    }
}

fn since_epoch(time: SystemTime) -> f64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => after.as_secs_f64() * 1e3,
        Err(before) => before.duration().as_secs_f64() * -1e3,
    }
}

/// What a folder holds, in the order the system has it.
pub(super) fn read_dir(path: &Path, control: &Control<'_>) -> Result<Vec<Entry>> {
    let failed = |error: io::Error| SystemError::new(&error, "scandir").path(path);
    let mut entries = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        control.check()?;
        let entry = entry.map_err(failed)?;
        // Gone in between, where the kind needs a look at the file itself.
        let kind = entry.file_type().map_or(FileKind::Other, FileKind::of);
        entries.push(Entry { name: entry.file_name(), kind });
    }
    Ok(entries)
}
