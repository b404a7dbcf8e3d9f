//! A benchmark report as one page of HTML.

use std::fmt::Write;

use serde::Deserialize;

use super::statistics::{Statistics, percentile};
use crate::{
    error::{Error, Result},
    page::{self, Unit, bytes, chart, escape, fact, milliseconds, per_second, utc},
};

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
    let mut content = String::new();
    report.write(&mut content);
    Ok(page::whole("Performance Benchmark Report", &content))
}

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
        // Beyond it a few stragglers would squeeze all others into one column.
        if let Some(highest) = percentile(durations, 99.0) {
            *page += &chart::histogram("Durations", durations, highest, milliseconds);
        }
        *page += "</article>";
    }
}

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

fn badge(status: &str) -> String {
    let class = if matches!(status, "passed" | "completed") { "good" } else { "bad" };
    format!("<span class=\"{class}\">{}</span>", escape(status))
}

#[cfg(test)]
mod tests;
