//! Settings that find their own values, from what is measured.
//!
//! [`controller`] climbs to the value of one setting that does the most, and leaves it for a smaller one when memory is
//! short. [`tuner`] gives several settings of one object their turns, so that each sees only its own effect. Both are
//! pure functions of the observations they were given: a record of those replays every decision.

pub mod controller;
pub mod decision;
pub mod tuner;
