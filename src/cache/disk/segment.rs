//! One file of the log: a header of 16 bytes (`AIWFLOG1` and the nonce), then records.

use std::{
    fs::{File, OpenOptions},
    hash::{BuildHasher, RandomState},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use super::{
    Entry, Extent,
    at_once::{self, Glance},
    positional::{read_exact_at, write_all_at},
    record::{DEAD, HEADER, Header, MARK},
};
use crate::cache::{Key, Stamp};

const MAGIC: &[u8; 8] = b"AIWFLOG1";
/// Where the first record starts.
const START: u64 = 16;
/// How much a scan reads at a time. Small entries come many to a read; large bodies are skipped.
const READ_AHEAD: usize = 16 * 1024;
/// Bodies from this size on are written on their own instead of being copied together.
const LARGE_BODY: usize = 64 * 1024;

/// Where a record is and what its header says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Location {
    pub segment: u64,
    pub offset: u64,
    pub meta: u32,
    pub body: u32,
    pub stamp: Stamp,
    /// Whether it was read since it was written here.
    pub used: bool,
}

impl Location {
    pub fn len(&self) -> u64 {
        HEADER as u64 + u64::from(self.meta) + u64::from(self.body)
    }
}

/// An open segment.
#[derive(Debug)]
pub(super) struct Segment {
    pub number: u64,
    pub path: PathBuf,
    /// Up to where its records are known.
    pub known: u64,
    /// Bytes of records that the index leads to.
    pub live: u64,
    /// Stretches in which no record could be told.
    pub damaged: Extent,
    nonce: u64,
    file: File,
}

/// The first bytes of a segment.
fn header(nonce: u64) -> [u8; START as usize] {
    let mut header = [0; START as usize];
    header[..8].copy_from_slice(MAGIC);
    header[8..].copy_from_slice(&nonce.to_le_bytes());
    header
}

/// The number in a segment's file name.
pub(super) fn number_of(path: &Path) -> Option<u64> {
    let stem = path.file_name()?.to_str()?.strip_suffix(".log")?;
    (stem.len() == 10).then(|| stem.parse().ok()).flatten()
}

/// The path of the segment with this number.
pub(super) fn path_of(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:010}.log"))
}

impl Segment {
    /// Makes the file with this number, which must not exist.
    pub fn create(folder: &Path, number: u64) -> io::Result<Self> {
        let path = path_of(folder, number);
        let file =
            private(OpenOptions::new().read(true).write(true).create_new(true)).open(&path)?;
        let nonce = RandomState::new().hash_one(number);
        write_all_at(&file, &header(nonce), 0)?;
        Ok(Self { number, path, known: START, live: 0, damaged: Extent::default(), nonce, file })
    }

    /// Opens the file with this number. `None` if there is none, or if its header is damaged.
    pub fn open(folder: &Path, number: u64, writable: bool) -> io::Result<Option<Self>> {
        let path = path_of(folder, number);
        let file = match OpenOptions::new().read(true).write(writable).open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let mut found = [0; 8];
        if read_exact_at(&file, &mut found, 0).is_err() || found != *MAGIC {
            return Ok(None);
        }
        let nonce = read_exact_at(&file, &mut found, 8).map(|()| u64::from_le_bytes(found));
        let damaged = Extent::default();
        Ok(nonce.ok().map(|nonce| Self {
            number,
            path,
            known: START,
            live: 0,
            damaged,
            nonce,
            file,
        }))
    }

    /// The size of the file; `None` once it was deleted.
    pub fn size(&self) -> io::Result<Option<u64>> {
        let metadata = self.file.metadata()?;
        #[cfg(unix)]
        if std::os::unix::fs::MetadataExt::nlink(&metadata) == 0 {
            return Ok(None);
        }
        Ok(Some(metadata.len()))
    }

    /// Whether records may be added: it is not `full`, and others will be able to open it.
    pub fn takes_more(&self, full: u64) -> bool {
        let mut found = [0; START as usize];
        self.known < full
            && read_exact_at(&self.file, &mut found, 0).is_ok()
            && found == header(self.nonce)
    }

    /// Reports the living records behind those known, up to `end`. Skips what is damaged; stops before a
    /// last record that is not all there.
    pub fn scan(&mut self, end: u64, mut found: impl FnMut(Key, Location)) -> io::Result<()> {
        let mut window = Window { file: &self.file, end, start: 0, bytes: Vec::new() };
        while self.known + HEADER as u64 <= end {
            let Some(header) = Header::decode(window.header(self.known)?, self.nonce) else {
                let next = window.find(&self.nonce.to_le_bytes()[..MARK], self.known + 2)? - 1;
                self.damaged.entries += 1;
                self.damaged.bytes += next - self.known;
                self.known = next;
                continue;
            };
            let next = self.known + header.record_len();
            if next > end {
                break;
            }
            if header.alive {
                found(header.key, self.location(&header, self.known));
            }
            self.known = next;
        }
        Ok(())
    }

    /// Reads a record; `None` if it is no longer there, dead, or damaged.
    pub fn read(&self, key: Key, at: &Location) -> Option<Entry> {
        self.size().ok()??;
        let mut bytes = vec![0; at.len() as usize];
        read_exact_at(&self.file, &mut bytes, at.offset).ok()?;
        self.decode(bytes, key, at)
    }

