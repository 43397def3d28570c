//! Quotas: what is used of them, counted anew when something says so.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::Value;

use super::status::{MANAGER, write};
use crate::embedded::admit;
use crate::embedded::api::Failure;
use crate::embedded::world::State;

/// Brings a quota's status up to date.
pub(super) fn look(state: &mut State, quota: &Arc<Value>) -> Result<Option<SignedDuration>, Failure> {
    let mut next = Value::clone(quota);
    next["status"] = admit::quota_status(state, quota);
    write(state, quota, next, MANAGER)?;
    Ok(None)
}
