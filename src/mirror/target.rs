//! Where an entry of a repository may be written: inside the destination, and nowhere else.
//!
//! A repository's names are not to be trusted. Rejected as a whole, before anything is written: a path that
//! is absolute, has `..`, an empty segment or a name the system reads differently, or lies in `.git`; and a
//! symbolic link whose text leaves the destination. Rejected for its file: a folder on the way that is a
//! symbolic link on disk.

use std::{
    collections::HashSet,
    io,
    path::{Component, Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use parking_lot::Mutex;

use super::Outcome;
use crate::{
    error::{Error, Result, SystemError},
    github::directory::Entry,
};

/// An entry with a path that is safe below the destination.
pub(super) struct Target {
    pub(super) entry: Entry,
    pub(super) relative: PathBuf,
}

impl Target {
    pub(super) fn new(entry: Entry) -> Result<Self> {
        match entry.relative.split('/').find_map(unsafe_segment) {
            Some(reason) => Err(Error::UnsafePath { path: entry.path, reason }),
            None => Ok(Self { relative: PathBuf::from(&entry.relative), entry }),
        }
    }

    /// The text of a symbolic link at this path, if what it points to lies inside the destination.
    pub(super) fn safe_link(&self, text: Vec<u8>) -> Result<String> {
        let refuse = |reason| Error::UnsafePath { path: self.entry.path.clone(), reason };
        let text = String::from_utf8(text).map_err(|_| refuse("its link is not valid UTF-8"))?;
        // `..` may only lead: behind a name that is itself a link it would start from elsewhere.
        let mut depth = self.relative.components().count() - 1;
        let mut leading = true;
        for component in Path::new(&text).components() {
            match component {
                Component::CurDir => {}
                Component::Normal(_) => leading = false,
                Component::ParentDir if leading && depth > 0 => depth -= 1,
                _ => return Err(refuse("its link points out of the destination")),
            }
        }
        if text.is_empty() || text.contains('\0') || (cfg!(windows) && text.contains('\\')) {
            return Err(refuse("its link is not a path"));
        }
        Ok(text)
    }
}

/// Why a segment must not be written.
fn unsafe_segment(segment: &str) -> Option<&'static str> {
    match segment {
        "" => Some("it is absolute or has an empty segment"),
        "." | ".." => Some("it has a segment that is not a name"),
        _ if segment.contains('\0') => Some("it has a NUL"),
        _ if segment.eq_ignore_ascii_case(".git") => Some("it lies in a .git folder"),
        _ if cfg!(windows) && windows_reads_differently(segment) => {
            Some("Windows reads its name differently")
        }
        _ => None,
    }
}

/// Separators, drive letters and streams, trailing dots and spaces, and device names.
/// <https://learn.microsoft.com/windows/win32/fileio/naming-a-file>
fn windows_reads_differently(segment: &str) -> bool {
    const DEVICES: [&str; 4] = ["CON", "PRN", "AUX", "NUL"];
    let stem = segment.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    let numbered = |device| stem.strip_prefix(device).is_some_and(|n: &str| n.chars().count() == 1);
    segment.contains(['\\', ':', '<', '>', '"', '|', '?', '*'])
        || segment.ends_with(['.', ' '])
        || DEVICES.contains(&stem.as_str())
        || numbered("COM")
        || numbered("LPT")
}

/// The folders below the destination that are known to be real ones.
pub(super) struct Folders {
    destination: PathBuf,
    checked: Mutex<HashSet<PathBuf>>,
}

impl Folders {
    /// Makes the destination itself, which may be a link to a folder.
    pub(super) fn create(destination: &Path) -> Result<Self> {
        std::fs::create_dir_all(destination)
            .map_err(|error| SystemError::new(&error, "mkdir").path(destination))?;
        Ok(Self { destination: destination.to_owned(), checked: Mutex::default() })
    }

    /// Where `relative` is, if no folder on the way is a symbolic link.
    pub(super) fn path_of(&self, relative: &Path) -> Result<PathBuf> {
        self.each_folder(relative, |_| Ok(()))?;
        Ok(self.destination.join(relative))
    }

    /// The same, and the folders on the way exist. A link at its end is removed, and a file that will be
    /// replaced has the executable bit its successor inherits.
    pub(super) fn make_room_for(&self, relative: &Path, executable: bool) -> Result<PathBuf> {
        self.make_folders(relative)?;
        let path = self.destination.join(relative);
        match path.symlink_metadata() {
            Ok(found) if found.is_symlink() => std::fs::remove_file(&path)
                .map_err(|error| SystemError::new(&error, "unlink").path(&path))?,
            Ok(found) if found.is_file() => set_executable(&path, executable)?,
            _ => {}
        }
        Ok(path)
    }

    fn make_folders(&self, relative: &Path) -> Result<()> {
        self.each_folder(relative, |folder| {
            std::fs::create_dir(folder).or_else(|error| match error.kind() {
                // Another file of the same folder was quicker.
                io::ErrorKind::AlreadyExists if folder.is_dir() => Ok(()),
                _ => Err(SystemError::new(&error, "mkdir").path(folder).into()),
            })
        })
    }

    fn each_folder(&self, relative: &Path, missing: impl Fn(&Path) -> Result<()>) -> Result<()> {
        let parent = relative.parent().unwrap_or(Path::new(""));
        let mut folder = self.destination.clone();
        for name in parent.components() {
            folder.push(name);
            if self.checked.lock().contains(&folder) {
                continue;
            }
            match folder.symlink_metadata() {
                Ok(found) if found.is_symlink() => {
                    let path = relative.to_string_lossy().into_owned();
                    return Err(Error::UnsafePath {
                        path,
                        reason: "a folder on its way is a link",
                    });
                }
                Ok(_) => {
                    self.checked.lock().insert(folder.clone());
                }
                Err(_) => missing(&folder)?,
            }
        }
        Ok(())
    }
}

/// Numbers the temporary names of links, which several mirrors of one process may make at once.
static LAST_LINK: AtomicU64 = AtomicU64::new(0);

/// The text of the symbolic link at `path`, if there is one.
pub(super) fn linked_to(path: &Path) -> Option<String> {
    path.read_link().ok()?.into_os_string().into_string().ok()
}

/// Makes the link, or finds it made. A new link replaces what was there at once, as a new file does.
pub(super) fn link(folders: &Folders, relative: &Path, text: &str) -> Result<Outcome> {
    folders.make_folders(relative)?;
    let path = folders.destination.join(relative);
    if linked_to(&path).as_deref() == Some(text) {
        return Ok(Outcome::Unchanged);
    }
    let failed = |error: io::Error| SystemError::new(&error, "symlink").path(text).dest(&path);
    let number = LAST_LINK.fetch_add(1, Ordering::Relaxed);
    let temporary = path.with_file_name(format!(".aiwf-link-{}-{number}", std::process::id()));
    symlink(text, &temporary).map_err(failed)?;
    std::fs::rename(&temporary, &path).map_err(|error| {
        // The link was ours and is not wanted any more; the rename's failure is the one to tell.
        let _ = std::fs::remove_file(&temporary);
        failed(error)
    })?;
    Ok(Outcome::Downloaded { bytes: text.len() as u64 })
}

#[cfg(unix)]
fn symlink(text: &str, path: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(text, path)
}

#[cfg(windows)]
fn symlink(text: &str, path: &Path) -> io::Result<()> {
    std::os::windows::fs::symlink_file(text, path)
}

/// Gives a file the executable bit git has for it, for whom it may already read, or takes it away.
#[cfg(unix)]
pub(super) fn set_executable(path: &Path, executable: bool) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let failed = |error: io::Error| SystemError::new(&error, "chmod").path(path);
    let mut permissions = path.metadata().map_err(failed)?.permissions();
    let mode = permissions.mode();
    let wanted = if executable { mode | (mode & 0o444) >> 2 } else { mode & !0o111 };
    if wanted != mode {
        permissions.set_mode(wanted);
        std::fs::set_permissions(path, permissions).map_err(failed)?;
    }
    Ok(())
}

