//! The figures of a whole suite.

/// What a suite knows of one completed test.
#[derive(Clone, Debug)]
pub struct Completed {
    /// Milliseconds of the whole test.
    pub total_time: f64,
    /// Smallest, largest and average change of the heap an iteration, in bytes, if it was measured.
    pub memory: Option<MemoryUsage>,
}

/// Bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MemoryUsage {
    pub min: f64,
    pub max: f64,
    pub avg: f64,
}

/// Every figure is 0 when no test completed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Summary {
    /// Milliseconds a completed test.
    pub average_duration: f64,
    /// Milliseconds of all completed tests.
    pub total_duration: f64,
    /// The extremes over all completed tests, and the mean of their averages.
    pub memory_usage: MemoryUsage,
}

impl Summary {
    pub fn of(completed: &[Completed]) -> Self {
        // Rust's own sum of nothing is minus zero, which JavaScript tells apart.
        let sum =
            |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, |sum, value| sum + value);
        let total_duration = sum(&mut completed.iter().map(|test| test.total_time));
        let memory: Vec<MemoryUsage> = completed.iter().filter_map(|test| test.memory).collect();
        Self {
            average_duration: total_duration / completed.len().max(1) as f64,
            total_duration,
            memory_usage: MemoryUsage {
                min: memory.iter().map(|usage| usage.min).reduce(f64::min).unwrap_or(0.0),
                max: memory.iter().map(|usage| usage.max).reduce(f64::max).unwrap_or(0.0),
                avg: sum(&mut memory.iter().map(|usage| usage.avg)) / memory.len().max(1) as f64,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_what_completed() {
        let memory = |min, max, avg| Some(MemoryUsage { min, max, avg });
        let tests = [
            Completed { total_time: 10.0, memory: memory(-5.0, 7.0, 1.0) },
            Completed { total_time: 30.0, memory: memory(2.0, 9.0, 4.0) },
            Completed { total_time: 20.0, memory: None },
        ];
        let summary = Summary::of(&tests);
        assert_eq!((summary.total_duration, summary.average_duration), (60.0, 20.0));
        assert_eq!(summary.memory_usage, MemoryUsage { min: -5.0, max: 9.0, avg: 2.5 });
    }

    #[test]
    fn of_nothing_is_zero() {
        let summary = Summary::of(&[]);
        assert_eq!(summary, Summary::default());
        assert!(summary.total_duration.is_sign_positive());
    }
}
