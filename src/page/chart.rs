//! Charts as inline SVG. Their titles are HTML, other texts are escaped.

use super::{Unit, escape};

const WIDTH: f64 = 720.0;
const ROW: f64 = 24.0;
const HEIGHT: f64 = 110.0;

/// One bar a row, on a common scale from zero.
pub fn bars(title: &str, rows: &[(&str, f64)], unit: Unit) -> String {
    let longest = rows.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    let label = 220.0;
    let room = WIDTH - label - 100.0;
    let drawn: String = rows
        .iter()
        .enumerate()
        .map(|(index, (name, value))| {
            let width = if longest > 0.0 { value.max(0.0) / longest * room } else { 0.0 };
            let (top, text) = (index as f64 * ROW, index as f64 * ROW + 16.0);
            format!(
                "<text x=\"0\" y=\"{text}\">{}<title>{}</title></text>\
                 <rect x=\"{label}\" y=\"{}\" width=\"{width:.1}\" height=\"16\" rx=\"2\"/>\
                 <text class=\"dim\" x=\"{:.1}\" y=\"{text}\">{}</text>",
                escape(&shortened(name)),
                escape(name),
                top + 4.0,
                label + width + 6.0,
                unit(*value),
            )
        })
        .collect();
    figure(title, rows.len() as f64 * ROW + 4.0, &drawn)
}

/// How often values fell where, from the smallest to `highest`. The caption says how many are beyond.
pub fn histogram(title: &str, values: &[f64], highest: f64, unit: Unit) -> String {
    let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
    if highest <= lowest {
        return String::new();
    }
    // Sturges' rule would draw too few columns for skewed values; the square root is the other common one.
    let columns = (values.len() as f64).sqrt().ceil().clamp(5.0, 60.0);
    let mut counts = vec![0_usize; columns as usize];
    for value in values.iter().filter(|value| **value <= highest) {
        let column = ((value - lowest) / (highest - lowest) * columns).min(columns - 1.0);
        counts[column as usize] += 1;
    }
    let most = counts.iter().copied().max().unwrap_or(1).max(1) as f64;
    let step = WIDTH / columns;
    let floor = HEIGHT - 20.0;
    let drawn: String = counts
        .iter()
        .enumerate()
        .filter(|(_, count)| **count > 0)
        .map(|(column, count)| {
            let height = *count as f64 / most * (floor - 4.0);
            format!(
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{height:.1}\">\
                 <title>{count}</title></rect>",
                column as f64 * step,
                floor - height,
                step - 1.0,
            )
        })
        .collect();
    let axis = format!(
        "<line x1=\"0\" y1=\"{floor}\" x2=\"{WIDTH}\" y2=\"{floor}\"/>\
         <text class=\"dim\" x=\"0\" y=\"{0}\">{1}</text>\
         <text class=\"dim\" x=\"{WIDTH}\" y=\"{0}\" text-anchor=\"end\">{2}</text>",
        HEIGHT - 5.0,
        unit(lowest),
        unit(highest),
    );
    let beyond = values.len() - counts.iter().sum::<usize>();
    let title = match beyond {
        0 => title.to_owned(),
        _ => format!("{title} up to {}; {beyond} beyond", unit(highest)),
    };
    figure(&title, HEIGHT, &(drawn + &axis))
}

fn figure(title: &str, height: f64, content: &str) -> String {
    format!(
        "<figure><figcaption>{title}</figcaption>\
         <svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{title}\">{content}</svg></figure>"
    )
}

/// What fits before the bars.
fn shortened(name: &str) -> String {
    match name.char_indices().nth(32) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}
