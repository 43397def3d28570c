//! The state in a folder of its own: `state/<stack>/<environment>`.
//!
//! | file | what |
//! |---|---|
//! | `db/` | the database (sled): a record for each revision ([`super::ledger`]) |
//! | `objects/41` | all objects of revision 41, encrypted, and apart from them which they are: files of their own, for sled never gives back the room of large values |
//! | `head.json` | the newest revision, its record and the digest of that |
//! | `db.lock` | taken while the state is read or written |
//! | `lock`, `journal` | see [`super::Lock`] and [`super::Journal`] |
//!
//! The files with objects are checked by digests in the records, each record by a digest in the next one, the newest by the
//! head file (and by the inventory in the cluster). sled may cut off writes that were torn, and then opens as if nothing
//! were missing: the head file tells.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::resource::{Diagnostic, Digest, PriorSet, Recall};

use super::database::{self, Exclusive};
use super::key::DecryptError;
use super::ledger::{self, HeadFile, Ledger, Record};
use super::sealed::{self, Objects, Sealed};
use super::{Binding, FORMAT, Head, Outline, RevisionInfo, Snapshot, StateKey, StateStore, files};

/// So many revisions are kept with all their objects: as far back as a rollback can go.
pub const REVISIONS_KEPT: usize = 50;
/// So many are kept in the history, as one line each.
pub const HISTORY_KEPT: usize = 500;

/// The folder of the files with objects.
const OBJECTS: &str = "objects";
/// What the keys of records begin with.
const RECORDS: &[u8] = b"revision/";

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

