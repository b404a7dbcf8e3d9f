//! The profiler's figures as Prometheus metrics, under the names that dashboards for Node know.
//!
//! The names, units and buckets are those of prom-client's default metrics where that has the figure; `aiwf_` begins
//! those it has not.

use crate::prometheus::{Exposition, Kind};

/// What is told. Bytes, and the units the names say; nothing where it is not known.
#[derive(Clone, Debug, Default)]
pub struct Told {
    pub rss: f64,
    pub heap_total: f64,
    pub heap_used: f64,
    pub external: f64,
    pub array_buffers: f64,
    pub cpu_user_seconds: f64,
    pub cpu_system_seconds: f64,
    pub start_time_seconds: f64,
    /// Such as `v20.1.0`.
    pub node_version: String,
    pub heap_spaces: Vec<HeapSpace>,
    /// Milliseconds by which the event loop was late, oldest first.
    pub delays: Vec<f64>,
    pub collections: Vec<Collections>,
    /// Of each type, how many there were.
    pub alerts: Vec<(String, f64)>,
    pub anomaly_scores: Vec<(String, f64)>,
    pub open_descriptors: Option<f64>,
    pub threads: Option<f64>,
    pub anonymous: Option<f64>,
    pub limit: Option<f64>,
    pub limit_used: Option<f64>,
}

/// One of the spaces of V8's heap.
#[derive(Clone, Debug)]
pub struct HeapSpace {
    pub name: String,
    pub size: f64,
    pub used: f64,
    pub available: f64,
}

/// Collections of one kind.
#[derive(Clone, Debug)]
pub struct Collections {
    pub kind: String,
    pub seconds: f64,
    /// How many were no longer than each of [`PAUSES`] and longer than the one before; at last, longer than all.
    pub counts: [f64; PAUSES.len() + 1],
}

/// Seconds: the upper bounds that prom-client has.
pub const PAUSES: [f64; 6] = [0.001, 0.01, 0.1, 1.0, 2.0, 5.0];

/// The text that a scraper reads.
pub fn prometheus(told: &Told) -> String {
    let mut text = Exposition::default();
    write_process(told, &mut text);
    write_heap(told, &mut text);
    write_delays(&told.delays, &mut text);
    write_collections(&told.collections, &mut text);
    write_version(&told.node_version, &mut text);
    write_own(told, &mut text);
    text.into_text()
}

fn counter(text: &mut Exposition, name: &str, help: &str, value: f64) {
    text.family(name, Kind::Counter, Some(help));
    text.sample(name, &[], value);
}

fn write_process(told: &Told, text: &mut Exposition) {
    let Told { cpu_user_seconds: user, cpu_system_seconds: system, .. } = *told;
    counter(text, "process_cpu_user_seconds_total", "CPU time spent in the program.", user);
    counter(text, "process_cpu_system_seconds_total", "CPU time spent in the system.", system);
    counter(text, "process_cpu_seconds_total", "CPU time spent, both.", user + system);
    let start = told.start_time_seconds;
    text.gauge("process_start_time_seconds", Some("When it started, since 1970."), start);
    text.gauge("process_resident_memory_bytes", Some("Memory that is resident."), told.rss);
    if let Some(open) = told.open_descriptors {
        text.gauge("process_open_fds", Some("Open file descriptors."), open);
    }
}

fn write_heap(told: &Told, text: &mut Exposition) {
    let total = told.heap_total;
    text.gauge("nodejs_heap_size_total_bytes", Some("What V8 has reserved for its heap."), total);
    text.gauge("nodejs_heap_size_used_bytes", Some("Of that in use."), told.heap_used);
    let external = Some("What JavaScript objects hold outside of the heap.");
    text.gauge("nodejs_external_memory_bytes", external, told.external);
    type Figure = fn(&HeapSpace) -> f64;
    let figures: [(&str, &str, Figure); 3] = [
        ("nodejs_heap_space_size_total_bytes", "The size of each heap space.", |space| space.size),
        ("nodejs_heap_space_size_used_bytes", "Of that in use.", |space| space.used),
        ("nodejs_heap_space_size_available_bytes", "Of that free.", |space| space.available),
    ];
    for (name, help, figure) in figures {
        text.family(name, Kind::Gauge, Some(help));
        for space in &told.heap_spaces {
            // prom-client leaves out the ending that all of them have.
            let label = space.name.strip_suffix("_space").unwrap_or(&space.name);
            text.sample(name, &[("space", label)], figure(space));
        }
    }
}

/// The latest delay, and what is known of all that were kept.
fn write_delays(delays: &[f64], text: &mut Exposition) {
    let Some(latest) = delays.last() else { return };
    let mut sorted: Vec<f64> = delays.iter().map(|delay| delay / 1e3).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let count = sorted.len() as f64;
    let mean = sorted.iter().sum::<f64>() / count;
    let variance = sorted.iter().map(|delay| (delay - mean).powi(2)).sum::<f64>() / count;
    // Nearest rank.
    let percentile = |share: f64| sorted[((share * count).ceil() as usize).max(1) - 1];
    let figures = [
        ("", "Lag of the event loop, the latest.", latest / 1e3),
        ("_min", "The least of the kept samples.", sorted[0]),
        ("_max", "The most of the kept samples.", sorted[sorted.len() - 1]),
        ("_mean", "The mean of the kept samples.", mean),
        ("_stddev", "Their standard deviation.", variance.sqrt()),
        ("_p50", "Their 50th percentile.", percentile(0.5)),
        ("_p90", "Their 90th percentile.", percentile(0.9)),
        ("_p99", "Their 99th percentile.", percentile(0.99)),
    ];
    for (figure, help, value) in figures {
        text.gauge(&format!("nodejs_eventloop_lag{figure}_seconds"), Some(help), value);
    }
}

