//! The database under a state, open only while a function runs.
//!
//! sled excludes other processes while it is open, panics in places on damaged files, and may wait for ever on a thread of
//! its own that panicked. Here all of that becomes an error: one user at a time by a lock with a short wait, a thread of
//! its own whose panics are caught and say nothing, and a deadline.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::resource::Diagnostic;

use super::files;
use super::ledger::corrupt;

/// The database within the state's folder.
pub(super) const FOLDER: &str = "db";
/// Taken while the database is open; says by whom.
const GUARD: &str = "db.lock";
/// Made and removed to see whether there is room.
const RESERVE: &str = "db.room";
/// What the database may take for a few small records: whole segments, a snapshot.
const ROOM: usize = 4 << 20;

/// How long to wait for another process: it has the database open for the blink of an eye.
const PATIENCE: Duration = Duration::from_secs(5);
const RETRY_AFTER: Duration = Duration::from_millis(10);
/// How long a sound database may take.
const DEADLINE: Duration = Duration::from_secs(30);
/// The name of the threads that databases are used in.
const THREAD: &str = "spai-state";

/// What can go wrong inside.
pub(super) enum DatabaseError {
    /// The files aren't what was written.
    Damaged(String),
    /// Reading or writing failed.
    Io(io::Error),
}

impl From<sled::Error> for DatabaseError {
    fn from(error: sled::Error) -> Self {
        match error {
            sled::Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => Self::Damaged("a file ends too early".to_owned()),
            sled::Error::Io(error) => Self::Io(error),
            sled::Error::Corruption { .. } => Self::Damaged("a page doesn't match its checksum".to_owned()),
            sled::Error::Unsupported(_) | sled::Error::CollectionNotFound(_) | sled::Error::ReportableBug(_) => {
                Self::Damaged("its files don't fit together".to_owned())
            }
        }
    }
}

/// Keeps other processes (and threads) from the database until it is dropped.
pub(super) struct Exclusive {
    dir: PathBuf,
    guard: File,
}

impl Exclusive {
    /// Waits a moment for another one who has it.
    ///
    /// # Errors
    /// `state::busy`, with the process that has it.
    pub(super) fn wait(dir: &Path) -> Result<Self, Diagnostic> {
        Self::wait_for(dir, PATIENCE)
    }

    fn wait_for(dir: &Path, patience: Duration) -> Result<Self, Diagnostic> {
        let path = dir.join(GUARD);
        let failed =
            |error: io::Error| Diagnostic::error("state::open", format!("the state in {} can't be opened: {error}", dir.display()));
        let mut guard = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
        let began = Instant::now();
        loop {
            match guard.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if began.elapsed() < patience => thread::sleep(RETRY_AFTER),
                Err(TryLockError::WouldBlock) => return Err(busy(dir, &mut guard)),
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
        // Only to be named in another one's error: if it can't be written, so be it.
        let _ = guard.set_len(0).and_then(|()| guard.rewind()).and_then(|()| write!(guard, "{}", std::process::id()));
        Ok(Self { dir: dir.to_path_buf(), guard })
    }

    /// Runs `work` on the database, which is made if it isn't there.
    pub(super) fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&sled::Db) -> Result<T, DatabaseError> + Send + 'static,
    ) -> Result<T, Diagnostic> {
        let path = self.dir.join(FOLDER);
        let (answer, result) = mpsc::channel();
        let quiet = Quiet::begin();
        let spawned = thread::Builder::new().name(THREAD.to_owned()).spawn(move || {
            let outcome = panic::catch_unwind(AssertUnwindSafe(|| {
                let database = open(&path)?;
                let done = work(&database);
                drop(database);
                done
            }));
            // Nobody listens any more after the deadline.
            let _ = answer.send(outcome);
        });
        let thread = spawned.map_err(|error| Diagnostic::error("state::open", format!("no thread for the state: {error}")))?;
        let received = result.recv_timeout(DEADLINE);
        if received.is_ok() {
            let _ = thread.join();
        }
        drop(quiet);
        let error = match received {
            Ok(Ok(Ok(value))) => return Ok(value),
            Ok(Ok(Err(error))) => error,
            Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => DatabaseError::Damaged("reading its database failed".to_owned()),
            Err(RecvTimeoutError::Timeout) => DatabaseError::Damaged("reading its database came to no end".to_owned()),
        };
        Err(match error {
            DatabaseError::Damaged(what) => corrupt(&self.dir, &what),
            DatabaseError::Io(error) => failed(&self.dir, &error),
        })
    }

    /// Sees that there is room: without, sled waits for ever on its own failed write.
    pub(super) fn reserve(&self) -> Result<(), Diagnostic> {
        let path = self.dir.join(RESERVE);
        let reserved = fill(&path, ROOM);
        let removed = fs::remove_file(&path);
        reserved.and(removed).map_err(|error| failed(&self.dir, &error))
    }

    /// Makes what was written durable. sled's own flush asks the kernel to write, but not the disk to keep it.
    pub(super) fn persist(&self) -> Result<(), Diagnostic> {
        let path = self.dir.join(FOLDER);
        sync_all(&path).and_then(|()| files::sync_dir(&self.dir)).map_err(|error| failed(&self.dir, &error))
    }
}

