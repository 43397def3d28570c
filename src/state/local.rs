//! The state in a folder of its own: `state/<stack>/<environment>`.
//!
//! | file | what |
//! |---|---|
//! | `db/` | the database (sled): the table of contents ([`super::ledger`]) and, per revision, all objects, encrypted |
//! | `head.json` | the newest revision and the digest of the table of contents |
//! | `db.lock` | taken while the database is open |
//! | `lock`, `journal` | see [`super::Lock`] and [`super::Journal`] |
//!
//! Every record is checked by a digest that stands in the table of contents, the table by the head file (and by the
//! inventory in the cluster). sled may cut off writes that were torn, and then opens as if nothing were missing: the
//! head file tells.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use sled::{Batch, Db};

use crate::resource::{Diagnostic, Digest, PriorSet};

use super::database::{self, DatabaseError, Exclusive};
use super::key::DecryptError;
use super::ledger::{self, Data, HeadFile, Ledger, Revision};
use super::sealed::{self, Sealed};
use super::{Binding, FORMAT, Head, RevisionInfo, Snapshot, StateKey, StateStore, files};

/// So many revisions are kept with all their objects: as far back as a rollback can go.
pub const REVISIONS_KEPT: usize = 50;
/// So many are kept in the history, as one line each.
pub const HISTORY_KEPT: usize = 1000;

/// The record of the table of contents.
const LEDGER: &[u8] = b"ledger";
/// The longest record: well below sled's segments.
const CHUNK: usize = 64 * 1024;

/// A state in a folder.
#[derive(Clone, Debug)]
pub struct LocalStore {
    dir: PathBuf,
    key: StateKey,
}

/// What [`LocalStore::verify`] read, all of it sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// What the state stands at; None before the first apply.
    pub head: Option<Head>,
    /// How many revisions the history has.
    pub revisions: usize,
    /// How many of them have their objects still.
    pub with_objects: usize,
}

/// What a read finds: the table of contents with its digest.
struct Contents {
    ledger: Ledger,
    digest: Digest,
}

/// Whether there is a state.
enum Presence {
    /// No.
    Absent,
    /// A database, and what the head file says of it, if there is one.
    There(Option<Head>),
}

impl LocalStore {
    /// The state in `dir`, which need not exist. Opens nothing yet.
    pub fn open(dir: impl Into<PathBuf>, key: StateKey) -> Self {
        Self { dir: dir.into(), key }
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The key that it is encrypted with.
    pub fn key(&self) -> &StateKey {
        &self.key
    }

    /// Reads and decrypts everything there is.
    pub fn verify(&self) -> Result<Verified, Diagnostic> {
        let read = self.read(|db, contents| {
            let with_data = contents.ledger.revisions.iter().filter_map(|r| Some((r.info.number, r.data.clone()?)));
            let all: Result<Vec<_>, DatabaseError> = with_data.map(|(n, data)| Ok((n, read_data(db, n, &data)?, data))).collect();
            Ok((contents.head(), contents.ledger.revisions.len(), all?))
        })?;
        let Some((head, revisions, all)) = read else { return Ok(Verified { head: None, revisions: 0, with_objects: 0 }) };
        for (number, bytes, data) in &all {
            self.decrypt(*number, bytes, data)?;
        }
        Ok(Verified { head: Some(head), revisions, with_objects: all.len() })
    }

    /// Moves state and journal, whatever condition they are in, into a folder `damaged-<time>` beside them, for a new
    /// state to begin. Nothing is deleted. None if there was nothing.
    pub fn set_aside(&self, now: Timestamp) -> Result<Option<PathBuf>, Diagnostic> {
        const PARTS: [&str; 3] = [database::FOLDER, ledger::HEAD, super::journal::FILE];
        if !PARTS.iter().any(|part| self.dir.join(part).exists()) {
            return Ok(None);
        }
        let _exclusive = Exclusive::wait(&self.dir)?;
        let mut aside = self.dir.join(format!("damaged-{}", now.strftime("%Y%m%dT%H%M%SZ")));
        let mut more = 1;
        while aside.exists() {
            more += 1;
            aside = self.dir.join(format!("damaged-{}-{more}", now.strftime("%Y%m%dT%H%M%SZ")));
        }
        files::create_dir(&aside)
            .and_then(|()| PARTS.iter().try_for_each(|part| files::move_into(&self.dir, part, &aside)))
            .and_then(|()| files::sync_dir(&aside))
            .and_then(|()| files::sync_dir(&self.dir))
            .map_err(|error| Diagnostic::error("state::io", format!("{} can't be put aside: {error}", self.dir.display())))?;
        Ok(Some(aside))
    }

    /// Runs `work` on the table of contents; None before the first apply. Writes nothing where there is no state.
    fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Db, &Contents) -> Result<T, DatabaseError> + Send + 'static,
    ) -> Result<Option<T>, Diagnostic> {
        if matches!(self.presence()?, Presence::Absent) {
            return Ok(None);
        }
        let exclusive = Exclusive::wait(&self.dir)?;
        // Once more, now that nobody else writes.
        let Presence::There(head) = self.presence()? else { return Ok(None) };
        exclusive.with(move |db| read_contents(db, head.as_ref())?.map(|contents| work(db, &contents)).transpose())
    }

    fn presence(&self) -> Result<Presence, Diagnostic> {
        match (HeadFile::read(&self.dir)?, database::exists(&self.dir)) {
            (None, false) => Ok(Presence::Absent),
            (head, true) => Ok(Presence::There(head)),
            (Some(head), false) => Err(ledger::corrupt(&self.dir, &format!("its database, last at revision {}, is gone", head.revision))),
        }
    }

    fn decrypt(&self, number: u64, bytes: &[u8], data: &Data) -> Result<PriorSet, Diagnostic> {
        sealed::open(&self.key, bytes, number).map_err(|error| match error {
            DecryptError::NoKey(diagnostic) => diagnostic,
            DecryptError::OtherKey => self.key.is_another(&self.dir, Some(&data.recipient)),
            DecryptError::Damaged => ledger::corrupt(&self.dir, &format!("revision {number} can't be decrypted")),
        })
    }
}

