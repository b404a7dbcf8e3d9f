//! Whole folders, and single files by name: copying with all that is inside, moving.
//!
//! Symbolic links are copied themselves, never followed.

use std::{
    ffi::OsString,
    fs::{self, File, Metadata},
    io,
    path::{Path, PathBuf},
};

use super::{
    control::Control,
    io::{Source, make_dir, make_dirs},
    operation::WriteOptions,
    publish::{folder, mode, temporary_name, times},
    remove::remove_ours,
};
use crate::error::{Result, SystemError};

/// Copies a folder into another, which may exist: files of the same names are replaced, others stay.
pub(super) fn copy_dir(
    from: &Path,
    to: &Path,
    options: WriteOptions,
    control: &mut Control<'_>,
) -> Result<()> {
    let failed = |error: io::Error| SystemError::new(&error, "cp").path(from).dest(to);
    let metadata = fs::metadata(from).map_err(failed)?;
    if !metadata.is_dir() {
        return Err(failed(io::ErrorKind::NotADirectory.into()).into());
    }
    let inside = fs::canonicalize(from).map_err(failed)?;
    if to
        .ancestors()
        .find_map(|above| fs::canonicalize(above).ok())
        .unwrap_or_default()
        .starts_with(inside)
    {
        return Err(failed(io::ErrorKind::InvalidInput.into()).into());
    }
    (control.before_wait)();
    copy_folder(from, to, metadata, options, control)
}

/// A folder that is being copied. An open one on each level would use up the descriptors, and a call on each the
/// stack: so its names were read at once, and those above it wait in a list.
struct Folder {
    from: PathBuf,
    to: PathBuf,
    metadata: Metadata,
    names: std::vec::IntoIter<OsString>,
    made: bool,
}

impl Folder {
    fn enter(from: PathBuf, to: PathBuf, metadata: Metadata) -> Result<Self> {
        // Ours to fill, and never open to more people than the original.
        let made = make_dir(&to, mode(&metadata) | 0o700)?.is_some();
        let failed = |error: io::Error| SystemError::new(&error, "scandir").path(&from);
        let names = fs::read_dir(&from)
            .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect());
        let names: Vec<_> = names.map_err(failed)?;
        Ok(Self { from, to, metadata, names: names.into_iter(), made })
    }

    fn leave(self, options: WriteOptions) -> Result<()> {
        let Self { from, to, .. } = &self;
        let failed = |error: io::Error| SystemError::new(&error, "cp").path(from).dest(to);
        if self.made {
            keep_folder(to, &self.metadata, options).map_err(failed)?;
        }
        Ok(())
    }
}

fn copy_folder(
    from: &Path,
    to: &Path,
    metadata: Metadata,
    options: WriteOptions,
    control: &mut Control<'_>,
) -> Result<()> {
    let mut above = Vec::new();
    let mut folder = Folder::enter(from.to_owned(), to.to_owned(), metadata)?;
    loop {
        if let Some(name) = folder.names.next() {
            let (from, to) = (folder.from.join(&name), folder.to.join(&name));
            if let Some(metadata) = copy_unless_folder(&from, &to, options, control)? {
                above.push(std::mem::replace(&mut folder, Folder::enter(from, to, metadata)?));
            }
        } else {
            folder.leave(options)?;
            match above.pop() {
                Some(next) => folder = next,
                None => return Ok(()),
            }
        }
    }
}

/// Copies a file, a link or a folder.
fn copy_any(
    from: &Path,
    to: &Path,
    options: WriteOptions,
    control: &mut Control<'_>,
) -> Result<()> {
    match copy_unless_folder(from, to, options, control)? {
        Some(metadata) => copy_folder(from, to, metadata, options, control),
        None => Ok(()),
    }
}

/// Copies a file or a link. A folder is only described.
fn copy_unless_folder(
    from: &Path,
    to: &Path,
    options: WriteOptions,
    control: &mut Control<'_>,
) -> Result<Option<Metadata>> {
    control.check()?;
    let failed = |error: io::Error| SystemError::new(&error, "cp").path(from).dest(to);
    let metadata = fs::symlink_metadata(from).map_err(failed)?;
    if metadata.is_dir() {
        return Ok(Some(metadata));
    }
    if metadata.is_symlink() {
        copy_link(from, to).map_err(failed)?;
    } else {
        Source::open_for_copy(from, to)?.copy_to(from, to, options, control)?;
    }
    Ok(None)
}

