//! `Monitor.serve`: the dashboard's server.

use std::time::Duration;

use napi_derive::napi;

use super::settle::{Settler, Ticket};
use crate::dashboard::server::Server;

/// A running dashboard. It closes when this is collected or its environment ends.
#[napi]
pub struct NativeDashboard {
    server: Server,
}

/// Settles `ticket` with a [`NativeDashboard`] on `port` of 127.0.0.1, any free one for 0. `beat` is the
/// milliseconds between two readings of the process.
#[napi(catch_unwind)]
pub fn start_dashboard(settler: &Settler, ticket: Ticket, port: u32, beat: f64) {
    let beat = Duration::try_from_secs_f64(beat / 1_000.0).unwrap_or(Duration::MAX);
    settler.reporter().spawn_blocking(ticket, move || {
        Ok(NativeDashboard { server: Server::start(port as u16, beat)? })
    });
}

#[napi]
impl NativeDashboard {
    /// The address of the page, with the token.
    #[napi(getter)]
    pub fn url(&self) -> String {
        self.server.url()
    }

    #[napi(getter)]
    pub fn port(&self) -> u32 {
        self.server.port().into()
    }

    /// How many pages follow.
    #[napi(getter)]
    pub fn followers(&self) -> u32 {
        self.server.followers() as u32
    }

    /// Tells the pages an event; `json` has no line breaks.
    #[napi(catch_unwind)]
    pub fn publish(&self, kind: String, json: String) {
        self.server.publish(&kind, &json);
    }

    /// Settles `ticket` when every connection has ended.
    #[napi(catch_unwind)]
    pub fn close(&self, settler: &Settler, ticket: Ticket) {
        self.server.close();
        let closed = self.server.closed();
        settler.reporter().spawn(ticket, |_| async move {
            closed.cancelled().await;
            Ok(())
        });
    }
}
