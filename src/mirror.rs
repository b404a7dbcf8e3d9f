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
    time::Duration,
};

use futures_util::{StreamExt, stream};
use reqwest::Url;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::{
    error::{Error, NetworkError, NetworkFailure, Result},
    files::{Concurrency, Operation, Output, Processor, Settings, WriteOptions},
    github::{
        directory::{Entry, Kind},
        fetch::{Fetcher, Options},
        redirect::Ask,
        url,
    },
    http_cache::{Headers, Mode},
    runtime,
};
use target::{Folders, Target};

/// Where the files come from.
pub struct Source {
    /// How they are asked for.
    pub fetcher: Arc<Fetcher>,
    /// For each, see [`Options::timeout`].
    pub timeout: Option<Duration>,
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
/// every one, with the tally up to it. Fails as a whole only before anything is written: for an entry that
/// would leave the destination, or a destination that cannot be a folder. Stops early when `cancel` says so.
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
        // A failure belongs to its file, but a withdrawal ends the whole.
        let outcome = match outcome {
            _ if cancel.is_cancelled() => return Err(Error::Aborted),
            Ok(outcome) => outcome,
            Err(error) => Outcome::Failed(error),
        };
        tally.add(&outcome);
        report(entry, outcome, tally);
        Ok(())
    };
    let mut targets = entries.into_iter().map(Target::new).collect::<Result<Vec<_>>>()?;
    let origin = Origin { source, cancel: cancel.clone() };

    // A link's text is known only once it is fetched. All of them are, and checked, before the first write.
    let links = targets.extract_if(.., |target| target.entry.kind == Kind::Symlink);
    let mut texts = stream::iter(links.collect::<Vec<_>>())
        .map(|target| async { (origin.link_text(&target, &destination).await, target) })
        .buffered(concurrency);
    let mut links = Vec::new();
    while let Some((text, target)) = texts.next().await {
        match text {
            Ok(text) => links.push((target.safe_link(text)?, target)),
            Err(error) => report(&target.entry, Err(error))?,
        }
    }
    drop(texts);

    let disk = Disk::create(destination, concurrency).await?;
    let mut files = stream::iter(targets)
        .map(|target| async { (file(&target, &origin, &disk).await, target) })
        .buffer_unordered(concurrency);
    while let Some((outcome, target)) = files.next().await {
        report(&target.entry, outcome)?;
    }
    // Links come last, so that no file was written through one.
    for (text, target) in links {
        report(&target.entry, disk.link(&target, text).await)?;
    }
    Ok(tally)
}

async fn file(target: &Target, origin: &Origin, disk: &Disk) -> Result<Outcome> {
    if target.entry.kind == Kind::Submodule {
        return Ok(Outcome::Skipped);
    }
    if disk.is_right(target).await? {
        return Ok(Outcome::Unchanged);
    }
    let content = origin.fetch(&target.entry).await?;
    let bytes = content.len() as u64;
    disk.write(target, content).await?;
    Ok(Outcome::Downloaded { bytes })
}

/// Fetches content, until nobody wants it any more.
struct Origin {
    source: Source,
    cancel: CancellationToken,
}

impl Origin {
    /// The content of `entry`, which is then the blob that was listed.
    async fn fetch(&self, entry: &Entry) -> Result<Vec<u8>> {
        let Source { raw_base, repository, reference, .. } = &self.source;
        let path =
            [repository, reference, &entry.path].map(|part| url::encode_path(part)).join("/");
        let text = format!("{raw_base}/{path}");
        let invalid = |error| NetworkError::new(NetworkFailure::InvalidUrl, &text, error);
        let url = Url::parse(&text).map_err(invalid)?;
        let headers = Headers::new(self.source.headers.iter().cloned());
        let ask = Ask { method: "GET".to_owned(), url, headers, body: None };
        let timeout = self.source.timeout;
        // Each file is needed once, and counts against no limit of the API.
        let options =
            Options { mode: Mode::NoStore, metered: false, timeout, ..Options::default() };
        let response = async {
            let answer = self.source.fetcher.fetch(ask, options, None).await?;
            answer.complete().await?.success()
        };
        let response = tokio::select! {
            biased;
            () = self.cancel.cancelled() => return Err(Error::Aborted),
            response = response => response?,
        };
        let received = blob::sha(&response.body);
        if received != entry.sha {
            let (path, expected) = (entry.path.clone(), entry.sha.clone());
            return Err(Error::BlobMismatch { path, expected, received });
        }
        Ok(response.body)
    }

    /// The text of a link: from disk if it is right there, else fetched.
    async fn link_text(&self, target: &Target, destination: &Path) -> Result<Vec<u8>> {
        let present = target::linked_to(&destination.join(&target.relative));
        match present.filter(|text| blob::sha(text.as_bytes()) == target.entry.sha) {
            Some(text) => Ok(text.into_bytes()),
            None => self.fetch(&target.entry).await,
        }
    }
}

/// The destination, and the processor that writes to it.
struct Disk {
    folders: Arc<Folders>,
    processor: Processor<oneshot::Sender<Result<Output>>>,
}

impl Disk {
    async fn create(destination: PathBuf, concurrency: usize) -> Result<Self> {
        let folders = Arc::new(blocking(move || Folders::create(&destination)).await?);
        let concurrency = Concurrency::AtMost(concurrency);
        let settings = Settings { concurrency, ..Settings::default() };
        let processor = Processor::new(settings, |outcomes| {
            for (waiting, outcome) in outcomes {
                // Who no longer waits was cancelled, and needs no answer.
                let _ = oneshot::Sender::send(waiting, outcome);
            }
        });
        Ok(Self { folders, processor })
    }

    /// Whether the file has its content already; then it has its executable bit, too.
    async fn is_right(&self, target: &Target) -> Result<bool> {
        let (folders, relative) = (Arc::clone(&self.folders), target.relative.clone());
        let Entry { sha, size, kind, .. } = target.entry.clone();
        blocking(move || {
            let path = folders.path_of(&relative)?;
            let right = blob::matches(&path, &sha, size);
            if right {
                target::set_executable(&path, kind == Kind::Executable)?;
            }
            Ok(right)
        })
        .await
    }

    async fn write(&self, target: &Target, content: Vec<u8>) -> Result<()> {
        let (folders, relative) = (Arc::clone(&self.folders), target.relative.clone());
        let executable = target.entry.kind == Kind::Executable;
        let path = blocking(move || folders.make_room_for(&relative, executable)).await?;
        let mode = if executable { 0o777 } else { 0o666 };
        let options = WriteOptions { mode, ..WriteOptions::default() };
        let (sender, written) = oneshot::channel();
        self.processor.add([(sender, Operation::Write { path, content, options })]);
        written.await.unwrap_or(Err(Error::Aborted)).map(drop)
    }

    async fn link(&self, target: &Target, text: String) -> Result<Outcome> {
        let (folders, relative) = (Arc::clone(&self.folders), target.relative.clone());
        blocking(move || target::link(&folders, &relative, &text)).await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let joined = runtime::spawn_blocking(work).await;
    joined.unwrap_or_else(|panic| Err(Error::Panic(panic.to_string())))
}
