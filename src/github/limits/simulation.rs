//! One hour of GitHub in virtual time: a server that counts, and a client that asks the limits before it sends.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    time::{Duration, Instant},
};

use proptest::prelude::*;

use super::{told::Budget, *};

const SECOND: Duration = Duration::from_secs(1);
const WINDOW: Duration = Duration::from_secs(3_600);
const PAUSE_ASKED: Duration = Duration::from_secs(90);
/// The server's epoch at the start.
const EPOCH: i64 = 1_790_000_000;

/// What becomes of one request.
#[derive(Clone, Copy, Debug)]
struct Fate {
    /// After the one before.
    arrives: Duration,
    travels: Duration,
    returns: Duration,
    kind: Answer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Full,
    NotModified,
    /// The server works, the answer is lost.
    Lost,
    /// Nobody hears of it.
    Unreached,
    /// Too much at once, says the server.
    Secondary,
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Arrival(usize),
    AtServer(usize),
    Back(usize),
    Wake,
}

struct Server {
    limit: u64,
    used: u64,
    window: Option<Instant>,
    start: Instant,
    /// How many it had to refuse that could have known.
    too_many: u32,
    /// Nobody may ask before, who has been told so.
    shut: Option<Instant>,
    /// How many passed in each window.
    windows: Vec<u64>,
}

impl Server {
    /// What is left after the request, and whether it was one too many.
    fn handle(&mut self, at: Instant, kind: Answer) -> (Budget, bool) {
        if self.window.is_none_or(|window| at >= window + WINDOW) {
            self.window = Some(at);
            self.used = 0;
            self.windows.push(0);
        }
        let counts = matches!(kind, Answer::Full | Answer::Lost);
        let too_many = counts && self.used == self.limit;
        if counts && !too_many {
            self.used += 1;
            if let Some(passed) = self.windows.last_mut() {
                *passed += 1;
            }
        }
        let end = self.window.unwrap_or(at) + WINDOW - self.start;
        let now = EPOCH + (at - self.start).as_secs() as i64;
        let reset = EPOCH + end.as_secs_f64().ceil() as i64;
        let budget = Budget {
            resource: Some(resource::CORE.to_owned()),
            limit: self.limit,
            remaining: self.limit - self.used,
            used: self.used,
            reset,
            reset_in: Duration::from_secs((reset - now) as u64) + SECOND,
        };
        (budget, too_many)
    }
}

struct Outcomes {
    server: Server,
    most_at_once: usize,
    /// When each was sent.
    sent: Vec<Instant>,
    refused_while_shut: u32,
    done: usize,
}

fn simulate(limit: u64, rules: Rules, fates: &[Fate]) -> Outcomes {
    let start = Instant::now();
    let mut limits = Limits::new(rules, start);
    let server = Server {
        limit,
        used: 0,
        window: None,
        start,
        shut: None,
        windows: Vec::new(),
        too_many: 0,
    };
    let mut outcomes =
        Outcomes { server, most_at_once: 0, sent: Vec::new(), refused_while_shut: 0, done: 0 };
    let mut events: BTreeMap<(Instant, u64), Event> = BTreeMap::new();
    let mut serial = 0;
    let mut schedule = |events: &mut BTreeMap<_, _>, at: Instant, event| {
        serial += 1;
        events.insert((at, serial), event);
    };
    let mut at = start;
    for (index, fate) in fates.iter().enumerate() {
        at += fate.arrives;
        schedule(&mut events, at, Event::Arrival(index));
    }
    let mut permits: HashMap<usize, Permit> = HashMap::new();
    let mut answers: HashMap<usize, (Budget, bool)> = HashMap::new();
    // The end of the window that an answer has told of, and who was sent before one did: the first may be refused.
    let mut told: Option<Instant> = None;
    let mut blind: HashMap<usize, bool> = HashMap::new();
    let mut alarm: Option<Instant> = None;
    while let Some(((now, _), event)) = events.pop_first() {
        let mut turns = Vec::new();
        match event {
            Event::Wake => {}
            Event::Arrival(index) => {
                limits.enqueue(index, claim(true));
            }
            Event::AtServer(index) => {
                let kind = fates[index].kind;
                if kind != Answer::Unreached {
                    let answer = outcomes.server.handle(now, kind);
                    outcomes.server.too_many += u32::from(answer.1 && !blind[&index]);
                    answers.insert(index, answer);
                }
            }
            Event::Back(index) => {
                let permit = permits.remove(&index).unwrap();
                let outcome = match (fates[index].kind, answers.remove(&index)) {
                    (Answer::Lost, _) => Outcome::Lost,
                    (Answer::Unreached, _) | (_, None) => Outcome::Unreached,
                    (kind, Some((budget, too_many))) => {
                        told = outcomes.server.window.map(|window| window + WINDOW);
                        let refusal = match kind {
                            Answer::Secondary => Refusal::Secondary(Some(PAUSE_ASKED)),
                            _ if too_many => Refusal::Primary,
                            _ => Refusal::No,
                        };
                        if kind == Answer::Secondary {
                            outcomes.server.shut = Some(now + PAUSE_ASKED);
                        }
                        Outcome::Answered(Some(budget), refusal)
                    }
                };
                turns = limits.settle(&permit, outcome, now).1;
                limits.finish();
                outcomes.done += 1;
            }
        }
        turns.extend(limits.release(now));
        for (index, turn) in turns {
            match turn {
                Turn::Go(permit) => {
                    let shut = outcomes.server.shut.is_some_and(|until| now < until);
                    outcomes.refused_while_shut += u32::from(shut);
                    outcomes.sent.push(now);
                    blind.insert(index, told.is_none_or(|end| end <= now));
                    permits.insert(index, permit);
                    let there = now + fates[index].travels;
                    schedule(&mut events, there, Event::AtServer(index));
                    schedule(&mut events, there + fates[index].returns, Event::Back(index));
                }
                Turn::Refused(limited) => panic!("a patient one was refused: {limited:?}"),
                Turn::Unreached => outcomes.done += 1,
            }
        }
        outcomes.most_at_once = outcomes.most_at_once.max(permits.len());
        if let Some(wait) = limits.next_release(now) {
            assert!(!wait.is_zero(), "a release left someone behind whose turn it was");
            // Late, as timers are.
            let at = now + wait + Duration::from_millis(1);
            if alarm.is_none_or(|alarm| alarm <= now || at < alarm) {
                alarm = Some(at);
                schedule(&mut events, at, Event::Wake);
            }
        }
    }
    outcomes
}

