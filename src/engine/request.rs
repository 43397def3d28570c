//! What a command is asked to do: everything that comes from flags and the surroundings, as values.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::resource::{Desired, ObjectKey, Scope};
use crate::stack::model::Strategy;

/// A request of a user, whatever the verb.
#[derive(Clone, Debug)]
pub struct Request {
    /// The stack's folder.
    pub stack_dir: PathBuf,
    /// `--environment`. None: the stack's only one.
    pub environment: Option<String>,
    /// `--state`: the folder that holds `<stack>/<environment>`.
    pub state_dir: Option<PathBuf>,
    /// `--kubeconfig`.
    pub kubeconfig: Option<PathBuf>,
    /// `--context`.
    pub context: Option<String>,
    /// `--namespace`: the root of namespaces, in place of the environment's.
    pub root_namespace: Option<String>,
    /// `--input NAME=VALUE`.
    pub inputs: BTreeMap<String, String>,
    /// `--strategy`, in place of the services'.
    pub strategy: Option<Strategy>,
    /// `--target`, `--service`, `--tenant`.
    pub filter: Filter,
    /// `--parallel`: how many requests are under way at once.
    pub parallel: usize,
    /// How long an API server that doesn't answer is waited for.
    pub server_timeout: Duration,
    /// `--strict`: warnings are errors.
    pub strict: bool,
    /// The surroundings.
    pub process: Process,
    /// What was chosen by an environment variable, for the plan's first lines: `SPAI_CONTEXT=prod`.
    pub chosen_by: Vec<String>,
}

/// What spai knows of its own process; the core gets it from here and nowhere else.
#[derive(Clone, Debug, Default)]
pub struct Process {
    /// The user's name.
    pub user: String,
    /// The host's name.
    pub host: String,
    /// The environment variables.
    pub variables: BTreeMap<String, String>,
    /// The user's configuration folder for spai, which holds the key of the state.
    pub config_dir: PathBuf,
}

impl Process {
    /// `user@host`, for history and locks.
    pub fn who(&self) -> String {
        format!("{}@{}", self.user, self.host)
    }
}

/// Narrows a command to a part of the stack. Empty: everything. Several conditions of one kind are alternatives;
/// different kinds must all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// `KIND/NAMESPACE/NAME` or `KIND/NAME`, with `*`; a kind is compared without regard to case.
    pub targets: Vec<String>,
    /// Services by name.
    pub services: Vec<String>,
    /// Tenants by name.
    pub tenants: Vec<String>,
}

impl Filter {
    /// Whether it lets everything through.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty() && self.services.is_empty() && self.tenants.is_empty()
    }

    /// Whether an object is in it.
    pub fn matches(&self, key: &ObjectKey, scope: &Scope) -> bool {
        let named = |names: &[String], name: &Option<String>| names.is_empty() || name.as_ref().is_some_and(|name| names.contains(name));
        named(&self.services, &scope.service)
            && named(&self.tenants, &scope.tenant)
            && (self.targets.is_empty() || self.targets.iter().any(|target| target_matches(target, key)))
    }

    /// Whether a desired object is in it.
    pub fn wants(&self, desired: &Desired) -> bool {
        self.matches(&desired.key(), &desired.scope)
    }
}

/// `deployment/acme-*/backend` against an identity.
fn target_matches(target: &str, key: &ObjectKey) -> bool {
    let parts: Vec<&str> = target.split('/').collect();
    let (kind, namespace, name) = match parts[..] {
        [kind, namespace, name] => (kind, Some(namespace), name),
        [kind, name] => (kind, None, name),
        _ => return false,
    };
    let with_group = key.group_kind().to_string().to_lowercase();
    let kind = kind.to_lowercase();
    (glob(&kind, &key.kind.to_lowercase()) || glob(&kind, &with_group))
        && glob(name, &key.name)
        && match (namespace, &key.namespace) {
            (None, None) => true,
            (Some(pattern), Some(namespace)) => glob(pattern, namespace),
            (Some(pattern), None) => pattern == "*",
            (None, Some(_)) => false,
        }
}

/// `*` stands for any text; linear in the number of stars times the text's length.
fn glob(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(first) = pieces.next() else { return text.is_empty() };
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let pieces: Vec<&str> = pieces.collect();
    let Some((last, middle)) = pieces.split_last() else { return rest.is_empty() };
    for piece in middle {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_name_objects_with_stars() {
        let key = ObjectKey::new("apps", "Deployment", Some("root-acme"), "backend");
        for yes in ["Deployment/root-acme/backend", "deployment/*/backend", "Deployment.apps/root-*/*", "*/*/back*d"] {
            assert!(target_matches(yes, &key), "{yes}");
        }
        for no in ["Deployment/backend", "Service/*/backend", "Deployment/root-acme/back", "Deployment/acme/*", "", "a/b/c/d"] {
            assert!(!target_matches(no, &key), "{no}");
        }
        assert!(target_matches("Namespace/acme", &ObjectKey::new("", "Namespace", None, "acme")));
    }

    #[test]
    fn conditions_of_one_kind_are_alternatives_and_kinds_must_all_hold() {
        let key = ObjectKey::new("apps", "Deployment", Some("root-acme"), "backend");
        let scope = Scope { tenant: Some("acme".into()), tier: None, service: Some("backend".into()) };
        let filter = |services: &[&str], tenants: &[&str]| Filter {
            services: services.iter().map(ToString::to_string).collect(),
            tenants: tenants.iter().map(ToString::to_string).collect(),
            targets: vec![],
        };
        assert!(filter(&["auth", "backend"], &["acme"]).matches(&key, &scope));
        assert!(!filter(&["backend"], &["zeta"]).matches(&key, &scope));
        assert!(!filter(&["auth"], &[]).matches(&key, &scope));
    }
}
