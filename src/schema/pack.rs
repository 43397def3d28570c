//! A schema in few bytes: what is embedded for the built-in kinds, and what is cached of a server's own.
//!
//! Texts once each, then types by number, all as varints, deflated. Whatever bytes are read, the answer is a schema or
//! none: a cache may be damaged.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde_json::Value;

use super::types::{Field, ListKey, ListKind, Scalar, Schema, Shape, Type, TypeId};
use crate::resource::GroupVersionKind;

/// Changes when what is written does, so that older caches are not read.
pub const FORMAT: u8 = 1;

/// Unpacked bytes; Kubernetes' own largest has 60 kB.
const LARGEST: u64 = 64 << 20;

const SCALARS: [Scalar; 10] = [
    Scalar::String,
    Scalar::Boolean,
    Scalar::Integer,
    Scalar::Number,
    Scalar::IntOrString,
    Scalar::Quantity,
    Scalar::Time,
    Scalar::MicroTime,
    Scalar::Bytes,
    Scalar::Any,
];

// What a type begins with. Scalars are their place in the list above.
const MAP: u8 = 32;
const ATOMIC: u8 = 33;
const SET: u8 = 34;
const KEYED: u8 = 35;
const ANY: u8 = 36;
const NULLABLE: u8 = 64;

impl Schema {
    /// Writes it in few bytes.
    pub fn pack(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.number(self.types().len());
        for of in self.types() {
            writer.of(of);
        }
        let kinds: Vec<_> = self.kinds().collect();
        writer.number(kinds.len());
        for (gvk, of) in kinds {
            for part in [&gvk.group, &gvk.version, &gvk.kind] {
                writer.text(part);
            }
            writer.id(of.id());
        }
        let names: Vec<_> = self.names().collect();
        writer.number(names.len());
        for (id, name) in names {
            writer.id(id);
            writer.text(name);
        }
        writer.finish()
    }

    /// Reads what [`Self::pack`] wrote. None: the bytes are something else.
    pub fn unpack(bytes: &[u8]) -> Option<Self> {
        let (format, packed) = bytes.split_first()?;
        let mut unpacked = Vec::with_capacity(packed.len() * 4);
        let limited = DeflateDecoder::new(packed).take(LARGEST).read_to_end(&mut unpacked);
        (*format == FORMAT && limited.is_ok()).then_some(())?;
        let mut reader = Reader { rest: &unpacked, texts: Vec::new() };
        for _ in 0..reader.count()? {
            let length = reader.count()?;
            let text = std::str::from_utf8(reader.take(length)?).ok()?;
            reader.texts.push(text);
        }
        let mut schema = Self::default();
        for _ in 0..reader.count()? {
            let of = reader.of()?;
            schema.add(of);
        }
        for _ in 0..reader.count()? {
            let gvk = GroupVersionKind { group: reader.text()?, version: reader.text()?, kind: reader.text()? };
            schema.name(gvk, reader.id()?);
        }
        for _ in 0..reader.count()? {
            let id = reader.id()?;
            schema.call(id, reader.text()?);
        }
        reader.rest.is_empty().then_some(schema)
    }
}

#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    texts: BTreeMap<String, usize>,
    order: Vec<String>,
}

impl Writer {
    fn of(&mut self, of: &Type) {
        let nullable = if of.nullable { NULLABLE } else { 0 };
        let mut begin = |tag: u8| self.bytes.push(tag | nullable);
        match &of.shape {
            Shape::Any => begin(ANY),
            Shape::Scalar(scalar) => {
                let place = SCALARS.iter().position(|known| known == scalar).unwrap_or_default();
                begin(u8::try_from(place).unwrap_or_default());
            }
            Shape::List { item, kind } => {
                begin(match kind {
                    ListKind::Atomic => ATOMIC,
                    ListKind::Set => SET,
                    ListKind::Map(_) => KEYED,
                });
                self.id(*item);
                if let ListKind::Map(keys) = kind {
                    self.number(keys.len());
                    for key in keys {
                        self.text(&key.name);
                        self.maybe(key.default.as_ref());
                    }
                }
            }
            Shape::Map { fields, values, atomic, open, embedded } => {
                begin(MAP);
                self.bytes.push(flags(&[*atomic, *open, *embedded, values.is_some()]));
                if let Some(values) = values {
                    self.id(*values);
                }
                self.number(fields.len());
                for field in fields {
                    self.text(&field.name);
                    self.id(field.of);
                    self.bytes.push(flags(&[field.required, field.omits_zero]));
                    self.maybe(field.default.as_ref());
                }
            }
        }
    }

    fn id(&mut self, id: TypeId) {
        self.number(id.0 as usize);
    }

    fn text(&mut self, text: &str) {
        let next = self.order.len();
        let place = *self.texts.entry(text.to_owned()).or_insert(next);
        if place == next {
            self.order.push(text.to_owned());
        }
        self.number(place);
    }

    /// 0, or 1 and the value.
    fn maybe(&mut self, value: Option<&Value>) {
        self.number(usize::from(value.is_some()));
        if let Some(value) = value {
            self.text(&value.to_string());
        }
    }

    fn number(&mut self, number: usize) {
        push_number(&mut self.bytes, number);
    }

