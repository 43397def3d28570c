//! One writer per stack and environment: a lock file beside the store.
//!
//! The file says who holds it; the kernel's lock on it (released when a process ends, however it ends) tells whether
//! that process lives. The file stays when the lock is released, empty, so there is no race about its name.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::resource::Diagnostic;

use super::{Holder, files};

/// The lock file within the state's folder.
const FILE: &str = "lock";

/// How often, and how long apart, a lock is looked at that is just being taken or released.
const RETRIES: u32 = 20;
const RETRY_AFTER: Duration = Duration::from_millis(10);

/// The lock of one stack in one environment.
#[derive(Debug)]
pub struct Lock;

/// Why the lock couldn't be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else has it: exit code 5.
    #[error("held by {0}")]
    Held(Box<Holder>),
    /// The lock file can't be read or written.
    #[error(transparent)]
    Io(#[from] Diagnostic),
}

impl From<LockError> for Diagnostic {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Held(holder) => Self::error("state::locked", format!("another run holds the lock: {holder}"))
                .help("wait until it is over; if you are certain that it is dead, `spai lock break`"),
            LockError::Io(diagnostic) => diagnostic,
        }
    }
}

/// The lock, held; released when dropped.
#[derive(Debug)]
pub struct LockGuard {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Takes the lock of the state in `dir`, which is made if need be. Never waits for another run.
    ///
    /// A holder on this host whose process is over (killed, or from before a reboot) is no hindrance; one on another host
    /// can't be judged from here, and stays until it is broken.
    ///
    /// # Errors
    /// [`LockError::Held`] if another run has it.
    pub fn acquire(dir: &Path, holder: &Holder) -> Result<LockGuard, LockError> {
        let path = dir.join(FILE);
        files::create_dir(dir).map_err(|error| problem(&path, &error))?;
        for attempt in 0..RETRIES {
            if attempt > 0 {
                thread::sleep(RETRY_AFTER);
            }
            match Self::try_acquire(&path, holder).map_err(|error| problem(&path, &error))? {
                Attempt::Taken(guard) => return Ok(guard),
                Attempt::Held(other) => return Err(LockError::Held(other)),
                Attempt::Again => {}
            }
        }
        Err(LockError::Io(
            Diagnostic::error("state::lock", format!("{} is locked by a process that doesn't say who it is", path.display()))
                .help("find it with `fuser` or `lsof`; `spai lock break` takes the lock away from it"),
        ))
    }

    fn try_acquire(path: &Path, holder: &Holder) -> io::Result<Attempt> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Ok(read_holder(&mut file)?.map_or(Attempt::Again, |h| Attempt::Held(Box::new(h))));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        if !is_at(&file, path) {
            // It was broken between opening and locking.
            return Ok(Attempt::Again);
        }
        if let Some(other) = read_holder(&mut file)?
            && !other.is_dead(holder)
        {
            return Ok(Attempt::Held(Box::new(other)));
        }
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(&serde_json::to_vec(holder)?)?;
        file.sync_all()?;
        Ok(Attempt::Taken(LockGuard { file, path: path.to_path_buf() }))
    }

    /// Who holds the lock of the state in `dir`, or held it last and died. None if it is free.
    pub fn holder(dir: &Path) -> Result<Option<Holder>, Diagnostic> {
        let path = dir.join(FILE);
        match File::open(&path) {
            Ok(mut file) => read_holder(&mut file).map_err(|error| problem(&path, &error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(problem(&path, &error)),
        }
    }

    /// Takes the lock away from whoever holds it, and says who that was. Their run notices before its next step
    /// ([`LockGuard::is_held`]).
    pub fn break_(dir: &Path) -> Result<Option<Holder>, Diagnostic> {
        let holder = Self::holder(dir)?;
        let path = dir.join(FILE);
        match fs::remove_file(&path) {
            Ok(()) => files::sync_dir(dir).map_err(|error| problem(&path, &error))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(problem(&path, &error)),
        }
        Ok(holder)
    }
}

enum Attempt {
    Taken(LockGuard),
    Held(Box<Holder>),
    /// Somebody is just taking, releasing or breaking it.
    Again,
}

impl LockGuard {
    /// Whether the lock is still ours: false once somebody broke it. To be asked before each step that writes.
    pub fn is_held(&self) -> bool {
        is_at(&self.file, &self.path)
    }
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        // If it fails, the next run sees a holder whose process is over.
        let _ = self.file.set_len(0);
    }
}

