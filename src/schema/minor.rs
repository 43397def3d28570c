//! Kubernetes' minor versions: what a stack pins, and what a server says that it is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A minor version of Kubernetes: `1.36`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Minor {
    major: u16,
    minor: u16,
}

/// A text that is no version of Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no version of Kubernetes: write one like `1.36`")]
pub struct MinorError(pub String);

impl Minor {
    /// What a stack is for that doesn't say.
    pub const DEFAULT: Self = Self::new(36);

    /// 1.`minor`.
    pub const fn new(minor: u16) -> Self {
        Self { major: 1, minor }
    }

    /// How many minor versions lie between two; a major one counts as very many.
    pub fn distance(self, other: Self) -> u32 {
        let place = |version: Self| u32::from(version.major) << 16 | u32::from(version.minor);
        place(self).abs_diff(place(other))
    }
}

impl fmt::Display for Minor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for Minor {
    type Err = MinorError;

    /// Reads `1.36` as well as what servers say: `v1.36.3`, `v1.36.3-gke.1200+a`, `1.36+`.
    fn from_str(text: &str) -> Result<Self, MinorError> {
        let read = || {
            let (major, rest) = text.strip_prefix('v').unwrap_or(text).split_once('.')?;
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let (minor, rest) = rest.split_at(end);
            let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
            (rest.is_empty() || rest.starts_with(['.', '-', '+'])).then_some(())?;
            Some(Self { major: digits(major)?, minor: digits(minor)? })
        };
        read().ok_or_else(|| MinorError(text.to_owned()))
    }
}

impl TryFrom<String> for Minor {
    type Error = MinorError;

    fn try_from(text: String) -> Result<Self, MinorError> {
        text.parse()
    }
}

impl From<Minor> for String {
    fn from(minor: Minor) -> Self {
        minor.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_stacks_and_servers_write_them() {
        for text in ["1.36", "v1.36", "v1.36.3", "v1.36.3-gke.1200+a", "1.36+", "v1.36.0-eks-1"] {
            assert_eq!(text.parse(), Ok(Minor::new(36)), "{text}");
        }
        for text in ["", "1", "1.", "v", "1.x", "+1.36", "1.36x", "1.99999", " 1.36", "1.-3"] {
            assert!(text.parse::<Minor>().is_err(), "{text}");
        }
        assert_eq!(Minor::new(36).to_string(), "1.36");
        assert_eq!(Minor::new(36).distance(Minor::new(38)), 2);
    }
}
