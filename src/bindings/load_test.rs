//! `PerformanceBenchmark.runLoadTest`: requests to a URL from native threads, or the record of calls that
//! JavaScript makes itself.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use napi::bindgen_prelude::{Buffer, Float64Array};
use napi_derive::napi;

use super::settle::{Settler, Ticket};
use crate::{
    benchmark::load::{
        self, Pace, Plan,
        record::{Distribution, Outcome, Point, Record},
        schedule::Schedule,
        tally::{Failure, Tally, lock},
        target::{Expected, Message, Protocol, Target},
    },
    error::Result,
};

#[napi(object)]
pub struct LoadTarget {
    pub url: String,
    pub method: String,
    /// Names and values in turn.
    pub headers: Vec<String>,
    pub body: Buffer,
    /// Those below 400 if none are named.
    pub statuses: Vec<u32>,
    pub weight: f64,
}

impl LoadTarget {
    fn resolve(self) -> Result<Target> {
        let mut headers = self.headers.into_iter();
        let mut pairs = Vec::new();
        while let (Some(name), Some(value)) = (headers.next(), headers.next()) {
            pairs.push((name, value));
        }
        let expected = match &*self.statuses {
            [] => Expected::NoError,
            statuses => Expected::OneOf(statuses.iter().map(|status| *status as u16).collect()),
        };
        let (method, body, weight) = (self.method, self.body.to_vec(), self.weight);
        Target::new(&self.url, Message { method, headers: pairs, body, expected, weight })
    }
}

#[napi(object)]
pub struct LoadPlan {
    pub targets: Vec<LoadTarget>,
    pub http2: bool,
    /// Requests a second of the open model.
    pub rate: Option<f64>,
    pub duration: f64,
    pub ramp_up: f64,
    pub concurrency: u32,
    pub max_requests: Option<f64>,
    pub timeout: f64,
}

#[napi(object)]
pub struct LoadPoint {
    pub time: f64,
    pub requests: f64,
    pub errors: f64,
    pub throughput: f64,
    pub p50: f64,
    pub p99: f64,
    pub active_workers: u32,
    pub bytes_received: f64,
}

impl From<Point> for LoadPoint {
    fn from(point: Point) -> Self {
        Self {
            time: to_millis(point.time),
            requests: point.requests as f64,
            errors: point.errors as f64,
            throughput: point.throughput,
            p50: to_millis(point.p50),
            p99: to_millis(point.p99),
            active_workers: point.active_workers as u32,
            bytes_received: point.bytes_received as f64,
        }
    }
}

#[napi(object)]
pub struct LoadPercentiles {
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
}

#[napi(object)]
pub struct LoadDistribution {
    pub min: f64,
    pub max: f64,
    pub average: f64,
    pub p50: f64,
    pub p90: f64,
    pub p95: f64,
    pub p99: f64,
    pub p999: f64,
    pub histogram: Vec<LoadBucket>,
}

#[napi(object)]
pub struct LoadBucket {
    pub up_to: f64,
    pub count: f64,
}

impl From<Distribution> for LoadDistribution {
    fn from(known: Distribution) -> Self {
        let histogram = known
            .histogram
            .into_iter()
            .map(|(limit, count)| LoadBucket { up_to: to_millis(limit), count: count as f64 });
        Self {
            min: to_millis(known.min),
            max: to_millis(known.max),
            average: to_millis(known.average),
            p50: to_millis(known.p50),
            p90: to_millis(known.p90),
            p95: to_millis(known.p95),
            p99: to_millis(known.p99),
            p999: to_millis(known.p999),
            histogram: histogram.collect(),
        }
    }
}

#[napi(object)]
pub struct LoadBytes {
    pub sent: f64,
    pub received: f64,
}

#[napi(object)]
pub struct LoadErrors {
    pub connect: f64,
    pub reset: f64,
    pub timeout: f64,
    pub status: f64,
    pub protocol: f64,
    pub rejected: f64,
}

#[napi(object)]
pub struct LoadMetrics {
    pub total_requests: f64,
    pub successful_requests: f64,
    pub failed_requests: f64,
    pub average_response_time: f64,
    pub response_time_percentiles: LoadPercentiles,
    pub throughput: f64,
    pub error_rate: f64,
    pub errors: LoadErrors,
    pub connections: f64,
    pub bytes: LoadBytes,
    pub response_time: LoadDistribution,
    pub service_time: LoadDistribution,
    /// Of the open model.
    pub scheduled_requests: Option<f64>,
}

