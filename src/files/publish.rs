//! How new content gets into place: all of it or nothing.
//!
//! A new file is written without a name and linked when it is complete; a file that exists is replaced
//! by renaming a temporary one over it. Where the folder does not allow either (no right to write to
//! it, a file that is itself a mount point or one of `/proc`), the file is written in place, as `node:fs` would.

mod attributes;
mod target;
mod temporary;

use std::{
    fs::{File, Metadata},
    io::{self, Seek},
    path::Path,
};

use super::{
    control::Control,
    io::{is_a_directory, is_character_device, open_options},
    operation::WriteOptions,
};
use crate::error::{Error, Result};
#[cfg(target_os = "linux")]
use attributes::keep_extended;
pub(super) use attributes::{Permissions, WithMode, mode, times};
use attributes::{is_same_file, keep_owner, set_mode};
pub(super) use target::{Target, folder, with_parents};
use target::{follow_links, make_parents};
pub(super) use temporary::temporary_name;
use temporary::{Temporary, close};

/// What gets into place, and how.
pub(super) struct Content<'a, 'c> {
    pub(super) permissions: Permissions,
    pub(super) options: WriteOptions,
    /// Writes a whole file; may be called again from the start, on another file.
    pub(super) fill: &'a mut dyn FnMut(&mut File) -> io::Result<()>,
    pub(super) control: &'a Control<'c>,
}

/// Puts the content at `target`, unless that is the very file `source` describes.
pub(super) fn put(
    target: Target<'_>,
    mut content: Content<'_, '_>,
    source: Option<&Metadata>,
) -> Result<()> {
    // Opened without truncating: it tells what is there, and that it may be written to.
    let mut file = match open_options().write(true).open(target.path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !target.is_empty() => {
            return create(target, &mut content);
        }
        Err(error) => return Err(target.failed("open", &error)),
    };
    let metadata = file.metadata().map_err(target.open_failed())?;
    if is_character_device(&metadata) {
        let filled = (content.fill)(&mut file);
        return filled.and_then(|()| close(file)).map_err(target.write_failed());
    }
    if !metadata.is_file() {
        return Err(Error::NotRegularFile(target.path.to_owned()));
    }
    if source.is_some_and(|source| is_same_file(source, &metadata)) {
        return Ok(());
    }
    if content.options.atomic && replace(target, &file, &metadata, &mut content)? {
        return Ok(());
    }
    overwrite(target, file, metadata.len(), &mut content)
}

fn create(target: Target<'_>, content: &mut Content<'_, '_>) -> Result<()> {
    let permissions = content.permissions;
    let last = target.path.as_os_str().as_encoded_bytes().last();
    if last.is_some_and(|&last| std::path::is_separator(last.into())) {
        return Err(target.failed("open", &is_a_directory()));
    }
    if !content.options.atomic {
        let open =
            || open_options().write(true).create(true).with_mode(permissions).open(target.path);
        let file = with_parents(target, open)?;
        return overwrite(target, file, 0, content);
    }
    #[cfg(target_os = "linux")]
    if create_nameless(target, content)? {
        return Ok(());
    }
    // A link that leads nowhere yet: the file it names is made, as an ordinary write would.
    let real = follow_links(target.path).map_err(target.open_failed())?;
    let mut temporary = with_parents(target, || Temporary::create(folder(&real), permissions))?;
    complete(target, &mut temporary.file, permissions, content)?;
    let temporary = temporary.close().map_err(target.close_failed())?;
    temporary.rename_to(&real).map_err(target.open_failed())?;
    sync_folder(target, &real, content.options)
}

/// Writes a file that has no name until it is complete, so that not even a crash leaves a part of it. False
/// if the system can't, or the name was taken in the meantime.
#[cfg(target_os = "linux")]
fn create_nameless(target: Target<'_>, content: &mut Content<'_, '_>) -> Result<bool> {
    use std::os::unix::fs::OpenOptionsExt;

    let permissions = content.permissions;

    let open = || {
        let mut options = open_options();
        options.write(true).with_mode(permissions).custom_flags(libc::O_TMPFILE);
        options.open(target.folder())
    };
    let opened = match open() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make_parents(target)?;
            open()
        }
        opened => opened,
    };
    let mut file = match opened {
        Ok(file) => file,
        Err(error) if is_descriptor_limit(&error) => return Err(target.failed("open", &error)),
        // Not every file system can; permissions and the like fail again, in the general way.
        Err(_) => return Ok(false),
    };
    complete(target, &mut file, permissions, content)?;
    match temporary::close_once(&file) {
        Err(error) if is_descriptor_limit(&error) => return Err(target.failed("open", &error)),
        closed => closed.map_err(target.close_failed())?,
    }
    if link(&file, target.path).is_err() {
        return Ok(false);
    }
    sync_folder(target, target.path, content.options)?;
    Ok(true)
}

