//! A benchmark report as one page of HTML.
//!
//! The page is whole in itself: no script, no font, no network, and a policy that forbids them. It follows
//! the reader's light or dark scheme. Every text that comes from the report is escaped.

use std::fmt::Write;

use serde::Deserialize;

use super::statistics::Statistics;
use crate::error::{Error, Result};

mod chart;

/// What the page shows of a report; the rest of it is ignored.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    timestamp: f64,
    summary: Totals,
    suites: Vec<Suite>,
    system_info: SystemInfo,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Totals {
    total_suites: u64,
    total_tests: u64,
    overall_status: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SystemInfo {
    node_version: String,
    platform: String,
    arch: String,
    memory: Memory,
}

#[derive(Debug, Deserialize)]
struct Memory {
    rss: f64,
}

#[derive(Debug, Deserialize)]
struct Suite {
    name: String,
    tests: Vec<Test>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Test {
    name: String,
    status: String,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    metrics: Metrics,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Metrics {
    duration: Values,
    memory: Values,
    throughput: Values,
    errors: f64,
}

/// JSON has `null` for what is not finite.
type Values = Vec<Option<f64>>;

/// The page for a report in JSON. Fails with [`Error::InvalidReport`].
pub fn html(json: &str) -> Result<String> {
    let report: Report =
        serde_json::from_str(json).map_err(|error| Error::InvalidReport(error.to_string()))?;
    let mut page = String::from(HEAD);
    report.write(&mut page);
    page.push_str("</main></body></html>\n");
    Ok(page)
}

const HEAD: &str = concat!(
    "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">",
    "<meta http-equiv=\"Content-Security-Policy\" ",
    "content=\"default-src 'none'; style-src 'unsafe-inline'\">",
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">",
    "<title>Performance Benchmark Report</title><style>",
    include_str!("report/page.css"),
    "</style></head><body><main><h1>Performance Benchmark Report</h1>",
);

impl Report {
    fn write(&self, page: &mut String) {
        let Totals { total_suites, total_tests, overall_status } = &self.summary;
        *page += &format!(
            "<dl class=\"facts\">{}{}{}{}</dl>",
            fact("Status", &badge(overall_status)),
            fact("Suites", &total_suites.to_string()),
            fact("Tests", &total_tests.to_string()),
            fact("Generated", &utc(self.timestamp)),
        );
        for suite in &self.suites {
            suite.write(page);
        }
        let SystemInfo { node_version, platform, arch, memory } = &self.system_info;
        *page += &format!(
            "<h2>System</h2><dl class=\"facts\">{}{}{}{}</dl>",
            fact("Node.js", &escape(node_version)),
            fact("Platform", &escape(platform)),
            fact("Architecture", &escape(arch)),
            fact("Resident memory", &bytes(memory.rss)),
        );
    }
}

impl Suite {
    fn write(&self, page: &mut String) {
        *page += &format!("<section><h2>{}</h2>", escape(&self.name));
        let measured: Vec<(&Test, Vec<f64>)> =
            self.tests.iter().map(|test| (test, finite(&test.metrics.duration))).collect();
        let medians: Vec<(&str, f64)> = measured
            .iter()
            .filter_map(|(test, durations)| Some((&*test.name, Statistics::of(durations)?.median)))
            .collect();
        if medians.len() > 1 {
            *page += &chart::bars("Median duration", &medians, milliseconds);
        }
        for (test, durations) in &measured {
            test.write(durations, page);
        }
        *page += "</section>";
    }
}

impl Test {
    fn write(&self, durations: &[f64], page: &mut String) {
        *page += &format!("<article><h3>{} {}</h3>", escape(&self.name), badge(&self.status));
        if let Some(error) = &self.error {
            *page += &format!("<p class=\"error\">{}</p>", escape(error));
        }
        let metrics: [(&str, &Values, Unit); 3] = [
            ("Duration", &self.metrics.duration, milliseconds),
            ("Heap", &self.metrics.memory, bytes),
            ("Throughput", &self.metrics.throughput, per_second),
        ];
        let rows: String = metrics
            .iter()
            .filter_map(|(name, values, unit)| {
                Some(row(name, &Statistics::of(&finite(values))?, *unit))
            })
            .collect();
        if !rows.is_empty() {
            *page += &format!(
                "<div class=\"wide\"><table><thead><tr><th>Metric<th>Median<th>95 % interval\
                 <th>Average<th>Std. deviation<th>Min<th>p95<th>p99<th>Max<th>Outliers\
                 </tr></thead><tbody>{rows}</tbody></table></div>"
            );
        }
        *page += &format!(
            "<p>{} iterations measured, {} failed</p>",
            durations.len(),
            self.metrics.errors
        );
        *page += &chart::histogram("Durations", durations, milliseconds);
        *page += "</article>";
    }
}

/// How a figure is written.
type Unit = fn(f64) -> String;

fn row(name: &str, known: &Statistics, unit: Unit) -> String {
    let Statistics { min, max, avg, median, p95, p99, stddev, mad: _, ci95, outliers } = known;
    let [lower, upper] = ci95.map(unit);
    let mut row = format!("<tr><th>{name}<td>{}<td>{lower} – {upper}", unit(*median));
    for value in [avg, stddev, min, p95, p99, max] {
        // Writing to a string cannot fail.
        let _ = write!(row, "<td>{}", unit(*value));
    }
    row + &format!("<td>{outliers}</tr>")
}

fn finite(values: &Values) -> Vec<f64> {
    values.iter().flatten().copied().collect()
}

fn fact(name: &str, value: &str) -> String {
    format!("<div><dt>{name}</dt><dd>{value}</dd></div>")
}

fn badge(status: &str) -> String {
    let class = if matches!(status, "passed" | "completed") { "good" } else { "bad" };
    format!("<span class=\"{class}\">{}</span>", escape(status))
}

fn milliseconds(value: f64) -> String {
    match value.abs() {
        size if size >= 1_000.0 => format!("{:.2} s", value / 1_000.0),
        size if size >= 1.0 || size == 0.0 => format!("{value:.2} ms"),
        size if size >= 0.001 => format!("{:.2} µs", value * 1e3),
        _ => format!("{:.0} ns", value * 1e6),
    }
}

fn bytes(value: f64) -> String {
    match value.abs() {
        size if size >= 1_048_576.0 => format!("{:.2} MiB", value / 1_048_576.0),
        size if size >= 1_024.0 => format!("{:.2} KiB", value / 1_024.0),
        _ => format!("{value:.0} B"),
    }
}

fn per_second(value: f64) -> String {
    format!("{value:.1} /s")
}

/// A time in milliseconds since 1970 as `2026-01-31 23:59:59 UTC`.
fn utc(timestamp: f64) -> String {
    let seconds = (timestamp / 1_000.0) as i64;
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// The date of a day counted from 1970-01-01 (Howard Hinnant, chrono-Compatible Low-Level Date Algorithms,
/// `civil_from_days`): years begin in March, so that leap days come last.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// For text and for attributes in either kind of quotes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            _ => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests;
