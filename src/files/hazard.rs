//! Which operations must wait for which: a dependency graph over the paths they touch.
//!
//! Two operations conflict when one path is the other's or lies above it, and at least one of the two
//! changes something. The later one then waits for the earlier. Paths are compared as text, absolute
//! and without `.`, so two names that only a symbolic or hard link makes equal are not seen as one. What `..`
//! behind a name leads to can't be told from the text, as the name may be a link: such a path stands for all.
//! Paths are known by a hash; a collision only makes two operations wait that need not.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::{BuildHasherDefault, Hasher},
    path::{Component, Path},
};

use super::operation::{Access, Operation};

/// Names an operation; later ones have larger numbers.
pub(super) type Id = u64;
/// Names a group.
type Key = u64;

/// The operations that were admitted and have not finished.
///
/// Those that touch a path in the same way, with nobody between them who must wait for them, are a *group*. Who has
/// to wait does so for groups, not for their members: a thousand that wait for a thousand are two thousand edges.
#[derive(Debug, Default)]
pub(super) struct Hazards {
    slots: NumberMap<Slot>,
    groups: NumberMap<Group>,
    nodes: NumberMap<Node>,
    last_group: Key,
}

/// What goes on at one path: the latest group of each way to touch it. Those before it are over when it is.
#[derive(Debug, Default)]
struct Slot {
    latest: [Option<Latest>; WAYS],
}

#[derive(Clone, Copy, Debug)]
struct Latest {
    group: Key,
    /// Nobody waits for it yet, so others may join.
    open: bool,
}

#[derive(Debug)]
struct Group {
    touch: Touch,
    members: usize,
    followers: Vec<Id>,
}

/// An operation.
#[derive(Debug)]
struct Node {
    groups: Vec<Key>,
    /// The groups it waits for.
    blockers: usize,
}

#[derive(Clone, Copy, Debug)]
struct Touch {
    slot: u64,
    way: Way,
}

/// How an operation touches a path: the path itself, or something below it.
#[derive(Clone, Copy, Debug)]
enum Way {
    ReadHere,
    WriteHere,
    ReadBelow,
    WriteBelow,
}

const WAYS: usize = 4;

impl Way {
    fn here(access: Access) -> Self {
        match access {
            Access::Read => Self::ReadHere,
            Access::Write => Self::WriteHere,
        }
    }

    fn below(access: Access) -> Self {
        match access {
            Access::Read => Self::ReadBelow,
            Access::Write => Self::WriteBelow,
        }
    }

    fn conflicts(self) -> &'static [Self] {
        match self {
            Self::ReadHere => &[Self::WriteHere, Self::WriteBelow],
            Self::WriteHere => {
                &[Self::ReadHere, Self::WriteHere, Self::ReadBelow, Self::WriteBelow]
            }
            Self::ReadBelow => &[Self::WriteHere],
            Self::WriteBelow => &[Self::ReadHere, Self::WriteHere],
        }
    }
}

impl Hazards {
    /// Adds the next operation. True if it may start now; else [`Self::release`] frees it.
    pub(super) fn admit(&mut self, id: Id, operation: &Operation) -> bool {
        self.insert(id, &touches(operation))
    }

    /// Takes out an operation that has finished and returns those that may start now.
    pub(super) fn release(&mut self, id: Id) -> Vec<Id> {
        let Some(node) = self.nodes.remove(&id) else { return Vec::new() };
        let mut freed = Vec::new();
        for key in node.groups {
            for follower in self.leave(key) {
                if let Some(node) = self.nodes.get_mut(&follower) {
                    node.blockers -= 1;
                    freed.extend((node.blockers == 0).then_some(follower));
                }
            }
        }
        freed.sort_unstable();
        freed
    }

    /// Forgets all operations but `running`, none of which waits for another. Returns what there was, which takes a
    /// while to drop.
    pub(super) fn keep_only(&mut self, running: impl Iterator<Item = Id>) -> Self {
        let old = std::mem::take(self);
        for id in running {
            if let Some(node) = old.nodes.get(&id) {
                let groups = node.groups.iter().filter_map(|key| old.groups.get(key));
                let touches: Vec<_> = groups.map(|group| group.touch).collect();
                self.insert(id, &touches);
            }
        }
        old
    }

