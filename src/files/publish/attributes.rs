//! What a file has beside its content: permissions, an owner, an identity.

use std::{
    fs::{self, File, FileTimes, Metadata},
    io,
};

/// Permission bits of the file.
#[derive(Clone, Copy)]
pub(in crate::files) enum Permissions {
    /// Of a new file, less the umask; one that exists keeps its own.
    OfNew(u32),
    Exactly {
        mode: u32,
        times: Option<FileTimes>,
    },
}

pub(in crate::files) trait WithMode {
    fn with_mode(&mut self, permissions: Permissions) -> &mut Self;
}

impl WithMode for fs::OpenOptions {
    fn with_mode(&mut self, permissions: Permissions) -> &mut Self {
        let (Permissions::OfNew(mode) | Permissions::Exactly { mode, .. }) = permissions;
        #[cfg(unix)]
        return std::os::unix::fs::OpenOptionsExt::mode(self, mode);
        #[cfg(not(unix))]
        {
            let _ = mode;
            self
        }
    }
}

#[cfg(unix)]
pub(super) fn is_same_file(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
pub(super) fn is_same_file(_: &Metadata, _: &Metadata) -> bool {
    // Windows tells no number in stable Rust; copying goes by a temporary file, so nothing is lost.
    false
}

pub(super) fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    #[cfg(unix)]
    return file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
    #[cfg(not(unix))]
    {
        let _ = (file, mode);
        Ok(())
    }
}

/// Only root may; for others the file is theirs already, or becomes theirs.
pub(super) fn keep_owner(file: &File, old: &Metadata) {
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

/// Permission bits as `chmod` takes them.
pub(in crate::files) fn mode(metadata: &Metadata) -> u32 {
    #[cfg(unix)]
    return std::os::unix::fs::MetadataExt::mode(metadata) & 0o7777;
    #[cfg(not(unix))]
    if metadata.permissions().readonly() { 0o444 } else { 0o666 }
}

/// When a file was last changed and used.
pub(in crate::files) fn times(metadata: &Metadata) -> FileTimes {
    let times = FileTimes::new();
    let times = metadata.modified().map_or(times, |modified| times.set_modified(modified));
    metadata.accessed().map_or(times, |accessed| times.set_accessed(accessed))
}
