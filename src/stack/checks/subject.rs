//! A service as the checks look at it: what it is, and where each of its values stands.

use crate::resource::{Diagnostic, Diagnostics, Origin};
use crate::stack::alike::Config;
use crate::stack::model::{Container, Hook, Service, Tenancy};
use crate::stack::node::{Node, join_path};

/// A service in a place, layered and resolved.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'s> {
    /// Its name.
    pub name: &'s str,
    /// What it is, without its configuration.
    pub spec: &'s Service,
    /// Its configuration.
    pub config: &'s Config,
    /// The same as a tree, which knows the lines.
    pub node: &'s Node,
    /// Its file.
    pub origin: &'s Origin,
    /// The environment is production.
    pub production: bool,
    /// The settings of its namespace.
    pub tenancy: &'s Tenancy,
    /// Its tier as a tree, where it has one: the limits that hold where it says none.
    pub tier: Option<&'s Node>,
}

impl<'s> Subject<'s> {
    /// Where the value at a path stands; where there is none, what is nearest above it, or the service's file.
    pub fn at<S: AsRef<str>>(&self, path: &[S]) -> &'s Origin {
        let mut node = self.node;
        let mut origin = self.origin;
        for key in path {
            match node.get(key.as_ref()) {
                Some(next) => node = next,
                None => return origin,
            }
            // Values of the built-in defaults stand nowhere that one could look at.
            if node.origin.line > 0 {
                origin = &node.origin;
            }
        }
        origin
    }

    /// Where the key at the end of a path stands.
    pub fn key_at<S: AsRef<str>>(&self, path: &[S]) -> &'s Origin {
        let Some((last, above)) = path.split_last() else { return self.origin };
        let keys: Vec<&str> = above.iter().map(AsRef::as_ref).collect();
        let entry = self.node.at(&keys).and_then(Node::as_table).and_then(|table| table.get(last.as_ref()));
        entry.map_or_else(|| self.at(path), |entry| &entry.key_origin)
    }

    /// A path as people write it: `ports.http.port`.
    pub fn path<S: AsRef<str>>(path: &[S]) -> String {
        join_path(path)
    }

    /// Notes an error at a path: `service \`backend\`: …`.
    pub fn wrong<S: AsRef<str>>(
        &self,
        diagnostics: &mut Diagnostics,
        code: &str,
        path: &[S],
        (message, label): (String, impl Into<String>),
        help: impl Into<String>,
    ) {
        let diagnostic = Diagnostic::error(code, format!("service `{}`: {message}", self.name));
        diagnostics.push(diagnostic.at(self.at(path), label).help(help));
    }

    /// Further containers, and their paths: `init.NAME`, `sidecars.NAME`.
    pub fn containers(&self) -> impl Iterator<Item = (Vec<&'s str>, &'s Container)> {
        let of = |what: &'static str, (name, container): (&'s String, &'s Container)| (vec![what, name.as_str()], container);
        let init = self.spec.init.iter().map(move |entry| of("init", entry));
        init.chain(self.spec.sidecars.iter().map(move |entry| of("sidecars", entry)))
    }

    /// Hooks, and their paths: `hooks.before.NAME`.
    pub fn hooks(&self) -> impl Iterator<Item = (Vec<&'s str>, &'s Hook)> {
        let of = |when: &'static str, (name, hook): (&'s String, &'s Hook)| (vec!["hooks", when, name.as_str()], hook);
        let before = self.spec.hooks.before.iter().map(move |entry| of("before", entry));
        before.chain(self.spec.hooks.after.iter().map(move |entry| of("after", entry)))
    }
}

/// A path and what is below it.
pub fn below<'p>(path: &[&'p str], keys: &[&'p str]) -> Vec<&'p str> {
    [path, keys].concat()
}
