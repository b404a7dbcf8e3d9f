//! The files of AIWF's JavaScript cache: `<64 hex digits>.json` holding `{ data, timestamp }`.

use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Entry, Key, Stamp};

#[derive(Deserialize)]
struct File<'text> {
    #[serde(borrow)]
    data: &'text RawValue,
    timestamp: f64,
}

/// At how many names [`are_absent`] looks.
const MOST_NAMES: usize = 1_000;

fn key_of(name: &str) -> Option<Key> {
    Key::from_hex(name.strip_suffix(".json")?)
}

fn path_of(cache_dir: &Path, key: Key) -> PathBuf {
    cache_dir.join(key.to_hex() + ".json")
}

/// The entry in the file of `key`. A file that is torn is removed.
pub fn read(cache_dir: &Path, key: Key) -> Option<Entry> {
    let path = path_of(cache_dir, key);
    let entry = parse(key, &fs::read(&path).ok()?);
    if entry.is_none() {
        // What cannot be removed stays a miss.
        let _ = fs::remove_file(&path);
    }
    entry
}

/// Whether it is certain that the folder holds no such file. Looks at some names only: a folder of so many
/// files is not the cache's own.
pub fn are_absent(cache_dir: &Path) -> bool {
    let Ok(files) = fs::read_dir(cache_dir) else { return false };
    let mut looks = 0;
    let ours = |file: io::Result<fs::DirEntry>| {
        looks += 1;
        let Ok(name) = file.map(|file| file.file_name()) else { return true };
        looks > MOST_NAMES || name.to_str().is_some_and(|name| key_of(name).is_some())
    };
    !files.into_iter().any(ours)
}

/// Removes the file of `key`; whether there was one.
pub fn remove(cache_dir: &Path, key: Key) -> io::Result<bool> {
    match fs::remove_file(path_of(cache_dir, key)) {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Removes the files that `doomed` says, and leaves alone whatever only looks like one. Says how many
/// entries and bytes that were.
pub fn remove_if(cache_dir: &Path, doomed: impl Fn(Stamp) -> bool) -> io::Result<(u64, u64)> {
    let (mut entries, mut bytes) = (0, 0);
    for file in fs::read_dir(cache_dir)? {
        let path = file?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let Some(key) = name.and_then(key_of) else { continue };
        let Ok(text) = fs::read(&path) else { continue };
        let expired = parse(key, &text).is_some_and(|entry| doomed(entry.stamp));
        if expired && fs::remove_file(&path).is_ok() {
            entries += 1;
            bytes += text.len() as u64;
        }
    }
    Ok((entries, bytes))
}

fn parse(key: Key, text: &[u8]) -> Option<Entry> {
    let File { data, timestamp } = serde_json::from_slice(text).ok()?;
    let stamp = Stamp::new(key, timestamp, None);
    Some(Entry { stamp, meta: Vec::new(), body: data.get().as_bytes().to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_text_of_the_value_as_it_is() {
        let key = Key([0; 32]);
        let entry = parse(
            key,
            br#"{ "data": {"n": 12345678901234567890, "s": "\ud800"}, "timestamp": 5 }"#,
        );
        let entry = entry.unwrap();
        assert_eq!(entry.body, br#"{"n": 12345678901234567890, "s": "\ud800"}"#);
        assert_eq!(entry.stamp, Stamp::new(key, 5.0, None));
        assert!(parse(key, br#"{ "data": {"n": 1"#).is_none());
        assert!(parse(key, br#"{ "timestamp": 5 }"#).is_none());
    }
}
