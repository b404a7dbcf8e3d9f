//! Where responses are kept: in memory within a bound, and on disk ([`Disk`]) within another.
//!
//! A URL has an *index*: the sets of fields its responses vary by, and a generation. The key of a response is
//! a keyed hash of the index's generation and of what the request says in those fields and in its credentials. So
//! no token and no cookie is ever at rest, who has another finds nothing, and a new generation makes all
//! responses of a URL unreachable at once. The secret of the hash is a file beside the log, for the user alone.

mod outdated;
mod secret;
#[cfg(test)]
mod tests;

use std::{
    io,
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use moka::sync::Cache;
use parking_lot::Mutex;
use reqwest::Url;
use ring::hmac;
use serde::{Deserialize, Serialize};

pub use self::outdated::State;
use self::{outdated::Outdated, secret::Secret};
use super::redirect::Ask;
use crate::{
    cache::{Disk, Entry, Key, Stamp, disk::Extent},
    error::{Result, SystemError},
    http_cache::{Headers, Stored, vary},
    runtime,
};

/// By these responses are kept apart to the letter, whatever they say they vary by. A `Host` of one's own names another
/// resource than the URL.
const APART: [&str; 4] = ["authorization", "cookie", "host", "proxy-authorization"];
/// What an entry counts for in memory beside its bytes.
const OVERHEAD: usize = 256;
/// So many sets of fields a URL's responses may vary by.
const MAX_SETS: usize = 8;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Index {
    generation: [u8; 16],
    /// The latest first.
    sets: Vec<Vec<String>>,
    /// Where the last response is, whoever it was for.
    #[serde(default)]
    latest: Option<[u8; 32]>,
}

#[derive(Clone)]
enum Record {
    Index(Arc<Index>),
    Response(Arc<Stored>),
}

/// See the module's description.
pub struct HttpStore {
    folder: PathBuf,
    memory: Cache<Key, Record>,
    disk: Mutex<Disk>,
    secret: OnceLock<Secret>,
    outdated: Outdated,
}

impl HttpStore {
    /// A store in `folder`, which is made when something is stored. Both bounds are in bytes.
    pub fn new(folder: PathBuf, max_memory_bytes: u64, max_disk_bytes: u64) -> Self {
        let weight = |_: &Key, record: &Record| {
            let bytes = match record {
                Record::Index(index) => index.sets.iter().flatten().map(String::len).sum(),
                Record::Response(stored) => stored.body.len() + stored.headers.size(),
            };
            u32::try_from(bytes + OVERHEAD).unwrap_or(u32::MAX)
        };
        let memory = Cache::builder().max_capacity(max_memory_bytes).weigher(weight).build();
        let disk = Mutex::new(Disk::new(&folder, max_disk_bytes));
        Self { folder, memory, disk, secret: OnceLock::new(), outdated: Outdated::default() }
    }

    /// The response that answers such a request, fresh or not, if it is in memory.
    pub fn in_memory(&self, url: &Url, request: &Headers) -> Option<Arc<Stored>> {
        let secret = &self.secret.get()?.key;
        let Some(Record::Index(index)) = self.memory.get(&url_key(secret, url)) else {
            return None;
        };
        let mut keys = index.sets.iter().map(|set| index.key(secret, url, set, request));
        keys.find_map(|key| match self.memory.get(&key) {
            Some(Record::Response(stored)) => Some(stored),
            _ => None,
        })
    }

    /// As [`Self::in_memory`], or from disk.
    pub async fn find(self: &Arc<Self>, url: &Url, request: &Headers) -> Option<Arc<Stored>> {
        if let Some(stored) = self.in_memory(url, request) {
            return Some(stored);
        }
        let (url, request) = (url.clone(), request.clone());
        self.blocking(move |store| {
            let secret = store.known_secret()?;
            let index = store.index(url_key(secret, &url))?;
            let mut keys = index.sets.iter().map(|set| index.key(secret, &url, set, &request));
            keys.find_map(|key| store.response(key))
        })
        .await
        .flatten()
    }

    /// For [`Self::put`], before a request goes out.
    pub fn state(&self) -> State {
        self.outdated.state()
    }

    /// Stores the response to a request that went out in that state, unless it is outdated since. A disk that fails costs what
    /// it would have kept.
    pub async fn put(self: &Arc<Self>, ask: &Ask, stored: Arc<Stored>, asked: State) {
        let (url, request) = (ask.url.clone(), ask.headers.clone());
        let Some(set) = vary::fields(&stored.headers) else { return };
        self.blocking(move |store| {
            let secret = store.secret();
            let url_key = url_key(&secret.key, &url);
            // Whoever outdates it from here on waits for the end of this.
            let outdated = store.outdated.lock();
            if outdated.has(&url, asked) {
                return;
            }
            let known = store.index(url_key);
            let mut index = known.as_deref().cloned().unwrap_or_else(Index::new);
            index.sets.retain(|other| *other != set);
            index.sets.insert(0, set);
            index.sets.truncate(MAX_SETS);
            let mut entries = Vec::new();
            let key = index.key(&secret.key, &url, &index.sets[0], &request);
            index.latest = Some(key.0);
            if known.is_none_or(|known| *known != index) {
                entries.push((url_key, entry(url_key, &index, Vec::new())));
            }
            store.memory.insert(url_key, Record::Index(Arc::new(index)));
            entries.push((key, entry(key, &*stored, stored.body.to_vec())));
            store.memory.insert(key, Record::Response(stored));
            let mut disk = store.disk.lock();
            drop(outdated);
            let _ = disk.put(entries);
            // The folder may have been deleted under our feet.
            let _ = secret.keep(&store.folder);
        })
        .await;
    }

    /// The last response of a URL that was stored, whoever it was for. Not to be served to anybody else.
    pub async fn latest(self: &Arc<Self>, url: &Url) -> Option<Arc<Stored>> {
        let url = url.clone();
        let latest = move |store: &Self| {
            let index = store.index(url_key(store.known_secret()?, &url))?;
            store.response(Key(index.latest?))
        };
        self.blocking(latest).await.flatten()
    }

    /// Stores a response that the origin has just confirmed, `known` before. Nobody waits for the disk, which keeps what
    /// it has where that serves as well: it would have to be validated again all the same.
    pub fn renew(self: &Arc<Self>, ask: &Ask, known: &Stored, news: Stored, asked: State) {
        let in_memory = self.replace_in_memory(&ask.url, &ask.headers, &news);
        let as_good = news.lifetime() == 0 && news.conditions() == known.conditions();
        if in_memory && as_good {
            return;
        }
        let (store, ask) = (Arc::clone(self), ask.clone());
        runtime::spawn(async move { store.put(&ask, Arc::new(news), asked).await });
    }

    /// Whether there was one to replace that varies by the same.
    fn replace_in_memory(&self, url: &Url, request: &Headers, news: &Stored) -> bool {
        let (Some(Secret { key, .. }), Some(set)) =
            (self.secret.get(), vary::fields(&news.headers))
        else {
            return false;
        };
        let Some(Record::Index(index)) = self.memory.get(&url_key(key, url)) else {
            return false;
        };
        let key = index.key(key, url, &set, request);
        let known = index.sets.first() == Some(&set) && self.memory.contains_key(&key);
        if known {
            self.memory.insert(key, Record::Response(Arc::new(news.clone())));
        }
        known
    }

    /// Forgets all responses of a URL, whoever they were for.
    pub async fn invalidate(self: &Arc<Self>, url: &Url) {
        let url = url.clone();
        self.blocking(move |store| {
            store.outdated.add(Some(url.clone()));
            let Some(secret) = store.known_secret() else { return };
            let key = url_key(secret, &url);
            store.memory.invalidate(&key);
            let _ = store.disk.lock().remove(key);
        })
        .await;
    }

    /// Forgets all responses.
    pub async fn clear(self: &Arc<Self>) -> Result<()> {
        let forget = |store: &Self| {
            store.outdated.add(None);
            store.memory.invalidate_all();
        };
        self.blocking(forget).await;
        self.on_disk("unlink", Disk::clear).await
    }

    /// What is on disk.
    pub async fn extent(self: &Arc<Self>) -> Result<Extent> {
        self.on_disk("read", Disk::extent).await
    }

    /// Drops what is damaged on disk.
    pub async fn verify(self: &Arc<Self>) -> Result<Extent> {
        self.on_disk("read", Disk::verify).await
    }

    async fn on_disk<T: Default + Send + 'static>(
        self: &Arc<Self>,
        syscall: &'static str,
        work: impl FnOnce(&mut Disk) -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let done = self.blocking(move |store| work(&mut store.disk.lock())).await;
        let failed = |error| SystemError::new(&error, syscall).path(&self.folder).into();
        done.unwrap_or_else(|| Ok(T::default())).map_err(failed)
    }

    async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Option<T> {
        let store = Arc::clone(self);
        runtime::spawn_blocking(move || work(&store)).await.ok()
    }

    fn index(&self, key: Key) -> Option<Arc<Index>> {
        if let Some(Record::Index(index)) = self.memory.get(&key) {
            return Some(index);
        }
        let entry = self.disk.lock().get(key, |_| true).ok()??;
        let index: Arc<Index> = Arc::new(serde_json::from_slice(&entry.meta).ok()?);
        self.memory.insert(key, Record::Index(Arc::clone(&index)));
        Some(index)
    }

    fn response(&self, key: Key) -> Option<Arc<Stored>> {
        if let Some(Record::Response(stored)) = self.memory.get(&key) {
            return Some(stored);
        }
        let entry = self.disk.lock().get(key, |_| true).ok()??;
        let meta: Stored = serde_json::from_slice(&entry.meta).ok()?;
        let stored = Arc::new(Stored { body: entry.body.into(), ..meta });
        self.memory.insert(key, Record::Response(Arc::clone(&stored)));
        Some(stored)
    }

    /// The secret of this folder, if there is one: without it nothing is stored.
    fn known_secret(&self) -> Option<&hmac::Key> {
        if self.secret.get().is_none() {
            let _ = self.secret.set(Secret::known(&self.folder)?);
        }
        self.secret.get().map(|secret| &secret.key)
    }

    /// The secret of this folder, which is made if there is none. Where it can be neither read nor written, one for this
    /// process alone.
    fn secret(&self) -> &Secret {
        self.secret.get_or_init(|| Secret::of(&self.folder))
    }
}

