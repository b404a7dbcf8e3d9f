//! What came of the requests: latencies in a histogram, failures by kind, a point for each second.
//!
//! Each thread counts in its own [`Tally`]. Once a second the [`Record`] takes what is there, so memory does
//! not grow with the number of requests.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hdrhistogram::Histogram;

use crate::benchmark::statistics::error_rate;

/// Why a request counts as failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection: refused, unreachable, name unknown, TLS handshake failed.
    Connect,
    /// The connection ended before the response did.
    Reset,
    /// No whole response in time.
    Timeout,
    /// A whole response with a status of 400 or above.
    Status,
    /// The response is not HTTP/1.
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
#[derive(Debug)]
pub struct Tally {
    counts: Counts,
    latencies: Histogram<u64>,
    active_workers: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    successful: u64,
    failed: [u64; Failure::ALL.len()],
    connections: u64,
    /// The sum of the latencies of the successful, in nanoseconds: exact, unlike the histogram's.
    nanoseconds: u128,
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.successful += other.successful;
        self.connections += other.connections;
        self.nanoseconds += other.nanoseconds;
        for (sum, count) in self.failed.iter_mut().zip(other.failed) {
            *sum += count;
        }
    }

    fn failed(&self) -> u64 {
        self.failed.iter().sum()
    }
}

impl Tally {
    /// For latencies up to `timeout`.
    pub fn new(timeout: Duration) -> Self {
        Self { counts: Counts::default(), latencies: histogram(timeout), active_workers: 0 }
    }

    pub fn succeed(&mut self, latency: Duration) {
        self.counts.successful += 1;
        self.counts.nanoseconds += latency.as_nanos();
        self.latencies.saturating_record(nanoseconds(latency));
    }

    pub fn fail(&mut self, failure: Failure) {
        self.counts.failed[failure as usize] += 1;
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

/// What a test has seen so far.
#[derive(Debug)]
pub struct Record {
    counts: Counts,
    latencies: Histogram<u64>,
    interval: Histogram<u64>,
    closed: Duration,
    timeline: Vec<Point>,
}

/// One interval of the test, as a rule a second.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The end of the interval, from the start of the test.
    pub time: Duration,
    /// Requests that were answered or failed in the interval.
    pub requests: u64,
    pub errors: u64,
    /// Successful requests a second.
    pub throughput: f64,
    /// Of the successful requests of the interval; zero without any.
    pub p50: Duration,
    pub p99: Duration,
    /// Workers at the end of the interval.
    pub active_workers: usize,
}

/// What came of a whole test.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub successful: u64,
    /// In the order of [`Failure::ALL`].
    pub failed: [u64; Failure::ALL.len()],
    /// Connections that were made.
    pub connections: u64,
    /// Latencies are of the successful requests; zero without any.
    pub average: Duration,
    pub p50: Duration,
    pub p95: Duration,
    pub p99: Duration,
    /// Successful requests a second.
    pub throughput: f64,
    pub timeline: Vec<Point>,
    pub duration: Duration,
}

impl Outcome {
    /// Requests that were answered or failed.
    pub fn total(&self) -> u64 {
        self.successful + self.failures()
    }

    pub fn failures(&self) -> u64 {
        self.failed.iter().sum()
    }

    /// The share of failures; 0 without requests.
    pub fn error_rate(&self) -> f64 {
        error_rate(self.successful as f64, self.failures() as f64)
    }
}

impl Record {
    /// For latencies up to `timeout`.
    pub fn new(timeout: Duration) -> Self {
        Self {
            counts: Counts::default(),
            latencies: histogram(timeout),
            interval: histogram(timeout),
            closed: Duration::ZERO,
            timeline: Vec::new(),
        }
    }

    /// Takes what the tallies hold as the point that ends at `time`.
    pub fn close_interval(&mut self, tallies: &[Arc<Mutex<Tally>>], time: Duration) {
        let mut counts = Counts::default();
        let mut active_workers = 0;
        self.interval.clear();
        for tally in tallies {
            let mut tally = lock(tally);
            counts.add(&tally.counts);
            tally.counts = Counts::default();
            add(&mut self.interval, &tally.latencies);
            tally.latencies.clear();
            active_workers += tally.active_workers;
        }
        self.timeline.push(Point {
            time,
            requests: counts.successful + counts.failed(),
            errors: counts.failed(),
            throughput: rate(counts.successful, time.saturating_sub(self.closed)),
            p50: quantile(&self.interval, 0.5),
            p99: quantile(&self.interval, 0.99),
            active_workers,
        });
        self.closed = time;
        add(&mut self.latencies, &self.interval);
        self.counts.add(&counts);
    }

