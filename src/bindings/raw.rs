//! The one room with `unsafe`: Node-API calls that napi-rs does not wrap, or wraps at too high a price.
//!
//! Each function says why the call is sound.
#![expect(unsafe_code, reason = "Node-API itself; every block says why it is sound")]

use std::{ffi::c_void, panic::AssertUnwindSafe, ptr, sync::Arc};

use bytes::Bytes;
use napi::{
    Env, Result,
    bindgen_prelude::{Buffer, ToNapiValue, Unknown},
    check_status, sys,
};

use crate::cache::Memory;

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

/// UTF-8 text that becomes a string as `TextDecoder` makes one: what is not valid turns into U+FFFD.
pub struct Text {
    bytes: Bytes,
    /// Found out on the thread that read the bytes; V8 takes such text in one copy.
    is_ascii: bool,
}

impl Text {
    pub(super) fn new(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { is_ascii: bytes.is_ascii(), bytes }
    }
}

impl ToNapiValue for Text {
    unsafe fn to_napi_value(env: sys::napi_env, text: Self) -> Result<sys::napi_value> {
        let create = match text.is_ascii {
            true => sys::napi_create_string_latin1,
            false => sys::napi_create_string_utf8,
        };
        let (data, length) = (text.bytes.as_ptr().cast(), text.bytes.len() as isize);
        let mut value = std::ptr::null_mut();
        // SAFETY: the caller vouches for `env`; Node copies `length` bytes that `text` owns.
        check_status!(unsafe { create(env, data, length, &raw mut value) })?;
        Ok(value)
    }
}

/// Bytes that become a `Buffer`: copied up to 64 KiB, where that is cheaper than memory V8 must watch over.
pub struct Binary(pub(super) Bytes);

impl ToNapiValue for Binary {
    unsafe fn to_napi_value(env: sys::napi_env, Self(bytes): Self) -> Result<sys::napi_value> {
        if bytes.len() > 64 << 10 {
            // Nobody else has such large bytes, so they become a vector as they are.
            // SAFETY: the caller vouches for `env`.
            return unsafe { Buffer::to_napi_value(env, Vec::from(bytes).into()) };
        }
        let (mut value, mut copy) = (std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: the caller vouches for `env`; Node copies as many bytes as `bytes` owns.
        check_status!(unsafe {
            sys::napi_create_buffer_copy(
                env,
                bytes.len(),
                bytes.as_ptr().cast(),
                &raw mut copy,
                &raw mut value,
            )
        })?;
        Ok(value)
    }
}

/// A function `(slot, now, ttl) => boolean` that says whether the value in a slot of the memory tier may be
/// served, and counts the hit. A `#[napi]` method would take ten times as long to be called.
pub(super) fn hit<'env>(env: &'env Env, memory: Arc<Memory>) -> Result<Unknown<'env>> {
    let data = Arc::into_raw(memory).cast_mut().cast::<c_void>();
    let mut function = ptr::null_mut();
    // SAFETY: `data` is a reference to the memory tier that the function owns; the finalizer gives it
    // back when the function is collected, after which it can't be called.
    unsafe {
        check_status!(sys::napi_create_function(
            env.raw(),
            c"hit".as_ptr(),
            3,
            Some(call_hit),
            data,
            &mut function,
        ))?;
        check_status!(sys::napi_add_finalizer(
            env.raw(),
            function,
            data,
            Some(drop_memory),
            ptr::null_mut(),
            ptr::null_mut(),
        ))?;
        Ok(Unknown::from_raw_unchecked(env.raw(), function))
    }
}

unsafe extern "C" fn drop_memory(_: sys::napi_env, data: *mut c_void, _: *mut c_void) {
    // SAFETY: `hit` made `data` of an `Arc` and registered this call once.
    drop(unsafe { Arc::from_raw(data.cast::<Memory>()) });
}

unsafe extern "C" fn call_hit(
    env: sys::napi_env,
    info: sys::napi_callback_info,
) -> sys::napi_value {
    let mut arguments = [ptr::null_mut(); 3];
    let (mut count, mut data) = (arguments.len(), ptr::null_mut());
    let (mut slot, mut now, mut ttl) = (0, 0.0, 0.0);
    // SAFETY: Node-API calls on the live environment of this call; each writes no more than the size it
    // is told. `data` is what `hit` gave the function, which is alive while it is called.
    let (read, memory) = unsafe {
        sys::napi_get_cb_info(
            env,
            info,
            &mut count,
            arguments.as_mut_ptr(),
            ptr::null_mut(),
            &mut data,
        );
        let read = [
            sys::napi_get_value_uint32(env, arguments[0], &mut slot),
            sys::napi_get_value_double(env, arguments[1], &mut now),
            sys::napi_get_value_double(env, arguments[2], &mut ttl),
        ];
        (read, &*data.cast::<Memory>())
    };
    let readable = read.iter().all(|status| *status == sys::Status::napi_ok);
    let hit = std::panic::catch_unwind(AssertUnwindSafe(|| readable && memory.hit(slot, now, ttl)));
    let mut value = ptr::null_mut();
    // SAFETY: as above. On failure `value` stays null, which Node-API takes for `undefined`.
    unsafe { sys::napi_get_boolean(env, hit.unwrap_or(false), &mut value) };
    value
}
