//! The digest of a file's content, in bounded memory.

use std::path::Path;

use sha2::digest::{Digest, DynDigest};

use super::{control::Control, io::Source};
use crate::error::Result;

/// The algorithms a file can be hashed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Algorithm {
    fn start(self) -> Box<dyn DynDigest> {
        match self {
            Self::Sha1 => Box::new(sha1::Sha1::new()),
            Self::Sha256 => Box::new(sha2::Sha256::new()),
            Self::Sha384 => Box::new(sha2::Sha384::new()),
            Self::Sha512 => Box::new(sha2::Sha512::new()),
        }
    }
}

/// The digest in lower-case hex.
pub(super) fn hash(path: &Path, algorithm: Algorithm, control: &mut Control<'_>) -> Result<String> {
    let source = Source::open(path)?;
    control.before_bytes(source.size());
    let mut digest = algorithm.start();
    source.each_piece(control, |piece| digest.update(piece))?;
    Ok(hex::encode(digest.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_digests() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "abc").unwrap();
        let hash = |algorithm| {
            Control::unwatched(|control| hash(file.path(), algorithm, control)).unwrap()
        };
        assert_eq!(hash(Algorithm::Sha1), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(
            hash(Algorithm::Sha256),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert!(hash(Algorithm::Sha384).starts_with("cb00753f45a35e8b"));
        assert!(hash(Algorithm::Sha512).starts_with("ddaf35a193617aba"));
    }
}
