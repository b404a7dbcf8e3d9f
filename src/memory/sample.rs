//! What the system says about this process's memory.
//!
//! On Linux the reader keeps `/proc/self/statm` open: one `pread` costs about a microsecond, an eighth
//! of opening it anew. Elsewhere `sysinfo` asks the system.

#[cfg(target_os = "linux")]
pub use linux::{ResidentMemory, peak_rss};
#[cfg(not(target_os = "linux"))]
pub use portable::{ResidentMemory, peak_rss};

#[cfg(target_os = "linux")]
mod linux {
    use std::{fs::File, io, os::unix::fs::FileExt};

    use crate::error::{Result, SystemError};

    const STATM: &str = "/proc/self/statm";

    /// Reads the resident set size of this process, again and again.
    #[derive(Debug)]
    pub struct ResidentMemory {
        statm: File,
        page_size: u64,
    }

    impl ResidentMemory {
        /// Fails where `/proc` is not mounted.
        pub fn open() -> Result<Self> {
            let statm = File::open(STATM)
                .map_err(|source| SystemError::new(&source, "open").path(STATM))?;
            Ok(Self { statm, page_size: rustix::param::page_size() as u64 })
        }

        /// Bytes resident now.
        pub fn read(&mut self) -> Result<u64> {
            let mut text = [0; 128];
            let pages = self.statm.read_at(&mut text, 0).and_then(|length| {
                resident_pages(&text[..length]).ok_or_else(|| io::ErrorKind::InvalidData.into())
            });
            let pages = pages.map_err(|source| SystemError::new(&source, "read").path(STATM))?;
            Ok(pages * self.page_size)
        }
    }

    /// The second field of `statm` (proc(5)).
    fn resident_pages(statm: &[u8]) -> Option<u64> {
        std::str::from_utf8(statm).ok()?.split_ascii_whitespace().nth(1)?.parse().ok()
    }

    /// The most bytes this process ever had resident: `VmHWM` of proc(5). `getrusage` would not do, as
    /// its maximum outlives `exec` and so may be that of the parent.
    pub fn peak_rss() -> Option<u64> {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kibibytes * 1_024)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn takes_the_second_field() {
            assert_eq!(resident_pages(b"9000 1234 800 1 0 700 0\n"), Some(1_234));
            assert_eq!(resident_pages(b""), None);
        }

        #[test]
        fn the_peak_is_at_least_what_was_resident() {
            let before = ResidentMemory::open().unwrap().read().unwrap();
            let ballast = std::hint::black_box(vec![1_u8; 64 << 20]);
            let peak = peak_rss().unwrap();
            assert!(peak >= before + (48 << 20), "{before} {peak}");
            drop(ballast);
        }
    }
}

#[cfg(any(not(target_os = "linux"), test))]
#[cfg_attr(target_os = "linux", expect(dead_code, reason = "compiled here to be tested here"))]
mod portable {
    use std::io;

    use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

    use crate::error::{Result, SystemError};

    /// Reads the resident set size of this process, again and again.
    #[derive(Debug)]
    pub struct ResidentMemory {
        system: System,
        process: Pid,
    }

    impl ResidentMemory {
        /// Fails where the system does not tell a process about itself.
        pub fn open() -> Result<Self> {
            let system = System::new().map_err(|_| unsupported("open"))?;
            let process = sysinfo::get_current_pid().map_err(|_| unsupported("getpid"))?;
            Ok(Self { system, process })
        }

        /// Bytes resident now.
        pub fn read(&mut self) -> Result<u64> {
            let memory = ProcessRefreshKind::nothing().with_memory().without_tasks();
            let this = ProcessesToUpdate::Some(&[self.process]);
            self.system.refresh_processes_specifics(this, false, memory);
            let process = self.system.process(self.process).ok_or_else(|| unsupported("read"))?;
            Ok(process.memory())
        }
    }

    fn unsupported(syscall: &'static str) -> SystemError {
        SystemError::new(&io::ErrorKind::Unsupported.into(), syscall)
    }

    /// Not known here; Node's `process.resourceUsage()` has it.
    pub fn peak_rss() -> Option<u64> {
        None
    }

    #[cfg(test)]
    mod tests {
        #[cfg(target_os = "linux")]
        #[test]
        fn agrees_with_procfs() {
            let here = super::super::linux::ResidentMemory::open().unwrap().read().unwrap();
            let there = super::ResidentMemory::open().unwrap().read().unwrap();
            assert!(there > here / 2 && there < here * 2, "{here} {there}");
        }
    }
}
