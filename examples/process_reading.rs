//! What a reading of the sampling thread costs, beside the bare system call it can't do without; and what a beat of
//! 1,000 a second costs, beside a thread that only sleeps as often.
//!
//! `cargo run --release --example process_reading` prints CPU time: medians of rounds in turns.

#[cfg(target_os = "linux")]
mod reading {
    use std::{error::Error, fs::File, hint::black_box, os::unix::fs::FileExt, time::Duration};

    use aiwf_native::memory::process::{ProcessReader, Pss};
    use rustix::time::{ClockId, clock_gettime};

    const ROUNDS: usize = 9;
    const CALLS: u32 = 20_000;
    const BEATS: u32 = 300;
    const BEAT: Duration = Duration::from_millis(1);

    type Outcome<T> = Result<T, Box<dyn Error>>;

    pub fn run() -> Outcome<()> {
        let statm = File::open("/proc/self/statm")?;
        let mut text = [0; 128];
        let mut reader = ProcessReader::open(Pss::Never)?;
        let mut found = [const { Vec::new() }; 4];
        for _ in 0..ROUNDS {
            found[0].push(each(CALLS, || {
                black_box(statm.read_at(&mut text, 0))?;
                Ok(())
            })?);
            found[1].push(each(CALLS, || {
                black_box(reader.read())?;
                Ok(())
            })?);
            found[2].push(each(BEATS, || {
                std::thread::sleep(BEAT);
                Ok(())
            })?);
            found[3].push(each(BEATS, || {
                std::thread::sleep(BEAT);
                black_box(reader.read())?;
                Ok(())
            })?);
        }
        let names =
            ["a bare pread of statm", "a reading", "a sleep of 1 ms", "a sleep and a reading"];
        for (name, times) in names.iter().zip(&mut found) {
            times.sort_unstable();
            println!("{name:<24} {:>7.2} us of CPU", times[ROUNDS / 2].as_secs_f64() * 1e6);
        }
        Ok(())
    }

    /// The CPU time of one call.
    fn each(calls: u32, mut work: impl FnMut() -> Outcome<()>) -> Outcome<Duration> {
        let start = cpu_time();
        for _ in 0..calls {
            work()?;
        }
        Ok((cpu_time() - start) / calls)
    }

    fn cpu_time() -> Duration {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(time.tv_sec.cast_unsigned(), time.tv_nsec as u32)
    }
}

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    reading::run()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("Only Linux has /proc.");
}