/// Gives an open file a name. Linux lets any process do so by the descriptor since 6.10, before only privileged ones;
/// the way through `/proc` is open to all and takes longer.
#[cfg(target_os = "linux")]
fn link(file: &File, path: &Path) -> rustix::io::Result<()> {
    use std::{
        os::fd::AsRawFd,
        sync::atomic::{AtomicBool, Ordering},
    };

    use rustix::{
        fs::{AtFlags, CWD, linkat},
        io::Errno,
    };

    static BY_DESCRIPTOR: AtomicBool = AtomicBool::new(true);
    if BY_DESCRIPTOR.load(Ordering::Relaxed) {
        match linkat(file, "", CWD, path, AtFlags::EMPTY_PATH) {
            Err(Errno::NOENT | Errno::PERM | Errno::INVAL) => {}
            linked => return linked,
        }
    }
    let open_file = format!("/proc/self/fd/{}", file.as_raw_fd());
    let linked = linkat(CWD, open_file, CWD, path, AtFlags::SYMLINK_FOLLOW);
    if linked.is_ok() {
        BY_DESCRIPTOR.store(false, Ordering::Relaxed);
    }
    linked
}

/// Renames a complete temporary file over the old one. False if the folder does not allow it, or if the new file could
/// not have what the old one has beside its content.
fn replace(
    target: Target<'_>,
    old_file: &File,
    old: &Metadata,
    content: &mut Content<'_, '_>,
) -> Result<bool> {
    let real = follow_links(target.path).map_err(target.open_failed())?;
    let kept = match content.permissions {
        Permissions::OfNew(_) => Permissions::Exactly { mode: mode(old), times: None },
        exactly => exactly,
    };
    let mut temporary = match Temporary::create(folder(&real), Permissions::OfNew(0o600)) {
        Ok(temporary) => temporary,
        Err(error) if is_refused(&error) || cannot_be_made(&error) => return Ok(false),
        Err(error) => return Err(target.failed("open", &error)),
    };
    keep_owner(&temporary.file, old);
    #[cfg(target_os = "linux")]
    if keep_extended(&temporary.file, old_file).is_err() {
        return Ok(false);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = old_file;
    complete(target, &mut temporary.file, kept, content)?;
    let temporary = temporary.close().map_err(target.close_failed())?;
    match temporary.rename_to(&real) {
        Ok(()) => sync_folder(target, &real, content.options).map(|()| true),
        Err(error) if is_refused(&error) => Ok(false),
        Err(error) => Err(target.failed("open", &error)),
    }
}

/// Writes over a file where it lies, and cuts off what is left of the old content. Truncating first would
/// make the file system free the blocks it needs again at once.
fn overwrite(
    target: Target<'_>,
    mut file: File,
    old_size: u64,
    content: &mut Content<'_, '_>,
) -> Result<()> {
    (content.fill)(&mut file).map_err(target.write_failed())?;
    let end = file.stream_position().map_err(target.write_failed())?;
    if old_size > end {
        file.set_len(end).map_err(|error| target.failed("ftruncate", &error))?;
    }
    set_permissions(target, &file, content.permissions)?;
    finish(target, file, content.options)
}

/// Ends the writing of a file that has its name already.
pub(super) fn finish(target: Target<'_>, file: File, options: WriteOptions) -> Result<()> {
    sync(target, &file, options)?;
    close(file).map_err(target.close_failed())
}

/// Fills a new file, which is then ready to be given its name.
fn complete(
    target: Target<'_>,
    file: &mut File,
    permissions: Permissions,
    content: &mut Content<'_, '_>,
) -> Result<()> {
    (content.fill)(file).map_err(target.write_failed())?;
    set_permissions(target, file, permissions)?;
    sync(target, file, content.options)?;
    content.control.check()
}

fn set_permissions(target: Target<'_>, file: &File, permissions: Permissions) -> Result<()> {
    let Permissions::Exactly { mode, times } = permissions else { return Ok(()) };
    set_mode(file, mode).map_err(|error| target.failed("fchmod", &error))?;
    match times {
        Some(times) => file.set_times(times).map_err(|error| target.failed("futime", &error)),
        None => Ok(()),
    }
}

fn sync(target: Target<'_>, file: &File, options: WriteOptions) -> Result<()> {
    if options.durable {
        file.sync_all().map_err(|error| target.failed("fsync", &error))?;
    }
    Ok(())
}

/// After a rename, its folder must reach the disk too.
fn sync_folder(target: Target<'_>, path: &Path, options: WriteOptions) -> Result<()> {
    if options.durable && cfg!(unix) {
        let synced = File::open(folder(path)).and_then(|folder| folder.sync_all());
        synced.map_err(|error| target.failed("fsync", &error))?;
    }
    Ok(())
}

/// Whether a folder does not let us replace a file that we may write to.
fn is_refused(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::PermissionDenied
            | Kind::ReadOnlyFilesystem
            | Kind::ResourceBusy
            | Kind::CrossesDevices
    )
}

/// Whether a file that exists has no place beside it for another: those of `/proc` don't, and a path may be too long.
fn cannot_be_made(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidFilename)
}

#[cfg(target_os = "linux")]
fn is_descriptor_limit(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}
