//! What came of the requests of one thread: latencies in histograms, failures by kind.
//!
//! Each thread counts in its own [`Tally`]. Once a second the [record](super::record) takes what is there, so
//! memory does not grow with the number of requests.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hdrhistogram::Histogram;

/// A microsecond in nanoseconds.
const SHORTEST: u64 = 1_000;

/// Sixty days in nanoseconds: more than a test may take.
const LONGEST: u64 = 60 * 86_400 * 1_000_000_000;

/// Why a request counts as failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection: refused, unreachable, name unknown, TLS handshake failed.
    Connect,
    /// The connection ended before the response did.
    Reset,
    /// No whole response in time.
    Timeout,
    /// A whole response with a status that was not expected.
    Status,
    /// The response is not of the protocol.
    Protocol,
    /// A target function threw or its promise was rejected.
    Rejected,
}

impl Failure {
    pub const ALL: [Self; 6] =
        [Self::Connect, Self::Reset, Self::Timeout, Self::Status, Self::Protocol, Self::Rejected];

    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Reset => "reset",
            Self::Timeout => "timeout",
            Self::Status => "status",
            Self::Protocol => "protocol",
            Self::Rejected => "rejected",
        }
    }
}

/// Counts of one thread since they were last taken.
#[derive(Debug, Default)]
pub struct Tally {
    pub(super) counts: Counts,
    pub(super) latencies: Latencies,
    pub(super) active_workers: usize,
}

/// Latencies of successful requests.
#[derive(Clone, Debug)]
pub struct Latencies {
    /// From when the request was due; in the closed model that is when it was sent.
    pub response: Histogram<u64>,
    /// From when it was sent.
    pub service: Histogram<u64>,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub successful: u64,
    pub failed: [u64; Failure::ALL.len()],
    pub connections: u64,
    pub bytes_sent: u64,
    pub bytes_received: u64,
    /// The sum of the latencies of the successful, in nanoseconds: exact, unlike the histogram's.
    pub nanoseconds: u128,
}

impl Counts {
    pub fn add(&mut self, other: &Self) {
        self.successful += other.successful;
        self.connections += other.connections;
        self.bytes_sent += other.bytes_sent;
        self.bytes_received += other.bytes_received;
        self.nanoseconds += other.nanoseconds;
        for (sum, count) in self.failed.iter_mut().zip(other.failed) {
            *sum += count;
        }
    }

    pub fn failed(&self) -> u64 {
        self.failed.iter().sum()
    }
}

impl Tally {
    /// A request was answered so long after it was due, and after it was sent.
    pub fn succeed(&mut self, response: Duration, service: Duration) {
        self.counts.successful += 1;
        self.counts.nanoseconds += response.as_nanos();
        self.latencies.response.saturating_record(nanoseconds(response));
        self.latencies.service.saturating_record(nanoseconds(service));
    }

    pub fn fail(&mut self, failure: Failure) {
        self.counts.failed[failure as usize] += 1;
    }

    pub fn send(&mut self, bytes: u64) {
        self.counts.bytes_sent += bytes;
    }

    pub fn receive(&mut self, bytes: u64) {
        self.counts.bytes_received += bytes;
    }

    /// A connection was made.
    pub fn connect(&mut self) {
        self.counts.connections += 1;
    }

    /// A worker started.
    pub fn join(&mut self) {
        self.active_workers += 1;
    }

    /// A worker ended.
    pub fn leave(&mut self) {
        self.active_workers -= 1;
    }

    /// For who knows how many workers there are without counting here.
    pub fn set_active(&mut self, workers: usize) {
        self.active_workers = workers;
    }
}

/// No panic can leave a tally half-counted in a way that matters.
pub fn lock(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default for Latencies {
    fn default() -> Self {
        Self { response: histogram(), service: histogram() }
    }
}

impl Latencies {
    pub fn add(&mut self, other: &Self) {
        add(&mut self.response, &other.response);
        add(&mut self.service, &other.service);
    }

    pub fn clear(&mut self) {
        self.response.clear();
        self.service.clear();
    }
}

/// Nanoseconds from [`SHORTEST`] to [`LONGEST`], at three significant digits; what is longer counts as that long.
fn histogram() -> Histogram<u64> {
    #[expect(
        clippy::expect_used,
        reason = "constants: 1 ≤ the shortest, twice that ≤ the longest, 3 ≤ 5 digits"
    )]
    Histogram::new_with_bounds(SHORTEST, LONGEST, 3).expect("valid bounds")
}

fn add(sum: &mut Histogram<u64>, part: &Histogram<u64>) {
    #[expect(
        clippy::expect_used,
        reason = "fails only for values beyond the sum's bounds, and all have the same, constant ones"
    )]
    sum.add(part).expect("equal bounds");
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
