//! A thread that reads the resident memory on a beat, whatever the event loop does.
//!
//! Beats wait in a bounded ring until somebody drains them. The thread ends with its [`Sampler`]: dropping
//! that stops it and waits for it, which takes as long as one reading.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use super::sample::ResidentMemory;
use crate::error::{Result, SystemError};

/// One reading of the thread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Beat {
    /// Milliseconds since the Unix epoch.
    pub at_ms: f64,
    /// Bytes resident.
    pub rss: u64,
}

/// A running sampling thread.
#[derive(Debug)]
pub struct Sampler {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    stopped: Condvar,
}

#[derive(Debug)]
struct State {
    stopping: bool,
    ring: VecDeque<Beat>,
    capacity: usize,
}

impl Sampler {
    /// Reads every `interval`, the first time after one interval, and keeps the latest `capacity` beats.
    /// `wake` is called on the thread when beats wait and nobody was told yet.
    pub fn start(
        interval: Duration,
        capacity: usize,
        wake: impl Fn() + Send + 'static,
    ) -> Result<Self> {
        let state = State { stopping: false, ring: VecDeque::new(), capacity: capacity.max(1) };
        let shared = Arc::new(Shared { state: Mutex::new(state), stopped: Condvar::new() });
        let memory = ResidentMemory::open()?;
        let thread = std::thread::Builder::new().name("aiwf-sampler".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || shared.run(interval, memory, wake)
        });
        let thread = thread.map_err(|source| SystemError::new(&source, "pthread_create"))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Takes the beats that wait, oldest first.
    pub fn drain(&self) -> Vec<Beat> {
        self.shared.lock().ring.drain(..).collect()
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.shared.lock().stopping = true;
        self.shared.stopped.notify_one();
        if let Some(thread) = self.thread.take() {
            // An error means that the thread panicked, which leaves nothing to clean up.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn run(&self, interval: Duration, mut memory: ResidentMemory, wake: impl Fn()) {
        let mut next = Instant::now() + interval;
        while self.sleep_until(next) {
            // A reading that fails is a missed beat; the next may succeed.
            if let Ok(rss) = memory.read()
                && self.push(Beat { at_ms: unix_ms(), rss })
            {
                wake();
            }
            // After a suspended system or a long stall, go on from now instead of catching up.
            next = (next + interval).max(Instant::now());
        }
    }

    /// False when the sampler is to stop.
    fn sleep_until(&self, deadline: Instant) -> bool {
        let mut state = self.lock();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if state.stopping || left.is_zero() {
                return !state.stopping;
            }
            let waited = self.stopped.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Whether the ring was empty: then nobody has been told that beats wait.
    fn push(&self, beat: Beat) -> bool {
        let mut state = self.lock();
        let first = state.ring.is_empty();
        if state.ring.len() == state.capacity {
            state.ring.pop_front();
        }
        state.ring.push_back(beat);
        first
    }

    /// The state is never left half-changed, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unix_ms() -> f64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since_epoch.as_millis() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const PATIENCE: Duration = Duration::from_secs(60);

    #[test]
    fn wakes_once_and_collects_beats_until_drained() {
        let (woken, wakes) = mpsc::channel();
        let sampler =
            Sampler::start(Duration::from_millis(1), 3, move || woken.send(()).unwrap()).unwrap();
        wakes.recv_timeout(PATIENCE).unwrap();
        while sampler.shared.lock().ring.len() < 3 {
            std::thread::yield_now();
        }
        assert!(wakes.try_recv().is_err(), "nobody drained, so nobody is woken again");
        let beats = sampler.drain();
        assert!(beats.is_sorted_by_key(|beat| beat.at_ms as u64));
        assert!(beats.iter().all(|beat| beat.rss > 0));
        wakes.recv_timeout(PATIENCE).unwrap();
        assert!(!sampler.drain().is_empty());
    }

    #[test]
    fn the_ring_keeps_the_latest() {
        let shared = Shared {
            state: Mutex::new(State { stopping: false, ring: VecDeque::new(), capacity: 2 }),
            stopped: Condvar::new(),
        };
        for rss in 1..=4 {
            shared.push(Beat { at_ms: 0.0, rss });
        }
        let kept: Vec<_> = shared.lock().ring.iter().map(|beat| beat.rss).collect();
        assert_eq!(kept, [3, 4]);
    }

    #[test]
    fn dropping_ends_the_thread_at_once() {
        let (woken, wakes) = mpsc::channel::<()>();
        let sampler = Sampler::start(Duration::from_secs(3_600), 1, move || {
            woken.send(()).unwrap();
        });
        drop(sampler.unwrap());
        // The thread owned the sender.
        assert_eq!(wakes.try_recv(), Err(mpsc::TryRecvError::Disconnected));
    }
}
