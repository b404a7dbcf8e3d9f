//! Hidden exports that only the tests call: ways to make the native code fail on purpose.

use napi_derive::napi;

use super::settle::{Settler, Ticket};

/// Panics on the calling thread.
#[napi(js_name = "__panicHere", catch_unwind)]
pub fn panic_here() {
    panic!("provoked by a test");
}

/// Panics in asynchronous work on the shared runtime.
#[napi(js_name = "__panicInTask", catch_unwind)]
pub fn panic_in_task(settler: &Settler, ticket: Ticket) {
    settler.reporter().spawn(ticket, |_| async { panic_now() });
}

/// Panics in blocking work.
#[napi(js_name = "__panicInBlockingWork", catch_unwind)]
pub fn panic_in_blocking_work(settler: &Settler, ticket: Ticket) {
    settler.reporter().spawn_blocking(ticket, panic_now);
}

#[expect(clippy::panic_in_result_fn, reason = "the purpose of this room")]
fn panic_now() -> crate::error::Result<()> {
    panic!("provoked by a test");
}
