//! From the bytes of a snapshot to its [`Graph`].
//!
//! V8 writes the sections in the order in which they explain each other: the description, the objects, the references,
//! the strings at last; so by then it is known which strings name something. (V8, `HeapSnapshotJSONSerializer`; the fields
//! differ between versions and are taken from the description.)

use std::{collections::HashMap, io::Read};

use super::{
    graph::{EdgeKind, Edges, Graph, ROOT},
    scan::{ScanResult, Scanner},
};

/// Bytes; no machine has as much memory.
const LARGEST_OBJECT: u64 = 1 << 40;

/// Reads a snapshot of `length` bytes.
pub fn parse(reader: impl Read, length: u64) -> ScanResult<Graph> {
    let mut scanner = Scanner::new(reader);
    let mut builder = Builder { length, ..Builder::default() };
    scanner.object(|scanner, section| match section {
        "snapshot" => builder.read_description(scanner),
        "nodes" => builder.read_objects(scanner),
        "edges" => builder.read_references(scanner),
        "strings" => builder.read_strings(scanner),
        _ => scanner.skip(),
    })?;
    if builder.section != Section::Strings {
        return scanner.damaged("a section is missing");
    }
    Ok(builder.graph)
}

/// The latest section that was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Section {
    #[default]
    None,
    Description,
    Objects,
    References,
    Strings,
}

#[derive(Debug, Default)]
struct Builder {
    /// Bytes of the file: no count in it can be larger.
    length: u64,
    section: Section,
    description: Description,
    graph: Graph,
    /// References of each object, weak ones too.
    edge_counts: Vec<u32>,
    /// What names each object's class, until classes are known.
    class_keys: Vec<ClassKey>,
}

#[derive(Debug, Default)]
struct Description {
    node_fields: Vec<String>,
    node_types: Vec<String>,
    edge_fields: Vec<String>,
    edge_types: Vec<String>,
    node_count: u64,
    edge_count: u64,
}

/// A name's number, or a kind of object that has one class for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum ClassKey {
    Named(u32),
    Kind(u32),
}

/// Objects without properties are one class by kind, as in Chrome's views.
fn class_of_kind(kind: &str) -> String {
    match kind {
        "hidden" => "(system)".to_owned(),
        "code" => "(compiled code)".to_owned(),
        _ => format!("({kind})"),
    }
}

impl Builder {
    fn enter<R: Read>(&mut self, scanner: &Scanner<R>, section: Section) -> ScanResult<()> {
        if section as u8 != self.section as u8 + 1 {
            return scanner.damaged("the sections are not in V8's order");
        }
        self.section = section;
        Ok(())
    }

    fn read_description<R: Read>(&mut self, scanner: &mut Scanner<R>) -> ScanResult<()> {
        self.enter(scanner, Section::Description)?;
        let description = &mut self.description;
        scanner.object(|scanner, name| match name {
            "meta" => scanner.object(|scanner, name| match name {
                "node_fields" => read_texts(scanner, &mut description.node_fields),
                "edge_fields" => read_texts(scanner, &mut description.edge_fields),
                "node_types" => read_first_texts(scanner, &mut description.node_types),
                "edge_types" => read_first_texts(scanner, &mut description.edge_types),
                _ => scanner.skip(),
            }),
            "node_count" => scanner.number().map(|count| description.node_count = count),
            "edge_count" => scanner.number().map(|count| description.edge_count = count),
            _ => scanner.skip(),
        })?;
        let known = ["type", "name", "id", "self_size", "edge_count"];
        let described = known.iter().all(|name| field(&description.node_fields, name).is_some())
            && description.node_fields[0] == "type"
            && description.edge_fields == ["type", "name_or_index", "to_node"];
        if !described {
            return scanner.damaged("it describes fields that V8 does not write");
        }
        if description.node_count.max(description.edge_count) > self.length
            || self.length > u64::from(u32::MAX) * 8
        {
            return scanner.damaged("it promises more objects than it can hold");
        }
        Ok(())
    }

