//! A benchmark report in the formats people and machines read.
//!
//! - [`model`]: what the formats show of a report.
//! - [`html`]: one page with charts.
//! - [`markdown`]: for a pull request.
//! - [`junit`]: for a CI server.

pub mod html;
pub mod junit;
pub mod markdown;
pub mod model;

use crate::error::Result;
use model::Report;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Html,
    Markdown,
    JUnit,
}

impl Format {
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "html" => Some(Self::Html),
            "markdown" => Some(Self::Markdown),
            "junit" => Some(Self::JUnit),
            _ => None,
        }
    }
}

/// The report in JSON as text of this format. Fails with [`Error::InvalidReport`](crate::error::Error::InvalidReport).
pub fn render(json: &str, format: Format) -> Result<String> {
    let report = Report::parse(json)?;
    Ok(match format {
        Format::Html => html::page(&report),
        Format::Markdown => markdown::text(&report),
        Format::JUnit => junit::xml(&report),
    })
}

#[cfg(test)]
mod tests;
