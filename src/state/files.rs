//! Durable small files: written whole or not at all, and still there after a power cut.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use crate::cluster::open_private;

/// Makes `dir` and what is missing above it, durably.
pub(super) fn create_dir(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let mut missing: Vec<&Path> = dir.ancestors().take_while(|d| !d.as_os_str().is_empty() && !d.is_dir()).collect();
    fs::create_dir_all(dir)?;
    while let Some(made) = missing.pop() {
        sync_dir(made.parent().unwrap_or(made))?;
    }
    Ok(())
}

/// Makes renames and new names in `dir` durable.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    File::open(dir)?.sync_all()
}

/// Replaces `path` by a file of `bytes`: readers see the old one or the new one, whole.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = open_private(OpenOptions::new().write(true).create(true).truncate(true), &fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&fresh, path)?;
    sync_dir(path.parent().unwrap_or(path))
}

/// Reads a whole file; None if it isn't there.
pub(super) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Moves `dir/name` to `aside/name`; nothing happens if it isn't there.
pub(super) fn move_into(dir: &Path, name: &str, aside: &Path) -> io::Result<()> {
    match fs::rename(dir.join(name), aside.join(name)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
