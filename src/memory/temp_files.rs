//! Removes temporary files that were forgotten.
//!
//! Only regular files that the user of this process owns, whose last change is more than an hour ago. Never a folder,
//! a socket, a device, or what a symbolic link points to; nothing in folders below.

use std::{
    fs::{self, Metadata},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use crate::error::{Result, SystemError};

/// Files that changed within this time may be in use.
pub const OLD: Duration = Duration::from_secs(3_600);

/// How the names begin that this package and AIWF give to temporary files.
pub const OWN_PREFIXES: [&str; 2] = ["aiwf", ".aiwf"];

/// Which names in the folder may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those that begin with one of [`OWN_PREFIXES`]: the folder is shared with other programs.
    Own,
    /// All: the caller named the folder.
    All,
}

/// Removes what is old at `now` from `folder` and returns the paths, sorted. What can't be removed stays and
/// is not reported; a folder that can't be read is an error.
pub fn clean_up(folder: &Path, scope: Scope, now: SystemTime) -> Result<Vec<PathBuf>> {
    let unreadable = |source| SystemError::new(&source, "scandir").path(folder);
    let mut removed = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let in_scope = scope == Scope::All || is_own(&entry.file_name().to_string_lossy());
        // The metadata of an entry are those of a link itself, and removing a link leaves its target.
        let forgotten = in_scope && entry.metadata().is_ok_and(|file| is_forgotten(&file, now));
        if forgotten && fs::remove_file(entry.path()).is_ok() {
            removed.push(entry.path());
        }
    }
    removed.sort_unstable();
    Ok(removed)
}

fn is_own(name: &str) -> bool {
    OWN_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn is_forgotten(file: &Metadata, now: SystemTime) -> bool {
    let age = file.modified().ok().and_then(|changed| now.duration_since(changed).ok());
    file.is_file() && belongs_to_user(file) && age.is_some_and(|age| age > OLD)
}

#[cfg(unix)]
fn belongs_to_user(file: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    file.uid() == rustix::process::geteuid().as_raw()
}

/// Windows gives every user a temporary folder of his own, and protects the files of others by itself.
#[cfg(not(unix))]
fn belongs_to_user(_: &Metadata) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: Duration = Duration::from_secs(3_601);

    fn names(paths: &[PathBuf]) -> Vec<String> {
        paths.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
    }

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            fs::write(folder.path().join(file), "").unwrap();
        }
        folder
    }

    #[test]
    fn takes_only_old_files_of_its_own_names() {
        let folder = folder(&["aiwf-1.tmp", ".aiwf-2", "other.tmp"]);
        let now = SystemTime::now();
        assert!(clean_up(folder.path(), Scope::Own, now).unwrap().is_empty());
        let removed = clean_up(folder.path(), Scope::Own, now + LATER).unwrap();
        assert_eq!(names(&removed), [".aiwf-2", "aiwf-1.tmp"]);
        let removed = clean_up(folder.path(), Scope::All, now + LATER).unwrap();
        assert_eq!(names(&removed), ["other.tmp"]);
    }

    #[cfg(unix)]
    #[test]
    fn leaves_folders_links_and_sockets() {
        let outside = folder(&["target"]);
        let folder = folder(&[]);
        fs::create_dir(folder.path().join("aiwf-folder")).unwrap();
        fs::write(folder.path().join("aiwf-folder/file"), "").unwrap();
        let link = folder.path().join("aiwf-link");
        std::os::unix::fs::symlink(outside.path().join("target"), link).unwrap();
        let _socket =
            std::os::unix::net::UnixListener::bind(folder.path().join("aiwf-socket")).unwrap();
        let removed = clean_up(folder.path(), Scope::All, SystemTime::now() + LATER).unwrap();
        assert!(removed.is_empty(), "{removed:?}");
        assert!(outside.path().join("target").exists());
    }

    #[test]
    fn a_missing_folder_is_an_error() {
        let missing = folder(&[]).path().join("missing");
        let error = clean_up(&missing, Scope::All, SystemTime::now()).unwrap_err();
        assert_eq!(error.code(), "ENOENT");
    }
}
