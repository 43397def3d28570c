//! Why a run doesn't even begin, or isn't carried out: typed, for the exit code depends on it.

use super::HELD;
use crate::plan::Consent;
use crate::resource::{Diagnostic, Diagnostics};
use crate::state::LockError;

/// Why a run doesn't begin. Nothing was written.
#[derive(Debug)]
pub enum Refusal {
    /// Something is wrong with the stack, the plan, the cluster or the state: exit code 1.
    Failed(Diagnostics),
    /// The plan does something that needs consent, and it wasn't given: exit code 1.
    NoConsent(Vec<Consent>),
    /// A run was killed or stopped before it was over: it has to be finished or undone first: exit code 4.
    Unfinished(Diagnostic),
    /// Another run holds the lock: exit code 5.
    Held(Diagnostic),
}

impl Refusal {
    /// The process's exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Failed(_) | Self::NoConsent(_) => 1,
            Self::Unfinished(_) => 4,
            Self::Held(_) => 5,
        }
    }

    /// What to say.
    pub fn diagnostics(self) -> Diagnostics {
        match self {
            Self::Failed(diagnostics) => diagnostics,
            Self::Unfinished(diagnostic) | Self::Held(diagnostic) => diagnostic.into(),
            Self::NoConsent(consents) => Diagnostics(consents.into_iter().map(no_consent).collect()),
        }
    }
}

/// A consent that wasn't given, with the flag that gives it.
fn no_consent(consent: Consent) -> Diagnostic {
    Diagnostic::error("apply::no_consent", consent.text).help(format!("`{}` consents to it", consent.kind.flag()))
}

impl From<Diagnostics> for Refusal {
    fn from(diagnostics: Diagnostics) -> Self {
        match diagnostics.0.iter().find(|one| one.code == HELD) {
            Some(held) => Self::Held(held.clone()),
            None => Self::Failed(diagnostics),
        }
    }
}

impl From<Diagnostic> for Refusal {
    fn from(diagnostic: Diagnostic) -> Self {
        Diagnostics::from(diagnostic).into()
    }
}

impl From<LockError> for Refusal {
    fn from(error: LockError) -> Self {
        let held = matches!(error, LockError::Held(_));
        let diagnostic = Diagnostic::from(error);
        if held || diagnostic.code == "cluster::lease_held" { Self::Held(diagnostic) } else { Self::Failed(diagnostic.into()) }
    }
}
