//! Whether a function has become as fast as it will.

/// How many windows have to agree.
const WINDOWS: usize = 5;

/// What they may differ by, as a share of the fastest.
const TOLERANCE: f64 = 0.02;

/// Whether the last five of the windows' medians lie within 2 %. Many functions never get there on a busy machine:
/// a run says so rather than wait for ever. (Barrett et al., Virtual Machine Warmup Blows Hot and Cold, 2017.)
pub fn is_steady(medians: &[f64]) -> bool {
    let Some(last) = medians.last_chunk::<WINDOWS>() else { return false };
    let (fastest, slowest) =
        last.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &value| {
            (low.min(value), high.max(value))
        });
    last.iter().all(|each| each.is_finite()) && slowest - fastest <= TOLERANCE * fastest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_five_windows_decide() {
        assert!(!is_steady(&[1.0; 4]));
        assert!(is_steady(&[9.0, 1.0, 1.01, 1.0, 1.019, 1.0]));
        assert!(!is_steady(&[1.0, 1.0, 1.0, 1.0, 1.03]));
        assert!(!is_steady(&[f64::NAN; 5]));
    }
}
