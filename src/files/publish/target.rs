//! Where content goes: the path, what errors say of it, the folders and links on the way.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::super::io::make_dirs;
use crate::error::{Error, Result, SystemError};

/// As many symbolic links in a row as Linux follows.
const MOST_LINKS: usize = 40;

/// Where content goes, and where a copy comes from: what errors name.
#[derive(Clone, Copy)]
pub(in crate::files) struct Target<'a> {
    pub(in crate::files) path: &'a Path,
    pub(in crate::files) source: Option<&'a Path>,
}

impl Target<'_> {
    /// Describes a failure in the words of the call a user of `node:fs` would have made.
    pub(in crate::files) fn failed(&self, syscall: &'static str, error: &io::Error) -> Error {
        match (self.source, syscall) {
            (Some(source), _) => {
                SystemError::new(error, "copyfile").path(source).dest(self.path).into()
            }
            (None, "open") => SystemError::new(error, "open").path(self.path).into(),
            // Calls on an open file: Node knows no path there.
            (None, _) => SystemError::new(error, syscall).into(),
        }
    }

    pub(super) fn open_failed(&self) -> impl Fn(io::Error) -> Error {
        |error| self.failed("open", &error)
    }

    pub(super) fn write_failed(&self) -> impl Fn(io::Error) -> Error {
        |error| self.failed("write", &error)
    }

    pub(super) fn close_failed(&self) -> impl Fn(io::Error) -> Error {
        |error| self.failed("close", &error)
    }

    pub(super) fn folder(&self) -> &Path {
        folder(self.path)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.path.as_os_str().is_empty()
    }
}

/// Opens something in the target's folder, which is made when it is missing.
pub(in crate::files) fn with_parents<T>(
    target: Target<'_>,
    open: impl Fn() -> io::Result<T>,
) -> Result<T> {
    match open() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make_parents(target)?;
            open().map_err(target.open_failed())
        }
        opened => opened.map_err(target.open_failed()),
    }
}

pub(super) fn make_parents(target: Target<'_>) -> Result<()> {
    match make_dirs(target.folder(), 0o777) {
        Ok(_) => Ok(()),
        Err(error) if target.source.is_some() => Err(target.failed("copyfile", &error)),
        Err(error) => Err(SystemError::new(&error, "mkdir").path(target.folder()).into()),
    }
}

pub(in crate::files) fn folder(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The file a chain of symbolic links names, whether it exists or not. It ends at a link of `/proc`: that leads to an
/// open file, which may have another name by now, or none.
pub(super) fn follow_links(path: &Path) -> io::Result<PathBuf> {
    let mut real = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&real) {
            Ok(next) if !is_of_proc(&real) => real = folder(&real).join(next),
            // Not a link, or nothing there.
            _ => return Ok(real),
        }
    }
    // A loop; opening it says so.
    fs::metadata(path).map(|_| real)
}

fn is_of_proc(link: &Path) -> bool {
    #[cfg(target_os = "linux")]
    return rustix::fs::statfs(folder(link))
        .is_ok_and(|found| found.f_type == rustix::fs::PROC_SUPER_MAGIC);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = link;
        false
    }
}
