//! The main job: a folder of a repository on GitHub, mirrored to disk.
//!
//! Composes `github` (what to fetch) and `files` (how to write); neither knows of this room. Every file is
//! checked against its git blob SHA before it is written, so what is on disk is what was listed, or is
//! untouched. A file that is already right costs no request. One file's failure does not stop the others.
//! Nothing outside the destination is ever written: see [`target`].

mod blob;
mod target;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use futures_util::{StreamExt, stream};
use tokio_util::sync::CancellationToken;

use crate::{
    error::{Error, Result},
    files::{self, WriteOptions},
    github::{
        directory::{Entry, Kind},
        transport::{self, Request},
        url,
    },
    runtime,
};
use target::{Folders, Target};

/// Where the files come from.
#[derive(Clone, Debug)]
pub struct Source {
    /// The root of the raw files, without a slash at its end.
    pub raw_base: String,
    /// `owner/name`
    pub repository: String,
    pub reference: String,
    /// Sent with every request.
    pub headers: Vec<(String, String)>,
}

/// How one file fared.
#[derive(Debug)]
pub enum Outcome {
    /// Fetched, checked and written.
    Downloaded {
        bytes: u64,
    },
    /// Already there, with the right content.
    Unchanged,
    /// Submodules belong to another repository.
    Skipped,
    Failed(Error),
}

/// What became of all files so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub total: usize,
    pub downloaded: usize,
    pub unchanged: usize,
    pub skipped: usize,
    pub failed: usize,
    /// Of the downloaded files.
    pub bytes: u64,
}

impl Tally {
    fn add(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Downloaded { bytes } => {
                self.downloaded += 1;
                self.bytes += bytes;
            }
            Outcome::Unchanged => self.unchanged += 1,
            Outcome::Skipped => self.skipped += 1,
            Outcome::Failed(_) => self.failed += 1,
        }
    }

    /// How many files are through.
    pub fn done(&self) -> usize {
        self.downloaded + self.unchanged + self.skipped + self.failed
    }
}

/// Mirrors `entries` into `destination` with at most `concurrency` files in flight, and tells `report` of
/// every one, with the tally up to it. Fails as a whole only before anything is written: for an entry that would leave the
/// destination, or a destination that cannot be a folder. Stops early when `cancel` says so.
pub async fn mirror(
    entries: Vec<Entry>,
    source: Source,
    destination: PathBuf,
    concurrency: usize,
    cancel: CancellationToken,
    mut report: impl FnMut(&Entry, Outcome, Tally) + Send,
) -> Result<Tally> {
    let mut tally = Tally { total: entries.len(), ..Tally::default() };
    let mut report = |entry: &Entry, outcome: Result<Outcome>| {
        let outcome = settled(outcome, &cancel)?;
        tally.add(&outcome);
        report(entry, outcome, tally);
        Ok(())
    };
    let mut targets = entries.into_iter().map(Target::new).collect::<Result<Vec<_>>>()?;
    // A link's text is known only once it is fetched. All of them are, and checked, before the first write.
    let links = targets.extract_if(.., |target| target.entry.kind == Kind::Symlink).collect();
    let links =
        fetch_links(links, &source, &destination, concurrency, &cancel, &mut report).await?;

    let folders = Arc::new(blocking(move || Folders::create(&destination)).await?);
    let mut files = stream::iter(targets)
        .map(|target| {
            let (source, folders, cancel) = (&source, Arc::clone(&folders), &cancel);
            async move {
                (file(&target.entry, target.relative, source, folders, cancel).await, target.entry)
            }
        })
        .buffer_unordered(concurrency);
    while let Some((outcome, entry)) = files.next().await {
        report(&entry, outcome)?;
    }
    // Links come last, so that no file was written through one.
    for (target, text) in links {
        let (folders, relative) = (Arc::clone(&folders), target.relative.clone());
        let linked = blocking(move || target::link(&folders, &relative, &text)).await;
        report(&target.entry, linked)?;
    }
    Ok(tally)
}

/// A failure belongs to its file, but a withdrawal ends the whole.
fn settled(outcome: Result<Outcome>, cancel: &CancellationToken) -> Result<Outcome> {
    match outcome {
        _ if cancel.is_cancelled() => Err(Error::Aborted),
        Ok(outcome) => Ok(outcome),
        Err(error) => Ok(Outcome::Failed(error)),
    }
}

async fn fetch_links(
    targets: Vec<Target>,
    source: &Source,
    destination: &Path,
    concurrency: usize,
    cancel: &CancellationToken,
    report: &mut (impl FnMut(&Entry, Result<Outcome>) -> Result<()> + Send),
) -> Result<Vec<(Target, String)>> {
    let mut fetched = stream::iter(targets)
        .map(|target| async {
            let present = target::linked_to(&destination.join(&target.relative));
            let text = match present.filter(|text| blob::sha(text.as_bytes()) == target.entry.sha) {
                Some(text) => Ok(text.into_bytes()),
                None => fetch(&target.entry, source, cancel).await,
            };
            (target, text)
        })
        .buffered(concurrency);
    let mut links = Vec::new();
    while let Some((target, text)) = fetched.next().await {
        match text {
            Ok(text) => {
                let text = target.safe_link(text)?;
                links.push((target, text));
            }
            Err(error) => report(&target.entry, Err(error))?,
        }
    }
    Ok(links)
}

async fn file(
    entry: &Entry,
    relative: PathBuf,
    source: &Source,
    folders: Arc<Folders>,
    cancel: &CancellationToken,
) -> Result<Outcome> {
    if entry.kind == Kind::Submodule {
        return Ok(Outcome::Skipped);
    }
    if cancel.is_cancelled() {
        return Err(Error::Aborted);
    }
    let (expected, size, executable) =
        (entry.sha.clone(), entry.size, entry.kind == Kind::Executable);
    let check = {
        let (folders, relative) = (Arc::clone(&folders), relative.clone());
        move || {
            let path = folders.path_of(&relative)?;
            Ok(blob::matches(&path, &expected, size)
                .then(|| target::set_executable(&path, executable)))
        }
    };
    if let Some(mode_set) = blocking(check).await? {
        return mode_set.map(|()| Outcome::Unchanged);
    }
    let content = fetch(entry, source, cancel).await?;
    let bytes = content.len() as u64;
    blocking(move || {
        let path = folders.make_room_for(&relative)?;
        files::write(&path, &content, &WriteOptions::default())?;
        target::set_executable(&path, executable)
    })
    .await?;
    Ok(Outcome::Downloaded { bytes })
}

/// Fetches the content of `entry`, which is then the blob that was listed.
async fn fetch(entry: &Entry, source: &Source, cancel: &CancellationToken) -> Result<Vec<u8>> {
    let Source { raw_base, repository, reference, headers } = source;
    let path = [repository, reference, &entry.path].map(|part| url::encode_path(part)).join("/");
    let request = Request::get(format!("{raw_base}/{path}"), headers.clone());
    let response = tokio::select! {
        () = cancel.cancelled() => return Err(Error::Aborted),
        response = transport::send(request) => response?.success()?,
    };
    let received = blob::sha(&response.body);
    if received != entry.sha {
        let (path, expected) = (entry.path.clone(), entry.sha.clone());
        return Err(Error::BlobMismatch { path, expected, received });
    }
    Ok(response.body)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let joined = runtime::spawn_blocking(work).await;
    joined.unwrap_or_else(|panic| Err(Error::Panic(panic.to_string())))
}
