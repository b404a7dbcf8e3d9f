//! The whole policy on fields that nobody would send: nothing panics, and what must hold does.

use proptest::prelude::*;
use reqwest::Url;

use super::{
    CacheControl, Decision, Headers, Millis, Mode, Stored, decision, invalidation, range,
    storability::may_be_stored, vary,
};

/// Sun, 06 Nov 1994 08:49:37 GMT
const NOW: Millis = 784_111_777_000;

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "Cache-Control",
        "cache-control",
        "Expires",
        "Date",
        "Age",
        "ETag",
        "Last-Modified",
        "Vary",
        "Pragma",
        "Location",
        "Content-Location",
        "X-Poll-Interval",
        "Connection",
        "Range",
        "Authorization",
        "Content-Length",
        "X-A",
    ])
    .prop_map(str::to_owned)
}

fn value() -> impl Strategy<Value = String> {
    let directive = prop::sample::select(vec![
        "no-store",
        "no-cache",
        "private",
        "public",
        "must-revalidate",
        "must-understand",
        "immutable",
        "only-if-cached",
        "max-age",
        "s-maxage",
        "min-fresh",
        "max-stale",
        "stale-while-revalidate",
        "stale-if-error",
        "*",
        "accept",
    ]);
    let argument = prop_oneof![
        Just(String::new()),
        "=[0-9]{1,25}",
        "=\"[0-9]{0,5}\"?",
        "=-?[0-9.]{1,4}",
        "=[ -~]{0,8}",
    ];
    let member = (directive, argument).prop_map(|(name, argument)| format!("{name}{argument}"));
    prop_oneof![
        4 => prop::collection::vec(member, 0..5).prop_map(|members| members.join(", ")),
        1 => Just("Sun, 06 Nov 1994 08:49:37 GMT".to_owned()),
        1 => "[A-Z][a-z]{2}, [0-9]{1,2} [A-Z][a-z]{2} [0-9]{1,6} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT",
        1 => "[0-9]{1,25}",
        1 => "bytes=[0-9,-]{0,8}",
        1 => "(https?:)?//[a-z@:/?#%.\\[\\]]{0,20}",
        1 => "[\\x00-\\xff]{0,30}",
    ]
}

fn fields() -> impl Strategy<Value = Headers> {
    prop::collection::vec((name(), value()), 0..10).prop_map(Headers::new)
}

fn mode() -> impl Strategy<Value = Mode> {
    prop::sample::select(vec![
        Mode::Default,
        Mode::NoStore,
        Mode::Reload,
        Mode::NoCache,
        Mode::ForceCache,
        Mode::OnlyIfCached,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn whatever_is_sent_the_policy_holds(
        request in fields(),
        response in fields(),
        news in fields(),
        status in 0u16..700,
        mode in mode(),
        later in 0i64..1 << 45,
        method in "[A-Z]{3,6}",
    ) {
        let control = CacheControl::of_response(&response);
        let asked = CacheControl::of_request(&request);
        let stored = may_be_stored(&request, status, &response);
        prop_assert!(!stored || !asked.no_store);
        prop_assert!(!stored || !control.no_store || control.must_understand);
        prop_assert!(!stored || vary::fields(&response).is_some());

        let mut entry = Stored::new(status, response.clone(), (NOW, NOW));
        let now = NOW + later;
        let decided = decision::decide(&entry, &request, mode, now);
        if decided == Decision::Fresh {
            prop_assert!(entry.age(now) < entry.lifetime());
        }
        if mode == Mode::Default && CacheControl::of_response(&entry.headers).no_cache {
            prop_assert_eq!(decided, Decision::Validate);
        }
        decision::may_replace_error(&entry, &request, true, now);
        if let Some(wanted) = request.first("range") {
            entry.body = "0123456789".into();
            if let Some(part) = range::part(&entry, wanted) {
                prop_assert!(part.status == 206 && part.body.len() <= 10);
            }
        }
        let url = Url::parse("https://a.example/x").unwrap();
        for outdated in invalidation::outdated(&method, &url, status, &response) {
            prop_assert_eq!(outdated.origin(), url.origin());
        }
        let link = news.first("x-a").map(str::to_owned);
        entry.freshen(news, (now, now));
        prop_assert_eq!(entry.headers.first("connection"), None);
        if let (Some(link), Some(kept)) = (link, entry.headers.first("x-a")) {
            prop_assert_eq!(kept, link);
        }
    }
}