    fn read_objects<R: Read>(&mut self, scanner: &mut Scanner<R>) -> ScanResult<()> {
        self.enter(scanner, Section::Objects)?;
        let Self { description, graph, edge_counts, class_keys, length, .. } = self;
        let fields = &description.node_fields;
        let place = |name| field(fields, name).unwrap_or_default();
        let [name, id, size, edges] = ["name", "id", "self_size", "edge_count"].map(place);
        // Both have a name of their own; what others are called is their content.
        let is_named: Vec<bool> = description
            .node_types
            .iter()
            .map(|kind| kind == "object" || kind == "native")
            .collect();
        let count = description.node_count as usize;
        class_keys.reserve_exact(count);
        edge_counts.reserve_exact(count);
        graph.sizes.reserve_exact(count);
        graph.ids.reserve_exact(count);
        let mut row = vec![0_u64; fields.len()];
        let mut at = 0;
        scanner.array(|scanner| {
            row[at] = scanner.number()?;
            at += 1;
            if at < row.len() {
                return Ok(());
            }
            at = 0;
            let kind = small(scanner, row[0])?;
            class_keys.push(match is_named.get(kind as usize) {
                Some(true) if row[name] >= *length => {
                    return scanner.damaged("an object with a name that can't be there");
                }
                Some(true) => ClassKey::Named(small(scanner, row[name])?),
                Some(false) => ClassKey::Kind(kind),
                None => return scanner.damaged("an object of a kind that is not described"),
            });
            graph.ids.push(small(scanner, row[id])?);
            if row[size] > LARGEST_OBJECT {
                return scanner.damaged("an object is too large");
            }
            graph.sizes.push(row[size]);
            edge_counts.push(small(scanner, row[edges])?);
            Ok(())
        })?;
        if at != 0 || class_keys.len() != count || count == 0 {
            return scanner.damaged("there are not as many objects as it promises");
        }
        Ok(())
    }

    fn read_references<R: Read>(&mut self, scanner: &mut Scanner<R>) -> ScanResult<()> {
        self.enter(scanner, Section::References)?;
        let Self { description, graph, edge_counts, length, .. } = self;
        let kinds: Vec<EdgeKind> =
            description.edge_types.iter().map(|name| EdgeKind::of(name)).collect();
        let (objects, width) = (edge_counts.len() as u64, description.node_fields.len() as u64);
        let mut edges = Edges::default();
        edges.first.reserve_exact(edge_counts.len() + 1);
        let expected = description.edge_count as usize;
        edges.targets.reserve_exact(expected);
        edges.labels.reserve_exact(expected);
        edges.kinds.reserve_exact(expected);
        let mut source = Source { left: 0, next: 0, counts: edge_counts };
        let (mut row, mut at, mut count) = ([0; 3], 0, 0_usize);
        scanner.array(|scanner| {
            row[at] = scanner.number()?;
            at += 1;
            if at < row.len() {
                return Ok(());
            }
            at = 0;
            let [kind, label, target] = row;
            let Some(&kind) = kinds.get(kind as usize) else {
                return scanner.damaged("a reference of a kind that is not described");
            };
            if !source.advance(&mut edges) {
                return scanner.damaged("there are more references than objects have");
            }
            if target % width != 0 || target / width >= objects {
                return scanner.damaged("a reference to no object");
            }
            if kind.is_named() && label >= *length {
                return scanner.damaged("a reference with a name that can't be there");
            }
            count += 1;
            if keeps_alive(kind, source.next - 1) {
                edges.targets.push((target / width) as u32);
                edges.labels.push(small(scanner, label)?);
                edges.kinds.push(kind);
            }
            Ok(())
        })?;
        if !source.finish(&mut edges) || at != 0 || count != expected {
            return scanner.damaged("there are not as many references as it promises");
        }
        graph.edges = edges;
        graph.edge_count = count;
        self.edge_counts = Vec::new();
        Ok(())
    }

