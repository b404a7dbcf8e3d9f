//! What can go wrong, in one type.
//!
//! Every failure an engine reports is a variant of [`Error`] that carries its data, not its text. A
//! variant knows the JavaScript class it becomes, its `code`, its message and its further properties;
//! `bindings` only carries these across. Engines never build messages elsewhere.

mod network;
mod system;

use std::{any::Any, path::PathBuf, sync::Arc};

pub use network::{NetworkError, NetworkFailure, without_credentials};
pub use system::SystemError;

/// The result of an engine call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure of an engine. `Display` is the message a JavaScript caller reads.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system call failed. Shaped as Node's own: `errno`, `code`, `syscall`, `path`, `dest`.
    #[error(transparent)]
    System(#[from] SystemError),

    /// A request got no usable answer.
    #[error(transparent)]
    Network(#[from] NetworkError),

    /// A server answered with a status outside 2xx.
    #[error("HTTP {status}: {status_text}")]
    HttpStatus {
        status: u16,
        status_text: String,
        /// Without credentials.
        url: String,
        headers: Vec<(String, String)>,
        /// As text, whatever its type.
        body: String,
    },

    /// A limit of GitHub's stands in the way, and the caller does not want to wait for its end.
    #[error(
        "GitHub's rate limit for '{resource}' is reached: ask again in {} s, or let the client wait with onRateLimit: 'wait'",
        .retry_after_ms.div_euclid(1_000.0) + 1.0
    )]
    RateLimited {
        resource: String,
        /// When it ends, in milliseconds since the Unix epoch, if GitHub has told.
        reset_ms: Option<f64>,
        retry_after_ms: f64,
        /// Without credentials.
        url: String,
        /// Of the answer; none if the request was not sent.
        status: Option<u16>,
    },

    /// `repository` is not of the form `owner/name`.
    #[error("The repository must be named 'owner/name'. Received '{repository}'")]
    InvalidRepository { repository: String },

    /// GitHub has no such repository, ref or path, or the token may not see it.
    #[error(
        "GitHub has no '{path}' in '{repository}' at '{reference}', or its owner does not let you see it"
    )]
    RepositoryPathNotFound { repository: String, reference: String, path: String },

    /// A folder with more entries than GitHub lists.
    #[error(
        "GitHub lists only a part of '{path}' in '{repository}': mirror its subfolders one by one"
    )]
    ListingTruncated { repository: String, path: String },

    /// A listing that is not of the documented form.
    #[error("GitHub's listing of '{repository}' cannot be read: {reason}")]
    InvalidListing { repository: String, reason: String },

    /// A path of the repository that must not be written.
    #[error("'{path}' would be written outside its destination or is not safe to write: {reason}")]
    UnsafePath { path: String, reason: &'static str },

    /// What was downloaded is not what the listing promised.
    #[error(
        "'{path}' is not the version that was listed (git blob {expected}, received {received}): \
         the branch may have moved meanwhile; run again, or pass a commit as ref"
    )]
    BlobMismatch { path: String, expected: String, received: String },

    /// A FIFO, a socket or the like, where waiting for data could last for ever.
    #[error("Not a regular file: '{}'", .0.display())]
    NotRegularFile(PathBuf),

    /// A file too large to be read into memory at once.
    #[error("File size ({size}) is greater than 2 GiB")]
    FileTooLarge { size: u64 },

    /// A file operation was dropped before it started.
    #[error("Queue cleared")]
    QueueCleared,

    /// The native code panicked: a defect of this package, contained.
    #[error("The native code panicked: {0}. This is a defect; please report it.")]
    Panic(String),

    /// A report that is to be shown as a page lacks what it should have.
    #[error("Invalid report: {0}")]
    InvalidReport(String),

    /// A heap snapshot that is cut off, or none.
    #[error(
        "'{}' is no heap snapshot as V8 writes it: at byte {offset}, {reason}", path.display()
    )]
    InvalidHeapSnapshot { path: PathBuf, offset: u64, reason: &'static str },

    /// The failure of work that several callers wait for.
    #[error(transparent)]
    Shared(Arc<Error>),

    /// The caller withdrew. JavaScript replaces it by the signal's own reason.
    #[error("The operation was aborted")]
    Aborted,
}

