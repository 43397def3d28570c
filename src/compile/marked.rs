//! A piece of an object together with the lines that its fields come from, to be put into a larger piece.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::resource::{FieldOrigins, Note, Origin};

/// A JSON mapping whose fields know where they come from.
#[derive(Clone, Debug, Default)]
pub(super) struct Marked {
    fields: Map<String, Value>,
    marks: Vec<Note>,
}

impl Marked {
    /// Sets a field.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.fields.insert(name.to_owned(), value.into());
    }

    /// Sets a field that comes from a line of its own.
    pub fn set_from(&mut self, name: &'static str, value: impl Into<Value>, origin: Option<&Origin>) {
        self.set(name, value);
        self.mark(name, origin);
    }

    /// Sets a map's key, whatever characters it has.
    pub fn set_key_from(&mut self, key: &str, value: impl Into<Value>, origin: Option<&Origin>) {
        self.set(key, value);
        if let Some(origin) = origin {
            self.marks.push(Note::Key(key.to_owned(), origin.clone()));
        }
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// What a field holds so far.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.fields.get(name)
    }

    /// Sets a field if there is a value.
    pub fn set_maybe(&mut self, name: &'static str, value: Option<impl Into<Value>>, origin: Option<&Origin>) {
        if let Some(value) = value {
            self.set_from(name, value, origin);
        }
    }

    /// Sets a list, unless it is empty: the API server drops empty lists.
    pub fn set_list(&mut self, name: &str, items: Vec<Value>) {
        if !items.is_empty() {
            self.set(name, items);
        }
    }

    /// Puts another piece in as a field.
    pub fn put(&mut self, name: &'static str, piece: Self) {
        let Self { fields, marks } = piece;
        self.set(name, fields);
        self.mark_below(name, marks);
    }

    /// Puts pieces in as a list whose items are told apart by `key`. An empty list is left out.
    pub fn put_list(&mut self, name: &str, key: &str, pieces: Vec<Self>) {
        if pieces.is_empty() {
            return;
        }
        let mut items = Vec::with_capacity(pieces.len());
        for Self { fields, marks } in pieces {
            if !marks.is_empty() {
                let id = fields.get(key).and_then(Value::as_str).unwrap_or_default();
                self.mark_below(format!("{name}[{key}={id}]"), marks);
            }
            items.push(Value::Object(fields));
        }
        self.set(name, items);
    }

    /// Notes the line that a place (relative, like `limits.cpu` or `ports[containerPort=8080,protocol=TCP]`) comes from.
    pub fn mark(&mut self, path: impl Into<Cow<'static, str>>, origin: Option<&Origin>) {
        if let Some(origin) = origin {
            self.marks.push(Note::Line(path.into(), origin.clone()));
        }
    }

    /// The value, without the lines.
    pub fn into_value(self) -> Value {
        Value::Object(self.fields)
    }

    /// The value, and the line of each path.
    pub fn into_parts(self) -> (Map<String, Value>, FieldOrigins) {
        (self.fields, FieldOrigins::new(self.marks))
    }

    fn mark_below(&mut self, path: impl Into<Cow<'static, str>>, marks: Vec<Note>) {
        if !marks.is_empty() {
            self.marks.push(Note::Below(path.into(), marks));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_grow_with_the_pieces() {
        let origin = Origin { file: "a".into(), line: 1, column: 1, start: 0, end: 0 };
        let mut container = Marked::default();
        container.set("name", "app");
        container.set_from("image", "x:1", Some(&origin));
        let mut pod = Marked::default();
        pod.put_list("containers", "name", vec![container]);
        let mut object = Marked::default();
        object.put("spec", pod);
        let (value, fields) = object.into_parts();
        assert_eq!(value["spec"]["containers"][0]["image"], "x:1");
        assert_eq!(fields.iter().map(|(path, _)| path.to_string()).collect::<Vec<_>>(), ["spec.containers[app].image"]);
    }
}
