//! Lines over time. What is written stands outside of the drawing, so that it is as large on a phone as elsewhere.

use std::fmt::Write;

use super::{Unit, escape};

/// One line.
#[derive(Clone, Debug)]
pub struct Line<'name> {
    pub name: &'name str,
    /// Milliseconds and values, in the order of time.
    pub points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 1_000.0;
const HEIGHT: f64 = 200.0;
/// More points than a screen has columns show nothing more.
const COLUMNS: usize = 600;
/// Lines that the style tells apart.
const STYLES: usize = 4;

/// Lines on a common scale from zero, over the time of all their points, with a mark at each of `marks`. Nothing without two
/// points.
pub fn lines(title: &str, lines: &[Line], marks: &[f64], unit: Unit) -> String {
    let points = || lines.iter().flat_map(|line| line.points.iter());
    let start = points().map(|(at, _)| *at).fold(f64::INFINITY, f64::min);
    let end = points().map(|(at, _)| *at).fold(f64::NEG_INFINITY, f64::max);
    if end <= start {
        return String::new();
    }
    let highest = points().map(|(_, value)| *value).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let x = |at: f64| (at - start) / (end - start) * WIDTH;
    let y = |value: f64| HEIGHT * (1.0 - value.max(0.0) / highest * 0.97);
    let mut drawn = String::new();
    for height in [0.0, highest / 2.0, highest].map(y) {
        let _ =
            write!(drawn, "<line x1=\"0\" x2=\"{WIDTH}\" y1=\"{height:.1}\" y2=\"{height:.1}\"/>");
    }
    for mark in marks.iter().filter(|mark| (start..=end).contains(*mark)) {
        let _ = write!(
            drawn,
            "<line class=\"mark\" x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"0\" y2=\"{HEIGHT}\"/>",
            x(*mark)
        );
    }
    let mut legend = String::new();
    for (line, style) in lines.iter().zip((1..=STYLES).cycle()) {
        let Some((_, last)) = line.points.last() else { continue };
        drawn += &format!("<polyline class=\"line-{style}\" points=\"");
        for (at, value) in thinned(&line.points) {
            let _ = write!(drawn, "{:.1},{:.1} ", x(at), y(value));
        }
        drawn += "\"/>";
        let most = line.points.iter().map(|(_, value)| *value).fold(f64::NEG_INFINITY, f64::max);
        let _ = write!(
            legend,
            "<li><i class=\"line-{style}\"></i>{}: {} at last, {} at most</li>",
            escape(line.name),
            unit(*last),
            unit(most)
        );
    }
    let title = escape(title);
    format!(
        "<figure class=\"lines\"><figcaption>{title}</figcaption><div class=\"plot\">\
         <div class=\"scale\"><span>{}</span><span>{}</span><span>{}</span></div>\
         <svg class=\"fluid\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"none\" role=\"img\" \
         aria-label=\"{title}\">{drawn}</svg>\
         <div class=\"times\"><span>0 s</span><span>{}</span></div></div>\
         <ul class=\"legend\">{legend}</ul></figure>",
        unit(highest),
        unit(highest / 2.0),
        unit(0.0),
        duration(end - start),
    )
}

/// A span of milliseconds.
pub fn duration(milliseconds: f64) -> String {
    let seconds = milliseconds / 1_000.0;
    match seconds {
        _ if seconds < 60.0 => format!("{seconds:.1} s"),
        _ if seconds < 3_600.0 => {
            format!("{:.0} min {:.0} s", (seconds / 60.0).floor(), (seconds % 60.0).floor())
        }
        _ => format!(
            "{:.0} h {:.0} min",
            (seconds / 3_600.0).floor(),
            (seconds / 60.0 % 60.0).floor()
        ),
    }
}

/// The lowest and the highest point of each column, so that no peak is lost.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= 2 * COLUMNS {
        return points.to_vec();
    }
    let mut kept = Vec::with_capacity(2 * COLUMNS + 2);
    for column in points.chunks(points.len().div_ceil(COLUMNS)) {
        let extreme = |sign: f64| {
            (0..column.len()).max_by(|&a, &b| (sign * column[a].1).total_cmp(&(sign * column[b].1)))
        };
        let (lowest, highest) = (extreme(-1.0).unwrap_or(0), extreme(1.0).unwrap_or(0));
        kept.push(column[lowest.min(highest)]);
        kept.push(column[lowest.max(highest)]);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::super::bytes;
    use super::*;

    #[test]
    fn draws_from_the_first_point_to_the_last() {
        let rising = Line { name: "<a>", points: vec![(1_000.0, 0.0), (3_000.0, 2_048.0)] };
        let drawn = lines("Memory", &[rising], &[2_000.0, 9_000.0], bytes);
        assert!(drawn.contains("points=\"0.0,200.0 1000.0,6.0 \""), "{drawn}");
        assert_eq!(drawn.matches("class=\"mark\" x1=\"500.0\"").count(), 1);
        assert_eq!(drawn.matches("\"mark\"").count(), 1, "a mark outside of the time is not drawn");
        assert!(
            drawn.contains("&lt;a&gt;: 2.00 KiB at last") && drawn.contains("<span>2.0 s</span>")
        );
    }

    #[test]
    fn one_point_is_no_line() {
        assert_eq!(lines("x", &[Line { name: "a", points: vec![(1.0, 1.0)] }], &[], bytes), "");
        assert_eq!(lines("x", &[], &[], bytes), "");
    }

    #[test]
    fn thinning_keeps_the_peaks() {
        let mut points: Vec<_> = (0..10_000).map(|at| (f64::from(at), 5.0)).collect();
        points[1_234].1 = 9.0;
        points[7_777].1 = 1.0;
        let kept = thinned(&points);
        assert!(kept.len() <= 2 * COLUMNS && kept.is_sorted_by_key(|(at, _)| *at));
        assert!(kept.contains(&(1_234.0, 9.0)) && kept.contains(&(7_777.0, 1.0)));
    }

    #[test]
    fn durations_are_in_the_unit_that_suits_them() {
        assert_eq!(
            [500.0, 61_000.0, 7_260_000.0].map(duration),
            ["0.5 s", "1 min 1 s", "2 h 1 min"]
        );
    }
}
