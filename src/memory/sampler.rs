//! A thread that reads the process's figures on a beat, whatever the event loop does.
//!
//! Beats wait in a bounded ring until somebody drains them; the owner is woken at most fifty times a second, however
//! fast the beat. The thread allocates nothing but the ring, and ends with its [`Sampler`]: dropping
//! that stops it and waits for it, which takes as long as one reading.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use super::process::{Figures, ProcessReader, Pss};
use crate::error::{Result, SystemError};

/// One reading of the thread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Beat {
    /// Milliseconds since the Unix epoch.
    pub at_ms: f64,
    pub figures: Figures,
}

/// What a thread reads, and how often.
#[derive(Clone, Copy, Debug)]
pub struct SamplerOptions {
    pub interval: Duration,
    /// Beats that are kept until they are drained; the oldest go first.
    pub capacity: usize,
    pub pss: Pss,
}

/// Beats that were drained.
#[derive(Debug)]
pub struct Drained {
    pub beats: Vec<Beat>,
    /// How long the owner took to come after it was woken: the event loop's delay.
    pub delay: Duration,
}

/// Beats that the ring has room for from the start, so that no reading allocates unless nobody drains for long.
const RESERVED: usize = 1_024;

/// Waking the owner costs far more than a reading.
const WAKE_EVERY: Duration = Duration::from_millis(20);

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
    /// When the owner was woken for the beats that wait.
    woken: Option<Instant>,
}

impl Sampler {
    /// Reads every interval, the first time after one. `wake` is called on the thread when beats wait and nobody was
    /// told yet.
    pub fn start(options: SamplerOptions, wake: impl Fn() + Send + 'static) -> Result<Self> {
        let state = State {
            stopping: false,
            ring: VecDeque::with_capacity(options.capacity.clamp(1, RESERVED)),
            capacity: options.capacity.max(1),
            woken: None,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), stopped: Condvar::new() });
        let reader = ProcessReader::open(options.pss)?;
        let thread = std::thread::Builder::new().name("aiwf-sampler".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || shared.run(options.interval, reader, wake)
        });
        let thread = thread.map_err(|source| SystemError::new(&source, "pthread_create"))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Takes the beats that wait, oldest first.
    pub fn drain(&self) -> Drained {
        let mut state = self.shared.lock();
        let delay = state.woken.take().map_or(Duration::ZERO, |woken| woken.elapsed());
        Drained { beats: state.ring.drain(..).collect(), delay }
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
    fn run(&self, interval: Duration, mut reader: ProcessReader, wake: impl Fn()) {
        let mut next = Instant::now() + interval;
        let mut wake_from = Instant::now();
        while self.sleep_until(next) {
            let now = Instant::now();
            // A reading that fails is a missed beat; the next may succeed.
            if let Ok(figures) = reader.read()
                && self.push(Beat { at_ms: unix_ms(), figures }, now, wake_from)
            {
                wake_from = now + WAKE_EVERY;
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

    /// Whether the owner is to be woken: nobody has told it that beats wait, and it was left alone for a while.
    fn push(&self, beat: Beat, now: Instant, wake_from: Instant) -> bool {
        let mut state = self.lock();
        if state.ring.len() == state.capacity {
            state.ring.pop_front();
        }
        state.ring.push_back(beat);
        let wake = state.woken.is_none() && now >= wake_from;
        if wake {
            state.woken = Some(now);
        }
        wake
    }

    /// The state is never left half-changed, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unix_ms() -> f64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since_epoch.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn options(interval: Duration, capacity: usize) -> SamplerOptions {
        SamplerOptions { interval, capacity, pss: Pss::Never }
    }

    #[test]
    fn wakes_once_and_collects_beats_until_drained() {
        let (woken, wakes) = mpsc::channel();
        let wake = move || woken.send(()).unwrap();
        let sampler = Sampler::start(options(Duration::from_millis(1), 3), wake).unwrap();
        wakes.recv_timeout(PATIENCE).unwrap();
        while sampler.shared.lock().ring.len() < 3 {
            std::thread::yield_now();
        }
        assert!(wakes.try_recv().is_err(), "nobody drained, so nobody is woken again");
        let Drained { beats, delay } = sampler.drain();
        assert!(beats.is_sorted_by_key(|beat| beat.at_ms as u64));
        assert!(beats.iter().all(|beat| beat.figures.rss > 0.0) && delay > Duration::ZERO);
        wakes.recv_timeout(PATIENCE).unwrap();
        let Drained { beats, .. } = sampler.drain();
        assert!(!beats.is_empty());
    }

    #[test]
    fn the_ring_keeps_the_latest_and_wakes_are_paced() {
        let state = State { stopping: false, ring: VecDeque::new(), capacity: 2, woken: None };
        let shared = Shared { state: Mutex::new(state), stopped: Condvar::new() };
        let figures = ProcessReader::open(Pss::Never).unwrap().read().unwrap();
        let start = Instant::now();
        let push = |at_ms, now| shared.push(Beat { at_ms, figures }, now, start + WAKE_EVERY);
        assert!(!push(1.0, start), "too soon after the last wake-up");
        assert!(push(2.0, start + WAKE_EVERY) && !push(3.0, start + 2 * WAKE_EVERY));
        let kept: Vec<_> = shared.lock().ring.iter().map(|beat| beat.at_ms).collect();
        assert_eq!(kept, [2.0, 3.0]);
    }

    #[test]
    fn dropping_ends_the_thread_at_once() {
        let (woken, wakes) = mpsc::channel::<()>();
        let wake = move || woken.send(()).unwrap();
        let sampler = Sampler::start(options(Duration::from_secs(3_600), 1), wake);
        drop(sampler.unwrap());
        // The thread owned the sender.
        assert_eq!(wakes.try_recv(), Err(mpsc::TryRecvError::Disconnected));
    }
}
