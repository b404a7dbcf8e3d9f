use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::error::Error;

fn report(tests: serde_json::Value) -> String {
    json!({
        "timestamp": 1_769_904_000_000_u64,
        "summary": { "totalSuites": 1, "totalTests": 2, "overallStatus": "failed" },
        "suites": [{ "name": "Suite", "tests": tests }],
        "systemInfo": {
            "nodeVersion": "v20.0.0", "platform": "linux", "arch": "x64", "memory": { "rss": 1e8 },
        },
    })
    .to_string()
}

fn html(json: &str) -> Result<String> {
    render(json, Format::Html)
}

#[test]
fn shows_measured_and_failed_tests() {
    let page = html(&report(json!([
        { "name": "fast", "status": "completed",
          "metrics": { "duration": [1, 2, 3, null], "memory": [-5], "throughput": [], "errors": 1 } },
        { "name": "slow", "status": "completed", "metrics": { "duration": [10, 20, 30] } },
        { "name": "broken", "status": "failed", "error": "no luck" },
    ])))
    .unwrap();
    for text in ["<h3>fast", "2.00 ms", "-5 B", "3 iterations measured, 1 failed", "no luck"] {
        assert!(page.contains(text), "{text}");
    }
    assert_eq!(page.matches("<svg").count(), 3);
    assert!(page.contains("2026-02-01 00:00:00 UTC"));
    assert!(!page.contains("<script") && !page.contains("http:") && !page.contains("NaN"));
}

#[test]
fn figures_are_those_of_all_iterations() {
    let statistics = json!({
        "min": 1, "max": 9, "avg": 7.77, "median": 6.66, "p95": 8, "p99": 8, "stddev": 1, "mad": 1,
        "ci95": [5, 6], "outliers": 0,
    });
    let test = json!({
        "name": "many", "status": "completed", "sampled": 2, "iterations": 1_000_000,
        "metrics": { "duration": [2, 2], "errors": 1 }, "statistics": { "duration": statistics },
    });
    let of = |format| render(&report(json!([test])), format).unwrap();
    let page = of(Format::Html);
    assert!(page.contains("999999 iterations measured, 1 failed") && page.contains("7.77 ms"));
    let markdown = of(Format::Markdown);
    assert!(markdown.contains("| 6.66 ms |") && markdown.contains("| 999999 | 1 |"));
}

#[test]
fn what_is_no_report_is_refused() {
    assert!(matches!(html("{}"), Err(Error::InvalidReport(_))));
}

proptest! {
    /// Names and errors only ever add text: the page's tags are the same for any of them.
    #[test]
    fn text_stays_text(name in "\\PC{0,60}", error in "[<>\"'&a-z/=\n]{0,40}") {
        let tags = |name: &str, error: &str| {
            let metrics = json!({ "duration": [1, 2, 3] });
            let page = html(&report(json!([
                { "name": name, "status": "completed", "metrics": metrics },
                { "name": name, "status": error, "error": error, "metrics": metrics },
            ])))
            .unwrap();
            page.matches(['<', '>', '"', '\'']).map(str::to_owned).collect::<String>()
        };
        prop_assert_eq!(tags(&name, &error), tags("name", "error"));
    }

    #[test]
    fn any_values_are_drawn(values in prop::collection::vec(any::<f64>(), 0..50)) {
        let page = html(&report(json!([
            { "name": "a", "status": "completed", "metrics": { "duration": values } },
            { "name": "b", "status": "completed", "metrics": { "duration": values } },
        ])))
        .unwrap();
        prop_assert!(page.ends_with("</html>\n"));
    }
}
