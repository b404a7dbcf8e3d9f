//! The operations on files themselves. They block.
//!
//! Failures are described as `node:fs` describes them. A FIFO or a socket is refused instead of waited
//! for. Large files are copied in pieces; only a read holds a whole file in memory.

use std::{
    fs::{File, Metadata, OpenOptions},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
};

use bytes::Bytes;

use super::{
    control::Control,
    operation::WriteOptions,
    publish::{self, Content, Permissions, Target, WithMode},
};
use crate::error::{Error, Result, SystemError};

/// Up to this many bytes files are read into memory they share.
const SHARED: u64 = 16 << 10;
/// Between two pieces of a large file work may be stopped.
pub(super) const PIECE: u64 = 4 << 20;
const PIECE_IN_MEMORY: usize = PIECE as usize;
/// Node reads no larger file into memory.
const LONGEST_READ: u64 = (1 << 31) - 1;

/// Writes a whole file and makes missing parent folders.
pub fn write(path: &Path, content: &[u8], options: WriteOptions) -> Result<()> {
    Control::unwatched(|control| write_watched(path, content, options, control))
}

pub(super) fn write_watched(
    path: &Path,
    content: &[u8],
    options: WriteOptions,
    control: &Control<'_>,
) -> Result<()> {
    let permissions = Permissions::OfNew(options.mode);
    let mut fill = |file: &mut File| {
        for piece in content.chunks(PIECE_IN_MEMORY) {
            control.check_io()?;
            file.write_all(piece)?;
            control.moved(piece.len() as u64);
        }
        Ok(())
    };
    let content = Content { permissions, options, fill: &mut fill, control };
    publish::put(Target { path, source: None }, content, None)
}

/// Writes at the end of a file; makes it and its parent folders when missing. A failure takes back what it wrote.
pub(super) fn append(
    path: &Path,
    content: &[u8],
    options: WriteOptions,
    control: &Control<'_>,
) -> Result<()> {
    let target = Target { path, source: None };
    let permissions = Permissions::OfNew(options.mode);
    let open = || open_options().append(true).create(true).with_mode(permissions).open(path);
    let mut file = publish::with_parents(target, open)?;
    let metadata = file.metadata().map_err(|error| target.failed("open", &error))?;
    if !metadata.is_file() && !is_character_device(&metadata) {
        return Err(Error::NotRegularFile(path.to_owned()));
    }
    let mut written = 0;
    while written < content.len() {
        let end = content.len().min(written + PIECE_IN_MEMORY);
        match control.check_io().and_then(|()| file.write(&content[written..end])) {
            Ok(0) => return Err(target.failed("write", &io::ErrorKind::WriteZero.into())),
            Ok(count) => {
                written += count;
                control.moved(count as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                take_back(&mut file, written as u64);
                return Err(target.failed("write", &error));
            }
        }
    }
    publish::finish(target, file, options)
}

/// Cuts off what was appended last, unless somebody appended after it. The failure that led here is the one to tell.
fn take_back(file: &mut File, written: u64) {
    if let (Ok(end), Ok(metadata)) = (file.stream_position(), file.metadata())
        && metadata.is_file()
        && metadata.len() == end
    {
        let _ = file.set_len(end - written);
    }
}

/// Makes a folder and its missing parents. Returns the first it had to make.
pub(super) fn make_dir(path: &Path, mode: u32) -> Result<Option<PathBuf>> {
    make_dirs(path, mode).map_err(|error| SystemError::new(&error, "mkdir").path(path).into())
}

/// A regular file, or a device that is empty, open for reading.
pub(super) struct Source {
    pub(super) file: File,
    pub(super) metadata: Metadata,
}

impl Source {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let failed = |error| Error::from(SystemError::new(&error, "open").path(path));
        match Self::try_open(path).map_err(failed)? {
            source if source.metadata.is_dir() => Err(read_failed(&is_a_directory())),
            source if source.metadata.is_file() || source.is_empty_device() => Ok(source),
            _ => Err(Error::NotRegularFile(path.to_owned())),
        }
    }

    /// Such as `/dev/null`. Others may never end, as `/dev/zero`, or make us wait, as a terminal.
    fn is_empty_device(&self) -> bool {
        is_character_device(&self.metadata) && matches!((&self.file).read(&mut [0]), Ok(0))
    }

    pub(super) fn open_for_copy(path: &Path, destination: &Path) -> Result<Self> {
        let target = Target { path: destination, source: Some(path) };
        match Self::try_open(path).map_err(|error| target.failed("open", &error))? {
            source if source.metadata.is_dir() => Err(target.failed("open", &is_a_directory())),
            source if !source.metadata.is_file() => Err(Error::NotRegularFile(path.to_owned())),
            source => Ok(source),
        }
    }

    fn try_open(path: &Path) -> io::Result<Self> {
        let file = match open_options().read(true).open(path) {
            // Windows can't open a folder this way, and says so in other words.
            Err(_) if cfg!(windows) && path.is_dir() => return Err(is_a_directory()),
            opened => opened?,
        };
        let metadata = file.metadata()?;
        Ok(Self { file, metadata })
    }

    /// Bytes to come, as far as is known.
    pub(super) fn size(&self) -> u64 {
        self.metadata.len()
    }

    /// The whole content. A file that claims to be empty, as those of `/proc` do, is read to its end.
    pub(super) fn read(self, control: &mut Control<'_>) -> Result<Bytes> {
        match self.size() {
            1..=SHARED => self.read_shared(control),
            _ => self.read_whole(control).map(Bytes::from),
        }
    }

    /// Into memory that small files share: an allocation for each, freed by another thread, costs as much as the
    /// system calls.
    fn read_shared(&self, control: &mut Control<'_>) -> Result<Bytes> {
        let size = self.size() as usize;
        let buffer = &mut control.buffer;
        buffer.clear();
        buffer.resize(size, 0);
        let mut filled = 0;
        while filled < size {
            match (&self.file).read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(read_failed(&error)),
            }
        }
        let content = buffer.split_to(filled).freeze();
        control.moved(filled as u64);
        Ok(content)
    }

    fn read_whole(&self, control: &Control<'_>) -> Result<Vec<u8>> {
        let size = self.size();
        if size > LONGEST_READ {
            return Err(Error::FileTooLarge { size });
        }
        let mut content = Vec::new();
        content.try_reserve_exact(size as usize).map_err(|_| read_failed(&out_of_memory()))?;
        let limit = if size == 0 { LONGEST_READ + 1 } else { size };
        let mut rest = (&self.file).take(limit);
        loop {
            control.check()?;
            // Up to a piece; `take` within `take` keeps count of both.
            let count = rest.by_ref().take(PIECE).read_to_end(&mut content);
            let count = count.map_err(|error| read_failed(&error))?;
            control.moved(count as u64);
            if count < PIECE as usize {
                break;
            }
        }
        match content.len() as u64 {
            size if size > LONGEST_READ => Err(Error::FileTooLarge { size }),
            _ => Ok(content),
        }
    }

    /// Hands over the content piece by piece.
    pub(super) fn each_piece(
        mut self,
        control: &Control<'_>,
        mut take: impl FnMut(&[u8]),
    ) -> Result<()> {
        let mut piece = vec![0; (self.size() + 1).clamp(64 << 10, PIECE) as usize];
        loop {
            control.check()?;
            match self.file.read(&mut piece) {
                Ok(0) => return Ok(()),
                Ok(count) => {
                    control.moved(count as u64);
                    take(&piece[..count]);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(read_failed(&error)),
            }
        }
    }
}

