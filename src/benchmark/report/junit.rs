//! A report as JUnit XML, as CI servers read it: a test that failed, regressed or is too slow is a failure.

use super::markdown::percent;
use super::model::{LoadTest, REGRESSION, Report, Suite, Test, Verdict};
use crate::page;

pub fn xml(report: &Report) -> String {
    let verdicts = report.comparison.as_ref().map(|known| known.verdicts()).unwrap_or_default();
    let suites: String = report.suites.iter().map(|suite| test_suite(suite, &verdicts)).collect();
    let load = if report.load_tests.is_empty() { String::new() } else { load(&report.load_tests) };
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n{suites}{load}</testsuites>\n"
    )
}

fn test_suite(suite: &Suite, verdicts: &[Verdict]) -> String {
    let cases: Vec<(String, bool)> =
        suite.tests.iter().map(|test| test_case(suite, test, verdicts)).collect();
    let seconds: f64 = suite.tests.iter().map(|test| test.total_time / 1_000.0).sum();
    let failures = cases.iter().filter(|(_, failed)| *failed).count();
    let cases: String = cases.into_iter().map(|(text, _)| text).collect();
    format!(
        "<testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\" time=\"{seconds:.6}\">\n{cases}</testsuite>\n",
        escape(&suite.name),
        suite.tests.len()
    )
}

/// A test, and whether it is a failure.
fn test_case(suite: &Suite, test: &Test, verdicts: &[Verdict]) -> (String, bool) {
    let changes = verdicts
        .iter()
        .filter(|verdict| {
            verdict.outcome == "regressed"
                && verdict.suite == suite.name
                && verdict.test == test.name
        })
        .map(|verdict| format!("{} {}", verdict.metric, percent(verdict.change)));
    let regressed: Vec<String> = changes.chain(test.slowness()).collect();
    let failure = match &*test.status {
        "completed" if regressed.is_empty() => None,
        "completed" => Some(format!("{REGRESSION}: {}", regressed.join(", "))),
        _ => Some(test.error.clone().unwrap_or_else(|| "failed".to_owned())),
    };
    let failed = failure.is_some();
    (case(&suite.name, &test.name, test.total_time, failure), failed)
}

/// Requests that fail are the server's doing: the test still did what it was to do.
fn load(tests: &[LoadTest]) -> String {
    let cases: String =
        tests.iter().map(|test| case("Load tests", &test.name, test.duration, None)).collect();
    let seconds: f64 = tests.iter().map(|test| test.duration / 1_000.0).sum();
    format!(
        "<testsuite name=\"Load tests\" tests=\"{}\" failures=\"0\" time=\"{seconds:.6}\">\n{cases}</testsuite>\n",
        tests.len()
    )
}

fn case(suite: &str, name: &str, milliseconds: f64, failure: Option<String>) -> String {
    let open = format!(
        "<testcase classname=\"{}\" name=\"{}\" time=\"{:.6}\"",
        escape(suite),
        escape(name),
        milliseconds / 1_000.0
    );
    match failure {
        None => format!("{open}/>\n"),
        Some(why) => format!("{open}><failure message=\"{}\"/></testcase>\n", escape(&why)),
    }
}

/// XML 1.0 has no place for most control characters, escaped or not.
fn escape(text: &str) -> String {
    let allowed =
        |letter: char| matches!(letter, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..);
    let kept: String =
        text.chars().map(|letter| if allowed(letter) { letter } else { '\u{FFFD}' }).collect();
    page::escape(&kept).replace('\n', "&#10;").replace('\r', "&#13;").replace('\t', "&#9;")
}