    fn read_strings<R: Read>(&mut self, scanner: &mut Scanner<R>) -> ScanResult<()> {
        self.enter(scanner, Section::Strings)?;
        let wanted = self.wanted_strings();
        let names = &mut self.graph.names;
        let mut at = 0_usize;
        scanner.array(|scanner| {
            if wanted.get(at).copied().unwrap_or(false) {
                names.insert(at as u32, scanner.text()?);
            } else {
                scanner.skip_text()?;
            }
            at += 1;
            Ok(())
        })?;
        if at < wanted.len() {
            return scanner.damaged("there are not as many strings as are used");
        }
        self.name_classes();
        Ok(())
    }

    /// Of each string up to the last that is used, whether it names a class or a reference.
    fn wanted_strings(&self) -> Vec<bool> {
        let Edges { labels, kinds, .. } = &self.graph.edges;
        let of_edges = labels.iter().zip(kinds).filter(|(_, kind)| kind.is_named());
        let of_classes = self.class_keys.iter().filter_map(|key| match key {
            ClassKey::Named(name) => Some(name),
            ClassKey::Kind(_) => None,
        });
        let mut wanted = Vec::new();
        for &name in of_edges.map(|(name, _)| name).chain(of_classes) {
            let name = name as usize;
            if name >= wanted.len() {
                wanted.resize(name + 1, false);
            }
            wanted[name] = true;
        }
        wanted
    }

    fn name_classes(&mut self) {
        let Self { description, graph, class_keys, .. } = self;
        let mut by_key = HashMap::new();
        let mut by_name = HashMap::new();
        let classes = class_keys.drain(..).map(|key| {
            *by_key.entry(key).or_insert_with(|| {
                let name = match key {
                    ClassKey::Named(name) => graph.names[&name].clone(),
                    ClassKey::Kind(kind) => class_of_kind(&description.node_types[kind as usize]),
                };
                let names = &mut graph.class_names;
                *by_name.entry(name).or_insert_with_key(|name| {
                    names.push(name.clone());
                    names.len() as u32 - 1
                })
            })
        });
        graph.classes = classes.collect();
        *class_keys = Vec::new();
    }
}

/// Whose references are being read.
struct Source<'counts> {
    /// Of the present object's references, those that were not read yet.
    left: u32,
    /// The object after the present one.
    next: usize,
    counts: &'counts [u32],
}

impl Source<'_> {
    /// Goes on to the object that the next reference belongs to; false if there is none.
    fn advance(&mut self, edges: &mut Edges) -> bool {
        while self.left == 0 {
            let Some(&count) = self.counts.get(self.next) else { return false };
            edges.first.push(edges.targets.len() as u32);
            self.left = count;
            self.next += 1;
        }
        self.left -= 1;
        true
    }

    /// Whether nothing is missing.
    fn finish(&mut self, edges: &mut Edges) -> bool {
        let rest = &self.counts[self.next..];
        let complete = self.left == 0 && rest.iter().all(|count| *count == 0);
        edges.first.resize(self.counts.len() + 1, edges.targets.len() as u32);
        complete
    }
}

/// Shortcuts are a view's, but for those from the root, which lead to the globals.
fn keeps_alive(kind: EdgeKind, source: usize) -> bool {
    match kind {
        EdgeKind::Weak => false,
        EdgeKind::Shortcut => source == ROOT as usize,
        _ => true,
    }
}

fn field(fields: &[String], name: &str) -> Option<usize> {
    fields.iter().position(|field| field == name)
}

fn small<R: Read>(scanner: &Scanner<R>, number: u64) -> ScanResult<u32> {
    u32::try_from(number).or_else(|_| scanner.damaged("a number is too large"))
}

fn read_texts<R: Read>(scanner: &mut Scanner<R>, texts: &mut Vec<String>) -> ScanResult<()> {
    scanner.array(|scanner| scanner.text().map(|text| texts.push(text)))
}

/// The strings of the first of several arrays: the types of the field `type`, which comes first.
fn read_first_texts<R: Read>(scanner: &mut Scanner<R>, texts: &mut Vec<String>) -> ScanResult<()> {
    let mut first = true;
    scanner.array(|scanner| {
        if std::mem::take(&mut first) { read_texts(scanner, texts) } else { scanner.skip() }
    })
}

#[cfg(test)]
mod tests;