impl StateStore for LocalStore {
    fn load(&self) -> Result<Snapshot, Diagnostic> {
        let read = self.read(|db, contents| {
            let Some(Revision { info, data: Some(data) }) = contents.ledger.revisions.last() else {
                return Err(DatabaseError::Damaged("its newest revision has no objects".to_owned()));
            };
            Ok((contents.ledger.binding.clone(), info.number, read_data(db, info.number, data)?, data.clone()))
        })?;
        let Some((binding, number, bytes, data)) = read else { return Ok(Snapshot::default()) };
        Ok(Snapshot { binding: Some(binding), prior: self.decrypt(number, &bytes, &data)? })
    }

    fn commit(&self, binding: &Binding, expected: u64, info: RevisionInfo, prior: &PriorSet) -> Result<(), Diagnostic> {
        let sealed = sealed::seal(&self.key, prior)?;
        let recipient = self.key.recipient().unwrap_or_default();
        files::create_dir(&self.dir)
            .map_err(|error| Diagnostic::error("state::write", format!("{} can't be made: {error}", self.dir.display())))?;
        let exclusive = Exclusive::wait(&self.dir)?;
        let head_file = match self.presence()? {
            Presence::There(head) => head,
            Presence::Absent => None,
        };
        let (dir, binding) = (self.dir.clone(), binding.clone());
        let head = exclusive.with(move |db| {
            let current = read_contents(db, head_file.as_ref())?;
            if let Some(current) = &current {
                // A crash came between database and head file; the head file must not fall two behind.
                if head_file.as_ref() != Some(&current.head()) {
                    HeadFile::write(&dir, &current.head())?;
                }
                if current.is_already(expected, &info, &sealed) {
                    return Ok(current.head());
                }
            }
            let (batch, head) = next(current, binding, expected, info, sealed, recipient)?;
            db.apply_batch(batch)?;
            db.flush()?;
            Ok(head)
        })?;
        exclusive.persist()?;
        HeadFile::write(&self.dir, &head)
    }

    fn head(&self) -> Result<Option<Head>, Diagnostic> {
        self.read(|_, contents| Ok(contents.head()))
    }

    fn history(&self) -> Result<Vec<RevisionInfo>, Diagnostic> {
        let read = self.read(|_, contents| Ok(contents.ledger.revisions.iter().rev().map(|r| r.info.clone()).collect()))?;
        Ok(read.unwrap_or_default())
    }

    fn revision(&self, number: u64) -> Result<PriorSet, Diagnostic> {
        let read = self.read(move |db, contents| {
            let revisions = &contents.ledger.revisions;
            let found = revisions.iter().find(|r| r.info.number == number);
            match found.map(|r| &r.data) {
                Some(Some(data)) => Ok((read_data(db, number, data)?, data.clone())),
                Some(None) => Err(gone(number, revisions).into()),
                None => Err(unknown(number, revisions).into()),
            }
        })?;
        let (bytes, data) = read.ok_or_else(|| unknown(number, &[]))?;
        self.decrypt(number, &bytes, &data)
    }
}

impl Contents {
    fn head(&self) -> Head {
        Head { revision: self.ledger.revision(), digest: self.digest.clone() }
    }

    /// Whether the newest revision is just what is to be committed: a run that died right after its commit does it again.
    fn is_already(&self, expected: u64, info: &RevisionInfo, sealed: &Sealed) -> bool {
        let Some(newest) = self.ledger.revisions.last() else { return false };
        newest.info.number == info.number
            && Some(newest.info.number) == expected.checked_add(1)
            && newest.info.operation == info.operation
            && newest.data.as_ref().is_some_and(|data| data.content == sealed.content)
    }
}

