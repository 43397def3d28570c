//! The state's table of contents: all revisions with the digest of each one's data. Its own digest is the state's
//! head, which stands in a small file beside the database too: a database that lost its newest writes doesn't match.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::resource::{Diagnostic, Digest};

use super::{Binding, FORMAT, Head, RevisionInfo, files};

/// The head file within the state's folder.
pub(super) const HEAD: &str = "head.json";

/// The table of contents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ledger {
    /// [`FORMAT`] when it was written.
    pub(super) format: u32,
    /// Whose state it is.
    pub(super) binding: Binding,
    /// The digest of the ledger before: what the head file says if a crash came between database and head file.
    pub(super) previous: Option<Digest>,
    /// Oldest first; never empty.
    pub(super) revisions: Vec<Revision>,
}

/// A revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Revision {
    pub(super) info: RevisionInfo,
    /// None once it is older than what is kept.
    pub(super) data: Option<Data>,
}

/// Where a revision's objects are, encrypted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Data {
    /// How many records they are in.
    pub(super) chunks: u32,
    /// The digest of the encrypted bytes.
    pub(super) digest: Digest,
    /// The digest of the objects.
    pub(super) content: Digest,
    /// The public half of the key they are encrypted with.
    pub(super) recipient: String,
}

impl Ledger {
    /// The newest revision's number.
    pub(super) fn revision(&self) -> u64 {
        self.revisions.last().map_or(0, |revision| revision.info.number)
    }

    /// As it is stored, and the digest of that.
    pub(super) fn encode(&self) -> Result<(Vec<u8>, Digest), Diagnostic> {
        let json = serde_json::to_vec(self)
            .map_err(|error| Diagnostic::error("state::write", format!("the state's table of contents can't be written: {error}")))?;
        let digest = Digest::of_bytes(&json);
        Ok((json, digest))
    }
}

/// The head file beside the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HeadFile {
    format: u32,
    revision: u64,
    digest: Digest,
    /// The digest of the others.
    check: Digest,
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
    pub(super) fn read(dir: &Path) -> Result<Option<Head>, Diagnostic> {
        let path = Self::path(dir);
        let bytes =
            files::read(&path).map_err(|error| Diagnostic::error("state::read", format!("{} can't be read: {error}", path.display())))?;
        let Some(bytes) = bytes else { return Ok(None) };
        if let Ok(AnyFormat { format }) = serde_json::from_slice(&bytes) {
            refuse_newer(dir, format)?;
        }
        let file: Self = serde_json::from_slice(&bytes).map_err(|_| corrupt(dir, "its head file holds no head"))?;
        let head = Head { revision: file.revision, digest: file.digest.clone() };
        if file != Self::of(&head) {
            return Err(corrupt(dir, "its head file doesn't match its checksum"));
        }
        Ok(Some(head))
    }

    /// Replaces the head file.
    pub(super) fn write(dir: &Path, head: &Head) -> Result<(), Diagnostic> {
        let path = Self::path(dir);
        let failed = |error| Diagnostic::error("state::write", format!("{} can't be written: {error}", path.display()));
        let mut json = serde_json::to_vec(&Self::of(head)).map_err(|error| failed(error.into()))?;
        json.push(b'\n');
        files::replace(&path, &json).map_err(failed)
    }

    fn of(head: &Head) -> Self {
        let check = Digest::of_bytes(format!("{FORMAT} {} {}", head.revision, head.digest.0).as_bytes());
        Self { format: FORMAT, revision: head.revision, digest: head.digest.clone(), check }
    }
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
