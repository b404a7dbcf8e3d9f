//! The secret of a folder, by which what is stored there is found: a file for the user alone.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::Path,
};

use ring::{
    hmac,
    rand::{SecureRandom, SystemRandom},
};

const FILE: &str = "secret";

pub(super) struct Secret {
    bytes: [u8; 32],
    /// Of the hashes.
    pub key: hmac::Key,
}

impl Secret {
    fn new(bytes: [u8; 32]) -> Self {
        Self { bytes, key: hmac::Key::new(hmac::HMAC_SHA256, &bytes) }
    }

    /// That of the folder, if there is one.
    pub fn known(folder: &Path) -> Option<Self> {
        read(folder).map(Self::new)
    }

    /// That of the folder, which is made if there is none. Where it can be neither read nor written, one for this process
    /// alone.
    pub fn of(folder: &Path) -> Self {
        let new = random();
        Self::new(kept(folder, new).unwrap_or(new))
    }

    /// Sees to it that it is in the folder, unless there is another by now.
    pub fn keep(&self, folder: &Path) -> io::Result<()> {
        kept(folder, self.bytes).map(drop)
    }
}

fn read(folder: &Path) -> Option<[u8; 32]> {
    fs::read(folder.join(FILE)).ok()?.try_into().ok()
}

/// The secret in the folder, which is `new` if there was none. Of several who make one at once, one wins: the file
/// appears with its content.
fn kept(folder: &Path, new: [u8; 32]) -> io::Result<[u8; 32]> {
    let path = folder.join(FILE);
    if let Some(secret) = read(folder) {
        return Ok(secret);
    }
    make_private(folder)?;
    let name: [u8; 8] = random();
    let draft = folder.join(format!(".{FILE}-{}", hex::encode(name)));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&draft).and_then(|mut file| file.write_all(&new));
    // A damaged secret is replaced; a whole one that somebody else made meanwhile stays.
    let linked = written.and_then(|()| match fs::hard_link(&draft, &path) {
        Err(_) if read(folder).is_none() => fs::rename(&draft, &path),
        _ => Ok(()),
    });
    let _ = fs::remove_file(&draft);
    linked?;
    read(folder).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

pub(super) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[expect(clippy::expect_used, reason = "without randomness tokens could not be kept apart")]
    SystemRandom::new().fill(&mut bytes).expect("the system has no randomness");
    bytes
}
