//! Types of CEL, and whether one fits another.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A type.
#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    /// Anything; checked when it is evaluated.
    Dyn,
    /// `null_type`.
    Null,
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Duration,
    Timestamp,
    /// A list, and what its items are.
    List(Arc<Type>, ListKind),
    /// A map: its keys, its values.
    Map(Arc<Type>, Arc<Type>),
    /// Fields by name.
    Object(Arc<Object>),
    /// A type of a library, by name.
    Opaque(&'static str),
    /// A type whose values expressions make: `Object.spec{…}`; its fields may be anything.
    Made(Arc<str>),
    /// A value, or none.
    Optional(Arc<Type>),
    /// A type as a value.
    Kind,
    /// Whatever it turns out to be, in the signature of a function.
    Param(char),
}

/// The fields of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Its name, for messages.
    pub name: String,
    /// Fields by the names that expressions have for them.
    pub fields: BTreeMap<String, Type>,
}

/// How a list merges and compares.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum ListKind {
    /// As a whole.
    #[default]
    Atomic,
    /// Whatever the order.
    Set,
    /// By these fields of its items.
    Map(Arc<[String]>),
}

impl Type {
    /// A list of these.
    pub fn list(item: Self) -> Self {
        Self::List(Arc::new(item), ListKind::Atomic)
    }

    /// A map by strings.
    pub fn map(value: Self) -> Self {
        Self::Map(Arc::new(Self::String), Arc::new(value))
    }

    /// One of these, or none.
    pub fn optional(of: Self) -> Self {
        Self::Optional(Arc::new(of))
    }

    /// An object with these fields.
    pub fn object(name: impl Into<String>, fields: impl IntoIterator<Item = (String, Self)>) -> Self {
        Self::Object(Arc::new(Object { name: name.into(), fields: fields.into_iter().collect() }))
    }

    /// Reads a type as signatures write it; a capital letter alone is a parameter.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some((outer, inner)) = text.strip_suffix(')').and_then(|text| text.split_once('(')) {
            return match outer {
                "list" => Some(Self::list(Self::parse(inner)?)),
                "optional_type" => Some(Self::optional(Self::parse(inner)?)),
                "map" => {
                    let (key, value) = inner.split_once(", ")?;
                    Some(Self::Map(Arc::new(Self::parse(key)?), Arc::new(Self::parse(value)?)))
                }
                _ => None,
            };
        }
        Some(match text {
            "dyn" => Self::Dyn,
            "null_type" => Self::Null,
            "bool" => Self::Bool,
            "int" => Self::Int,
            "uint" => Self::Uint,
            "double" => Self::Double,
            "string" => Self::String,
            "bytes" => Self::Bytes,
            "duration" => Self::Duration,
            "timestamp" => Self::Timestamp,
            "type" => Self::Kind,
            _ => {
                let mut letters = text.chars();
                match (letters.next(), letters.next()) {
                    (Some(letter), None) if letter.is_ascii_uppercase() => Self::Param(letter),
                    _ => Self::Opaque(OPAQUE.iter().find(|name| **name == text)?),
                }
            }
        })
    }
}

/// The types of the libraries.
pub const OPAQUE: [&str; 11] = [
    "kubernetes.Quantity",
    "kubernetes.URL",
    "net.IP",
    "net.CIDR",
    "kubernetes.Semver",
    "kubernetes.NamedFormat",
    "kubernetes.authorization.Authorizer",
    "kubernetes.authorization.PathCheck",
    "kubernetes.authorization.GroupCheck",
    "kubernetes.authorization.ResourceCheck",
    "kubernetes.authorization.Decision",
];

/// What parameters turned out to be.
#[derive(Clone, Debug, Default)]
pub struct Bindings(BTreeMap<char, Type>);

impl Bindings {
    /// Whether a value of a type may stand where the other is wanted.
    pub fn fits(&mut self, wanted: &Type, given: &Type) -> bool {
        match (wanted, given) {
            (Type::Param(letter), given) => match self.0.get(letter).cloned() {
                None | Some(Type::Dyn) => {
                    self.0.insert(*letter, given.clone());
                    true
                }
                Some(bound) => {
                    let fits = self.fits(&bound, given);
                    // The wider one stays: null is as good as an absent message, and dyn as anything.
                    if fits && (*given == Type::Dyn || bound == Type::Null) {
                        self.0.insert(*letter, given.clone());
                    }
                    fits
                }
            },
            (Type::Dyn, _) | (_, Type::Dyn | Type::Param(_)) => true,
            (Type::List(one, _), Type::List(two, _)) | (Type::Optional(one), Type::Optional(two)) => self.fits(one, two),
            (Type::Map(key, value), Type::Map(other_key, other_value)) => self.fits(key, other_key) && self.fits(value, other_value),
            // Libraries' types, objects, durations and timestamps can be null.
            (Type::Null, Type::Object(_) | Type::Opaque(_) | Type::Optional(_) | Type::Duration | Type::Timestamp)
            | (Type::Object(_) | Type::Opaque(_) | Type::Optional(_) | Type::Duration | Type::Timestamp, Type::Null) => true,
            (Type::Object(one), Type::Object(two)) => one.name == two.name,
            (one, two) => one == two,
        }
    }

    /// A type with its parameters replaced by what they turned out to be.
    pub fn resolve(&self, of: &Type) -> Type {
        match of {
            Type::Param(letter) => self.0.get(letter).cloned().unwrap_or(Type::Dyn),
            Type::List(item, kind) => Type::List(Arc::new(self.resolve(item)), kind.clone()),
            Type::Map(key, value) => Type::Map(Arc::new(self.resolve(key)), Arc::new(self.resolve(value))),
            Type::Optional(of) => Type::optional(self.resolve(of)),
            other => other.clone(),
        }
    }
}

/// What two branches are together, if they can be.
pub fn join(one: &Type, two: &Type) -> Option<Type> {
    let mut bindings = Bindings::default();
    let both = Type::Param('A');
    (bindings.fits(&both, one) && bindings.fits(&both, two)).then(|| bindings.resolve(&both))
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dyn => f.write_str("dyn"),
            Self::Null => f.write_str("null"),
            Self::Bool => f.write_str("bool"),
            Self::Int => f.write_str("int"),
            Self::Uint => f.write_str("uint"),
            Self::Double => f.write_str("double"),
            Self::String => f.write_str("string"),
            Self::Bytes => f.write_str("bytes"),
            Self::Duration => f.write_str("duration"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::List(item, _) => write!(f, "list({item})"),
            Self::Map(key, value) => write!(f, "map({key}, {value})"),
            Self::Object(object) => f.write_str(&object.name),
            Self::Opaque(name) => f.write_str(name),
            Self::Made(name) => f.write_str(name),
            Self::Optional(of) => write!(f, "optional_type({of})"),
            Self::Kind => f.write_str("type"),
            Self::Param(letter) => write!(f, "{letter}"),
        }
    }
}