    fn insert(&mut self, id: Id, touches: &[Touch]) -> bool {
        let mut blockers: Vec<Key> = Vec::new();
        for touch in touches {
            if let Some(slot) = self.slots.get(&touch.slot) {
                blockers.extend(slot.blockers(touch.way));
            }
        }
        blockers.sort_unstable();
        blockers.dedup();
        let groups = touches.iter().map(|touch| self.join(*touch, &blockers)).collect();
        for blocker in &blockers {
            if let Some(group) = self.groups.get_mut(blocker) {
                group.followers.push(id);
            }
        }
        self.nodes.insert(id, Node { groups, blockers: blockers.len() });
        blockers.is_empty()
    }

    /// Nobody joins a group that is waited for: not one that others wait for, which is closed, nor one of `blockers`
    /// that the operation itself is to wait for, as it touches the path in two ways.
    fn join(&mut self, touch: Touch, blockers: &[Key]) -> Key {
        let slot = self.slots.entry(touch.slot).or_default();
        slot.close(touch.way);
        let latest = &mut slot.latest[touch.way as usize];
        let key = match *latest {
            Some(Latest { group, open: true }) if blockers.binary_search(&group).is_err() => group,
            _ => {
                self.last_group += 1;
                *latest = Some(Latest { group: self.last_group, open: true });
                self.last_group
            }
        };
        let new = || Group { touch, members: 0, followers: Vec::new() };
        self.groups.entry(key).or_insert_with(new).members += 1;
        key
    }

    /// Returns who waited for the group if that was its last member.
    fn leave(&mut self, key: Key) -> Vec<Id> {
        let Entry::Occupied(mut group) = self.groups.entry(key) else { return Vec::new() };
        group.get_mut().members -= 1;
        if group.get().members > 0 {
            return Vec::new();
        }
        let Group { touch, followers, .. } = group.remove();
        if let Entry::Occupied(mut slot) = self.slots.entry(touch.slot)
            && slot.get_mut().end(touch.way, key)
        {
            slot.remove();
        }
        followers
    }
}

impl Slot {
    fn blockers(&self, way: Way) -> impl Iterator<Item = Key> {
        let latest = |way: &Way| Some(self.latest[*way as usize]?.group);
        way.conflicts().iter().filter_map(latest)
    }

    /// Somebody who touches the path this way waits for what is there.
    fn close(&mut self, way: Way) {
        for way in way.conflicts() {
            if let Some(latest) = &mut self.latest[*way as usize] {
                latest.open = false;
            }
        }
    }

    /// True if nothing goes on any more.
    fn end(&mut self, way: Way, group: Key) -> bool {
        let latest = &mut self.latest[way as usize];
        if latest.is_some_and(|latest| latest.group == group) {
            *latest = None;
        }
        self.latest.iter().all(Option::is_none)
    }
}

fn touches(operation: &Operation) -> Vec<Touch> {
    let mut touches = Vec::with_capacity(8);
    for (path, access) in operation.accesses() {
        let mut slots = prefixes(path);
        let own = slots.pop();
        touches.extend(slots.iter().map(|&slot| Touch { slot, way: Way::below(access) }));
        touches.extend(own.map(|slot| Touch { slot, way: Way::here(access) }));
    }
    touches
}

/// The hashes of the path's ancestors from the root down, and of the path itself. Only the root's if it can't be told
/// where the path leads.
fn prefixes(path: &Path) -> Vec<u64> {
    let mut slots = vec![FNV_BASIS];
    if !path.is_absolute() {
        // The system tells it without links, so `..` may be taken by its word here.
        let current = std::env::current_dir().unwrap_or_default();
        current.components().for_each(|component| descend(&mut slots, component));
    }
    let mut named = false;
    for component in path.components() {
        match component {
            Component::ParentDir if named => return vec![FNV_BASIS],
            Component::ParentDir if slots.len() > 1 => drop(slots.pop()),
            Component::Normal(_) => {
                named = true;
                descend(&mut slots, component);
            }
            other => descend(&mut slots, other),
        }
    }
    slots
}

fn descend(slots: &mut Vec<u64>, component: Component<'_>) {
    if let Component::Prefix(_) | Component::Normal(_) = component {
        let above = slots.last().copied().unwrap_or(FNV_BASIS);
        let name = component.as_os_str().as_encoded_bytes();
        slots.push(child(above, name, cfg!(any(windows, target_os = "macos"))));
    }
}

/// The hash of a name below `above`. Where file systems ignore case they do so by tables of their own, and some also
/// ignore how accents are composed: there all names beyond ASCII count as one.
fn child(above: u64, name: &[u8], ignores_case: bool) -> u64 {
    match (ignores_case, name.is_ascii()) {
        (true, true) => fnv(fnv(above, b"/"), &name.to_ascii_lowercase()),
        (true, false) => fnv(above, b"//"),
        (false, _) => fnv(fnv(above, b"/"), name),
    }
}

