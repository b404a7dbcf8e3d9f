//! Folders of repositories: listings, and the mirror.

use std::{path::PathBuf, sync::Arc};

use napi::{Env, bindgen_prelude::Object};
use napi_derive::napi;
use parking_lot::Mutex;

use super::{
    errors,
    http::{NativeFetcher, millis},
    settle::{Reporter, Settler, Ticket},
};
use crate::{
    error::Error,
    github::{
        directory::{Entry, Listing, Progress},
        url,
    },
    mirror::{self, Outcome, Source, Tally},
};

fn pairs(flat: Vec<String>) -> Vec<(String, String)> {
    let mut flat = flat.into_iter();
    std::iter::from_fn(|| flat.next().zip(flat.next())).collect()
}

/// What a listing needs next.
#[napi(object)]
pub struct NativeListingStep {
    /// The URLs to ask; none when all is known.
    pub requests: Vec<String>,
    /// The index of an answer whose failure ends the listing.
    pub failed: Option<u32>,
}

/// A folder of a repository: first listed (`github::directory`), then mirrored.
#[napi]
pub struct NativeDirectory {
    address: Address,
    listing: Arc<Mutex<Option<Listing>>>,
    reporter: Reporter,
}

/// Which folder.
#[napi(object)]
#[derive(Clone)]
pub struct Address {
    pub base_url: String,
    /// `owner/name`
    pub repository: String,
    pub folder: String,
    pub reference: String,
}

/// How to mirror.
#[napi(object)]
pub struct NativeMirrorOptions {
    /// Sent with every request: names and values in turn.
    pub headers: Vec<String>,
    pub destination: String,
    pub concurrency: u32,
    /// Milliseconds for each file.
    pub timeout: Option<f64>,
}

/// What became of all files so far; see `mirror::Tally`.
#[napi(object)]
pub struct NativeTally {
    pub total: u32,
    pub downloaded: u32,
    pub unchanged: u32,
    pub skipped: u32,
    pub failed: u32,
    pub bytes: f64,
}

impl From<Tally> for NativeTally {
    fn from(tally: Tally) -> Self {
        Self {
            total: tally.total as u32,
            downloaded: tally.downloaded as u32,
            unchanged: tally.unchanged as u32,
            skipped: tally.skipped as u32,
            failed: tally.failed as u32,
            bytes: tally.bytes as f64,
        }
    }
}

#[napi]
impl NativeDirectory {
    #[napi(constructor, catch_unwind)]
    pub fn new(settler: &Settler, address: Address) -> Self {
        Self { address, listing: Arc::default(), reporter: settler.reporter() }
    }

    /// Settles `ticket` with the first step.
    #[napi(catch_unwind)]
    pub fn start(&self, ticket: Ticket) {
        let Address { base_url, repository, folder, reference } = &self.address;
        let step = Listing::new(base_url, repository, folder, reference).map(|listing| {
            let requests = listing.requests();
            *self.listing.lock() = Some(listing);
            NativeListingStep { requests, failed: None }
        });
        self.reporter.report(ticket, step);
    }

    /// Settles `ticket` with the next step. The answers are JSON, each `{ value }` or `{ failed: status }`.
    #[napi(catch_unwind)]
    pub fn accept(&self, ticket: Ticket, answers: String) {
        let listing = Arc::clone(&self.listing);
        self.reporter.spawn_blocking(ticket, move || {
            let mut listing = listing.lock();
            let listing = listing.as_mut().ok_or(Error::Aborted)?;
            let failed = match listing.accept(&answers)? {
                Progress::Continue => None,
                Progress::Failed(index) => Some(index as u32),
            };
            Ok(NativeListingStep { requests: listing.requests(), failed })
        });
    }

    /// Mirrors what was listed, with files that the `fetcher` asks for. Sends an event for each file and settles `ticket` with the tally.
    #[napi(catch_unwind)]
    pub fn mirror(&self, ticket: Ticket, options: NativeMirrorOptions, fetcher: &NativeFetcher) {
        let source = Source {
            fetcher: fetcher.fetcher(),
            timeout: options.timeout.map(millis),
            raw_base: url::raw_base(&self.address.base_url),
            repository: self.address.repository.clone(),
            reference: self.address.reference.clone(),
            headers: pairs(options.headers),
        };
        let listing = self.listing.lock().take();
        let destination = PathBuf::from(options.destination);
        let events = self.reporter.clone();
        self.reporter.spawn(ticket, move |cancel| async move {
            let entries = listing.ok_or(Error::Aborted)?.into_entries()?;
            let concurrency = options.concurrency as usize;
            let report = |entry: &Entry, outcome, tally: Tally| {
                let path = entry.path.clone();
                events.notify(ticket, move |env| event(env, path, outcome, tally));
            };
            let mirrored =
                mirror::mirror(entries, source, destination, concurrency, cancel, report);
            mirrored.await.map(NativeTally::from)
        });
    }
}

/// `{ path, status, bytes, tally, error? }`
fn event(env: &Env, path: String, outcome: Outcome, tally: Tally) -> napi::Result<Object<'_>> {
    let mut event = Object::new(env)?;
    event.set("path", path)?;
    let (status, bytes) = match &outcome {
        Outcome::Downloaded { bytes } => ("downloaded", *bytes),
        Outcome::Unchanged => ("unchanged", 0),
        Outcome::Skipped => ("skipped", 0),
        Outcome::Failed(_) => ("failed", 0),
    };
    event.set("status", status)?;
    event.set("bytes", bytes as f64)?;
    event.set("tally", NativeTally::from(tally))?;
    if let Outcome::Failed(error) = &outcome {
        event.set("error", errors::describe(env, error)?)?;
    }
    Ok(event)
}
