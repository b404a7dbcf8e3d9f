//! Puts a text on disk as a whole or not at all.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use crate::error::{Result, SystemError};

static LAST: AtomicU64 = AtomicU64::new(0);

/// Writes `text` to a temporary name beside `path` and renames it, so that nobody ever reads half a report and a
/// full disk leaves the last one. A link is followed, and a pipe or a device is written to as it is.
pub fn save(path: &Path, text: &str) -> Result<()> {
    let written = match fs::metadata(path) {
        Ok(target) if !target.is_file() => fs::write(path, text),
        Ok(target) => {
            fs::canonicalize(path).and_then(|path| replace(&path, text, Some(target.permissions())))
        }
        Err(_) => replace(path, text, None),
    };
    written.map_err(|source| SystemError::new(&source, "open").path(path).into())
}

fn replace(path: &Path, text: &str, permissions: Option<fs::Permissions>) -> io::Result<()> {
    let temporary = beside(path);
    let written = fs::write(&temporary, text)
        .and_then(|()| permissions.map_or(Ok(()), |mode| fs::set_permissions(&temporary, mode)))
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn beside(path: &Path) -> PathBuf {
    let number = LAST.fetch_add(1, Ordering::Relaxed);
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}-{number}.tmp", std::process::id()));
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        save(&path, "one").unwrap();
        save(&path, "two").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let error = save(&folder.path().join("missing/report.json"), "").unwrap_err();
        assert!(error.to_string().starts_with("ENOENT: no such file or directory, open '"));
        assert_eq!(save(folder.path(), "").unwrap_err().code(), "EISDIR");
    }

    #[cfg(unix)]
    #[test]
    fn keeps_links_and_permissions() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let [path, link] = ["report.json", "latest"].map(|name| folder.path().join(name));
        fs::write(&path, "one").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        save(&link, "two").unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
