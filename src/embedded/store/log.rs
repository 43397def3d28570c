//! The file with the objects: a first line, then a record for each write, each with its length and a checksum.
//!
//! A record is with the kernel before its write is answered: it survives the end of the process, however it ends. It is on
//! the disk when the file is next flushed: within a tenth of a second, and when the cluster is closed. A machine that loses its
//! power may lose that much of a development cluster; what is left is whole, as of one moment, for a tail that doesn't check is cut off.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;

use serde_json::Value;

use super::OpenError;
use super::folder::Folder;

const FIRST_LINE: &[u8] = b"spai embedded cluster 1\n";

/// Length and checksum.
const HEAD: usize = 8;

/// Written anew when it is so many times as long as what it holds, and worth it.
const FACTOR: u64 = 4;
const WORTH_IT: u64 = 8 << 20;

/// A record: the version that the write made, the resource, and the object or, of a delete, its place.
pub(super) type Record = (u64, String, Written);

/// What was written.
pub(super) enum Written {
    /// The object as it now is.
    Put(Value),
    /// Namespace and name of what is gone.
    Gone(String, String),
}

/// The open file.
#[derive(Debug)]
pub(super) struct Log {
    file: File,
    path: PathBuf,
    length: u64,
    /// How long it was when it was last written anew.
    live: u64,
    unflushed: bool,
}

impl Log {
    /// Opens the file of a folder and gives all its records to `take`.
    pub fn open(folder: &Folder, mut take: impl FnMut(Record)) -> Result<Self, OpenError> {
        let path = folder.objects();
        let said = |what: &str| format!("{} can't be {what}", path.display());
        let mut file =
            OpenOptions::new().create(true).read(true).write(true).truncate(false).open(&path).map_err(OpenError::io(said("opened")))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(OpenError::io(said("read")))?;
        let mut length = 0;
        // A file of which not even the first line is whole was never written to.
        if bytes.len() < FIRST_LINE.len() && FIRST_LINE.starts_with(&bytes) {
            bytes.clear();
        } else if !bytes.starts_with(FIRST_LINE) {
            return Err(OpenError::Foreign(format!("{} is no embedded cluster's, or a newer version's", path.display())));
        } else {
            length = FIRST_LINE.len();
            while let Some((payload, end)) = record(&bytes, length) {
                let Some(read) = parse(payload) else { break };
                take(read);
                length = end;
            }
        }
        if length == 0 {
            file.set_len(0)
                .and_then(|()| file.rewind())
                .and_then(|()| file.write_all(FIRST_LINE))
                .map_err(OpenError::io(said("written")))?;
            length = FIRST_LINE.len();
        } else if length < bytes.len() {
            tracing::warn!("{}: {} bytes at its end were never wholly written, and are cut off", path.display(), bytes.len() - length);
            file.set_len(length as u64).map_err(OpenError::io(said("cut")))?;
        }
        file.seek(SeekFrom::End(0)).map_err(OpenError::io(said("read")))?;
        Ok(Self { file, path, length: length as u64, live: 0, unflushed: true })
    }

    /// Adds a record.
    pub fn put(&mut self, version: u64, resource: &str, object: &Value) -> std::io::Result<()> {
        self.append(&serde_json::to_vec(&(version, resource, object))?)
    }

    /// Adds a record of something that is gone.
    pub fn gone(&mut self, version: u64, resource: &str, namespace: &str, name: &str) -> std::io::Result<()> {
        self.append(&serde_json::to_vec(&(version, resource, namespace, name))?)
    }

    fn append(&mut self, payload: &[u8]) -> std::io::Result<()> {
        let bytes = framed(payload)?;
        let done = self.file.write_all(&bytes);
        if done.is_err() {
            // Half a record would hide all that come after it.
            let _ = self.file.set_len(self.length);
            let _ = self.file.seek(SeekFrom::Start(self.length));
            return done;
        }
        self.length += bytes.len() as u64;
        self.unflushed = true;
        Ok(())
    }

    /// Whether most of the file is of the past.
    pub fn is_bloated(&self) -> bool {
        self.length > WORTH_IT && self.length > self.live * FACTOR
    }

    /// Writes the file anew with these records alone.
    pub fn rewrite<'o>(&mut self, objects: impl Iterator<Item = (u64, &'o str, &'o Value)>, version: u64) -> std::io::Result<()> {
        let fresh = self.path.with_extension("new");
        let mut bytes = FIRST_LINE.to_vec();
        for (version, resource, object) in objects {
            bytes.extend(framed(&serde_json::to_vec(&(version, resource, object))?)?);
        }
        // The counter never goes back, whatever was deleted last.
        bytes.extend(framed(&serde_json::to_vec(&(version, "", "", ""))?)?);
        let mut file = OpenOptions::new().create(true).truncate(true).read(true).write(true).open(&fresh)?;
        file.write_all(&bytes)?;
        file.sync_data()?;
        std::fs::rename(&fresh, &self.path)?;
        (self.file, self.length, self.live, self.unflushed) = (file, bytes.len() as u64, bytes.len() as u64, false);
        Ok(())
    }

    /// A handle to flush, if anything was written since the last one was taken.
    pub fn take_unflushed(&mut self) -> Option<File> {
        if !std::mem::take(&mut self.unflushed) {
            return None;
        }
        self.file.try_clone().ok()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if self.unflushed
            && let Err(error) = self.file.sync_data()
        {
            tracing::warn!("{} can't be flushed: {error}", self.path.display());
        }
    }
}

fn framed(payload: &[u8]) -> std::io::Result<Vec<u8>> {
    let length = u32::try_from(payload.len()).map_err(std::io::Error::other)?;
    let mut bytes = Vec::with_capacity(HEAD + payload.len());
    bytes.extend(length.to_le_bytes());
    bytes.extend(crc32fast::hash(payload).to_le_bytes());
    bytes.extend(payload);
    Ok(bytes)
}

/// The payload of the record that begins there, and where it ends.
fn record(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let number = |from: usize| Some(u32::from_le_bytes(bytes.get(from..from + 4)?.try_into().ok()?));
    let (length, check) = (number(at)? as usize, number(at + 4)?);
    let end = at + HEAD + length;
    let payload = bytes.get(at + HEAD..end)?;
    (crc32fast::hash(payload) == check).then_some((payload, end))
}

fn parse(payload: &[u8]) -> Option<Record> {
    let Ok(Value::Array(parts)) = serde_json::from_slice(payload) else { return None };
    let mut parts = parts.into_iter();
    let (version, resource) = (parts.next()?.as_u64()?, parts.next()?.as_str()?.to_owned());
    match (parts.next()?, parts.next()) {
        (Value::String(namespace), Some(Value::String(name))) => Some((version, resource, Written::Gone(namespace, name))),
        (object @ Value::Object(_), None) => Some((version, resource, Written::Put(object))),
        _ => None,
    }
}
