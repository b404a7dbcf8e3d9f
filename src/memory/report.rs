//! A memory report as one page of HTML.

use std::fmt::Write;

use serde::Deserialize;

use crate::{
    error::{Error, Result},
    page::{
        self, bytes, escape, fact,
        line_chart::{self, Line, duration},
        milliseconds, utc,
    },
};

/// What the page shows; all else in the JSON is ignored.
#[derive(Debug, Deserialize)]
struct Page {
    report: Report,
    #[serde(default)]
    samples: Vec<Sample>,
    #[serde(default)]
    heaps: Vec<Heap>,
    growth: Option<Growth>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    timestamp: f64,
    current: Memory,
    peak: Peak,
    statistics: Statistics,
    alerts: Vec<Alert>,
    suggestions: Vec<Suggestion>,
    gc: Option<Collections>,
    event_loop_delay: Option<Range>,
}

/// A replaced `process.memoryUsage` may leave figures out.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Memory {
    rss: f64,
    heap_total: f64,
    heap_used: f64,
    external: f64,
}

#[derive(Debug, Deserialize)]
struct Peak {
    rss: f64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Statistics {
    rss: Option<Range>,
    heap_total: Option<Range>,
    heap_used: Option<Range>,
    external: Option<Range>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Range {
    min: f64,
    max: f64,
    avg: f64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Alert {
    r#type: String,
    timestamp: f64,
    metric: Option<String>,
    value: Option<f64>,
    threshold: Option<f64>,
    level: Option<String>,
    memory: Option<String>,
    heap_trend: Option<f64>,
    bytes_per_minute: Option<f64>,
    confidence: Option<f64>,
    until_limit: Option<f64>,
}

#[derive(Debug, Deserialize)]
struct Suggestion {
    suggestion: String,
    priority: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Collections {
    minor: Pauses,
    major: Pauses,
    incremental: Pauses,
    weak_callbacks: Pauses,
    time_share: f64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pauses {
    count: f64,
    duration: f64,
    max_duration: f64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sample {
    timestamp: f64,
    memory: Memory,
    event_loop_delay: Option<f64>,
    #[serde(default)]
    heap_stale: bool,
}

/// A heap snapshot, and of its constructors those that hold most.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Heap {
    label: String,
    objects: f64,
    size: f64,
    constructors: Vec<Constructor>,
    constructor_count: usize,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Constructor {
    name: String,
    count: f64,
    shallow_size: f64,
    retained_size: f64,
    #[serde(default)]
    retaining_path: Vec<Step>,
}

#[derive(Debug, Deserialize)]
struct Step {
    by: String,
    name: String,
}

/// Between two snapshots.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Growth {
    from: String,
    to: String,
    constructors: Vec<Constructor>,
    constructor_count: usize,
}

/// The page for a report in JSON. Fails with [`Error::InvalidReport`].
pub fn html(json: &str) -> Result<String> {
    let page: Page =
        serde_json::from_str(json).map_err(|error| Error::InvalidReport(error.to_string()))?;
    Ok(page::whole("Memory Report", &page.content()))
}

impl Page {
    fn content(&self) -> String {
        let Self { report, samples, heaps, growth } = self;
        let mut content = report.facts(samples);
        content += &report.advice();
        content += &charts(samples, &report.alerts);
        content += &report.statistics();
        if let Some(gc) = &report.gc {
            content += &gc.table();
        }
        content += &report.alerts();
        if let Some(growth) = growth {
            content += &growth.table();
        }
        heaps.iter().for_each(|heap| content += &heap.table());
        content
    }
}

fn charts(samples: &[Sample], alerts: &[Alert]) -> String {
    // V8's figures of a stale sample are those of the one before.
    let line = |name, figure: fn(&Memory) -> f64, stale: bool| {
        let shown = samples.iter().filter(|sample| stale || !sample.heap_stale);
        let points = shown.map(|sample| (sample.timestamp, figure(&sample.memory)));
        Line { name, points: points.collect() }
    };
    let memory = [
        line("Resident", |memory| memory.rss, true),
        line("Heap reserved", |memory| memory.heap_total, false),
        line("Heap used", |memory| memory.heap_used, false),
        line("External", |memory| memory.external, false),
    ];
    let marks: Vec<f64> = alerts.iter().map(|alert| alert.timestamp).collect();
    let title =
        if marks.is_empty() { "Memory" } else { "Memory; dashed where an alert was raised" };
    let delays =
        samples.iter().filter_map(|sample| Some((sample.timestamp, sample.event_loop_delay?)));
    let delay = Line { name: "Delay", points: delays.collect() };
    let drawn = line_chart::lines(title, &memory, &marks, bytes)
        + &line_chart::lines("Event loop delay", &[delay], &[], milliseconds);
    if drawn.is_empty() { drawn } else { format!("<h2>Over time</h2>{drawn}") }
}

impl Report {
    fn facts(&self, samples: &[Sample]) -> String {
        let span = match samples {
            [first, .., last] => duration(last.timestamp - first.timestamp),
            _ => "none".to_owned(),
        };
        let facts = [
            ("Generated", utc(self.timestamp)),
            ("Sampled", span),
            ("Samples", samples.len().to_string()),
            ("Resident", bytes(self.current.rss)),
            ("Resident at most", bytes(self.peak.rss)),
            ("Heap used", bytes(self.current.heap_used)),
            ("External", bytes(self.current.external)),
        ];
        let facts: String = facts.iter().map(|(name, value)| fact(name, value)).collect();
        format!("<dl class=\"facts\">{facts}</dl>")
    }

    fn advice(&self) -> String {
        if self.suggestions.is_empty() {
            return String::new();
        }
        let items = self.suggestions.iter().map(|Suggestion { suggestion, priority }| {
            let (priority, suggestion) = (escape(priority), escape(suggestion));
            format!("<article><span class=\"bad\">{priority}</span> {suggestion}</article>")
        });
        format!("<h2>Advice</h2>{}", items.collect::<String>())
    }

    fn statistics(&self) -> String {
        let Statistics { rss, heap_total, heap_used, external } = &self.statistics;
        let memory = [
            ("Resident", rss),
            ("Heap reserved", heap_total),
            ("Heap used", heap_used),
            ("External", external),
        ];
        let row = |name: &str, range: &Range, unit: page::Unit| {
            let cells = [range.min, range.avg, range.max].map(unit).join("<td>");
            format!("<tr><th>{name}<td>{cells}</tr>")
        };
        let rows =
            memory.iter().filter_map(|(name, range)| Some(row(name, range.as_ref()?, bytes)));
        let delay =
            self.event_loop_delay.iter().map(|delay| row("Event loop delay", delay, milliseconds));
        table(
            "Latest samples",
            &["", "Least", "Mean", "Most"],
            &rows.chain(delay).collect::<String>(),
        )
    }

    fn alerts(&self) -> String {
        let rows: String = self.alerts.iter().map(Alert::row).collect();
        table("Alerts", &["When", "Type", "What"], &rows)
    }
}

impl Alert {
    fn row(&self) -> String {
        let (when, kind) = (utc(self.timestamp), escape(&self.r#type));
        format!(
            "<tr><th>{when}<td class=\"text\">{kind}<td class=\"way\">{}</tr>",
            escape(&self.what())
        )
    }

    fn what(&self) -> String {
        if let (Some(metric), Some(value)) = (&self.metric, self.value) {
            let above = self.threshold.map(|threshold| format!(" above {}", bytes(threshold)));
            return format!("{metric} {}{}", bytes(value), above.unwrap_or_default());
        }
        let parts = [
            self.level.clone(),
            self.memory.as_ref().map(|memory| format!("{memory} memory")),
            self.bytes_per_minute.map(|pace| format!("{} a minute", bytes(pace))),
            self.heap_trend.map(|trend| format!("heap {:+.1} %", 100.0 * trend)),
            self.confidence.map(|share| format!("confidence {:.2} %", 100.0 * share)),
            self.until_limit.map(|left| format!("{} until the limit", duration(left))),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

impl Collections {
    fn table(&self) -> String {
        let kinds = [
            ("Minor", &self.minor),
            ("Major", &self.major),
            ("Incremental", &self.incremental),
            ("Weak callbacks", &self.weak_callbacks),
        ];
        let mut rows = String::new();
        for (name, Pauses { count, duration, max_duration }) in kinds {
            let [all, longest] = [*duration, *max_duration].map(milliseconds);
            // Writing to a string cannot fail.
            let _ = write!(rows, "<tr><th>{name}<td>{count}<td>{all}<td>{longest}</tr>");
        }
        let title = format!("Collections, {:.2} % of the time", 100.0 * self.time_share);
        table(&title, &["Kind", "Count", "Paused", "Longest"], &rows)
    }
}

impl Heap {
    fn table(&self) -> String {
        let Self { label, objects, size, constructors, constructor_count } = self;
        let heads = ["Constructor", "Objects", "Own size", "Retained"];
        let title = format!(
            "Heap snapshot “{label}”: {objects} objects, {}{}",
            bytes(*size),
            shown(constructors.len(), *constructor_count),
        );
        let rows = constructors
            .iter()
            .map(|constructor| constructor.row(bytes, |count| count.to_string()));
        table(&title, &heads, &rows.collect::<String>())
    }
}

impl Growth {
    fn table(&self) -> String {
        let Self { from, to, constructors, constructor_count } = self;
        let heads = ["Constructor", "Objects", "Own size", "Retained", "Held by"];
        let title = format!(
            "Grown from “{from}” to “{to}”{}",
            shown(constructors.len(), *constructor_count)
        );
        let signed = |value| format!("{}{}", if value > 0.0 { "+" } else { "" }, bytes(value));
        let rows = constructors
            .iter()
            .map(|constructor| constructor.row(signed, |count| format!("{count:+}")));
        table(&title, &heads, &rows.collect::<String>())
    }
}

/// How many of them the table shows.
fn shown(rows: usize, of: usize) -> String {
    if rows < of { format!("; the first {rows} of {of} constructors") } else { String::new() }
}

impl Constructor {
    fn row(&self, size: impl Fn(f64) -> String, count: impl Fn(f64) -> String) -> String {
        let cells = format!(
            "<tr><th>{}<td>{}<td>{}<td>{}",
            escape(&self.name),
            count(self.count),
            size(self.shallow_size),
            size(self.retained_size),
        );
        let way: Vec<String> =
            self.retaining_path.iter().map(|Step { by, name }| format!("{by} {name}")).collect();
        match way.is_empty() {
            true => cells + "</tr>",
            false => format!("{cells}<td class=\"way\">{}</tr>", escape(&way.join(" → "))),
        }
    }
}

/// Nothing without rows.
fn table(title: &str, heads: &[&str], rows: &str) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let heads = heads.join("<th>");
    format!(
        "<h2>{}</h2><div class=\"wide\"><table><thead><tr><th>{heads}</tr></thead>\
         <tbody>{rows}</tbody></table></div>",
        escape(title)
    )
}

#[cfg(test)]
mod tests;
