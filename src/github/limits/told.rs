//! What an answer tells of GitHub's limits: its `x-ratelimit-*` fields, and whether it is a refusal ("Rate limits for the
//! REST API", GitHub Docs).

use std::time::Duration;

use crate::{
    github::retry,
    http_cache::{Headers, date},
};

/// Clocks tell whole seconds, of both ends of a span.
const ROUNDING: Duration = Duration::from_secs(1);

/// In seconds. GitHub's windows are an hour at most; other hosts have days, and some tell their reset in milliseconds, which
/// is no time to wait for.
const LONGEST_WINDOW: u64 = 86_400;

/// What is left of a budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// As in `x-ratelimit-resource`, if it was named.
    pub resource: Option<String>,
    pub limit: u64,
    pub remaining: u64,
    pub used: u64,
    /// When it is whole again, in seconds since the Unix epoch by GitHub's clock.
    pub reset: i64,
    /// How long that is from now, by GitHub's clock where the answer has a date.
    pub reset_in: Duration,
}

impl Budget {
    /// `now` in seconds since the Unix epoch.
    pub fn read(headers: &Headers, now: i64) -> Option<Self> {
        let field = |name| headers.first(name)?.trim().parse::<u64>().ok();
        let limit = field("x-ratelimit-limit")?;
        let remaining = field("x-ratelimit-remaining")?;
        let reset = i64::try_from(field("x-ratelimit-reset")?).ok()?;
        let told = headers.first("date").and_then(|text| date::parse(text, now)).unwrap_or(now);
        let left = u64::try_from(reset.saturating_sub(told)).unwrap_or(0);
        if left > LONGEST_WINDOW {
            return None;
        }
        Some(Self {
            resource: headers.first("x-ratelimit-resource").map(str::to_owned),
            limit,
            remaining,
            used: field("x-ratelimit-used").unwrap_or(limit.saturating_sub(remaining)),
            reset,
            reset_in: Duration::from_secs(left) + ROUNDING,
        })
    }
}

/// Whether an answer refuses because of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    No,
    /// The budget is used up.
    Primary,
    /// Too much at once; with the pause it asks for, if it does.
    Secondary(Option<Duration>),
    /// A 403 whose body has to tell.
    Perhaps,
}

/// `now` in seconds since the Unix epoch.
pub fn refusal(status: u16, headers: &Headers, now: i64) -> Refusal {
    if !matches!(status, 403 | 429) {
        return Refusal::No;
    }
    let pause = headers.first("retry-after").and_then(|value| retry::asked(value, now));
    let used_up = Budget::read(headers, now).is_some_and(|budget| budget.remaining == 0);
    match (pause, used_up) {
        (Some(pause), _) => Refusal::Secondary(Some(pause)),
        (None, true) => Refusal::Primary,
        (None, false) if status == 429 => Refusal::Secondary(None),
        (None, false) => Refusal::Perhaps,
    }
}

/// Whether the body of a 403 is that of a secondary limit.
pub fn is_secondary(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body).to_ascii_lowercase();
    ["secondary rate limit", "secondary-rate-limit", "abuse detection", "abuse-rate-limit"]
        .iter()
        .any(|mark| text.contains(mark))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn headers(fields: &[(&str, &str)]) -> Headers {
        Headers::new(fields.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())))
    }

    const LEFT: [(&str, &str); 3] = [
        ("x-ratelimit-limit", "60"),
        ("x-ratelimit-remaining", "7"),
        ("x-ratelimit-reset", "784111800"),
    ];

    #[test]
    fn the_span_to_the_reset_is_by_githubs_own_clock() {
        let date = ("Date", "Sun, 06 Nov 1994 08:49:37 GMT");
        let budget = Budget::read(&headers(&[&LEFT[..], &[date]].concat()), 1).unwrap();
        assert_eq!((budget.limit, budget.remaining, budget.used), (60, 7, 53));
        assert_eq!(budget.reset_in, Duration::from_secs(23 + 1));
        let budget = Budget::read(&headers(&LEFT), 784_111_790).unwrap();
        assert_eq!(budget.reset_in, Duration::from_secs(10 + 1));
        assert_eq!(Budget::read(&headers(&LEFT[..2]), 0), None);
        let milliseconds = [LEFT[0], LEFT[1], ("x-ratelimit-reset", "784111800000")];
        assert_eq!(Budget::read(&headers(&milliseconds), 784_111_790), None);
    }

    #[test]
    fn refusals_are_told_apart() {
        let used_up = [LEFT[0], ("x-ratelimit-remaining", "0"), LEFT[2]];
        let later = ("retry-after", "30");
        let pause = Some(Duration::from_secs(30));
        assert_eq!(refusal(403, &headers(&used_up), 784_111_790), Refusal::Primary);
        assert_eq!(refusal(429, &headers(&used_up), 784_111_790), Refusal::Primary);
        assert_eq!(refusal(403, &headers(&[later]), 0), Refusal::Secondary(pause));
        assert_eq!(refusal(429, &headers(&[]), 0), Refusal::Secondary(None));
        assert_eq!(refusal(403, &headers(&LEFT), 0), Refusal::Perhaps);
        assert_eq!(refusal(503, &headers(&[later]), 0), Refusal::No);
        assert!(is_secondary(b"You have exceeded a Secondary Rate Limit."));
        assert!(!is_secondary(b"Resource not accessible by integration"));
    }

    proptest! {
        #[test]
        fn any_fields_may_be_read(
            values in prop::collection::vec(".*|[0-9]{0,25}|-?[0-9]{1,3}", 6),
            status in 100u16..600,
            now: i64,
        ) {
            let names = ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset",
                "x-ratelimit-used", "retry-after", "date"];
            let fields = names.iter().zip(values).map(|(name, value)| ((*name).to_owned(), value));
            let headers = Headers::new(fields);
            refusal(status, &headers, now);
            if let Some(budget) = Budget::read(&headers, now) {
                prop_assert!(budget.reset_in <= Duration::from_secs(86_401));
            }
        }
    }
}
