//! All objects of a revision as one run of bytes: JSON, compressed, encrypted as a whole (one public-key operation for
//! a revision, not one for an object). Which objects there are comes first and apart, for most readers need no more.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::resource::{Diagnostic, Digest, ObjectKey, Prior, PriorSet};

use super::StateKey;
use super::key::DecryptError;

/// From this format on the identities come apart.
const APART: u32 = 2;

/// A revision's objects, encrypted.
pub(super) struct Sealed {
    /// How long the part with the identities is (four bytes, little-endian), that part, the part with the objects.
    pub(super) bytes: Vec<u8>,
    /// Of the objects themselves: two revisions with equal objects have equal ones.
    pub(super) content: Digest,
}

/// JSON has no maps keyed by identities: a list of pairs.
#[derive(Serialize)]
struct Entry<'a> {
    key: &'a ObjectKey,
    prior: &'a Prior,
}

#[derive(Deserialize)]
struct OwnedEntry {
    key: ObjectKey,
    prior: Prior,
}

/// Encrypts all objects of `prior`.
pub(super) fn seal(key: &StateKey, prior: &PriorSet) -> Result<Sealed, Diagnostic> {
    let failed = |error: io::Error| Diagnostic::error("state::encrypt", format!("the state can't be written: {error}"));
    let entries: Vec<Entry> = prior.objects.iter().map(|(key, prior)| Entry { key, prior }).collect();
    let plain = Zeroizing::new(serde_json::to_vec(&entries).map_err(|error| failed(error.into()))?);
    let keys: Vec<&ObjectKey> = prior.objects.keys().collect();
    let keys = Zeroizing::new(serde_json::to_vec(&keys).map_err(|error| failed(error.into()))?);
    let first = key.encrypt(&packed(&keys).map_err(failed)?)?;
    let length = u32::try_from(first.len()).map_err(|_| failed(io::Error::other("it has too many objects")))?;
    let mut bytes = length.to_le_bytes().to_vec();
    bytes.extend(first);
    bytes.extend(key.encrypt(&packed(&plain).map_err(failed)?)?);
    Ok(Sealed { bytes, content: Digest::of_bytes(&plain) })
}

/// Which objects [`seal`] encrypted, sorted.
pub(super) fn keys(key: &StateKey, format: u32, bytes: &[u8]) -> Result<Vec<ObjectKey>, DecryptError> {
    if format < APART {
        return Ok(objects(key, format, bytes)?.into_keys().collect());
    }
    read(key, parts(bytes).ok_or(DecryptError::Damaged)?.0)
}

/// What [`seal`] encrypted.
pub(super) fn objects(key: &StateKey, format: u32, bytes: &[u8]) -> Result<BTreeMap<ObjectKey, Prior>, DecryptError> {
    let part = if format < APART { bytes } else { parts(bytes).ok_or(DecryptError::Damaged)?.1 };
    let entries: Vec<OwnedEntry> = read(key, part)?;
    Ok(entries.into_iter().map(|entry| (entry.key, entry.prior)).collect())
}

/// The part with the identities, and that with the objects.
fn parts(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)
}

fn packed(plain: &[u8]) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut encoder = DeflateEncoder::new(Vec::with_capacity(plain.len() / 8), Compression::fast());
    encoder.write_all(plain)?;
    encoder.finish().map(Zeroizing::new)
}

fn read<T: DeserializeOwned>(key: &StateKey, part: &[u8]) -> Result<T, DecryptError> {
    let packed = Zeroizing::new(key.decrypt(part)?);
    let mut plain = Zeroizing::new(Vec::with_capacity(packed.len() * 8));
    DeflateDecoder::new(packed.as_slice()).read_to_end(&mut plain).map_err(|_| DecryptError::Damaged)?;
    serde_json::from_slice(&plain).map_err(|_| DecryptError::Damaged)
}

/// The objects as the first format had them.
#[cfg(test)]
pub(super) fn of_the_first_format(key: &StateKey, prior: &PriorSet) -> Result<Vec<u8>, Diagnostic> {
    let entries: Vec<Entry> = prior.objects.iter().map(|(key, prior)| Entry { key, prior }).collect();
    key.encrypt(&packed(&serde_json::to_vec(&entries).unwrap_or_default()).unwrap_or_default())
}
