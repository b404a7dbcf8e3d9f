//! The disk tier: a log of segments in one folder, shared by any number of processes.
//!
//! Entries are appended; an index in memory leads to them. A lock file orders the writers of all processes.
//! Readers take no lock: a record proves itself (key, state, digest) each time it is read, and where it
//! fails to, whatever the reason, the reader looks at what was appended meanwhile, and else has a miss.
//!
//! - Killed while writing: a record that is not all there is cut off by the next writer.
//! - Replaced or removed: the old record is marked dead in place *before* the new one is written, so it
//!   cannot come back, not even if the new one is damaged later.
//! - Full: the oldest segment goes; what was read since it was written there moves to the end and gets
//!   another round (CLOCK, which approximates least recently used). A segment that is mostly dead is
//!   rewritten in the same way, so overwriting costs no space.
//! - Nothing is forced to the medium: a power failure can lose entries, which digests turn into misses.

mod positional;
mod record;
mod segment;

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::Arc,
};

use self::segment::{Location, Segment, number_of, path_of, private};
use super::{Key, Stamp};

/// The folder of the log inside the cache folder; the number is the format's version.
const FOLDER: &str = "aiwf-native-1";
/// The name of the lock file.
const LOCK: &str = "lock";
/// A segment is closed at this size at the latest, in bytes.
const LARGEST_SEGMENT: u64 = 16 << 20;
/// How many segments the bound is divided into, at least; eviction goes by whole segments.
const SEGMENTS: u64 = 16;
/// A segment smaller than this is left alone, however much of it is dead, in bytes.
const WORTH_REWRITING: u64 = 1 << 20;

/// A stored value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub stamp: Stamp,
    /// What the caller wants to remember beside the value.
    pub meta: Vec<u8>,
    /// The value, as JSON.
    pub body: Vec<u8>,
}

impl Entry {
    /// Bytes of what the caller gave.
    fn size(&self) -> u64 {
        (self.meta.len() + self.body.len()) as u64
    }
}

/// How much something is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    pub entries: u64,
    pub bytes: u64,
}

/// See the module's description. Calls block.
#[derive(Debug)]
pub struct Disk {
    folder: PathBuf,
    limit: u64,
    log: Option<Log>,
}

impl Disk {
    /// The log in `cache_dir`, of at most `limit` bytes. Nothing is touched before the first call.
    pub fn new(cache_dir: &Path, limit: u64) -> Self {
        Self { folder: cache_dir.join(FOLDER), limit, log: None }
    }

    /// The entry under `key`, if it is undamaged and `wanted`.
    pub fn get(&mut self, key: Key, wanted: impl Fn(Stamp) -> bool) -> io::Result<Option<Entry>> {
        Ok(self.with(|log, _| log.get(key, &wanted))?.flatten())
    }

    /// Stores entries; of several under one key the last. What is larger than the bound is not kept.
    pub fn put(&mut self, mut entries: Vec<(Key, Entry)>) -> io::Result<()> {
        let last: HashMap<Key, usize> = entries.iter().map(|(key, _)| *key).zip(0..).collect();
        let mut index = 0..;
        entries.retain(|(key, entry)| {
            last.get(key).copied() == index.next() && entry.size() <= self.limit
        });
        self.open_or_make()?;
        let done = self.with(|log, limit| log.put(&entries, limit));
        if matches!(&done, Err(error) if error.kind() == ErrorKind::NotFound) {
            // The folder was deleted under our feet.
            self.open_or_make()?;
            self.with(|log, limit| log.put(&entries, limit))?;
            return Ok(());
        }
        done.map(drop)
    }

    /// Removes an entry. The space is given back in time.
    pub fn remove(&mut self, key: Key) -> io::Result<bool> {
        Ok(self.with(|log, _| log.remove(key))?.unwrap_or(false))
    }

    /// Removes the entries that `doomed` names; says how many, and by how much the files shrank.
    pub fn remove_if(&mut self, doomed: impl Fn(Stamp) -> bool) -> io::Result<Extent> {
        Ok(self.with(|log, limit| log.remove_if(&doomed, limit))?.unwrap_or_default())
    }

    /// Removes all entries.
    pub fn clear(&mut self) -> io::Result<()> {
        self.with(|log, _| log.clear()).map(drop)
    }

    /// Reads every entry and removes the damaged; says how many those were.
    pub fn verify(&mut self) -> io::Result<Extent> {
        Ok(self.with(|log, _| log.verify())?.unwrap_or_default())
    }

    /// Entries, and bytes of all files.
    pub fn extent(&mut self) -> io::Result<Extent> {
        Ok(self.with(|log, _| log.extent())?.unwrap_or_default())
    }

    /// Opens the log, and makes it where there is none.
    pub fn open_or_make(&mut self) -> io::Result<()> {
        if self.log.is_none() {
            make_private_folder(&self.folder)?;
            self.log = Some(Log::open(&self.folder)?);
        }
        Ok(())
    }

