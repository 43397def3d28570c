//! The nouns everything else is about: a Kubernetes object, its identity, a path into it, the desired, live and
//! prior form of one, and the diagnostic that says what is wrong with any of them.
//!
//! This module knows Kubernetes' conventions (metadata, identity, label keys) and nothing of stacks or clusters.

mod desired;
mod diagnostic;
mod finder;
mod key;
mod labels;
mod likeness;
mod mould;
mod object;
mod origins;
mod path;
mod pod;
mod prior;
mod quantity;
mod sensitive;
mod tape;
mod tape_read;
mod tree;

pub use desired::{Declared, Desired, Edge, EdgeReason, HandOver, Lifecycle, Scope};
pub use diagnostic::{Diagnostic, Diagnostics, Label, Origin, Severity};
pub use finder::Finder;
pub use key::{GroupKind, GroupVersionKind, KeyParseError, KeyRef, ObjectKey};
pub use labels::{FieldManager, MANAGED_BY, PREFIX, StackIdentity};
pub use likeness::{OtherTexts, Standing};
pub use object::{Digest, Object, ObjectError, SERVER_METADATA};
pub use origins::{FieldOrigins, Note};
pub use path::{FieldPath, PathElement, PathParseError, compare_values, same_value};
pub use pod::{PodReferences, Read, pod_spec, pod_template_path};
pub use prior::{Kept, Prior, PriorSet, Recall};
pub use quantity::{Fraction, Quantity, QuantityError};
pub use sensitive::Sensitive;
pub use tape::{Place as TextPlace, Tape};
pub use tree::{Entries, Items, Shape as TreeShape, Tree};
