//! Which operations must wait for which: a dependency graph over the paths they touch.
//!
//! Two operations conflict when one path is the other's or lies above it, and at least one of the two
//! changes something. The later one then waits for the earlier. Paths are compared as text, absolute
//! and without `.`, so two names that only a symbolic or hard link makes equal are not seen as one. What `..`
//! behind a name leads to can't be told from the text, as the name may be a link: such a path stands for all.
//! Paths are known by a hash; a collision only makes two operations wait that need not.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    path::{Component, Path},
};

use super::operation::{Access, Operation};

/// Names an operation; later ones have larger numbers.
pub(super) type Id = u64;

/// The operations that were admitted and have not finished.
#[derive(Debug, Default)]
pub(super) struct Hazards {
    slots: NumberMap<Slot>,
    nodes: NumberMap<Node>,
}

/// What goes on at one path.
#[derive(Debug, Default)]
struct Slot {
    /// Operations on this very path that a later one may have to wait for: the last that changes it,
    /// and those that read it since.
    here: Vec<(Id, Access)>,
    /// How many operations read or change something below this path.
    reads_below: usize,
    writes_below: usize,
}

#[derive(Debug)]
struct Node {
    touches: Vec<Touch>,
    followers: Vec<Id>,
    blockers: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Touch {
    slot: u64,
    access: Access,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Here,
    Below,
}

impl Hazards {
    /// Adds the next operation. True if it may start now; else [`Self::release`] frees it.
    pub(super) fn admit(&mut self, id: Id, operation: &Operation) -> bool {
        self.insert(id, touches(operation))
    }

    /// Takes out an operation that has finished and returns those that may start now.
    pub(super) fn release(&mut self, id: Id) -> Vec<Id> {
        let Some(node) = self.nodes.remove(&id) else { return Vec::new() };
        for touch in node.touches {
            if let Some(slot) = self.slots.get_mut(&touch.slot)
                && slot.leave(id, touch)
            {
                self.slots.remove(&touch.slot);
            }
        }
        let mut freed = node.followers;
        freed.retain(|follower| {
            self.nodes.get_mut(follower).is_some_and(|node| {
                node.blockers -= 1;
                node.blockers == 0
            })
        });
        freed
    }

    /// Forgets all operations but `running`, none of which waits for another.
    pub(super) fn keep_only(&mut self, running: impl Iterator<Item = Id>) {
        let mut old = std::mem::take(self);
        for id in running {
            if let Some(node) = old.nodes.remove(&id) {
                self.insert(id, node.touches);
            }
        }
    }

    fn insert(&mut self, id: Id, touches: Vec<Touch>) -> bool {
        let mut blockers = Vec::new();
        for touch in &touches {
            self.find_blockers(*touch, &mut blockers);
        }
        blockers.sort_unstable();
        blockers.dedup();
        for touch in &touches {
            self.slots.entry(touch.slot).or_default().enter(id, *touch);
        }
        for blocker in &blockers {
            if let Some(node) = self.nodes.get_mut(blocker) {
                node.followers.push(id);
            }
        }
        let free = blockers.is_empty();
        self.nodes.insert(id, Node { touches, followers: Vec::new(), blockers: blockers.len() });
        free
    }

    fn find_blockers(&self, touch: Touch, blockers: &mut Vec<Id>) {
        let Some(slot) = self.slots.get(&touch.slot) else { return };
        let conflicting = slot.here.iter().filter(|(_, access)| conflict(*access, touch.access));
        blockers.extend(conflicting.map(|(id, _)| *id));
        if touch.place == Place::Here && slot.conflicts_below(touch.access) {
            // Rare: a folder is touched while something goes on in it. So nobody keeps a list for it.
            let below = |node: &Node| {
                node.touches.iter().any(|other| {
                    other.slot == touch.slot
                        && other.place == Place::Below
                        && conflict(other.access, touch.access)
                })
            };
            blockers.extend(self.nodes.iter().filter(|(_, node)| below(node)).map(|(id, _)| *id));
        }
    }
}

impl Slot {
    fn enter(&mut self, id: Id, touch: Touch) {
        match (touch.place, touch.access) {
            (Place::Here, access) => {
                // Who waits for a change has waited for all before it.
                if access == Access::Write {
                    self.here.clear();
                }
                self.here.push((id, access));
            }
            (Place::Below, Access::Read) => self.reads_below += 1,
            (Place::Below, Access::Write) => self.writes_below += 1,
        }
    }

    /// True if nothing goes on any more.
    fn leave(&mut self, id: Id, touch: Touch) -> bool {
        match (touch.place, touch.access) {
            (Place::Here, _) => self.here.retain(|(other, _)| *other != id),
            (Place::Below, Access::Read) => self.reads_below -= 1,
            (Place::Below, Access::Write) => self.writes_below -= 1,
        }
        self.here.is_empty() && self.reads_below == 0 && self.writes_below == 0
    }

    fn conflicts_below(&self, access: Access) -> bool {
        self.writes_below > 0 || (access == Access::Write && self.reads_below > 0)
    }
}

fn conflict(one: Access, other: Access) -> bool {
    one == Access::Write || other == Access::Write
}

fn touches(operation: &Operation) -> Vec<Touch> {
    let mut touches = Vec::with_capacity(8);
    for (path, access) in operation.accesses() {
        let mut slots = prefixes(path);
        let own = slots.pop();
        touches.extend(slots.iter().map(|&slot| Touch { slot, access, place: Place::Below }));
        touches.extend(own.map(|slot| Touch { slot, access, place: Place::Here }));
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
    }
}
