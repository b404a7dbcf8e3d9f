//! What the cache's engine takes by itself, without JavaScript and without a change of threads: the medians of `bench/cache.mjs`'
//! operations in microseconds, a line each.

use std::{hint::black_box, time::Instant};

use aiwf_native::cache::{Entry, Key, Memory, Stamp, Store};

const ROUNDS: usize = 9;
const BODY: usize = 1_000;

fn main() {
    report("memory hit", 100_000, memory_hit);
    report("disk hit", 300, |count| with_store(count, |store| get_all(store, count, 0)));
    report("disk miss", 300, |count| with_store(count, |store| get_all(store, count, count)));
    report("set, one by one", 300, |count| {
        with_store(1, |store| {
            timed(|| {
                for number in 0..count {
                    put(store, number..number + 1);
                }
            })
        })
    });
    report("set, 200 at once", 200, |count| with_store(1, |store| timed(|| put(store, 0..count))));
}

/// Prints the median of the rounds, an operation.
fn report(name: &str, count: usize, mut round: impl FnMut(usize) -> f64) {
    let mut times: Vec<f64> = (0..ROUNDS).map(|_| round(count) * 1e6 / count as f64).collect();
    times.sort_by(f64::total_cmp);
    println!("{name}\t{:.3}", times[ROUNDS / 2]);
}

/// Seconds.
fn timed(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

fn memory_hit(count: usize) -> f64 {
    let memory = Memory::new(1_000, 1 << 26, 0.0);
    let slot = memory.insert("key", Stamp::new(key(0), 0.0, None), None, 1);
    timed(|| {
        for _ in 0..count {
            black_box(memory.hit(black_box(slot), 1.0, 300_000.0));
        }
    })
}

/// A store on a folder of its own that holds the first `count` keys.
fn with_store(count: usize, work: impl FnOnce(&mut Store) -> f64) -> f64 {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut store = Store::new(folder.path().to_owned(), 1 << 28);
    put(&mut store, 0..count);
    work(&mut store)
}

fn put(store: &mut Store, numbers: std::ops::Range<usize>) {
    let entry = |number| Entry {
        stamp: Stamp::new(key(number), 0.0, None),
        meta: Vec::new(),
        body: vec![b'x'; BODY],
    };
    store.put(numbers.map(|number| (key(number), entry(number))).collect()).expect("a sound disk");
}

fn get_all(store: &mut Store, count: usize, from: usize) -> f64 {
    timed(|| {
        for number in from..from + count {
            black_box(store.get(key(number), |_| true));
        }
    })
}

fn key(number: usize) -> Key {
    Key::of_request(&number.to_string())
}
