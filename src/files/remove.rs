//! Removing: a file or a link, or a folder with all that is inside.
//!
//! Symbolic links are removed themselves, never followed.

use std::{fs, io, path::Path};

use super::{control::Control, descriptors};
use crate::error::{Error, Result, SystemError};

/// Removes a file or a link; with `recursive` a folder and all that is inside, too.
pub(super) fn remove(
    path: &Path,
    recursive: bool,
    force: bool,
    control: &mut Control<'_>,
) -> Result<()> {
    let failed = |error: io::Error, syscall| SystemError::new(&error, syscall).path(path);
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() && recursive => {
            (control.before_wait)();
            let removed = clear(path, control).and_then(|()| fs::remove_dir(path));
            removed.map_err(|error| failed(error, "rm").into())
        }
        Ok(_) => fs::remove_file(path).map_err(|error| failed(error, "unlink").into()),
        Err(error) if force && error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(error, "unlink").into()),
    };
    match removed {
        Err(Error::System(error)) if force && error.code() == "ENOENT" => Ok(()),
        removed => removed,
    }
}

/// Removes what nobody else knows of, without stopping half-way.
pub(super) fn remove_ours(path: &Path, force: bool) -> Result<()> {
    let attempt = |control: &mut Control<'_>| remove(path, true, force, control);
    Control::unwatched(|control| descriptors::retry(control, attempt, std::thread::sleep))
}

#[cfg(unix)]
use below::clear;

/// Removes what is inside a folder. What somebody else removes in the meantime is none of our failures.
#[cfg(not(unix))]
fn clear(path: &Path, control: &Control<'_>) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        control.check_io()?;
        let entry = entry?;
        let removed = match entry.file_type()?.is_dir() {
            true => fs::remove_dir_all(entry.path()),
            false => fs::remove_file(entry.path()),
        };
        match removed {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            removed => removed?,
        }
    }
    Ok(())
}

#[cfg(unix)]
mod below;
#[cfg(all(test, unix))]
mod tests;
