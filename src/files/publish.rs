//! How new content gets into place: all of it or nothing.
//!
//! A new file is written without a name and linked when it is complete; a file that exists is replaced
//! by renaming a temporary one over it. Where the folder does not allow either (no right to write to
//! it, a file that is itself a mount point), the file is written in place, as `node:fs` would.

use std::{
    fs::{self, File, Metadata},
    io::{self, Seek},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use super::{
    io::{is_a_directory, is_character_device, make_dirs, mode, open_options},
    operation::WriteOptions,
};
use crate::error::{Error, Result, SystemError};

/// As many symbolic links in a row as Linux follows.
const MOST_LINKS: usize = 40;

/// Where content goes, and where a copy comes from: what errors name.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) path: &'a Path,
    pub(super) source: Option<&'a Path>,
}

/// Permission bits of the file.
#[derive(Clone, Copy)]
pub(super) enum Permissions {
    /// Of a new file, less the umask; one that exists keeps its own.
    OfNew(u32),
    Exactly(u32),
}

/// Writes a whole file; may be called again from the start, on another file.
pub(super) type Fill<'a> = &'a mut dyn FnMut(&mut File) -> io::Result<()>;

impl Target<'_> {
    /// Describes a failure in the words of the call a user of `node:fs` would have made.
    pub(super) fn failed(&self, syscall: &'static str, error: &io::Error) -> Error {
        match (self.source, syscall) {
            (Some(source), _) => {
                SystemError::new(error, "copyfile").path(source).dest(self.path).into()
            }
            (None, "open") => SystemError::new(error, "open").path(self.path).into(),
            // Calls on an open file: Node knows no path there.
            (None, _) => SystemError::new(error, syscall).into(),
        }
    }

    fn open_failed(&self) -> impl Fn(io::Error) -> Error {
        |error| self.failed("open", &error)
    }

    fn write_failed(&self) -> impl Fn(io::Error) -> Error {
        |error| self.failed("write", &error)
    }

    fn folder(&self) -> &Path {
        folder(self.path)
    }

    fn is_empty(&self) -> bool {
        self.path.as_os_str().is_empty()
    }
}

/// Puts what `fill` writes at `target`, unless that is the very file `source` describes.
pub(super) fn put(
    target: Target<'_>,
    permissions: Permissions,
    options: WriteOptions,
    source: Option<&Metadata>,
    fill: Fill<'_>,
) -> Result<()> {
    // Opened without truncating: it tells what is there, and that it may be written to.
    let mut file = match open_options().write(true).open(target.path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !target.is_empty() => {
            return create(target, permissions, options, fill);
        }
        Err(error) => return Err(target.failed("open", &error)),
    };
    let metadata = file.metadata().map_err(target.open_failed())?;
    if is_character_device(&metadata) {
        return fill(&mut file).map_err(target.write_failed());
    }
    if !metadata.is_file() {
        return Err(Error::NotRegularFile(target.path.to_owned()));
    }
    if source.is_some_and(|source| is_same_file(source, &metadata)) {
        return Ok(());
    }
    if options.atomic {
        let real = follow_links(target.path).map_err(target.open_failed())?;
        let kept = match permissions {
            Permissions::OfNew(_) => mode(&metadata),
            Permissions::Exactly(mode) => mode,
        };
        if replace(target, &real, kept, &metadata, options, fill)? {
            return Ok(());
        }
    }
    overwrite(target, file, permissions, options, fill)
}

