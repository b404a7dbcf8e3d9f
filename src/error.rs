//! What can go wrong, in one type.
//!
//! Every failure an engine reports is a variant of [`Error`] that carries its data, not its text. A
//! variant knows the JavaScript class it becomes, its `code`, its message and its further properties;
//! `bindings` only carries these across. Engines never build messages elsewhere.

mod system;

use std::{any::Any, path::PathBuf};

pub use system::SystemError;

/// The result of an engine call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure of an engine. `Display` is the message a JavaScript caller reads.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system call failed. Shaped as Node's own: `errno`, `code`, `syscall`, `path`, `dest`.
    #[error(transparent)]
    System(#[from] SystemError),

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
            Self::FileTooLarge { .. } => Class::RangeError,
            _ => Class::Error,
        }
    }

    /// The stable identifier a caller branches on.
    pub fn code(&self) -> &str {
        match self {
            Self::System(error) => error.code(),
            Self::NotRegularFile(_) => "ERR_AIWF_NOT_REGULAR_FILE",
            Self::FileTooLarge { .. } => "ERR_FS_FILE_TOO_LARGE",
            Self::QueueCleared => "ERR_AIWF_QUEUE_CLEARED",
            Self::Panic(_) => "ERR_AIWF_PANIC",
            Self::Aborted => "ABORT_ERR",
        }
    }

    /// The enumerable properties of the JavaScript error, in the order it lists them.
    pub fn details(&self) -> Vec<(&'static str, Detail)> {
        match self {
            Self::System(error) => error.details(),
            Self::NotRegularFile(path) => vec![
                ("code", Detail::Text(self.code().to_owned())),
                ("path", Detail::Text(path.to_string_lossy().into_owned())),
            ],
            _ => vec![("code", Detail::Text(self.code().to_owned()))],
        }
    }
}
