//! Reports as pages of HTML: the frame, what figures look like, and charts: [bars and histograms](chart),
//! [response times](latency), [lines over time](line_chart), [changes](change).
//!
//! A page is whole in itself: no script, no font, no network, and a policy that forbids them. It follows
//! the reader's light or dark scheme.

pub mod change;
pub mod chart;
pub mod latency;
pub mod line_chart;

/// A page of this title, which is escaped, around `content`, which is HTML.
pub fn whole(title: &str, content: &str) -> String {
    let title = escape(title);
    format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title}</title><style>{STYLE}</style></head>\
         <body><main><h1>{title}</h1>{content}</main></body></html>\n"
    )
}

/// What pages look like: in the colours of the reader's scheme, readable on a phone.
pub const STYLE: &str = include_str!("page/page.css");

/// How a figure is written.
pub type Unit = fn(f64) -> String;

/// A name and what it is, as HTML, for a list of class `facts`.
pub fn fact(name: &str, value: &str) -> String {
    format!("<div><dt>{name}</dt><dd>{value}</dd></div>")
}

/// A time in milliseconds, in the unit that suits it.
pub fn milliseconds(value: f64) -> String {
    match value.abs() {
        size if size >= 1_000.0 => format!("{:.2} s", value / 1_000.0),
        size if size >= 1.0 || size == 0.0 => format!("{value:.2} ms"),
        size if size >= 0.001 => format!("{:.2} µs", value * 1e3),
        size if size >= 1e-5 => format!("{:.0} ns", value * 1e6),
        _ => format!("{:.2} ns", value * 1e6),
    }
}

/// A size in bytes, in the unit that suits it.
pub fn bytes(value: f64) -> String {
    match value.abs() {
        size if size >= 1_048_576.0 => format!("{:.2} MiB", value / 1_048_576.0),
        size if size >= 1_024.0 => format!("{:.2} KiB", value / 1_024.0),
        // Adding zero makes a zero of a minus zero.
        _ => format!("{:.0} B", value.round() + 0.0),
    }
}

/// A rate.
pub fn per_second(value: f64) -> String {
    format!("{value:.1} /s")
}

/// A time in milliseconds since 1970 as `2026-01-31 23:59:59 UTC`.
pub fn utc(timestamp: f64) -> String {
    let seconds = (timestamp / 1_000.0) as i64;
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// The date of a day counted from 1970-01-01 (Howard Hinnant, chrono-Compatible Low-Level Date Algorithms,
/// `civil_from_days`): years begin in March, so that leap days come last.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// A drawing 100 units wide that stretches to the width there is, over a row of labels in HTML. The title is HTML.
fn fluid(title: &str, height: f64, drawing: &str, axis: &str) -> String {
    format!(
        "<figure><figcaption>{title}</figcaption><svg class=\"fluid\" viewBox=\"0 0 100 {height}\" \
         preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{title}\">{drawing}</svg>\
         <div class=\"axis\">{axis}</div></figure>"
    )
}

/// For text and for attributes in either kind of quotes.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            _ => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(utc(0.0), "1970-01-01 00:00:00 UTC");
        assert_eq!(utc(951_782_399_000.0), "2000-02-28 23:59:59 UTC");
        assert_eq!(utc(951_868_799_999.0), "2000-02-29 23:59:59 UTC");
        assert_eq!(utc(4_102_444_800_000.0), "2100-01-01 00:00:00 UTC");
    }
}
