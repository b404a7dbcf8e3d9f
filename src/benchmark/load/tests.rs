use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::atomic::Ordering,
};

use super::{
    tally::Failure,
    target::{Expected, Message},
    *,
};
use crate::runtime;

/// A server on loopback that gives every request the same answer; its URL and its count of requests.
fn serve(answer: &'static [u8]) -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let count = Arc::clone(&counted);
            thread::spawn(move || {
                let mut request = [0; 4096];
                while stream.read(&mut request).is_ok_and(|length| length > 0) {
                    count.fetch_add(1, Ordering::SeqCst);
                    if stream.write_all(answer).is_err() {
                        break;
                    }
                }
            });
        }
    });
    (url, count)
}

fn plan() -> Plan {
    Plan {
        duration: Duration::from_secs(60),
        ramp_up: Duration::ZERO,
        concurrency: 3,
        pace: Pace::Closed,
        protocol: Protocol::Http1,
        max_requests: None,
        timeout: Duration::from_secs(30),
    }
}

fn run_on(url: &str, plan: Plan, cancel: CancellationToken) -> Result<Outcome> {
    let message = Message {
        method: "GET".into(),
        headers: vec![],
        body: vec![],
        expected: Expected::NoError,
        weight: 1.0,
    };
    let target = Target::new(url, message).unwrap();
    let (result, on_result) = std::sync::mpsc::channel();
    runtime::spawn(async move {
        result.send(run(vec![target], plan, cancel, drop).await).unwrap();
    });
    on_result.recv().unwrap()
}

#[test]
fn counts_what_the_server_counts() {
    let (url, count) = serve(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi");
    let plan = Plan { max_requests: Some(1_000), ..plan() };
    let outcome = run_on(&url, plan, CancellationToken::new()).unwrap();
    assert_eq!((outcome.successful, count.load(Ordering::SeqCst)), (1_000, 1_000));
    assert_eq!(outcome.connections, 3);
    assert_eq!(outcome.timeline.iter().map(|point| point.requests).sum::<u64>(), 1_000);
    assert!(
        outcome.response.average > Duration::ZERO && outcome.response.p50 <= outcome.response.p99
    );
}

#[test]
fn a_server_that_closes_early_or_talks_nonsense_is_counted_by_kind() {
    let failures = |answer, failure: Failure| {
        let (url, _) = serve(answer);
        let plan = Plan { max_requests: Some(20), ..plan() };
        let outcome = run_on(&url, plan, CancellationToken::new()).unwrap();
        (outcome.successful, outcome.failed[failure as usize])
    };
    assert_eq!(failures(b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n", Failure::Status), (0, 20));
    assert_eq!(failures(b"\0garbage\r\n\r\n", Failure::Protocol), (0, 20));
}

#[test]
fn a_cancelled_test_ends() {
    let (url, _) = serve(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nless");
    let cancel = CancellationToken::new();
    cancel.cancel();
    assert!(matches!(run_on(&url, plan(), cancel), Err(Error::Aborted)));
}
