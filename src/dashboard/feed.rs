//! The latest events, for any number of followers, in bounded memory.
//!
//! Each follower reads at its own pace; one that is slower than the feed misses what was dropped meanwhile, and
//! costs nothing but its place. An event is numbered, so that a follower who was away gets what it missed, as far
//! as that is kept. The wire format is that of server-sent events (HTML Living Standard, section 9.2).

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;

/// The events, and who waits for more.
#[derive(Debug)]
pub struct Feed {
    kept: Mutex<Kept>,
    /// The number of the latest event, or that there will be no more.
    latest: watch::Sender<Latest>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Latest {
    Event(u64),
    /// Nothing comes after this one.
    Closed(u64),
}

#[derive(Debug, Default)]
struct Kept {
    events: VecDeque<(u64, Bytes)>,
    bytes: usize,
    /// The most bytes of all events; one event alone may be larger.
    most: usize,
    pushed: u64,
}

/// One reader of a feed.
#[derive(Debug)]
pub struct Follower {
    feed: Arc<Feed>,
    latest: watch::Receiver<Latest>,
    /// The last event it was given.
    seen: u64,
}

impl Feed {
    /// Keeps events of `most` bytes together.
    pub fn new(most: usize) -> Self {
        let kept = Kept { most, ..Kept::default() };
        Self { kept: Mutex::new(kept), latest: watch::Sender::new(Latest::Event(0)) }
    }

    /// Adds an event. Neither its kind nor its data has line breaks, as JSON on one line has none.
    pub fn push(&self, kind: &str, data: &str) {
        let number = self.kept.lock().push(kind, data);
        self.latest.send_if_modified(|latest| {
            let Latest::Event(before) = latest else { return false };
            *before = number.max(*before);
            true
        });
    }

    /// Followers end when they have read what there is.
    pub fn close(&self) {
        self.latest.send_modify(|latest| {
            let (Latest::Event(number) | Latest::Closed(number)) = *latest;
            *latest = Latest::Closed(number);
        });
    }

    /// A follower who has seen all up to the event `after`; one that this feed never had means another feed, and
    /// nothing seen.
    pub fn follow(self: &Arc<Self>, after: Option<u64>) -> Follower {
        let pushed = self.kept.lock().pushed;
        let seen = after.filter(|after| *after <= pushed).unwrap_or(0);
        Follower { feed: Arc::clone(self), latest: self.latest.subscribe(), seen }
    }
}

impl Kept {
    fn push(&mut self, kind: &str, data: &str) -> u64 {
        self.pushed += 1;
        let event = Bytes::from(format!("id: {}\nevent: {kind}\ndata: {data}\n\n", self.pushed));
        self.bytes += event.len();
        self.events.push_back((self.pushed, event));
        while self.bytes > self.most && self.events.len() > 1 {
            let dropped = self.events.pop_front();
            self.bytes -= dropped.map_or(0, |(_, event)| event.len());
        }
        self.pushed
    }

    /// The first event after `seen`.
    fn after(&self, seen: u64) -> Option<(u64, Bytes)> {
        let oldest = self.events.front()?.0;
        let at = (seen + 1).saturating_sub(oldest);
        self.events.get(usize::try_from(at).ok()?).cloned()
    }
}

impl Follower {
    /// The next event, as it goes over the wire; `None` when the feed is closed and read.
    pub async fn next(&mut self) -> Option<Bytes> {
        loop {
            let latest = *self.latest.borrow_and_update();
            if let Some((number, event)) = self.feed.kept.lock().after(self.seen) {
                self.seen = number;
                return Some(event);
            }
            if matches!(latest, Latest::Closed(_)) {
                return None;
            }
            self.latest.changed().await.ok()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use proptest::prelude::*;

    use super::*;

    /// What can be read without waiting.
    fn read(follower: &mut Follower) -> Vec<String> {
        let ready = std::iter::from_fn(|| follower.next().now_or_never().flatten());
        ready.map(|event| String::from_utf8(event.to_vec()).unwrap()).collect()
    }

    #[test]
    fn events_are_those_of_the_standard() {
        let feed = Arc::new(Feed::new(1_000));
        feed.push("pulse", "{\"rss\":1}");
        let mut follower = feed.follow(None);
        assert_eq!(read(&mut follower), ["id: 1\nevent: pulse\ndata: {\"rss\":1}\n\n"]);
        feed.push("end", "{}");
        feed.close();
        assert_eq!(read(&mut follower), ["id: 2\nevent: end\ndata: {}\n\n"]);
        assert_eq!(follower.next().now_or_never(), Some(None));
    }

    #[test]
    fn who_returns_gets_what_was_missed() {
        let feed = Arc::new(Feed::new(1_000));
        (0..4).for_each(|_| feed.push("a", "0"));
        assert_eq!(read(&mut feed.follow(Some(2))).len(), 2);
        assert_eq!(read(&mut feed.follow(Some(4))).len(), 0);
        assert_eq!(read(&mut feed.follow(Some(5))).len(), 4, "the number is of another feed");
    }

    #[test]
    fn an_event_too_large_is_kept_alone() {
        let feed = Arc::new(Feed::new(100));
        feed.push("a", "0");
        feed.push("b", &"0".repeat(200));
        assert_eq!(read(&mut feed.follow(None)).len(), 1);
        feed.push("c", "0");
        assert!(read(&mut feed.follow(None))[0].contains("event: c"));
    }

    proptest! {
        /// Whoever reads, and however slowly: memory is bounded, nothing comes twice or out of order, and the latest
        /// event always arrives.
        #[test]
        fn a_slow_reader_costs_nothing(steps in prop::collection::vec((any::<bool>(), 0usize..60), 1..200)) {
            let feed = Arc::new(Feed::new(200));
            let mut follower = feed.follow(None);
            let mut seen = 0;
            for (push, size) in steps {
                if push {
                    feed.push("a", &"x".repeat(size));
                    prop_assert!(feed.kept.lock().bytes <= 200);
                } else if let Some(Some(_)) = follower.next().now_or_never() {
                    prop_assert!(follower.seen > seen);
                    seen = follower.seen;
                }
            }
            read(&mut follower);
            prop_assert_eq!(follower.seen, feed.kept.lock().pushed);
        }
    }
}
