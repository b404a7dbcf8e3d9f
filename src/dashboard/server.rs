//! The server: connections on 127.0.0.1, each answered by [`access`](super::access)'s verdict.
//!
//! Nothing a client does costs more than its place: connections and followers are counted, a connection has one request,
//! a head that does not come and a client that does not read are given up, and events wait in the one feed for all.

use std::{
    convert::Infallible,
    net::{Ipv4Addr, TcpListener as StdListener},
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{Stream, stream};
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{Either, Full, StreamBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    access::{Access, Refusal, Token, Verdict},
    feed::{Feed, Follower},
    page,
    pulse::Pulse,
};
use crate::{
    error::{Result, SystemError},
    runtime,
};

/// Connections at once; more wait to be accepted.
const MOST_CONNECTIONS: usize = 32;
/// Followers at once; more are told to come later.
const MOST_FOLLOWERS: usize = 8;
/// Bytes of events that are kept: some minutes of a usual process.
const KEPT: usize = 4 << 20;
/// How long a client may take to say what it wants.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// A client that takes nothing for so long is given up.
const STALLED: Duration = Duration::from_secs(60);
/// How long connections may take to end when the server closes.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// A running dashboard. Dropping it closes it.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    port: u16,
    token: Token,
    closed: CancellationToken,
}

#[derive(Debug)]
struct Shared {
    access: Access,
    feed: Arc<Feed>,
    followers: Arc<Semaphore>,
    /// When JavaScript was last heard of.
    heard: Mutex<Instant>,
    closing: CancellationToken,
}

type Body = Either<Full<Bytes>, StreamBody<EventStream>>;
type EventStream = std::pin::Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, Infallible>> + Send>>;

impl Server {
    /// Listens on `port` of 127.0.0.1, any free one for 0, and tells of the process every `beat`.
    ///
    /// Fails if the port is taken or the system refuses to tell of the process.
    pub fn start(port: u16, beat: Duration) -> Result<Self> {
        let token = Token::random()?;
        let pulse = Pulse::start()?;
        let address = (Ipv4Addr::LOCALHOST, port);
        let refused = |source| {
            SystemError::new(&source, "listen").path(format!("{}:{}", address.0, address.1))
        };
        let listener = StdListener::bind(address).map_err(refused)?;
        listener.set_nonblocking(true).map_err(refused)?;
        let port = listener.local_addr().map_err(refused)?.port();
        let shared = Arc::new(Shared {
            access: Access::new(port, token.clone()),
            feed: Arc::new(Feed::new(KEPT)),
            followers: Arc::new(Semaphore::new(MOST_FOLLOWERS)),
            heard: Mutex::new(Instant::now()),
            closing: CancellationToken::new(),
        });
        let closed = CancellationToken::new();
        runtime::spawn(beat_on(Arc::clone(&shared), pulse, beat));
        let ended = closed.clone().drop_guard();
        let accepting = accept(Arc::clone(&shared), listener);
        runtime::spawn(async move {
            accepting.await;
            drop(ended);
        });
        Ok(Self { shared, port, token, closed })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address of the page, with the token.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/?token={}", self.port, self.token.as_str())
    }

    /// Tells all followers something that JavaScript knows, as JSON without line breaks.
    pub fn publish(&self, kind: &str, json: &str) {
        *self.shared.heard.lock() = Instant::now();
        self.shared.feed.push(kind, json);
    }

    /// How many follow.
    pub fn followers(&self) -> usize {
        MOST_FOLLOWERS - self.shared.followers.available_permits()
    }

    /// Ends what followers read and accepts nobody any more.
    pub fn close(&self) {
        if self.shared.closing.is_cancelled() {
            return;
        }
        self.shared.feed.push("end", "{}");
        self.shared.feed.close();
        self.shared.closing.cancel();
    }

    /// Fires when every connection has ended after [`close`](Self::close).
    pub fn closed(&self) -> CancellationToken {
        self.closed.clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.close();
    }
}

async fn beat_on(shared: Arc<Shared>, mut pulse: Pulse, beat: Duration) {
    let mut beats = interval(beat);
    beats.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            () = shared.closing.cancelled() => return,
            _ = beats.tick() => {}
        }
        let now = Instant::now();
        let silence = now.saturating_duration_since(*shared.heard.lock());
        if let Some(reading) = pulse.read(now, silence) {
            shared.feed.push("pulse", &reading);
        }
    }
}

