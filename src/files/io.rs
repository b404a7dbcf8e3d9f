//! The operations on files themselves. They block.
//!
//! Failures are described as `node:fs` describes them. A FIFO or a socket is refused instead of waited
//! for. Large files are copied in pieces; only a read holds a whole file in memory.

use std::{
    fs::{File, Metadata, OpenOptions},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
};

use super::{
    operation::WriteOptions,
    publish::{self, Permissions, Target, mode},
};
use crate::error::{Error, Result, SystemError};

/// Up to this many bytes one read and one write copy a file faster than the system's own copying.
const SMALL: u64 = 64 << 10;
/// Node reads no larger file into memory.
const LONGEST_READ: u64 = (1 << 31) - 1;

/// Reads a whole file. A file that claims to be empty, as those of `/proc` do, is read to its end.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    Source::open(path)?.read()
}

/// Writes a whole file and makes missing parent folders.
pub fn write(path: &Path, content: &[u8], options: WriteOptions) -> Result<()> {
    let permissions = Permissions::OfNew(options.mode);
    let mut fill = |file: &mut File| file.write_all(content);
    publish::put(Target { path, source: None }, permissions, options, None, &mut fill)
}

/// Copies a file with its permissions, over whatever file is there, and makes missing parent folders.
/// Copying a file onto itself, by whatever name, leaves it as it is.
pub fn copy(source: &Path, destination: &Path, options: WriteOptions) -> Result<()> {
    Source::open_for_copy(source, destination)?.copy_to(source, destination, options)
}

/// Makes a folder and its missing parents. Returns the first it had to make.
pub fn make_dir(path: &Path, mode: u32) -> Result<Option<PathBuf>> {
    make_dirs(path, mode).map_err(|error| SystemError::new(&error, "mkdir").path(path).into())
}

/// A regular file or character device open for reading.
pub(super) struct Source {
    file: File,
    metadata: Metadata,
}

impl Source {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let failed = |error| Error::from(SystemError::new(&error, "open").path(path));
        match Self::try_open(path).map_err(failed)? {
            source if source.metadata.is_dir() => Err(read_failed(&is_a_directory())),
            source if !is_readable(&source.metadata) => Err(Error::NotRegularFile(path.to_owned())),
            source => Ok(source),
        }
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

    pub(super) fn read(self) -> Result<Vec<u8>> {
        let size = self.size();
        if size > LONGEST_READ {
            return Err(Error::FileTooLarge { size });
        }
        let mut content = Vec::new();
        content.try_reserve_exact(size as usize).map_err(|_| read_failed(&out_of_memory()))?;
        let limit = if size == 0 { LONGEST_READ + 1 } else { size };
        (&self.file).take(limit).read_to_end(&mut content).map_err(|error| read_failed(&error))?;
        match content.len() as u64 {
            size if size > LONGEST_READ => Err(Error::FileTooLarge { size }),
            _ => Ok(content),
        }
    }

    pub(super) fn copy_to(mut self, from: &Path, to: &Path, options: WriteOptions) -> Result<()> {
        let target = Target { path: to, source: Some(from) };
        let permissions = Permissions::Exactly(mode(&self.metadata));
        let size = self.size();
        let mut fill = |file: &mut File| {
            self.file.rewind()?;
            if (1..=SMALL).contains(&size) {
                let mut content = Vec::with_capacity(size as usize + 1);
                (&self.file).take(SMALL + 1).read_to_end(&mut content)?;
                file.write_all(&content)?;
            }
            // Whatever is left, when the file has grown, is large, or didn't know its size.
            if size == 0 || size > SMALL {
                io::copy(&mut self.file, file)?;
            }
            Ok(())
        };
        publish::put(target, permissions, options, Some(&self.metadata), &mut fill)
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

fn is_readable(metadata: &Metadata) -> bool {
    metadata.is_file() || is_character_device(metadata)
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