    /// Closes the files. They are opened again when needed.
    pub fn close(&mut self) {
        self.log = None;
    }

    /// Works on the log, if there is one. A log that failed is opened anew for the next call.
    fn with<T>(
        &mut self,
        work: impl FnOnce(&mut Log, u64) -> io::Result<T>,
    ) -> io::Result<Option<T>> {
        if self.log.is_none() && self.folder.is_dir() {
            self.log = Some(Log::open(&self.folder)?);
        }
        let Some(log) = &mut self.log else { return Ok(None) };
        let done = work(log, self.limit);
        if done.is_err() {
            self.close();
        }
        done.map(Some)
    }
}

/// Makes a folder and those above it for this user only, where they do not exist yet.
pub fn make_private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// An open log.
#[derive(Debug)]
struct Log {
    folder: PathBuf,
    lock: Arc<File>,
    segments: BTreeMap<u64, Segment>,
    index: HashMap<Key, Location>,
}

impl Log {
    fn open(folder: &Path) -> io::Result<Self> {
        let lock = private(OpenOptions::new().read(true).write(true).create(true))
            .open(folder.join(LOCK))?;
        let folder = folder.to_owned();
        let (segments, index) = Default::default();
        let mut log = Self { folder, lock: Arc::new(lock), segments, index };
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

    fn get(&mut self, key: Key, wanted: impl Fn(Stamp) -> bool) -> io::Result<Option<Entry>> {
        if let Some(found) = self.look_up(key, &wanted) {
            return Ok(found);
        }
        self.refresh()?;
        Ok(self.look_up(key, &wanted).flatten())
    }

    /// `None` if there is no such entry, as far as is known; `Some(None)` if it is not wanted.
    fn look_up(&mut self, key: Key, wanted: impl Fn(Stamp) -> bool) -> Option<Option<Entry>> {
        let at = self.index.get_mut(&key)?;
        if !wanted(at.stamp) {
            return Some(None);
        }
        at.used = true;
        let at = *at;
        let entry = self.segments.get(&at.segment).and_then(|segment| segment.read(key, &at));
        if entry.is_none() {
            self.forget(&key);
        }
        entry.map(Some)
    }

    fn put(&mut self, entries: &[(Key, Entry)], limit: u64) -> io::Result<()> {
        let _guard = self.locked()?;
        self.refresh()?;
        for (key, _) in entries {
            self.kill(key)?;
        }
        self.append(entries, limit)?;
        self.tidy(limit)
    }

    fn remove(&mut self, key: Key) -> io::Result<bool> {
        let _guard = self.locked()?;
        self.refresh()?;
        let known = self.index.contains_key(&key);
        self.kill(&key)?;
        Ok(known)
    }

    fn remove_if(&mut self, doomed: impl Fn(Stamp) -> bool, limit: u64) -> io::Result<Extent> {
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

    fn extent(&mut self) -> io::Result<Extent> {
        self.refresh()?;
        Ok(Extent { entries: self.index.len() as u64, bytes: self.bytes() })
    }

    fn clear(&mut self) -> io::Result<()> {
        let _guard = self.locked()?;
        self.reload()?;
        let numbers: Vec<u64> = self.segments.keys().copied().collect();
        numbers.into_iter().try_for_each(|number| self.drop_segment(number))
    }

    fn verify(&mut self) -> io::Result<Extent> {
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
        match self.lock.lock() {
            Err(error) if error.kind() != ErrorKind::Unsupported => Err(error),
            _ => Ok(Guard(Arc::clone(&self.lock))),
        }
    }

    /// Takes note of what others have appended.
    fn refresh(&mut self) -> io::Result<()> {
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
        while let Some(segment) = Segment::open(&self.folder, number)? {
            self.segments.insert(number, segment);
            self.scan(number)?;
            number += 1;
        }
        Ok(())
    }

    /// Builds the index from the files.
    fn reload(&mut self) -> io::Result<()> {
        self.index.clear();
        self.segments.clear();
        for number in self.numbers()? {
            if let Some(segment) = Segment::open(&self.folder, number)? {
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

    /// Forgets an entry for good.
    fn kill(&mut self, key: &Key) -> io::Result<()> {
        let at = self.forget(key);
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

/// Holds the lock of the writers.
struct Guard(Arc<File>);

impl Drop for Guard {
    fn drop(&mut self) {
        // Closing the file unlocks it in any case.
        let _ = self.0.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tempfile::TempDir;

    const LIMIT: u64 = 1 << 20;

    fn key(number: u8) -> Key {
        Key([number; 32])
    }

    fn entry(body: impl Into<Vec<u8>>) -> Entry {
        Entry { stamp: Stamp { timestamp: 1.0, ttl: None }, meta: vec![7], body: body.into() }
    }

    fn read(disk: &mut Disk, number: u8) -> Option<Vec<u8>> {
        disk.get(key(number), |_| true).unwrap().map(|entry| entry.body)
    }

    fn only_segment(folder: &TempDir) -> PathBuf {
        path_of(&folder.path().join(FOLDER), 1)
    }

    #[test]
    fn a_torn_last_record_is_cut_off_and_what_follows_is_found() {
        let folder = TempDir::new().unwrap();
        let mut disk = Disk::new(folder.path(), LIMIT);
        disk.put(vec![(key(1), entry("one")), (key(2), entry("two".repeat(100)))]).unwrap();
        let file = OpenOptions::new().write(true).open(only_segment(&folder)).unwrap();
        file.set_len(file.metadata().unwrap().len() - 5).unwrap();
        let mut disk = Disk::new(folder.path(), LIMIT);
        assert_eq!(read(&mut disk, 2), None);
        disk.put(vec![(key(3), entry("three"))]).unwrap();
        for mut disk in [disk, Disk::new(folder.path(), LIMIT)] {
            assert_eq!(read(&mut disk, 1).unwrap(), b"one");
            assert_eq!(read(&mut disk, 2), None);
            assert_eq!(read(&mut disk, 3).unwrap(), b"three");
        }
    }

    #[test]
    fn a_damaged_header_costs_one_entry() {
        let folder = TempDir::new().unwrap();
        let mut disk = Disk::new(folder.path(), LIMIT);
        for number in 1..=3 {
            disk.put(vec![(key(number), entry("text".repeat(10_000)))]).unwrap();
        }
        let mut bytes = fs::read(only_segment(&folder)).unwrap();
        bytes[16 + 88 + 1 + 40_000 + 20] ^= 1;
        fs::write(only_segment(&folder), bytes).unwrap();
        let mut disk = Disk::new(folder.path(), LIMIT);
        assert!(read(&mut disk, 1).is_some());
        assert!(read(&mut disk, 2).is_none());
        assert!(read(&mut disk, 3).is_some());
    }

    #[test]
    fn what_a_crash_left_twice_does_not_come_back() {
        let folder = TempDir::new().unwrap();
        let mut disk = Disk::new(folder.path(), LIMIT);
        disk.put(vec![(key(1), entry("old"))]).unwrap();
        let bytes = fs::read(only_segment(&folder)).unwrap();
        disk.put(vec![(key(1), entry("new"))]).unwrap();
        // The old record alive again, as if it had not been marked dead.
        let mut both = fs::read(only_segment(&folder)).unwrap();
        both[16] = bytes[16];
        fs::write(only_segment(&folder), both).unwrap();
        let mut disk = Disk::new(folder.path(), LIMIT);
        assert_eq!(read(&mut disk, 1).unwrap(), b"new");
        assert!(disk.remove(key(1)).unwrap());
        assert_eq!(read(&mut Disk::new(folder.path(), LIMIT), 1), None);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Put(Vec<(u8, usize)>),
        Remove(u8),
        RemoveOld,
        Clear,
        Reopen,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => prop::collection::vec((0u8..8, 0usize..3_000), 1..6).prop_map(Step::Put),
            2 => (0u8..8).prop_map(Step::Remove),
            1 => Just(Step::RemoveOld),
            1 => Just(Step::Clear),
            2 => Just(Step::Reopen),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Two handles on one folder, used in turns, against a map. The limit is far above what is alive,
        /// so nothing may be evicted, while dead records have to go many times.
        #[test]
        fn two_handles_are_one_map(steps in prop::collection::vec((any::<bool>(), step()), 1..80)) {
            let folder = TempDir::new().unwrap();
            let open = || Disk::new(folder.path(), 100_000);
            let mut disks = [open(), open()];
            let mut model: HashMap<u8, Vec<u8>> = HashMap::new();
            for (which, step) in steps {
                let disk = &mut disks[usize::from(which)];
                match step {
                    Step::Put(entries) => {
                        let value = |number: u8, length| vec![number ^ (length as u8); length];
                        let entries = entries.into_iter().map(|(number, length)| {
                            model.insert(number, value(number, length));
                            (key(number), entry(value(number, length)))
                        });
                        disk.put(entries.collect()).unwrap();
                    }
                    Step::Remove(number) => {
                        prop_assert_eq!(disk.remove(key(number)).unwrap(), model.remove(&number).is_some());
                    }
                    Step::RemoveOld => {
                        let removed = disk.remove_if(|_| true).unwrap();
                        prop_assert_eq!(removed.entries, model.len() as u64);
                        model.clear();
                    }
                    Step::Clear => {
                        disk.clear().unwrap();
                        model.clear();
                    }
                    Step::Reopen => *disk = open(),
                }
                for disk in &mut disks {
                    for number in 0..8 {
                        prop_assert_eq!(read(disk, number), model.get(&number).cloned());
                    }
                }
                for disk in &mut disks {
                    prop_assert_eq!(disk.verify().unwrap(), Extent::default());
                }
            }
        }
    }
}