/// None for an empty file and for one that is just being written.
fn read_holder(file: &mut File) -> io::Result<Option<Holder>> {
    let mut text = Vec::new();
    file.rewind()?;
    file.take(64 * 1024).read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text).ok())
}

/// Whether `path` still names the open file.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

/// Elsewhere an open file can't be removed.
#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}

fn problem(path: &Path, error: &io::Error) -> Diagnostic {
    Diagnostic::error("state::lock", format!("the lock file {} can't be used: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(command: &str) -> Holder {
        Holder::this_process("ana", "laptop", command, "2026-11-24T02:30:33Z".parse().unwrap())
    }

    fn held(result: Result<LockGuard, LockError>) -> Holder {
        match result {
            Err(LockError::Held(holder)) => *holder,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_second_run_is_told_who_holds_it_and_may_go_on_when_it_is_released() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("stack/environment");
        assert_eq!(Lock::holder(&dir).unwrap(), None);
        let guard = Lock::acquire(&dir, &holder("one")).unwrap();
        assert!(guard.is_held());
        assert_eq!(held(Lock::acquire(&dir, &holder("two"))), holder("one"));
        assert_eq!(Lock::holder(&dir).unwrap(), Some(holder("one")));
        drop(guard);
        assert_eq!(Lock::holder(&dir).unwrap(), None);
        Lock::acquire(&dir, &holder("two")).unwrap();
    }

    #[test]
    fn of_many_at_once_exactly_one_wins() {
        let dir = tempfile::tempdir().unwrap();
        let results: Vec<_> = thread::scope(|scope| {
            let runs: Vec<_> = (0..8)
                .map(|i| {
                    scope.spawn({
                        let dir = dir.path();
                        move || Lock::acquire(dir, &holder(&i.to_string()))
                    })
                })
                .collect();
            runs.into_iter().map(|run| run.join().unwrap()).collect()
        });
        assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 1);
        assert!(results.iter().all(|r| matches!(r, Ok(_) | Err(LockError::Held(_)))));
    }

    #[test]
    fn a_dead_holder_on_this_host_is_no_hindrance_one_elsewhere_is() {
        let dir = tempfile::tempdir().unwrap();
        let write = |h: &Holder| fs::write(dir.path().join(FILE), serde_json::to_vec(h).unwrap()).unwrap();
        write(&Holder { pid_started: Some(1), ..holder("killed") });
        Lock::acquire(dir.path(), &holder("next")).unwrap();
        write(&Holder { boot_id: "before the reboot".into(), ..holder("lost power") });
        Lock::acquire(dir.path(), &holder("next")).unwrap();
        let elsewhere = Holder { host: "elsewhere".into(), ..holder("other") };
        write(&elsewhere);
        assert_eq!(held(Lock::acquire(dir.path(), &holder("next"))), elsewhere);
        assert_eq!(Lock::break_(dir.path()).unwrap(), Some(elsewhere));
        Lock::acquire(dir.path(), &holder("next")).unwrap();
    }

    #[test]
    fn a_broken_lock_is_noticed_and_its_release_leaves_the_new_one_alone() {
        let dir = tempfile::tempdir().unwrap();
        let old = Lock::acquire(dir.path(), &holder("old")).unwrap();
        Lock::break_(dir.path()).unwrap();
        assert!(!old.is_held());
        let new = Lock::acquire(dir.path(), &holder("new")).unwrap();
        drop(old);
        assert!(new.is_held());
        assert_eq!(held(Lock::acquire(dir.path(), &holder("third"))), holder("new"));
    }

    #[test]
    fn a_lock_file_that_is_torn_or_foreign_is_free() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), b"{\"who\":\"an").unwrap();
        Lock::acquire(dir.path(), &holder("next")).unwrap();
    }
}
