//! Lists of built-in kinds in protobuf, laid out as their JSON would be: half the work for the server, and fewer bytes. Whatever isn't
//! understood for certain (a field that the table doesn't have, bytes that are something else) is no list here, and is asked
//! for as JSON.
//!
//! The encoding is protobuf's (proto2, <https://protobuf.dev/programming-guides/encoding/>), in the envelope that Kubernetes puts around it
//! (`runtime.Unknown`, behind the bytes `k8s\0`).

mod fields;
mod wire;

use std::collections::HashMap;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use foldhash::fast::RandomState;

use self::fields::{Field, Messages, Times, Type};
pub use self::wire::{Fields, Wire};
use crate::resource::{GroupVersionKind, Tape, TextPlace};
use crate::schema::Minor;

/// What an answer in it calls itself.
pub(super) const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";

/// Protobuf, or JSON from who has none.
pub(super) const ACCEPT: &str = "application/vnd.kubernetes.protobuf,application/json";

/// What Kubernetes' envelope begins with.
pub const MAGIC: &[u8] = b"k8s\0";

/// Deeper is nothing real.
const DEPTH: usize = 64;

/// Messages of so few bytes are as soon laid out as found again.
const WORTH_LOOKING: usize = 16;

/// So many messages of a kind may be anew, and as many more as were there again, before none of them is looked for any more.
const TRIES: u32 = 32;

/// How the lists of a kind are read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    messages: &'static Messages,
    item: usize,
}

impl Form {
    /// That of a kind, at a server of this version. None: as JSON.
    pub fn of(gvk: &GroupVersionKind, server: Minor) -> Option<Self> {
        let messages = Messages::of(server)?;
        messages.kind(gvk).map(|item| Self { messages, item })
    }

    /// Reads a list: `{"metadata": {}, "items": []}`. None: it isn't understood.
    pub fn read(self, body: &[u8]) -> Option<Tape> {
        let list = unwrapped(body)?;
        let mut reader = Reader::new(self.messages, list.len());
        reader.list(self.item, list)?;
        Some(reader.to)
    }
}

/// What a server says where it doesn't do what it was asked, which it says in the same form: as JSON.
pub(super) fn status(body: &[u8]) -> Option<String> {
    let messages = Messages::of(Minor::DEFAULT)?;
    let status = unwrapped(body)?;
    let mut reader = Reader::new(messages, status.len());
    reader.message(messages.status, status)?;
    serde_json::to_string(&reader.to.tree()).ok()
}

/// What is in the envelope.
fn unwrapped(body: &[u8]) -> Option<&[u8]> {
    let mut raw: &[u8] = &[];
    for field in Fields::of(body.strip_prefix(MAGIC)?) {
        match field? {
            (2, Wire::Bytes(bytes)) => raw = bytes,
            // What it is was asked for, and its encoding and type are empty where it is protobuf as it stands.
            (1, _) | (3 | 4, Wire::Bytes([])) => {}
            _ => return None,
        }
    }
    Some(raw)
}

/// What bytes are of.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Said {
    Json,
    Message(usize),
}

/// Lays messages out.
struct Reader<'b> {
    messages: &'static Messages,
    to: Tape,
    /// What was laid out, by what it is and its bytes: objects that are alike have the same managed fields and the same pods, to the byte.
    laid_out: HashMap<(Said, &'b [u8]), Range<usize>, RandomState>,
    /// How often messages of each kind were there again, and how often not.
    again: HashMap<usize, (u32, u32), RandomState>,
    /// Times that were written: many objects were made in the same second.
    times: HashMap<i64, TextPlace>,
    depth: usize,
}

impl<'b> Reader<'b> {
    fn new(messages: &'static Messages, bytes: usize) -> Self {
        // What servers write has a node for each eight bytes or so.
        let to = Tape::sharing(&messages.names, bytes / 8, bytes);
        Self { messages, to, laid_out: HashMap::default(), again: HashMap::default(), times: HashMap::new(), depth: 0 }
    }

