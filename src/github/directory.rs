//! What a folder of a repository holds: the questions to ask GitHub, and what its answers mean.
//!
//! One recursive git-trees call lists everything. Where the API has no trees, or cuts the list short, the
//! contents API is walked folder by folder. [`Listing`] does no I/O: it names the URLs to fetch and is told
//! the answers, so that they come through whatever cache and rate limit the caller has.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::url::{encode_path, encode_segment};
use crate::error::{Error, Result};

/// The contents API lists at most this many entries of a folder, and does not say that it cut the rest.
const CONTENTS_LIMIT: usize = 1_000;

/// One thing to mirror.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Within the repository, as git has it.
    pub path: String,
    /// Within the listed folder.
    pub relative: String,
    /// SHA-1 of the git blob; of the commit for a submodule.
    pub sha: String,
    /// Bytes, where the listing tells.
    pub size: Option<u64>,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    File,
    Executable,
    Symlink,
    Submodule,
}

/// What came back for one of [`Listing::requests`].
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Answer {
    /// Parsed JSON of a 2xx response.
    Value(serde_json::Value),
    /// The status of a failed one; 0 where there was none.
    Failed(u16),
}

/// How a listing goes on after its answers.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// [`Listing::requests`] has more to ask, or nothing if all is known.
    Continue,
    /// The answer at this index failed, and there is no other way to ask.
    Failed(usize),
}

/// A folder being listed.
#[derive(Debug)]
pub struct Listing {
    /// `<base>/repos/<owner>/<name>`
    api: String,
    repository: String,
    reference: String,
    /// The folder asked for, without slashes at its ends; empty for the root.
    folder: String,
    asking: Vec<Question>,
    /// By path, so that the order does not depend on who answered first.
    found: BTreeMap<String, Entry>,
}

#[derive(Clone, Debug)]
enum Question {
    /// The whole tree.
    Tree,
    /// A folder's own entries by the contents API, with the SHA of its tree where known.
    Contents { path: String, sha: Option<String> },
    /// A folder's own entries by its tree, for folders beyond the contents API.
    Folder { path: String, sha: String },
}

impl Listing {
    /// Lists `folder` of `repository` (`owner/name`) at `reference` (a branch, tag, commit, or `HEAD`).
    pub fn new(base_url: &str, repository: &str, folder: &str, reference: &str) -> Result<Self> {
        let valid =
            |part: &str| !part.is_empty() && !part.contains('/') && part != "." && part != "..";
        let (owner, name) = repository
            .split_once('/')
            .filter(|(owner, name)| valid(owner) && valid(name))
            .ok_or_else(|| Error::InvalidRepository { repository: repository.to_owned() })?;
        let base = base_url.trim_end_matches('/');
        Ok(Self {
            api: format!("{base}/repos/{}/{}", encode_segment(owner), encode_segment(name)),
            repository: repository.to_owned(),
            reference: reference.to_owned(),
            folder: folder.trim_matches('/').to_owned(),
            asking: vec![Question::Tree],
            found: BTreeMap::new(),
        })
    }

    /// The URLs to fetch next, which may be fetched at once; none when the listing is complete.
    pub fn requests(&self) -> Vec<String> {
        let Self { api, reference, .. } = self;
        let reference = encode_segment(reference);
        let url = |question: &Question| match question {
            Question::Tree => format!("{api}/git/trees/{reference}?recursive=1"),
            Question::Folder { sha, .. } => format!("{api}/git/trees/{sha}"),
            Question::Contents { path, .. } => {
                format!("{api}/contents/{}?ref={reference}", encode_path(path))
            }
        };
        self.asking.iter().map(url).collect()
    }

    /// Takes the answers to [`Self::requests`], in their order: a JSON array of `{"value": <parsed body>}` and
    /// `{"failed": <status, 0 for none>}`.
    pub fn accept(&mut self, answers: &str) -> Result<Progress> {
        let answers: Vec<Answer> =
            serde_json::from_str(answers).map_err(|error| self.invalid(error))?;
        let questions = std::mem::take(&mut self.asking);
        for (index, (question, answer)) in questions.into_iter().zip(answers).enumerate() {
            match (question, answer) {
                (Question::Tree, Answer::Value(value)) => self.accept_tree(value)?,
                // No such API, or no such repository: the contents API tells which. 409 is an empty
                // repository, which has no contents either.
                (Question::Tree, Answer::Failed(404 | 409 | 422)) => self.ask_contents(),
                (Question::Contents { .. }, Answer::Failed(404)) => return Err(self.not_found()),
                (_, Answer::Failed(_)) => return Ok(Progress::Failed(index)),
                (Question::Contents { path, sha }, Answer::Value(value)) => {
                    self.accept_contents(path, sha, value)?;
                }
                (Question::Folder { path, .. }, Answer::Value(value)) => {
                    self.accept_folder(&path, value)?;
                }
            }
        }
        Ok(Progress::Continue)
    }