#[napi(object)]
pub struct LoadOutcome {
    pub metrics: LoadMetrics,
    pub timeline: Vec<LoadPoint>,
    pub duration: f64,
}

impl From<Outcome> for LoadOutcome {
    fn from(outcome: Outcome) -> Self {
        let count = |failure: Failure| outcome.failed[failure as usize] as f64;
        let metrics = LoadMetrics {
            total_requests: outcome.total() as f64,
            successful_requests: outcome.successful as f64,
            failed_requests: outcome.failures() as f64,
            average_response_time: to_millis(outcome.response.average),
            response_time_percentiles: LoadPercentiles {
                p50: to_millis(outcome.response.p50),
                p95: to_millis(outcome.response.p95),
                p99: to_millis(outcome.response.p99),
            },
            throughput: outcome.throughput,
            error_rate: outcome.error_rate(),
            errors: LoadErrors {
                connect: count(Failure::Connect),
                reset: count(Failure::Reset),
                timeout: count(Failure::Timeout),
                status: count(Failure::Status),
                protocol: count(Failure::Protocol),
                rejected: count(Failure::Rejected),
            },
            connections: outcome.connections as f64,
            bytes: LoadBytes {
                sent: outcome.bytes_sent as f64,
                received: outcome.bytes_received as f64,
            },
            response_time: outcome.response.into(),
            service_time: outcome.service.into(),
            scheduled_requests: outcome.scheduled.map(|count| count as f64),
        };
        let timeline = outcome.timeline.into_iter().map(LoadPoint::from).collect();
        Self { metrics, timeline, duration: to_millis(outcome.duration) }
    }
}

/// Settles `ticket` with a [`LoadOutcome`] when the test is over; each [`LoadPoint`] is an event.
#[napi(catch_unwind)]
pub fn run_load_test(settler: &Settler, ticket: Ticket, plan: LoadPlan) {
    let (duration, ramp_up) = (millis(plan.duration), millis(plan.ramp_up));
    let targets: Result<Vec<Target>> = plan.targets.into_iter().map(LoadTarget::resolve).collect();
    let plan = Plan {
        duration,
        ramp_up,
        concurrency: plan.concurrency as usize,
        pace: plan.rate.map_or(Pace::Closed, |rate| Pace::Open(Schedule::new(rate, ramp_up))),
        protocol: if plan.http2 { Protocol::Http2 } else { Protocol::Http1 },
        max_requests: plan.max_requests.map(|max| max as u64),
        timeout: millis(plan.timeout),
    };
    let reporter = settler.reporter();
    let tell = move |point: Point| reporter.tell(ticket, LoadPoint::from(point));
    settler.reporter().spawn(ticket, move |cancel| async move {
        load::run(targets?, plan, cancel, tell).await.map(LoadOutcome::from)
    });
}

/// The record of a load test whose calls JavaScript makes.
#[napi]
#[derive(Default)]
pub struct LoadRecord {
    record: Mutex<Record>,
    tally: [Arc<Mutex<Tally>>; 1],
}

#[napi]
impl LoadRecord {
    #[napi(constructor, catch_unwind)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an interval that ends at `time`: the latencies of its successful calls, and its failures.
    #[napi(catch_unwind)]
    pub fn close_interval(
        &self,
        time: f64,
        latencies: Float64Array,
        rejected: u32,
        timed_out: u32,
        active_workers: u32,
    ) -> LoadPoint {
        let mut tally = lock(&self.tally[0]);
        latencies.iter().for_each(|&latency| {
            let latency = millis(latency);
            tally.succeed(latency, latency);
        });
        (0..rejected).for_each(|_| tally.fail(Failure::Rejected));
        (0..timed_out).for_each(|_| tally.fail(Failure::Timeout));
        tally.set_active(active_workers as usize);
        drop(tally);
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        record.close_interval(&self.tally, millis(time)).into()
    }

    #[napi(catch_unwind)]
    pub fn finish(&self) -> LoadOutcome {
        let record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        record.finish().into()
    }
}

fn millis(value: f64) -> Duration {
    Duration::try_from_secs_f64(value / 1_000.0).unwrap_or(Duration::MAX)
}

fn to_millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
