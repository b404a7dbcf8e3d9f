//! What a heap holds, by constructor, as the summary view of Chrome's developer tools counts it.

use super::{
    dominators::Dominators,
    graph::{Graph, Grouped, ROOT},
    retaining::{Step, Ways},
};

/// A heap by constructor.
#[derive(Clone, Debug, PartialEq)]
pub struct HeapSummary {
    pub objects: usize,
    pub references: usize,
    /// Bytes of all objects.
    pub size: u64,
    /// The newest object's id: those that an even later snapshot has beyond it were made since.
    pub newest: u32,
    /// Those that hold most first.
    pub constructors: Vec<Constructor>,
}

/// All objects of one constructor, or of one of V8's own kinds, such as `(string)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Constructor {
    pub name: String,
    pub count: usize,
    /// Bytes of the objects themselves.
    pub shallow_size: u64,
    /// Bytes that would be freed with them: an object that another of the same constructor holds counts once, in that.
    pub retained_size: u64,
    /// The way from the root to one of them that is held as most of the newer ones are.
    pub retaining: Vec<Step>,
}

impl HeapSummary {
    /// Ways lead to objects with ids beyond `newest_before`, where a constructor has such.
    pub fn of(graph: Graph, newest_before: u32) -> Self {
        let retained = RetainedSizes::of(&graph);
        let by_class = retained.by_class(&graph);
        drop(retained);
        let members = Grouped::new(graph.class_names.len(), || counted(&graph));
        let ways = Ways::of(&graph.edges, graph.len());
        let mut constructors: Vec<_> = (0..graph.class_names.len())
            .filter(|&class| !members.of(class as u32).is_empty())
            .map(|class| {
                let members = members.of(class as u32);
                let newer: Vec<u32> = members
                    .iter()
                    .copied()
                    .filter(|&at| is_newer(&graph, at, newest_before))
                    .collect();
                let compared = if newer.is_empty() { members } else { &newer };
                let typical = ways.typical(&graph, compared);
                Constructor {
                    name: graph.class_names[class].clone(),
                    count: members.len(),
                    shallow_size: members.iter().map(|&member| graph.sizes[member as usize]).sum(),
                    retained_size: by_class[class],
                    retaining: typical.map_or_else(Vec::new, |object| ways.to(&graph, object)),
                }
            })
            .collect();
        constructors.sort_by(|a, b| {
            b.retained_size.cmp(&a.retained_size).then_with(|| a.name.cmp(&b.name))
        });
        Self {
            objects: graph.len(),
            references: graph.edge_count,
            size: graph.sizes.iter().sum(),
            newest: graph.ids.iter().copied().filter(|id| is_of_heap(*id)).max().unwrap_or(0),
            constructors,
        }
    }
}

/// Classes and their objects, without those that only V8's view of the heap has.
fn counted(graph: &Graph) -> impl Iterator<Item = (u32, u32)> {
    let objects = graph.classes.iter().copied().zip(0..);
    objects.filter(|(_, object)| graph.sizes[*object as usize] > 0)
}

/// What embedders add has even ids, in no order.
fn is_of_heap(id: u32) -> bool {
    id % 2 == 1
}

fn is_newer(graph: &Graph, object: u32, newest_before: u32) -> bool {
    let id = graph.ids[object as usize];
    is_of_heap(id) && id > newest_before
}

/// Bytes that would be freed with each object that is reached.
struct RetainedSizes {
    dominators: Dominators,
    /// In the order of `dominators`.
    bytes: Vec<u64>,
}

impl RetainedSizes {
    fn of(graph: &Graph) -> Self {
        let dominators = Dominators::of(&graph.edges, graph.len(), ROOT);
        let own = dominators.order.iter().map(|&object| graph.sizes[object as usize]);
        let mut bytes: Vec<u64> = own.collect();
        // Whoever dominates comes earlier in the order.
        for place in (1..bytes.len()).rev() {
            bytes[dominators.parents[place] as usize] += bytes[place];
        }
        Self { dominators, bytes }
    }

