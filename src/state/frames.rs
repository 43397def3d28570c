//! The journal's bytes: frames whose checksums are chained, so that nothing can be lost, changed or moved in the
//! middle without being noticed.
//!
//! A file is a first line `spai journal 1`, then frames: length of the payload (4 bytes, little-endian), kind (1), a
//! check of these two (8), the payload, a SHA-256 over all of it (32). Each check also covers the frame before.
//! An append that was cut short (the file ends within a frame, or the rest of it was never written and reads as
//! zeros) leaves a torn tail: it was never acknowledged. Everything else that doesn't check is corruption.

use std::ops::Range;

use sha2::{Digest as _, Sha256};

/// The first line without its version.
const MAGIC: &[u8] = b"spai journal ";
/// The format's version.
const VERSION: u32 = 1;

const HEAD: usize = 4 + 1 + 8;
const CHECK: usize = 32;
/// What a disk writes at once: a lost write reads as zeros from a multiple of it.
const SECTOR: usize = 512;

/// The check of the frame before.
pub(super) type Chain = [u8; CHECK];

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The key of the frames that follow.
    Key = 1,
    /// A record.
    Record = 2,
}

/// The file's beginning, and the chain's.
pub(super) fn begin() -> (Vec<u8>, Chain) {
    let mut line = MAGIC.to_vec();
    line.extend_from_slice(VERSION.to_string().as_bytes());
    line.push(b'\n');
    let chain = Sha256::digest(&line).into();
    (line, chain)
}

/// Writes a frame to the end of `out`. None, and nothing is written, if the payload is longer than a frame can hold (4 GiB).
pub(super) fn write(out: &mut Vec<u8>, chain: &mut Chain, kind: Kind, payload: &[u8]) -> Option<()> {
    let length = u32::try_from(payload.len()).ok()?;
    let start = out.len();
    out.reserve(HEAD + payload.len() + CHECK);
    out.extend_from_slice(&length.to_le_bytes());
    out.push(kind as u8);
    let head_check = check(chain, &out[start..]);
    out.extend_from_slice(&head_check[..8]);
    out.extend_from_slice(payload);
    *chain = check(chain, &out[start..]);
    out.extend_from_slice(chain);
    Some(())
}

/// A journal's frames.
#[derive(Debug)]
pub(super) struct Frames {
    /// Kind of each, and where its payload is.
    pub(super) payloads: Vec<(Kind, Range<usize>)>,
    /// Where the last one ends.
    pub(super) end: usize,
    /// Its check.
    pub(super) chain: Chain,
    /// Whether something unfinished follows.
    pub(super) torn: bool,
}

/// Why bytes are no journal.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FrameError {
    /// It was written by a newer version.
    Newer(String),
    /// Something doesn't check; so many frames before it do.
    Corrupt {
        /// Whole frames before it.
        frames: usize,
        /// Where the first one that doesn't check begins.
        offset: usize,
    },
}

/// Finds the frames of a whole file.
pub(super) fn parse(bytes: &[u8]) -> Result<Frames, FrameError> {
    let (line, chain) = begin();
    if !bytes.starts_with(&line) {
        let first = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
        return Err(match first.strip_prefix(MAGIC).and_then(|v| std::str::from_utf8(v).ok()).map(|v| (v, v.parse::<u32>())) {
            Some((text, Ok(version))) if version > VERSION => FrameError::Newer(text.to_owned()),
            _ => FrameError::Corrupt { frames: 0, offset: 0 },
        });
    }
    let mut parsed = Frames { payloads: Vec::new(), end: line.len(), chain, torn: false };
    while parsed.end < bytes.len() {
        match frame(&bytes[parsed.end..], &parsed.chain) {
            Some((kind, length, chain)) => {
                let start = parsed.end + HEAD;
                parsed.payloads.push((kind, start..start + length));
                parsed.end = start + length + CHECK;
                parsed.chain = chain;
            }
            None if is_torn(bytes, parsed.end, &parsed.chain) => {
                parsed.torn = true;
                break;
            }
            None => return Err(FrameError::Corrupt { frames: parsed.payloads.len(), offset: parsed.end }),
        }
    }
    Ok(parsed)
}

/// The frame that `bytes` begin with, if a whole and sound one does: its kind, its payload's length, its check.
fn frame(bytes: &[u8], chain: &Chain) -> Option<(Kind, usize, Chain)> {
    let length = sound_length(bytes, chain)?;
    let kind = match bytes[4] {
        1 => Kind::Key,
        2 => Kind::Record,
        _ => return None,
    };
    let end = HEAD.checked_add(length)?;
    let computed = check(chain, bytes.get(..end)?);
    (bytes.get(end..end.checked_add(CHECK)?)? == computed).then_some((kind, length, computed))
}