/// Windows has no such bit.
#[cfg(not(unix))]
pub(super) fn set_executable(_path: &Path, _executable: bool) -> Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::github::directory::Kind;

    fn target(relative: &str) -> Result<Target> {
        let (path, relative) = (relative.to_owned(), relative.to_owned());
        Target::new(Entry { path, relative, sha: String::new(), size: None, kind: Kind::Symlink })
    }

    #[test]
    fn refuses_paths_that_leave_the_destination() {
        for path in
            ["../a", "a/../../b", "/etc/passwd", "a//b", "a/", "", ".", "a/./b", ".GIT/config"]
        {
            assert!(matches!(target(path), Err(Error::UnsafePath { .. })), "{path}");
        }
        for path in ["a", "a/b/c", ".gitignore", "..a", "a..", "...", "a b", "~", "C:x"] {
            assert_eq!(
                target(path).is_ok(),
                cfg!(unix) || !matches!(path, "a.." | "..." | "C:x"),
                "{path}"
            );
        }
    }

    #[test]
    fn refuses_links_that_leave_the_destination() {
        let at = |path: &str, text: &str| target(path).unwrap().safe_link(text.into());
        for (path, text) in
            [("a", "../b"), ("a/b", "../../c"), ("a", "/etc"), ("a", ""), ("a/b/c", "d/..")]
        {
            assert!(at(path, text).is_err(), "{path} -> {text}");
        }
        for (path, text) in [("a", "b"), ("a/b", "../c"), ("a/b/c", "../../d/./e")] {
            assert_eq!(at(path, text).unwrap(), text);
        }
    }

    #[test]
    fn does_not_write_through_a_link_on_disk() {
        let folder = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        symlink(outside.path().to_str().unwrap(), &folder.path().join("sub")).unwrap();
        let folders = Folders::create(folder.path()).unwrap();
        let refused = folders.make_room_for(Path::new("sub/deep/file"), false);
        assert!(matches!(refused, Err(Error::UnsafePath { .. })));
        assert_eq!(outside.path().read_dir().unwrap().count(), 0);
    }
}
