//! How long work hears that nobody wants it any more, and says that it will take long.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::BytesMut;
use tokio_util::sync::CancellationToken;

use super::operation::WriteOptions;
use crate::error::{Error, Result};

/// From this size on a file is slow: what is done already is reported first.
const LARGE: u64 = 1 << 20;

/// What an operation in progress has to do with its surroundings.
pub(super) struct Control<'a> {
    pub(super) cancel: Option<&'a CancellationToken>,
    /// Called when the operation is going to take long.
    pub(super) before_wait: &'a mut dyn FnMut(),
    /// Bytes read and written so far, by all operations.
    pub(super) moved: &'a AtomicU64,
    /// Where small files are read into, one after the other; empty between operations.
    pub(super) buffer: &'a mut BytesMut,
}

impl Control<'_> {
    /// Of an operation that nobody watches or cancels.
    pub(super) fn unwatched<T>(work: impl FnOnce(&mut Control<'_>) -> T) -> T {
        let moved = AtomicU64::new(0);
        let buffer = &mut BytesMut::new();
        work(&mut Control { cancel: None, before_wait: &mut || {}, moved: &moved, buffer })
    }

    pub(super) fn moved(&self, bytes: u64) {
        self.moved.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Fails when the operation is no longer wanted; to be asked between files, and between pieces of one.
    pub(super) fn check(&self) -> Result<()> {
        match self.cancel.is_some_and(CancellationToken::is_cancelled) {
            true => Err(Error::Aborted),
            false => Ok(()),
        }
    }

    /// The same, among input and output. What an operation fails with once it is cancelled is not told.
    pub(super) fn check_io(&self) -> std::io::Result<()> {
        self.check().map_err(std::io::Error::other)
    }

    pub(super) fn before_writing(&mut self, count: u64, options: WriteOptions) {
        if count >= LARGE || options.durable {
            (self.before_wait)();
        }
    }

    pub(super) fn before_bytes(&mut self, count: u64) {
        if count >= LARGE {
            (self.before_wait)();
        }
    }
}