/// The table of contents, checked against the head file. None if nothing was ever committed.
fn read_contents(db: &Db, head: Option<&Head>) -> Result<Option<Contents>, DatabaseError> {
    let damaged = |what: String| Err(DatabaseError::Damaged(what));
    let Some(record) = db.get(LEDGER)? else {
        return match head {
            Some(head) => damaged(format!("revision {}, the newest, is missing from its database", head.revision)),
            None if db.is_empty() => Ok(None),
            None => damaged("its table of contents is missing".to_owned()),
        };
    };
    let digest = Digest::of_bytes(&record);
    let ledger: Option<Ledger> = serde_json::from_slice(&record).ok();
    let agrees = |head: &Head, ledger: &Ledger| head.digest == digest || ledger.previous.as_ref() == Some(&head.digest);
    match (head, ledger) {
        (Some(head), Some(ledger)) if agrees(head, &ledger) => Ok(Some(Contents { ledger, digest })),
        // A crash at the very first commit.
        (None, Some(ledger)) if ledger.previous.is_none() && ledger.revisions.len() == 1 => Ok(Some(Contents { ledger, digest })),
        (None, _) => damaged("its head file is missing".to_owned()),
        (Some(head), Some(ledger)) if ledger.revision() != head.revision => {
            damaged(format!("its database stands at revision {}, but its head file at {}", ledger.revision(), head.revision))
        }
        _ => damaged("its table of contents doesn't match its head file".to_owned()),
    }
}

/// The batch that adds a revision, and the head after it.
fn next(
    current: Option<Contents>,
    binding: Binding,
    expected: u64,
    info: RevisionInfo,
    sealed: Sealed,
    recipient: String,
) -> Result<(Batch, Head), Diagnostic> {
    let (previous, mut revisions) = current.map_or((None, Vec::new()), |c| (Some(c.digest), c.ledger.revisions));
    let at = revisions.last().map_or(0, |r| r.info.number);
    if at != expected {
        return Err(Diagnostic::error("state::moved_on", format!("the state is at revision {at}; this run started from {expected}"))
            .help("somebody else applied meanwhile; plan again"));
    }
    // The first one may have any number: a state that was recovered goes on with the one that was lost.
    let follows = if revisions.is_empty() { info.number > 0 } else { Some(info.number) == at.checked_add(1) };
    if !follows {
        return Err(Diagnostic::error("state::write", format!("revision {} doesn't follow revision {at}", info.number)));
    }
    let number = info.number;
    let mut batch = Batch::default();
    let mut chunks = 0;
    for chunk in sealed.bytes.chunks(CHUNK) {
        batch.insert(data_key(number, chunks), chunk);
        chunks += 1;
    }
    let data = Data { chunks, digest: Digest::of_bytes(&sealed.bytes), content: sealed.content, recipient };
    revisions.push(Revision { info, data: Some(data) });
    let too_old = revisions.len().saturating_sub(REVISIONS_KEPT);
    for revision in &mut revisions[..too_old] {
        let chunks = revision.data.take().map_or(0, |data| data.chunks);
        (0..chunks).for_each(|chunk| batch.remove(data_key(revision.info.number, chunk)));
    }
    revisions.drain(..revisions.len().saturating_sub(HISTORY_KEPT));
    let ledger = Ledger { format: FORMAT, binding, previous, revisions };
    let (json, digest) = ledger.encode()?;
    batch.insert(LEDGER, json);
    Ok((batch, Head { revision: number, digest }))
}

/// A revision's encrypted objects, checked.
fn read_data(db: &Db, number: u64, data: &Data) -> Result<Vec<u8>, DatabaseError> {
    let missing = || DatabaseError::Damaged(format!("a part of revision {number} is missing"));
    let mut bytes = Vec::new();
    for chunk in 0..data.chunks {
        bytes.extend_from_slice(&db.get(data_key(number, chunk))?.ok_or_else(missing)?);
    }
    if Digest::of_bytes(&bytes) != data.digest {
        return Err(DatabaseError::Damaged(format!("revision {number} doesn't match its checksum")));
    }
    Ok(bytes)
}

fn data_key(number: u64, chunk: u32) -> Vec<u8> {
    format!("data/{number:020}/{chunk:06}").into_bytes()
}

fn unknown(number: u64, revisions: &[Revision]) -> Diagnostic {
    let there = match (revisions.first(), revisions.last()) {
        (Some(first), Some(last)) => format!("there are {} to {}", first.info.number, last.info.number),
        _ => "there is none yet".to_owned(),
    };
    Diagnostic::error("state::no_revision", format!("there is no revision {number}: {there}")).help("`spai history` lists them")
}

fn gone(number: u64, revisions: &[Revision]) -> Diagnostic {
    let oldest = revisions.iter().find(|r| r.data.is_some()).map_or(0, |r| r.info.number);
    Diagnostic::error("state::no_revision", format!("the objects of revision {number} are no longer kept: only those from {oldest} on are"))
        .help(format!("the last {REVISIONS_KEPT} revisions are kept whole"))
}

#[cfg(test)]
#[path = "local_tests.rs"]
mod tests;
