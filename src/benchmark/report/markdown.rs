//! A report for a pull request: GitHub's tables.

use super::model::{BaselineComparison, LoadTest, Report, Suite, Test, Verdict};
use crate::page::{bytes, milliseconds, per_second, utc};

pub fn text(report: &Report) -> String {
    let mut text = "## Benchmarks\n".to_owned();
    if let Some(gist) = report.gist() {
        text += &format!("\n**{}**\n", gist.text());
    }
    if let Some(comparison) = &report.comparison {
        text += &compared(comparison);
    }
    report.suites.iter().for_each(|suite| text += &measured(suite));
    if !report.load_tests.is_empty() {
        text += &loaded(&report.load_tests);
    }
    let info = &report.system_info;
    let cpu = info.machine.as_ref();
    let cpu = cpu.map_or(String::new(), |known| format!(", {} × {}", known.cores, known.cpu));
    text + &format!(
        "\nNode.js {}, {} {}{}, {}\n",
        cell(&info.node_version),
        cell(&info.platform),
        cell(&info.arch),
        cell(&cpu),
        utc(report.timestamp)
    )
}

fn compared(comparison: &BaselineComparison) -> String {
    let mut text = String::new();
    let verdicts = comparison.verdicts();
    if !verdicts.is_empty() {
        text += "\n| | Test | Metric | Change | 95 % interval | p | Cliff's δ |\n";
        text += "| --- | --- | --- | ---: | ---: | ---: | ---: |\n";
        verdicts.iter().for_each(|verdict| text += &line(verdict));
    }
    if !comparison.machine_differences.is_empty() {
        let names = comparison.machine_differences.join(", ");
        text += &format!("\nThe baseline is of another machine (differs in: {}).\n", cell(&names));
    }
    for test in comparison.uncompared() {
        text += &format!("\n- Nothing to compare with: {}", cell(&test));
    }
    for point in &comparison.change_points {
        text += &format!(
            "\n- {} › {}: {} changed on {} from {:.4} to {:.4}",
            cell(&point.suite),
            cell(&point.test),
            cell(&point.metric),
            utc(point.timestamp),
            point.before,
            point.after
        );
    }
    text + "\n"
}

fn line(verdict: &Verdict) -> String {
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
    format!(
        "| {} | {} › {} | {} | {} | {} | {} | {} |\n",
        cell(verdict.outcome),
        cell(verdict.suite),
        cell(verdict.test),
        cell(verdict.metric),
        percent(verdict.change),
        or_none(verdict.interval.map(|[low, high]| format!(
            "{} to {}",
            percent(low),
            percent(high)
        ))),
        or_none(verdict.p_value.map(|value| format!("{value:.3}"))),
        or_none(verdict.cliffs_delta.map(|value| format!("{value:+.2}"))),
    )
}

/// A relative change as `+12.3 %`.
pub fn percent(change: f64) -> String {
    format!("{:+.1} %", change * 100.0)
}

fn measured(suite: &Suite) -> String {
    let rows: String = suite.tests.iter().map(row).collect();
    format!(
        "\n### {}\n\n| Test | Median | 95 % interval | p95 | p99 | Heap | Iterations | Errors |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n{rows}",
        cell(&suite.name)
    )
}

fn row(test: &Test) -> String {
    let mut name = match test.status.as_str() {
        "completed" if test.optimized_away => format!("{} (optimised away)", cell(&test.name)),
        "completed" => cell(&test.name),
        _ => {
            format!("❌ {}: {}", cell(&test.name), cell(test.error.as_deref().unwrap_or("failed")))
        }
    };
    if let Some(slowness) = test.slowness() {
        name = format!("❌ {name}: {slowness}");
    }
    let figures = test.durations().map_or_else(
        || ["–"; 4].map(str::to_owned),
        |known| {
            let [low, high] = known.ci95.map(milliseconds);
            [
                milliseconds(known.median),
                format!("{low} – {high}"),
                milliseconds(known.p95),
                milliseconds(known.p99),
            ]
        },
    );
    let heap = test.heap_changes().map_or_else(|| "–".to_owned(), |known| bytes(known.median));
    format!(
        "| {name} | {} | {heap} | {} | {} |\n",
        figures.join(" | "),
        test.measured(),
        test.metrics.errors
    )
}

fn loaded(tests: &[LoadTest]) -> String {
    let rows: String = tests
        .iter()
        .map(|LoadTest { name, metrics, .. }| {
            let times = &metrics.response_time;
            format!(
                "| {} | {} | {} | {} | {} | {} | {} |\n",
                cell(name),
                metrics.total_requests,
                metrics.failed_requests,
                per_second(metrics.throughput),
                milliseconds(times.p50),
                milliseconds(times.p95),
                milliseconds(times.p99),
            )
        })
        .collect();
    format!(
        "\n### Load\n\n| Test | Requests | Failed | Rate | p50 | p95 | p99 |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n{rows}"
    )
}

/// Text that stays text, and stays in its cell.
fn cell(text: &str) -> String {
    let mut cell = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' | '\r' => cell.push(' '),
            '&' => cell += "&amp;",
            '<' => cell += "&lt;",
            '>' => cell += "&gt;",
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '#' | '~' | '!' | '@' => {
                cell.push('\\');
                cell.push(letter);
            }
            _ => cell.push(letter),
        }
    }
    cell
}
