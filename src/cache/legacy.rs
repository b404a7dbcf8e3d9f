//! The files of AIWF's JavaScript cache: `<64 hex digits>.json` holding `{ data, timestamp }`.

use std::{
    fs, io,
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

fn path_of(cache_dir: &Path, key: Key) -> PathBuf {
    cache_dir.join(key.to_hex() + ".json")
}

/// The entry in the file of `key`. A file that is torn is removed.
pub fn read(cache_dir: &Path, key: Key) -> Option<Entry> {
    let path = path_of(cache_dir, key);
    let entry = parse(&fs::read(&path).ok()?);
    if entry.is_none() {
        // What cannot be removed stays a miss.
        let _ = fs::remove_file(&path);
    }
    entry
}

/// Removes the file of `key`, if there is one.
pub fn remove(cache_dir: &Path, key: Key) {
    // A file that stays is only looked at when the entry is not found elsewhere.
    let _ = fs::remove_file(path_of(cache_dir, key));
}

/// Removes the files that `doomed` says, and leaves alone whatever only looks like one. Says how many
/// entries and bytes that were.
pub fn remove_if(cache_dir: &Path, doomed: impl Fn(Stamp) -> bool) -> io::Result<(u64, u64)> {
    let (mut entries, mut bytes) = (0, 0);
    for file in fs::read_dir(cache_dir)? {
        let path = file?.path();
        let key = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".json"));
        if key.and_then(Key::from_hex).is_none() {
            continue;
        }
        let Ok(text) = fs::read(&path) else { continue };
        let expired = parse(&text).is_some_and(|entry| doomed(entry.stamp));
        if expired && fs::remove_file(&path).is_ok() {
            entries += 1;
            bytes += text.len() as u64;
        }
    }
    Ok((entries, bytes))
}

fn parse(text: &[u8]) -> Option<Entry> {
    let File { data, timestamp } = serde_json::from_slice(text).ok()?;
    let stamp = Stamp { timestamp, ttl: None };
    Some(Entry { stamp, meta: Vec::new(), body: data.get().as_bytes().to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_text_of_the_value_as_it_is() {
        let entry =
            parse(br#"{ "data": {"n": 12345678901234567890, "s": "\ud800"}, "timestamp": 5 }"#);
        let entry = entry.unwrap();
        assert_eq!(entry.body, br#"{"n": 12345678901234567890, "s": "\ud800"}"#);
        assert_eq!(entry.stamp, Stamp { timestamp: 5.0, ttl: None });
        assert!(parse(br#"{ "data": {"n": 1"#).is_none());
        assert!(parse(br#"{ "timestamp": 5 }"#).is_none());
    }
}
