//! Relative changes beside each other: a bar from no change to each, and its interval as a line.

use super::escape;

/// One change.
pub struct Row<'text> {
    pub name: &'text str,
    /// 0.25 is a quarter more.
    pub change: f64,
    pub interval: Option<[f64; 2]>,
    /// What is written beside it.
    pub note: &'text str,
    pub class: &'static str,
}

/// No change is in the middle. The scale ends at the furthest change or end of an interval, at most at a tenfold.
pub fn changes(title: &str, rows: &[Row]) -> String {
    let reach = rows
        .iter()
        .flat_map(|row| row.interval.into_iter().flatten().chain([row.change]))
        .map(f64::abs)
        .filter(|size| size.is_finite())
        .fold(0.05, f64::max)
        .min(9.0);
    let place = |change: f64| (change / reach).clamp(-1.0, 1.0) * 49.0 + 50.0;
    let rows: String = rows
        .iter()
        .map(|row| {
            let (from, to) = (place(row.change.min(0.0)), place(row.change.max(0.0)));
            let interval = row.interval.map_or(String::new(), |[low, high]| {
                format!(
                    "<line class=\"mark\" x1=\"{:.2}\" y1=\"8\" x2=\"{:.2}\" y2=\"8\"/>",
                    place(low),
                    place(high)
                )
            });
            format!(
                "<div class=\"change\"><span>{}</span><svg class=\"fluid\" viewBox=\"0 0 100 16\" \
                 preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{}\">\
                 <rect class=\"{}\" x=\"{from:.2}\" y=\"3\" width=\"{:.2}\" height=\"10\"/>{interval}\
                 <line x1=\"50\" y1=\"0\" x2=\"50\" y2=\"16\"/></svg><span>{}</span></div>",
                escape(row.name),
                escape(row.note),
                row.class,
                to - from,
                escape(row.note),
            )
        })
        .collect();
    format!("<figure><figcaption>{title}</figcaption>{rows}</figure>")
}
