//! What outlives the process: the log, and the files of AIWF's JavaScript cache, which move over to it.

use std::{
    convert::Infallible,
    io,
    path::{Path, PathBuf},
};

use super::{
    Disk, Entry, KeptOpen, Key, Outdated, Stamp,
    disk::{Extent, Watch},
    legacy,
};
use crate::error::{Result, SystemError};

/// See the module's description. Calls block.
#[derive(Debug)]
pub struct Store {
    cache_dir: PathBuf,
    disk: Disk,
    /// Sees files of the JavaScript cache come, once there are none.
    legacy: KeptOpen<Watch>,
    outdated: Outdated,
}

impl Store {
    /// A store in `cache_dir` of at most `max_bytes` bytes. Nothing is touched before the first call.
    pub fn new(cache_dir: PathBuf, max_bytes: u64) -> Self {
        let (disk, legacy) = (Disk::new(&cache_dir, max_bytes), KeptOpen::closed());
        Self { cache_dir, disk, legacy, outdated: Outdated::default() }
    }

    /// Makes the folder.
    pub fn init(&mut self) -> Result<()> {
        self.disk.open_or_make().map_err(|error| failed(&error, "mkdir", &self.cache_dir))
    }

    /// The entry under `key`, if it is `wanted`. What cannot be read is a miss.
    pub fn get(&mut self, key: Key, wanted: impl Fn(Stamp) -> bool) -> Option<Entry> {
        if self.outdated.has(key) {
            return None;
        }
        if let Ok(Some(found)) = self.disk.get(key, &wanted) {
            return Some(found);
        }
        let adopted = if self.has_no_legacy() { None } else { self.adopt(key) };
        adopted.filter(|entry| wanted(entry.stamp))
    }

    /// Like [`Self::get`], as far as that can be told without waiting for the disk; else `None`.
    pub fn get_at_once(
        &mut self,
        key: Key,
        wanted: impl Fn(Stamp) -> bool,
    ) -> Option<Option<Entry>> {
        if self.outdated.has(key) {
            return Some(None);
        }
        let found = self.disk.get_at_once(key, wanted)?;
        let has_no_legacy = || self.legacy.lock().as_ref().is_some_and(Watch::is_unchanged);
        let certain = found.is_some() || has_no_legacy();
        certain.then_some(found)
    }

    /// Whether it is certain that there are no files of the JavaScript cache. Looks where that is not known, and can be.
    fn has_no_legacy(&mut self) -> bool {
        let watch = || Ok::<_, Infallible>(Some(Watch::new(&self.cache_dir)));
        let Ok(mut watch) = self.legacy.open(watch);
        let Some(watch) = watch.as_mut() else { return false };
        if !watch.is_unchanged() && watch.note() && !legacy::are_absent(&self.cache_dir) {
            watch.forget();
        }
        watch.is_unchanged()
    }

    /// Moves an entry of the JavaScript cache into the log.
    fn adopt(&mut self, key: Key) -> Option<Entry> {
        let entry = legacy::read(&self.cache_dir, key)?;
        if self.disk.put(vec![(key, entry.clone())]).is_ok() {
            let _ = legacy::remove(&self.cache_dir, key);
        }
        Some(entry)
    }

    /// Stores entries; of several under one key the last. What is larger than the bound is not kept.
    pub fn put(&mut self, entries: Vec<(Key, Entry)>) -> Result<()> {
        let keys: Vec<Key> = entries.iter().map(|(key, _)| *key).collect();
        if !self.has_no_legacy() {
            for key in &keys {
                // A file that stays is only looked at when the entry is not found elsewhere.
                let _ = legacy::remove(&self.cache_dir, *key);
            }
        }
        let written = self.catch_up().and_then(|()| self.disk.put(entries));
        self.unless_done(&written, |outdated| outdated.add(keys));
        written.map_err(|error| failed(&error, "write", &self.cache_dir))
    }

    /// Removes an entry; whether there was one.
    pub fn remove(&mut self, key: Key) -> Result<bool> {
        let removed = self.catch_up().and_then(|()| self.remove_now(key));
        self.unless_done(&removed, |outdated| outdated.add([key]));
        removed.map_err(|error| failed(&error, "write", &self.cache_dir))
    }

    /// Removes the entries that `doomed` says; says how many, and how many bytes that freed.
    pub fn remove_if(&mut self, doomed: impl Fn(Stamp) -> bool) -> Result<Extent> {
        let removed = self.disk.remove_if(&doomed);
        let mut removed = removed.map_err(|error| failed(&error, "write", &self.cache_dir))?;
        // A folder that does not exist holds nothing.
        let (entries, bytes) = legacy::remove_if(&self.cache_dir, doomed).unwrap_or_default();
        removed.entries += entries;
        removed.bytes += bytes;
        Ok(removed)
    }

    /// Removes all entries.
    pub fn clear(&mut self) -> Result<()> {
        let cleared = self.clear_now();
        self.outdated = Outdated::default();
        self.unless_done(&cleared, Outdated::add_all);
        cleared.map_err(|error| failed(&error, "unlink", &self.cache_dir))
    }

    /// Removes what could not be removed before.
    fn catch_up(&mut self) -> io::Result<()> {
        match self.outdated.keys().map(Iterator::collect::<Vec<Key>>) {
            Some(keys) => keys.into_iter().try_for_each(|key| self.remove_now(key).map(drop))?,
            None => self.clear_now()?,
        }
        self.outdated = Outdated::default();
        Ok(())
    }

    fn remove_now(&mut self, key: Key) -> io::Result<bool> {
        let in_legacy = legacy::remove(&self.cache_dir, key)?;
        Ok(self.disk.remove(key)? || in_legacy)
    }

    fn clear_now(&mut self) -> io::Result<()> {
        self.disk.clear()?;
        // A folder that does not exist holds nothing.
        let _ = legacy::remove_if(&self.cache_dir, |_| true);
        Ok(())
    }

    /// Remembers what is outdated where that could not be written.
    fn unless_done<T>(&mut self, done: &io::Result<T>, note: impl FnOnce(&mut Outdated)) {
        if done.is_err() {
            note(&mut self.outdated);
        }
    }

    /// Reads every entry of the log and removes the damaged; says how many those were.
    pub fn verify(&mut self) -> Result<Extent> {
        self.disk.verify().map_err(|error| failed(&error, "read", &self.cache_dir))
    }

    /// Entries and bytes of the log.
    pub fn extent(&mut self) -> Result<Extent> {
        self.disk.extent().map_err(|error| failed(&error, "read", &self.cache_dir))
    }

    /// Forgets what is in memory about the files, which are looked at anew.
    pub fn close(&mut self) {
        *self.legacy.lock() = None;
        self.disk.close();
    }
}

fn failed(error: &io::Error, syscall: &'static str, path: &Path) -> crate::error::Error {
    SystemError::new(error, syscall).path(path).into()
}
