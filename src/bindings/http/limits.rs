//! What GitHub's limits look like to JavaScript.

use napi_derive::napi;

use crate::github::{
    budget::Report,
    limits::{Kind, Limited, told::Budget},
};

/// What GitHub told last of a budget. `reset` is in milliseconds since the Unix epoch.
#[napi(object)]
pub struct NativeBudget {
    pub resource: String,
    pub limit: f64,
    pub remaining: f64,
    pub used: f64,
    pub reset: f64,
}

/// A limit that stands in the way: an event on the way.
#[napi(object)]
pub struct NativeLimited {
    #[napi(ts_type = "'primary' | 'secondary'")]
    pub kind: String,
    pub resource: String,
    pub limit: Option<f64>,
    pub remaining: Option<f64>,
    pub used: Option<f64>,
    /// Milliseconds since the Unix epoch.
    pub reset: Option<f64>,
    /// Milliseconds.
    pub retry_after: f64,
}

#[napi(object)]
pub struct NativeLimits {
    pub budgets: Vec<NativeBudget>,
    pub under_way: u32,
    pub waiting: u32,
    /// Milliseconds.
    pub paused_for: Option<f64>,
}

impl From<&Limited> for NativeLimited {
    fn from(limited: &Limited) -> Self {
        let told = |field: fn(&Budget) -> u64| limited.budget.as_ref().map(|b| field(b) as f64);
        let kind = match limited.kind {
            Kind::Primary => "primary",
            Kind::Secondary => "secondary",
        };
        Self {
            kind: kind.to_owned(),
            resource: limited.resource.clone(),
            limit: told(|budget| budget.limit),
            remaining: told(|budget| budget.remaining),
            used: told(|budget| budget.used),
            reset: limited.reset_ms(),
            retry_after: limited.retry_after_ms(),
        }
    }
}

impl From<Report> for NativeLimits {
    fn from(report: Report) -> Self {
        Self {
            budgets: report.budgets.into_iter().map(budget).collect(),
            under_way: report.under_way as u32,
            waiting: report.waiting as u32,
            paused_for: report.paused_for,
        }
    }
}

fn budget((resource, budget): (String, Budget)) -> NativeBudget {
    NativeBudget {
        resource,
        limit: budget.limit as f64,
        remaining: budget.remaining as f64,
        used: budget.used as f64,
        reset: budget.reset as f64 * 1_000.0,
    }
}