/// The JavaScript constructor an [`Error`] becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Error,
    TypeError,
    RangeError,
}

/// A property of the JavaScript error beside `message`.
#[derive(Clone, Debug, PartialEq)]
pub enum Detail {
    Text(String),
    Number(f64),
    /// An object of strings, such as response headers.
    Map(Vec<(String, String)>),
}

impl Error {
    /// The failure behind what [`std::panic::catch_unwind`] caught.
    pub fn panicked(panic: &(dyn Any + Send)) -> Self {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        Self::Panic(text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default())
    }

    /// The constructor of the JavaScript error.
    pub fn class(&self) -> Class {
        match self {
            Self::InvalidRepository { .. } | Self::InvalidReport(_) => Class::TypeError,
            Self::Network(error) => error.class(),
            Self::FileTooLarge { .. } => Class::RangeError,
            Self::Shared(error) => error.class(),
            _ => Class::Error,
        }
    }

    /// The stable identifier a caller branches on.
    pub fn code(&self) -> &'static str {
        match self {
            Self::System(error) => error.code(),
            Self::Network(error) => error.code(),
            Self::HttpStatus { .. } => "ERR_AIWF_HTTP_STATUS",
            Self::RateLimited { .. } => "ERR_AIWF_RATE_LIMITED",
            Self::InvalidRepository { .. } => "ERR_INVALID_ARG_VALUE",
            Self::RepositoryPathNotFound { .. } => "ERR_AIWF_NOT_FOUND",
            Self::ListingTruncated { .. } => "ERR_AIWF_LISTING_TRUNCATED",
            Self::InvalidListing { .. } => "ERR_AIWF_INVALID_LISTING",
            Self::UnsafePath { .. } => "ERR_AIWF_UNSAFE_PATH",
            Self::BlobMismatch { .. } => "ERR_AIWF_BLOB_MISMATCH",
            Self::NotRegularFile(_) => "ERR_AIWF_NOT_REGULAR_FILE",
            Self::FileTooLarge { .. } => "ERR_FS_FILE_TOO_LARGE",
            Self::QueueCleared => "ERR_AIWF_QUEUE_CLEARED",
            Self::Shared(error) => error.code(),
            Self::Panic(_) => "ERR_AIWF_PANIC",
            Self::InvalidReport(_) => "ERR_AIWF_INVALID_REPORT",
            Self::InvalidHeapSnapshot { .. } => "ERR_AIWF_INVALID_HEAP_SNAPSHOT",
            Self::Aborted => "ABORT_ERR",
        }
    }

    /// The enumerable properties of the JavaScript error, in the order it lists them.
    pub fn details(&self) -> Vec<(&'static str, Detail)> {
        let text = |text: &str| Detail::Text(text.to_owned());
        let mut details = match self {
            // Node lists `errno` before `code`.
            Self::System(error) => return error.details(),
            Self::Shared(error) => return error.details(),
            _ => vec![("code", text(self.code()))],
        };
        match self {
            Self::Network(error) => details.push(("url", text(error.url()))),
            Self::HttpStatus { status, status_text: _, url, headers, body } => details.extend([
                ("status", Detail::Number((*status).into())),
                ("url", text(url)),
                ("headers", Detail::Map(headers.clone())),
                ("body", text(body)),
            ]),
            Self::RateLimited { resource, reset_ms, retry_after_ms, url, status } => {
                details.extend([
                    ("resource", text(resource)),
                    ("retryAfter", Detail::Number(*retry_after_ms)),
                    ("url", text(url)),
                ]);
                details.extend(reset_ms.map(|reset| ("reset", Detail::Number(reset))));
                details.extend(status.map(|status| ("status", Detail::Number(status.into()))));
            }
            Self::UnsafePath { path, .. } | Self::BlobMismatch { path, .. } => {
                details.push(("path", text(path)));
            }
            Self::InvalidHeapSnapshot { path, offset, reason: _ } => details.extend([
                ("path", text(&path.to_string_lossy())),
                ("offset", Detail::Number(*offset as f64)),
            ]),
            Self::NotRegularFile(path) => details.push(("path", text(&path.to_string_lossy()))),
            _ => {}
        }
        details
    }
}
