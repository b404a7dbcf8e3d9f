//! Failed system calls, described in Node's words.
//!
//! The names, numbers and texts are libuv's (`uv_err_name`, `uv_strerror`), so that a caller cannot
//! tell these errors from those of `node:fs`. On Unix `errno` is the negated system number; on Windows
//! it is libuv's own number.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use super::Detail;

/// A system call that failed, with what it was called on.
#[derive(Debug)]
pub struct SystemError {
    known: Known,
    syscall: &'static str,
    path: Option<PathBuf>,
    dest: Option<PathBuf>,
}

impl SystemError {
    /// Describes `source`, which `syscall` returned.
    pub fn new(source: &io::Error, syscall: &'static str) -> Self {
        Self { known: Known::of(source), syscall, path: None, dest: None }
    }

    /// The path the call was given first.
    #[must_use]
    pub fn path(mut self, path: impl AsRef<Path>) -> Self {
        self.path = Some(path.as_ref().to_owned());
        self
    }

    /// The second path of a call that takes two.
    #[must_use]
    pub fn dest(mut self, dest: impl AsRef<Path>) -> Self {
        self.dest = Some(dest.as_ref().to_owned());
        self
    }

    /// libuv's name of the error, such as `ENOENT`.
    pub fn code(&self) -> &'static str {
        self.known.code
    }

    pub(super) fn details(&self) -> Vec<(&'static str, Detail)> {
        let text = |path: &PathBuf| Detail::Text(path.to_string_lossy().into_owned());
        let mut details = vec![
            ("errno", Detail::Number(self.known.errno.into())),
            ("code", Detail::Text(self.known.code.to_owned())),
            ("syscall", Detail::Text(self.syscall.to_owned())),
        ];
        details.extend(self.path.as_ref().map(|path| ("path", text(path))));
        details.extend(self.dest.as_ref().map(|dest| ("dest", text(dest))));
        details
    }
}

impl fmt::Display for SystemError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}, {}", self.known.code, self.known.text, self.syscall)?;
        if let Some(path) = &self.path {
            write!(out, " '{}'", path.display())?;
        }
        if let Some(dest) = &self.dest {
            write!(out, " -> '{}'", dest.display())?;
        }
        Ok(())
    }
}

impl std::error::Error for SystemError {}

/// One error libuv knows.
#[derive(Clone, Copy, Debug)]
struct Known {
    code: &'static str,
    errno: i32,
    text: &'static str,
}

impl Known {
    fn of(source: &io::Error) -> Self {
        let named = source.raw_os_error().and_then(name).or_else(|| kind_name(source.kind()));
        let (code, text, _windows) = named
            .and_then(|name| TABLE.iter().find(|(code, ..)| *code == name))
            .copied()
            .unwrap_or(("EIO", "i/o error", -4070));
        #[cfg(unix)]
        let errno = -source.raw_os_error().unwrap_or(libc::EIO);
        #[cfg(not(unix))]
        let errno = _windows;
        Self { code, errno, text }
    }
}

/// Names for errors that Rust raised itself, without a system number.
fn kind_name(kind: io::ErrorKind) -> Option<&'static str> {
    use io::ErrorKind as Kind;
    Some(match kind {
        Kind::NotFound => "ENOENT",
        Kind::PermissionDenied => "EACCES",
        Kind::AlreadyExists => "EEXIST",
        Kind::InvalidInput => "EINVAL",
        Kind::IsADirectory => "EISDIR",
        Kind::NotADirectory => "ENOTDIR",
        Kind::DirectoryNotEmpty => "ENOTEMPTY",
        Kind::StorageFull => "ENOSPC",
        Kind::FileTooLarge => "EFBIG",
        Kind::Unsupported => "ENOTSUP",
        _ => return None,
    })
}