    fn list(&mut self, item: usize, list: &'b [u8]) -> Option<()> {
        let whole = self.to.open();
        let (mut metadata, mut items) = (None, 0);
        self.to.own("items");
        let start = self.to.open();
        for field in Fields::of(list) {
            match field? {
                (1, Wire::Bytes(bytes)) if metadata.is_none() => metadata = Some(bytes),
                (2, Wire::Bytes(bytes)) => {
                    self.message(item, bytes)?;
                    items += 1;
                }
                _ => return None,
            }
        }
        self.to.close_list(start, items);
        self.to.own("metadata");
        self.message(self.messages.list_meta, metadata.unwrap_or_default())?;
        self.to.close_map(whole, 2);
        Some(())
    }

    fn message(&mut self, of: usize, bytes: &'b [u8]) -> Option<()> {
        let (start, mut count) = (self.to.open(), 0);
        self.fields(of, bytes, &mut count)?;
        self.to.close_map(start, count);
        Some(())
    }

    /// The fields of a message by name, added to the map that is open; `count` has how many there are.
    fn fields(&mut self, of: usize, bytes: &'b [u8], count: &mut usize) -> Option<()> {
        self.depth += 1;
        let message = self.messages.get(of).filter(|_| self.depth <= DEPTH)?;
        // Where each field begins, by rank. Each is there once, its values one after the other.
        let (mut starts, mut present, mut last) = ([0; u64::BITS as usize], 0_u64, None);
        let mut fields = Fields::of(bytes);
        loop {
            let start = bytes.len() - fields.left();
            let Some(next) = fields.next() else { break };
            let rank = message.field(next?.0)?.rank;
            if last == Some(rank) {
                continue;
            }
            last = Some(rank);
            if present & (1 << rank) != 0 {
                return None;
            }
            present |= 1 << rank;
            *starts.get_mut(rank as usize)? = start;
        }
        let mut ranks = present | message.null_if_absent;
        while ranks != 0 {
            let rank = ranks.trailing_zeros();
            ranks &= ranks - 1;
            let field = message.ranked(rank)?;
            if present & (1 << rank) == 0 {
                *count += 1;
                self.to.text_of(field.name);
                self.to.null();
            } else {
                self.field(field, Fields::of(bytes.get(*starts.get(rank as usize)?..)?), count)?;
            }
        }
        self.depth -= 1;
        Some(())
    }

    /// A field, of which all values come first among these.
    fn field(&mut self, field: &Field, mut fields: Fields<'b>, count: &mut usize) -> Option<()> {
        let (number, value) = fields.next()??;
        if let (Times::Inline, Type::Message(of), Wire::Bytes(bytes)) = (field.times, field.of, value) {
            return self.fields(of, bytes, count);
        }
        if field.unless_zero && matches!(value, Wire::Number(0) | Wire::Bytes([])) {
            return Some(());
        }
        *count += 1;
        self.to.text_of(field.name);
        let is_list = match field.times {
            Times::Once => return self.value(field.of, value),
            Times::Inline => return None,
            Times::List => true,
            Times::Map => false,
        };
        let (start, mut values, mut next) = (self.to.open(), 0, Some((number, value)));
        while let Some((_, value)) = next.filter(|(other, _)| *other == number) {
            if is_list {
                self.value(field.of, value)?;
            } else {
                self.entry(field, value)?;
            }
            values += 1;
            next = fields.next().flatten();
        }
        if is_list {
            self.to.close_list(start, values);
        } else {
            self.to.close_map(start, values);
        }
        Some(())
    }

    /// `{1: name, 2: value}`.
    fn entry(&mut self, field: &Field, entry: Wire<'b>) -> Option<()> {
        let Wire::Bytes(entry) = entry else { return None };
        let (mut name, mut value) = (&[][..], Wire::Bytes(&[]));
        for part in Fields::of(entry) {
            match part? {
                (1, Wire::Bytes(bytes)) => name = bytes,
                (2, bytes) => value = bytes,
                _ => return None,
            }
        }
        self.text(name)?;
        self.value(field.of, value)
    }

