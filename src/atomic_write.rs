//! Files that are replaced whole or not at all.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::error::{Result, SystemError};

/// Writes `content` to `path`: readers see the old file or the new one, and a failure leaves the old one.
/// A link keeps pointing where it did. What is not a regular file, such as a device, is written to directly.
pub fn write_atomic(path: &Path, content: &[u8]) -> Result<()> {
    replace(path, content).map_err(|error| SystemError::new(&error, "open").path(path).into())
}

fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let target = match fs::metadata(path) {
        Ok(found) if !found.is_file() => return fs::write(path, content),
        Ok(_) => fs::canonicalize(path)?,
        Err(_) => path.to_owned(),
    };
    let temporary = temporary_name(&target)?;
    let written = write_new(&temporary, content).and_then(|()| fs::rename(&temporary, &target));
    if written.is_err() {
        // The first failure is the one that matters.
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = fs::File::create_new(path)?;
    io::Write::write_all(&mut file, content)?;
    file.sync_all()
}

/// A name beside `path` that no other writer uses.
fn temporary_name(path: &Path) -> io::Result<PathBuf> {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let mut name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?.to_owned();
    name.push(format!(".{}-{}.tmp", process::id(), LAST.fetch_add(1, Ordering::Relaxed)));
    Ok(path.with_file_name(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report");
        write_atomic(&path, b"one").unwrap();
        write_atomic(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn failures_are_those_of_the_path_given() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing").join("report");
        let error = write_atomic(&missing, b"").unwrap_err();
        assert_eq!(error.code(), "ENOENT");
        assert!(error.to_string().ends_with(&format!("open '{}'", missing.display())));
        assert_eq!(write_atomic(folder.path(), b"").unwrap_err().code(), "EISDIR");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_keeps_its_target() {
        let folder = tempfile::tempdir().unwrap();
        let [target, link] = ["target", "link"].map(|name| folder.path().join(name));
        fs::write(&target, "old").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        write_atomic(&link, b"new").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }
}
