//! What the system says about this process, read again and again without allocating.
//!
//! On Linux the files of `/proc` stay open: one `pread` costs about a microsecond, an eighth of opening the file anew.
//! Resident pages and CPU time are read at every call, the rest at most once a second. Elsewhere `sysinfo`
//! asks the system, which tells less.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(any(not(target_os = "linux"), test))]
mod portable;

#[cfg(target_os = "linux")]
pub use linux::{ProcessReader, container_limit, peak_rss, rss};
#[cfg(not(target_os = "linux"))]
pub use portable::{ProcessReader, container_limit, peak_rss, rss};

/// One reading. Bytes, milliseconds, counts; not a number where the system does not tell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    pub rss: f64,
    /// Resident pages that belong to no file.
    pub anonymous: f64,
    /// Resident pages of files, and shared memory.
    pub file: f64,
    /// CPU time of all threads since the process started.
    pub cpu_ms: f64,
    pub details: Details,
}

/// What is read at most once a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Details {
    /// Page faults that needed no disk, since the process started.
    pub minor_faults: f64,
    /// Page faults that needed the disk.
    pub major_faults: f64,
    pub threads: f64,
    pub descriptors: f64,
    /// The tightest limit of the control groups the process is in.
    pub limit: f64,
    /// What counts against that limit and can't be reclaimed at once.
    pub limit_used: f64,
    /// The process's share of its resident pages: each page divided by the processes that map it.
    pub pss: f64,
}

impl Details {
    const UNKNOWN: Self = Self {
        minor_faults: f64::NAN,
        major_faults: f64::NAN,
        threads: f64::NAN,
        descriptors: f64::NAN,
        limit: f64::NAN,
        limit_used: f64::NAN,
        pss: f64::NAN,
    };
}

/// Whether the proportional set size is read. It walks all pages of the process and makes it wait for that when it
/// maps memory, so it is read once a minute, and never again after a walk of more than 5 ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pss {
    Never,
    EachMinute,
}
