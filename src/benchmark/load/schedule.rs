//! When the requests of an open test are to be sent, and which of several targets each goes to.

use std::time::Duration;

/// The intended times of an open model: a rate that grows evenly from nothing over the ramp-up and stays.
///
/// Times are from the start of the test. The rate is the slope of the count, so the count grows with the
/// square of the time during the ramp-up and linearly after it.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// Requests a second after the ramp-up; above 0.
    rate: f64,
    /// Seconds.
    ramp_up: f64,
}

impl Schedule {
    pub fn new(rate: f64, ramp_up: Duration) -> Self {
        Self { rate, ramp_up: ramp_up.as_secs_f64() }
    }

    /// When the request with this number is due; the first has number 0.
    pub fn due(&self, number: u64) -> Duration {
        let (number, in_ramp) = (number as f64, self.in_ramp());
        let seconds = if number < in_ramp {
            (2.0 * self.ramp_up * number / self.rate).sqrt()
        } else {
            self.ramp_up + (number - in_ramp) / self.rate
        };
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }

    /// How many requests are due before `time`.
    pub fn count(&self, time: Duration) -> u64 {
        let time = time.as_secs_f64();
        let due = if time < self.ramp_up {
            self.rate * time * time / (2.0 * self.ramp_up)
        } else {
            self.in_ramp() + (time - self.ramp_up) * self.rate
        };
        due.ceil() as u64
    }

    /// The requests of the ramp-up: a triangle.
    fn in_ramp(&self) -> f64 {
        self.rate * self.ramp_up / 2.0
    }
}

/// Deals out requests among targets by their weights: smooth weighted round robin, as in nginx. Shares are
/// exact over each cycle and no target gets its requests in one go.
#[derive(Clone, Debug)]
pub struct Mix {
    weights: Vec<f64>,
    credit: Vec<f64>,
}

impl Mix {
    /// For one target or more with weights above 0, beginning `skip` requests into the cycle, so that
    /// workers which start together do not all begin with the same target.
    pub fn new(weights: &[f64], skip: usize) -> Self {
        let mut mix = Self { weights: weights.to_vec(), credit: vec![0.0; weights.len()] };
        for _ in 0..skip % 64 {
            mix.deal();
        }
        mix
    }

    /// The index of the target for the next request.
    pub fn deal(&mut self) -> usize {
        if self.weights.len() == 1 {
            return 0;
        }
        let (mut best, mut total) = (0, 0.0);
        for (index, weight) in self.weights.iter().enumerate() {
            self.credit[index] += weight;
            total += weight;
            if self.credit[index] > self.credit[best] {
                best = index;
            }
        }
        self.credit[best] -= total;
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn without_ramp_up_the_times_are_even() {
        let schedule = Schedule::new(100.0, Duration::ZERO);
        assert_eq!(schedule.due(0), Duration::ZERO);
        assert_eq!(schedule.due(250), Duration::from_millis(2_500));
        assert_eq!(schedule.count(Duration::from_secs(3)), 300);
    }

    #[test]
    fn half_the_rate_is_reached_in_the_ramp_up() {
        let schedule = Schedule::new(10.0, Duration::from_secs(10));
        assert_eq!(schedule.count(Duration::from_secs(10)), 50);
        assert_eq!(schedule.due(50), Duration::from_secs(10));
        assert_eq!(schedule.count(Duration::from_secs(12)), 70);
    }

    #[test]
    fn targets_get_their_shares() {
        let mut mix = Mix::new(&[5.0, 1.0, 1.0], 0);
        let dealt: Vec<usize> = (0..7).map(|_| mix.deal()).collect();
        assert_eq!(dealt, [0, 0, 1, 0, 2, 0, 0]);
    }

    proptest! {
        #[test]
        fn as_many_are_due_before_a_time_as_are_counted(
            rate in 0.5..1e5_f64,
            ramp_up in 0.0..30.0_f64,
            number in 1_u64..100_000,
        ) {
            let schedule = Schedule::new(rate, Duration::from_secs_f64(ramp_up));
            prop_assert!(schedule.due(number - 1) <= schedule.due(number));
            let before = schedule.count(schedule.due(number));
            prop_assert!(before.abs_diff(number) <= 1, "{before} {number}");
        }

        #[test]
        fn shares_follow_any_weights(
            weights in prop::collection::vec(1_u32..20, 1..6),
            skip in 0_usize..100,
        ) {
            let weights: Vec<f64> = weights.into_iter().map(f64::from).collect();
            let cycle = weights.iter().sum::<f64>() as usize;
            let mut mix = Mix::new(&weights, skip);
            let mut counts = vec![0.0; weights.len()];
            (0..cycle).for_each(|_| counts[mix.deal()] += 1.0);
            prop_assert_eq!(counts, weights);
        }
    }
}
