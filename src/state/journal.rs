//! The write-ahead journal of a run: what is about to be done, durable before it is done, and what became of it.
//!
//! An append-only file of its own beside the store, encrypted, each record checked and chained to the one before
//! ([`super::frames`]). It exists exactly while a run is unfinished.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{Aead as _, OsRng};
use chacha20poly1305::{ChaCha20Poly1305, Key, KeyInit as _, Nonce};
use serde::Serialize;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::resource::Diagnostic;

use super::frames::{self, Chain, FrameError, Kind};
use super::key::DecryptError;
use super::{StateKey, files};

/// The journal of an unfinished run, within the state's folder.
pub(super) const FILE: &str = "journal";
/// What a journal becomes when its run is over; the next one replaces it.
const FINISHED: &str = "journal.finished";

/// A run's journal, open for appending.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    writer: Writer,
    /// How long the file was at the last sync.
    durable: u64,
    /// What was appended since.
    pending: Vec<u8>,
    /// A sync failed: what is pending may not be on the disk, whatever the next sync says.
    doubtful: bool,
}

/// An unfinished run's journal, as it was found.
#[derive(Debug)]
pub struct Unfinished {
    /// What the journal was created with.
    pub header: Value,
    /// All records after it, in order.
    pub records: Vec<Value>,
    /// Whether an append was cut short by a crash. It was never acknowledged, so it counts for nothing.
    pub torn_tail: bool,
    path: PathBuf,
    key: StateKey,
    end: u64,
    chain: Chain,
}

impl Journal {
    /// Begins the journal of a run, durably. `header` is what [`Unfinished::header`] gives back.
    ///
    /// # Errors
    /// `state::journal_unfinished` if there is one already: resume it or roll it back first.
    pub fn create<H: Serialize>(dir: &Path, key: &StateKey, header: &H) -> Result<Self, Diagnostic> {
        let path = dir.join(FILE);
        let failed = |error: io::Error| write_failed(&path, &error);
        if path.exists() {
            return Err(Diagnostic::error(
                "state::journal_unfinished",
                format!("an earlier run is unfinished: {} is there", path.display()),
            )
            .help("finish it first: `spai apply --resume` goes on with it, `spai apply --rollback` undoes it"));
        }
        files::create_dir(dir).map_err(failed)?;
        let (mut bytes, chain) = frames::begin();
        let mut writer = Writer::begin(key, chain, &mut bytes, &path)?;
        writer.record(&mut bytes, &path, header)?;

        // Under its own name only when it is whole: a journal without a header means damage, never a crash at its beginning.
        files::replace(&path, &bytes).map_err(failed)?;
        let file = OpenOptions::new().append(true).open(&path).map_err(failed)?;
        Ok(Self { path, file, writer, durable: bytes.len() as u64, pending: Vec::new(), doubtful: false })
    }

    /// Appends a record. It survives a killed process at once, and a power cut after the next [`Self::sync`].
    ///
    /// # Errors
    /// `state::journal_write`; the journal is as it was then, and the append may be tried again.
    pub fn append<R: Serialize>(&mut self, record: &R) -> Result<(), Diagnostic> {
        let before = (self.writer.chain, self.writer.count, self.pending.len());
        let appended = self.writer.record(&mut self.pending, &self.path, record).and_then(|()| {
            let written = if self.doubtful { Ok(()) } else { self.file.write_all(&self.pending[before.2..]) };
            written.map_err(|error| write_failed(&self.path, &error))
        });
        if appended.is_err() {
            (self.writer.chain, _, _) = before;
            self.pending.truncate(before.2);
            // Cuts off what was half written. Should that fail too, the next sync does it.
            self.doubtful |= self.file.set_len(self.durable + before.2 as u64).is_err();
        }
        appended
    }

