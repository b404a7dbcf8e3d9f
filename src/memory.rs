//! What the process holds in memory, and what can be said about it.
//!
//! [`sample`] reads what the system knows, [`sampler`] does so on a beat from a thread of its own,
//! [`leak`] and [`growth`] judge whether memory grows for good (with the statistics of [`trend`]),
//! [`advice`] turns figures into recommendations, [`temp_files`] clears old temporary files and
//! V8's own figures come from JavaScript: Node-API has none.

pub mod advice;
pub mod growth;
pub mod leak;

pub mod sample;
pub mod sampler;
#[cfg(test)]
mod simulation;
pub mod temp_files;
pub mod trend;
