use super::{
    super::{
        simulation::{Program, Shape},
        trend::median,
    },
    *,
};

const LIMITS: Limits = Limits { heap: 4e9, resident: 1e9 };

fn reading(at_ms: f64, heap: f64) -> Reading {
    Reading { at_ms, heap, heap_total: heap, external: 0.0, rss: heap + 5e7 }
}

/// Feeds an hour of a simulated program; the minute of the first suspicion of at least this level.
fn first_suspicion(program: Program, level: Level) -> Option<f64> {
    let mut detector = LeakDetector::new(LeakRule::default(), LIMITS, 0.0, 1_000.0);
    program.take(3_600).find_map(|second| {
        let at_ms = second.at * 1_000.0;
        if let Some(left) = second.floor {
            detector.floor(reading(at_ms, left));
        }
        detector.beat(reading(at_ms, second.used));
        let suspicion = detector.judge(at_ms)?;
        (suspicion.level >= level).then_some(second.at / 60.0)
    })
}

fn suspicions(shape: Shape, leak: f64, level: Level) -> Vec<f64> {
    (0..24).filter_map(|seed| first_suspicion(Program::new(shape, leak, seed), level)).collect()
}

const WANDER: Shape = Shape::Wander { deviation: 0.05, memory: 120.0 };

#[test]
fn leak_free_hours_rarely_alarm() {
    let shapes = [
        (Shape::Steady, 1),
        (WANDER, 2),
        (Shape::WarmUp { rise: 0.5, time_constant: 300.0 }, 1),
        (Shape::Step { rise: 0.3 }, 1),
    ];
    for (shape, most) in shapes {
        let alarms = suspicions(shape, 0.0, Level::Suspected).len();
        assert!(alarms <= most, "{shape:?}: {alarms} of 24");
    }
}

#[test]
fn slow_leaks_are_suspected_first_and_sure_later_and_fast_ones_are_found_sooner() {
    let mut suspected = suspicions(Shape::Steady, 0.01, Level::Suspected);
    let mut sure = suspicions(Shape::Steady, 0.01, Level::Leak);
    assert!(suspected.len() >= 22 && sure.len() >= 22, "{} {}", suspected.len(), sure.len());
    let (suspected, sure) = (median(&mut suspected).unwrap(), median(&mut sure).unwrap());
    assert!(suspected < 36.0 && suspected < sure && sure < 46.0, "{suspected} {sure}");
    let mut fast = suspicions(Shape::Steady, 0.05, Level::Leak);
    assert!(fast.len() >= 22 && median(&mut fast).unwrap() < 22.0, "{fast:?}");
    let wandering = suspicions(WANDER, 0.05, Level::Leak);
    assert!(wandering.len() >= 22, "{wandering:?}");
}

/// One reading a second that is its own floor, until something is suspected.
fn until_suspected(read: impl Fn(f64) -> Reading) -> Option<Suspicion> {
    let mut detector = LeakDetector::new(LeakRule::default(), LIMITS, 0.0, 1_000.0);
    (0..7_200).map(f64::from).find_map(|second| {
        let reading = read(second * 1_000.0);
        if second % 30.0 == 0.0 {
            detector.floor(reading);
        }
        detector.beat(reading);
        detector.judge(reading.at_ms)
    })
}

#[test]
fn names_which_memory_leaks_how_fast_and_how_surely() {
    // 1 % a minute of 100 MB, in each of the three.
    let leaked = |at_ms: f64| 1e6 * at_ms / 60_000.0;
    let of = |at_ms: f64, heap: f64, external: f64, native: f64| Reading {
        at_ms,
        heap: 1e8 + heap,
        heap_total: 1e8 + heap,
        external,
        rss: 2e8 + heap + external + native,
    };
    let found = [
        until_suspected(|at| of(at, leaked(at), 0.0, 0.0)),
        until_suspected(|at| of(at, 0.0, leaked(at), 0.0)),
        until_suspected(|at| of(at, 0.0, 0.0, leaked(at))),
    ];
    let kinds = [Leaking::Heap, Leaking::External, Leaking::Native];
    for (suspicion, kind) in found.into_iter().zip(kinds) {
        let suspicion = suspicion.unwrap();
        assert_eq!((suspicion.memory, suspicion.level), (kind, Level::Suspected));
        assert!((suspicion.bytes_per_minute - 1e6).abs() < 1.0, "{suspicion:?}");
        // 800 MB were left at the start; some 30 of the minutes are over.
        let minutes = suspicion.until_limit_ms.unwrap() / 60_000.0;
        assert!((750.0..790.0).contains(&minutes), "{minutes}");
        assert!(suspicion.confidence > 0.99 && suspicion.window_ms >= 1_200_000.0, "{suspicion:?}");
    }
    assert_eq!(until_suspected(|at| of(at, 0.0, 0.0, 0.0)), None);
}

#[test]
fn the_beat_does_not_make_time_pass_faster() {
    let rule = LeakRule::default();
    let mut detector = LeakDetector::new(rule, LIMITS, 0.0, 1.0);
    // Ten minutes of grace, sampled each millisecond in which the program holds ever more.
    let suspected = (0..60_000).map(f64::from).any(|at_ms| {
        detector.beat(reading(at_ms, 1e8 * (1.0 + at_ms / 300_000.0)));
        detector.judge(at_ms).is_some()
    });
    assert!(!suspected);
}

#[test]
fn a_probe_is_wanted_after_a_while_without_collections_if_at_all() {
    let mut never = LeakDetector::new(LeakRule::default(), LIMITS, 0.0, 1_000.0);
    never.floor(reading(0.0, 1e8));
    assert!(!never.wants_probe(1e12));
    let rule = LeakRule { probe_ms: 180_000.0, ..LeakRule::default() };
    let mut probing = LeakDetector::new(rule, LIMITS, 0.0, 1_000.0);
    assert!(!probing.wants_probe(179_999.0) && probing.wants_probe(180_000.0));
    probing.floor(reading(180_000.0, 1e8));
    assert!(!probing.wants_probe(359_999.0));
}

/// Samples that double within seconds, with collections that leave `left(step)` behind.
fn steep(left: impl Fn(f64) -> f64) -> bool {
    let mut detector = LeakDetector::new(LeakRule::default(), LIMITS, 0.0, 1_000.0);
    (0..150).map(f64::from).any(|step| {
        let at_ms = step * 1_000.0;
        if step % 10.0 == 0.0 {
            detector.floor(reading(at_ms, left(step)));
        }
        detector.beat(reading(at_ms, 1e8 + 2e6 * step));
        detector.judge(at_ms).is_some()
    })
}

#[test]
fn steep_growth_is_suspected_at_once_if_collections_confirm_it() {
    assert!(steep(|step| 9e7 + 2e6 * step));
    assert!(!steep(|step| 9e7 + 1e6 * (step / 10.0 % 2.0)), "it was garbage");
}
