use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits { min: 1.0, max: 64.0, high_pressure: 0.9, low_pressure: 0.75 };

/// The decision on a value that goes on as it was observed.
fn decided(controller: &mut Controller, now: &Observation) -> Option<Decision> {
    (0..TOGETHER).find_map(|_| controller.decide(now))
}

fn observed(throughput: f64, latency_ms: f64) -> Observation {
    Observation { throughput, latency_ms, memory_pressure: 0.1, saturated: true }
}

/// A system that gains until `best` are at work at once, and loses a little for each one more.
fn system(value: f64, best: f64) -> Observation {
    let throughput = value.min(best) * 100.0 / (1.0 + (value - best).max(0.0) / 100.0);
    observed(throughput, value / throughput * 1e3)
}

#[test]
fn climbs_while_it_pays_and_goes_back_when_it_does_not() {
    let mut controller = Controller::new(1.0, LIMITS);
    let decisions: Vec<_> = (0..5)
        .filter_map(|_| {
            let now = system(controller.value(), 3.0);
            decided(&mut controller, &now)
        })
        .map(|Decision { from, to, reason }| (from, to, reason))
        .collect();
    let [
        (1.0, 2.0, Reason::Probe),
        (2.0, 3.0, Reason::Gained { .. }),
        (3.0, 4.0, Reason::Gained { .. }),
        (4.0, 3.0, Reason::NoGain { .. }),
    ] = decisions[..]
    else {
        panic!("{decisions:?}")
    };
    assert!(controller.is_settled());
}

#[test]
fn prefers_less_that_does_as_much() {
    let mut controller = Controller::new(60.0, LIMITS);
    let flat = observed(100.0, 1.0);
    for _ in 0..100 {
        decided(&mut controller, &flat);
    }
    assert!(controller.value() <= 2.0, "{}", controller.value());
}

#[test]
fn a_moment_in_which_others_had_the_machine_decides_nothing() {
    let mut controller = Controller::new(4.0, LIMITS);
    decided(&mut controller, &observed(100.0, 1.0)).unwrap();
    let after = [observed(130.0, 1.0), observed(20.0, 9.0), observed(130.0, 1.0)];
    let decision = after.iter().find_map(|now| controller.decide(now)).unwrap();
    assert_eq!(decision.reason, Reason::Gained { before: 100.0, now: 130.0 });
}

#[test]
fn an_idle_object_says_nothing() {
    let mut controller = Controller::new(8.0, LIMITS);
    let idle = Observation { saturated: false, ..observed(0.0, 0.0) };
    assert!((0..50).all(|_| controller.decide(&idle).is_none()));
}

#[test]
fn congestion_takes_a_quarter() {
    let mut controller = Controller::new(16.0, LIMITS);
    controller.phase =
        Phase::Settled { known: Some(observed(100.0, 10.0)), quiet: 0, next: Direction::Up };
    let decision = decided(&mut controller, &observed(100.0, 20.0)).unwrap();
    assert_eq!(
        decision,
        Decision {
            from: 16.0,
            to: 12.0,
            reason: Reason::Congestion { before_ms: 10.0, now_ms: 20.0 }
        }
    );
}

#[test]
fn does_not_grow_until_memory_is_free_again() {
    let mut controller = Controller::new(16.0, LIMITS);
    let at = |memory_pressure| Observation { memory_pressure, ..observed(100.0, 1.0) };
    let decision = controller.decide(&at(0.95)).unwrap();
    assert_eq!((decision.from, decision.to), (16.0, 8.0));
    for _ in 0..100 {
        if let Some(Decision { from, to, reason }) = decided(&mut controller, &at(0.8)) {
            assert!(to < from || matches!(reason, Reason::Lost { .. }));
        }
    }
    assert!(controller.value() <= 8.0);
}

proptest! {
    /// Whatever is measured: the limits hold, and nothing grows under pressure.
    #[test]
    fn stays_within_its_limits(
        start in -10.0..200.0_f64,
        min in 1.0..20.0_f64,
        room in 0.0..100.0_f64,
        measured in prop::collection::vec((0.0..1e9_f64, 0.0..1e6_f64, 0.0..1.2_f64, any::<bool>()), 1..200),
    ) {
        let min = min.round();
        let limits = Limits { min, max: min + room.round(), ..LIMITS };
        let mut controller = Controller::new(start, limits);
        for (throughput, latency_ms, memory_pressure, saturated) in measured {
            let before = controller.value();
            let now = Observation { throughput, latency_ms, memory_pressure, saturated };
            let decision = controller.decide(&now);
            let after = controller.value();
            prop_assert!((limits.min..=limits.max).contains(&after) && after.fract() == 0.0);
            prop_assert_eq!(decision.is_some(), before != after);
            if memory_pressure >= limits.high_pressure {
                prop_assert!(after < before || after == limits.min);
            }
        }
    }

    /// Wherever it starts and wherever the best is, it comes near and stays near, also with noise of 5 %.
    #[test]
    fn converges_on_a_curve(
        start in 1.0..64.0_f64,
        best in 2.0..50.0_f64,
        noise in prop::collection::vec(0.95..1.05_f64, 600),
    ) {
        let mut controller = Controller::new(start, LIMITS);
        let mut done = Vec::new();
        for noise in noise {
            let measured = system(controller.value(), best);
            done.push(measured.throughput);
            controller.decide(&Observation { throughput: measured.throughput * noise, ..measured });
        }
        let later = &done[300..];
        let mean = later.iter().sum::<f64>() / later.len() as f64;
        prop_assert!(mean > 0.75 * best * 100.0, "{mean} of {}", best * 100.0);
    }
}