    /// The sum for each class over its objects that no other of the class dominates. What is not reached, and so about
    /// to be collected, holds itself only.
    fn by_class(&self, graph: &Graph) -> Vec<u64> {
        let Dominators { order, parents } = &self.dominators;
        let children = Grouped::new(order.len(), || parents.iter().copied().zip(0..).skip(1));
        let class_of = |place: u32| graph.classes[order[place as usize] as usize] as usize;
        let mut sums = vec![0; graph.class_names.len()];
        // How many objects of the class are open, from the root down to the present one.
        let mut open = vec![0_u32; graph.class_names.len()];
        let mut next = vec![(ROOT, 0_usize)];
        while let Some((place, child)) = next.last_mut() {
            let (class, children) = (class_of(*place), children.of(*place));
            if *child == 0 {
                if open[class] == 0 {
                    sums[class] += self.bytes[*place as usize];
                }
                open[class] += 1;
            }
            match children.get(*child) {
                Some(&below) => {
                    *child += 1;
                    next.push((below, 0));
                }
                None => {
                    open[class] -= 1;
                    next.pop();
                }
            }
        }
        let mut reached = vec![false; graph.len()];
        order.iter().for_each(|&object| reached[object as usize] = true);
        for (object, _) in reached.iter().enumerate().filter(|(_, reached)| !**reached) {
            sums[graph.classes[object] as usize] += graph.sizes[object];
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Object, graph, summary};
    use super::*;

    fn of<'summary>(summary: &'summary HeapSummary, name: &str) -> &'summary Constructor {
        summary.constructors.iter().find(|found| found.name == name).unwrap()
    }

    /// A tree of nodes that hold nodes, a string that two objects share, and garbage.
    fn heap() -> Vec<Object> {
        vec![
            Object::new("synthetic", "", 0).edge("element", 1, 1).edge("element", 2, 4),
            Object::new("object", "Tree", 10)
                .edge("property", "left", 2)
                .edge("property", "right", 3),
            Object::new("object", "Tree", 10).edge("property", "name", 5),
            Object::new("object", "Tree", 10),
            Object::new("object", "Owner", 20)
                .edge("property", "name", 5)
                .edge("internal", "own", 6),
            Object::new("string", "shared", 1_000),
            Object::new("string", "own", 300),
            Object::new("native", "Garbage", 7).edge("property", "name", 8),
            Object::new("string", "garbage", 9),
        ]
    }

    #[test]
    fn sums_are_those_of_chromes_summary_view() {
        let summary = summary(&heap());
        assert_eq!((summary.objects, summary.references, summary.size), (9, 8, 1_366));
        assert_eq!(summary.newest, 17);
        let figures = |name| {
            let found = of(&summary, name);
            (found.count, found.shallow_size, found.retained_size)
        };
        assert_eq!(
            figures("Tree"),
            (3, 30, 30),
            "what is shared belongs to nobody, trees count once"
        );
        assert_eq!(figures("Owner"), (1, 20, 320));
        assert_eq!(figures("(string)"), (3, 1_309, 1_309));
        assert_eq!(figures("Garbage"), (1, 7, 7), "it is collected soon and holds itself");
        assert!(
            summary.constructors.is_sorted_by_key(|found| std::cmp::Reverse(found.retained_size))
        );
        assert!(summary.constructors.iter().all(|found| found.name != "(synthetic)"));
    }

    #[test]
    fn ways_lead_to_what_is_newer() {
        let to = |newest| HeapSummary::of(graph(&heap()), newest);
        let by = |summary: &HeapSummary| {
            of(summary, "Tree").retaining.last().map(|step| step.by.clone()).unwrap()
        };
        assert_eq!(by(&to(5)), ".right");
        assert_eq!(of(&to(u32::MAX), "Owner").retaining.len(), 1);
    }

    #[test]
    fn no_bytes_are_lost_above_the_root() {
        let graph = graph(&heap());
        let retained = RetainedSizes::of(&graph);
        assert_eq!(retained.bytes[0], 1_350, "all that is reached");
    }
}