/// A link replaces what was there in one step, as a file does.
fn copy_link(from: &Path, to: &Path) -> io::Result<()> {
    let text = fs::read_link(from)?;
    let temporary = temporary_name(folder(to));
    #[cfg(unix)]
    std::os::unix::fs::symlink(text, &temporary)?;
    #[cfg(windows)]
    match fs::metadata(from).is_ok_and(|found| found.is_dir()) {
        true => std::os::windows::fs::symlink_dir(text, &temporary)?,
        false => std::os::windows::fs::symlink_file(text, &temporary)?,
    }
    fs::rename(&temporary, to).inspect_err(|_| {
        // The rename's failure is the one to tell.
        let _ = fs::remove_file(&temporary);
    })
}

/// Once it is filled: the folder may not be writable, and filling it changes its time.
fn keep_folder(path: &Path, old: &Metadata, options: WriteOptions) -> io::Result<()> {
    if cfg!(windows) {
        return Ok(());
    }
    let opened = File::open(path)?;
    if mode(&opened.metadata()?) != mode(old) {
        fs::set_permissions(path, old.permissions())?;
    }
    if options.keep_times { opened.set_times(times(old)) } else { Ok(()) }
}

/// Gives a file, a link or a folder another name and makes the folders above it. To another device it is copied
/// with its times, and gets its new name when the copy is complete and on the disk; then the old one goes.
pub(super) fn rename(from: &Path, to: &Path, control: &mut Control<'_>) -> Result<()> {
    let failed = |error: io::Error| SystemError::new(&error, "rename").path(from).dest(to);
    let moved = match fs::rename(from, to) {
        Err(error)
            if error.kind() == io::ErrorKind::NotFound && from.symlink_metadata().is_ok() =>
        {
            make_dirs(folder(to), 0o777).map_err(failed)?;
            fs::rename(from, to)
        }
        moved => moved,
    };
    match moved {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            (control.before_wait)();
            move_across(from, to, control)
        }
        moved => Ok(moved.map_err(failed)?),
    }
}

fn move_across(from: &Path, to: &Path, control: &mut Control<'_>) -> Result<()> {
    let failed = |error: io::Error| SystemError::new(&error, "rename").path(from).dest(to);
    let options =
        WriteOptions { atomic: false, durable: true, keep_times: true, ..WriteOptions::default() };
    let copy = Unfinished(temporary_name(folder(to)));
    copy_any(from, &copy.0, options, control)?;
    control.check()?;
    fs::rename(&copy.0, to).map_err(failed)?;
    drop(copy);
    // From here on it is moved: neither stopping half-way nor starting over may touch what is left of the old.
    let old = temporary_name(folder(from));
    fs::rename(from, &old).map_err(failed)?;
    remove_ours(&old, false)
}

/// A copy that goes away unless it was renamed.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Nothing to be done if even this fails; the operation's own error is what matters.
        let _ = remove_ours(&self.0, true);
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// What `rename` does when it meets another device, without one.
    #[test]
    fn moving_across_devices_takes_everything_along() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::create_dir_all(at("from/sub")).unwrap();
        fs::write(at("from/sub/file"), "text").unwrap();
        std::os::unix::fs::symlink("nowhere", at("from/link")).unwrap();
        let long_ago = fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH);
        File::options().write(true).open(at("from/sub/file")).unwrap().set_times(long_ago).unwrap();
        Control::unwatched(|control| move_across(&at("from"), &at("to"), control)).unwrap();
        assert_eq!(fs::read_to_string(at("to/sub/file")).unwrap(), "text");
        assert_eq!(
            at("to/sub/file").metadata().unwrap().modified().unwrap(),
            std::time::UNIX_EPOCH
        );
        assert_eq!(fs::read_link(at("to/link")).unwrap(), Path::new("nowhere"));
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    }

    /// On the stack of a test, which is as large as that of a thread that works.
    #[test]
    fn no_tree_is_too_deep() {
        let root = tempfile::tempdir().unwrap();
        let (from, to) = (root.path().join("from"), root.path().join("to"));
        let below = ["d"; 400].iter().collect::<PathBuf>();
        fs::create_dir_all(from.join(&below)).unwrap();
        fs::write(from.join(&below).join("file"), "text").unwrap();
        let options = WriteOptions::default();
        Control::unwatched(|control| copy_dir(&from, &to, options, control)).unwrap();
        assert_eq!(fs::read_to_string(to.join(&below).join("file")).unwrap(), "text");
    }

    #[test]
    fn a_move_that_fails_leaves_the_old_and_no_litter() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::create_dir_all(at("from/sub")).unwrap();
        fs::create_dir_all(at("to/full")).unwrap();
        let moved = Control::unwatched(|control| move_across(&at("from"), &at("to"), control));
        let error = moved.unwrap_err();
        assert_eq!(error.code(), "ENOTEMPTY");
        assert!(at("from/sub").is_dir() && at("to/full").is_dir());
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 2);
    }
}