/// Serves until the server closes and its connections have ended.
async fn accept(shared: Arc<Shared>, listener: StdListener) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut connections = JoinSet::new();
    while let Some((stream, place)) = next(&shared, &listener, &places).await {
        // Ended ones are let go.
        while connections.try_join_next().is_some() {}
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            serve(shared, stream).await;
            drop(place);
        });
    }
    drop(listener);
    let all_ended = async { while connections.join_next().await.is_some() {} };
    // Dropping the set ends those that did not.
    let _ = timeout(CLOSE_TIMEOUT, all_ended).await;
}

/// The next connection and its place; `None` when the server closes.
async fn next(
    shared: &Shared,
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let accepted = async {
        let place = Arc::clone(places).acquire_owned().await.ok()?;
        loop {
            match listener.accept().await {
                Ok((stream, _)) => return Some((stream, place)),
                // Out of descriptors, as a rule: some may be free again soon.
                Err(_) => sleep(Duration::from_millis(100)).await,
            }
        }
    };
    tokio::select! {
        () = shared.closing.cancelled() => None,
        accepted = accepted => accepted,
    }
}

/// When the client of a connection last took something.
type Taken = Arc<Mutex<Instant>>;

async fn serve(shared: Arc<Shared>, stream: TcpStream) {
    let taken = Arc::new(Mutex::new(Instant::now()));
    let service = service_fn(|request| {
        let response = respond(&shared, &request, &taken);
        async { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    // However it ends, the client is gone: there is nobody to be told.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stalled(&taken) => return,
        () = shared.closing.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

async fn stalled(taken: &Taken) {
    loop {
        sleep(STALLED / 4).await;
        if taken.lock().elapsed() > STALLED {
            return;
        }
    }
}

fn respond(shared: &Shared, request: &Request<Incoming>, taken: &Taken) -> Response<Body> {
    match shared.access.judge(request.method(), request.uri(), request.headers()) {
        Verdict::Page => page(),
        Verdict::Events { after } => events(shared, after, taken),
        Verdict::Refused(refusal) => refused(refusal),
    }
}

fn page() -> Response<Body> {
    // As unguessable as the token; without randomness there would be none of that either.
    let Ok(nonce) = Token::random() else {
        return text(StatusCode::INTERNAL_SERVER_ERROR, "The system has no randomness.");
    };
    let html = Full::new(page::html(nonce.as_str()).into());
    let mut response = answer(StatusCode::OK, "text/html; charset=utf-8", Either::Left(html));
    if let Ok(policy) = HeaderValue::from_str(&page::policy(nonce.as_str())) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

fn events(shared: &Shared, after: Option<u64>, taken: &Taken) -> Response<Body> {
    let Ok(place) = Arc::clone(&shared.followers).try_acquire_owned() else {
        let mut response = text(StatusCode::SERVICE_UNAVAILABLE, "Too many pages are open.");
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        return response;
    };
    let stream = followed(shared.feed.follow(after), place, Arc::clone(taken));
    let body = Either::Right(StreamBody::new(Box::pin(stream) as EventStream));
    answer(StatusCode::OK, "text/event-stream", body)
}

/// The events of a follower, whose place is free again when the stream is dropped.
fn followed(
    follower: Follower,
    place: OwnedSemaphorePermit,
    taken: Taken,
) -> impl Stream<Item = Result<Frame<Bytes>, Infallible>> {
    stream::unfold((follower, place), move |(mut follower, place)| {
        let taken = Arc::clone(&taken);
        async move {
            *taken.lock() = Instant::now();
            let event = follower.next().await?;
            Some((Ok(Frame::data(event)), (follower, place)))
        }
    })
}

fn refused(refusal: Refusal) -> Response<Body> {
    let mut response = text(refusal.status(), refusal.reason());
    let more = match refusal {
        Refusal::NoToken => (header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
        Refusal::NotRead => (header::ALLOW, HeaderValue::from_static("GET")),
        _ => return response,
    };
    response.headers_mut().extend([more]);
    response
}

fn text(status: StatusCode, text: &'static str) -> Response<Body> {
    let body = Full::new(Bytes::from_static(text.as_bytes()));
    answer(status, "text/plain; charset=utf-8", Either::Left(body))
}

fn answer(status: StatusCode, kind: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.extend(page::headers());
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