fn fill(path: &Path, bytes: usize) -> io::Result<()> {
    let mut file = File::create(path)?;
    let block = vec![0x5a_u8; 64 * 1024];
    for _ in 0..bytes.div_ceil(block.len()) {
        file.write_all(&block)?;
    }
    file.sync_data()
}

/// Syncs all files below a folder, and the folder.
fn sync_all(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            sync_all(&path)?;
        } else {
            File::open(&path)?.sync_all()?;
        }
    }
    files::sync_dir(folder)
}

fn failed(dir: &Path, error: &io::Error) -> Diagnostic {
    Diagnostic::error("state::io", format!("the state in {} can't be read or written: {error}", dir.display()))
        .help("nothing was changed; see that there is room on the disk and that the folder is yours")
}

impl Drop for Exclusive {
    fn drop(&mut self) {
        let _ = self.guard.set_len(0);
    }
}

/// Opens the database, waiting for the end of one that was just closed (its lock goes with its last thread).
fn open(path: &Path) -> Result<sled::Db, DatabaseError> {
    let config = sled::Config::new().path(path).cache_capacity(32 << 20).flush_every_ms(None);
    let began = Instant::now();
    loop {
        match config.open() {
            Err(sled::Error::Io(error)) if error.to_string().starts_with("could not acquire lock") => {
                if began.elapsed() > PATIENCE {
                    return Err(DatabaseError::Io(error));
                }
                thread::sleep(RETRY_AFTER);
            }
            other => return Ok(other?),
        }
    }
}

fn busy(dir: &Path, guard: &mut File) -> Diagnostic {
    let mut pid = String::new();
    let _ = guard.rewind().and_then(|()| guard.read_to_string(&mut pid));
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let command: Vec<_> = command.split(|b| *b == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let command = command.join(" ");
    let who = match (pid.trim(), command.trim()) {
        ("", _) => "another process".to_owned(),
        (pid, "") => format!("process {pid}"),
        (pid, command) => format!("process {pid} ({command})"),
    };
    Diagnostic::error("state::busy", format!("the state in {} is in use by {who}", dir.display()))
        .help("it is used only for moments: try again; if that process hangs, end it")
}

/// While one lives, panics of sled print nothing: they are caught, and become errors.
struct Quiet;

static QUIET: AtomicUsize = AtomicUsize::new(0);

impl Quiet {
    fn begin() -> Self {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let previous = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                let thread = thread::current();
                let ours = thread.name().is_some_and(|name| name == THREAD || name.starts_with("sled-"));
                if QUIET.load(Ordering::SeqCst) == 0 || !ours {
                    previous(info);
                }
            }));
        });
        QUIET.fetch_add(1, Ordering::SeqCst);
        Self
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        QUIET.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Whether a database is there at all.
pub(super) fn exists(dir: &Path) -> bool {
    dir.join(FOLDER).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_it_open_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let first = Exclusive::wait(dir.path()).unwrap();
        let Err(error) = Exclusive::wait_for(dir.path(), Duration::ZERO) else { panic!("two have it") };
        assert_eq!(error.code, "state::busy");
        assert!(error.message.contains(&format!("process {}", std::process::id())), "{error}");
        drop(first);
        assert!(Exclusive::wait_for(dir.path(), Duration::ZERO).is_ok());
    }

    #[test]
    fn a_panic_inside_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let exclusive = Exclusive::wait(dir.path()).unwrap();
        let error = exclusive.with(|_| -> Result<(), DatabaseError> { panic!("of sled's") }).unwrap_err();
        assert_eq!(error.code, "state::corrupt");
        exclusive.with(|_| Ok(())).unwrap();
    }
}
