//! What `sysinfo` tells on systems without `/proc`.
#![cfg_attr(target_os = "linux", allow(dead_code, reason = "compiled here to be tested here"))]

use std::io;

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use super::{Details, Figures, Pss};
use crate::error::{Result, SystemError};

/// Reads this process's figures, again and again.
#[derive(Debug)]
pub struct ProcessReader {
    system: System,
    process: Pid,
}

impl ProcessReader {
    /// Fails where the system does not tell a process about itself.
    pub fn open(_: Pss) -> Result<Self> {
        let system = System::new().map_err(|_| unsupported("open"))?;
        let process = sysinfo::get_current_pid().map_err(|_| unsupported("getpid"))?;
        Ok(Self { system, process })
    }

    /// What the system says now.
    pub fn read(&mut self) -> Result<Figures> {
        let wanted = ProcessRefreshKind::nothing().with_memory().with_cpu().without_tasks();
        let this = ProcessesToUpdate::Some(&[self.process]);
        self.system.refresh_processes_specifics(this, false, wanted);
        let process = self.system.process(self.process).ok_or_else(|| unsupported("read"))?;
        Ok(Figures {
            rss: process.memory() as f64,
            anonymous: f64::NAN,
            file: f64::NAN,
            cpu_ms: process.accumulated_cpu_time() as f64,
            details: Details::UNKNOWN,
        })
    }
}

fn unsupported(syscall: &'static str) -> SystemError {
    SystemError::new(&io::ErrorKind::Unsupported.into(), syscall)
}

/// Not cheaper here than what Node asks itself.
pub fn rss() -> Option<f64> {
    None
}

/// Only Linux has control groups.
pub fn container_limit() -> Option<f64> {
    None
}

/// Not known here; Node's `process.resourceUsage()` has it.
pub fn peak_rss() -> Option<f64> {
    None
}

#[cfg(test)]
mod tests {
    #[cfg(target_os = "linux")]
    #[test]
    fn agrees_with_procfs() {
        use super::{super::Pss, ProcessReader};
        let here = super::super::rss().unwrap();
        let there = ProcessReader::open(Pss::Never).unwrap().read().unwrap().rss;
        assert!(there > here / 2.0 && there < here * 2.0, "{here} {there}");
    }
}
