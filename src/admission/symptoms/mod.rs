//! Why something isn't ready, in words that come from pods, events, quota, scheduling, image pulls, probes and logs.
//!
//! [`Evidence`] is what was read of the cluster; [`symptoms`] reads it as somebody on call would, and says of each finding
//! whether waiting can help ([`terminal`]).

mod containers;
mod events;
mod evidence;
mod refusal;
mod symptom;

pub use evidence::{Evidence, in_motion, is_owned_by, symptoms};
pub use symptom::{Symptom, Trouble, terminal};
