//! The one room with `unsafe`: Node-API calls that napi-rs does not wrap, or wraps at too high a price.
//!
//! Each function says why the call is sound.
#![expect(unsafe_code, reason = "Node-API itself; every block says why it is sound")]

use napi::{Env, Result, check_status, sys};

/// Refs or unrefs a threadsafe function, so that it does or does not hold the event loop open.
pub(super) fn hold_open(env: &Env, tsfn: sys::napi_threadsafe_function, open: bool) -> Result<()> {
    // SAFETY: `env` is the live environment of this call, on its own thread, and the caller owns the
    // threadsafe function, which lives as long as the class instance that was just called.
    check_status!(unsafe {
        if open {
            sys::napi_ref_threadsafe_function(env.raw(), tsfn)
        } else {
            sys::napi_unref_threadsafe_function(env.raw(), tsfn)
        }
    })
}
