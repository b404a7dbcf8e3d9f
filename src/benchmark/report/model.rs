//! What the formats show of a report; the rest of it is ignored.

use serde::Deserialize;
use serde_json::Value;

use crate::{
    benchmark::statistics::Statistics,
    error::{Error, Result},
    page::milliseconds,
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub timestamp: f64,
    pub summary: Totals,
    pub suites: Vec<Suite>,
    #[serde(default)]
    pub load_tests: Vec<LoadTest>,
    #[serde(default)]
    pub comparison: Option<BaselineComparison>,
    pub system_info: SystemInfo,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    pub total_suites: u64,
    pub total_tests: u64,
    pub overall_status: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SystemInfo {
    pub node_version: String,
    pub platform: String,
    pub arch: String,
    pub memory: Memory,
    #[serde(default)]
    pub machine: Option<Machine>,
}

#[derive(Debug, Deserialize)]
pub struct Memory {
    pub rss: f64,
}

#[derive(Debug, Deserialize)]
pub struct Machine {
    pub cpu: String,
    pub cores: f64,
}

#[derive(Debug, Deserialize)]
pub struct Suite {
    pub name: String,
    pub tests: Vec<Test>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Test {
    pub name: String,
    pub status: String,
    #[serde(default)]
    pub error: Option<String>,
    #[serde(default)]
    pub metrics: Metrics,
    /// Milliseconds.
    #[serde(default)]
    pub total_time: f64,
    #[serde(default)]
    pub optimized_away: bool,
    #[serde(default)]
    pub steady_state: Option<bool>,
    #[serde(default)]
    pub calls_per_iteration: Option<f64>,
    #[serde(default)]
    pub sampled: Option<u64>,
    #[serde(default)]
    pub runs: Option<Runs>,
    /// Milliseconds.
    #[serde(default)]
    pub threshold: Option<f64>,
    #[serde(default)]
    pub slow: bool,
    #[serde(default)]
    pub iterations: f64,
    /// By metric, in any form: whoever overrides `calculateStatistics` decides.
    #[serde(default)]
    pub statistics: Value,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Metrics {
    pub duration: Values,
    pub memory: Values,
    pub throughput: Values,
    pub errors: f64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Runs {
    pub duration: Values,
}

/// JSON has `null` for what is not finite.
pub type Values = Vec<Option<f64>>;

#[derive(Debug, Deserialize)]
pub struct LoadTest {
    pub name: String,
    pub metrics: LoadMetrics,
    pub timeline: Vec<Point>,
    /// Milliseconds.
    pub duration: f64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadMetrics {
    pub total_requests: u64,
    pub failed_requests: u64,
    pub throughput: f64,
    pub error_rate: f64,
    pub errors: std::collections::BTreeMap<String, u64>,
    pub response_time: Distribution,
}

/// Milliseconds.
#[derive(Debug, Deserialize)]
pub struct Distribution {
    pub min: f64,
    pub max: f64,
    pub average: f64,
    pub p50: f64,
    pub p90: f64,
    pub p95: f64,
    pub p99: f64,
    pub p999: f64,
    pub histogram: Vec<Bucket>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bucket {
    pub up_to: f64,
    pub count: f64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Point {
    pub time: f64,
    pub errors: f64,
    pub throughput: f64,
    pub p50: f64,
    pub p99: f64,
    pub active_workers: f64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BaselineComparison {
    pub detected: bool,
    #[serde(default)]
    pub inconclusive: bool,
    pub suites: Vec<SuiteComparison>,
    #[serde(default)]
    pub machine_differences: Vec<String>,
    #[serde(default)]
    pub change_points: Vec<ChangePoint>,
}

#[derive(Debug, Deserialize)]
pub struct SuiteComparison {
    pub suite: String,
    #[serde(default)]
    pub issues: Vec<Change>,
    #[serde(default)]
    pub improvements: Vec<Change>,
    #[serde(default)]
    pub comparisons: Vec<Compared>,
    #[serde(default)]
    pub uncompared: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub struct Change {
    #[serde(default)]
    pub test: String,
    pub metric: String,
    pub change: f64,
}

/// A metric that was compared by runs.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Compared {
    #[serde(default)]
    pub test: String,
    pub metric: String,
    pub outcome: String,
    pub change: f64,
    #[serde(default)]
    pub interval: Option<[f64; 2]>,
    #[serde(default)]
    pub p_value: Option<f64>,
    #[serde(default)]
    pub cliffs_delta: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangePoint {
    pub suite: String,
    pub test: String,
    pub metric: String,
    pub timestamp: f64,
    pub before: f64,
    pub after: f64,
}

/// One line of a comparison, however it was made.
pub struct Verdict<'report> {
    pub suite: &'report str,
    pub test: &'report str,
    pub metric: &'report str,
    pub outcome: &'report str,
    pub change: f64,
    pub interval: Option<[f64; 2]>,
    pub p_value: Option<f64>,
    pub cliffs_delta: Option<f64>,
}

/// What every format says of one.
pub const REGRESSION: &str = "Performance regression detected";

/// The gist of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gist {
    Regressed,
    /// Nothing regressed for certain, and not all is known to be well.
    Inconclusive,
    Clear,
}

impl Gist {
    pub fn text(self) -> &'static str {
        match self {
            Self::Regressed => REGRESSION,
            Self::Inconclusive => "Inconclusive against the baseline",
            Self::Clear => "No regression against the baseline",
        }
    }
}

impl Report {
    /// Fails with [`Error::InvalidReport`].
    pub fn parse(json: &str) -> Result<Self> {
        serde_json::from_str(json).map_err(|error| Error::InvalidReport(error.to_string()))
    }

    /// If anything was compared or is too slow.
    pub fn gist(&self) -> Option<Gist> {
        let slow = self.suites.iter().flat_map(|suite| &suite.tests).any(|test| test.slow);
        match &self.comparison {
            _ if slow => Some(Gist::Regressed),
            Some(known) if known.detected => Some(Gist::Regressed),
            Some(known) if known.inconclusive => Some(Gist::Inconclusive),
            Some(_) => Some(Gist::Clear),
            None => None,
        }
    }
}

impl Test {
    pub fn durations(&self) -> Option<Statistics> {
        self.figures("duration", &self.metrics.duration)
    }

    pub fn heap_changes(&self) -> Option<Statistics> {
        self.figures("memory", &self.metrics.memory)
    }

    pub fn throughputs(&self) -> Option<Statistics> {
        self.figures("throughput", &self.metrics.throughput)
    }

    /// Those the report has are of all iterations, of which it may list but a sample.
    fn figures(&self, metric: &str, values: &Values) -> Option<Statistics> {
        let known = self.statistics.get(metric);
        known
            .and_then(|figures| Statistics::deserialize(figures).ok())
            .or_else(|| Statistics::of(&finite(values)))
    }

    /// How many iterations were measured.
    pub fn measured(&self) -> f64 {
        match self.sampled {
            Some(_) => self.iterations - self.metrics.errors,
            None => finite(&self.metrics.duration).len() as f64,
        }
    }

    /// What there is to say of a test that is too slow.
    pub fn slowness(&self) -> Option<String> {
        if !self.slow {
            return None;
        }
        let [average, threshold] = [self.durations()?.avg, self.threshold?].map(milliseconds);
        Some(format!("{average} on average, above the threshold of {threshold}"))
    }
}

impl BaselineComparison {
    /// Every metric that was compared by runs, and of the others those that moved.
    pub fn verdicts(&self) -> Vec<Verdict<'_>> {
        self.suites.iter().flat_map(SuiteComparison::verdicts).collect()
    }

    /// The tests that had no counterpart.
    pub fn uncompared(&self) -> impl Iterator<Item = String> {
        let names = |known: &SuiteComparison| {
            let test = |test: &String| format!("{} › {test}", known.suite);
            known.uncompared.iter().map(test).collect::<Vec<_>>()
        };
        self.suites.iter().flat_map(names)
    }
}

impl SuiteComparison {
    fn verdicts(&self) -> impl Iterator<Item = Verdict<'_>> {
        let issues = self.issues.iter().map(|change| (change, "regressed"));
        let improvements = self.improvements.iter().map(|change| (change, "improved"));
        let by_averages = issues.chain(improvements).filter(|(change, _)| {
            let same =
                |known: &Compared| known.test == change.test && known.metric == change.metric;
            !self.comparisons.iter().any(same)
        });
        let compared = self.comparisons.iter().map(|known| Verdict {
            suite: &self.suite,
            test: &known.test,
            metric: &known.metric,
            outcome: &known.outcome,
            change: known.change,
            interval: known.interval,
            p_value: known.p_value,
            cliffs_delta: known.cliffs_delta,
        });
        compared.chain(by_averages.map(|(change, outcome)| Verdict {
            suite: &self.suite,
            test: &change.test,
            metric: &change.metric,
            outcome,
            change: change.change,
            interval: None,
            p_value: None,
            cliffs_delta: None,
        }))
    }
}

/// The finite ones.
pub fn finite(values: &Values) -> Vec<f64> {
    values.iter().flatten().copied().collect()
}