/// The payload's length, if the frame's head is whole and checks.
fn sound_length(bytes: &[u8], chain: &Chain) -> Option<usize> {
    let head = bytes.get(..HEAD)?;
    if check(chain, &head[..5])[..8] != head[5..] {
        return None;
    }
    usize::try_from(u32::from_le_bytes([head[0], head[1], head[2], head[3]])).ok()
}

/// Whether what begins at `start`, no sound frame, is an append that was cut short.
fn is_torn(bytes: &[u8], start: usize, chain: &Chain) -> bool {
    let rest = &bytes[start..];
    let cut = match sound_length(rest, chain) {
        Some(length) => rest.len() < HEAD + length + CHECK,
        None => rest.len() < HEAD,
    };
    if cut {
        return true;
    }
    let written = start + rest.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
    let never_written_from = if written == start { start } else { written.next_multiple_of(SECTOR) };
    never_written_from + 8 <= bytes.len()
}

fn check(chain: &Chain, bytes: &[u8]) -> Chain {
    let mut hash = Sha256::new();
    hash.update(chain);
    hash.update(bytes);
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal(payloads: &[&[u8]]) -> Vec<u8> {
        let (mut bytes, mut chain) = begin();
        for payload in payloads {
            write(&mut bytes, &mut chain, Kind::Record, payload).unwrap();
        }
        bytes
    }

    fn payloads(bytes: &[u8]) -> Result<Vec<Vec<u8>>, FrameError> {
        Ok(parse(bytes)?.payloads.into_iter().map(|(_, range)| bytes[range].to_vec()).collect())
    }

    const THREE: [&[u8]; 3] = [b"first", b"", b"the third and longest of the three"];

    #[test]
    fn what_was_written_is_read() {
        assert_eq!(payloads(&journal(&THREE)).unwrap(), THREE);
        assert_eq!(payloads(&journal(&[])).unwrap(), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn cut_at_any_byte_it_is_an_exact_prefix_or_no_journal() {
        let whole = journal(&THREE);
        let first_line = begin().0.len();
        for length in 0..whole.len() {
            match parse(&whole[..length]) {
                Ok(parsed) => {
                    assert_eq!(payloads(&whole[..length]).unwrap(), THREE[..parsed.payloads.len()]);
                    assert_eq!(parsed.torn, parsed.end < length);
                }
                Err(error) => {
                    assert_eq!(error, FrameError::Corrupt { frames: 0, offset: 0 });
                    assert!(length < first_line);
                }
            }
        }
    }

    #[test]
    fn no_flipped_bit_goes_unnoticed_and_none_looks_like_a_torn_tail() {
        let whole = journal(&THREE);
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(parse(&flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn frames_can_be_neither_taken_out_nor_swapped_nor_repeated() {
        let whole = journal(&[b"aaaa", b"bbbb", b"cccc"]);
        let first_line = begin().0.len();
        let size = HEAD + 4 + CHECK;
        let part = |n: usize| &whole[first_line + n * size..first_line + (n + 1) * size];
        for order in [vec![0, 2], vec![1, 0, 2], vec![0, 0, 1, 2], vec![1, 2]] {
            let mut bytes = whole[..first_line].to_vec();
            for n in &order {
                bytes.extend_from_slice(part(*n));
            }
            assert!(parse(&bytes).is_err(), "{order:?}");
        }
    }

    #[test]
    fn a_tail_that_never_reached_the_disk_is_torn() {
        let mut bytes = journal(&THREE);
        let sound = bytes.len();
        bytes.resize(sound + 4096, 0);
        let parsed = parse(&bytes).unwrap();
        assert!(parsed.torn);
        assert_eq!((parsed.payloads.len(), parsed.end), (3, sound));

        let long = journal(&[b"short", &[7; 2000]]);
        let mut lost = long.clone();
        lost[1024..].fill(0);
        let parsed = parse(&lost).unwrap();
        assert!(parsed.torn);
        assert_eq!(parsed.payloads.len(), 1);
    }

    #[test]
    fn a_newer_format_is_said_to_be_one() {
        assert_eq!(parse(b"spai journal 2\nwhatever").unwrap_err(), FrameError::Newer("2".into()));
        assert!(matches!(parse(b"spai journal x\n"), Err(FrameError::Corrupt { .. })));
        assert!(matches!(parse(b""), Err(FrameError::Corrupt { .. })));
    }
}
