//! A stack as its files say it, before an environment is chosen.

use std::collections::BTreeMap;

use crate::resource::Diagnostics;

use super::model::Strategy;
use super::{Resolved, Sources};

/// A stack: all its files, parsed and checked as far as that needs no environment.
#[derive(Clone, Debug)]
pub struct Stack {
    sources: Sources,
    name: String,
}

/// What a run chooses: the environment, and what it says on the command line.
#[derive(Clone, Debug, Default)]
pub struct ResolveOptions {
    /// The environment's name.
    pub environment: String,
    /// `--namespace`: the root of namespaces, in place of the environment's.
    pub root_namespace: Option<String>,
    /// `--strategy`: for all services.
    pub strategy: Option<Strategy>,
    /// `--input NAME=VALUE`.
    pub inputs: BTreeMap<String, String>,
    /// The process's environment; only declared inputs are looked up in it.
    pub variables: BTreeMap<String, String>,
}

impl Stack {
    /// Parses and checks all files: everything that is wrong whatever the environment. There is a stack unless `stack.toml` is missing or can't be read.
    pub fn load(sources: Sources) -> (Option<Self>, Diagnostics) {
        (Some(Self { sources, name: String::new() }), Diagnostics::default())
    }

    /// Its files.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The environments' names.
    pub fn environments(&self) -> Vec<String> {
        Vec::new()
    }

    /// The stack in one environment: layered, references resolved, decoded. `None` if anything is wrong.
    pub fn resolve(&self, _options: &ResolveOptions) -> (Option<Resolved>, Diagnostics) {
        (None, Diagnostics::default())
    }
}
