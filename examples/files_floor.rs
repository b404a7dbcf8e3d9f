//! The floor under the file engine: plain Rust doing the same work with no JavaScript, no order and no safety. What
//! `bench/files.mjs` puts beside it can't be faster.
//!
//! `files_floor <operation> <threads> <source folder> <target folder> <count>` works on the files `0` to `count - 1`
//! and prints the milliseconds that took.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Instant,
};

type Operation = fn(&Path, &Path, usize) -> io::Result<()>;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [operation, threads, source, target, count] = &arguments[..] else {
        return Err(io::Error::other("five arguments are needed; see the source"));
    };
    let number = |text: &str| text.parse::<usize>().map_err(io::Error::other);
    let (threads, count) = (number(threads)?, number(count)?);
    let operation: Operation = match operation.as_str() {
        "read" => |source, _, index| fs::read(source.join(index.to_string())).map(drop),
        "write new" => |_, target, index| fs::write(target.join(index.to_string()), [b'x'; 4096]),
        "copy" => |source, target, index| {
            let name = index.to_string();
            fs::copy(source.join(&name), target.join(&name)).map(drop)
        },
        "mkdir -p" => |_, target, index| {
            let deep = format!("{}/{}/{index}", index % 10, index % 100);
            fs::create_dir_all(target.join(deep))
        },
        other => return Err(io::Error::other(format!("no operation is called {other}"))),
    };
    let (source, target) = (PathBuf::from(source), PathBuf::from(target));
    let began = Instant::now();
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            match next.fetch_add(1, Ordering::Relaxed) {
                index if index < count => operation(&source, &target, index)?,
                _ => return io::Result::Ok(()),
            }
        }
    };
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let outcomes = others.into_iter().map(|other| other.join());
        work()?;
        outcomes.flat_map(Result::ok).collect::<io::Result<()>>()
    })?;
    println!("{}", began.elapsed().as_secs_f64() * 1_000.0);
    Ok(())
}
