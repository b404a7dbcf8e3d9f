//! `/proc/self`, as proc(5) describes it.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    sync::OnceLock,
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};

use super::{Details, Figures, Pss};
use crate::{
    error::{Result, SystemError},
    memory::container::Container,
};

const STATM: &str = "/proc/self/statm";
const DETAILS_EVERY: Duration = Duration::from_secs(1);
const PSS_EVERY: Duration = Duration::from_secs(60);
const LONGEST_PSS_WALK: Duration = Duration::from_millis(5);

/// Reads this process's figures, again and again.
#[derive(Debug)]
pub struct ProcessReader {
    statm: Statm,
    stat: Option<File>,
    container: Option<Container>,
    smaps_rollup: Option<File>,
    details: Details,
    details_due: Instant,
    pss_due: Instant,
}

impl ProcessReader {
    /// Fails where `/proc` is not mounted.
    pub fn open(pss: Pss) -> Result<Self> {
        let now = Instant::now();
        let smaps_rollup = match pss {
            Pss::Never => None,
            Pss::EachMinute => File::open("/proc/self/smaps_rollup").ok(),
        };
        Ok(Self {
            statm: Statm::open()?,
            stat: File::open("/proc/self/stat").ok(),
            container: Container::of_this_process(),
            smaps_rollup,
            details: Details::UNKNOWN,
            details_due: now,
            pss_due: now,
        })
    }

    /// What the system says now.
    pub fn read(&mut self) -> Result<Figures> {
        let (resident, shared) = self.statm.read()?;
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let now = Instant::now();
        if now >= self.details_due {
            self.details_due = now + DETAILS_EVERY;
            self.read_details(now);
        }
        Ok(Figures {
            rss: resident,
            anonymous: resident - shared,
            file: shared,
            cpu_ms: cpu.tv_sec as f64 * 1e3 + cpu.tv_nsec as f64 / 1e6,
            details: self.details,
        })
    }

    fn read_details(&mut self, now: Instant) {
        let mut text = [0; 1_024];
        let stat =
            self.stat.as_ref().and_then(|file| read_text(file, &mut text)).and_then(stat_fields);
        let [minor_faults, major_faults, threads] = stat.unwrap_or([f64::NAN; 3]);
        let memory = self.container.as_ref().and_then(Container::read);
        let (limit, limit_used) =
            memory.map_or((f64::NAN, f64::NAN), |memory| (memory.limit as f64, memory.used as f64));
        if now >= self.pss_due {
            self.pss_due = now + PSS_EVERY;
            self.read_pss();
        }
        self.details = Details {
            minor_faults,
            major_faults,
            threads,
            descriptors: descriptors().unwrap_or(f64::NAN),
            limit,
            limit_used,
            pss: self.details.pss,
        };
    }

    fn read_pss(&mut self) {
        let Some(file) = &self.smaps_rollup else { return };
        let mut text = [0; 2_048];
        let start = Instant::now();
        self.details.pss =
            read_text(file, &mut text).and_then(|text| kibibytes(text, "Pss:")).unwrap_or(f64::NAN);
        if start.elapsed() > LONGEST_PSS_WALK {
            self.smaps_rollup = None;
        }
    }
}

/// The cheapest file that tells what is resident.
#[derive(Debug)]
struct Statm {
    file: File,
    page_size: f64,
}

impl Statm {
    fn open() -> Result<Self> {
        let file =
            File::open(STATM).map_err(|source| SystemError::new(&source, "open").path(STATM))?;
        Ok(Self { file, page_size: rustix::param::page_size() as f64 })
    }

    /// Bytes resident, and those of them that belong to files or are shared.
    fn read(&self) -> Result<(f64, f64)> {
        let mut text = [0; 128];
        let pages = self.file.read_at(&mut text, 0).and_then(|length| {
            resident_pages(&text[..length]).ok_or_else(|| io::ErrorKind::InvalidData.into())
        });
        let (resident, shared) =
            pages.map_err(|source| SystemError::new(&source, "read").path(STATM))?;
        Ok((resident * self.page_size, shared * self.page_size))
    }
}

