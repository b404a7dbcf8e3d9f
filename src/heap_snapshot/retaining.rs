//! Why an object lives: the shortest way from the root to it.
//!
//! What global variables lead to is searched first, and only what these do not reach from V8's own roots: a way through a
//! variable says more than one of the same length through V8's tables.

use std::collections::{HashMap, VecDeque};

use super::graph::{EdgeKind, Edges, Graph, NONE, ROOT};

/// One object on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// How the object before holds it: `.name`, `[4]`, a variable's `name`, or what V8 calls it in brackets.
    pub by: String,
    /// The class of the object.
    pub name: String,
    /// V8's name for it, as Chrome shows it after an `@`.
    pub id: u32,
}

/// A way is cut in its middle to twice so many steps: a list can have millions.
const SHOWN_AT_EACH_END: usize = 50;

/// Of so many objects of a class the ways are compared, to show the most common.
const COMPARED: usize = 32;
/// Up to so many steps from the object.
const COMPARED_STEPS: usize = 12;

/// The reference by which each object is reached first.
#[derive(Debug)]
pub struct Ways {
    /// The place of the reference, and the object that has it.
    from: Vec<(u32, u32)>,
}

impl Ways {
    pub fn of(edges: &Edges, objects: usize) -> Self {
        let mut ways = Self { from: vec![(NONE, NONE); objects] };
        let globals = edges.of(ROOT).filter(|&edge| edges.kinds[edge] == EdgeKind::Shortcut);
        let mut open = VecDeque::new();
        for edge in globals {
            ways.reach(edges, edge, ROOT, &mut open);
        }
        ways.search(edges, &mut open);
        open.push_back(ROOT);
        ways.search(edges, &mut open);
        ways
    }

    fn search(&mut self, edges: &Edges, open: &mut VecDeque<u32>) {
        while let Some(object) = open.pop_front() {
            for edge in edges.of(object) {
                self.reach(edges, edge, object, open);
            }
        }
    }

    fn reach(&mut self, edges: &Edges, edge: usize, object: u32, open: &mut VecDeque<u32>) {
        let target = edges.targets[edge];
        let way = &mut self.from[target as usize];
        if target != ROOT && way.0 == NONE {
            *way = (edge as u32, object);
            open.push_back(target);
        }
    }

    /// References and their targets, from `object` back to the root.
    fn back(&self, object: u32) -> impl Iterator<Item = (u32, u32)> {
        let mut object = object;
        std::iter::from_fn(move || {
            let (edge, holder) = self.from[object as usize];
            (edge != NONE).then(|| (edge, std::mem::replace(&mut object, holder)))
        })
    }

    /// The way to `object`, from the root; empty if nothing holds it.
    pub fn to(&self, graph: &Graph, object: u32) -> Vec<Step> {
        let mut way: Vec<_> = self.back(object).collect();
        way.reverse();
        let step = |&(edge, target): &(u32, u32)| Step {
            by: label(graph, edge as usize),
            name: graph.class_names[graph.classes[target as usize] as usize].clone(),
            id: graph.ids[target as usize],
        };
        if way.len() <= 2 * SHOWN_AT_EACH_END {
            return way.iter().map(step).collect();
        }
        let (first, rest) = way.split_at(SHOWN_AT_EACH_END);
        let (middle, last) = rest.split_at(rest.len() - SHOWN_AT_EACH_END);
        let name = format!("({} more steps)", middle.len());
        let cut = Step { by: "…".to_owned(), name, id: 0 };
        first.iter().map(step).chain([cut]).chain(last.iter().map(step)).collect()
    }

    /// Of objects of one class, one that is held as most are.
    pub fn typical(&self, graph: &Graph, objects: &[u32]) -> Option<u32> {
        let every = objects.len().div_ceil(COMPARED).max(1);
        let mut alike: HashMap<Vec<(u32, u32)>, (usize, u32)> = HashMap::new();
        for &object in objects.iter().step_by(every) {
            let end = self.back(object).take(COMPARED_STEPS);
            let shape = end.map(|(edge, target)| {
                let edge = edge as usize;
                let named = graph.edges.kinds[edge].is_named();
                let label = if named { graph.edges.labels[edge] } else { NONE };
                (label, graph.classes[target as usize])
            });
            alike.entry(shape.collect()).or_insert((0, object)).0 += 1;
        }
        let commonest = alike.into_values().max_by_key(|&(count, object)| (count, NONE - object));
        commonest.map(|(_, object)| object)
    }
}

fn label(graph: &Graph, edge: usize) -> String {
    let label = graph.edges.labels[edge];
    let name = || graph.names.get(&label).map_or("", String::as_str);
    match graph.edges.kinds[edge] {
        EdgeKind::Property => format!(".{}", name()),
        EdgeKind::Element => format!("[{label}]"),
        EdgeKind::Context => name().to_owned(),
        EdgeKind::Shortcut => "(global)".to_owned(),
        EdgeKind::Internal | EdgeKind::Weak => format!("({})", name()),
        EdgeKind::Hidden => format!("({label})"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Object, graph};
    use super::*;

    fn way(objects: &[Object], to: u32) -> Vec<String> {
        let graph = graph(objects);
        let ways = Ways::of(&graph.edges, graph.len());
        ways.to(&graph, to).into_iter().map(|step| format!("{} {}", step.by, step.name)).collect()
    }

    #[test]
    fn a_way_through_a_variable_comes_before_a_shorter_one() {
        let objects = [
            Object::new("synthetic", "", 0).edge("element", 1, 1).edge("shortcut", "global", 2),
            Object::new("synthetic", "(roots)", 0).edge("internal", "table", 4),
            Object::new("object", "global", 8).edge("property", "cache", 3),
            Object::new("object", "Map", 8).edge("element", 7, 4).edge("weak", "gone", 5),
            Object::new("object", "Session", 8),
            Object::new("object", "Session", 8),
        ];
        assert_eq!(way(&objects, 4), ["(global) global", ".cache Map", "[7] Session"]);
        assert_eq!(way(&objects, 5), [""; 0], "a weak reference holds nothing");
        assert_eq!(way(&objects, 1), ["[1] (synthetic)"]);
    }

    #[test]
    fn the_middle_of_a_long_list_is_cut() {
        let list =
            (1..1_000).map(|next| Object::new("object", "Node", 8).edge("property", "next", next));
        let mut objects: Vec<_> = list.collect();
        objects.push(Object::new("object", "Node", 8));
        let way = way(&objects, 999);
        assert_eq!(way.len(), 101);
        assert_eq!((&*way[50], &*way[100]), ("… (899 more steps)", ".next Node"));
    }

    #[test]
    fn the_way_that_most_have_is_typical() {
        let mut objects = vec![
            Object::new("synthetic", "", 0).edge("shortcut", "global", 1),
            Object::new("object", "global", 8)
                .edge("property", "rare", 3)
                .edge("property", "all", 2),
            Object::new("object", "Array", 8),
        ];
        for index in 0..5 {
            objects.push(Object::new("object", "Row", 8));
            if index > 0 {
                objects[2] = objects[2].clone().edge("element", index, 3 + index);
            }
        }
        let graph = graph(&objects);
        let ways = Ways::of(&graph.edges, graph.len());
        assert_eq!(ways.typical(&graph, &[3, 4, 5, 6, 7]), Some(4));
        assert_eq!(ways.typical(&graph, &[]), None);
    }
}
