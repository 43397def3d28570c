//! `spai destroy`: everything that is the stack's goes, dependents first; in the end what spai keeps of its own, too.

use super::apply::{Pending, begin_as, want};
use super::{Refusal, Request};

/// Makes the plan of deletes that `spai destroy` shows and carries out (with [`Pending::run`]).
///
/// # Errors
/// As [`super::apply::begin`].
pub async fn begin(request: &Request) -> Result<Pending, Refusal> {
    begin_as(request, "destroy", |session| Ok(want(session, Vec::new())?)).await
}
