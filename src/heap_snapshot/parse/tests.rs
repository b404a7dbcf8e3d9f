use super::super::testing::{EDGE_TYPES, NODE_TYPES, Object, json, written};
use super::*;
use crate::heap_snapshot::scan::ScanError;
use proptest::prelude::*;
use serde_json::Value;

fn parsed(text: &str) -> ScanResult<Graph> {
    parse(text.as_bytes(), text.len() as u64)
}

fn objects() -> impl Strategy<Value = Vec<Object>> {
    let edge = (0..EDGE_TYPES.len(), ".{0,3}", 0..1_000_u32, 0..1_000_u32);
    let object = (0..NODE_TYPES.len(), ".{0,4}", 0..1_u64 << 40, prop::collection::vec(edge, 0..4));
    prop::collection::vec(object, 1..20).prop_map(|drawn| {
        let count = drawn.len() as u32;
        let made = drawn.into_iter().map(|(kind, name, size, edges)| {
            let object = Object::new(NODE_TYPES[kind], &name, size);
            edges.into_iter().fold(object, |object, (kind, name, index, target)| {
                let kind = EDGE_TYPES[kind];
                let label = match EdgeKind::of(kind).is_named() {
                    true => Value::from(name),
                    false => Value::from(index),
                };
                object.edge(kind, label, target % count)
            })
        });
        made.collect()
    })
}

/// The class and the size of an object.
type Known = (String, u64);
/// From where, by what, and to where.
type Reference = (usize, String, usize);

/// The same from the tree that serde_json makes: names and sizes of objects, and the references that hold.
fn by_serde_json(text: &str) -> (Vec<Known>, Vec<Reference>) {
    let value: Value = serde_json::from_str(text).unwrap();
    let numbers = |name: &str| -> Vec<u64> { serde_json::from_value(value[name].clone()).unwrap() };
    let string = |number: u64| value["strings"][number as usize].as_str().unwrap().to_owned();
    let (nodes, edges) = (numbers("nodes"), numbers("edges"));
    let (mut found, mut references) = (Vec::new(), Vec::new());
    let mut rest = edges.chunks(3);
    for (from, node) in nodes.chunks(6).enumerate() {
        let name = match NODE_TYPES[node[0] as usize] {
            "object" | "native" => string(node[1]),
            kind => class_of_kind(kind),
        };
        found.push((name, node[3]));
        for edge in rest.by_ref().take(node[4] as usize) {
            let label = match EDGE_TYPES[edge[0] as usize] {
                "weak" => continue,
                "shortcut" if from != 0 => continue,
                "element" | "hidden" => edge[1].to_string(),
                _ => string(edge[1]),
            };
            references.push((from, label, edge[2] as usize / 6));
        }
    }
    (found, references)
}

proptest! {
    #[test]
    fn finds_what_serde_json_finds(objects in objects()) {
        let text = written(&json(&objects));
        let graph = parsed(&text).unwrap();
        let (expected, references) = by_serde_json(&text);
        let found = graph.classes.iter().zip(&graph.sizes).map(|(class, size)| {
            (graph.class_names[*class as usize].clone(), *size)
        });
        prop_assert_eq!(found.collect::<Vec<_>>(), expected);
        let mut kept = Vec::new();
        for from in 0..graph.len() {
            for edge in graph.edges.of(from as u32) {
                let label = graph.edges.labels[edge];
                let named = graph.edges.kinds[edge].is_named();
                let label = if named { graph.names[&label].clone() } else { label.to_string() };
                kept.push((from, label, graph.edges.targets[edge] as usize));
            }
        }
        prop_assert_eq!(kept, references);
    }

    /// Wherever the file is cut off, and whatever byte is another: an error with its place or a graph, never a panic.
    #[test]
    fn damage_is_told(objects in objects(), share in 0.0..1.0_f64, byte: u8) {
        let text = written(&json(&objects)).into_bytes();
        let at = (share * (text.len() - 2) as f64) as usize;
        let cut = parse(&text[..at], text.len() as u64);
        let told = matches!(cut, Err(ScanError::Damaged { offset, .. }) if offset == at as u64);
        prop_assert!(told, "{:?}", cut);
        let mut changed = text.clone();
        changed[at] = byte;
        if let Ok(graph) = parse(&*changed, text.len() as u64) {
            crate::heap_snapshot::HeapSummary::of(graph, 0);
        }
    }
}

#[test]
fn what_is_promised_must_be_there() {
    let whole = written(&json(&[Object::new("object", "A", 1).edge("property", "b", 0)]));
    let wrong = |from: &str, to: &str| {
        assert!(whole.contains(from), "{whole}");
        match parsed(&whole.replace(from, to)) {
            Err(ScanError::Damaged { reason, .. }) => reason,
            other => panic!("{other:?}"),
        }
    };
    let reasons = [
        wrong("\"node_count\":1", "\"node_count\":2"),
        wrong("\"edge_count\":1", "\"edge_count\":0"),
        wrong("\"edge_count\":1", "\"edge_count\":99999999999"),
        wrong("\"nodes\":[1,1,1,1,1,0]", "\"nodes\":[1,1,1,1,2,0]"),
        wrong("\"nodes\":[1,1,1,1,1,0]", "\"nodes\":[1,1,1,1,0,0]"),
        wrong("\"nodes\":[1,", "\"nodes\":[9,"),
        wrong("\"edges\":[2,2,0]", "\"edges\":[2,2,6]"),
        wrong("\"edges\":[2,2,0]", "\"edges\":[2,9,0]"),
        wrong("\"edges\":[2,2,0]", "\"edges\":[7,2,0]"),
        wrong("\"self_size\"", "\"size\""),
        wrong("\"edges\":", "\"other\":"),
    ];
    let far = wrong("\"nodes\":[1,1,", "\"nodes\":[1,3000000000,");
    assert_eq!(far, "an object with a name that can't be there");
    assert!(reasons.iter().all(|reason| !reason.contains("ends")), "{reasons:?}");
    assert!(matches!(parsed("{}"), Err(ScanError::Damaged { reason: "a section is missing", .. })));
}
