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

mod at_once;
mod folder;
mod log;
mod positional;
mod record;
mod segment;

use std::{
    collections::HashMap,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

pub(super) use self::at_once::Watch;
use self::log::Log;
use super::{KeptOpen, Key, Stamp};

/// The folder of the log inside the cache folder; the number is the format's version.
const FOLDER: &str = "aiwf-native-1";
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
    log: KeptOpen<Log>,
}

impl Disk {
    /// The log in `cache_dir`, of at most `limit` bytes. Nothing is touched before the first call.
    pub fn new(cache_dir: &Path, limit: u64) -> Self {
        Self { folder: cache_dir.join(FOLDER), limit, log: KeptOpen::closed() }
    }

    /// The entry under `key`, if it is undamaged and `wanted`.
    pub fn get(&mut self, key: Key, wanted: impl Fn(Stamp) -> bool) -> io::Result<Option<Entry>> {
        Ok(self.with(|log, _| log.get(key, &wanted))?.flatten())
    }

    /// Like [`Self::get`], as far as that can be told without waiting for the disk; else `None`.
    pub fn get_at_once(
        &mut self,
        key: Key,
        wanted: impl Fn(Stamp) -> bool,
    ) -> Option<Option<Entry>> {
        self.log.lock().as_mut()?.get_at_once(key, wanted)
    }

    /// Stores entries; of several under one key the last. What is larger than the bound is not kept, nor what was
    /// there before it.
    pub fn put(&mut self, mut entries: Vec<(Key, Entry)>) -> io::Result<()> {
        let last: HashMap<Key, usize> = entries.iter().map(|(key, _)| *key).zip(0..).collect();
        let replaced: Vec<Key> = last.keys().copied().collect();
        let mut index = 0..;
        entries.retain(|(key, entry)| {
            last.get(key).copied() == index.next() && entry.size() <= self.limit
        });
        self.open_or_make()?;
        if self.with(|log, limit| log.put(&replaced, &entries, limit))?.is_none() {
            // The folder was deleted under our feet.
            self.open_or_make()?;
            self.with(|log, limit| log.put(&replaced, &entries, limit))?;
        }
        Ok(())
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

    /// Reads every entry and drops what is damaged; says how much that was.
    pub fn verify(&mut self) -> io::Result<Extent> {
        Ok(self.with(|log, limit| log.verify(limit))?.unwrap_or_default())
    }

    /// Entries, and bytes of all files.
    pub fn extent(&mut self) -> io::Result<Extent> {
        Ok(self.with(|log, _| log.extent())?.unwrap_or_default())
    }

    /// Opens the log, and makes it where there is none.
    pub fn open_or_make(&mut self) -> io::Result<()> {
        let made = self.log.open(|| {
            folder::make_private(&self.folder)?;
            Log::open(&self.folder).map(Some)
        });
        made.map(drop)
    }

    /// Closes the files. They are opened again when needed.
    pub fn close(&mut self) {
        *self.log.lock() = None;
    }

    /// Works on the log, if there is one, and still is. A log that failed is opened anew for the next call.
    fn with<T>(
        &mut self,
        work: impl FnOnce(&mut Log, u64) -> io::Result<T>,
    ) -> io::Result<Option<T>> {
        let mut opened = self.log.open(|| match folder::exists(&self.folder)? {
            true => Log::open(&self.folder).map(Some),
            false => Ok(None),
        })?;
        let Some(log) = opened.as_mut() else { return Ok(None) };
        let done = work(log, self.limit);
        if done.is_err() {
            *opened = None;
        }
        match done {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                if folder::exists(&self.folder)? {
                    Err(error)
                } else {
                    Ok(None)
                }
            }
            done => done.map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};

    use super::{segment::path_of, *};
    use proptest::prelude::*;
    use tempfile::TempDir;

    const LIMIT: u64 = 1 << 20;

    fn key(number: u8) -> Key {
        Key([number; 32])
    }

    fn entry(body: impl Into<Vec<u8>>) -> Entry {
        Entry { stamp: Stamp::new(key(0), 1.0, None), meta: vec![7], body: body.into() }
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
        // Until it is verified, everybody comes upon it anew.
        for mut disk in [disk, Disk::new(folder.path(), LIMIT)] {
            let expected = if only_segment(&folder).exists() { 1 } else { 0 };
            assert_eq!(disk.verify().unwrap().entries, expected);
            assert!(read(&mut disk, 1).is_some() && read(&mut disk, 3).is_some());
        }
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