const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a, 64 bits, continued from `hash`.
fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A map whose keys are hashes or running numbers: one multiplication spreads them.
pub(super) type NumberMap<V> = HashMap<u64, V, BuildHasherDefault<Spread>>;

#[derive(Default)]
pub(super) struct Spread(u64);

impl Hasher for Spread {
    fn write_u64(&mut self, number: u64) {
        self.0 = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = fnv(self.0, bytes);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_path_are_one() {
        let path = prefixes(Path::new("/a/b"));
        assert_eq!(prefixes(Path::new("/a/././/b/")), path);
        assert_eq!(prefixes(Path::new("/../a/b")), path);
        assert_ne!(prefixes(Path::new("/ab")), path);
        let here = std::env::current_dir().unwrap();
        assert_eq!(prefixes(Path::new("b")), prefixes(&here.join("b")));
        assert_eq!(prefixes(Path::new("../b")), prefixes(&here.parent().unwrap().join("b")));
    }

    /// `/a/link/../b` lies beside what the link leads to.
    #[test]
    fn a_path_that_may_lead_anywhere_waits_for_all() {
        let mut hazards = Hazards::default();
        let read = |path: &str| Operation::Read { path: path.into() };
        let make = |path: &str| Operation::MakeDir { path: path.into(), mode: 0 };
        assert!(hazards.admit(0, &make("/x/y")));
        assert!(!hazards.admit(1, &read("/a/link/../b")));
        assert!(!hazards.admit(2, &make("/z")));
        assert_eq!(hazards.release(0), [1]);
        assert_eq!(hazards.release(1), [2]);
    }

    #[test]
    fn names_are_told_apart_as_file_systems_do() {
        let same = |one: &str, other: &str, ignores_case| {
            child(1, one.as_bytes(), ignores_case) == child(1, other.as_bytes(), ignores_case)
        };
        assert!(!same("a", "b", true) && !same("a", "b", false));
        assert!(same("README", "readme", true) && !same("README", "readme", false));
        assert!(same("\u{e9}", "e\u{301}", true) && same("\u{c9}", "\u{e9}", true));
        assert!(!same("\u{e9}", "e\u{301}", false));
    }

    /// What waits for much must not wait for each of it: counted are the memberships and the waits of all.
    #[test]
    fn work_grows_with_the_number_of_operations_only() {
        let make = |path: String| Operation::MakeDir { path: path.into(), mode: 0 };
        let list = |path: &str| Operation::ReadDir { path: path.into() };
        let same = |index: usize| [make("/a".into()), make(format!("/a/{index}"))];
        let mixed = |index: usize| [list("/a"), make(format!("/a/{index}"))];
        let halves = |index: usize| match index < 500 {
            true => [list("/a"), list("/a")],
            false => [make(format!("/a/{index}")), make(format!("/a/b/{index}"))],
        };
        for pair in [&same as &dyn Fn(usize) -> [Operation; 2], &mixed, &halves] {
            let mut hazards = Hazards::default();
            let mut ready = Vec::new();
            for (id, operation) in (0..1000).flat_map(pair).enumerate() {
                ready.extend(hazards.admit(id as Id, &operation).then_some(id as Id));
            }
            let joined: usize = hazards.nodes.values().map(|node| node.groups.len()).sum();
            let waits: usize = hazards.groups.values().map(|group| group.followers.len()).sum();
            assert!(joined + waits < 2000 * 8, "{joined} memberships, {waits} waits");
            let mut done = 0;
            while let Some(id) = ready.pop() {
                done += 1;
                ready.extend(hazards.release(id));
            }
            assert_eq!(done, 2000);
        }
    }

    #[test]
    fn forgets_everything_in_the_end() {
        let mut hazards = Hazards::default();
        for id in 0..4 {
            let path = ["/a", "/a/b"][id as usize % 2].into();
            assert_eq!(hazards.admit(id, &Operation::MakeDir { path, mode: 0 }), id == 0);
        }
        for id in 0..4 {
            assert_eq!(hazards.release(id), if id < 3 { vec![id + 1] } else { vec![] });
        }
        assert!(hazards.slots.is_empty() && hazards.nodes.is_empty());
        assert!(hazards.groups.is_empty());
    }
}