/// Code, text, and libuv's number on Windows.
const TABLE: &[(&str, &str, i32)] = &[
    ("E2BIG", "argument list too long", -4093),
    ("EACCES", "permission denied", -4092),
    ("EADDRINUSE", "address already in use", -4091),
    ("EADDRNOTAVAIL", "address not available", -4090),
    ("EAGAIN", "resource temporarily unavailable", -4088),
    ("EBADF", "bad file descriptor", -4083),
    ("EBUSY", "resource busy or locked", -4082),
    ("ECANCELED", "operation canceled", -4081),
    ("EEXIST", "file already exists", -4075),
    ("EFAULT", "bad address in system call argument", -4074),
    ("EFBIG", "file too large", -4036),
    ("EILSEQ", "illegal byte sequence", -4027),
    ("EINTR", "interrupted system call", -4072),
    ("EINVAL", "invalid argument", -4071),
    ("EIO", "i/o error", -4070),
    ("EISDIR", "illegal operation on a directory", -4068),
    ("ELOOP", "too many symbolic links encountered", -4067),
    ("EMFILE", "too many open files", -4066),
    ("EMLINK", "too many links", -4032),
    ("ENAMETOOLONG", "name too long", -4064),
    ("ENFILE", "file table overflow", -4061),
    ("ENODEV", "no such device", -4059),
    ("ENOENT", "no such file or directory", -4058),
    ("ENOMEM", "not enough memory", -4057),
    ("ENOSPC", "no space left on device", -4055),
    ("ENOSYS", "function not implemented", -4054),
    ("ENOTDIR", "not a directory", -4052),
    ("ENOTEMPTY", "directory not empty", -4051),
    ("ENOTSUP", "operation not supported on socket", -4049),
    ("ENXIO", "no such device or address", -4033),
    ("EOVERFLOW", "value too large for defined data type", -4026),
    ("EPERM", "operation not permitted", -4048),
    ("EPIPE", "broken pipe", -4047),
    ("EROFS", "read-only file system", -4043),
    ("ESPIPE", "invalid seek", -4041),
    ("ETIMEDOUT", "connection timed out", -4039),
    ("ETXTBSY", "text file is busy", -4038),
    ("EXDEV", "cross-device link not permitted", -4037),
];

#[cfg(unix)]
fn name(errno: i32) -> Option<&'static str> {
    Some(match errno {
        libc::E2BIG => "E2BIG",
        libc::EACCES => "EACCES",
        libc::EADDRINUSE => "EADDRINUSE",
        libc::EADDRNOTAVAIL => "EADDRNOTAVAIL",
        libc::EAGAIN => "EAGAIN",
        libc::EBADF => "EBADF",
        libc::EBUSY => "EBUSY",
        libc::ECANCELED => "ECANCELED",
        libc::EEXIST => "EEXIST",
        libc::EFAULT => "EFAULT",
        libc::EFBIG => "EFBIG",
        libc::EILSEQ => "EILSEQ",
        libc::EINTR => "EINTR",
        libc::EINVAL => "EINVAL",
        libc::EIO => "EIO",
        libc::EISDIR => "EISDIR",
        libc::ELOOP => "ELOOP",
        libc::EMFILE => "EMFILE",
        libc::EMLINK => "EMLINK",
        libc::ENAMETOOLONG => "ENAMETOOLONG",
        libc::ENFILE => "ENFILE",
        libc::ENODEV => "ENODEV",
        libc::ENOENT => "ENOENT",
        libc::ENOMEM => "ENOMEM",
        libc::ENOSPC => "ENOSPC",
        libc::ENOSYS => "ENOSYS",
        libc::ENOTDIR => "ENOTDIR",
        libc::ENOTEMPTY => "ENOTEMPTY",
        libc::ENOTSUP => "ENOTSUP",
        libc::ENXIO => "ENXIO",
        libc::EOVERFLOW => "EOVERFLOW",
        libc::EPERM => "EPERM",
        libc::EPIPE => "EPIPE",
        libc::EROFS => "EROFS",
        libc::ESPIPE => "ESPIPE",
        libc::ETIMEDOUT => "ETIMEDOUT",
        libc::ETXTBSY => "ETXTBSY",
        libc::EXDEV => "EXDEV",
        _ => return None,
    })
}

/// libuv's translation of the system's numbers (`uv_translate_sys_error`).
#[cfg(windows)]
fn name(error: i32) -> Option<&'static str> {
    Some(match error {
        2 | 3 | 15 | 123 | 126 | 161 | 206 => "ENOENT",
        4 => "EMFILE",
        5 | 19 => "EPERM",
        32 | 33 | 170 => "EBUSY",
        80 | 183 => "EEXIST",
        112 | 39 => "ENOSPC",
        17 => "EXDEV",
        145 => "ENOTEMPTY",
        267 => "ENOTDIR",
        87 | 13 => "EINVAL",
        8 | 14 => "ENOMEM",
        109 | 232 => "EPIPE",
        1920 | 10013 => "EACCES",
        10048 => "EADDRINUSE",
        10049 => "EADDRNOTAVAIL",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_as_nodes_own() {
        let source = std::fs::File::open("/nonexistent/file").unwrap_err();
        let error = SystemError::new(&source, "open").path("/nonexistent/file");
        assert_eq!(
            error.to_string(),
            "ENOENT: no such file or directory, open '/nonexistent/file'"
        );
        assert_eq!(error.details()[1], ("code", Detail::Text("ENOENT".to_owned())));
    }

    #[test]
    fn names_both_paths_of_a_copy() {
        let source = io::Error::from(io::ErrorKind::NotFound);
        let error = SystemError::new(&source, "copyfile").path("a").dest("b");
        assert_eq!(error.to_string(), "ENOENT: no such file or directory, copyfile 'a' -> 'b'");
    }
}
