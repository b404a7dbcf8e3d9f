//! What can be told of files at once, without waiting for a disk or a server: Linux can be asked for just
//! that. On other systems nothing can, and callers take the slower way.

use std::{
    fs::File,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

/// Fills `out` from `offset` on if all of that is in the page cache; whether it was (`RWF_NOWAIT`, preadv2(2)).
#[cfg(target_os = "linux")]
pub(super) fn read(file: &File, out: &mut [u8], offset: u64) -> bool {
    use rustix::io::{ReadWriteFlags, preadv2};
    let wanted = out.len();
    let mut parts = [std::io::IoSliceMut::new(out)];
    preadv2(file, &mut parts, offset, ReadWriteFlags::NOWAIT).is_ok_and(|count| count == wanted)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn read(_: &File, _: &mut [u8], _: u64) -> bool {
    false
}

/// The state of a file or folder, as far as the kernel has it in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Glance {
    /// Names that lead to it.
    pub links: u32,
    pub size: u64,
    /// When its content changed, in nanoseconds since the Unix epoch.
    pub modified: i128,
}

impl Glance {
    #[cfg(target_os = "linux")]
    pub fn at(file: &File) -> Option<Self> {
        use rustix::fs::{AtFlags, StatxFlags, statx};
        // Servers of network file systems are not asked.
        let at = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
        let wanted = StatxFlags::NLINK | StatxFlags::SIZE | StatxFlags::MTIME;
        let found = statx(file, c"", at, wanted).ok()?;
        let time = found.stx_mtime;
        let modified = i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec);
        Some(Self { links: found.stx_nlink, size: found.stx_size, modified })
    }

    #[cfg(not(target_os = "linux"))]
    pub fn at(_: &File) -> Option<Self> {
        None
    }
}

/// Tells whether names have come or gone in a folder since it was last looked through.
#[derive(Debug)]
pub(in crate::cache) struct Watch {
    path: PathBuf,
    folder: Option<File>,
    seen: Option<Glance>,
}

/// File systems count time in steps; a change in the step of the last look could not be told, in nanoseconds.
const LONGEST_STEP: i128 = 50_000_000;

impl Watch {
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), folder: None, seen: None }
    }

    /// Call this before the folder is looked through. Says whether it is watched now; one that can't be opened, or has just
    /// changed, is not.
    pub fn note(&mut self) -> bool {
        if self.glance().is_none_or(|glance| glance.links == 0) {
            self.folder = File::open(&self.path).ok();
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |now| now.as_nanos() as i128);
        self.seen = self.glance().filter(|glance| now - glance.modified > LONGEST_STEP);
        self.seen.is_some()
    }

    /// Whether it is certain that nothing has come or gone since the last [`Self::note`].
    pub fn is_unchanged(&self) -> bool {
        self.seen.is_some() && self.glance() == self.seen
    }

    /// Makes it certain no longer.
    pub fn forget(&mut self) {
        self.seen = None;
    }

    fn glance(&self) -> Option<Glance> {
        self.folder.as_ref().and_then(Glance::at)
    }
}