fn create(
    target: Target<'_>,
    permissions: Permissions,
    options: WriteOptions,
    fill: Fill<'_>,
) -> Result<()> {
    let last = target.path.as_os_str().as_encoded_bytes().last();
    if last.is_some_and(|&last| std::path::is_separator(last.into())) {
        return Err(target.failed("open", &is_a_directory()));
    }
    if !options.atomic {
        let open =
            || open_options().write(true).create(true).with_mode(permissions).open(target.path);
        let file = with_parents(target, open)?;
        return overwrite(target, file, permissions, options, fill);
    }
    #[cfg(target_os = "linux")]
    if create_nameless(target, permissions, options, fill)? {
        return Ok(());
    }
    let mut temporary = with_parents(target, || Temporary::create(target.folder(), permissions))?;
    complete(target, &mut temporary.file, permissions, options, fill)?;
    // A link that leads nowhere yet: the file it names is made, as an ordinary write would.
    let real = follow_links(target.path).map_err(target.open_failed())?;
    temporary.rename_to(&real).map_err(target.open_failed())?;
    sync_folder(target, &real, options)
}

/// Writes a file that has no name until it is complete, so that not even a crash leaves a part of it. False
/// if the system can't, or the name was taken in the meantime.
#[cfg(target_os = "linux")]
fn create_nameless(
    target: Target<'_>,
    permissions: Permissions,
    options: WriteOptions,
    fill: Fill<'_>,
) -> Result<bool> {
    use std::os::{fd::AsRawFd, unix::fs::OpenOptionsExt};

    use rustix::fs::{AtFlags, CWD, linkat};

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
    complete(target, &mut file, permissions, options, fill)?;
    let open_file = format!("/proc/self/fd/{}", file.as_raw_fd());
    if linkat(CWD, open_file, CWD, target.path, AtFlags::SYMLINK_FOLLOW).is_err() {
        return Ok(false);
    }
    sync_folder(target, target.path, options)?;
    Ok(true)
}

/// Renames a complete temporary file over the one at `real`. False if the folder does not allow it.
fn replace(
    target: Target<'_>,
    real: &Path,
    kept: u32,
    old: &Metadata,
    options: WriteOptions,
    fill: Fill<'_>,
) -> Result<bool> {
    let mut temporary = match Temporary::create(folder(real), Permissions::OfNew(0o600)) {
        Ok(temporary) => temporary,
        Err(error) if is_refused(&error) => return Ok(false),
        Err(error) => return Err(target.failed("open", &error)),
    };
    keep_owner(&temporary.file, old);
    complete(target, &mut temporary.file, Permissions::Exactly(kept), options, fill)?;
    match temporary.rename_to(real) {
        Ok(()) => sync_folder(target, real, options).map(|()| true),
        Err(error) if is_refused(&error) => Ok(false),
        Err(error) => Err(target.failed("open", &error)),
    }
}

/// Writes over a file where it lies, and cuts off what is left of the old content. Truncating first would
/// make the file system free the blocks it needs again at once.
fn overwrite(
    target: Target<'_>,
    mut file: File,
    permissions: Permissions,
    options: WriteOptions,
    fill: Fill<'_>,
) -> Result<()> {
    fill_in(target, &mut file, permissions, fill)?;
    let end = file.stream_position().map_err(target.write_failed())?;
    if file.metadata().map_err(target.write_failed())?.len() > end {
        file.set_len(end).map_err(|error| target.failed("ftruncate", &error))?;
    }
    sync(target, &file, options)
}

/// Fills a new file, which is then ready to be given its name.
fn complete(
    target: Target<'_>,
    file: &mut File,
    permissions: Permissions,
    options: WriteOptions,
    fill: Fill<'_>,
) -> Result<()> {
    fill_in(target, file, permissions, fill)?;
    sync(target, file, options)
}

fn fill_in(
    target: Target<'_>,
    file: &mut File,
    permissions: Permissions,
    fill: Fill<'_>,
) -> Result<()> {
    fill(file).map_err(target.write_failed())?;
    match permissions {
        Permissions::OfNew(_) => Ok(()),
        Permissions::Exactly(mode) => {
            set_mode(file, mode).map_err(|error| target.failed("fchmod", &error))
        }
    }
}

