//! Git's name for a file's content: the SHA-1 of `blob <length>\0<content>`.
//! <https://git-scm.com/book/en/v2/Git-Internals-Git-Objects>

use std::path::Path;

use sha1::{Digest, Sha1};

/// The blob SHA-1 of `content`, as lower-case hex.
pub(super) fn sha(content: &[u8]) -> String {
    let mut sha = Sha1::new();
    sha.update(format!("blob {}\0", content.len()));
    sha.update(content);
    hex::encode(sha.finalize())
}

/// Whether the file at `path` already is the blob `expected`. The size, where known, spares a read.
pub(super) fn matches(path: &Path, expected: &str, size: Option<u64>) -> bool {
    let regular = path
        .symlink_metadata()
        .is_ok_and(|found| found.is_file() && size.is_none_or(|size| found.len() == size));
    regular && std::fs::read(path).is_ok_and(|content| sha(&content) == expected)
}

#[cfg(test)]
mod tests {
    #[test]
    fn is_what_git_hash_object_prints() {
        assert_eq!(super::sha(b""), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
        assert_eq!(super::sha(b"hello\n"), "ce013625030ba8dba906f756967f9e9ca394464a");
    }
}
