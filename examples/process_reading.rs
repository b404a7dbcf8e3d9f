//! What a reading of the sampling thread costs, beside the bare system call it can't do without.
//!
//! `cargo run --release --example process_reading` prints medians of rounds in turns.

use std::{
    error::Error,
    fs::File,
    os::unix::fs::FileExt,
    time::{Duration, Instant},
};

use aiwf_native::memory::process::{ProcessReader, Pss};

const ROUNDS: usize = 31;
const CALLS: u32 = 20_000;

fn main() -> Result<(), Box<dyn Error>> {
    let statm = File::open("/proc/self/statm")?;
    let mut text = [0; 128];
    let mut reader = ProcessReader::open(Pss::Never)?;
    let (mut bare, mut whole) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(each(|| Ok(std::hint::black_box(statm.read_at(&mut text, 0)).map(drop)?))?);
        whole.push(each(|| Ok(std::hint::black_box(reader.read()).map(drop)?))?);
    }
    println!("a bare pread of statm      {:>6} ns", median(bare).as_nanos());
    println!("a reading of the sampler   {:>6} ns", median(whole).as_nanos());
    Ok(())
}

/// The time of one call.
fn each(mut work: impl FnMut() -> Result<(), Box<dyn Error>>) -> Result<Duration, Box<dyn Error>> {
    let start = Instant::now();
    for _ in 0..CALLS {
        work()?;
    }
    Ok(start.elapsed() / CALLS)
}

fn median(mut values: Vec<Duration>) -> Duration {
    values.sort_unstable();
    values[values.len() / 2]
}