    /// Everything found, by path. Fails when there is nothing at the path asked for.
    pub fn into_entries(self) -> Result<Vec<Entry>> {
        if self.found.is_empty() && !self.folder.is_empty() {
            return Err(self.not_found());
        }
        Ok(self.found.into_values().collect())
    }

    fn ask_contents(&mut self) {
        self.asking.push(Question::Contents { path: self.folder.clone(), sha: None });
    }

    fn accept_tree(&mut self, value: serde_json::Value) -> Result<()> {
        let tree: Tree = self.read(value)?;
        if tree.truncated {
            self.ask_contents();
            return Ok(());
        }
        for node in tree.tree {
            if let Some(kind) = node.kind() {
                self.add(node.path, node.sha, node.size, kind);
            }
        }
        Ok(())
    }

    fn accept_folder(&mut self, folder: &str, value: serde_json::Value) -> Result<()> {
        let tree: Tree = self.read(value)?;
        if tree.truncated {
            return Err(self.truncated(folder));
        }
        for node in tree.tree {
            let path = join(folder, &node.path);
            match node.kind() {
                Some(kind) => self.add(path, node.sha, node.size, kind),
                None => self.asking.push(Question::Folder { path, sha: node.sha }),
            }
        }
        Ok(())
    }

    fn accept_contents(
        &mut self,
        folder: String,
        sha: Option<String>,
        value: serde_json::Value,
    ) -> Result<()> {
        let items: Vec<Item> = match value {
            value @ serde_json::Value::Array(_) => self.read(value)?,
            // A single file answers with itself.
            value => vec![self.read(value)?],
        };
        if items.len() >= CONTENTS_LIMIT {
            let sha = sha.or_else(|| folder.is_empty().then(|| encode_segment(&self.reference)));
            let sha = sha.ok_or_else(|| self.truncated(&folder))?;
            self.asking.push(Question::Folder { path: folder, sha });
            return Ok(());
        }
        for Item { kind, path, sha, size, download_url } in items {
            match kind {
                ItemKind::Dir => self.asking.push(Question::Contents { path, sha: Some(sha) }),
                // A submodule in a listing calls itself a file, but has nothing to download.
                ItemKind::File if download_url.is_none() => {
                    self.add(path, sha, None, Kind::Submodule);
                }
                ItemKind::File => self.add(path, sha, Some(size), Kind::File),
                ItemKind::Symlink => self.add(path, sha, None, Kind::Symlink),
                ItemKind::Submodule => self.add(path, sha, None, Kind::Submodule),
            }
        }
        Ok(())
    }

    /// Keeps what lies in the folder, or is the file asked for itself.
    fn add(&mut self, path: String, sha: String, size: Option<u64>, kind: Kind) {
        let relative = if path == self.folder {
            path.rsplit('/').next().map(str::to_owned)
        } else if self.folder.is_empty() {
            Some(path.clone())
        } else {
            let inside = path.strip_prefix(self.folder.as_str());
            inside.and_then(|rest| rest.strip_prefix('/')).map(str::to_owned)
        };
        if let Some(relative) = relative {
            self.found.insert(path.clone(), Entry { path, relative, sha, size, kind });
        }
    }

    fn read<T: serde::de::DeserializeOwned>(&self, value: serde_json::Value) -> Result<T> {
        serde_json::from_value(value).map_err(|error| self.invalid(error))
    }

    fn invalid(&self, error: serde_json::Error) -> Error {
        let repository = self.repository.clone();
        Error::InvalidListing { repository, reason: error.to_string() }
    }

    fn not_found(&self) -> Error {
        Error::RepositoryPathNotFound {
            repository: self.repository.clone(),
            reference: self.reference.clone(),
            path: if self.folder.is_empty() { "/".to_owned() } else { self.folder.clone() },
        }
    }

