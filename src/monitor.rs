//! What is going on now: metrics over sliding windows, and when to raise an alarm about them.
//!
//! [`series`] keeps the latest values of a metric in bounded memory, [`metrics`] names many of them and writes
//! them out for other systems, [`alerts`] judges values against thresholds, [`anomaly`] against those before
//! them. All are pure: the caller brings the time.

pub mod alerts;
pub mod anomaly;
pub mod metrics;
pub mod series;