    /// Makes all that was appended durable. Only after it may be done what the records announce.
    ///
    /// # Errors
    /// `state::journal_write`; it may be tried again.
    pub fn sync(&mut self) -> Result<(), Diagnostic> {
        self.try_sync().map_err(|error| {
            self.doubtful = true;
            write_failed(&self.path, &error)
        })?;
        self.doubtful = false;
        self.durable += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    fn try_sync(&mut self) -> io::Result<()> {
        if self.doubtful {
            // After a failed sync the system may have forgotten what it hadn't written: write it again.
            self.file.set_len(self.durable)?;
            self.file.write_all(&self.pending)?;
        }
        self.file.sync_data()
    }

    /// The run is over, and nothing of it needs to be resumed or undone: durable when it returns.
    pub fn finish(mut self) -> Result<(), Diagnostic> {
        self.sync()?;
        let finished = self.path.with_file_name(FINISHED);
        fs::rename(&self.path, finished)
            .and_then(|()| files::sync_dir(self.path.parent().unwrap_or(&self.path)))
            .map_err(|error| write_failed(&self.path, &error))
    }

    /// The journal of an unfinished run, if there is one. Changes nothing.
    ///
    /// # Errors
    /// `state::journal_corrupt` if anything but the last append doesn't check, `state::journal_newer` if a newer version
    /// wrote it, `state::key_…` if it can't be decrypted.
    pub fn unfinished(dir: &Path, key: &StateKey) -> Result<Option<Unfinished>, Diagnostic> {
        let path = dir.join(FILE);
        let read = files::read(&path);
        let read = read.map_err(|error| Diagnostic::error("state::journal_read", format!("{} can't be read: {error}", path.display())));
        let Some(bytes) = read? else { return Ok(None) };
        let parsed = frames::parse(&bytes).map_err(|error| match error {
            FrameError::Newer(version) => {
                Diagnostic::error("state::journal_newer", format!("{} is of format {version}, newer than this spai knows", path.display()))
                    .help("finish the run with the version that began it")
            }
            FrameError::Corrupt { frames, offset } => corrupt(&path, &format!("record {frames}, at byte {offset}, doesn't check")),
        })?;
        let mut reader: Option<Reader> = None;
        let mut values = Vec::with_capacity(parsed.payloads.len());
        for (number, (kind, range)) in parsed.payloads.iter().enumerate() {
            let payload = &bytes[range.clone()];
            match kind {
                Kind::Key => reader = Some(Reader::begin(key, payload, &path)?),
                Kind::Record => {
                    let value = reader.as_mut().and_then(|reader| reader.record(payload));
                    values.push(value.ok_or_else(|| corrupt(&path, &format!("record {number} can't be decrypted")))?);
                }
            }
        }
        let mut values = values.into_iter();
        let header = values.next().ok_or_else(|| corrupt(&path, "it has no header"))?;
        Ok(Some(Unfinished {
            header,
            records: values.collect(),
            torn_tail: parsed.torn,
            path,
            key: key.clone(),
            end: parsed.end as u64,
            chain: parsed.chain,
        }))
    }
}

impl Unfinished {
    /// Goes on with the journal: what is appended follows the last sound record.
    pub fn continue_(self) -> Result<Journal, Diagnostic> {
        let failed = |error: io::Error| write_failed(&self.path, &error);
        let mut file = OpenOptions::new().write(true).open(&self.path).map_err(failed)?;
        file.set_len(self.end).and_then(|()| file.seek(SeekFrom::End(0))).map_err(failed)?;
        // Under a key of its own: a torn record's bytes may still be on the disk, and no two records may share key and nonce.
        let mut pending = Vec::new();
        let writer = Writer::begin(&self.key, self.chain, &mut pending, &self.path)?;
        file.write_all(&pending).map_err(failed)?;
        drop(file);
        let file = OpenOptions::new().append(true).open(&self.path).map_err(failed)?;
        let mut journal = Journal { path: self.path, file, writer, durable: self.end, pending, doubtful: false };
        journal.sync()?;
        Ok(journal)
    }
}

/// Makes frames of records. Each writer has a random key of its own, itself encrypted with the state's key: one
/// public-key operation for a run, not one for a record.
struct Writer {
    cipher: ChaCha20Poly1305,
    /// How many records were encrypted with the key: the next one's nonce. Never goes back, also when an append failed.
    count: u64,
    chain: Chain,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Writer({} records)", self.count)
    }
}