    fn truncated(&self, path: &str) -> Error {
        Error::ListingTruncated { repository: self.repository.clone(), path: path.to_owned() }
    }
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// <https://docs.github.com/rest/git/trees>
#[derive(Deserialize)]
struct Tree {
    tree: Vec<Node>,
    #[serde(default)]
    truncated: bool,
}

#[derive(Deserialize)]
struct Node {
    path: String,
    mode: String,
    sha: String,
    size: Option<u64>,
}

impl Node {
    /// `None` for a folder.
    fn kind(&self) -> Option<Kind> {
        match self.mode.as_str() {
            "040000" => None,
            "100755" => Some(Kind::Executable),
            "120000" => Some(Kind::Symlink),
            "160000" => Some(Kind::Submodule),
            _ => Some(Kind::File),
        }
    }
}

/// <https://docs.github.com/rest/repos/contents>
#[derive(Deserialize)]
struct Item {
    #[serde(rename = "type")]
    kind: ItemKind,
    path: String,
    sha: String,
    #[serde(default)]
    size: u64,
    download_url: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum ItemKind {
    File,
    Dir,
    Symlink,
    Submodule,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const API: &str = "https://api.example/repos/o/r";

    fn listing(folder: &str) -> Listing {
        Listing::new("https://api.example/", "o/r", folder, "main").unwrap()
    }

    fn value(value: serde_json::Value) -> String {
        json!([{ "value": value }]).to_string()
    }

    fn tree(paths: &[(&str, &str)]) -> serde_json::Value {
        let node = |(path, mode): &(&str, &str)| json!({ "path": path, "mode": mode, "sha": "s" });
        json!({ "tree": paths.iter().map(node).collect::<Vec<_>>(), "truncated": false })
    }

    fn relative(listing: Listing) -> Vec<String> {
        listing.into_entries().unwrap().into_iter().map(|entry| entry.relative).collect()
    }

    #[test]
    fn one_recursive_call_lists_a_folder() {
        let mut listing = listing("/src/");
        assert_eq!(listing.requests(), [format!("{API}/git/trees/main?recursive=1")]);
        let modes = [
            ("src", "040000"),
            ("src/b", "120000"),
            ("src/a/x", "100755"),
            ("src/c", "160000"),
            ("srcs/y", "100644"),
            ("z", "100644"),
        ];
        assert_eq!(listing.accept(&value(tree(&modes))).unwrap(), Progress::Continue);
        assert!(listing.requests().is_empty());
        let entries = listing.into_entries().unwrap();
        let found: Vec<_> = entries.iter().map(|e| (e.relative.as_str(), e.kind)).collect();
        let expected = [("a/x", Kind::Executable), ("b", Kind::Symlink), ("c", Kind::Submodule)];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_single_file_is_listed_by_its_name() {
        let mut listing = listing("docs/readme.md");
        listing.accept(&value(tree(&[("docs/readme.md", "100644")]))).unwrap();
        assert_eq!(relative(listing), ["readme.md"]);
    }

    #[test]
    fn without_trees_the_contents_are_walked() {
        for answer in
            [json!([{ "failed": 404 }]), json!([{ "value": { "tree": [], "truncated": true } }])]
        {
            let mut listing = listing("d");
            listing.accept(&answer.to_string()).unwrap();
            assert_eq!(listing.requests(), [format!("{API}/contents/d?ref=main")]);
            let items = json!([
                { "type": "file", "path": "d/a b", "sha": "s", "size": 1, "download_url": "u" },
                { "type": "file", "path": "d/module", "sha": "s", "size": 0, "download_url": null },
                { "type": "dir", "path": "d/e#", "sha": "t" },
            ]);
            listing.accept(&value(items)).unwrap();
            assert_eq!(listing.requests(), [format!("{API}/contents/d/e%23?ref=main")]);
            let items = json!([{ "type": "file", "path": "d/e#/f", "sha": "s", "size": 2, "download_url": "u" }]);
            listing.accept(&value(items)).unwrap();
            assert!(listing.requests().is_empty());
            let entries = listing.into_entries().unwrap();
            let found: Vec<_> = entries.iter().map(|e| (e.relative.as_str(), e.kind)).collect();
            let expected = [("a b", Kind::File), ("e#/f", Kind::File), ("module", Kind::Submodule)];
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn folders_beyond_the_contents_api_are_read_as_trees() {
        let mut listing = listing("");
        listing.accept(r#"[{ "failed": 404 }]"#).unwrap();
        let item = |n| json!({ "type": "file", "path": format!("f{n}"), "sha": "s", "size": 1 });
        listing.accept(&value((0..CONTENTS_LIMIT).map(item).collect())).unwrap();
        assert_eq!(listing.requests(), [format!("{API}/git/trees/main")]);
        listing.accept(&value(tree(&[("f0", "100644"), ("sub", "040000")]))).unwrap();
        assert_eq!(listing.requests(), [format!("{API}/git/trees/s")]);
        listing.accept(&value(tree(&[("x", "100644")]))).unwrap();
        assert_eq!(relative(listing), ["f0", "sub/x"]);
    }

    #[test]
    fn what_does_not_exist_is_named() {
        let mut unknown = listing("d");
        unknown.accept(r#"[{ "failed": 404 }]"#).unwrap();
        let error = unknown.accept(r#"[{ "failed": 404 }]"#).unwrap_err();
        assert!(error.to_string().contains("'d' in 'o/r' at 'main'"), "{error}");

        let mut missing = listing("d");
        missing.accept(&value(tree(&[("e", "100644")]))).unwrap();
        assert!(matches!(missing.into_entries(), Err(Error::RepositoryPathNotFound { .. })));

        for repository in ["o", "o/", "/r", "o/r/x", "../r", ""] {
            let refused = Listing::new("https://api.example", repository, "", "main");
            assert!(matches!(refused, Err(Error::InvalidRepository { .. })), "{repository}");
        }
    }

    #[test]
    fn other_failures_and_odd_answers_end_the_listing() {
        assert_eq!(listing("").accept(r#"[{ "failed": 403 }]"#).unwrap(), Progress::Failed(0));
        assert_eq!(listing("").accept(r#"[{ "failed": 0 }]"#).unwrap(), Progress::Failed(0));
        let odd = listing("").accept(r#"[{ "value": { "tree": 1 } }]"#);
        assert!(matches!(odd, Err(Error::InvalidListing { .. })));
    }
}
