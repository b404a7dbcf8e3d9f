//! How native work settles JavaScript promises: many at once, by one threadsafe function.
//!
//! JavaScript numbers each promise with a *ticket* and keeps its resolvers (`lib/settle.js`). Work runs on
//! other threads and reports `(ticket, outcome)`; the first report into an empty queue wakes the event
//! loop, and one turn settles all that is ready, in slices, so that a large batch never stalls the loop.
//! A promise made by napi-rs itself would cost a threadsafe function, a clean-up hook and two tasks.

use std::{
    collections::{HashMap, VecDeque},
    future::Future,
    panic::AssertUnwindSafe,
    sync::Arc,
};

use futures_util::FutureExt;
use napi::{
    Env, Status,
    bindgen_prelude::{Array, Function, Object, ToNapiValue},
    threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode},
};
use napi_derive::napi;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::{errors, raw};
use crate::{
    error::{Error, Result},
    runtime,
};

/// Names a promise that JavaScript holds.
pub(super) type Ticket = u32;

type Wake = ThreadsafeFunction<(), (), (), Status, false, true>;

/// How many promises one turn of the event loop settles before others get theirs.
const SLICE: usize = 64;

/// A turn that has handed over so many bytes ends, too: to make strings of them takes about a millisecond a mebibyte.
const SLICE_BYTES: usize = 4 << 20;

/// Messages of one parcel; it ends before if it holds [`PARCEL_BYTES`].
const PARCEL: usize = 16;
const PARCEL_BYTES: usize = 1 << 20;

/// The kinds of message, as JavaScript knows them.
const RESOLVE: u32 = 0;
const REJECT: u32 = 1;
const EVENT: u32 = 2;

/// Messages that go over together. To pack each by itself would cost an allocation, freed by another thread.
struct Parcel {
    messages: usize,
    /// Bytes that it takes to convert.
    bytes: usize,
    unpack: Unpack,
}

type Unpack = Box<dyn FnOnce(&mut Outgoing<'_>) -> napi::Result<()> + Send>;

/// The array that goes over, on the JavaScript thread: ticket, kind, value, …
struct Outgoing<'env> {
    env: &'env Env,
    array: Array<'env>,
    at: u32,
}

impl Outgoing<'_> {
    fn settle<T: ToNapiValue>(&mut self, ticket: Ticket, outcome: Result<T>) -> napi::Result<()> {
        match outcome {
            Ok(value) => self.push(ticket, RESOLVE, value),
            Err(error) => self.push(ticket, REJECT, errors::describe(self.env, &error)?),
        }
    }

    fn push<T: ToNapiValue>(&mut self, ticket: Ticket, kind: u32, value: T) -> napi::Result<()> {
        self.array.set(self.at, ticket)?;
        self.array.set(self.at + 1, kind)?;
        self.array.set(self.at + 2, value)?;
        self.at += 3;
        Ok(())
    }
}

struct Shared {
    ready: Mutex<VecDeque<Parcel>>,
    running: Mutex<HashMap<Ticket, CancellationToken>>,
    wake: Wake,
}

impl Shared {
    fn next_slice(&self) -> Vec<Parcel> {
        let mut ready = self.ready.lock();
        let (mut messages, mut bytes) = (0, 0);
        let fits = |parcel: &&Parcel| {
            let fits = messages < SLICE && bytes < SLICE_BYTES;
            messages += parcel.messages;
            bytes += parcel.bytes;
            fits
        };
        let count = ready.iter().take_while(fits).count();
        ready.drain(..count).collect()
    }
}

impl Parcel {
    fn of<T: ToNapiValue + Send + 'static>(
        outcomes: Vec<(Ticket, Result<T>)>,
        bytes: usize,
        delivered: impl Fn(usize) + Send + 'static,
    ) -> Self {
        let messages = outcomes.len();
        let unpack = move |outgoing: &mut Outgoing<'_>| {
            for (ticket, outcome) in outcomes {
                outgoing.settle(ticket, outcome)?;
            }
            delivered(bytes);
            Ok(())
        };
        Self { messages, bytes, unpack: Box::new(unpack) }
    }
}

/// The half that work holds, on any thread.
#[derive(Clone)]
pub(super) struct Reporter(Arc<Shared>);

impl Reporter {
    /// Settles the promise `ticket` with what `outcome` holds.
    pub(super) fn report<T>(&self, ticket: Ticket, outcome: Result<T>)
    where
        T: ToNapiValue + Send + 'static,
    {
        self.report_all([(ticket, outcome)]);
    }

    /// Settles many promises with one wake-up of the event loop.
    pub(super) fn report_all<T>(&self, outcomes: impl IntoIterator<Item = (Ticket, Result<T>)>)
    where
        T: ToNapiValue + Send + 'static,
    {
        let weightless =
            |(ticket, outcome): (_, Result<T>)| (ticket, outcome.map(|value| (value, 0)));
        self.report_bytes(outcomes.into_iter().map(weightless), |_| {});
    }

    /// As [`report_all`](Self::report_all), of values that hold many bytes, which are told. `delivered` hears of them
    /// when JavaScript has the values.
    pub(super) fn report_bytes<T>(
        &self,
        outcomes: impl IntoIterator<Item = (Ticket, Result<(T, usize)>)>,
        delivered: impl Fn(usize) + Clone + Send + 'static,
    ) where
        T: ToNapiValue + Send + 'static,
    {
        let mut outcomes = outcomes.into_iter();
        let parcels = std::iter::from_fn(|| {
            let (mut batch, mut bytes) = (Vec::new(), 0);
            while batch.len() < PARCEL
                && bytes < PARCEL_BYTES
                && let Some((ticket, outcome)) = outcomes.next()
            {
                let outcome = outcome.map(|(value, size)| {
                    bytes += size;
                    value
                });
                batch.push((ticket, outcome));
            }
            (!batch.is_empty()).then(|| Parcel::of(batch, bytes, delivered.clone()))
        });
        self.post(parcels);
    }

