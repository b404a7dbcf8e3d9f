//! Copying one file: its content, its holes, its permissions and, if asked, its times.
//!
//! Linux copies what is large by itself (copy_file_range(2)), which shares the blocks where the file system can do
//! so (btrfs, XFS). Where it refuses, be it half-way, reading and writing goes on from where it stopped.

use std::{
    fs::{File, Metadata},
    io::{self, Read, Seek, Write},
    path::Path,
};

use super::{
    control::Control,
    io::{PIECE, Source},
    operation::WriteOptions,
    publish::{self, Content, Permissions, Target, mode, times},
};
use crate::error::Result;

/// Up to this many bytes one read and one write copy a file faster than the system does.
const SMALL: u64 = 64 << 10;
/// Read and written at a time.
const CHUNK: usize = 256 << 10;

impl Source {
    /// Copies the file with its permissions, over whatever file is at `to`, and makes missing parent folders.
    /// Copying a file onto itself, by whatever name, leaves it as it is.
    pub(super) fn copy_to(
        mut self,
        from: &Path,
        to: &Path,
        options: WriteOptions,
        control: &Control<'_>,
    ) -> Result<()> {
        let target = Target { path: to, source: Some(from) };
        let times = options.keep_times.then(|| times(&self.metadata));
        let permissions = Permissions::Exactly { mode: mode(&self.metadata), times };
        let metadata = self.metadata.clone();
        let mut again = false;
        let mut fill = |file: &mut File| {
            if std::mem::replace(&mut again, true) {
                self.file.rewind()?;
            }
            // A device has no length to set.
            match has_holes(&metadata) && file.metadata()?.is_file() {
                true => copy_sparse(&mut self.file, file, metadata.len(), control),
                false => copy_all(&mut self.file, file, metadata.len(), control),
            }
        };
        let content = Content { permissions, options, fill: &mut fill, control };
        publish::put(target, content, Some(&metadata))
    }
}

/// Copies to the end, wherever that is by now: the file may have grown, and some do not know their size.
fn copy_all(from: &mut File, to: &mut File, size: u64, control: &Control<'_>) -> io::Result<()> {
    let mut transfer = Transfer::new(control);
    if (1..=SMALL).contains(&size) {
        // One more than there should be: a file that gives fewer than it is asked for is at its end.
        let (size, mut content) = (size as usize, vec![0; size as usize + 1]);
        let count = read_some(from, &mut content)?;
        to.write_all(&content[..count])?;
        control.moved(count as u64);
        if count == size {
            return Ok(());
        }
    }
    while transfer.piece(from, to, PIECE)? > 0 {}
    Ok(())
}

fn read_some(from: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match from.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

/// Whether fewer blocks are in use than the content needs.
fn has_holes(metadata: &Metadata) -> bool {
    #[cfg(target_os = "linux")]
    return std::os::linux::fs::MetadataExt::st_blocks(metadata) * 512 < metadata.len()
        && metadata.len() > SMALL;
    #[cfg(not(target_os = "linux"))]
    {
        let _ = metadata;
        false
    }
}

#[cfg(not(target_os = "linux"))]
use copy_all as copy_sparse;

/// Copies the data and leaves out the holes, as far as the file system tells them (lseek(2)).
#[cfg(target_os = "linux")]
fn copy_sparse(from: &mut File, to: &mut File, size: u64, control: &Control<'_>) -> io::Result<()> {
    use rustix::{
        fs::{SeekFrom, seek},
        io::Errno,
    };

    // What a hole is left in must be empty.
    to.set_len(0)?;
    let mut transfer = Transfer::new(control);
    let mut at = 0;
    while at < size {
        let data = match seek(&*from, SeekFrom::Data(at)) {
            Ok(data) => data,
            Err(Errno::NXIO) => break, // A hole up to the end.
            Err(Errno::INVAL) => return copy_all(from, to, size, control),
            Err(error) => return Err(error.into()),
        };
        at = seek(&*from, SeekFrom::Hole(data))?;
        from.seek(io::SeekFrom::Start(data))?;
        to.seek(io::SeekFrom::Start(data))?;
        let mut left = at - data;
        while left > 0 {
            let count = transfer.piece(from, to, left.min(PIECE))?;
            if count == 0 {
                break; // It shrank meanwhile.
            }
            left -= count;
        }
    }
    let end = size.min(from.metadata()?.len());
    to.set_len(end)?;
    to.seek(io::SeekFrom::Start(end)).map(drop)
}

/// Moves bytes from where one file stands to where the other stands.
struct Transfer<'a, 'c> {
    control: &'a Control<'c>,
    /// Whether the system has refused to copy by itself.
    refused: bool,
    chunk: Vec<u8>,
}

impl<'a, 'c> Transfer<'a, 'c> {
    fn new(control: &'a Control<'c>) -> Self {
        Self { control, refused: cfg!(not(target_os = "linux")), chunk: Vec::new() }
    }

    /// Up to so many bytes; 0 at the end.
    fn piece(&mut self, from: &mut File, to: &mut File, most: u64) -> io::Result<u64> {
        self.control.check_io()?;
        let mut count = if self.refused { 0 } else { self.by_system(from, to, most)? };
        if count == 0 {
            // Refused, at the end, or a file of the system itself, whose content is not copied this way.
            count = self.by_hand(from, to, most)?;
        }
        self.control.moved(count);
        Ok(count)
    }

    #[cfg(not(target_os = "linux"))]
    fn by_system(&mut self, _: &File, _: &File, _: u64) -> io::Result<u64> {
        Ok(0)
    }

    #[cfg(target_os = "linux")]
    fn by_system(&mut self, from: &File, to: &File, most: u64) -> io::Result<u64> {
        use rustix::{fs::copy_file_range, io::Errno};

        loop {
            match copy_file_range(from, None, to, None, most as usize) {
                Ok(count) => return Ok(count as u64),
                Err(Errno::INTR) => {}
                Err(
                    Errno::XDEV
                    | Errno::INVAL
                    | Errno::NOSYS
                    | Errno::OPNOTSUPP
                    | Errno::PERM
                    | Errno::BADF
                    | Errno::OVERFLOW,
                ) => {
                    self.refused = true;
                    return Ok(0);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn by_hand(&mut self, from: &mut File, to: &mut File, most: u64) -> io::Result<u64> {
        self.chunk.resize(CHUNK, 0);
        let most = self.chunk.len().min(usize::try_from(most).unwrap_or(CHUNK));
        let count = read_some(from, &mut self.chunk[..most])?;
        to.write_all(&self.chunk[..count])?;
        Ok(count as u64)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_holes_goes_to_a_device() {
        let root = tempfile::tempdir().unwrap();
        let from = root.path().join("sparse");
        File::create(&from).unwrap().set_len(1 << 20).unwrap();
        let null = Path::new("/dev/null");
        let source = Source::open_for_copy(&from, null).unwrap();
        let options = WriteOptions::default();
        Control::unwatched(|control| source.copy_to(&from, null, options, control)).unwrap();
    }
}
