//! The folder with a cluster's data, held by one process at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

/// The folder, held for as long as the value lives.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Unlocked by the kernel when the process ends, however it ends.
    _lock: File,
}

/// Why the data can't be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open; what it says of itself.
    #[error("another process has the embedded cluster open{by}")]
    Held {
        /// ` (pid 123)`, or nothing.
        by: String,
    },
    /// It can't be read or written.
    #[error("{what}: {error}")]
    Io {
        /// What was tried.
        what: String,
        /// Why not.
        error: std::io::Error,
    },
    /// What is there wasn't written by this version, or by another program.
    #[error("{0}")]
    Foreign(String),
}

impl OpenError {
    pub(super) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |error| Self::Io { what, error }
    }
}

impl Folder {
    /// Makes the folder if it isn't there, and takes it.
    ///
    /// # Errors
    /// [`OpenError::Held`] if another process has it; or it can't be made.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        std::fs::create_dir_all(path).map_err(OpenError::io(format!("the folder {} can't be made", path.display())))?;
        let file = path.join("lock");
        let mut lock = OpenOptions::new()
            .create(true)
            .read(true)
            .write(true)
            .truncate(false)
            .open(&file)
            .map_err(OpenError::io(format!("{} can't be opened", file.display())))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut by = String::new();
                // Who holds it is a courtesy: that it is held is certain.
                let _ = lock.read_to_string(&mut by);
                let by = by.trim();
                return Err(OpenError::Held { by: if by.is_empty() { String::new() } else { format!(" ({by})") } });
            }
            Err(TryLockError::Error(error)) => return Err(OpenError::Io { what: format!("{} can't be locked", file.display()), error }),
        }
        let told = lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| writeln!(lock, "process {}", std::process::id()));
        told.map_err(OpenError::io(format!("{} can't be written", file.display())))?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Takes the objects away.
    ///
    /// # Errors
    /// The file can't be removed.
    pub fn empty(self) -> Result<(), OpenError> {
        match std::fs::remove_file(self.objects()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(OpenError::Io { what: format!("{} can't be removed", self.objects().display()), error })
            }
            _ => Ok(()),
        }
    }

    /// The file with the objects.
    pub(super) fn objects(&self) -> PathBuf {
        self.path.join("objects")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_held_once() {
        let folder = tempfile::tempdir().unwrap();
        let first = Folder::open(folder.path()).unwrap();
        let second = Folder::open(folder.path()).unwrap_err();
        assert!(second.to_string().contains(&format!("process {}", std::process::id())), "{second}");
        drop(first);
        Folder::open(folder.path()).unwrap();
    }
}