    fn finish(self) -> Vec<u8> {
        let mut head = Vec::new();
        push_number(&mut head, self.order.len());
        for text in &self.order {
            push_number(&mut head, text.len());
            head.extend_from_slice(text.as_bytes());
        }
        let mut encoder = DeflateEncoder::new(vec![FORMAT], Compression::best());
        // Writing to a Vec can't fail.
        let _ = encoder.write_all(&head).and_then(|()| encoder.write_all(&self.bytes));
        encoder.finish().unwrap_or_default()
    }
}

fn push_number(bytes: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        bytes.push(u8::try_from(number & 0x7f).unwrap_or_default() | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap_or_default());
}

fn flags(set: &[bool]) -> u8 {
    set.iter().enumerate().fold(0, |flags, (place, set)| flags | u8::from(*set) << place)
}

struct Reader<'b> {
    rest: &'b [u8],
    texts: Vec<&'b str>,
}

impl<'b> Reader<'b> {
    fn of(&mut self) -> Option<Type> {
        let begin = self.byte()?;
        let shape = match begin & !NULLABLE {
            ANY => Shape::Any,
            ATOMIC => Shape::List { item: self.id()?, kind: ListKind::Atomic },
            SET => Shape::List { item: self.id()?, kind: ListKind::Set },
            KEYED => {
                let (item, mut keys) = (self.id()?, Vec::new());
                for _ in 0..self.count()? {
                    keys.push(ListKey { name: self.text()?, default: self.maybe()? });
                }
                Shape::List { item, kind: ListKind::Map(keys) }
            }
            MAP => self.map()?,
            scalar => Shape::Scalar(*SCALARS.get(usize::from(scalar))?),
        };
        Some(Type { shape, nullable: begin & NULLABLE != 0 })
    }

    fn map(&mut self) -> Option<Shape> {
        let flags = self.byte()?;
        let values = if flags & 8 != 0 { Some(self.id()?) } else { None };
        let count = self.count()?;
        let mut fields = Vec::with_capacity(count.min(1024));
        for _ in 0..count {
            let (name, of, flags) = (self.text()?, self.id()?, self.byte()?);
            fields.push(Field { name, of, default: self.maybe()?, required: flags & 1 != 0, omits_zero: flags & 2 != 0 });
        }
        // Fields are found by halving.
        fields.is_sorted_by(|a, b| a.name < b.name).then_some(())?;
        Some(Shape::Map { fields, values, atomic: flags & 1 != 0, open: flags & 2 != 0, embedded: flags & 4 != 0 })
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn take(&mut self, length: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<usize> {
        let mut number = 0usize;
        for place in 0..5 {
            let byte = self.byte()?;
            number |= usize::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    /// How many of something follow: never more than there are bytes, so nobody is asked for memory that isn't used.
    fn count(&mut self) -> Option<usize> {
        self.number().filter(|count| *count <= self.rest.len())
    }

    fn id(&mut self) -> Option<TypeId> {
        u32::try_from(self.number()?).ok().map(TypeId)
    }

    fn text(&mut self) -> Option<String> {
        let place = self.number()?;
        self.texts.get(place).map(|text| (*text).to_owned())
    }

    #[allow(clippy::option_option, reason = "that there is no default, and that the bytes are bad, are different things")]
    fn maybe(&mut self) -> Option<Option<Value>> {
        if self.number()? == 0 {
            return Some(None);
        }
        let place = self.number()?;
        serde_json::from_str(self.texts.get(place)?).ok().map(Some)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::schema::Definition;

    fn schema() -> Schema {
        let spec = json!({"type": "object", "x-kubernetes-map-type": "atomic", "required": ["b"], "properties": {
            "a": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
                "items": {"type": "object", "properties": {"k": {"type": "string", "default": "x"}}}},
            "b": {"type": "string", "nullable": true, "default": null}, "c": {"type": "object", "additionalProperties": {"type": "number"}},
            "d": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
            "e": {"x-kubernetes-preserve-unknown-fields": true}}});
        let crd = json!({"kind": "CustomResourceDefinition", "spec": {"group": "a.dev", "names": {"kind": "A", "plural": "as"},
            "versions": [{"name": "v1", "served": true, "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}}]}});
        Definition::read(&crd).unwrap().schema
    }

    #[test]
    fn what_is_packed_unpacks_to_the_same() {
        let schema = schema();
        assert_eq!(Schema::unpack(&schema.pack()), Some(schema));
        assert_eq!(Schema::unpack(&Schema::default().pack()), Some(Schema::default()));
    }

    #[test]
    fn damaged_bytes_are_no_schema() {
        let packed = schema().pack();
        for end in 0..packed.len() {
            assert_eq!(Schema::unpack(&packed[..end]), None);
        }
        let mut other = packed.clone();
        other[0] = FORMAT + 1;
        assert_eq!(Schema::unpack(&other), None, "of another format");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let mut encoder = DeflateEncoder::new(vec![FORMAT], Compression::fast());
            encoder.write_all(&bytes).unwrap();
            let _ = Schema::unpack(&encoder.finish().unwrap());
            let _ = Schema::unpack(&bytes);
        }
    }
}