fn fates(kinds: Vec<(u32, Answer)>, count: usize) -> impl Strategy<Value = Vec<Fate>> {
    let kind = prop::sample::select(
        kinds
            .into_iter()
            .flat_map(|(weight, kind)| vec![kind; weight as usize])
            .collect::<Vec<_>>(),
    );
    let fate = (0u64..3_000, 1u64..4_000, 1u64..4_000, kind).prop_map(
        |(arrives, travels, returns, kind)| Fate {
            // Bursts, and pauses between them.
            arrives: Duration::from_millis(if arrives < 2_500 { 0 } else { arrives * 4 }),
            travels: Duration::from_millis(travels),
            returns: Duration::from_millis(returns),
            kind,
        },
    );
    prop::collection::vec(fate, 1..count)
}

/// The most that `points` of one each are within any minute.
fn most_in_a_minute(sent: &[Instant]) -> usize {
    let mut sent: Vec<_> = sent.iter().map(|at| Reverse(*at)).collect();
    sent.sort_unstable();
    let within = |from: usize| {
        sent[from..].iter().take_while(|at| sent[from].0 - at.0 < Duration::from_secs(60)).count()
    };
    (0..sent.len()).map(within).max().unwrap_or(0)
}

fn claim(patient: bool) -> Claim {
    Claim { resource: resource::CORE, points: pacing::points("GET"), patient }
}

const RULES: Rules = Rules { max_concurrent: 100, points_per_minute: Some(900) };

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Whatever arrives when, however long answers take and whichever get lost: the server never sees one too many,
    /// no pause is broken, all limits hold at every moment, and everybody gets a turn in the end.
    #[test]
    fn never_one_request_too_many(
        limit in 1u64..200,
        points in 20u32..900,
        max_concurrent in 1usize..100,
        fates in fates(vec![(20, Answer::Full), (6, Answer::NotModified), (1, Answer::Lost),
            (1, Answer::Unreached), (1, Answer::Secondary)], 400),
    ) {
        let rules = Rules { max_concurrent, points_per_minute: Some(points) };
        let outcomes = simulate(limit, rules, &fates);
        prop_assert_eq!(outcomes.server.too_many, 0);
        prop_assert_eq!(outcomes.refused_while_shut, 0);
        prop_assert!(outcomes.most_at_once <= max_concurrent);
        prop_assert!(most_in_a_minute(&outcomes.sent) <= points as usize);
        prop_assert_eq!(outcomes.done, fates.len());
    }

    /// Where nothing fails, each window's budget is used to the last, and nobody waits who need not.
    #[test]
    fn no_budget_is_left_unused(
        limit in 1u64..100,
        fates in fates(vec![(4, Answer::Full), (1, Answer::NotModified)], 300),
    ) {
        let outcomes = simulate(limit, RULES, &fates);
        let counted = fates.iter().filter(|fate| fate.kind == Answer::Full).count() as u64;
        let windows = &outcomes.server.windows;
        prop_assert_eq!(windows.iter().sum::<u64>(), counted);
        let full = &windows[..windows.len() - 1];
        let arrived: Duration = fates.iter().map(|fate| fate.arrives).sum();
        if arrived < WINDOW / 2 {
            // The last ones of a window may be those that cost nothing.
            prop_assert!(full.iter().all(|used| *used == limit), "{windows:?} of {limit}");
        }
    }
}

