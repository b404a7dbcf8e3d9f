//! What a whole test has seen: the sum of the tallies, a point for each second, and the figures of it all.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use hdrhistogram::Histogram;

use super::tally::{Counts, Failure, Latencies, Tally, lock};
use crate::benchmark::statistics::error_rate;

/// What a test has seen so far.
#[derive(Debug, Default)]
pub struct Record {
    counts: Counts,
    latencies: Latencies,
    interval: Latencies,
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
    /// Bytes of responses.
    pub bytes_received: u64,
}

/// What came of a whole test.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub successful: u64,
    /// In the order of [`Failure::ALL`].
    pub failed: [u64; Failure::ALL.len()],
    /// Connections that were made.
    pub connections: u64,
    /// Requests' bytes, as HTTP/1.1 would have them.
    pub bytes_sent: u64,
    pub bytes_received: u64,
    /// Of the successful requests, from when they were due.
    pub response: Distribution,
    /// The same from when they were sent.
    pub service: Distribution,
    /// Successful requests a second.
    pub throughput: f64,
    /// How many requests were due, in the open model.
    pub scheduled: Option<u64>,
    pub timeline: Vec<Point>,
    pub duration: Duration,
}

/// Latencies; every figure is zero without any.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Distribution {
    pub min: Duration,
    pub max: Duration,
    pub average: Duration,
    pub p50: Duration,
    pub p90: Duration,
    pub p95: Duration,
    pub p99: Duration,
    pub p999: Duration,
    /// How many lay at or below each limit and above the one before; the limits grow by a tenth.
    pub histogram: Vec<(Duration, u64)>,
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
    /// Takes what the tallies hold as the point that ends at `time`.
    pub fn close_interval(&mut self, tallies: &[Arc<Mutex<Tally>>], time: Duration) -> Point {
        let mut counts = Counts::default();
        let mut active_workers = 0;
        self.interval.clear();
        for tally in tallies {
            let mut tally = lock(tally);
            counts.add(&tally.counts);
            tally.counts = Counts::default();
            self.interval.add(&tally.latencies);
            tally.latencies.clear();
            active_workers += tally.active_workers;
        }
        let closed = std::mem::replace(&mut self.closed, time);
        self.latencies.add(&self.interval);
        self.counts.add(&counts);
        let point = Point {
            time,
            requests: counts.successful + counts.failed(),
            errors: counts.failed(),
            throughput: rate(counts.successful, time.saturating_sub(closed)),
            p50: quantile(&self.interval.response, 0.5),
            p99: quantile(&self.interval.response, 0.99),
            active_workers,
            bytes_received: counts.bytes_received,
        };
        self.timeline.push(point.clone());
        point
    }

    /// The figures of all intervals that were closed; the last one's end is the test's.
    pub fn finish(&self) -> Outcome {
        let Counts { successful, failed, connections, bytes_sent, bytes_received, nanoseconds } =
            self.counts;
        let duration = self.closed;
        let average = nanoseconds / u128::from(successful.max(1));
        let average = Duration::from_nanos(u64::try_from(average).unwrap_or(u64::MAX));
        Outcome {
            successful,
            failed,
            connections,
            bytes_sent,
            bytes_received,
            response: Distribution { average, ..Distribution::of(&self.latencies.response) },
            service: Distribution::of(&self.latencies.service),
            throughput: rate(successful, duration),
            scheduled: None,
            timeline: self.timeline.clone(),
            duration,
        }
    }
}

impl Distribution {
    fn of(latencies: &Histogram<u64>) -> Self {
        if latencies.is_empty() {
            return Self::default();
        }
        let at = |share| quantile(latencies, share);
        Self {
            min: Duration::from_nanos(latencies.min()),
            max: Duration::from_nanos(latencies.max()),
            average: Duration::from_nanos(latencies.mean() as u64),
            p50: at(0.5),
            p90: at(0.9),
            p95: at(0.95),
            p99: at(0.99),
            p999: at(0.999),
            histogram: buckets(latencies),
        }
    }
}

/// The recorded values in buckets whose limits grow by a tenth, from the first that holds any to the last.
fn buckets(latencies: &Histogram<u64>) -> Vec<(Duration, u64)> {
    let mut limit = latencies.min().max(1_000) as f64;
    let mut buckets = vec![];
    let mut count = 0;
    for step in latencies.iter_recorded() {
        while step.value_iterated_to() as f64 > limit {
            buckets.push((Duration::from_nanos(limit as u64), count));
            count = 0;
            limit *= 1.1;
        }
        count += step.count_since_last_iteration();
    }
    buckets.push((Duration::from_nanos(limit as u64), count));
    buckets
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_add_up() {
        let tallies = [0, 1].map(|_| Arc::new(Mutex::new(Tally::default())));
        let mut record = Record::default();
        lock(&tallies[0]).join();
        lock(&tallies[1]).join();
        for milliseconds in 1..=100 {
            lock(&tallies[milliseconds % 2])
                .succeed(Duration::from_millis(milliseconds as u64), Duration::from_millis(1));
        }
        lock(&tallies[0]).fail(Failure::Status);
        record.close_interval(&tallies, Duration::from_secs(1));
        lock(&tallies[1]).fail(Failure::Reset);
        lock(&tallies[1]).leave();
        record.close_interval(&tallies, Duration::from_secs(2));

        let outcome = record.finish();
        assert_eq!((outcome.successful, outcome.failed), (100, [0, 1, 0, 1, 0, 0]));
        assert_eq!(outcome.response.average, Duration::from_micros(50_500));
        assert_eq!(outcome.throughput, 50.0);
        let within = |found: Duration, expected: u64| {
            (found.as_secs_f64() * 1e3 - expected as f64).abs() < expected as f64 * 1e-3
        };
        assert!(
            within(outcome.response.p50, 50)
                && within(outcome.response.p95, 95)
                && within(outcome.response.p99, 99)
        );
        let counted: u64 = outcome.response.histogram.iter().map(|(_, count)| count).sum();
        assert_eq!((counted, outcome.service.p99.as_millis()), (100, 1));
        let [first, second] = &outcome.timeline[..] else { panic!("two intervals") };
        assert_eq!((first.requests, first.errors, first.active_workers), (101, 1, 2));
        assert_eq!((second.requests, second.errors, second.active_workers), (1, 1, 1));
        assert_eq!((second.p50, second.throughput), (Duration::ZERO, 0.0));
    }

    #[test]
    fn of_nothing_every_figure_is_zero() {
        let outcome = Record::default().finish();
        assert_eq!(
            (outcome.response.average, outcome.response.p99, outcome.throughput),
            Default::default()
        );
    }

    #[test]
    fn any_latency_fits() {
        let tally = Arc::new(Mutex::new(Tally::default()));
        lock(&tally).succeed(Duration::ZERO, Duration::ZERO);
        lock(&tally).succeed(Duration::MAX, Duration::MAX);
        let mut record = Record::default();
        record.close_interval(&[tally], Duration::from_secs(10));
        assert_eq!(record.finish().successful, 2);
    }
}
