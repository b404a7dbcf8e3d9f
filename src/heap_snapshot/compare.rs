//! What grew between two summaries of one heap.

use std::collections::HashMap;

use super::{
    retaining::Step,
    summary::{Constructor, HeapSummary},
};

/// A constructor of which there are more objects, or more bytes, than before.
#[derive(Clone, Debug, PartialEq)]
pub struct Growth<'after> {
    pub name: &'after str,
    /// More objects than before.
    pub count: i64,
    /// More bytes of the objects themselves.
    pub shallow_size: i64,
    /// More bytes that would be freed with them.
    pub retained_size: i64,
    /// The way from the root to one of them, after.
    pub retaining: &'after [Step],
}

/// The constructors that grew from `before` to `after`, those that hold most more first.
pub fn growth<'after>(before: &HeapSummary, after: &'after HeapSummary) -> Vec<Growth<'after>> {
    let known: HashMap<&str, &Constructor> =
        before.constructors.iter().map(|known| (&*known.name, known)).collect();
    let mut grown: Vec<_> = after
        .constructors
        .iter()
        .map(|now| {
            let then = known.get(&*now.name);
            let then = then.map_or((0, 0, 0), |it| (it.count, it.shallow_size, it.retained_size));
            Growth {
                name: &now.name,
                count: now.count as i64 - then.0 as i64,
                shallow_size: now.shallow_size as i64 - then.1 as i64,
                retained_size: now.retained_size as i64 - then.2 as i64,
                retaining: &now.retaining,
            }
        })
        .filter(|growth| growth.count > 0 || growth.shallow_size > 0)
        .collect();
    grown.sort_by_key(|growth| (-growth.retained_size, -growth.shallow_size, growth.name));
    grown
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Object, summary};
    use super::*;

    #[test]
    fn tells_what_grew_and_what_holds_it() {
        let global = |count: u32| {
            let roots = [
                Object::new("synthetic", "", 0).edge("shortcut", "global", 1),
                Object::new("object", "global", 8).edge("property", "sessions", 2),
            ];
            let map = (0..count).fold(Object::new("object", "Map", 8), |map, index| {
                map.edge("element", index, 3 + index)
            });
            let sessions = (0..count).map(|_| Object::new("object", "Session", 100));
            roots.into_iter().chain([map]).chain(sessions).collect::<Vec<_>>()
        };
        let (before, after) = (summary(&global(2)), summary(&global(5)));
        let grown = growth(&before, &after);
        assert_eq!(grown.len(), 1, "the map itself has not grown");
        let Growth { name, count, shallow_size, retained_size, retaining } = &grown[0];
        assert_eq!((*name, *count, *shallow_size, *retained_size), ("Session", 3, 300, 300));
        let way: Vec<_> = retaining.iter().map(|step| &*step.by).collect();
        assert_eq!(way[..2], ["(global)", ".sessions"]);
        assert!(growth(&after, &before).is_empty());
    }
}
