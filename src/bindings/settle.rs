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
/// Puts a result into a JavaScript array at an index, on the JavaScript thread.
type Convert = Box<dyn FnOnce(&Env, &mut Array, u32) -> napi::Result<()> + Send>;

/// How many promises one turn of the event loop settles before others get theirs.
const SLICE: usize = 64;

/// A turn that has handed over so many bytes ends, too: to make strings of them takes about a millisecond a mebibyte.
const SLICE_BYTES: usize = 4 << 20;

/// The kinds of message, as JavaScript knows them.
const RESOLVE: u32 = 0;
const REJECT: u32 = 1;
const EVENT: u32 = 2;

/// What JavaScript is told about a ticket.
enum Message {
    /// With the bytes it takes to convert.
    Resolve(Convert, usize),
    Reject(Error),
    /// News on the way: the promise stays open.
    Event(Convert),
}

impl Message {
    fn settled<T: ToNapiValue + Send + 'static>(outcome: Result<T>) -> Self {
        match outcome {
            Ok(value) => Self::Resolve(convert(value), 0),
            Err(error) => Self::Reject(error),
        }
    }
}

fn convert<T: ToNapiValue + Send + 'static>(value: T) -> Convert {
    Box::new(move |_, array, at| array.set(at, value))
}

struct Shared {
    ready: Mutex<VecDeque<(Ticket, Message)>>,
    running: Mutex<HashMap<Ticket, CancellationToken>>,
    wake: Wake,
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
        self.post(
            outcomes.into_iter().map(|(ticket, outcome)| (ticket, Message::settled(outcome))),
        );
    }

    /// As [`report_all`](Self::report_all), of values that hold many bytes, which are told. `delivered` hears of them
    /// when JavaScript has the value.
    pub(super) fn report_bytes<T>(
        &self,
        outcomes: impl IntoIterator<Item = (Ticket, Result<(T, usize)>)>,
        delivered: &Arc<impl Fn(usize) + Send + Sync + 'static>,
    ) where
        T: ToNapiValue + Send + 'static,
    {
        self.post(outcomes.into_iter().map(|(ticket, outcome)| match outcome {
            Ok((value, bytes)) if bytes > 0 => {
                let delivered = Arc::clone(delivered);
                let convert = move |_: &Env, array: &mut Array, at| {
                    let set = array.set(at, value);
                    delivered(bytes);
                    set
                };
                (ticket, Message::Resolve(Box::new(convert), bytes))
            }
            outcome => (ticket, Message::settled(outcome.map(|(value, _)| value))),
        }));
    }

    /// Tells the owner of `ticket` how far the work is; its promise stays open. `event` is built on the
    /// JavaScript thread.
    pub(super) fn notify<F>(&self, ticket: Ticket, event: F)
    where
        F: for<'env> FnOnce(&'env Env) -> napi::Result<Object<'env>> + Send + 'static,
    {
        let convert = |env: &Env, array: &mut Array, at| array.set(at, event(env)?);
        self.post([(ticket, Message::Event(Box::new(convert)))]);
    }

    /// As [`notify`](Self::notify), with an event that converts itself.
    pub(super) fn tell<T: ToNapiValue + Send + 'static>(&self, ticket: Ticket, event: T) {
        self.post([(ticket, Message::Event(convert(event)))]);
    }

    fn post(&self, messages: impl IntoIterator<Item = (Ticket, Message)>) {
        let mut ready = self.0.ready.lock();
        let idle = ready.is_empty();
        ready.extend(messages);
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
        let slice: Vec<_> = {
            let mut ready = self.reporter.0.ready.lock();
            let mut bytes = 0;
            let fits = |(_, message): &&(Ticket, Message)| {
                let enough = bytes >= SLICE_BYTES;
                bytes += if let Message::Resolve(_, bytes) = message { *bytes } else { 0 };
                !enough
            };
            let count = ready.iter().take(SLICE).take_while(fits).count();
            ready.drain(..count).collect()
        };
        let mut messages = env.create_array((slice.len() * 3) as u32)?;
        for (at, (ticket, message)) in (0..).step_by(3).zip(slice) {
            messages.set(at, ticket)?;
            match message {
                Message::Resolve(convert, _) => {
                    messages.set(at + 1, RESOLVE)?;
                    convert(env, &mut messages, at + 2)?;
                }
                Message::Reject(error) => {
                    messages.set(at + 1, REJECT)?;
                    messages.set(at + 2, errors::describe(env, &error)?)?;
                }
                Message::Event(convert) => {
                    messages.set(at + 1, EVENT)?;
                    convert(env, &mut messages, at + 2)?;
                }
            }
        }
        Ok(messages)
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
