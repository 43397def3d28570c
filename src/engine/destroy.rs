//! `spai destroy`: everything that is the stack's goes, dependents first; in the end what spai keeps of its own, too.

use super::apply::{Pending, begin_as};
use super::{Refusal, Request, Session};

/// Makes the plan of deletions that `spai destroy` shows and carries out (with [`Pending::run`]).
///
/// # Errors
/// As [`super::apply::begin`].
pub async fn begin(request: &Request) -> Result<Pending, Refusal> {
    Box::pin(begin_as(Session::open(request).await?, request, "destroy", Some(Vec::new()))).await
}
