//! Reports on disk: whole or not at all, through the file engine.

use std::path::Path;

use napi::Status;
use napi_derive::napi;

use super::settle::{Settler, Ticket};
use crate::{
    benchmark::report::{self, Format},
    error::{Error, Result},
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

/// Writes a benchmark report in JSON to `path` in a format for people or machines.
#[napi(catch_unwind)]
pub fn save_benchmark_report(
    settler: &Settler,
    ticket: Ticket,
    path: String,
    json: String,
    #[napi(ts_arg_type = "'html' | 'markdown' | 'junit'")] format: String,
) {
    save_text(settler, ticket, path, move || report::render(&json, named(&format)?));
}

/// Writes a memory report in JSON to `path` as a page of HTML.
#[napi(catch_unwind)]
pub fn save_memory_page(settler: &Settler, ticket: Ticket, path: String, json: String) {
    save_text(settler, ticket, path, move || memory::report::html(&json));
}

fn save_text(
    settler: &Settler,
    ticket: Ticket,
    path: String,
    text: impl FnOnce() -> Result<String> + Send + 'static,
) {
    settler.reporter().spawn_blocking(ticket, move || {
        files::write(Path::new(&path), text()?.as_bytes(), WriteOptions::default())
    });
}

/// A benchmark report in JSON as text of a format.
#[napi(catch_unwind)]
pub fn render_benchmark_report(
    json: String,
    #[napi(ts_arg_type = "'html' | 'markdown' | 'junit'")] format: String,
) -> napi::Result<String> {
    named(&format)
        .and_then(|format| report::render(&json, format))
        .map_err(|error| napi::Error::new(Status::InvalidArg, error.to_string()))
}

fn named(format: &str) -> Result<Format> {
    Format::named(format).ok_or_else(|| Error::InvalidReport(format!("no format {format}")))
}
