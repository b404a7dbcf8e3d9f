//! Reports on disk: whole or not at all, through the file engine.

use std::path::Path;

use napi_derive::napi;

use super::settle::{Settler, Ticket};
use crate::{
    benchmark,
    error::Result,
    files::{self, WriteOptions},
    memory,
};

/// Writes `text` to `path` as it is.
#[napi(catch_unwind)]
pub fn save_report(settler: &Settler, ticket: Ticket, path: String, text: String) {
    settler.reporter().spawn_blocking(ticket, move || {
        files::write(Path::new(&path), text.as_bytes(), WriteOptions::default())
    });
}

/// Writes a benchmark report in JSON to `path` as a page of HTML.
#[napi(catch_unwind)]
pub fn save_report_page(settler: &Settler, ticket: Ticket, path: String, json: String) {
    save_page(settler, ticket, path, move || benchmark::report::html(&json));
}

/// Writes a memory report in JSON to `path` as a page of HTML.
#[napi(catch_unwind)]
pub fn save_memory_page(settler: &Settler, ticket: Ticket, path: String, json: String) {
    save_page(settler, ticket, path, move || memory::report::html(&json));
}

fn save_page(
    settler: &Settler,
    ticket: Ticket,
    path: String,
    page: impl FnOnce() -> Result<String> + Send + 'static,
) {
    settler.reporter().spawn_blocking(ticket, move || {
        files::write(Path::new(&path), page()?.as_bytes(), WriteOptions::default())
    });
}
