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

/// Lists of access, and what users note of the file.
#[cfg(target_os = "linux")]
pub(super) fn keep_extended(new: &File, old: &File) -> rustix::io::Result<()> {
    use rustix::fs::{XattrFlags, fgetxattr, fgetxattr_query, fremovexattr, fsetxattr};

    let kept = extended(old)?;
    // The folder gives such to new files.
    for name in extended(new)?.iter().filter(|name| !kept.contains(name)) {
        fremovexattr(new, name.as_slice())?;
    }
    for name in &kept {
        let mut value = vec![0; fgetxattr_query(old, name.as_slice())?];
        let size = fgetxattr(old, name.as_slice(), &mut value)?;
        fsetxattr(new, name.as_slice(), &value[..size], XattrFlags::empty())?;
    }
    Ok(())
}

/// Their names. Other attributes are the system's to set, or tell of the old content.
#[cfg(target_os = "linux")]
fn extended(file: &File) -> rustix::io::Result<Vec<Vec<u8>>> {
    use rustix::{
        fs::{flistxattr, flistxattr_query},
        io::Errno,
    };

    let mut names = match flistxattr_query(file) {
        Ok(0) | Err(Errno::NOTSUP) => return Ok(Vec::new()),
        size => vec![0; size?],
    };
    let size = flistxattr(file, &mut names)?;
    let names = names[..size].split(|&byte| byte == 0);
    let ours = names.filter(|name| name.starts_with(b"user.") || name.starts_with(b"system."));
    Ok(ours.map(<[u8]>::to_vec).collect())
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::path::Path;

    use rustix::{
        fs::{XattrFlags, getxattr, setxattr},
        io::Errno,
    };

    use super::super::super::{WriteOptions, io::write};

    /// For owner, user 1000, group, the most of these, others.
    fn list(rights: [u16; 5]) -> Vec<u8> {
        let whom = [(1u16, u32::MAX), (2, 1000), (4, u32::MAX), (16, u32::MAX), (32, u32::MAX)];
        let entries = whom.into_iter().zip(rights).map(|((tag, id), rights)| {
            [&tag.to_le_bytes()[..], &rights.to_le_bytes(), &id.to_le_bytes()].concat()
        });
        std::iter::once(2u32.to_le_bytes().to_vec()).chain(entries).collect::<Vec<_>>().concat()
    }

    /// False where the file system has no such attribute.
    fn set(path: &Path, name: &str, value: &[u8]) -> bool {
        let done = setxattr(path, name, value, XattrFlags::empty());
        assert!(matches!(done, Ok(()) | Err(Errno::NOTSUP)), "{done:?}");
        done.is_ok()
    }

    #[test]
    fn a_file_keeps_its_list_of_access_and_its_notes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "old").unwrap();
        let attributes =
            [("user.note", b"kept".to_vec()), ("system.posix_acl_access", list([6, 4, 4, 4, 0]))];
        let attributes = attributes.into_iter().filter(|(name, value)| set(&path, name, value));
        let attributes: Vec<_> = attributes.collect();
        write(&path, b"new", WriteOptions::default()).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        for (name, value) in attributes {
            let mut found = vec![0; 100];
            let size = getxattr(&path, name, &mut found).unwrap();
            assert_eq!(found[..size], value, "{name}");
        }
    }

    #[test]
    fn a_file_gets_no_list_of_access_from_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "old").unwrap();
        if set(folder.path(), "system.posix_acl_default", &list([7, 7, 7, 7, 0])) {
            write(&path, b"new", WriteOptions::default()).unwrap();
            let found = getxattr(&path, "system.posix_acl_access", &mut [0; 100]);
            assert_eq!(found, Err(Errno::NODATA));
        }
    }
}