    /// Tells the owner of `ticket` how far the work is; its promise stays open. `event` is built on the
    /// JavaScript thread.
    pub(super) fn notify<F>(&self, ticket: Ticket, event: F)
    where
        F: for<'env> FnOnce(&'env Env) -> napi::Result<Object<'env>> + Send + 'static,
    {
        let unpack =
            move |outgoing: &mut Outgoing<'_>| outgoing.push(ticket, EVENT, event(outgoing.env)?);
        self.post([Parcel { messages: 1, bytes: 0, unpack: Box::new(unpack) }]);
    }

    /// As [`notify`](Self::notify), with an event that converts itself.
    pub(super) fn tell<T: ToNapiValue + Send + 'static>(&self, ticket: Ticket, event: T) {
        let unpack = move |outgoing: &mut Outgoing<'_>| outgoing.push(ticket, EVENT, event);
        self.post([Parcel { messages: 1, bytes: 0, unpack: Box::new(unpack) }]);
    }

    fn post(&self, parcels: impl IntoIterator<Item = Parcel>) {
        let mut ready = self.0.ready.lock();
        let idle = ready.is_empty();
        ready.extend(parcels);
        let any = !ready.is_empty();
        drop(ready);
        // A queue that was not empty has a wake-up under way that will take these too.
        if idle && any {
            self.0.wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }

    /// Runs `work` on the shared runtime and settles `ticket` with its result. `work` is told when
    /// JavaScript cancels the ticket; a panic in it rejects the promise.
    pub(super) fn spawn<T, F>(&self, ticket: Ticket, work: impl FnOnce(CancellationToken) -> F)
    where
        T: ToNapiValue + Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let cancel = CancellationToken::new();
        self.0.running.lock().insert(ticket, cancel.clone());
        let work = AssertUnwindSafe(work(cancel)).catch_unwind();
        let reporter = self.clone();
        runtime::spawn(async move {
            let outcome = work.await.unwrap_or_else(|panic| Err(Error::panicked(&*panic)));
            reporter.0.running.lock().remove(&ticket);
            reporter.report(ticket, outcome);
        });
    }

    /// Runs blocking `work` and settles `ticket` with its result; a panic in it rejects the promise.
    pub(super) fn spawn_blocking<T>(
        &self,
        ticket: Ticket,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) where
        T: ToNapiValue + Send + 'static,
    {
        let reporter = self.clone();
        runtime::spawn_blocking(move || {
            let outcome = std::panic::catch_unwind(AssertUnwindSafe(work));
            reporter.report(ticket, outcome.unwrap_or_else(|panic| Err(Error::panicked(&*panic))));
        });
    }
}

/// The half that lives on the JavaScript thread; one for each environment.
#[napi]
pub struct Settler {
    reporter: Reporter,
}

#[napi]
impl Settler {
    /// `wake` is called on the JavaScript thread when results are ready to be drained.
    #[napi(constructor, catch_unwind)]
    pub fn new(wake: Function<(), ()>) -> napi::Result<Self> {
        let wake = wake.build_threadsafe_function().weak::<true>().build()?;
        let shared = Shared { ready: Mutex::default(), running: Mutex::default(), wake };
        Ok(Self { reporter: Reporter(Arc::new(shared)) })
    }

    /// Up to one slice of messages, flat: ticket, kind, value, … The kind is 0 to resolve, 1 to
    /// reject (the value describes the error), 2 for an event. [`more`](Self::more) may be left.
    #[napi(catch_unwind, ts_return_type = "any[]")]
    pub fn drain<'env>(&self, env: &'env Env) -> napi::Result<Array<'env>> {
        let parcels = self.reporter.0.next_slice();
        let messages: usize = parcels.iter().map(|parcel| parcel.messages).sum();
        let array = env.create_array((messages * 3) as u32)?;
        let mut outgoing = Outgoing { env, array, at: 0 };
        for parcel in parcels {
            (parcel.unpack)(&mut outgoing)?;
        }
        Ok(outgoing.array)
    }

    /// Whether results are left after a drain; then nobody else wakes.
    #[napi(getter)]
    pub fn more(&self) -> bool {
        !self.reporter.0.ready.lock().is_empty()
    }

    /// Holds the event loop open while promises are out, and only then.
    #[napi(catch_unwind)]
    pub fn hold(&self, env: &Env, open: bool) -> napi::Result<()> {
        raw::hold_open(env, self.reporter.0.wake.raw(), open)
    }

    /// Tells the work behind `ticket`, if it is still running, that nobody wants its result.
    #[napi(catch_unwind)]
    pub fn cancel(&self, ticket: Ticket) {
        if let Some(cancel) = self.reporter.0.running.lock().get(&ticket) {
            cancel.cancel();
        }
    }

    pub(super) fn reporter(&self) -> Reporter {
        self.reporter.clone()
    }
}

impl Drop for Settler {
    /// The environment ends, as a worker thread's may while the process goes on: nobody is left to want
    /// what still runs for it.
    fn drop(&mut self) {
        self.reporter.0.running.lock().values().for_each(CancellationToken::cancel);
    }
}
