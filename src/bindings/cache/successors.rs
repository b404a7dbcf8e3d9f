//! The model behind `prefetch`.

use napi_derive::napi;
use parking_lot::Mutex;

use crate::cache::Successors;

/// What is asked for next, learnt from what was asked for.
#[napi]
pub struct NativeSuccessors(Mutex<Successors>);

#[napi]
impl NativeSuccessors {
    #[napi(constructor, catch_unwind)]
    pub fn new(max_requests: f64) -> Self {
        Self(Mutex::new(Successors::new(max_requests as u64)))
    }

    /// Notes a request; the one that is likely to follow.
    #[napi(catch_unwind)]
    pub fn visit(&self, request: String) -> Option<String> {
        self.0.lock().visit(&request).map(|next| next.as_ref().to_owned())
    }
}
