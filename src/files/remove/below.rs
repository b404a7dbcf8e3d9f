//! Removes what is inside a folder, however deep.
//!
//! Each name is removed from an open folder, so that no link which takes the place of a folder meanwhile is followed,
//! and no path grows too long for the system. The lowest folders stay open; one further up is opened again by the `..`
//! of the one below it, if that still leads there.

use std::{
    ffi::{CStr, CString},
    io,
    os::fd::AsFd,
    path::Path,
};

use rustix::{
    fs::{AtFlags, CWD, Dir, DirEntry, FileType, Mode, OFlags, Stat, fstat, openat, unlinkat},
    io::Errno,
    path::Arg,
};

use super::super::control::Control;

/// So many folders stay open above the one that is being cleared: they are needed soon.
const OPEN: usize = 4;

/// A folder on the way down.
struct Folder {
    /// In the one above.
    name: CString,
    identity: Stat,
}

/// What somebody else removes in the meantime is none of our failures.
pub(super) fn clear(path: &Path, control: &Control<'_>) -> io::Result<()> {
    let mut above: Vec<(Folder, Option<Dir>)> = Vec::new();
    let (identity, mut dir) = open(CWD, path)?;
    let mut folder = Folder { name: CString::default(), identity };
    loop {
        control.check_io()?;
        if let Some(entry) = next(&mut dir)? {
            let name = entry.file_name();
            let opened = match entry.file_type() {
                // Not all file systems tell.
                FileType::Directory | FileType::Unknown => open(dir.fd()?, name),
                _ => Err(Errno::NOTDIR),
            };
            match opened {
                Ok((identity, lower)) => {
                    let entered = Folder { name: name.to_owned(), identity };
                    let left = std::mem::replace(&mut folder, entered);
                    above.push((left, Some(std::mem::replace(&mut dir, lower))));
                    if let Some(high) = above.len().checked_sub(OPEN + 1) {
                        above[high].1 = None;
                    }
                }
                Err(Errno::NOTDIR | Errno::LOOP | Errno::NOENT) => {
                    unlink(&dir, name, AtFlags::empty())?;
                }
                // Nothing need be inside.
                Err(error) => unlink(&dir, name, AtFlags::REMOVEDIR).map_err(|_| error)?,
            }
        } else {
            let Some((next, kept)) = above.pop() else { return Ok(()) };
            dir = match kept {
                Some(upper) => upper,
                None => open_above(&dir, &next.identity)?,
            };
            let done = std::mem::replace(&mut folder, next);
            unlink(&dir, &done.name, AtFlags::REMOVEDIR)?;
        }
    }
}

fn next(dir: &mut Dir) -> rustix::io::Result<Option<DirEntry>> {
    let is_inside = |entry: &DirEntry| !matches!(entry.file_name().to_bytes(), b"." | b"..");
    dir.find(|entry| entry.as_ref().map_or(true, is_inside)).transpose()
}

fn open(dir: impl AsFd, name: impl Arg) -> rustix::io::Result<(Stat, Dir)> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = openat(dir, name, flags, Mode::empty())?;
    Ok((fstat(&opened)?, Dir::new(opened)?))
}

fn open_above(dir: &Dir, expected: &Stat) -> rustix::io::Result<Dir> {
    let (found, above) = open(dir.fd()?, c"..")?;
    // Somebody has moved the folder to another place, where nothing is ours to remove.
    match (found.st_dev, found.st_ino) == (expected.st_dev, expected.st_ino) {
        true => Ok(above),
        false => Err(Errno::BUSY),
    }
}

fn unlink(dir: &Dir, name: &CStr, flags: AtFlags) -> rustix::io::Result<()> {
    match unlinkat(dir.fd()?, name, flags) {
        Err(Errno::NOENT) => Ok(()),
        done => done,
    }
}
