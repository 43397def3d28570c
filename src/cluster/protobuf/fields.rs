//! What the fields of the built-in kinds' protobuf messages are in JSON: `fields.txt`, which `tests/protobuf-tables` makes from
//! Kubernetes' own Go types, for one minor version.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use crate::resource::{GroupVersionKind, TextPlace};
use crate::schema::Minor;

const TEXT: &str = include_str!("fields.txt");

/// The minor versions that the table is of. What another one has left out or renamed isn't known.
const MINORS: std::ops::RangeInclusive<u16> = 35..=37;

/// The messages of a minor version.
#[derive(Debug)]
pub(super) struct Messages {
    all: Vec<Message>,
    /// The names of all fields, one after the other: texts that all tapes share.
    pub names: Arc<str>,
    kinds: HashMap<(&'static str, &'static str), usize>,
    /// That of a list's metadata.
    pub list_meta: usize,
    /// That of what the server says where it doesn't do what it is asked.
    pub status: usize,
}

/// A message.
#[derive(Debug, Default)]
pub(super) struct Message {
    /// By number.
    fields: Vec<Option<Field>>,
    /// Their numbers, by name.
    by_name: Vec<usize>,
    /// Those that are null where they are absent, as a mask of their ranks.
    pub null_if_absent: u64,
    /// It says when something was: two of them are rarely the same.
    pub is_dated: bool,
}

/// A field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    /// Where its name stands among the names.
    pub name: TextPlace,
    pub times: Times,
    pub of: Type,
    /// Left out where it is zero, empty or false.
    pub unless_zero: bool,
    /// Null where it is absent.
    null_if_absent: bool,
    /// Its place among the message's fields by name: that is how what is wanted has them, which it is compared with.
    pub rank: u32,
}

/// How often a field's value is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Times {
    Once,
    /// A list of them.
    List,
    /// A map of them.
    Map,
    /// A message whose fields are those of the one that it is in.
    Inline,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    Int,
    Bool,
    Bytes,
    Time,
    MicroTime,
    Quantity,
    IntOrString,
    /// JSON within the message.
    Json,
    Message(usize),
}

impl Messages {
    /// Those of a minor version; none if it isn't known.
    pub fn of(minor: Minor) -> Option<&'static Self> {
        static KNOWN: [OnceLock<Messages>; 3] = [const { OnceLock::new() }; 3];
        let which = MINORS.clone().position(|known| Minor::new(known) == minor)?;
        let known = KNOWN.get(which)?.get_or_init(|| Self::read(*MINORS.start() + u16::try_from(which).unwrap_or_default()));
        (!known.all.is_empty()).then_some(known)
    }

    /// The message of a kind; none: it is read as JSON.
    pub fn kind(&self, gvk: &GroupVersionKind) -> Option<usize> {
        // Few plans have more than twenty kinds: a text for each is no matter.
        self.kinds.get(&(gvk.api_version().as_str(), gvk.kind.as_str())).copied()
    }

    /// A message.
    pub fn get(&self, which: usize) -> Option<&Message> {
        self.all.get(which)
    }

    fn read(minor: u16) -> Self {
        let lines = || TEXT.lines().filter(|line| !line.starts_with('#'));
        let names = lines().filter(|line| !line.starts_with([' ', '=']));
        let numbers: HashMap<&str, usize> = names.enumerate().map(|(number, name)| (name, number)).collect();
        let number = |name| numbers.get(name).copied().unwrap_or_default();
        let (mut all, mut kinds): (Vec<Message>, HashMap<_, usize>) = (Vec::new(), HashMap::new());
        let (mut texts, mut places): (String, HashMap<&str, TextPlace>) = (String::new(), HashMap::new());
        for line in lines() {
            if let Some(kind) = line.strip_prefix("= ") {
                let mut words = kind.split(' ');
                if let (Some(version), Some(kind), Some(of)) = (words.next(), words.next(), words.next().and_then(|name| numbers.get(name)))
                {
                    kinds.insert((version, kind), *of);
                }
            } else if let Some(field) = line.strip_prefix(' ') {
                if let Some(message) = all.last_mut() {
                    let name = |name: &'static str| {
                        *places.entry(name).or_insert_with(|| {
                            texts.push_str(name);
                            TextPlace::shared(texts.len() - name.len(), name.len())
                        })
                    };
                    message.add(field, minor, &numbers, name);
                }
            } else {
                all.push(Message::default());
            }
        }
        let names: HashMap<TextPlace, &'static str> = places.into_iter().map(|(name, place)| (place, name)).collect();
        for message in &mut all {
            message.rank(|place| names.get(&place).copied().unwrap_or_default());
        }
        Self { all, names: texts.into(), kinds, list_meta: number("meta/v1.ListMeta"), status: number("meta/v1.Status") }
    }
}

