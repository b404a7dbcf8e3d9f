//! A report as one page of HTML.

use std::fmt::Write;

use super::{
    markdown::percent,
    model::{BaselineComparison, Gist, LoadTest, Report, Suite, SystemInfo, Test, Totals, finite},
};
use crate::{
    benchmark::statistics::{Statistics, percentile},
    page::{
        self, Unit, bytes,
        change::{Row, changes},
        chart, escape, fact,
        latency::latencies,
        line_chart::{Line, lines},
        milliseconds, per_second, utc,
    },
};

pub fn page(report: &Report) -> String {
    let mut content = String::new();
    report.write(&mut content);
    page::whole("Performance Benchmark Report", &content)
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
        if let Some(gist) = self.gist() {
            let class = match gist {
                Gist::Regressed => "bad",
                Gist::Inconclusive => "dim",
                Gist::Clear => "good",
            };
            *page += &format!("<p><b class=\"{class}\">{}</b></p>", gist.text());
        }
        if let Some(comparison) = &self.comparison {
            comparison.write(page);
        }
        for suite in &self.suites {
            suite.write(page);
        }
        if !self.load_tests.is_empty() {
            *page += "<section><h2>Load tests</h2>";
            self.load_tests.iter().for_each(|test| test.write(page));
            *page += "</section>";
        }
        let SystemInfo { node_version, platform, arch, memory, machine } = &self.system_info;
        let cpu = machine.as_ref().map_or(String::new(), |known| {
            fact("Processor", &format!("{} × {}", known.cores, escape(&known.cpu)))
        });
        *page += &format!(
            "<h2>System</h2><dl class=\"facts\">{}{}{}{cpu}{}</dl>",
            fact("Node.js", &escape(node_version)),
            fact("Platform", &escape(platform)),
            fact("Architecture", &escape(arch)),
            fact("Resident memory", &bytes(memory.rss)),
        );
    }
}

impl BaselineComparison {
    fn write(&self, page: &mut String) {
        *page += "<section><h2>Against the baseline</h2><article>";
        if !self.machine_differences.is_empty() {
            *page += &format!(
                "<p>The baseline is of another machine. It differs in: {}.</p>",
                escape(&self.machine_differences.join(", "))
            );
        }
        let texts: Vec<(String, String, &str)> = self
            .verdicts()
            .iter()
            .map(|known| {
                let name = format!("{} › {}: {}", known.suite, known.test, known.metric);
                let mut note = format!("{}, {}", percent(known.change), known.outcome);
                if let Some(value) = known.p_value {
                    let _ = write!(note, ", p {value:.3}");
                }
                if let Some(value) = known.cliffs_delta {
                    let _ = write!(note, ", δ {value:+.2}");
                }
                (name, note, known.outcome)
            })
            .collect();
        let rows: Vec<Row> = self
            .verdicts()
            .iter()
            .zip(&texts)
            .map(|(known, (name, note, outcome))| Row {
                name,
                change: known.change,
                interval: known.interval,
                note,
                class: match *outcome {
                    "regressed" => "bad",
                    "improved" => "good",
                    _ => "dim",
                },
            })
            .collect();
        if !rows.is_empty() {
            *page += &changes("Relative change; the thin line is the 95 % interval", &rows);
        }
        for test in self.uncompared() {
            *page += &format!("<p>Nothing to compare with: {}</p>", escape(&test));
        }
        for point in &self.change_points {
            let unit = unit_of(&point.metric);
            *page += &format!(
                "<p>{} › {}: {} changed on {} from {} to {}</p>",
                escape(&point.suite),
                escape(&point.test),
                escape(&point.metric),
                utc(point.timestamp),
                unit(point.before),
                unit(point.after),
            );
        }
        *page += "</article></section>";
    }
}

impl LoadTest {
    fn write(&self, page: &mut String) {
        let (metrics, times) = (&self.metrics, &self.metrics.response_time);
        *page += &format!(
            "<article><h3>{}</h3><dl class=\"facts\">{}{}{}{}</dl>",
            escape(&self.name),
            fact("Requests", &metrics.total_requests.to_string()),
            fact("Failed", &failures(metrics)),
            fact("Rate", &per_second(metrics.throughput)),
            fact("Time", &milliseconds(self.duration)),
        );
        let figures = [
            ("Min", times.min),
            ("Average", times.average),
            ("p50", times.p50),
            ("p90", times.p90),
            ("p95", times.p95),
            ("p99", times.p99),
            ("p99.9", times.p999),
            ("Max", times.max),
        ];
        let heads: String = figures.iter().map(|(name, _)| format!("<th>{name}")).collect();
        let cells: String =
            figures.iter().map(|(_, value)| format!("<td>{}", milliseconds(*value))).collect();
        *page += &format!(
            "<div class=\"wide\"><table><thead><tr><th>Metric{heads}</tr></thead>\
             <tbody><tr><th>Response time{cells}</tr></tbody></table></div>"
        );
        let buckets: Vec<(f64, f64)> =
            times.histogram.iter().map(|bucket| (bucket.up_to, bucket.count)).collect();
        let marks = [("p50", times.p50), ("p95", times.p95), ("p99", times.p99)];
        *page += &latencies("Response times, logarithmic", &buckets, &marks, milliseconds);
        let line = |name, figure: fn(&super::model::Point) -> f64| Line {
            name,
            points: self.timeline.iter().map(|point| (point.time, figure(point))).collect(),
        };
        let rates = [line("rate", |point| point.throughput)];
        *page += &lines("Successful requests a second", &rates, &[], per_second);
        let times = [line("p50", |point| point.p50), line("p99", |point| point.p99)];
        *page += &lines("Response times over time", &times, &[], milliseconds);
        let workers =
            [line("workers", |point| point.active_workers), line("errors", |point| point.errors)];
        *page += &lines("Workers and errors", &workers, &[], |value| format!("{value:.0}"));
        *page += "</article>";
    }
}

