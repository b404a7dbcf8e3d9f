//! What is asked for next: a first-order Markov chain of requests, learnt as they come, in bounded memory.
//!
//! Each request remembers a few that followed it. Which ones, and how often, is counted by the Space-Saving
//! algorithm (A. Metwally, D. Agrawal, A. El Abbadi, "Efficient Computation of Frequent and Top-k Elements in
//! Data Streams", ICDT 2005): a newcomer takes the place of the least frequent one and inherits its count.

use std::sync::Arc;

use moka::sync::Cache;
use parking_lot::Mutex;

/// How many successors a request remembers.
const SUCCESSORS: usize = 4;
/// A prediction wants to have been seen this often at least,
const SEEN: u32 = 2;
/// and in this share of the cases.
const SHARE: f64 = 0.5;
/// Counts are halved when there are this many, so that the past fades.
const ENOUGH: u32 = 64;

/// The requests that followed one, and how often.
#[derive(Debug, Default)]
struct Followers {
    counts: Vec<(Arc<str>, u32)>,
    total: u32,
}

impl Followers {
    fn count(&mut self, next: &Arc<str>) {
        self.total += 1;
        if let Some((_, count)) = self.counts.iter_mut().find(|(known, _)| known == next) {
            *count += 1;
        } else if self.counts.len() < SUCCESSORS {
            self.counts.push((Arc::clone(next), 1));
        } else if let Some(least) = self.counts.iter_mut().min_by_key(|(_, count)| *count) {
            *least = (Arc::clone(next), least.1 + 1);
        }
        if self.total >= ENOUGH {
            self.total /= 2;
            self.counts.iter_mut().for_each(|(_, count)| *count /= 2);
        }
    }

    fn likeliest(&self) -> Option<Arc<str>> {
        let (next, count) = self.counts.iter().max_by_key(|(_, count)| *count)?;
        let likely = *count >= SEEN && f64::from(*count) >= SHARE * f64::from(self.total);
        likely.then(|| Arc::clone(next))
    }
}

/// See the module's description.
pub struct Successors {
    followers: Cache<Arc<str>, Arc<Mutex<Followers>>>,
    last: Option<Arc<str>>,
}

impl Successors {
    /// Remembers at most `max_requests` requests; those asked for often stay.
    pub fn new(max_requests: u64) -> Self {
        Self { followers: Cache::new(max_requests), last: None }
    }

    /// Notes that `request` was asked for; says what will likely be asked for next. Asking for the same
    /// again is not taken for a step.
    pub fn visit(&mut self, request: &str) -> Option<Arc<str>> {
        let request: Arc<str> = request.into();
        if let Some(last) = self.last.replace(Arc::clone(&request)).filter(|last| *last != request)
        {
            self.followers.get_with(last, Arc::default).lock().count(&request);
        }
        self.followers.get(&request)?.lock().likeliest()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn visit(successors: &mut Successors, requests: &[&str]) -> Vec<Option<String>> {
        let visits = requests.iter().map(|request| successors.visit(request));
        visits.map(|next| next.map(|next| next.to_string())).collect()
    }

    #[test]
    fn a_round_is_learnt_in_two() {
        let mut successors = Successors::new(100);
        assert_eq!(
            visit(&mut successors, &["a", "b", "b", "c", "a", "b", "c", "b"])[..6],
            [const { None }; 6]
        );
        assert_eq!(visit(&mut successors, &["a", "b"]), [Some("b".into()), Some("c".into())]);
    }

    #[test]
    fn what_is_uncertain_is_not_predicted() {
        let mut successors = Successors::new(100);
        for next in ["1", "2", "3"].repeat(20) {
            visit(&mut successors, &["a", next]);
        }
        assert_eq!(visit(&mut successors, &["a"]), [None]);
    }

    #[test]
    fn new_ways_replace_old_ones() {
        let mut successors = Successors::new(100);
        for next in ["old"; 200].iter().chain(&["new"; 100]) {
            visit(&mut successors, &["a", next]);
        }
        assert_eq!(visit(&mut successors, &["a"]), [Some("new".into())]);
    }

    proptest! {
        #[test]
        fn it_predicts_only_what_has_followed_and_stays_small(
            requests in prop::collection::vec(0u8..20, 0..400),
        ) {
            let mut successors = Successors::new(8);
            for (at, request) in requests.iter().enumerate() {
                if let Some(next) = successors.visit(&request.to_string()) {
                    let next: u8 = next.parse().unwrap();
                    prop_assert!(requests[..=at].windows(2).any(|pair| pair == [*request, next]));
                }
                successors.followers.run_pending_tasks();
                prop_assert!(successors.followers.entry_count() <= 8);
            }
        }
    }
}
