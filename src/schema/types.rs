//! Types as server-side apply sees them: scalars, maps and structs, lists, each atomic or merged.
//!
//! The vocabulary is structured-merge-diff's (`schema.TypeDef`): a struct is a map whose keys have types of their own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::resource::GroupVersionKind;

/// Types of kinds. Types refer to one another by number, so that recursive ones (a CRD's own schema) are finite.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Schema {
    types: Vec<Type>,
    kinds: BTreeMap<GroupVersionKind, TypeId>,
    /// What built-in types are called: `core.v1.PodSpec`.
    #[serde(default)]
    names: BTreeMap<TypeId, String>,
}

/// The number of a type within its schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TypeId(pub(super) u32);

/// A type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Type {
    /// What its values are.
    pub shape: Shape,
    /// `null` is a value of its own, and is kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub nullable: bool,
}

/// What the values of a type are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Shape {
    /// One value.
    Scalar(Scalar),
    /// A struct, a map, or both.
    Map {
        /// The fields that are known by name, sorted by it.
        fields: Vec<Field>,
        /// What all others are (`additionalProperties`). None: there are no others.
        values: Option<TypeId>,
        /// Owned and replaced as a whole.
        atomic: bool,
        /// `x-kubernetes-preserve-unknown-fields`: fields that are not known by name are kept, and their types deduced.
        open: bool,
        /// `x-kubernetes-embedded-resource`: has `apiVersion`, `kind` and `metadata` of its own.
        embedded: bool,
    },
    /// A list.
    List {
        /// What its items are.
        item: TypeId,
        /// How it is merged.
        kind: ListKind,
    },
    /// Anything: types are deduced from values. Maps are granular, lists atomic.
    Any,
}

/// A field of a struct.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its type.
    pub of: TypeId,
    /// What the server puts there when it is missing. Only what it really does: OpenAPI's zero values are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// It must be there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// Its zero value (`""`, 0, false, an empty list or map) says nothing, and isn't stored.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub omits_zero: bool,
}

/// What a scalar is; decides which texts mean the same value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scalar {
    /// A text, kept as it is.
    String,
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// A number or a text; `80` and `"80"` are different.
    IntOrString,
    /// `1000m` is stored as `1`. Built-in kinds only.
    Quantity,
    /// RFC 3339, stored in whole seconds and UTC. Built-in kinds only.
    Time,
    /// The same with microseconds.
    MicroTime,
    /// base64, stored with padding.
    Bytes,
    /// Any scalar at all.
    Any,
}

/// How a list is merged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ListKind {
    /// Owned and replaced as a whole.
    Atomic,
    /// Items are scalars, each there once.
    Set,
    /// Items are told apart by the values of keys.
    Map(Vec<ListKey>),
}

/// A merge key of a keyed list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ListKey {
    /// The item's field.
    pub name: String,
    /// What counts where the item leaves it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
}

/// A type together with the schema that it is of.
#[derive(Clone, Copy, Debug)]
pub struct TypeRef<'s> {
    schema: &'s Schema,
    of: &'s Type,
    id: TypeId,
}

/// What a value without a schema is.
static ANY: Type = Type { shape: Shape::Any, nullable: true };
static NONE: Schema = Schema { types: Vec::new(), kinds: BTreeMap::new(), names: BTreeMap::new() };