    /// Like [`Self::read`], but `None` also if that would have to wait for the disk.
    pub fn read_at_once(&self, key: Key, at: &Location) -> Option<Entry> {
        let mut bytes = vec![0; at.len() as usize];
        let there = Glance::at(&self.file).is_some_and(|glance| glance.links > 0);
        let read = there && at_once::read(&self.file, &mut bytes, at.offset);
        read.then(|| self.decode(bytes, key, at)).flatten()
    }

    /// Whether it is certain that nothing was added or cut off, told without waiting for the disk.
    pub fn is_up_to_date(&self) -> bool {
        let glance = Glance::at(&self.file);
        glance.is_some_and(|glance| glance.links > 0 && glance.size == self.known)
    }

    fn decode(&self, mut bytes: Vec<u8>, key: Key, at: &Location) -> Option<Entry> {
        let header = Header::decode(bytes.first_chunk()?, self.nonce)?;
        if !header.alive || (header.key, header.meta, header.body) != (key, at.meta, at.body) {
            return None;
        }
        let body_at = HEADER + header.meta as usize;
        let (meta, body) = (&bytes[HEADER..body_at], &bytes[body_at..]);
        if !header.vouches_for(meta, body, self.nonce) {
            return None;
        }
        let meta = meta.to_vec();
        bytes.drain(..body_at);
        Some(Entry { stamp: header.stamp, meta, body: bytes })
    }

    /// Writes records behind the known ones and says where they are. On failure the file is as before.
    pub fn append(&mut self, entries: &[(Key, Entry)]) -> io::Result<Vec<(Key, Location)>> {
        let mut writer = Writer { file: &self.file, bytes: Vec::new(), offset: self.known };
        let mut locations = Vec::with_capacity(entries.len());
        let mut offset = self.known;
        for (key, entry) in entries {
            let header = Header::of(*key, entry, self.nonce).ok_or(ErrorKind::FileTooLarge)?;
            locations.push((*key, self.location(&header, offset)));
            offset += header.record_len();
            let written = writer
                .put(&header.encode(self.nonce))
                .and_then(|()| writer.put(&entry.meta))
                .and_then(|()| writer.put(&entry.body));
            if let Err(error) = written {
                self.cut()?;
                return Err(error);
            }
        }
        if let Err(error) = writer.flush() {
            self.cut()?;
            return Err(error);
        }
        self.known = offset;
        Ok(locations)
    }

    /// Cuts off what is behind the known records.
    pub fn cut(&self) -> io::Result<()> {
        self.file.set_len(self.known)
    }

    /// Marks a record as dead, in place, so that nobody finds it again.
    pub fn kill(&self, at: &Location) -> io::Result<()> {
        write_all_at(&self.file, &[DEAD], at.offset)
    }

    /// Deletes the file. Emptied first, it tells everyone who has it open that its records are gone.
    pub fn delete(&self) -> io::Result<()> {
        self.file.set_len(0)?;
        std::fs::remove_file(&self.path)
    }

    fn location(&self, header: &Header, offset: u64) -> Location {
        let Header { meta, body, stamp, .. } = *header;
        Location { segment: self.number, offset, meta, body, stamp, used: false }
    }
}

/// Options for a file that only its owner may read.
pub(super) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// A part of the file in memory, for a scan.
struct Window<'file> {
    file: &'file File,
    end: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl Window<'_> {
    /// The bytes of a header that lies before the end.
    fn header(&mut self, offset: u64) -> io::Result<&[u8; HEADER]> {
        let inside =
            offset >= self.start && offset + HEADER as u64 <= self.start + self.bytes.len() as u64;
        if !inside {
            self.load(offset)?;
        }
        let at = (offset - self.start) as usize;
        self.bytes[at..].first_chunk().ok_or_else(|| ErrorKind::UnexpectedEof.into())
    }

    /// The first place from `offset` on where `mark` is, or one past the end.
    fn find(&mut self, mark: &[u8], mut offset: u64) -> io::Result<u64> {
        while offset + mark.len() as u64 <= self.end {
            self.load(offset)?;
            let place = self.bytes.windows(mark.len()).position(|bytes| bytes == mark);
            if let Some(place) = place {
                return Ok(offset + place as u64);
            }
            offset += (self.bytes.len() - mark.len() + 1) as u64;
        }
        Ok(self.end + 1)
    }

    fn load(&mut self, offset: u64) -> io::Result<()> {
        self.bytes.resize((self.end - offset).min(READ_AHEAD as u64) as usize, 0);
        self.start = offset;
        read_exact_at(self.file, &mut self.bytes, offset)
    }
}

/// Collects small pieces into few writes.
struct Writer<'file> {
    file: &'file File,
    bytes: Vec<u8>,
    offset: u64,
}

impl Writer<'_> {
    fn put(&mut self, piece: &[u8]) -> io::Result<()> {
        if piece.len() < LARGE_BODY {
            self.bytes.extend_from_slice(piece);
            return if self.bytes.len() < LARGE_BODY { Ok(()) } else { self.flush() };
        }
        self.flush()?;
        write_all_at(self.file, piece, self.offset)?;
        self.offset += piece.len() as u64;
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        write_all_at(self.file, &self.bytes, self.offset)?;
        self.offset += self.bytes.len() as u64;
        self.bytes.clear();
        Ok(())
    }
}
