//! All objects of a revision as one run of bytes: JSON, compressed, encrypted as a whole (one public-key operation for
//! a revision, not one for an object).

use std::io::{self, Read as _, Write as _};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::resource::{Diagnostic, Digest, ObjectKey, Prior, PriorSet};

use super::StateKey;
use super::key::DecryptError;

/// A revision's objects, encrypted.
pub(super) struct Sealed {
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
    let entries: Vec<Entry> = prior.objects.iter().map(|(key, prior)| Entry { key, prior }).collect();
    let failed = |error: io::Error| Diagnostic::error("state::encrypt", format!("the state can't be written as JSON: {error}"));
    let plain = Zeroizing::new(serde_json::to_vec(&entries).map_err(|error| failed(error.into()))?);
    let mut encoder = DeflateEncoder::new(Vec::with_capacity(plain.len() / 8), Compression::fast());
    let packed = Zeroizing::new(encoder.write_all(&plain).and_then(|()| encoder.finish()).map_err(failed)?);
    Ok(Sealed { bytes: key.encrypt(&packed)?, content: Digest::of_bytes(&plain) })
}

/// What [`seal`] encrypted, as of `revision`. None: it was sealed with another key or isn't what was sealed.
pub(super) fn open(key: &StateKey, bytes: &[u8], revision: u64) -> Result<PriorSet, DecryptError> {
    let packed = Zeroizing::new(key.decrypt(bytes)?);
    let mut plain = Zeroizing::new(Vec::with_capacity(packed.len() * 8));
    DeflateDecoder::new(packed.as_slice()).read_to_end(&mut plain).map_err(|_| DecryptError::Damaged)?;
    let entries: Vec<OwnedEntry> = serde_json::from_slice(&plain).map_err(|_| DecryptError::Damaged)?;
    Ok(PriorSet { revision, objects: entries.into_iter().map(|entry| (entry.key, entry.prior)).collect() })
}
