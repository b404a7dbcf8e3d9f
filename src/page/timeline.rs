//! What changed over the time of a test: a line a figure, on a common scale from zero.

use super::{Unit, escape, milliseconds};

const HEIGHT: f64 = 100.0;

/// A line's name and its values, one for each time.
pub struct Line<'name> {
    pub name: &'name str,
    pub values: Vec<f64>,
}

/// `times` are milliseconds from the start, in rising order.
pub fn timeline(title: &str, times: &[f64], lines: &[Line], unit: Unit) -> String {
    let Some(last) = times.last().filter(|_| times.len() > 1) else { return String::new() };
    let first = times[0];
    let highest = lines.iter().flat_map(|line| &line.values).copied().fold(0.0, f64::max);
    if highest <= 0.0 {
        return String::new();
    }
    let drawn: String = lines
        .iter()
        .enumerate()
        .map(|(number, line)| {
            let points: String = times
                .iter()
                .zip(&line.values)
                .map(|(time, value)| {
                    let x = (time - first) / (last - first) * 100.0;
                    let y = HEIGHT - 2.0 - value.max(0.0) / highest * (HEIGHT - 6.0);
                    format!("{x:.2},{y:.2} ")
                })
                .collect();
            format!(
                "<polyline class=\"line{number}\" points=\"{}\"><title>{}</title></polyline>",
                points.trim_end(),
                escape(line.name)
            )
        })
        .collect();
    let legend: String = lines
        .iter()
        .enumerate()
        .map(|(number, line)| {
            let most = line.values.iter().copied().fold(0.0, f64::max);
            format!(
                "<span class=\"key line{number}\">{}, at most {}</span>",
                escape(line.name),
                unit(most)
            )
        })
        .collect();
    let axis =
        format!("<span>{}</span>{legend}<span>{}</span>", milliseconds(first), milliseconds(*last));
    super::fluid(title, HEIGHT, &drawn, &axis)
}
