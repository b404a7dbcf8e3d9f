//! Heap snapshots: summed up on another thread, compared here.

use std::path::PathBuf;

use napi_derive::napi;

use super::settle::{Settler, Ticket};
use crate::heap_snapshot::{
    self, HeapSummary, Step,
    compare::{self, Growth},
};

/// One object on the way from the root.
#[napi(object, object_from_js = false)]
pub struct RetainingStep {
    pub by: String,
    pub name: String,
    pub id: u32,
}

fn steps(way: &[Step]) -> Vec<RetainingStep> {
    let step = |Step { by, name, id }: &Step| RetainingStep {
        by: by.clone(),
        name: name.clone(),
        id: *id,
    };
    way.iter().map(step).collect()
}

#[napi(object, object_from_js = false)]
pub struct HeapConstructor {
    pub name: String,
    pub count: f64,
    pub shallow_size: f64,
    pub retained_size: f64,
}

#[napi(object, object_from_js = false)]
pub struct HeapFigures {
    pub objects: f64,
    pub references: f64,
    pub size: f64,
    pub constructors: Vec<HeapConstructor>,
}

/// More objects or bytes of one constructor.
#[napi(object, object_from_js = false)]
pub struct HeapGrowth {
    pub name: String,
    pub count: f64,
    pub shallow_size: f64,
    pub retained_size: f64,
    pub retaining_path: Vec<RetainingStep>,
}

impl From<Growth<'_>> for HeapGrowth {
    fn from(grown: Growth) -> Self {
        Self {
            name: grown.name.to_owned(),
            count: grown.count as f64,
            shallow_size: grown.shallow_size as f64,
            retained_size: grown.retained_size as f64,
            retaining_path: steps(grown.retaining),
        }
    }
}

/// What a snapshot says, with the ways that a comparison will show.
#[napi]
pub struct NativeHeapSummary {
    summary: HeapSummary,
}

#[napi]
impl NativeHeapSummary {
    /// The newest object's id.
    #[napi(getter)]
    pub fn newest(&self) -> u32 {
        self.summary.newest
    }

    #[napi(catch_unwind)]
    pub fn figures(&self) -> HeapFigures {
        let HeapSummary { objects, references, size, ref constructors, .. } = self.summary;
        let constructors = constructors.iter().map(|found| HeapConstructor {
            name: found.name.clone(),
            count: found.count as f64,
            shallow_size: found.shallow_size as f64,
            retained_size: found.retained_size as f64,
        });
        HeapFigures {
            objects: objects as f64,
            references: references as f64,
            size: size as f64,
            constructors: constructors.collect(),
        }
    }

    /// What grew from the snapshot `before` to this one.
    #[napi(catch_unwind)]
    pub fn growth_since(&self, before: &NativeHeapSummary) -> Vec<HeapGrowth> {
        let grown = compare::growth(&before.summary, &self.summary);
        grown.into_iter().map(HeapGrowth::from).collect()
    }
}

/// Settles `ticket` with the `NativeHeapSummary` of the file at `path`.
#[napi(catch_unwind)]
pub fn summarise_heap_snapshot(
    settler: &Settler,
    ticket: Ticket,
    path: String,
    newest_before: u32,
) {
    settler.reporter().spawn_blocking(ticket, move || {
        let summary = heap_snapshot::summarise(&PathBuf::from(path), newest_before)?;
        Ok(NativeHeapSummary { summary })
    });
}