    fn value(&mut self, of: Type, value: Wire<'b>) -> Option<()> {
        match (of, value) {
            (Type::Text, Wire::Bytes(bytes)) => self.text(bytes)?,
            (Type::Int, Wire::Number(number)) => self.to.number(number.cast_signed().into()),
            (Type::Bool, Wire::Number(number)) => self.to.bool(number != 0),
            (Type::Bytes, Wire::Bytes(bytes)) => self.to.own(&STANDARD.encode(bytes)),
            (Type::Time | Type::MicroTime, Wire::Bytes([])) => self.to.null(),
            (Type::Time, Wire::Bytes(bytes)) => {
                let (seconds, _) = time(bytes)?;
                let known = self.times.get(&seconds).copied();
                let place = match known {
                    Some(place) => place,
                    None => self.to.keep(&jiff::Timestamp::from_second(seconds).ok()?.to_string()),
                };
                self.times.insert(seconds, place);
                self.to.text_of(place);
            }
            (Type::MicroTime, Wire::Bytes(bytes)) => {
                let (seconds, nanos) = time(bytes)?;
                let time = jiff::Timestamp::new(seconds, nanos).ok()?;
                self.to.own(&format!("{time:.6}"));
            }
            (Type::Quantity, Wire::Bytes(bytes)) => match Fields::of(bytes).next()?? {
                (1, Wire::Bytes(text)) => self.text(text)?,
                _ => return None,
            },
            (Type::IntOrString, Wire::Bytes(bytes)) => self.int_or_string(bytes)?,
            (Type::Json, Wire::Bytes(bytes)) => match Fields::of(bytes).next() {
                None => self.to.null(),
                Some(raw) => match raw? {
                    (1, Wire::Bytes(json)) => self.json(json)?,
                    _ => return None,
                },
            },
            (Type::Message(of), Wire::Bytes(bytes)) => self.message_or_again(of, bytes)?,
            _ => return None,
        }
        Some(())
    }

    /// A message, or that it is the same as one before. Of kinds that are rarely the same none is looked for.
    fn message_or_again(&mut self, of: usize, bytes: &'b [u8]) -> Option<()> {
        if bytes.len() < WORTH_LOOKING || self.messages.get(of)?.is_dated {
            return self.message(of, bytes);
        }
        let (again, anew) = self.again.entry(of).or_default();
        if *anew > TRIES + *again {
            return self.message(of, bytes);
        }
        if let Some(nodes) = self.laid_out.get(&(Said::Message(of), bytes)) {
            *again += 1;
            self.to.again(nodes);
            return Some(());
        }
        *anew += 1;
        let start = self.to.end();
        self.message(of, bytes)?;
        self.laid_out.insert((Said::Message(of), bytes), start..self.to.end());
        Some(())
    }

    fn text(&mut self, bytes: &[u8]) -> Option<()> {
        self.to.own(std::str::from_utf8(bytes).ok()?);
        Some(())
    }

    /// `{1: which, 2: number, 3: text}`.
    fn int_or_string(&mut self, bytes: &'b [u8]) -> Option<()> {
        let (mut is_text, mut number, mut text) = (false, 0, &[][..]);
        for part in Fields::of(bytes) {
            match part? {
                (1, Wire::Number(which)) => is_text = which == 1,
                (2, Wire::Number(value)) => number = value.cast_signed(),
                (3, Wire::Bytes(bytes)) => text = bytes,
                _ => return None,
            }
        }
        if is_text {
            return self.text(text);
        }
        self.to.number(number.into());
        Some(())
    }

    fn json(&mut self, json: &'b [u8]) -> Option<()> {
        if json.is_empty() {
            self.to.null();
        } else if let Some(nodes) = self.laid_out.get(&(Said::Json, json)) {
            self.to.again(nodes);
        } else {
            let start = self.to.end();
            self.to.add_json(std::str::from_utf8(json).ok()?).ok()?;
            self.laid_out.insert((Said::Json, json), start..self.to.end());
        }
        Some(())
    }
}

