//! What the process holds in memory, and what can be said about it.
//!
//! [`process`] reads what the system knows, [`sampler`] does so on a beat from a thread of its own,
//! [`leak`] and [`growth`] judge whether memory grows for good (with the statistics of [`trend`]),
//! [`threshold`] keeps alerts from repeating,
//! [`advice`] turns figures into recommendations, [`report`] makes a page of them and [`exposition`] metrics, [`temp_files`] clears old temporary files, and [`simulation`]
//! makes programs to test the judges with. V8's own figures come from JavaScript: Node-API has none.

pub mod advice;
#[cfg(target_os = "linux")]
mod container;
pub mod exposition;
pub mod growth;
pub mod leak;
pub mod process;
pub mod report;
pub mod sampler;
pub mod simulation;
pub mod temp_files;
pub mod threshold;
pub mod trend;
