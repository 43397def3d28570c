//! All objects of a revision as one run of bytes: JSON, compressed, encrypted as a whole (one public-key operation for a
//! revision, not one for an object). Which objects there are comes first and apart, for most readers need no more; the
//! objects themselves are compressed by the block, for the others look at a few of them.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::sync::OnceLock;

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::resource::{Diagnostic, Digest, ObjectKey, Prior, PriorSet};

use super::StateKey;
use super::key::DecryptError;

/// From this format on the identities come apart.
const APART: u32 = 2;
/// From this format on the objects come in blocks.
const BLOCKS: u32 = 3;
/// How many objects a block has: enough to compress well, little enough to read one for the sake of an object.
const BLOCK: usize = 64;

/// A revision's objects, encrypted.
pub(super) struct Sealed {
    /// How long the first part is, that part, the second part. Each is encrypted for itself. The first is the list of identities,
    /// sorted, as JSON, compressed; the second the blocks, each with its length before it. Lengths are four bytes, little-endian.
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
    let plain = written(prior).map_err(failed)?;
    let mut blocks = Zeroizing::new(Vec::with_capacity(plain.iter().map(|block| block.len()).sum::<usize>() / 8));
    for block in &plain {
        let packed = packed(block).map_err(failed)?;
        blocks.extend(length(&packed).map_err(failed)?);
        blocks.extend_from_slice(&packed);
    }
    let keys: Vec<&ObjectKey> = prior.objects.keys().collect();
    let keys = Zeroizing::new(serde_json::to_vec(&keys).map_err(|error| failed(error.into()))?);
    let bytes = joined(&key.encrypt(&packed(&keys).map_err(failed)?)?, &key.encrypt(&blocks)?).map_err(failed)?;
    // As one list, whatever the blocks are.
    let list = Digest::of_parts(plain.iter().enumerate().flat_map(|(index, block)| {
        let end = if index + 1 == plain.len() { block.len() } else { block.len() - 1 };
        [if index == 0 { b"[".as_slice() } else { b"," }, &block[1..end]]
    }));
    Ok(Sealed { bytes, content: list })
}

/// The entries as JSON lists, one for each block; at least one.
fn written(prior: &PriorSet) -> io::Result<Vec<Zeroizing<Vec<u8>>>> {
    let entries: Vec<Entry> = prior.objects.iter().map(|(key, prior)| Entry { key, prior }).collect();
    let blocks: Vec<&[Entry]> = if entries.is_empty() { vec![&[]] } else { entries.chunks(BLOCK).collect() };
    blocks.into_iter().map(|block| Ok(Zeroizing::new(serde_json::to_vec(block)?))).collect()
}

/// Which objects [`seal`] encrypted, sorted.
pub(super) fn keys(key: &StateKey, format: u32, bytes: &[u8]) -> Result<Vec<ObjectKey>, DecryptError> {
    let keys: Vec<ObjectKey> = match format {
        APART.. => listed(&unpacked(&decrypted(key, first_of_two(bytes)?.0)?)?)?,
        _ => Objects::of_one_list(&unpacked(&decrypted(key, bytes)?)?)?.keys,
    };
    if keys.is_sorted() { Ok(keys) } else { Err(DecryptError::Damaged) }
}

/// What [`seal`] encrypted: decrypted, and unpacked as far as somebody looks at it.
pub(super) struct Objects {
    /// Sorted.
    keys: Vec<ObjectKey>,
    /// Packed.
    bytes: Zeroizing<Vec<u8>>,
    /// Where each block is in `bytes`, and its entries, once it was unpacked.
    blocks: Vec<Block>,
}

struct Block {
    place: std::ops::Range<usize>,
    entries: OnceLock<Option<Vec<Box<RawValue>>>>,
}