/// Bytes resident now, read through a file that stays open for the life of the process.
pub fn rss() -> Option<f64> {
    static STATM: OnceLock<Option<Statm>> = OnceLock::new();
    let statm = STATM.get_or_init(|| Statm::open().ok()).as_ref()?;
    statm.read().ok().map(|(resident, _)| resident)
}

/// The limit of the process's control groups in bytes, as it is now.
pub fn container_limit() -> Option<f64> {
    static CONTAINER: OnceLock<Option<Container>> = OnceLock::new();
    let container = CONTAINER.get_or_init(Container::of_this_process).as_ref()?;
    container.read().map(|memory| memory.limit as f64)
}

/// The most bytes this process ever had resident: `VmHWM` of proc(5). `getrusage` would not do, as
/// its maximum outlives `exec` and so may be that of the parent.
pub fn peak_rss() -> Option<f64> {
    kibibytes(&fs::read_to_string("/proc/self/status").ok()?, "VmHWM:")
}

fn read_text<'text>(file: &File, text: &'text mut [u8]) -> Option<&'text str> {
    let length = file.read_at(text, 0).ok()?;
    std::str::from_utf8(&text[..length]).ok()
}

/// The second and third field of `statm`.
fn resident_pages(statm: &[u8]) -> Option<(f64, f64)> {
    let mut fields = std::str::from_utf8(statm).ok()?.split_ascii_whitespace().skip(1);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// `minflt`, `majflt` and `num_threads` of `stat`. The second field, the name, may hold anything, even brackets.
fn stat_fields(stat: &str) -> Option<[f64; 3]> {
    let (_, rest) = stat.rsplit_once(')')?;
    // The state is field 3, so that field n is at n - 3.
    let field = |number: usize| rest.split_ascii_whitespace().nth(number - 3)?.parse().ok();
    Some([field(10)?, field(12)?, field(20)?])
}

/// The bytes on the line that starts with `name`.
fn kibibytes(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1_024.0)
}

/// Open descriptors. Since Linux 6.2 the folder's size is their number; before, they are counted.
fn descriptors() -> Option<f64> {
    let folder = "/proc/self/fd";
    match fs::metadata(folder).ok()?.len() {
        // The one that lists the folder is not counted.
        0 => Some(fs::read_dir(folder).ok()?.count() as f64 - 1.0),
        count => Some(count as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_right_fields() {
        assert_eq!(resident_pages(b"9000 1234 800 1 0 700 0\n"), Some((1_234.0, 800.0)));
        assert_eq!(resident_pages(b""), None);
        let stat = "1 (a) b) (c) S 2 3 4 5 6 7 80 9 100 11 12 13 14 15 16 17 180 19";
        assert_eq!(stat_fields(stat), Some([80.0, 100.0, 180.0]));
        assert_eq!(kibibytes("Rss: 9 kB\nPss:       12 kB\n", "Pss:"), Some(12_288.0));
    }

    #[test]
    fn sees_memory_cpu_time_faults_threads_and_descriptors_rise() {
        let mut reader = ProcessReader::open(Pss::EachMinute).unwrap();
        let before = reader.read().unwrap();
        let files: Vec<File> = (0..50).map(|_| File::open(STATM).unwrap()).collect();
        let ballast = std::hint::black_box(vec![1_u8; 64 << 20]);
        let at_once = reader.read().unwrap().details;
        assert_eq!(at_once.minor_faults, before.details.minor_faults, "read once a second");
        reader.details_due = Instant::now();
        let after = reader.read().unwrap();
        drop((files, ballast));
        // Other tests run in this process at the same time.
        assert!(after.anonymous >= before.anonymous + (32 << 20) as f64, "{before:?} {after:?}");
        assert!(after.cpu_ms > before.cpu_ms && after.file > 0.0);
        assert!((after.rss - after.anonymous - after.file).abs() < 1.0);
        assert!(after.details.minor_faults > before.details.minor_faults);
        assert!(after.details.threads >= 1.0 && before.details.pss > 0.0);
        assert!(after.details.descriptors > before.details.descriptors);
    }

    #[test]
    fn the_peak_is_at_least_what_was_resident() {
        let before = rss().unwrap();
        let ballast = std::hint::black_box(vec![1_u8; 64 << 20]);
        let peak = peak_rss().unwrap();
        assert!(peak >= before + (48 << 20) as f64, "{before} {peak}");
        drop(ballast);
    }
}
