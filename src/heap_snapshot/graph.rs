//! Objects and the references between them, as plain arrays: some 20 bytes an object and 9 a reference.

use std::collections::HashMap;

/// No object, or no reference.
pub const NONE: u32 = u32::MAX;

/// The object that V8 lists first; all that lives is reached from it.
pub const ROOT: u32 = 0;

/// A heap. Objects are numbered as in the file.
#[derive(Debug, Default)]
pub struct Graph {
    /// The place of each object's class in `class_names`.
    pub classes: Vec<u32>,
    pub class_names: Vec<String>,
    /// Bytes of each object itself.
    pub sizes: Vec<u64>,
    /// V8's names for objects: the same object has the same in every snapshot, newer ones have greater ones.
    pub ids: Vec<u32>,
    /// Those that keep their target alive; weak ones are left out.
    pub edges: Edges,
    /// References in the file, also weak ones.
    pub edge_count: usize,
    /// The names that edges have, by their number.
    pub names: HashMap<u32, String>,
}

/// References, those of one object after those of the one before.
#[derive(Debug, Default)]
pub struct Edges {
    /// Where the references of each object begin, and at last where all end.
    pub first: Vec<u32>,
    pub targets: Vec<u32>,
    /// A name's number or an index, as the kind says.
    pub labels: Vec<u32>,
    pub kinds: Vec<EdgeKind>,
}

/// How an object refers to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EdgeKind {
    /// A variable of a function.
    Context,
    /// An element of an array.
    Element,
    /// A property.
    Property,
    /// Something of V8's own, with a name.
    Internal,
    /// Something of V8's own, with a number.
    Hidden,
    /// From the root to a global object.
    Shortcut,
    Weak,
}

impl EdgeKind {
    /// Of the name in the snapshot's description.
    pub fn of(name: &str) -> Self {
        match name {
            "context" => Self::Context,
            "element" => Self::Element,
            "property" => Self::Property,
            "internal" => Self::Internal,
            "shortcut" => Self::Shortcut,
            "weak" => Self::Weak,
            _ => Self::Hidden,
        }
    }

    /// Whether the label is a name's number.
    pub fn is_named(self) -> bool {
        !matches!(self, Self::Element | Self::Hidden)
    }
}

impl Edges {
    /// The places of the references of `object`.
    pub fn of(&self, object: u32) -> std::ops::Range<usize> {
        self.first[object as usize] as usize..self.first[object as usize + 1] as usize
    }

    /// The objects that `object` refers to.
    pub fn targets_of(&self, object: u32) -> &[u32] {
        &self.targets[self.of(object)]
    }
}

impl Graph {
    pub fn len(&self) -> usize {
        self.classes.len()
    }
}

/// Items in groups by a key: those of one key after those of the one before, each group in the order of the items.
#[derive(Debug)]
pub struct Grouped {
    pub first: Vec<u32>,
    pub items: Vec<u32>,
}

impl Grouped {
    /// `pairs` is called twice, for pairs of key and item; keys are below `keys`.
    pub fn new<I: Iterator<Item = (u32, u32)>>(keys: usize, pairs: impl Fn() -> I) -> Self {
        let mut first = vec![0_u32; keys + 2];
        pairs().for_each(|(key, _)| first[key as usize + 2] += 1);
        for key in 2..first.len() {
            first[key] += first[key - 1];
        }
        let mut items = vec![0; first[keys + 1] as usize];
        // Each key's entry moves from its group's start to its end, which is the next one's start.
        for (key, item) in pairs() {
            let place = &mut first[key as usize + 1];
            items[*place as usize] = item;
            *place += 1;
        }
        first.pop();
        Self { first, items }
    }

    pub fn of(&self, key: u32) -> &[u32] {
        let (from, to) = (self.first[key as usize], self.first[key as usize + 1]);
        &self.items[from as usize..to as usize]
    }
}
