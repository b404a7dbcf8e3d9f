//! What was outdated of late, so that responses that were asked for before are not stored after.

use std::collections::VecDeque;

use reqwest::Url;

/// So many URLs that were outdated of late are known, for those under way.
const MOST_OUTDATED: usize = 1_024;

/// How much has been outdated so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct State(u64);

/// See the module's description.
#[derive(Default)]
pub(super) struct Outdated {
    count: u64,
    /// The latest of them: which URL, and its number.
    urls: VecDeque<(Url, u64)>,
    /// Of the last whose URL is not kept, or that was about all.
    others: u64,
}

impl Outdated {
    pub fn state(&self) -> State {
        State(self.count)
    }

    /// `None` for all URLs.
    pub fn add(&mut self, url: Option<Url>) {
        self.count += 1;
        match url {
            Some(url) => self.urls.push_back((url, self.count)),
            None => self.others = self.count,
        }
        if self.urls.len() > MOST_OUTDATED
            && let Some((_, number)) = self.urls.pop_front()
        {
            self.others = self.others.max(number);
        }
    }

    /// Whether what was asked for in that state is outdated.
    pub fn has(&self, url: &Url, asked: State) -> bool {
        let of_url = self.urls.iter().any(|(known, number)| known == url && *number > asked.0);
        of_url || self.others > asked.0
    }
}