impl Writer {
    fn begin(key: &StateKey, mut chain: Chain, out: &mut Vec<u8>, path: &Path) -> Result<Self, Diagnostic> {
        let fresh = Zeroizing::new(<[u8; 32]>::from(ChaCha20Poly1305::generate_key(&mut OsRng)));
        let cipher = key.encrypt(fresh.as_slice())?;
        let mut payload = key.recipient().unwrap_or_default().into_bytes();
        payload.push(b'\n');
        payload.extend_from_slice(&cipher);
        frames::write(out, &mut chain, Kind::Key, &payload).ok_or_else(|| too_long(path))?;
        Ok(Self { cipher: ChaCha20Poly1305::new(Key::from_slice(fresh.as_slice())), count: 0, chain })
    }

    fn record<R: Serialize>(&mut self, out: &mut Vec<u8>, path: &Path, record: &R) -> Result<(), Diagnostic> {
        let plain = serde_json::to_vec(record).map(Zeroizing::new);
        let plain =
            plain.map_err(|error| Diagnostic::error("state::journal_write", format!("a record can't be written as JSON: {error}")))?;
        let nonce = nonce(self.count);
        self.count += 1;
        let payload = self.cipher.encrypt(&nonce, plain.as_slice()).map_err(|_| too_long(path))?;
        // The nonce goes with it: a failed append leaves a gap in the numbers.
        let mut numbered = (self.count - 1).to_le_bytes().to_vec();
        numbered.extend_from_slice(&payload);
        frames::write(out, &mut self.chain, Kind::Record, &numbered).ok_or_else(|| too_long(path))
    }
}

/// Reads the records of one writer.
struct Reader {
    cipher: ChaCha20Poly1305,
}

impl Reader {
    fn begin(key: &StateKey, payload: &[u8], path: &Path) -> Result<Self, Diagnostic> {
        let line = payload.iter().position(|b| *b == b'\n').ok_or_else(|| corrupt(path, "its key is damaged"))?;
        let recipient = std::str::from_utf8(&payload[..line]).ok();
        let plain = key.decrypt(&payload[line + 1..]).map(Zeroizing::new).map_err(|error| match error {
            DecryptError::NoKey(diagnostic) => diagnostic,
            DecryptError::OtherKey => key.is_another(path, recipient),
            DecryptError::Damaged => corrupt(path, "its key is damaged"),
        })?;
        let cipher = ChaCha20Poly1305::new_from_slice(&plain).map_err(|_| corrupt(path, "its key is damaged"))?;
        Ok(Self { cipher })
    }

    fn record(&mut self, payload: &[u8]) -> Option<Value> {
        let (count, cipher) = payload.split_first_chunk::<8>()?;
        let plain = Zeroizing::new(self.cipher.decrypt(&nonce(u64::from_le_bytes(*count)), cipher).ok()?);
        serde_json::from_slice(&plain).ok()
    }
}

fn nonce(count: u64) -> Nonce {
    let mut nonce = Nonce::default();
    nonce[..8].copy_from_slice(&count.to_le_bytes());
    nonce
}

fn write_failed(path: &Path, error: &io::Error) -> Diagnostic {
    Diagnostic::error("state::journal_write", format!("the journal {} can't be written: {error}", path.display()))
        .help("nothing is done that isn't journalled first; make room or restore access, then run again")
}

fn too_long(path: &Path) -> Diagnostic {
    Diagnostic::error("state::journal_write", format!("a record is too long for the journal {}", path.display()))
}

fn corrupt(path: &Path, what: &str) -> Diagnostic {
    Diagnostic::error("state::journal_corrupt", format!("the journal {} of an unfinished run is damaged: {what}", path.display())).help(
        "bring the file back from a backup and finish the run; failing that, `spai state recover` puts it aside and rebuilds the state from what the cluster holds now",
    )
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