impl Index {
    fn new() -> Self {
        Self { generation: secret::random(), sets: Vec::new(), latest: None }
    }

    fn key(&self, secret: &hmac::Key, url: &Url, set: &[String], request: &Headers) -> Key {
        let mut hash = Hash::new(secret, b"response");
        hash.add(&self.generation);
        hash.add(url.as_str().as_bytes());
        let mut add = |name: &str, value: Option<String>| {
            hash.add(name.as_bytes());
            // Absent and empty are not the same.
            hash.add(&[u8::from(value.is_some())]);
            hash.add(value.unwrap_or_default().as_bytes());
        };
        for name in APART {
            let values: Vec<&str> = request.all(name).collect();
            add(name, (!values.is_empty()).then(|| values.join("\n")));
        }
        for name in set {
            add(name, vary::value(request, name));
        }
        hash.finish()
    }
}

fn url_key(secret: &hmac::Key, url: &Url) -> Key {
    let mut hash = Hash::new(secret, b"index");
    hash.add(url.as_str().as_bytes());
    hash.finish()
}

/// A keyed hash of several texts, each told with its length.
struct Hash(hmac::Context);

impl Hash {
    fn new(secret: &hmac::Key, purpose: &[u8]) -> Self {
        let mut hash = Self(hmac::Context::with_key(secret));
        hash.add(purpose);
        hash
    }

    fn add(&mut self, text: &[u8]) {
        self.0.update(&(text.len() as u64).to_le_bytes());
        self.0.update(text);
    }

    fn finish(self) -> Key {
        let mut key = Key([0; 32]);
        key.0.copy_from_slice(self.0.sign().as_ref());
        key
    }
}

fn entry(key: Key, meta: &impl Serialize, body: Vec<u8>) -> Entry {
    let meta = serde_json::to_vec(meta).unwrap_or_default();
    // Whether it may be served is not for the disk to say.
    Entry { stamp: Stamp::new(key, 0.0, Some(f64::INFINITY)), meta, body }
}
