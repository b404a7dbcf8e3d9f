//! placeholder until merge
use crate::error::{Result, SystemError};
use std::path::Path;
#[derive(Default)]
pub struct WriteOptions {}
pub fn write(path: &Path, content: &[u8], _options: &WriteOptions) -> Result<()> {
    std::fs::write(path, content).map_err(|e| SystemError::new(&e, "open").path(path).into())
}
