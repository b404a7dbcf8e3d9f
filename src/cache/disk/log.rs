//! The log itself: the segments of one folder and an index of what is in them.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Entry, Extent, Watch,
    segment::{Location, Segment, number_of, path_of, private},
};
use crate::cache::{Key, Stamp};

/// The name of the lock file.
const LOCK: &str = "lock";
/// A segment is closed at this size at the latest, in bytes.
const LARGEST_SEGMENT: u64 = 16 << 20;
/// How many segments the bound is divided into, at least; eviction goes by whole segments.
const SEGMENTS: u64 = 16;
/// A segment smaller than this is left alone, however much of it is dead, in bytes.
const WORTH_REWRITING: u64 = 1 << 20;

/// An open log.
#[derive(Debug)]
pub(super) struct Log {
    folder: PathBuf,
    /// Held by the one who writes; where nothing can be written, why not.
    lock: Result<Arc<File>, ReadOnly>,
    segments: BTreeMap<u64, Segment>,
    index: HashMap<Key, Location>,
    /// Sees segments come and go.
    watch: Watch,
}

/// The largest record that is read at once, in bytes: copying and checking it takes some 50 µs.
const LARGEST_AT_ONCE: u64 = 256 << 10;

impl Log {
    /// Opens the log of this folder; where nothing can be written, for reading.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let lock =
            private(OpenOptions::new().read(true).write(true).create(true)).open(folder.join(LOCK));
        let lock = match lock {
            Ok(lock) => Ok(Arc::new(lock)),
            Err(error) => Err(ReadOnly::of(error)?),
        };
        let (watch, folder) = (Watch::new(folder), folder.to_owned());
        let (segments, index) = Default::default();
        let mut log = Self { folder, lock, segments, index, watch };
        if log.lock.is_err() {
            log.reload()?;
            return Ok(log);
        }
        let _guard = log.locked()?;
        log.reload()?;
        // Nobody is writing: what could not be opened is damaged.
        for number in log.numbers()? {
            if !log.segments.contains_key(&number) {
                fs::remove_file(path_of(&log.folder, number))?;
            }
        }
        Ok(log)
    }

    pub fn get(&mut self, key: Key, wanted: impl Fn(Stamp) -> bool) -> io::Result<Option<Entry>> {
        if let Some(found) = self.look_up(key, &wanted) {
            return Ok(Some(found));
        }
        // Others may have renewed it meanwhile.
        self.refresh()?;
        Ok(self.look_up(key, &wanted))
    }

    fn look_up(&mut self, key: Key, wanted: impl Fn(Stamp) -> bool) -> Option<Entry> {
        let at = self.index.get_mut(&key).filter(|at| wanted(at.stamp))?;
        at.used = true;
        let at = *at;
        let entry = self.segments.get(&at.segment).and_then(|segment| segment.read(key, &at));
        if entry.is_none() {
            self.forget(&key);
        }
        entry
    }

    /// Like [`Self::get`], as far as that can be told without waiting for the disk; else `None`.
    pub fn get_at_once(
        &mut self,
        key: Key,
        wanted: impl Fn(Stamp) -> bool,
    ) -> Option<Option<Entry>> {
        let Some(at) = self.index.get_mut(&key).filter(|at| wanted(at.stamp)) else {
            return self.is_up_to_date().then_some(None);
        };
        if at.len() > LARGEST_AT_ONCE {
            return None;
        }
        at.used = true;
        self.segments.get(&at.segment)?.read_at_once(key, at).map(Some)
    }

    /// Whether it is certain that nobody has added anything.
    fn is_up_to_date(&self) -> bool {
        let active = self.segments.values().next_back();
        active.is_none_or(Segment::is_up_to_date) && self.watch.is_unchanged()
    }

    pub fn put(&mut self, entries: &[(Key, Entry)], limit: u64) -> io::Result<()> {
        let _guard = self.locked()?;
        self.refresh()?;
        for (key, _) in entries {
            self.kill(key)?;
        }
        self.append(entries, limit)?;
        self.tidy(limit)
    }

    pub fn remove(&mut self, key: Key) -> io::Result<bool> {
        let _guard = self.locked()?;
        self.refresh()?;
        let known = self.index.contains_key(&key);
        self.kill(&key)?;
        Ok(known)
    }

    pub fn remove_if(&mut self, doomed: impl Fn(Stamp) -> bool, limit: u64) -> io::Result<Extent> {
        let _guard = self.locked()?;
        self.refresh()?;
        let before = self.bytes();
        let doomed = self.index.iter().filter(|(_, at)| doomed(at.stamp));
        let doomed: Vec<Key> = doomed.map(|(key, _)| *key).collect();
        doomed.iter().try_for_each(|key| self.kill(key))?;
        let empty = self.segments.values().filter(|segment| segment.live == 0);
        let empty: Vec<u64> = empty.map(|segment| segment.number).collect();
        empty.into_iter().try_for_each(|number| self.drop_segment(number))?;
        self.tidy(limit)?;
        let bytes = before.saturating_sub(self.bytes());
        Ok(Extent { entries: doomed.len() as u64, bytes })
    }

    pub fn extent(&mut self) -> io::Result<Extent> {
        self.refresh()?;
        Ok(Extent { entries: self.index.len() as u64, bytes: self.bytes() })
    }

    pub fn clear(&mut self) -> io::Result<()> {
        let _guard = self.locked()?;
        self.reload()?;
        let numbers: Vec<u64> = self.segments.keys().copied().collect();
        numbers.into_iter().try_for_each(|number| self.drop_segment(number))
    }

    pub fn verify(&mut self) -> io::Result<Extent> {
        let _guard = self.locked()?;
        self.refresh()?;
        let mut damaged = Extent::default();
        let index: Vec<(Key, Location)> = self.index.iter().map(|(key, at)| (*key, *at)).collect();
        for (key, at) in index {
            let sound = self.segments.get(&at.segment).and_then(|segment| segment.read(key, &at));
            if sound.is_none() {
                damaged.entries += 1;
                damaged.bytes += at.len();
                self.kill(&key)?;
            }
        }
        Ok(damaged)
    }

    /// Makes this the only writer, until the guard is dropped. File systems without locks have none.
    fn locked(&self) -> io::Result<Guard> {
        let lock = self.lock.as_ref().map_err(|read_only| read_only.error())?;
        match lock.lock() {
            Err(error) if error.kind() != ErrorKind::Unsupported => Err(error),
            _ => Ok(Guard(Arc::clone(lock))),
        }
    }

    /// Takes note of what others have appended.
    fn refresh(&mut self) -> io::Result<()> {
        self.watch.note();
        let Some(active) = self.segments.last_entry() else { return self.reload() };
        let active = active.into_mut();
        match active.size()? {
            Some(size) if size >= active.known => {
                let number = active.number;
                if size > active.known {
                    self.scan(number)?;
                }
                self.follow(number + 1)
            }
            // Emptied, deleted or cut: not by an append. Everything is looked at anew.
            _ => self.reload(),
        }
    }

    /// Opens the segments from `number` on that others have begun.
    fn follow(&mut self, mut number: u64) -> io::Result<()> {
        while let Some(segment) = Segment::open(&self.folder, number, self.lock.is_ok())? {
            self.segments.insert(number, segment);
            self.scan(number)?;
            number += 1;
        }
        Ok(())
    }

    /// Builds the index from the files.
    fn reload(&mut self) -> io::Result<()> {
        self.watch.note();
        self.index.clear();
        self.segments.clear();
        for number in self.numbers()? {
            if let Some(segment) = Segment::open(&self.folder, number, self.lock.is_ok())? {
                self.segments.insert(number, segment);
                self.scan(number)?;
            }
        }
        Ok(())
    }

    /// The numbers of the segment files, in order.
    fn numbers(&self) -> io::Result<Vec<u64>> {
        let mut numbers = Vec::new();
        for file in fs::read_dir(&self.folder)? {
            numbers.extend(number_of(&file?.path()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Indexes what is new in a segment.
    fn scan(&mut self, number: u64) -> io::Result<()> {
        let Some(mut segment) = self.segments.remove(&number) else { return Ok(()) };
        let end = segment.size()?.unwrap_or(0);
        let mut found = Vec::new();
        let scanned = segment.scan(end, |key, at| found.push((key, at)));
        self.segments.insert(number, segment);
        found.into_iter().try_for_each(|(key, at)| self.learn(key, at))?;
        scanned
    }

    /// Notes where an entry is. One before it in the log is what a crash left behind.
    fn learn(&mut self, key: Key, at: Location) -> io::Result<()> {
        self.kill(&key)?;
        if let Some(segment) = self.segments.get_mut(&at.segment) {
            segment.live += at.len();
            self.index.insert(key, at);
        }
        Ok(())
    }

    fn forget(&mut self, key: &Key) -> Option<Location> {
        let at = self.index.remove(key)?;
        if let Some(segment) = self.segments.get_mut(&at.segment) {
            segment.live -= at.len();
        }
        Some(at)
    }

    /// Forgets an entry, for good where that can be written.
    fn kill(&mut self, key: &Key) -> io::Result<()> {
        let at = self.forget(key).filter(|_| self.lock.is_ok());
        match at.and_then(|at| Some((self.segments.get(&at.segment)?, at))) {
            Some((segment, at)) => segment.kill(&at),
            None => Ok(()),
        }
    }

    /// Writes entries to the last segment, and to new ones when that is full. Needs the lock.
    fn append(&mut self, mut entries: &[(Key, Entry)], limit: u64) -> io::Result<()> {
        let full = (limit / SEGMENTS).min(LARGEST_SEGMENT);
        while !entries.is_empty() {
            let active = match self.segments.last_entry() {
                Some(active) if active.get().takes_more(full) => active.into_mut(),
                _ => self.begin_segment()?,
            };
            // Under the lock nobody is writing: what is behind the known records is torn.
            if active.size()?.is_some_and(|size| size > active.known) {
                active.cut()?;
            }
            let mut room = full.saturating_sub(active.known);
            let fits = |(_, entry): &&(Key, Entry)| match room.checked_sub(entry.size()) {
                Some(left) => {
                    room = left;
                    true
                }
                None => false,
            };
            let (now, later) = entries.split_at(entries.iter().take_while(fits).count().max(1));
            active.append(now)?.into_iter().try_for_each(|(key, at)| self.learn(key, at))?;
            entries = later;
        }
        Ok(())
    }

    fn begin_segment(&mut self) -> io::Result<&mut Segment> {
        let number = self.numbers()?.last().map_or(1, |last| last + 1);
        let segment = Segment::create(&self.folder, number)?;
        Ok(self.segments.entry(number).or_insert(segment))
    }

    /// Keeps to the bound, and gives back the space of dead records. Needs the lock.
    fn tidy(&mut self, limit: u64) -> io::Result<()> {
        let wasteful = |segment: &&Segment| {
            segment.known > WORTH_REWRITING.min(limit / SEGMENTS)
                && segment.live * 2 < segment.known
        };
        while let Some(number) = self.segments.values().find(wasteful).map(|found| found.number) {
            self.rewrite(number, limit, |_| true)?;
        }
        while self.bytes() > limit {
            let Some(oldest) = self.segments.keys().next().copied() else { break };
            self.rewrite(oldest, limit, |at| at.used)?;
        }
        Ok(())
    }

    /// Moves what `keep` says to the end of the log and deletes the segment.
    fn rewrite(
        &mut self,
        number: u64,
        limit: u64,
        keep: impl Fn(&Location) -> bool,
    ) -> io::Result<()> {
        let Some(segment) = self.segments.get(&number) else { return Ok(()) };
        let mut kept: Vec<_> =
            self.index.iter().filter(|(_, at)| at.segment == number && keep(at)).collect();
        kept.sort_unstable_by_key(|(_, at)| at.offset);
        let kept: Vec<(Key, Entry)> = kept
            .into_iter()
            .filter_map(|(key, at)| Some((*key, segment.read(*key, at)?)))
            .collect();
        if self.segments.last_key_value().is_some_and(|(last, _)| *last == number) {
            self.begin_segment()?;
        }
        self.append(&kept, limit)?;
        self.drop_segment(number)
    }

    fn drop_segment(&mut self, number: u64) -> io::Result<()> {
        self.index.retain(|_, at| at.segment != number);
        match self.segments.remove(&number).map(|segment| segment.delete()) {
            Some(Err(error)) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Bytes of all segments.
    fn bytes(&self) -> u64 {
        self.segments.values().map(|segment| segment.known).sum()
    }
}

/// Why a folder can only be read: the code of the operating system, if it gave one.
#[derive(Debug)]
struct ReadOnly(ErrorKind, Option<i32>);

impl ReadOnly {
    /// What refusal to write means that. Other errors are handed back.
    fn of(error: io::Error) -> io::Result<Self> {
        match error.kind() {
            kind @ (ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied) => {
                Ok(Self(kind, error.raw_os_error()))
            }
            _ => Err(error),
        }
    }

    fn error(&self) -> io::Error {
        self.1.map_or_else(|| self.0.into(), io::Error::from_raw_os_error)
    }
}

/// Holds the lock of the writers.
struct Guard(Arc<File>);

impl Drop for Guard {
    fn drop(&mut self) {
        // Closing the file unlocks it in any case.
        let _ = self.0.unlock();
    }
}
