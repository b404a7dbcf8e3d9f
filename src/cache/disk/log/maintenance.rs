//! What keeps a log small and sound: the bound, the space of what is dead, and damage.

use std::{
    collections::BTreeSet,
    io::{self, ErrorKind},
    mem,
};

use super::{Log, SEGMENTS};
use crate::cache::{
    Entry, Key, Stamp,
    disk::{
        Extent,
        segment::{Location, Segment},
    },
};

/// A segment smaller than this is left alone, however much of it is dead, in bytes.
const WORTH_REWRITING: u64 = 1 << 20;

impl Log {
    pub fn remove_if(&mut self, doomed: impl Fn(Stamp) -> bool, limit: u64) -> io::Result<Extent> {
        let _guard = self.begin_writing()?;
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

    /// Reads every entry and drops what is damaged; says how much that was. A stretch in which no entry can be told
    /// counts as one.
    pub fn verify(&mut self, limit: u64) -> io::Result<Extent> {
        let _guard = self.begin_writing()?;
        let mut damaged = mem::take(&mut self.lost);
        let mut affected = BTreeSet::new();
        for segment in self.segments.values().filter(|segment| segment.damaged.entries > 0) {
            affected.insert(segment.number);
            damaged.entries += segment.damaged.entries;
            damaged.bytes += segment.damaged.bytes;
        }
        let index: Vec<(Key, Location)> = self.index.iter().map(|(key, at)| (*key, *at)).collect();
        for (key, at) in index {
            let sound = self.segments.get(&at.segment).and_then(|segment| segment.read(key, &at));
            if sound.is_none() {
                damaged.entries += 1;
                damaged.bytes += at.len();
                affected.insert(at.segment);
                self.kill(&key)?;
            }
        }
        // Others would come upon it again.
        affected.into_iter().try_for_each(|number| self.rewrite(number, limit, |_| true))?;
        self.tidy(limit)?;
        Ok(damaged)
    }

    /// Keeps to the bound, and gives back the space of dead records. Needs the lock.
    pub(super) fn tidy(&mut self, limit: u64) -> io::Result<()> {
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

    /// Moves what `keep` says to the end of the log and deletes the segment. Where nothing is kept no other begins: that one
    /// would be as empty, and above a small bound for ever.
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
        let is_last = self.segments.last_key_value().is_some_and(|(last, _)| *last == number);
        if is_last && !kept.is_empty() {
            self.begin_segment()?;
        }
        self.append(&kept, limit)?;
        self.drop_segment(number)
    }

    pub(super) fn drop_segment(&mut self, number: u64) -> io::Result<()> {
        self.index.retain(|_, at| at.segment != number);
        match self.segments.remove(&number).map(|segment| segment.delete()) {
            Some(Err(error)) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}
