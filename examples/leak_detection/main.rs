//! How often leak detectors are wrong, and how long they take: the table of `docs/leak-detection.md`.
//!
//! `cargo run --release --example leak_detection [runs]`: for each shape of program and each leak so many simulated
//! hours, 1,000 if not said. Seeded: the same figures everywhere. The shapes of the second table were not used to
//! choose any parameter.

mod rivals;

use std::{env, num::NonZero, thread};

use aiwf_native::memory::{
    simulation::{Program, Shape},
    trend::median,
};
use parking_lot::Mutex;
use rivals::{RULES, Rule};

const HOUR: usize = 3_600;
/// Shares of the first size a minute.
const LEAKS: [f64; 4] = [0.0, 0.005, 0.01, 0.05];

struct Shapes {
    name: &'static str,
    first_seed: u64,
    /// The last one is the periodic one.
    shapes: [Shape; 5],
}

const TABLES: [Shapes; 2] = [
    Shapes {
        name: "Shapes the parameters were chosen on",
        first_seed: 0,
        shapes: [
            Shape::Steady,
            Shape::Wander { deviation: 0.05, memory: 120.0 },
            Shape::WarmUp { rise: 0.5, time_constant: 300.0 },
            Shape::Step { rise: 0.3 },
            Shape::Sine { amplitude: 0.15 },
        ],
    },
    Shapes {
        name: "Held-out shapes",
        first_seed: 1 << 32,
        shapes: [
            Shape::Steady,
            Shape::Wander { deviation: 0.04, memory: 300.0 },
            Shape::WarmUp { rise: 0.8, time_constant: 480.0 },
            Shape::Step { rise: 0.5 },
            Shape::Sine { amplitude: 0.1 },
        ],
    },
];

/// What one rule said of many hours of one shape with one leak.
#[derive(Clone, Default)]
struct Outcome {
    hours: usize,
    /// Minutes until the first alarm of each hour that had one.
    alarms: Vec<f64>,
    looks: usize,
    flags: usize,
}

impl Outcome {
    fn merge<'a>(outcomes: impl Iterator<Item = &'a Self>) -> Self {
        outcomes.fold(Self::default(), |mut all, one| {
            all.hours += one.hours;
            all.alarms.extend(&one.alarms);
            all.looks += one.looks;
            all.flags += one.flags;
            all
        })
    }

    fn alarmed(&self) -> f64 {
        100.0 * self.alarms.len() as f64 / self.hours as f64
    }

    fn missed(&self) -> f64 {
        100.0 - self.alarmed()
    }

    fn flagged(&self) -> f64 {
        100.0 * self.flags as f64 / self.looks as f64
    }

    fn delay(&self) -> f64 {
        median(&mut self.alarms.clone()).unwrap_or(f64::NAN)
    }
}

fn main() {
    let runs = env::args().nth(1).and_then(|runs| runs.parse().ok()).unwrap_or(1_000);
    for table in &TABLES {
        println!("{} ({runs} hours a cell)\n", table.name);
        println!(
            "| rule | false alarms an hour, 4 shapes | of which steady, wander, warm-up, step | false alarms, waves \
                  | looks that alarm: no leak → 1 %/min | missed: 0.5, 1, 5 %/min | minutes until found |"
        );
        println!("| --- | --- | --- | --- | --- | --- | --- |");
        let outcomes = measure(table, runs);
        for (rule, outcomes) in RULES.iter().zip(outcomes) {
            print_row(rule, &outcomes);
        }
        println!();
    }
}

/// For each rule its outcomes: shapes by leaks. The cells are shared out among the cores.
fn measure(table: &Shapes, runs: u64) -> Vec<Vec<Outcome>> {
    let cells: Vec<(usize, Shape, f64)> = table
        .shapes
        .into_iter()
        .flat_map(|shape| LEAKS.map(|leak| (shape, leak)))
        .enumerate()
        .map(|(cell, (shape, leak))| (cell, shape, leak))
        .collect();
    let outcomes = Mutex::new(vec![vec![Outcome::default(); cells.len()]; RULES.len()]);
    let next = Mutex::new(cells.iter());
    let work = || {
        loop {
            let Some(&(cell, shape, leak)) = next.lock().next() else { return };
            let first_seed = table.first_seed + (cell as u64) * 1_000_000;
            for (rule, outcome) in
                RULES.iter().map(|rule| hours(rule, shape, leak, first_seed, runs)).enumerate()
            {
                outcomes.lock()[rule][cell] = outcome;
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(work);
        }
    });
    outcomes.into_inner()
}

fn hours(rule: &Rule, shape: Shape, leak: f64, first_seed: u64, runs: u64) -> Outcome {
    let mut outcome = Outcome { hours: runs as usize, ..Outcome::default() };
    for seed in first_seed..first_seed + runs {
        let mut judge = (rule.start)();
        let mut first = None;
        for second in Program::new(shape, leak, seed).take(HOUR) {
            let Some(alarm) = judge(&second) else { continue };
            outcome.looks += 1;
            outcome.flags += usize::from(alarm);
            if alarm && first.is_none() {
                first = Some(second.at / 60.0);
            }
        }
        outcome.alarms.extend(first);
    }
    outcome
}

fn print_row(rule: &Rule, outcomes: &[Outcome]) {
    let cell = |shape: usize, leak: usize| &outcomes[shape * LEAKS.len() + leak];
    let aperiodic = |leak| Outcome::merge((0..4).map(|shape| cell(shape, leak)));
    let each = (0..4).map(|shape| format!("{:.1}", cell(shape, 0).alarmed()));
    let leaking: Vec<_> = (1..LEAKS.len()).map(aperiodic).collect();
    let list = |figure: fn(&Outcome) -> f64| {
        leaking
            .iter()
            .map(|outcome| format!("{:.1}", figure(outcome)))
            .collect::<Vec<_>>()
            .join(" / ")
    };
    println!(
        "| {} | {:.1} % | {} | {:.1} % | {:.1} % → {:.1} % | {} % | {} |",
        rule.name,
        aperiodic(0).alarmed(),
        each.collect::<Vec<_>>().join(" / "),
        cell(4, 0).alarmed(),
        aperiodic(0).flagged(),
        aperiodic(2).flagged(),
        list(Outcome::missed),
        list(Outcome::delay),
    );
}
