//! Files that have no name of their own yet.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use super::{
    super::io::open_options,
    attributes::{Permissions, WithMode},
};

/// A name in `folder` that nothing has, and no other operation of this process uses. What has one of them was left by
/// a process that died and had our number.
pub(in crate::files) fn temporary_name(folder: &Path) -> PathBuf {
    loop {
        let path = next_name(folder);
        if path.symlink_metadata().is_err() {
            return path;
        }
    }
}

fn next_name(folder: &Path) -> PathBuf {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let number = LAST.fetch_add(1, Ordering::Relaxed);
    folder.join(format!(".aiwf-{:x}-{number:x}.tmp", std::process::id()))
}

/// A new file under a name of no meaning.
pub(super) struct Temporary {
    pub(super) file: File,
    name: Name,
}

/// The name goes away with its file unless that is renamed.
pub(super) struct Name {
    path: PathBuf,
    kept: bool,
}

impl Temporary {
    pub(super) fn create(folder: &Path, permissions: Permissions) -> io::Result<Self> {
        loop {
            let path = next_name(folder);
            match open_options().write(true).create_new(true).with_mode(permissions).open(&path) {
                Ok(file) => return Ok(Self { file, name: Name { path, kept: false } }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Ends the writing; see [`close`].
    pub(super) fn close(self) -> io::Result<Name> {
        close(self.file).map(|()| self.name)
    }
}

impl Name {
    pub(super) fn rename_to(mut self, path: &Path) -> io::Result<()> {
        fs::rename(&self.path, path)?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        if !self.kept {
            // Nothing to be done if even this fails; the operation's own error is what matters.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Closes a file that was written to. Some file systems tell only then that the content did not reach them
/// (close(2): NFS, quotas), so this comes before the file gets its name.
pub(super) fn close(file: File) -> io::Result<()> {
    #[cfg(unix)]
    match nix::unistd::close(file) {
        // The descriptor is gone all the same; closing again could hit another thread's.
        Err(nix::errno::Errno::EINTR) => Ok(()),
        closed => Ok(closed?),
    }
    #[cfg(not(unix))]
    {
        drop(file);
        Ok(())
    }
}

/// What [`close`] would tell of a file that must stay open: closing a second descriptor of it asks the same.
#[cfg(target_os = "linux")]
pub(super) fn close_once(file: &File) -> io::Result<()> {
    file.try_clone().and_then(close)
}
