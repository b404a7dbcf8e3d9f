//! The threads every engine shares: one tokio runtime for the process.
//!
//! One thread turns the network and the timers: a second would take work over from it, and each time one has to wake the
//! other, which costs more than what there is to do. A bounded set of blocking threads does file work, first
//! come first served. The runtime is never shut down: an ending worker thread must not take the
//! others' work with it, and at process exit its threads die with the process.

use std::{future::Future, sync::LazyLock};

use tokio::{runtime::Runtime, task::JoinHandle};

/// Enough that a slow or cold disk keeps busy, few enough that file descriptors and memory stay small.
/// Eight threads read a warm cache as fast as two and a cold one about twice as fast.
pub const BLOCKING_THREADS: usize = 16;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "without threads no engine can work at all")]
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_name("aiwf-native")
        .enable_all()
        .build()
        .expect("the system refused to start threads")
});

/// Runs a future to its end, whoever still waits for it.
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    RUNTIME.spawn(future)
}

/// Runs blocking work, such as system calls on files, on a thread that may block.
pub fn spawn_blocking<R: Send + 'static>(
    work: impl FnOnce() -> R + Send + 'static,
) -> JoinHandle<R> {
    RUNTIME.spawn_blocking(work)
}