impl Message {
    /// The field of that number.
    pub fn field(&self, number: usize) -> Option<&Field> {
        self.fields.get(number)?.as_ref()
    }

    /// The field of that rank.
    pub fn ranked(&self, rank: u32) -> Option<&Field> {
        self.field(*self.by_name.get(rank as usize)?)
    }

    /// Gives the fields their ranks. A message of more than a mask has room for isn't known.
    fn rank(&mut self, name: impl Fn(TextPlace) -> &'static str) {
        let numbers = self.fields.iter().enumerate().filter_map(|(number, field)| Some((name(field.as_ref()?.name), number)));
        let mut numbers: Vec<_> = numbers.collect();
        if numbers.len() > u64::BITS as usize {
            self.fields.clear();
            return;
        }
        numbers.sort_unstable();
        for (rank, (_, number)) in (0..).zip(&numbers) {
            if let Some(Some(field)) = self.fields.get_mut(*number) {
                field.rank = rank;
                self.null_if_absent |= u64::from(field.null_if_absent) << rank;
            }
        }
        self.is_dated = self.fields.iter().flatten().any(|field| matches!(field.of, Type::Time | Type::MicroTime));
        self.by_name = numbers.into_iter().map(|(_, number)| number).collect();
    }

    /// `42@35,36 name? []type`.
    fn add(&mut self, line: &'static str, minor: u16, numbers: &HashMap<&str, usize>, mut place: impl FnMut(&'static str) -> TextPlace) {
        let mut words = line.split(' ');
        let (Some(number), Some(name), Some(of), None) = (words.next(), words.next(), words.next(), words.next()) else { return };
        let (number, only) = number.split_once('@').map_or((number, None), |(number, only)| (number, Some(only)));
        if only.is_some_and(|only| !only.split(',').any(|one| one.parse() == Ok(minor))) {
            return;
        }
        // A field that isn't understood here is one that isn't known: what has it is read as JSON.
        let Ok(number) = number.parse::<usize>() else { return };
        let (times, of) = match (of.strip_prefix("[]"), of.strip_prefix("{}")) {
            (Some(of), _) => (Times::List, of),
            (_, Some(of)) => (Times::Map, of),
            _ if name == "." => (Times::Inline, of),
            _ => (Times::Once, of),
        };
        let of = match of {
            "text" => Type::Text,
            "int" => Type::Int,
            "bool" => Type::Bool,
            "bytes" => Type::Bytes,
            "time" => Type::Time,
            "micro-time" => Type::MicroTime,
            "quantity" => Type::Quantity,
            "int-or-string" => Type::IntOrString,
            "json" => Type::Json,
            name => match numbers.get(name) {
                Some(of) => Type::Message(*of),
                None => return,
            },
        };
        let plain = name.trim_end_matches(['?', '!']);
        if self.fields.len() <= number {
            self.fields.resize(number + 1, None);
        }
        if let Some(field) = self.fields.get_mut(number) {
            let (unless_zero, null_if_absent) = (name.ends_with('?'), name.ends_with('!'));
            *field = Some(Field { name: place(plain), times, of, unless_zero, null_if_absent, rank: 0 });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_understood() {
        let mut fields = 0;
        for minor in MINORS {
            let messages = Messages::of(Minor::new(minor)).unwrap();
            fields = fields.max(messages.all.iter().map(|message| message.fields.iter().flatten().count()).sum());
            assert!(messages.kind(&GroupVersionKind::from_api_version("apps/v1", "Deployment")).is_some());
            assert!(messages.kind(&GroupVersionKind::from_api_version("v1", "Secret")).is_some());
        }
        // All but the few that only older versions have.
        let lines = TEXT.lines().filter(|line| line.starts_with(' ') && !line.contains("@35 ") && !line.contains("@36 ")).count();
        assert_eq!(fields, lines);
        assert!(Messages::of(Minor::new(34)).is_none() && Messages::of(Minor::new(38)).is_none());
    }
}
