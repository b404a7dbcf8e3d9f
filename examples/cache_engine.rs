//! What the cache's engine takes by itself, without JavaScript and without a change of threads: the medians of `bench/cache.mjs`'
//! operations in microseconds, a line each.

use std::{
    env, fs,
    hint::black_box,
    ops::Range,
    process, thread,
    time::{Duration, Instant},
};

use aiwf_native::{
    cache::{Entry, Key, Memory, Stamp, Store},
    error::Result,
};

const ROUNDS: usize = 9;
const BODY: usize = 1_000;
const REST: Duration = Duration::from_millis(100);

fn main() -> Result<()> {
    report("memory hit", 100_000, |count| Ok(memory_hit(count)))?;
    report("disk hit", 300, |count| with_store(count, |store| get_all(store, 0..count)))?;
    report("disk miss", 300, |count| with_store(count, |store| get_all(store, count..2 * count)))?;
    report("set, one by one", 300, |count| {
        with_store(1, |store| (0..count).try_for_each(|number| put(store, number..number + 1)))
    })?;
    report("set, 200 at once", 200, |count| with_store(1, |store| put(store, 0..count)))
}

/// Prints the median of the rounds, an operation.
fn report(
    name: &str,
    count: usize,
    mut round: impl FnMut(usize) -> Result<Duration>,
) -> Result<()> {
    let mut times = (0..ROUNDS).map(|_| round(count)).collect::<Result<Vec<_>>>()?;
    times.sort();
    println!("{name}\t{:.3}", times[ROUNDS / 2].as_secs_f64() * 1e6 / count as f64);
    Ok(())
}

fn memory_hit(count: usize) -> Duration {
    let memory = Memory::new(1_000, 1 << 26, 0.0);
    let slot = memory.insert("key", Stamp::new(key(0), 0.0, None), None, 1);
    let start = Instant::now();
    for _ in 0..count {
        black_box(memory.hit(black_box(slot), 1.0, 300_000.0));
    }
    start.elapsed()
}

/// How long `work` takes on a store in a folder of its own that holds the first `count` keys.
fn with_store(count: usize, work: impl FnOnce(&mut Store) -> Result<()>) -> Result<Duration> {
    let folder = env::temp_dir().join(format!("cache-engine-{}", process::id()));
    let mut store = Store::new(folder.clone(), 1 << 28);
    put(&mut store, 0..count)?;
    // The folder comes to rest: what changed in the last moments is looked at again.
    black_box(store.get(key(usize::MAX), |_| true));
    thread::sleep(REST);
    black_box(store.get(key(usize::MAX), |_| true));
    let start = Instant::now();
    work(&mut store)?;
    let time = start.elapsed();
    drop(store);
    // What is left is temporary.
    let _ = fs::remove_dir_all(folder);
    Ok(time)
}

fn put(store: &mut Store, numbers: Range<usize>) -> Result<()> {
    let entry = |number| Entry {
        stamp: Stamp::new(key(number), 0.0, None),
        meta: Vec::new(),
        body: vec![b'x'; BODY],
    };
    store.put(numbers.map(|number| (key(number), entry(number))).collect())
}

fn get_all(store: &mut Store, numbers: Range<usize>) -> Result<()> {
    for number in numbers {
        let at_once = store.get_at_once(key(number), |_| true);
        black_box(at_once.unwrap_or_else(|| store.get(key(number), |_| true)));
    }
    Ok(())
}

fn key(number: usize) -> Key {
    Key::of_request(&number.to_string())
}