#[test]
fn an_hour_of_an_authorised_user_is_five_thousand_and_no_more() {
    let fate = Fate {
        arrives: Duration::ZERO,
        travels: Duration::from_millis(80),
        returns: Duration::from_millis(120),
        kind: Answer::Full,
    };
    let outcomes = simulate(5_000, RULES, &vec![fate; 12_000]);
    assert_eq!(outcomes.server.too_many, 0);
    assert_eq!(outcomes.server.windows, [5_000, 5_000, 2_000]);
    assert!(most_in_a_minute(&outcomes.sent) <= 900);
    assert!(outcomes.most_at_once <= 100);
}

#[test]
fn the_impatient_are_refused_and_the_others_wait() {
    let start = Instant::now();
    let mut limits = Limits::new(RULES, start);
    for (waiter, patient) in [('a', false), ('b', false), ('c', true)] {
        limits.enqueue(waiter, claim(patient));
    }
    let mut turns = limits.release(start);
    let Some(('a', Turn::Go(permit))) = turns.pop() else { panic!("{turns:?}") };
    assert!(turns.is_empty(), "the first goes alone");
    let budget = Budget {
        resource: None,
        limit: 60,
        remaining: 0,
        used: 60,
        reset: EPOCH,
        reset_in: WINDOW,
    };
    let (limited, _) =
        limits.settle(&permit, Outcome::Answered(Some(budget), Refusal::Primary), start);
    limits.finish();
    let limited = limited.unwrap();
    assert_eq!((limited.kind, limited.retry_after), (Kind::Primary, WINDOW));
    assert!(matches!(limits.release(start)[..], [('b', Turn::Refused(_))]));
    assert_eq!(limits.next_release(start), Some(WINDOW));
    assert!(matches!(limits.release(start + WINDOW)[..], [('c', Turn::Go(_))]));
}

#[test]
fn pauses_without_a_word_double_and_one_goes_first_afterwards() {
    let mut now = Instant::now();
    let mut limits = Limits::new(RULES, now);
    (0..20).for_each(|waiter| limits.enqueue(waiter, claim(true)));
    for minutes in [1, 2, 4] {
        let mut turns = limits.release(now);
        assert_eq!(turns.len(), 1);
        let Some((_, Turn::Go(permit))) = turns.pop() else { panic!() };
        let refused = Outcome::Answered(None, Refusal::Secondary(None));
        let (limited, _) = limits.settle(&permit, refused, now);
        limits.finish();
        assert_eq!(limited.unwrap().retry_after, Duration::from_secs(60 * minutes));
        now += Duration::from_secs(60 * minutes);
    }
    let mut turns = limits.release(now);
    let Some((_, Turn::Go(permit))) = turns.pop() else { panic!() };
    limits.settle(&permit, Outcome::Answered(None, Refusal::No), now);
    limits.finish();
    assert_eq!(limits.release(now).len(), 16);
}

#[test]
fn who_waits_for_one_that_finds_no_server_hears_of_it() {
    let now = Instant::now();
    let mut limits = Limits::new(RULES, now);
    (0..3).for_each(|waiter| limits.enqueue(waiter, claim(true)));
    let Some((0, Turn::Go(permit))) = limits.release(now).pop() else { panic!() };
    let (_, others) = limits.settle(&permit, Outcome::Unreached, now);
    limits.finish();
    assert!(matches!(others[..], [(1, Turn::Unreached), (2, Turn::Unreached)]));
    assert!(limits.is_idle(now + Duration::from_secs(60)) && !limits.is_idle(now));
}

#[test]
fn after_a_lost_answer_nobody_waits_for_the_next() {
    let now = Instant::now();
    let mut limits = Limits::new(RULES, now);
    (0..3).for_each(|waiter| limits.enqueue(waiter, claim(true)));
    let Some((0, Turn::Go(permit))) = limits.release(now).pop() else { panic!() };
    limits.settle(&permit, Outcome::Lost, now);
    assert!(matches!(limits.release(now)[..], [(1, Turn::Go(_)), (2, Turn::Go(_))]));
}

#[test]
fn a_budget_that_has_ended_is_asked_for_again_where_there_must_be_one() {
    for (points_per_minute, at_once) in [(Some(900), 1), (None, 3)] {
        let now = Instant::now();
        let mut limits = Limits::new(Rules { points_per_minute, ..RULES }, now);
        limits.enqueue(0, claim(true));
        let Some((0, Turn::Go(permit))) = limits.release(now).pop() else { panic!() };
        let budget = Budget {
            resource: None,
            limit: 60,
            remaining: 9,
            used: 51,
            reset: EPOCH,
            reset_in: SECOND,
        };
        limits.settle(&permit, Outcome::Answered(Some(budget), Refusal::No), now);
        limits.finish();
        (1..4).for_each(|waiter| limits.enqueue(waiter, claim(true)));
        assert_eq!(limits.release(now + SECOND).len(), at_once);
    }
}