fn write_collections(collections: &[Collections], text: &mut Exposition) {
    let name = "nodejs_gc_duration_seconds";
    text.family(name, Kind::Histogram, Some("Pauses for garbage collections, by kind."));
    for Collections { kind, seconds, counts } in collections {
        let bounds = PAUSES.map(|bound| bound.to_string());
        let bounds = bounds.iter().map(String::as_str).chain(["+Inf"]);
        let mut sum = 0.0;
        for (bound, count) in bounds.zip(counts) {
            sum += count;
            text.sample(&format!("{name}_bucket"), &[("le", bound), ("kind", kind)], sum);
        }
        text.sample(&format!("{name}_sum"), &[("kind", kind)], *seconds);
        text.sample(&format!("{name}_count"), &[("kind", kind)], sum);
    }
}

fn write_version(version: &str, text: &mut Exposition) {
    let mut numbers = version.trim_start_matches('v').splitn(3, '.');
    let mut number = || numbers.next().unwrap_or_default();
    let (major, minor, patch) = (number(), number(), number());
    let labels = [("version", version), ("major", major), ("minor", minor), ("patch", patch)];
    text.family("nodejs_version_info", Kind::Gauge, Some("The version of Node."));
    text.sample("nodejs_version_info", &labels, 1.0);
}

fn write_own(told: &Told, text: &mut Exposition) {
    let buffers = Some("Of the external memory what array buffers hold.");
    text.gauge("aiwf_memory_array_buffers_bytes", buffers, told.array_buffers);
    let known = [
        ("aiwf_memory_anonymous_bytes", "Resident memory that belongs to no file.", told.anonymous),
        ("aiwf_memory_limit_bytes", "The tightest limit of the control groups.", told.limit),
        ("aiwf_memory_limit_used_bytes", "What counts against that limit.", told.limit_used),
        ("aiwf_process_threads", "Threads of the process.", told.threads),
    ];
    for (name, help, value) in known {
        if let Some(value) = value {
            text.gauge(name, Some(help), value);
        }
    }
    text.family("aiwf_memory_alerts_total", Kind::Counter, Some("Alerts raised, by type."));
    for (alert, count) in &told.alerts {
        text.sample("aiwf_memory_alerts_total", &[("type", alert)], *count);
    }
    if !told.anomaly_scores.is_empty() {
        let help = "Standard deviations of the latest value from what is expected, by metric.";
        text.family("aiwf_memory_anomaly_score", Kind::Gauge, Some(help));
    }
    for (metric, score) in &told.anomaly_scores {
        text.sample("aiwf_memory_anomaly_score", &[("metric", metric)], *score);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_the_names_of_prom_client() {
        let told = Told {
            rss: 1_024.0,
            node_version: "v20.3.1".to_owned(),
            heap_spaces: vec![HeapSpace {
                name: "old_space".to_owned(),
                size: 3.0,
                used: 2.0,
                available: 1.0,
            }],
            delays: vec![4.0, 1.0, 2.0],
            collections: vec![Collections {
                kind: "major".to_owned(),
                seconds: 0.25,
                counts: [0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0],
            }],
            alerts: vec![("memory_leak_suspected".to_owned(), 1.0)],
            limit: Some(f64::INFINITY),
            ..Told::default()
        };
        let text = prometheus(&told);
        for line in [
            "process_resident_memory_bytes 1024",
            "nodejs_heap_space_size_used_bytes{space=\"old\"} 2",
            "nodejs_eventloop_lag_seconds 0.002",
            "nodejs_eventloop_lag_p50_seconds 0.002",
            "nodejs_eventloop_lag_max_seconds 0.004",
            "nodejs_gc_duration_seconds_bucket{le=\"0.01\",kind=\"major\"} 1",
            "nodejs_gc_duration_seconds_bucket{le=\"+Inf\",kind=\"major\"} 2",
            "nodejs_gc_duration_seconds_sum{kind=\"major\"} 0.25",
            "nodejs_version_info{version=\"v20.3.1\",major=\"20\",minor=\"3\",patch=\"1\"} 1",
            "aiwf_memory_limit_bytes +Inf",
            "aiwf_memory_alerts_total{type=\"memory_leak_suspected\"} 1",
        ] {
            assert!(text.lines().any(|written| written == line), "{line} in\n{text}");
        }
        assert!(!text.contains("process_open_fds"), "what is not known is not told");
        let mut families: Vec<_> = text.lines().filter(|line| line.starts_with("# TYPE")).collect();
        let count = families.len();
        families.dedup();
        assert_eq!(families.len(), count);
    }

    #[test]
    fn without_samples_there_is_no_delay() {
        assert!(!prometheus(&Told::default()).contains("eventloop"));
    }
}