/// Whether there is a state.
enum Presence {
    /// No.
    Absent,
    /// A database, and its head file, if there is one.
    There(Option<HeadFile>),
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
        let Some((exclusive, ledger)) = self.read()? else { return Ok(Verified { head: None, revisions: 0, with_objects: 0 }) };
        let kept = kept(&ledger.records);
        let sealed: Result<Vec<_>, _> = kept.iter().map(|record| self.sealed(record)).collect();
        drop(exclusive);
        for (record, sealed) in kept.iter().zip(sealed?) {
            self.decrypt(record, &sealed)?;
        }
        Ok(Verified { head: Some(ledger.head()), revisions: ledger.records.len(), with_objects: kept.len() })
    }

    /// Moves state and journal, whatever condition they are in, into a folder `damaged-<time>` beside them, for a new
    /// state to begin. Nothing is deleted. None if there was nothing.
    pub fn set_aside(&self, now: Timestamp) -> Result<Option<PathBuf>, Diagnostic> {
        const PARTS: [&str; 4] = [database::FOLDER, OBJECTS, ledger::HEAD, super::journal::FILE];
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

    /// The records, checked, and the right to read on while nobody else writes. None before the first apply; then
    /// nothing is written either.
    fn read(&self) -> Result<Option<(Exclusive, Ledger)>, Diagnostic> {
        if matches!(self.presence()?, Presence::Absent) {
            return Ok(None);
        }
        let exclusive = Exclusive::wait(&self.dir)?;
        // Once more, now that nobody else writes.
        let Presence::There(head) = self.presence()? else { return Ok(None) };
        Ok(self.ledger(&exclusive, head.map(|head| head.head()).as_ref())?.map(|ledger| (exclusive, ledger)))
    }

    /// What it stands at, and the record of that. The head file tells, and nobody need wait for the database; it is behind
    /// where a run died between writing the one and the other, but that run had written its objects before.
    fn newest(&self) -> Result<Option<(Head, Record)>, Diagnostic> {
        let file = match self.presence()? {
            Presence::Absent => return Ok(None),
            Presence::There(file) => file,
        };
        if let Some((head, record)) = file.and_then(|file| Some((file.head(), file.record()?)))
            && !self.object_file(head.revision.saturating_add(1)).exists()
        {
            return Ok(Some((head, record)));
        }
        Ok(self.read()?.map(|(_, ledger)| (ledger.head(), ledger.newest().clone())))
    }

    fn presence(&self) -> Result<Presence, Diagnostic> {
        match (HeadFile::read(&self.dir)?, database::exists(&self.dir)) {
            (None, false) if fs::read_dir(self.dir.join(OBJECTS)).is_ok_and(|mut entries| entries.next().is_some()) => {
                Err(ledger::corrupt(&self.dir, "its database and its head file are gone"))
            }
            (None, false) => Ok(Presence::Absent),
            (head, true) => Ok(Presence::There(head)),
            (Some(head), false) => {
                Err(ledger::corrupt(&self.dir, &format!("its database, last at revision {}, is gone", head.head().revision)))
            }
        }
    }

    fn ledger(&self, exclusive: &Exclusive, head: Option<&Head>) -> Result<Option<Ledger>, Diagnostic> {
        let stored = exclusive.with(|db| {
            let records = db.scan_prefix(RECORDS).values().map(|value| Ok(value?.to_vec()));
            records.collect::<Result<Vec<Vec<u8>>, _>>()
        })?;
        Ledger::read(&self.dir, &stored, head)
    }

    fn object_file(&self, number: u64) -> PathBuf {
        self.dir.join(OBJECTS).join(number.to_string())
    }

    /// A revision's objects, encrypted, as they were written.
    fn sealed(&self, record: &Record) -> Result<Vec<u8>, Diagnostic> {
        let number = record.info.number;
        let path = self.object_file(number);
        match files::read(&path) {
            Ok(Some(bytes)) if Digest::of_bytes(&bytes) == record.sealed => Ok(bytes),
            Ok(Some(_)) => Err(ledger::corrupt(&self.dir, &format!("the objects of revision {number} don't match their checksum"))),
            Ok(None) => Err(ledger::corrupt(&self.dir, &format!("the objects of revision {number} are gone"))),
            Err(error) => Err(Diagnostic::error("state::io", format!("{} can't be read: {error}", path.display()))),
        }
    }

    /// A revision's record and its objects, if they are still kept.
    fn sealed_revision(&self, number: u64) -> Result<(Record, Vec<u8>), Diagnostic> {
        if let Some((_, newest)) = self.newest()?.filter(|(head, _)| head.revision == number) {
            let sealed = self.sealed(&newest)?;
            return Ok((newest, sealed));
        }
        let Some((_exclusive, ledger)) = self.read()? else { return Err(unknown(number, &[])) };
        let records = &ledger.records;
        let Some(record) = records.iter().find(|record| record.info.number == number) else { return Err(unknown(number, records)) };
        let oldest = kept(records).first().map_or(0, |record| record.info.number);
        if number < oldest {
            return Err(Diagnostic::error(
                "state::no_revision",
                format!("the objects of revision {number} are no longer kept: only those from {oldest} on are"),
            )
            .help(format!("the last {REVISIONS_KEPT} revisions are kept whole")));
        }
        Ok((record.clone(), self.sealed(record)?))
    }

    fn decrypt(&self, record: &Record, sealed: &[u8]) -> Result<PriorSet, Diagnostic> {
        let keys = sealed::keys(&self.key, record.format, sealed);
        let objects = keys.and_then(|keys| Objects::open(&self.key, record.format, sealed, keys)?.all());
        let objects = objects.map_err(|error| self.undecrypted(record, error))?;
        Ok(PriorSet { revision: record.info.number, objects })
    }

    fn undecrypted(&self, record: &Record, error: DecryptError) -> Diagnostic {
        match error {
            DecryptError::NoKey(diagnostic) => diagnostic,
            DecryptError::OtherKey => self.key.is_another(&self.dir, Some(&record.recipient)),
            DecryptError::Damaged => {
                ledger::corrupt(&self.dir, &format!("the objects of revision {} can't be decrypted", record.info.number))
            }
        }
    }

    fn write_failed(&self, error: &io::Error) -> Diagnostic {
        Diagnostic::error("state::io", format!("the state in {} can't be written: {error}", self.dir.display()))
            .help("nothing was changed; see that there is room on the disk and that the folder is yours")
    }

    /// Removes the objects of revisions that are no longer kept. If that fails, they only take room.
    fn prune(&self, newest: u64) {
        let oldest_kept = newest.saturating_sub(REVISIONS_KEPT as u64 - 1);
        for entry in fs::read_dir(self.dir.join(OBJECTS)).into_iter().flatten().flatten() {
            let number = entry.file_name().to_str().and_then(|name| name.parse::<u64>().ok());
            if number.is_some_and(|number| number < oldest_kept || number > newest) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

impl StateStore for LocalStore {
    fn load(&self) -> Result<Snapshot, Diagnostic> {
        let Some((exclusive, ledger)) = self.read()? else { return Ok(Snapshot::default()) };
        let record = ledger.newest();
        let sealed = self.sealed(record)?;
        drop(exclusive);
        Ok(Snapshot { binding: Some(record.binding.clone()), head: Some(ledger.head()), prior: self.decrypt(record, &sealed)? })
    }

    fn outline(&self) -> Result<Outline, Diagnostic> {
        let Some((head, record)) = self.newest()? else { return Ok(Outline::default()) };
        let sealed = self.sealed(&record)?;
        let objects = sealed::keys(&self.key, record.format, &sealed).map_err(|error| self.undecrypted(&record, error))?;
        Ok(Outline { binding: Some(record.binding), head: Some(head), objects })
    }

    fn commit(&self, binding: &Binding, expected: u64, info: RevisionInfo, prior: &PriorSet) -> Result<(), Diagnostic> {
        let sealed = sealed::seal(&self.key, prior)?;
        let objects = self.dir.join(OBJECTS);
        files::create_dir(&objects).map_err(|error| self.write_failed(&error))?;
        let exclusive = Exclusive::wait(&self.dir)?;
        let head_file = match self.presence()? {
            Presence::There(head) => head.map(|head| head.head()),
            Presence::Absent => None,
        };
        exclusive.reserve()?;
        let current = self.ledger(&exclusive, head_file.as_ref())?;
        if let Some(current) = &current {
            // A crash came between database and head file; the head file must not fall two behind.
            if head_file.as_ref() != Some(&current.head()) {
                HeadFile::write(&self.dir, current.newest())?;
            }
            if is_already(current.newest(), expected, &info, &sealed) {
                return Ok(());
            }
        }
        let number = follow(current.as_ref(), expected, &info)?;
        let record = Record {
            format: FORMAT,
            binding: binding.clone(),
            previous: current.as_ref().map(|current| current.head().digest),
            info,
            sealed: Digest::of_bytes(&sealed.bytes),
            content: sealed.content,
            recipient: self.key.recipient().unwrap_or_default(),
        };
        files::replace(&self.object_file(number), &sealed.bytes).map_err(|error| self.write_failed(&error))?;
        let (bytes, _) = record.encode()?;
        let forgotten = forgotten(current.as_ref());
        exclusive.with(move |db| {
            let mut batch = sled::Batch::default();
            batch.insert(record_key(number), bytes);
            for old in forgotten {
                batch.remove(record_key(old));
            }
            db.apply_batch(batch)?;
            db.flush()?;
            Ok(())
        })?;
        exclusive.persist()?;
        HeadFile::write(&self.dir, &record)?;
        self.prune(number);
        Ok(())
    }

    fn head(&self) -> Result<Option<Head>, Diagnostic> {
        Ok(self.newest()?.map(|(head, _)| head))
    }

    fn history(&self) -> Result<Vec<RevisionInfo>, Diagnostic> {
        let records = self.read()?.map(|(_, ledger)| ledger.records).unwrap_or_default();
        Ok(records.into_iter().rev().map(|record| record.info).collect())
    }

    fn revision(&self, number: u64) -> Result<PriorSet, Diagnostic> {
        let (record, sealed) = self.sealed_revision(number)?;
        self.decrypt(&record, &sealed)
    }

    fn recall(&self, outline: &Outline) -> Result<Recall, Diagnostic> {
        let Some(head) = &outline.head else { return Ok(Box::new(|_| Ok(None))) };
        let (record, sealed) = self.sealed_revision(head.revision)?;
        let objects = Objects::open(&self.key, record.format, &sealed, outline.objects.clone());
        let objects = objects.map_err(|error| self.undecrypted(&record, error))?;
        let store = self.clone();
        Ok(Box::new(move |key| objects.get(key).map_err(|error| store.undecrypted(&record, error))))
    }
}

/// Whether the newest revision is just what is to be committed: a run that died right after its commit does it again.
fn is_already(newest: &Record, expected: u64, info: &RevisionInfo, sealed: &Sealed) -> bool {
    newest.info.number == info.number
        && Some(newest.info.number) == expected.checked_add(1)
        && newest.info.operation == info.operation
        && newest.content == sealed.content
}

/// The number of the revision to be made, if it may be made now.
fn follow(current: Option<&Ledger>, expected: u64, info: &RevisionInfo) -> Result<u64, Diagnostic> {
    let at = current.map_or(0, |current| current.newest().info.number);
    if at != expected {
        return Err(Diagnostic::error("state::moved_on", format!("the state is at revision {at}; this run started from {expected}"))
            .help("somebody else applied meanwhile; plan again"));
    }
    // The first one may have any number: a state that was recovered goes on with the one that was lost.
    let follows = if current.is_none() { info.number > 0 } else { Some(info.number) == at.checked_add(1) };
    if follows {
        Ok(info.number)
    } else {
        Err(Diagnostic::error("state::write", format!("revision {} doesn't follow revision {at}", info.number)))
    }
}

/// Revisions whose records go when one more comes.
fn forgotten(current: Option<&Ledger>) -> Vec<u64> {
    let records = current.map(|current| current.records.as_slice()).unwrap_or_default();
    records[..(records.len() + 1).saturating_sub(HISTORY_KEPT)].iter().map(|record| record.info.number).collect()
}

/// Those whose objects are kept.
fn kept(records: &[Record]) -> &[Record] {
    &records[records.len().saturating_sub(REVISIONS_KEPT)..]
}

fn record_key(number: u64) -> Vec<u8> {
    let mut key = RECORDS.to_vec();
    key.extend_from_slice(&number.to_be_bytes());
    key
}

fn unknown(number: u64, records: &[Record]) -> Diagnostic {
    let there = match (records.first(), records.last()) {
        (Some(first), Some(last)) => format!("there are {} to {}", first.info.number, last.info.number),
        _ => "there is none yet".to_owned(),
    };
    Diagnostic::error("state::no_revision", format!("there is no revision {number}: {there}")).help("`spai history` lists them")
}

#[cfg(test)]
#[path = "local_tests.rs"]
mod tests;