    /// The figures of all intervals that were closed; the last one's end is the test's.
    pub fn finish(&self) -> Outcome {
        let Counts { successful, failed, connections, nanoseconds } = self.counts;
        let duration = self.closed;
        let average = nanoseconds / u128::from(successful.max(1));
        Outcome {
            successful,
            failed,
            connections,
            average: Duration::from_nanos(u64::try_from(average).unwrap_or(u64::MAX)),
            p50: quantile(&self.latencies, 0.5),
            p95: quantile(&self.latencies, 0.95),
            p99: quantile(&self.latencies, 0.99),
            throughput: rate(successful, duration),
            timeline: self.timeline.clone(),
            duration,
        }
    }
}

/// Nanoseconds from one microsecond to `timeout`, at three significant digits.
fn histogram(timeout: Duration) -> Histogram<u64> {
    let highest = nanoseconds(timeout).clamp(1_000_000, u64::MAX / 2);
    #[expect(clippy::expect_used, reason = "the bounds are in order and the digits in range")]
    Histogram::new_with_bounds(1_000, highest, 3).expect("valid bounds")
}

fn add(sum: &mut Histogram<u64>, part: &Histogram<u64>) {
    #[expect(clippy::expect_used, reason = "all histograms of a test have the same bounds")]
    sum.add(part).expect("equal bounds");
}

fn quantile(latencies: &Histogram<u64>, quantile: f64) -> Duration {
    if latencies.is_empty() {
        return Duration::ZERO;
    }
    // The bucket's upper end may lie beyond the largest value in it.
    Duration::from_nanos(latencies.value_at_quantile(quantile).min(latencies.max()))
}

fn rate(count: u64, time: Duration) -> f64 {
    if time.is_zero() { 0.0 } else { count as f64 / time.as_secs_f64() }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(10);

    #[test]
    fn intervals_add_up() {
        let tallies = [0, 1].map(|_| Arc::new(Mutex::new(Tally::new(TIMEOUT))));
        let mut record = Record::new(TIMEOUT);
        lock(&tallies[0]).join();
        lock(&tallies[1]).join();
        for milliseconds in 1..=100 {
            lock(&tallies[milliseconds % 2]).succeed(Duration::from_millis(milliseconds as u64));
        }
        lock(&tallies[0]).fail(Failure::Status);
        record.close_interval(&tallies, Duration::from_secs(1));
        lock(&tallies[1]).fail(Failure::Reset);
        lock(&tallies[1]).leave();
        record.close_interval(&tallies, Duration::from_secs(2));

        let outcome = record.finish();
        assert_eq!((outcome.successful, outcome.failed), (100, [0, 1, 0, 1, 0, 0]));
        assert_eq!(outcome.average, Duration::from_micros(50_500));
        assert_eq!(outcome.throughput, 50.0);
        let within = |found: Duration, expected: u64| {
            (found.as_secs_f64() * 1e3 - expected as f64).abs() < expected as f64 * 1e-3
        };
        assert!(within(outcome.p50, 50) && within(outcome.p95, 95) && within(outcome.p99, 99));
        let [first, second] = &outcome.timeline[..] else { panic!("two intervals") };
        assert_eq!((first.requests, first.errors, first.active_workers), (101, 1, 2));
        assert_eq!((second.requests, second.errors, second.active_workers), (1, 1, 1));
        assert_eq!((second.p50, second.throughput), (Duration::ZERO, 0.0));
    }

    #[test]
    fn of_nothing_every_figure_is_zero() {
        let outcome = Record::new(TIMEOUT).finish();
        assert_eq!((outcome.average, outcome.p99, outcome.throughput), Default::default());
    }

    #[test]
    fn any_timeout_and_latency_fits() {
        for timeout in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
            let tally = Arc::new(Mutex::new(Tally::new(timeout)));
            lock(&tally).succeed(Duration::ZERO);
            lock(&tally).succeed(Duration::MAX);
            let mut record = Record::new(timeout);
            record.close_interval(&[tally], TIMEOUT);
            assert_eq!(record.finish().successful, 2);
        }
    }
}
