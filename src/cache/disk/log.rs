//! The log itself: the segments of one folder and an index of what is in them.

mod lock;
mod maintenance;

use std::{
    collections::{BTreeMap, HashMap},
    fs, io,
    path::{Path, PathBuf},
};

use self::lock::{Guard, Lock};
use super::{
    Entry, Extent, Watch,
    segment::{Location, Segment, number_of, path_of},
};
use crate::cache::{Key, Stamp};

/// A segment is closed at this size at the latest, in bytes.
const LARGEST_SEGMENT: u64 = 16 << 20;
/// How many segments the bound is divided into, at least; eviction goes by whole segments.
const SEGMENTS: u64 = 16;
/// An open log.
#[derive(Debug)]
pub(super) struct Log {
    folder: PathBuf,
    lock: Lock,
    segments: BTreeMap<u64, Segment>,
    index: HashMap<Key, Location>,
    /// Sees segments come and go.
    watch: Watch,
    /// Segments that could not be opened, and were removed.
    lost: Extent,
}

/// The largest record that is read at once, in bytes: copying and checking it takes some 50 µs.
const LARGEST_AT_ONCE: u64 = 256 << 10;

impl Log {
    /// Opens the log of this folder; where nothing can be written, for reading.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let (lock, watch) = (Lock::open(folder)?, Watch::new(folder));
        let (segments, index, lost) = Default::default();
        let mut log = Self { folder: folder.to_owned(), lock, segments, index, watch, lost };
        if !log.lock.is_writable() {
            log.reload()?;
            return Ok(log);
        }
        let _guard = log.lock.acquire()?;
        log.reload()?;
        // Nobody is writing: what could not be opened is damaged.
        for number in log.numbers()? {
            if !log.segments.contains_key(&number) {
                let path = path_of(&log.folder, number);
                log.lost.entries += 1;
                log.lost.bytes += fs::metadata(&path)?.len();
                fs::remove_file(path)?;
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

    /// Writes entries; those before them, under any key of `replaced`, are gone.
    pub fn put(
        &mut self,
        replaced: &[Key],
        entries: &[(Key, Entry)],
        limit: u64,
    ) -> io::Result<()> {
        let _guard = self.begin_writing()?;
        replaced.iter().try_for_each(|key| self.kill(key))?;
        self.append(entries, limit)?;
        self.tidy(limit)
    }

    pub fn remove(&mut self, key: Key) -> io::Result<bool> {
        let _guard = self.begin_writing()?;
        let known = self.index.contains_key(&key);
        self.kill(&key)?;
        Ok(known)
    }

    pub fn extent(&mut self) -> io::Result<Extent> {
        self.refresh()?;
        Ok(Extent { entries: self.index.len() as u64, bytes: self.bytes() })
    }

    pub fn clear(&mut self) -> io::Result<()> {
        let _guard = self.begin_writing()?;
        self.reload()?;
        let numbers: Vec<u64> = self.segments.keys().copied().collect();
        numbers.into_iter().try_for_each(|number| self.drop_segment(number))
    }

    /// Makes this the only writer, who knows of all that others have written.
    fn begin_writing(&mut self) -> io::Result<Guard> {
        let (guard, is_new) = self.lock.acquire()?;
        // With the lock, the segments may have been deleted or moved away.
        if is_new {
            self.reload()?
        } else {
            self.refresh()?
        }
        Ok(guard)
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
        while let Some(segment) = Segment::open(&self.folder, number, self.lock.is_writable())? {
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
            if let Some(segment) = Segment::open(&self.folder, number, self.lock.is_writable())? {
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
        let at = self.forget(key).filter(|_| self.lock.is_writable());
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

    /// Bytes of all segments.
    fn bytes(&self) -> u64 {
        self.segments.values().map(|segment| segment.known).sum()
    }
}