fn sync(target: Target<'_>, file: &File, options: WriteOptions) -> Result<()> {
    if options.durable {
        file.sync_all().map_err(|error| target.failed("fsync", &error))?;
    }
    Ok(())
}

/// Opens something in the target's folder, which is made when it is missing.
fn with_parents<T>(target: Target<'_>, open: impl Fn() -> io::Result<T>) -> Result<T> {
    match open() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make_parents(target)?;
            open().map_err(target.open_failed())
        }
        opened => opened.map_err(target.open_failed()),
    }
}

fn make_parents(target: Target<'_>) -> Result<()> {
    match make_dirs(target.folder(), 0o777) {
        Ok(_) => Ok(()),
        Err(error) if target.source.is_some() => Err(target.failed("copyfile", &error)),
        Err(error) => Err(SystemError::new(&error, "mkdir").path(target.folder()).into()),
    }
}

/// A file that goes away unless it is renamed.
struct Temporary {
    file: File,
    path: PathBuf,
    kept: bool,
}

impl Temporary {
    fn create(folder: &Path, permissions: Permissions) -> io::Result<Self> {
        static LAST: AtomicU64 = AtomicU64::new(0);
        loop {
            let number = LAST.fetch_add(1, Ordering::Relaxed);
            let path = folder.join(format!(".aiwf-{:x}-{number:x}.tmp", std::process::id()));
            match open_options().write(true).create_new(true).with_mode(permissions).open(&path) {
                Ok(file) => return Ok(Self { file, path, kept: false }),
                // Left by a process that died and had our number.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn rename_to(mut self, path: &Path) -> io::Result<()> {
        fs::rename(&self.path, path)?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.kept {
            // Nothing to be done if even this fails; the operation's own error is what matters.
            let _ = fs::remove_file(&self.path);
        }
    }
}

trait WithMode {
    fn with_mode(&mut self, permissions: Permissions) -> &mut Self;
}

impl WithMode for fs::OpenOptions {
    fn with_mode(&mut self, permissions: Permissions) -> &mut Self {
        let (Permissions::OfNew(mode) | Permissions::Exactly(mode)) = permissions;
        #[cfg(unix)]
        return std::os::unix::fs::OpenOptionsExt::mode(self, mode);
        #[cfg(not(unix))]
        {
            let _ = mode;
            self
        }
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The file a chain of symbolic links names, whether it exists or not.
fn follow_links(path: &Path) -> io::Result<PathBuf> {
    let mut real = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&real) {
            Ok(next) => real = folder(&real).join(next),
            // Not a link, or nothing there.
            Err(_) => return Ok(real),
        }
    }
    // A loop; opening it says so.
    fs::metadata(path).map(|_| real)
}

/// After a rename, its folder must reach the disk too.
fn sync_folder(target: Target<'_>, path: &Path, options: WriteOptions) -> Result<()> {
    if options.durable && cfg!(unix) {
        let synced = File::open(folder(path)).and_then(|folder| folder.sync_all());
        synced.map_err(|error| target.failed("fsync", &error))?;
    }
    Ok(())
}

#[cfg(unix)]
fn is_same_file(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn is_same_file(_: &Metadata, _: &Metadata) -> bool {
    // Windows tells no number in stable Rust; copying goes by a temporary file, so nothing is lost.
    false
}

fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    #[cfg(unix)]
    return file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
    #[cfg(not(unix))]
    {
        let _ = (file, mode);
        Ok(())
    }
}

/// Only root may; for others the file is theirs already, or becomes theirs.
fn keep_owner(file: &File, old: &Metadata) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, fchown};
        let differs = |new: Metadata| (new.uid(), new.gid()) != (old.uid(), old.gid());
        if file.metadata().is_ok_and(differs) {
            let _ = fchown(file, Some(old.uid()), Some(old.gid()));
        }
    }
    #[cfg(not(unix))]
    let _ = (file, old);
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

#[cfg(target_os = "linux")]
fn is_descriptor_limit(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}
