//! The lines that an object's fields come from.
//!
//! A stack has them for every field of every object, and asks for few: for those that change, and those that are wrong.
//! So they are kept as they were noted, objects that are alike (of one service, for many tenants) share them, and they
//! are laid out by path when somebody asks.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{FieldPath, Origin};

/// A line that was noted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// Of the field at a path, as people write it: `resources.limits.cpu`. A text that is no path says nothing.
    Line(Cow<'static, str>, Origin),
    /// Of a map's key, whatever characters it has.
    Key(String, Origin),
    /// Of fields below a path: `containers[name=app]`.
    Below(Cow<'static, str>, Vec<Note>),
    /// Of the field at a path.
    At(FieldPath, Origin),
}

/// The lines of an object's fields. Of several that were noted for one field the last counts.
#[derive(Clone, Debug, Default)]
pub struct FieldOrigins(Option<Arc<Noted>>);

#[derive(Debug, Default)]
struct Noted {
    notes: Vec<Note>,
    by_path: OnceLock<BTreeMap<FieldPath, Origin>>,
}

impl FieldOrigins {
    /// Those that were noted, in this order.
    pub fn new(notes: Vec<Note>) -> Self {
        Self((!notes.is_empty()).then(|| Arc::new(Noted { notes, by_path: OnceLock::new() })))
    }

    /// The line noted for exactly this field.
    pub fn get(&self, path: &FieldPath) -> Option<&Origin> {
        self.by_path()?.get(path)
    }

    /// Every field that has a line of its own, and the line.
    pub fn iter(&self) -> impl Iterator<Item = (&FieldPath, &Origin)> {
        self.by_path().into_iter().flatten()
    }

    /// Whether no field has a line of its own.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Notes one more.
    pub fn insert(&mut self, path: FieldPath, origin: Origin) {
        let mut notes = match self.0.take().map(Arc::try_unwrap) {
            None => Vec::with_capacity(1),
            Some(Ok(noted)) => noted.notes,
            Some(Err(shared)) => shared.notes.clone(),
        };
        notes.push(Note::At(path, origin));
        *self = Self::new(notes);
    }

    /// Takes those of an object that is alike in place of its own, where they are the same; whether they are.
    pub fn share(&mut self, other: &Self) -> bool {
        let shared = self.0.as_ref().zip(other.0.as_ref()).is_some_and(|(own, other)| Arc::ptr_eq(own, other));
        if shared {
            return true;
        }
        let same = self.notes() == other.notes();
        if same {
            self.0.clone_from(&other.0);
        }
        same
    }

    fn notes(&self) -> &[Note] {
        self.0.as_ref().map_or(&[], |noted| &noted.notes)
    }

    fn by_path(&self) -> Option<&BTreeMap<FieldPath, Origin>> {
        let noted = self.0.as_ref()?;
        Some(noted.by_path.get_or_init(|| {
            let mut laid = BTreeMap::new();
            lay_out(&noted.notes, "", &mut laid);
            laid
        }))
    }
}

impl PartialEq for FieldOrigins {
    fn eq(&self, other: &Self) -> bool {
        self.notes() == other.notes() || self.iter().eq(other.iter())
    }
}

impl Eq for FieldOrigins {}

impl FromIterator<(FieldPath, Origin)> for FieldOrigins {
    fn from_iter<I: IntoIterator<Item = (FieldPath, Origin)>>(lines: I) -> Self {
        Self::new(lines.into_iter().map(|(path, origin)| Note::At(path, origin)).collect())
    }
}

/// JSON has no maps keyed by paths: a list of pairs.
impl Serialize for FieldOrigins {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for FieldOrigins {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<(FieldPath, Origin)>::deserialize(deserializer)?.into_iter().collect())
    }
}

fn lay_out(notes: &[Note], above: &str, laid: &mut BTreeMap<FieldPath, Origin>) {
    for note in notes {
        match note {
            Note::Line(path, origin) => {
                if let Ok(path) = joined(above, path).parse() {
                    laid.insert(path, origin.clone());
                }
            }
            Note::Key(key, origin) => {
                if let Ok(path) = joined(above, &FieldPath::fields(&[key]).to_string()).parse() {
                    laid.insert(path, origin.clone());
                }
            }
            Note::Below(path, notes) => lay_out(notes, &joined(above, path), laid),
            Note::At(path, origin) => {
                laid.insert(path.clone(), origin.clone());
            }
        }
    }
}

fn joined(above: &str, path: &str) -> String {
    let dot = if above.is_empty() || path.starts_with('[') { "" } else { "." };
    format!("{above}{dot}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(line: u32) -> Origin {
        Origin { file: "a".into(), line, column: 1, start: 0, end: 0 }
    }

    fn noted() -> FieldOrigins {
        let container = vec![Note::Line("image".into(), origin(1)), Note::Key("a.b".to_owned(), origin(2))];
        FieldOrigins::new(vec![Note::Below("spec".into(), vec![Note::Below("containers[name=app]".into(), container)])])
    }

    fn shown(origins: &FieldOrigins) -> Vec<(String, u32)> {
        origins.iter().map(|(path, origin)| (path.to_string(), origin.line)).collect()
    }

    #[test]
    fn paths_grow_with_what_they_are_below_and_the_last_word_counts() {
        let mut origins = noted();
        assert_eq!(shown(&origins), [("spec.containers[app][\"a.b\"]".to_owned(), 2), ("spec.containers[app].image".to_owned(), 1)]);
        let image: FieldPath = "spec.containers[app].image".parse().unwrap();
        origins.insert(image.clone(), origin(7));
        assert_eq!(origins.get(&image), Some(&origin(7)));
        assert_eq!(origins.get(&"spec".parse().unwrap()), None);
    }

    #[test]
    fn what_is_shared_stays_as_it_was_when_one_of_them_changes() {
        let (first, mut second) = (noted(), noted());
        assert!(second.share(&first));
        second.insert(FieldPath::fields(&["spec"]), origin(9));
        assert!(!second.share(&first));
        assert_eq!((shown(&first).len(), shown(&second).len()), (2, 3));
    }

    #[test]
    fn it_is_the_same_after_a_journal() {
        let written = serde_json::to_string(&noted()).unwrap();
        let read: FieldOrigins = serde_json::from_str(&written).unwrap();
        assert_eq!(shown(&read), shown(&noted()));
    }
}
