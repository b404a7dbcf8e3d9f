//! Talking to GitHub: how often, what to ask, and how.

pub mod answer;
pub mod budget;
pub mod directory;
pub mod exchange;
pub mod fetch;
pub mod http_store;
pub mod limits;
pub mod rate_limit;
pub mod redirect;
pub mod retry;
pub mod rotation;
pub mod transport;
pub mod url;
