//! The one room with `unsafe`: Node-API calls that napi-rs does not wrap, or wraps at too high a price.
//!
//! Each function says why the call is sound.
#![expect(unsafe_code, reason = "Node-API itself; every block says why it is sound")]

use napi::{
    Env, Result,
    bindgen_prelude::{Buffer, ToNapiValue},
    check_status, sys,
};

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
pub(super) struct Text {
    bytes: Vec<u8>,
    /// Found out on the thread that read the bytes; V8 takes such text in one copy.
    is_ascii: bool,
}

impl Text {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
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
pub(super) struct Bytes(pub(super) Vec<u8>);

impl ToNapiValue for Bytes {
    unsafe fn to_napi_value(env: sys::napi_env, Self(bytes): Self) -> Result<sys::napi_value> {
        if bytes.len() > 64 << 10 {
            // SAFETY: the caller vouches for `env`.
            return unsafe { Buffer::to_napi_value(env, bytes.into()) };
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
