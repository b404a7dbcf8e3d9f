//! How often comparisons of benchmark runs are wrong: the tables of `docs/regression-detection.md`.
//!
//! `cargo run --release --example regression_detection [pairs]`: for each kind of noise and each slowdown so many
//! simulated pairs of results, 10,000 if not said, and a twentieth as many histories. Seeded: the same figures
//! everywhere.

use std::env;

use aiwf_native::{
    benchmark::{
        change_point::change_points,
        regression::{Metric, Outcome, compare_runs},
        statistics::median,
    },
    random::Random,
};

/// How the median of a run differs between processes of the same program.
struct Noise {
    name: &'static str,
    draw: fn(&mut Random) -> f64,
}

const NOISES: [Noise; 4] = [
    Noise { name: "quiet, 2 %", draw: |random| normal(random, 0.02) },
    Noise { name: "shared machine, 8 %", draw: |random| normal(random, 0.08) },
    Noise {
        name: "stragglers, one in ten",
        draw: |random| {
            let straggles = random.unit() < 0.1;
            normal(random, 0.03) * if straggles { random.between(1.1, 1.6) } else { 1.0 }
        },
    },
    Noise {
        name: "two modes, 15 % apart",
        draw: |random| normal(random, 0.02) * if random.unit() < 0.3 { 1.15 } else { 1.0 },
    },
];

fn normal(random: &mut Random, deviation: f64) -> f64 {
    (deviation * random.normal()).exp()
}

const SLOWDOWNS: [f64; 6] = [0.0, 0.05, 0.1, 0.25, 0.5, 1.0];

/// Whether a rule says that `current` got worse.
type Judge = fn(Metric, &[f64], &[f64]) -> bool;

/// A rule, and how many runs it wants of each side.
const RULES: [(&str, usize, Judge); 5] = [
    ("threshold, 1 run", 1, beyond_threshold),
    ("threshold, medians of 4", 4, beyond_threshold),
    ("threshold and test, 4 runs", 4, regressed),
    ("threshold, medians of 8", 8, beyond_threshold),
    ("threshold and test, 8 runs", 8, regressed),
];

fn beyond_threshold(metric: Metric, current: &[f64], baseline: &[f64]) -> bool {
    let (Some(now), Some(then)) = (median(current), median(baseline)) else { return false };
    let towards = (now / then - 1.0) * metric.threshold().signum();
    towards > metric.threshold().abs()
}

fn regressed(metric: Metric, current: &[f64], baseline: &[f64]) -> bool {
    compare_runs(metric, current, baseline).is_some_and(|known| known.outcome == Outcome::Regressed)
}

fn main() {
    let pairs = env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(10_000);
    for metric in [Metric::Duration, Metric::Throughput] {
        println!("\n## {}, threshold {:+}\n", metric.name(), metric.threshold());
        println!("| noise | rule | same | +5 % | +10 % | +25 % | +50 % | +100 % |");
        println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
        for noise in &NOISES {
            for (rule, runs, judge) in RULES {
                let shares =
                    SLOWDOWNS.map(|slowdown| alarms(metric, noise, runs, judge, slowdown, pairs));
                println!("| {} | {rule} | {} |", noise.name, cells(&shares));
            }
        }
    }
    println!("\n## Change points in 30 results, each the median of 4 runs\n");
    println!("| noise | slower since | same | +5 % | +10 % | +25 % | +50 % | +100 % |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for noise in &NOISES {
        for since in [15, 25, 27] {
            let shares = SLOWDOWNS.map(|slowdown| found(noise, since, slowdown, pairs / 20));
            println!("| {} | {} results | {} |", noise.name, 30 - since, cells(&shares));
        }
    }
}

fn cells(shares: &[f64]) -> String {
    shares.iter().map(|share| format!("{:.1} %", 100.0 * share)).collect::<Vec<_>>().join(" | ")
}

/// The share of pairs of results in which the rule says that the second got worse.
fn alarms(
    metric: Metric,
    noise: &Noise,
    runs: usize,
    judge: Judge,
    slowdown: f64,
    pairs: usize,
) -> f64 {
    let mut random = Random::new(1);
    let mut side = |factor: f64| -> Vec<f64> {
        let value = |duration: f64| match metric {
            Metric::Throughput => 1.0 / duration,
            _ => duration,
        };
        (0..runs).map(|_| value((noise.draw)(&mut random) * factor)).collect()
    };
    let alarms = (0..pairs)
        .filter(|_| {
            let baseline = side(1.0);
            judge(metric, &side(1.0 + slowdown), &baseline)
        })
        .count();
    alarms as f64 / pairs as f64
}

/// The share of histories with a change point; with a slowdown, one within two results of it.
fn found(noise: &Noise, since: usize, slowdown: f64, histories: usize) -> f64 {
    let mut random = Random::new(2);
    let found = (0..histories)
        .filter(|_| {
            let history: Vec<f64> = (0..30)
                .map(|index| {
                    let runs: Vec<f64> = (0..4).map(|_| (noise.draw)(&mut random)).collect();
                    let factor = if index < since { 1.0 } else { 1.0 + slowdown };
                    median(&runs).unwrap_or(1.0) * factor
                })
                .collect();
            let near = |index: usize| slowdown == 0.0 || index.abs_diff(since) <= 2;
            change_points(&history).iter().any(|point| near(point.index))
        })
        .count();
    found as f64 / histories as f64
}