impl Schema {
    /// The type of a kind, if it is known.
    pub fn kind(&self, gvk: &GroupVersionKind) -> Option<TypeRef<'_>> {
        self.kinds.get(gvk).map(|id| self.at(*id))
    }

    /// All kinds, sorted.
    pub fn kinds(&self) -> impl Iterator<Item = (&GroupVersionKind, TypeRef<'_>)> {
        self.kinds.iter().map(|(gvk, id)| (gvk, self.at(*id)))
    }

    /// Adds a type that others may refer to.
    pub fn add(&mut self, of: Type) -> TypeId {
        let id = TypeId(u32::try_from(self.types.len()).unwrap_or(u32::MAX));
        self.types.push(of);
        id
    }

    /// Fills in a type that was added before what it refers to was known.
    pub fn set(&mut self, id: TypeId, of: Type) {
        if let Some(place) = self.types.get_mut(id.0 as usize) {
            *place = of;
        }
    }

    /// Says which type a kind has.
    pub fn name(&mut self, gvk: GroupVersionKind, id: TypeId) {
        self.kinds.insert(gvk, id);
    }

    /// Says what a built-in type is called.
    pub fn call(&mut self, id: TypeId, name: impl Into<String>) {
        self.names.insert(id, name.into());
    }

    /// Its types, in the order of their numbers.
    pub(super) fn types(&self) -> &[Type] {
        &self.types
    }

    /// The types that have names.
    pub(super) fn names(&self) -> impl Iterator<Item = (TypeId, &str)> {
        self.names.iter().map(|(id, name)| (*id, name.as_str()))
    }

    /// The types that have names, and how they may be changed.
    pub(super) fn named_mut(&mut self) -> impl Iterator<Item = (&str, &mut Type)> {
        let Self { types, names, .. } = self;
        types.iter_mut().enumerate().filter_map(|(index, of)| {
            let id = TypeId(u32::try_from(index).ok()?);
            Some((names.get(&id)?.as_str(), of))
        })
    }

    fn at(&self, id: TypeId) -> TypeRef<'_> {
        TypeRef { schema: self, of: self.types.get(id.0 as usize).unwrap_or(&ANY), id }
    }
}

impl<'s> TypeRef<'s> {
    /// The type of a value that no schema describes.
    pub fn any() -> TypeRef<'static> {
        TypeRef { schema: &NONE, of: &ANY, id: TypeId(u32::MAX) }
    }

    /// What its values are.
    pub fn shape(self) -> &'s Shape {
        &self.of.shape
    }

    /// What a built-in type is called: `core.v1.PodSpec`.
    pub fn name(self) -> Option<&'s str> {
        self.schema.names.get(&self.id).map(String::as_str)
    }

    /// Its number within its schema.
    pub fn id(self) -> TypeId {
        self.id
    }

    /// Whether `null` is a value of its own.
    pub fn nullable(self) -> bool {
        self.of.nullable
    }

    /// The type another one of the same schema refers to.
    #[must_use]
    pub fn of(self, id: TypeId) -> Self {
        self.schema.at(id)
    }

    /// A struct's field that is known by name.
    pub fn known_field(self, name: &str) -> Option<&'s Field> {
        let Shape::Map { fields, .. } = &self.of.shape else { return None };
        fields.binary_search_by(|field| field.name.as_str().cmp(name)).ok().map(|index| &fields[index])
    }

    /// The type of what stands under a name in a struct or map. None: there can be nothing.
    pub fn field(self, name: &str) -> Option<Self> {
        match &self.of.shape {
            Shape::Any => Some(TypeRef::any()),
            Shape::Map { values, open, .. } => match self.known_field(name) {
                Some(field) => Some(self.of(field.of)),
                None => values.map(|id| self.of(id)).or_else(|| open.then(TypeRef::any)),
            },
            _ => None,
        }
    }

    /// The type of a list's items.
    pub fn item(self) -> Option<Self> {
        match &self.of.shape {
            Shape::Any => Some(TypeRef::any()),
            Shape::List { item, .. } => Some(self.of(*item)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recursive_type_is_found_again_below_itself() {
        let mut schema = Schema::default();
        let id = schema.add(ANY.clone());
        let field = Field { name: "next".to_owned(), of: id, default: None, required: false, omits_zero: false };
        let shape = Shape::Map { fields: vec![field], values: None, atomic: false, open: false, embedded: false };
        schema.set(id, Type { shape, nullable: false });
        let gvk = GroupVersionKind::from_api_version("v1", "Chain");
        schema.name(gvk.clone(), id);
        let root = schema.kind(&gvk).unwrap();
        assert!(root.field("next").unwrap().field("next").unwrap().known_field("next").is_some());
        assert!(root.field("other").is_none() && TypeRef::any().field("x").unwrap().item().is_some());
    }
}
