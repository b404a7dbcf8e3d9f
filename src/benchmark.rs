//! Benchmarks: what the figures of a run mean, and load from real requests.
//!
//! - [`statistics`]: one list of values in, its figures out.
//! - [`summary`]: the figures of a whole suite.
//! - [`regression`]: two results compared.
//! - [`report`]: a report as one page of HTML.
//! - [`load`]: requests to a URL from own threads, and what came of them.
//!
//! The functions under test run in JavaScript, and so does the clock around them.

pub mod load;
pub mod regression;
pub mod report;
pub mod statistics;
pub mod summary;
