//! What was outdated of late, so that responses that were asked for before are not stored after.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicU64, Ordering},
};

use parking_lot::{Mutex, MutexGuard};
use reqwest::Url;

/// So many URLs that were outdated of late are known, for those under way.
const MOST_OUTDATED: usize = 1_024;

/// How much has been outdated so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct State(u64);

/// See the module's description.
#[derive(Default)]
pub(super) struct Outdated {
    /// Apart, so that a request never waits to know it.
    count: AtomicU64,
    recent: Mutex<Recent>,
}

#[derive(Default)]
pub(super) struct Recent {
    /// The latest URLs, each with its number.
    urls: VecDeque<(Url, u64)>,
    /// Of the last whose URL is not kept, or that was about all.
    others: u64,
}

impl Outdated {
    pub fn state(&self) -> State {
        State(self.count.load(Ordering::SeqCst))
    }

    /// `None` for all URLs.
    pub fn add(&self, url: Option<Url>) {
        let mut recent = self.recent.lock();
        let number = self.count.fetch_add(1, Ordering::SeqCst) + 1;
        match url {
            Some(url) => recent.urls.push_back((url, number)),
            None => recent.others = number,
        }
        if recent.urls.len() > MOST_OUTDATED
            && let Some((_, number)) = recent.urls.pop_front()
        {
            recent.others = recent.others.max(number);
        }
    }

    /// Nothing is outdated meanwhile.
    pub fn lock(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock()
    }
}

impl Recent {
    /// Whether what was asked for in that state is outdated.
    pub fn has(&self, url: &Url, asked: State) -> bool {
        let of_url = self.urls.iter().any(|(known, number)| known == url && *number > asked.0);
        of_url || self.others > asked.0
    }
}
