use super::*;

fn page() -> serde_json::Value {
    serde_json::json!({
        "report": {
            "timestamp": 0, "snapshots": [],
            "current": { "rss": 3, "heapTotal": 2, "heapUsed": 1, "external": 0 },
            "peak": { "rss": 4 },
            "statistics": { "rss": { "min": 1, "max": 1_048_576, "avg": 2 } },
            "alerts": [
                { "type": "threshold_exceeded", "metric": "<rss>", "value": 2048, "threshold": 1024, "timestamp": 1 },
                { "type": "memory_leak_suspected", "level": "leak", "memory": "heap", "heapTrend": 0.5,
                  "bytesPerMinute": 1024, "untilLimit": 60_000, "timestamp": 2 },
            ],
            "suggestions": [{ "type": "x", "suggestion": "<script>", "priority": "high" }],
        },
        "samples": [
            { "timestamp": 0, "memory": { "rss": 3, "heapTotal": 2, "heapUsed": 1, "external": 0 } },
            { "timestamp": 1_000, "memory": { "rss": 3, "heapTotal": 2, "heapUsed": 1, "external": 0 } },
        ],
        "heaps": [{
            "label": "a & b", "objects": 7, "size": 70, "constructorCount": 2,
            "constructors": [{ "name": "Map", "count": 1, "shallowSize": 2, "retainedSize": 3 }],
        }],
        "growth": {
            "from": "a", "to": "b", "constructorCount": 1,
            "constructors": [{ "name": "Row", "count": 4, "shallowSize": -5, "retainedSize": 6,
                "retainingPath": [{ "by": ".rows", "name": "Array" }, { "by": "[0]", "name": "Row" }] }],
        },
    })
}

#[test]
fn shows_everything_and_escapes_it() {
    let html = html(&page().to_string()).unwrap();
    for shown in [
        "&lt;script&gt;",
        "&lt;rss&gt; 2.00 KiB above 1.00 KiB",
        "leak, heap memory, 1.00 KiB a minute, heap +50.0 %, 1 min 0 s until the limit",
        "<polyline",
        "a &amp; b”: 7 objects, 70 B; the first 1 of 2 constructors",
        "<td>+4<td>-5 B<td>+6 B",
        ".rows Array → [0] Row",
    ] {
        assert!(html.contains(shown), "{shown} in {html}");
    }
    assert!(!html.contains("<script"));
}

#[test]
fn what_is_not_there_is_not_shown() {
    let mut page = page();
    page["samples"] = serde_json::json!([]);
    page["growth"] = serde_json::Value::Null;
    page["report"]["current"] = serde_json::json!({ "rss": 3 });
    page["report"]["alerts"] = serde_json::json!([]);
    let html = html(&page.to_string()).unwrap();
    assert!(!html.contains("<figure") && !html.contains("Alerts") && !html.contains("Grown"));
    assert!(matches!(super::html("{}"), Err(Error::InvalidReport(_))));
}