/// Makes a folder and its missing parents, however many do so at the same time.
pub(super) fn make_dirs(path: &Path, mode: u32) -> io::Result<Option<PathBuf>> {
    let mut first = None;
    if let Err(error) = make_one(path, mode) {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        match (error.kind(), parent) {
            (io::ErrorKind::NotFound, Some(parent)) => {
                first = make_dirs(parent, mode)?;
                match make_one(path, mode) {
                    Err(_) if path.is_dir() => return Ok(first),
                    made => made?,
                }
            }
            _ if path.is_dir() => return Ok(None),
            _ => return Err(error),
        }
    }
    Ok(first.or_else(|| Some(path.to_owned())))
}

fn make_one(path: &Path, mode: u32) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, mode);
    #[cfg(not(unix))]
    let _ = mode;
    builder.create(path)
}

/// Options that never wait for the other end of a FIFO.
pub(super) fn open_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
    options
}

pub(super) fn is_character_device(metadata: &Metadata) -> bool {
    #[cfg(unix)]
    return std::os::unix::fs::FileTypeExt::is_char_device(&metadata.file_type());
    #[cfg(not(unix))]
    return !metadata.is_file() && !metadata.is_dir();
}

/// Node names no path here.
fn read_failed(error: &io::Error) -> Error {
    SystemError::new(error, "read").into()
}

pub(super) fn is_a_directory() -> io::Error {
    #[cfg(unix)]
    return io::Error::from_raw_os_error(libc::EISDIR);
    #[cfg(not(unix))]
    return io::ErrorKind::IsADirectory.into();
}

fn out_of_memory() -> io::Error {
    #[cfg(unix)]
    return io::Error::from_raw_os_error(libc::ENOMEM);
    #[cfg(not(unix))]
    return io::Error::from_raw_os_error(8);
}
