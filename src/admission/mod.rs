//! What a server and its controllers decide, as functions of objects: whether a quota has room, what a LimitRange gives and
//! refuses, which pods a namespace takes, what can't change, who may do what; whether an object is ready, and why it isn't.

mod amounts;
mod classes;
pub mod immutable;
pub mod limit_range;
pub mod pod;
pub mod pod_security;
#[cfg(test)]
mod properties;
pub mod quota;
pub mod rbac;
mod readiness;
pub mod symptoms;

pub use amounts::Amounts;
pub use classes::Classes;
pub use pod::pod_of;
pub use readiness::{Readiness, readiness};
