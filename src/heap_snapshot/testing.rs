//! Small heaps for tests, written as V8 writes them.

use serde_json::{Value, json};

use super::{
    graph::{EdgeKind, Edges, Graph},
    parse::parse,
    summary::HeapSummary,
};

pub const NODE_TYPES: [&str; 5] = ["hidden", "object", "string", "synthetic", "native"];
pub const EDGE_TYPES: [&str; 7] =
    ["context", "element", "property", "internal", "hidden", "shortcut", "weak"];

/// An object and its references.
#[derive(Clone, Debug)]
pub struct Object {
    pub kind: &'static str,
    pub name: String,
    pub size: u64,
    pub edges: Vec<(&'static str, Value, u32)>,
}

impl Object {
    pub fn new(kind: &'static str, name: &str, size: u64) -> Self {
        Self { kind, name: name.to_owned(), size, edges: Vec::new() }
    }

    /// With a reference more; the label is a name or an index, as the kind wants it.
    pub fn edge(mut self, kind: &'static str, label: impl Into<Value>, target: u32) -> Self {
        self.edges.push((kind, label.into(), target));
        self
    }
}

/// The file that V8 would write. The ids are 1, 3, 5, ….
pub fn json(objects: &[Object]) -> Value {
    let mut strings: Vec<String> = vec!["unused \\ \"text\"".to_owned()];
    let mut number = |text: &str| {
        let known = strings.iter().position(|known| known == text);
        known.unwrap_or_else(|| {
            strings.push(text.to_owned());
            strings.len() - 1
        })
    };
    let place = |names: &[&str], name: &str| names.iter().position(|known| *known == name).unwrap();
    let (mut nodes, mut edges) = (Vec::new(), Vec::new());
    for (index, Object { kind, name, size, edges: references }) in objects.iter().enumerate() {
        let kind = place(&NODE_TYPES, kind) as u64;
        let id = 2 * index as u64 + 1;
        nodes.extend([kind, number(name) as u64, id, *size, references.len() as u64, 0]);
        for (kind, label, target) in references {
            let label = label.as_u64().unwrap_or_else(|| number(label.as_str().unwrap()) as u64);
            edges.extend([place(&EDGE_TYPES, kind) as u64, label, u64::from(*target) * 6]);
        }
    }
    json!({
        "snapshot": {
            "meta": {
                "node_fields": ["type", "name", "id", "self_size", "edge_count", "detachedness"],
                "node_types": [NODE_TYPES, "string", "number", "number", "number", "number"],
                "edge_fields": ["type", "name_or_index", "to_node"],
                "edge_types": [EDGE_TYPES, "string_or_number", "node"],
                "location_fields": ["object_index"],
            },
            "node_count": objects.len(),
            "edge_count": edges.len() / 3,
            "extra_native_bytes": -1.5,
        },
        "nodes": nodes,
        "edges": edges,
        "trace_tree": [1, [2, [null, "]"]], {}],
        "strings": strings,
    })
}

/// Members in V8's order, which `serde_json::Value` does not keep.
pub fn written(value: &Value) -> String {
    let members = ["snapshot", "nodes", "edges", "trace_tree", "strings"]
        .map(|name| format!("\"{name}\":{}", value[name]));
    format!("{{{}}}\n", members.join(",\n"))
}

pub fn graph(objects: &[Object]) -> Graph {
    let text = written(&json(objects));
    parse(text.as_bytes(), text.len() as u64).unwrap()
}

pub fn summary(objects: &[Object]) -> HeapSummary {
    HeapSummary::of(graph(objects), 0)
}

/// References without names.
pub fn edges(objects: usize, pairs: impl Iterator<Item = (u32, u32)>) -> Edges {
    let mut pairs: Vec<_> = pairs.collect();
    pairs.sort_by_key(|(from, _)| *from);
    let first =
        (0..=objects as u32).map(|object| pairs.partition_point(|(from, _)| *from < object));
    Edges {
        first: first.map(|place| place as u32).collect(),
        targets: pairs.iter().map(|(_, to)| *to).collect(),
        labels: vec![0; pairs.len()],
        kinds: vec![EdgeKind::Hidden; pairs.len()],
    }
}
