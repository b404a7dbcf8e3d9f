//! How values are spread, as lines of text.

use super::statistics::percentile;

/// The longest bar, in characters.
const WIDTH: usize = 40;

/// A row: its limits, and how many values are in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub from: f64,
    pub to: f64,
    pub count: usize,
    /// In proportion to the fullest row.
    pub bar: String,
}

/// `rows` equal steps from the smallest value to the 99th percentile: beyond it a few stragglers would squeeze all
/// others into one row. They are in a row of their own, the last one, if there are any. Values that are not finite are
/// left out; of nothing there is no row.
pub fn rows(values: &[f64], rows: usize) -> Vec<Row> {
    let finite = || values.iter().copied().filter(|value| value.is_finite());
    let (Some(lowest), Some(bound)) = (finite().reduce(f64::min), percentile(values, 99.0)) else {
        return Vec::new();
    };
    let highest = finite().fold(lowest, f64::max);
    // Divided first: the difference of two numbers may be none.
    let step_of = |rows: usize| bound / rows as f64 - lowest / rows as f64;
    let rows = if step_of(rows.max(1)) > 0.0 { rows.max(1) } else { 1 };
    let step = step_of(rows);
    let mut counts = vec![0; rows];
    let mut beyond = 0;
    for value in finite() {
        match value > bound {
            true => beyond += 1,
            false if step > 0.0 => {
                counts[((value / step - lowest / step) as usize).min(rows - 1)] += 1
            }
            false => counts[0] += 1,
        }
    }
    let most = counts.iter().copied().max().unwrap_or(0).max(beyond);
    let row = |from, to, count| Row { from, to, count, bar: bar(count, most) };
    let mut drawn: Vec<Row> = counts
        .iter()
        .enumerate()
        .map(|(index, &count)| {
            let from = lowest + index as f64 * step;
            row(from, if index + 1 == rows { bound } else { from + step }, count)
        })
        .collect();
    if beyond > 0 {
        drawn.push(row(bound, highest, beyond));
    }
    drawn
}

/// In eighths of a character, and never nothing for something.
fn bar(count: usize, most: usize) -> String {
    let eighths = (count * WIDTH * 8).div_ceil(most.max(1));
    let rest = char::from_u32(0x2590 - eighths as u32 % 8).filter(|_| !eighths.is_multiple_of(8));
    "█".repeat(eighths / 8) + &rest.map(String::from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn stragglers_have_a_row_of_their_own() {
        let mut values: Vec<f64> = (0..200).map(|value| f64::from(value % 10)).collect();
        values.push(1e6);
        values.push(f64::NAN);
        let rows = rows(&values, 10);
        assert_eq!(rows.len(), 11);
        assert_eq!(rows.iter().map(|row| row.count).collect::<Vec<_>>()[..3], [20, 20, 20]);
        assert_eq!((rows[10].from, rows[10].to, rows[10].count), (9.0, 1e6, 1));
        assert_eq!((rows[0].bar.chars().count(), &*rows[10].bar), (40, "██"));
    }

    #[test]
    fn equal_values_are_one_row_and_nothing_is_none() {
        assert_eq!(rows(&[3.0; 5], 8).len(), 1);
        assert_eq!(rows(&[], 8), []);
        assert_eq!(bar(1, 320), "▏");
        assert_eq!(bar(0, 320), "");
    }

    proptest! {
        #[test]
        fn every_value_is_in_one_row(values in prop::collection::vec(-1e9..1e9_f64, 0..200)) {
            let rows = rows(&values, 12);
            prop_assert_eq!(rows.iter().map(|row| row.count).sum::<usize>(), values.len());
            prop_assert!(rows.iter().all(|row| row.from <= row.to));
        }
    }
}
