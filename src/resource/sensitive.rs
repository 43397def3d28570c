//! A value that must not be seen: it cannot be printed, and its memory is cleared.

use std::fmt;

use zeroize::Zeroize;

/// A secret text. It has no `Display`, its `Debug` says nothing, it cannot be serialised, and it is zeroed when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Sensitive(String);

impl Sensitive {
    /// Takes a secret in.
    pub fn new(value: String) -> Self {
        Self(value)
    }

    /// Gives the secret out: only to what encodes it into an object or encrypts it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Sensitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sensitive(…)")
    }
}

impl Drop for Sensitive {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}
