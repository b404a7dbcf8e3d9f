//! A page that shows live what the process does, from threads of its own: it goes on while JavaScript's event loop
//! is blocked.
//!
//! [`server`] listens on the loopback interface and [`access`] says who may see what; [`pulse`] reads the
//! process's figures on a beat; [`feed`] keeps the latest events for all who watch. What only JavaScript
//! knows is published by it, as JSON. The page itself is `dashboard/page.html` with its style and script.

pub mod access;
pub mod feed;
mod page;
mod pulse;
pub mod server;
