//! How response times are spread: columns over a logarithmic axis, and lines at percentiles.
//!
//! Like the other charts here whose drawing stretches to the width there is, it has its labels in HTML, so that they
//! are as large on a phone.

use super::{Unit, escape};

const HEIGHT: f64 = 100.0;

/// `buckets` are upper limits and how many values lie between each and the one before, in rising order; the
/// limits grow by the same factor. `marks` are names and values of percentiles.
pub fn latencies(title: &str, buckets: &[(f64, f64)], marks: &[(&str, f64)], unit: Unit) -> String {
    let (Some((first, _)), Some((last, _))) = (buckets.first(), buckets.last()) else {
        return String::new();
    };
    let factor =
        if buckets.len() > 1 { (last / first).powf(1.0 / (buckets.len() - 1) as f64) } else { 1.1 };
    let lowest = first / factor;
    let place = |value: f64| (value / lowest).ln() / (last / lowest).ln() * 100.0;
    let most = buckets.iter().map(|(_, count)| *count).fold(0.0, f64::max).max(1.0);
    let width = 100.0 / buckets.len() as f64;
    let columns: String = buckets
        .iter()
        .enumerate()
        .filter(|(_, (_, count))| *count > 0.0)
        .map(|(index, (limit, count))| {
            let height = count / most * (HEIGHT - 4.0);
            format!(
                "<rect x=\"{:.3}\" y=\"{:.2}\" width=\"{:.3}\" height=\"{height:.2}\"><title>{count} up to {}</title></rect>",
                index as f64 * width,
                HEIGHT - height,
                width * 0.9,
                unit(*limit),
            )
        })
        .collect();
    let lines: String = marks
        .iter()
        .map(|(name, value)| {
            let x = place(value.clamp(lowest, *last));
            format!(
                "<line class=\"mark\" x1=\"{x:.2}\" y1=\"0\" x2=\"{x:.2}\" y2=\"{HEIGHT}\"><title>{}: {}</title></line>",
                escape(name),
                unit(*value)
            )
        })
        .collect();
    let legend: String = marks
        .iter()
        .map(|(name, value)| format!("<span>{} {}</span>", escape(name), unit(*value)))
        .collect();
    super::fluid(
        title,
        HEIGHT,
        &(columns + &lines),
        &format!("<span>{}</span>{legend}<span>{}</span>", unit(lowest), unit(*last)),
    )
}