impl Objects {
    /// Decrypts them; `keys` are their identities, as [`keys`] gives them.
    pub(super) fn open(key: &StateKey, format: u32, bytes: &[u8], keys: Vec<ObjectKey>) -> Result<Self, DecryptError> {
        if format < BLOCKS {
            let part = if format < APART { bytes } else { first_of_two(bytes)?.1 };
            return Self::of_one_list(&unpacked(&decrypted(key, part)?)?);
        }
        let bytes = decrypted(key, first_of_two(bytes)?.1)?;
        let mut blocks = Vec::with_capacity(keys.len().div_ceil(BLOCK));
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let (block, others) = first_of_two(rest)?;
            let end = bytes.len() - others.len();
            blocks.push(Block { place: end - block.len()..end, entries: OnceLock::new() });
            rest = others;
        }
        if blocks.len() == keys.len().div_ceil(BLOCK).max(1) { Ok(Self { keys, bytes, blocks }) } else { Err(DecryptError::Damaged) }
    }

    /// Of a format where all of them are one list.
    fn of_one_list(plain: &[u8]) -> Result<Self, DecryptError> {
        let entries: Vec<Box<RawValue>> = listed(plain)?;
        let mut keyed: Vec<(ObjectKey, Box<RawValue>)> = Vec::with_capacity(entries.len());
        for text in entries {
            let entry: OwnedEntry = serde_json::from_str(text.get()).map_err(|_| DecryptError::Damaged)?;
            keyed.push((entry.key, text));
        }
        keyed.sort_by(|a, b| a.0.cmp(&b.0));
        let (keys, texts): (Vec<_>, Vec<_>) = keyed.into_iter().unzip();
        let mut blocks = Vec::with_capacity(keys.len().div_ceil(BLOCK));
        let mut texts = texts.into_iter().peekable();
        while texts.peek().is_some() {
            let entries = texts.by_ref().take(BLOCK).collect();
            blocks.push(Block { place: 0..0, entries: OnceLock::from(Some(entries)) });
        }
        Ok(Self { keys, bytes: Zeroizing::default(), blocks })
    }

    /// One of them. None: there is no such object. `Err`: it isn't as it was written.
    pub(super) fn get(&self, key: &ObjectKey) -> Result<Option<Prior>, DecryptError> {
        let Ok(position) = self.keys.binary_search(key) else { return Ok(None) };
        let entry = self.entries(position / BLOCK).and_then(|entries| entries.get(position % BLOCK)).ok_or(DecryptError::Damaged)?;
        let entry: OwnedEntry = serde_json::from_str(entry.get()).map_err(|_| DecryptError::Damaged)?;
        if entry.key == *key { Ok(Some(entry.prior)) } else { Err(DecryptError::Damaged) }
    }

    /// All of them.
    pub(super) fn all(&self) -> Result<BTreeMap<ObjectKey, Prior>, DecryptError> {
        self.keys.iter().map(|key| Ok((key.clone(), self.get(key)?.ok_or(DecryptError::Damaged)?))).collect()
    }

    fn entries(&self, block: usize) -> Option<&Vec<Box<RawValue>>> {
        let block = self.blocks.get(block)?;
        let read = || listed(&unpacked(&self.bytes[block.place.clone()]).ok()?).ok();
        block.entries.get_or_init(read).as_ref()
    }
}

/// A part that has its length before it, and what comes after it.
fn first_of_two(bytes: &[u8]) -> Result<(&[u8], &[u8]), DecryptError> {
    let split = || {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)
    };
    split().ok_or(DecryptError::Damaged)
}

fn length(part: &[u8]) -> io::Result<[u8; 4]> {
    u32::try_from(part.len()).map(u32::to_le_bytes).map_err(|_| io::Error::other("it has too many objects"))
}

fn joined(first: &[u8], second: &[u8]) -> io::Result<Vec<u8>> {
    Ok([&length(first)?, first, second].concat())
}

fn packed(plain: &[u8]) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut encoder = DeflateEncoder::new(Vec::with_capacity(plain.len() / 8), Compression::fast());
    encoder.write_all(plain)?;
    encoder.finish().map(Zeroizing::new)
}

fn unpacked(packed: &[u8]) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
    let mut plain = Zeroizing::new(Vec::with_capacity(packed.len() * 8));
    DeflateDecoder::new(packed).read_to_end(&mut plain).map_err(|_| DecryptError::Damaged)?;
    Ok(plain)
}

fn decrypted(key: &StateKey, part: &[u8]) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
    Ok(Zeroizing::new(key.decrypt(part)?))
}

fn listed<T: DeserializeOwned>(plain: &[u8]) -> Result<T, DecryptError> {
    serde_json::from_slice(plain).map_err(|_| DecryptError::Damaged)
}

/// The objects as an older format had them.
#[cfg(test)]
pub(super) fn of_an_older_format(key: &StateKey, format: u32, prior: &PriorSet) -> Vec<u8> {
    let entries: Vec<Entry> = prior.objects.iter().map(|(key, prior)| Entry { key, prior }).collect();
    let sealed = |plain: Vec<u8>| key.encrypt(&packed(&plain).unwrap()).unwrap();
    let objects = sealed(serde_json::to_vec(&entries).unwrap());
    let keys: Vec<&ObjectKey> = prior.objects.keys().collect();
    if format < APART { objects } else { joined(&sealed(serde_json::to_vec(&keys).unwrap()), &objects).unwrap() }
}