/// How many, their share, and of which kinds.
fn failures(metrics: &super::model::LoadMetrics) -> String {
    let kinds: Vec<String> = metrics
        .errors
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(kind, count)| format!("{count} {}", escape(kind)))
        .collect();
    match kinds.is_empty() {
        true => metrics.failed_requests.to_string(),
        false => format!(
            "{} ({:.2} %: {})",
            metrics.failed_requests,
            metrics.error_rate * 100.0,
            kinds.join(", ")
        ),
    }
}

fn unit_of(metric: &str) -> Unit {
    match metric {
        "memory" => bytes,
        "throughput" => per_second,
        _ => milliseconds,
    }
}

impl Suite {
    fn write(&self, page: &mut String) {
        *page += &format!("<section><h2>{}</h2>", escape(&self.name));
        let medians: Vec<(&str, f64)> = self
            .tests
            .iter()
            .filter_map(|test| Some((&*test.name, test.durations()?.median)))
            .collect();
        if medians.len() > 1 {
            *page += &chart::bars("Median duration", &medians, milliseconds);
        }
        self.tests.iter().for_each(|test| test.write(page));
        *page += "</section>";
    }
}

impl Test {
    fn write(&self, page: &mut String) {
        *page += &format!("<article><h3>{} {}</h3>", escape(&self.name), badge(&self.status));
        if let Some(error) = &self.error {
            *page += &format!("<p class=\"error\">{}</p>", escape(error));
        }
        if let Some(slowness) = self.slowness() {
            *page += &format!("<p class=\"error\">{slowness}</p>");
        }
        let metrics: [(&str, Option<Statistics>, Unit); 3] = [
            ("Duration", self.durations(), milliseconds),
            ("Heap", self.heap_changes(), bytes),
            ("Throughput", self.throughputs(), per_second),
        ];
        let rows: String = metrics
            .iter()
            .filter_map(|(name, figures, unit)| Some(row(name, figures.as_ref()?, *unit)))
            .collect();
        if !rows.is_empty() {
            *page += &format!(
                "<div class=\"wide\"><table><thead><tr><th>Metric<th>Median<th>95 % interval\
                 <th>Average<th>Std. deviation<th>Min<th>p95<th>p99<th>Max<th>Outliers\
                 </tr></thead><tbody>{rows}</tbody></table></div>"
            );
        }
        *page += &format!(
            "<p>{} iterations measured, {} failed{}</p>",
            self.measured(),
            self.metrics.errors,
            self.remarks()
        );
        // Beyond it a few stragglers would squeeze all others into one column.
        let durations = finite(&self.metrics.duration);
        if let Some(highest) = percentile(&durations, 99.0) {
            *page += &chart::histogram("Durations", &durations, highest, milliseconds);
        }
        *page += "</article>";
    }

    fn remarks(&self) -> String {
        let mut remarks = String::new();
        if let Some(calls) = self.calls_per_iteration {
            remarks += &format!("; an iteration is {calls} calls, and its time their mean");
        }
        if self.optimized_away {
            remarks += "; <b class=\"bad\">optimised away: the function does nothing anyone could notice</b>";
        }
        if self.steady_state == Some(false) {
            remarks += "; <b class=\"bad\">no steady state was reached</b>";
        }
        if self.sampled.is_some() {
            remarks += "; the chart is of a uniform sample of them";
        }
        if let Some(runs) = &self.runs {
            let medians: Vec<String> =
                finite(&runs.duration).into_iter().map(milliseconds).collect();
            remarks += &format!("; medians of {} processes: {}", medians.len(), medians.join(", "));
        }
        remarks
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

fn badge(status: &str) -> String {
    let class = if matches!(status, "passed" | "completed") { "good" } else { "bad" };
    format!("<span class=\"{class}\">{}</span>", escape(status))
}
