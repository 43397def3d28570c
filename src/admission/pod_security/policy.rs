//! Which standards a namespace's labels choose.

use std::fmt;

use super::{Level, Standard, Version};
use crate::resource::Object;

const PREFIX: &str = "pod-security.kubernetes.io";

/// What a namespace enforces, audits and warns of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Pods that violate it are refused.
    pub enforce: Standard,
    /// They are noted.
    pub audit: Standard,
    /// Whoever makes them is warned.
    pub warn: Standard,
}

/// A label that says no level or version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelError {
    /// Its key.
    pub label: String,
    /// What it says.
    pub value: String,
    /// What it must.
    pub message: &'static str,
}

impl fmt::Display for LabelError {
    /// As the server refuses a namespace for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "metadata.labels[{}]: Invalid value: \"{}\": {}", self.label, self.value, self.message)
    }
}

impl Policy {
    /// What a server enforces where a namespace says nothing.
    pub const NONE: Self = Self { enforce: Standard::NONE, audit: Standard::NONE, warn: Standard::NONE };

    /// What a namespace's labels choose, and those that choose nothing: the strictest holds in their place, where it is
    /// about enforcing.
    pub fn of(namespace: &Object) -> (Self, Vec<LabelError>) {
        let mut policy = Self::NONE;
        let mut errors = Vec::new();
        let modes = [("enforce", &mut policy.enforce), ("audit", &mut policy.audit), ("warn", &mut policy.warn)];
        for (mode, standard) in modes {
            let label = format!("{PREFIX}/{mode}");
            if let Some(value) = namespace.label(&label) {
                let level = Level::parse(value);
                let otherwise = if mode == "enforce" { Level::Restricted } else { Level::Privileged };
                standard.level = level.unwrap_or(otherwise);
                if level.is_none() {
                    errors.push(LabelError { label, value: value.to_owned(), message: "must be one of privileged, baseline, restricted" });
                }
            }
            let label = format!("{PREFIX}/{mode}-version");
            if let Some(value) = namespace.label(&label) {
                let version = Version::parse(value);
                standard.version = version.unwrap_or(Version::Latest);
                if version.is_none() {
                    errors.push(LabelError { label, value: value.to_owned(), message: "must be \"latest\" or \"v1.x\"" });
                }
            }
        }
        // What is enforced is warned of too, unless the namespace says otherwise.
        let says = |what: &str| namespace.label(&format!("{PREFIX}/{what}"));
        if says("warn").is_none()
            && says("enforce").is_some_and(|value| Level::parse(value).is_some())
            && policy.enforce.level > policy.warn.level
        {
            policy.warn.level = policy.enforce.level;
            if says("warn-version").is_none() {
                policy.warn.version = policy.enforce.version;
            }
        }
        (policy, errors)
    }
}

impl Standard {
    /// Nothing.
    pub const NONE: Self = Self { level: Level::Privileged, version: Version::Latest };
}

impl Level {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "privileged" => Some(Self::Privileged),
            "baseline" => Some(Self::Baseline),
            "restricted" => Some(Self::Restricted),
            _ => None,
        }
    }
}

impl Version {
    fn parse(text: &str) -> Option<Self> {
        if text == "latest" {
            return Some(Self::Latest);
        }
        let minor = text.strip_prefix("v1.")?;
        let plain = minor.bytes().all(|byte| byte.is_ascii_digit()) && (minor == "0" || !minor.starts_with('0'));
        minor.parse().ok().filter(|_| plain).map(Self::Minor)
    }
}

impl fmt::Display for Standard {
    /// `restricted:latest`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.level {
            Level::Privileged => "privileged",
            Level::Baseline => "baseline",
            Level::Restricted => "restricted",
        })?;
        match self.version {
            Version::Latest => f.write_str(":latest"),
            Version::Minor(minor) => write!(f, ":v1.{minor}"),
        }
    }
}
