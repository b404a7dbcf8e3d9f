//! The folder of the log: this user's own, and for nobody else.

use std::{
    fs::{self, DirBuilder, Metadata},
    io::{self, ErrorKind},
    path::Path,
};

/// Makes the folder and those above it for this user only, where they do not exist yet.
pub(super) fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    exists(folder).map(drop)
}

/// Whether the folder exists. Fails if it is a link, or not this user's: what others can write there could be
/// anything. One that others may enter is closed to them.
pub(super) fn exists(folder: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(folder) {
        Ok(found) if found.is_dir() => close_to_others(folder, &found).map(|()| true),
        Ok(_) => Err(io::Error::new(ErrorKind::NotADirectory, "a link or a file is in the way")),
        // Nor does one below a file.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

#[cfg(unix)]
fn close_to_others(folder: &Path, found: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::new(ErrorKind::PermissionDenied, "the folder is another user's"));
    }
    match found.mode() & 0o077 {
        0 => Ok(()),
        _ => fs::set_permissions(folder, fs::Permissions::from_mode(0o700)),
    }
}

#[cfg(not(unix))]
fn close_to_others(_: &Path, _: &Metadata) -> io::Result<()> {
    Ok(())
}
