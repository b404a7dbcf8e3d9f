//! Which object holds another alone: the dominator tree.
//!
//! An object dominates another if every way from the root to that leads through it, so that all it dominates is freed with
//! it. Found by the algorithm Semi-NCA (Georgiadis, Tarjan and Werneck, Finding Dominators in Practice, J. Graph
//! Algorithms and Applications 10, 2006): semidominators as Lengauer and Tarjan find them, with path compression, then for
//! each object the nearest common ancestor of its semidominator and its parent. Without recursion, as lists
//! can be millions of objects long.

use super::graph::{Edges, Grouped, NONE};

/// The objects that are reached, in the order of a depth-first search, and who dominates each at once.
#[derive(Debug)]
pub struct Dominators {
    pub order: Vec<u32>,
    /// The place in `order` of the immediate dominator of the object at the same place; the root's own is its own.
    pub parents: Vec<u32>,
}

impl Dominators {
    /// Of all that `root` reaches.
    pub fn of(edges: &Edges, objects: usize, root: u32) -> Self {
        let Search { order, parents, places } = Search::run(edges, objects, root);
        let predecessors = Grouped::new(order.len(), || {
            order
                .iter()
                .zip(0..)
                .flat_map(|(&object, place)| {
                    let targets = edges.targets_of(object).iter();
                    targets.map(move |&target| (target, place))
                })
                .map(|(target, place)| (places[target as usize], place))
        });
        drop(places);
        let semidominators = semidominators(&parents, &predecessors);
        let mut dominators = parents;
        for place in 1..dominators.len() {
            let mut candidate = dominators[place];
            while candidate > semidominators[place] {
                candidate = dominators[candidate as usize];
            }
            dominators[place] = candidate;
        }
        Self { order, parents: dominators }
    }
}

/// A depth-first search.
struct Search {
    order: Vec<u32>,
    /// The places in `order` of those from which others were found.
    parents: Vec<u32>,
    /// Of each object in `order`.
    places: Vec<u32>,
}

impl Search {
    fn run(edges: &Edges, objects: usize, root: u32) -> Self {
        let mut search =
            Self { order: Vec::new(), parents: Vec::new(), places: vec![NONE; objects] };
        // Each with the references that were not followed yet.
        let mut open = vec![(search.visit(root, 0), edges.of(root))];
        while let Some((place, rest)) = open.last_mut() {
            let Some(edge) = rest.next() else {
                open.pop();
                continue;
            };
            let target = edges.targets[edge];
            if search.places[target as usize] == NONE {
                let found = search.visit(target, *place);
                open.push((found, edges.of(target)));
            }
        }
        search
    }

    fn visit(&mut self, object: u32, parent: u32) -> u32 {
        let place = self.order.len() as u32;
        self.places[object as usize] = place;
        self.order.push(object);
        self.parents.push(parent);
        place
    }
}

/// For each place the least one from which a way leads there through greater ones only.
fn semidominators(parents: &[u32], predecessors: &Grouped) -> Vec<u32> {
    let mut forest = Forest {
        ancestors: parents.to_vec(),
        labels: (0..parents.len() as u32).collect(),
        semidominators: (0..parents.len() as u32).collect(),
        path: Vec::new(),
    };
    for place in (1..parents.len() as u32).rev() {
        let mut least = parents[place as usize];
        for &predecessor in predecessors.of(place) {
            least = least.min(forest.least_above(predecessor, place + 1));
        }
        forest.semidominators[place as usize] = least;
    }
    forest.semidominators
}

/// Those that were handled already, linked to their parents.
struct Forest {
    /// Parents first, later shortcuts towards the roots.
    ancestors: Vec<u32>,
    /// Between a place and its ancestor, the place with the least semidominator.
    labels: Vec<u32>,
    semidominators: Vec<u32>,
    path: Vec<u32>,
}

impl Forest {
    /// The least semidominator between `place` and the root of its tree, that excluded; those from `linked` on are linked.
    fn least_above(&mut self, place: u32, linked: u32) -> u32 {
        let mut top = place;
        while self.ancestors[top as usize] >= linked {
            self.path.push(top);
            top = self.ancestors[top as usize];
        }
        // From the top down, each takes over what the one above it knows.
        while let Some(lower) = self.path.pop() {
            let (above, lower) = (top as usize, lower as usize);
            if self.least(above) < self.least(lower) {
                self.labels[lower] = self.labels[above];
            }
            self.ancestors[lower] = self.ancestors[above];
            top = lower as u32;
        }
        self.least(place as usize)
    }

    fn least(&self, place: usize) -> u32 {
        self.semidominators[self.labels[place] as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::super::{graph::ROOT, testing::edges};
    use super::*;
    use proptest::prelude::*;

    /// The objects that are reached without passing `without`.
    fn reached(edges: &Edges, objects: usize, without: u32) -> Vec<bool> {
        let mut seen = vec![false; objects];
        let mut open = if without == ROOT { vec![] } else { vec![ROOT] };
        while let Some(object) = open.pop() {
            if !std::mem::replace(&mut seen[object as usize], true) {
                let targets = edges.targets_of(object).iter();
                open.extend(targets.filter(|target| **target != without));
            }
        }
        seen
    }

    #[test]
    fn a_long_list_needs_no_stack() {
        let count = 1_000_000;
        let list = edges(count, (1..count as u32).map(|at| (at - 1, at)));
        let Dominators { order, parents } = Dominators::of(&list, count, ROOT);
        assert_eq!(order.len(), count);
        assert!((1..count).all(|at| parents[at] as usize == at - 1));
    }

    proptest! {
        /// By definition: who is dominated can't be reached any more when the dominator is taken away.
        #[test]
        fn agrees_with_the_definition(
            objects in 1..14_usize,
            pairs in prop::collection::vec((0..14_u32, 0..14_u32), 0..40),
        ) {
            let pairs = pairs.into_iter().map(|(a, b)| (a % objects as u32, b % objects as u32));
            let graph = edges(objects, pairs);
            let Dominators { order, parents } = Dominators::of(&graph, objects, ROOT);
            let everything = reached(&graph, objects, NONE);
            prop_assert_eq!(order.len(), everything.iter().filter(|seen| **seen).count());
            for dominator in 0..objects as u32 {
                let left = reached(&graph, objects, dominator);
                for (mut place, &object) in order.iter().enumerate() {
                    let mut above = order[place] == dominator;
                    while place != 0 && !above {
                        place = parents[place] as usize;
                        above = order[place] == dominator;
                    }
                    prop_assert_eq!(above, !left[object as usize], "{} above {}", dominator, object);
                }
            }
        }
    }
}
