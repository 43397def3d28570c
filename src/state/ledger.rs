//! The state's records: one for each revision, small, each with the digest of the one before, so that the newest one's
//! digest is over all of them. It is the state's head, and stands in a small file beside the database too: a database that
//! lost its newest writes doesn't match.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::resource::{Diagnostic, Digest};

use super::{Binding, FORMAT, Head, RevisionInfo, files};

/// The head file within the state's folder.
pub(super) const HEAD: &str = "head.json";

/// The record of a revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// [`FORMAT`] when it was written.
    pub(super) format: u32,
    /// Whose state it is.
    pub(super) binding: Binding,
    /// The digest of the record before; None for the first one of a state.
    pub(super) previous: Option<Digest>,
    pub(super) info: RevisionInfo,
    /// The digest of the file with the objects, encrypted.
    pub(super) sealed: Digest,
    /// The digest of the objects themselves.
    pub(super) content: Digest,
    /// The public half of the key they are encrypted with.
    pub(super) recipient: String,
}

impl Record {
    /// As it is stored, and the digest of that.
    pub(super) fn encode(&self) -> Result<(Vec<u8>, Digest), Diagnostic> {
        let json = serde_json::to_vec(self)
            .map_err(|error| Diagnostic::error("state::write", format!("the state's record can't be written: {error}")))?;
        let digest = Digest::of_bytes(&json);
        Ok((json, digest))
    }
}

/// All records of a state, checked; never empty.
#[derive(Debug)]
pub(super) struct Ledger {
    /// Oldest first.
    pub(super) records: Vec<Record>,
    /// The newest one's.
    digest: Digest,
}

impl Ledger {
    /// Reads the records as they are stored, oldest first, and holds them against each other and the head file.
    /// None: nothing was ever committed. `Err` says what isn't as it was written.
    pub(super) fn read(dir: &Path, stored: &[Vec<u8>], head: Option<&Head>) -> Result<Option<Self>, Diagnostic> {
        let mut records: Vec<Record> = Vec::with_capacity(stored.len());
        let mut digest: Option<Digest> = None;
        for bytes in stored {
            if let Ok(AnyFormat { format }) = serde_json::from_slice(bytes) {
                refuse_newer(dir, format)?;
            }
            let record: Record = serde_json::from_slice(bytes).map_err(|_| corrupt(dir, "a record of it holds none"))?;
            if let Some(before) = records.last()
                && (record.previous != digest || Some(record.info.number) != before.info.number.checked_add(1))
            {
                return Err(corrupt(dir, &format!("revision {} doesn't follow revision {}", record.info.number, before.info.number)));
            }
            digest = Some(Digest::of_bytes(bytes));
            records.push(record);
        }
        let Some((newest, digest)) = records.last().zip(digest) else {
            return match head {
                None => Ok(None),
                Some(head) => Err(corrupt(dir, &format!("revision {}, the newest, is missing from its database", head.revision))),
            };
        };
        let agrees = match head {
            // A crash may come between database and head file.
            Some(head) => head.digest == digest || newest.previous.as_ref() == Some(&head.digest),
            None if newest.previous.is_none() => true,
            None => return Err(corrupt(dir, "its head file is missing")),
        };
        let number = newest.info.number;
        match head {
            _ if agrees => Ok(Some(Self { records, digest })),
            Some(head) if head.revision != number => {
                Err(corrupt(dir, &format!("its database stands at revision {number}, but its head file at {}", head.revision)))
            }
            _ => Err(corrupt(dir, &format!("revision {number} doesn't match its head file"))),
        }
    }

    /// What it stands at.
    pub(super) fn head(&self) -> Head {
        Head { revision: self.newest().info.number, digest: self.digest.clone() }
    }

    /// The newest record.
    #[allow(clippy::expect_used, reason = "only `read` makes one, and never an empty one")]
    pub(super) fn newest(&self) -> &Record {
        self.records.last().expect("a ledger is never empty")
    }
}

/// The head file beside the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HeadFile {
    format: u32,
    revision: u64,
    digest: Digest,
    /// The digest of those before.
    check: Digest,
    /// The newest record, as the database has it: who needs no older one needs no database. Older formats don't have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    record: Option<String>,
}

/// What the head file's oldest and newest readers agree on.
#[derive(Deserialize)]
struct AnyFormat {
    format: u32,
}

impl HeadFile {
    fn path(dir: &Path) -> PathBuf {
        dir.join(HEAD)
    }

    /// The head file of the state in `dir`; None if there is none.
    pub(super) fn read(dir: &Path) -> Result<Option<Self>, Diagnostic> {
        let path = Self::path(dir);
        let bytes =
            files::read(&path).map_err(|error| Diagnostic::error("state::read", format!("{} can't be read: {error}", path.display())))?;
        let Some(bytes) = bytes else { return Ok(None) };
        if let Ok(AnyFormat { format }) = serde_json::from_slice(&bytes) {
            refuse_newer(dir, format)?;
        }
        let file: Self = serde_json::from_slice(&bytes).map_err(|_| corrupt(dir, "its head file holds no head"))?;
        let digest = |record: &String| Digest::of_bytes(record.as_bytes());
        if file.check != check(file.format, file.revision, &file.digest) || file.record.as_ref().is_some_and(|it| digest(it) != file.digest)
        {
            return Err(corrupt(dir, "its head file doesn't match its checksum"));
        }
        Ok(Some(file))
    }

    /// What the state stands at.
    pub(super) fn head(&self) -> Head {
        Head { revision: self.revision, digest: self.digest.clone() }
    }

    /// The newest record, if it holds that.
    pub(super) fn record(&self) -> Option<Record> {
        serde_json::from_str(self.record.as_ref()?).ok()
    }

    /// Replaces the head file by that of a state with this record as its newest.
    pub(super) fn write(dir: &Path, newest: &Record) -> Result<(), Diagnostic> {
        let path = Self::path(dir);
        let failed = |error| Diagnostic::error("state::write", format!("{} can't be written: {error}", path.display()));
        let (record, digest) = newest.encode()?;
        let revision = newest.info.number;
        let check = check(FORMAT, revision, &digest);
        let file = Self { format: FORMAT, revision, digest, check, record: String::from_utf8(record).ok() };
        let mut json = serde_json::to_vec(&file).map_err(|error| failed(error.into()))?;
        json.push(b'\n');
        files::replace(&path, &json).map_err(failed)
    }
}

fn check(format: u32, revision: u64, digest: &Digest) -> Digest {
    Digest::of_bytes(format!("{format} {revision} {}", digest.0).as_bytes())
}

/// A newer version's state is left alone.
pub(super) fn refuse_newer(dir: &Path, format: u32) -> Result<(), Diagnostic> {
    if format <= FORMAT {
        return Ok(());
    }
    Err(Diagnostic::error("state::newer", format!("the state in {} is of format {format}; this spai knows up to {FORMAT}", dir.display()))
        .help("use the version of spai that wrote it, or a newer one; the state was left untouched"))
}

/// Something in `dir` isn't what was written.
pub(super) fn corrupt(dir: &Path, what: &str) -> Diagnostic {
    Diagnostic::error("state::corrupt", format!("the state in {} is damaged: {what}", dir.display())).help(
        "bring the folder back from a backup, or run `spai state recover`, which puts it aside and rebuilds the state from the cluster",
    )
}
