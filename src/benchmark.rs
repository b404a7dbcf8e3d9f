//! Benchmarks: what the figures of a run mean, and load from real requests.
//!
//! - [`statistics`]: one list of values in, its figures out.
//! - [`samples`]: the timings of a test in bounded memory.
//! - [`warm_up`]: whether a function has become as fast as it will.
//! - [`summary`]: the figures of a whole suite.
//! - [`regression`]: two results compared, by averages or by many runs.
//! - [`rank_test`]: whether two samples differ in more than chance.
//! - [`change_point`]: since when a series is not what it was.
//! - [`text_histogram`]: how values are spread, as text.
//! - [`report`]: a report as HTML, Markdown and JUnit XML.
//! - [`load`]: requests to a URL from own threads, and what came of them.
//!
//! The functions under test run in JavaScript, and so does the clock around them.

pub mod change_point;
pub mod load;
pub mod rank_test;
pub mod regression;
pub mod report;
pub mod samples;
pub mod statistics;
pub mod summary;
pub mod text_histogram;
pub mod warm_up;