/// `{1: seconds, 2: nanoseconds}`.
fn time(bytes: &[u8]) -> Option<(i64, i32)> {
    let (mut seconds, mut nanos) = (0, 0);
    for part in Fields::of(bytes) {
        match part? {
            (1, Wire::Number(value)) => seconds = value.cast_signed(),
            (2, Wire::Number(value)) => nanos = i32::try_from(value).ok()?,
            _ => return None,
        }
    }
    Some((seconds, nanos))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::sync::LazyLock;

    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// Lists of all kinds in both forms, their fields filled at random; made by `tests/protobuf-tables` with Kubernetes' own encoders.
    fn samples() -> &'static [(GroupVersionKind, Vec<u8>, Value)] {
        static SAMPLES: LazyLock<Vec<(GroupVersionKind, Vec<u8>, Value)>> = LazyLock::new(read_samples);
        &SAMPLES
    }

    fn read_samples() -> Vec<(GroupVersionKind, Vec<u8>, Value)> {
        let mut lines = String::new();
        flate2::read::GzDecoder::new(&include_bytes!("samples.jsonl.gz")[..]).read_to_string(&mut lines).unwrap();
        let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let of = |line: &Value| {
            let text = |name: &str| line[name].as_str().unwrap();
            let gvk = GroupVersionKind::from_api_version(text("apiVersion"), text("kind"));
            (gvk, STANDARD.decode(text("protobuf")).unwrap(), line["json"].clone())
        };
        lines.iter().map(of).collect()
    }

    const NEWEST: Minor = Minor::new(37);

    #[test]
    fn a_list_is_read_as_its_json_would_be() {
        let mut kinds = 0;
        for (gvk, body, json) in samples() {
            let tape = Form::of(gvk, NEWEST).unwrap().read(body).unwrap_or_else(|| panic!("{gvk:?} isn't understood"));
            assert_eq!(tape.tree().to_value(), *json, "{gvk:?}");
            kinds += 1;
        }
        assert!(kinds > 50, "{kinds}");
    }

    #[test]
    fn a_refusal_is_read_in_the_servers_words() {
        // As a server of 1.36 says that a token of a list is too old.
        let body = b"k8s\0\x0a\x0c\x0a\x02v1\x12\x06Status\x12\x2c\x0a\x06\x0a\0\x12\0\x1a\0\x12\x07Failure\x1a\x08too old.\"\x07Expired\x30\x9a\x03\x2a\x03\x0a\x01x\x1a\0\"\0";
        let read: Value = serde_json::from_str(&status(body).unwrap()).unwrap();
        assert_eq!((&read["reason"], &read["message"], &read["code"]), (&"Expired".into(), &"too old.".into(), &410.into()));
        assert!(status(b"{}").is_none());
    }

    #[test]
    fn a_field_that_is_not_in_the_table_makes_it_json() {
        let (gvk, body, _) = samples().iter().find(|(gvk, ..)| gvk.kind == "Namespace").unwrap();
        let form = Form::of(gvk, NEWEST).unwrap();
        assert!(form.read(body).is_some());
        // A list with one item with a field 99 of length 0; an envelope around it.
        let list = [0x12, 3, 0x9a, 0x06, 0];
        let unknown: Vec<u8> = b"k8s\0".iter().copied().chain([0x12, 5]).chain(list).collect();
        assert!(form.read(&unknown).is_none());
        assert!(form.read(b"{}").is_none());
        // Compressed within the envelope.
        let packed = [&body[..], &[0x1a, 4], b"gzip"].concat();
        assert!(form.read(&packed).is_none());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte: u8, cut: bool) {
            let (gvk, body, _) = which.get(samples());
            let mut body = body.clone();
            let at = at.index(body.len());
            if cut { body.truncate(at) } else { body[at] = byte }
            let form = Form::of(gvk, NEWEST).unwrap();
            if let Some(tape) = form.read(&body) {
                let _ = tape.tree().to_value();
            }
        }
    }
}
