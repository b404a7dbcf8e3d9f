//! What can go wrong, in one type.
//!
//! Every failure an engine reports is a variant of [`Error`] that carries its data, not its text. A
//! variant knows the JavaScript class it becomes, its `code`, its message and its further properties;
//! `bindings` only carries these across. Engines never build messages elsewhere.

mod system;

use std::sync::Arc;

pub use system::SystemError;

/// The result of an engine call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure of an engine. `Display` is the message a JavaScript caller reads.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system call failed. Shaped as Node's own: `errno`, `code`, `syscall`, `path`, `dest`.
    #[error(transparent)]
    System(#[from] SystemError),

    /// The native code panicked: a defect of this package, contained.
    #[error("The native code panicked: {0}. This is a defect; please report it.")]
    Panic(String),

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
}

impl Error {
    /// The constructor of the JavaScript error.
    pub fn class(&self) -> Class {
        match self {
            Self::Shared(error) => error.class(),
            _ => Class::Error,
        }
    }

    /// The stable identifier a caller branches on.
    pub fn code(&self) -> &str {
        match self {
            Self::System(error) => error.code(),
            Self::Shared(error) => error.code(),
            Self::Panic(_) => "ERR_AIWF_PANIC",
            Self::Aborted => "ABORT_ERR",
        }
    }

    /// The enumerable properties of the JavaScript error, in the order it lists them.
    pub fn details(&self) -> Vec<(&'static str, Detail)> {
        match self {
            Self::System(error) => error.details(),
            Self::Shared(error) => error.details(),
            _ => vec![("code", Detail::Text(self.code().to_owned()))],
        }
    }
}
