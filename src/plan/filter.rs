//! What a plan is narrowed to: some objects, services, tenants.

use crate::resource::{ObjectKey, Scope};

/// `--target`, `--service`, `--tenant`. Each that is given narrows; all of them must hold. Empty: everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Globs `KIND/NAMESPACE/NAME`, or `KIND/NAME` for what has no namespace; `*` and `?` stand for anything but `/`.
    pub targets: Vec<String>,
    /// Services, by name.
    pub services: Vec<String>,
    /// Tenants, by name.
    pub tenants: Vec<String>,
}

impl Filter {
    /// Whether it lets everything through.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty() && self.services.is_empty() && self.tenants.is_empty()
    }

    /// Whether an object is meant.
    pub fn selects(&self, key: &ObjectKey, scope: &Scope) -> bool {
        let named = |names: &[String], name: Option<&String>| names.is_empty() || name.is_some_and(|name| names.contains(name));
        named(&self.services, scope.service.as_ref())
            && named(&self.tenants, scope.tenant.as_ref())
            && (self.targets.is_empty() || self.targets.iter().any(|target| target_matches(target, key)))
    }
}

/// Whether a glob `KIND[.GROUP]/[NAMESPACE/]NAME` means this object. The kind's case doesn't matter.
pub(super) fn target_matches(target: &str, key: &ObjectKey) -> bool {
    let mut parts: Vec<&str> = target.split('/').collect();
    let (Some(name), kind) = (parts.pop(), if parts.is_empty() { None } else { Some(parts.remove(0)) }) else { return false };
    let Some(kind) = kind else { return false };
    let (kind, group) = kind.split_once('.').map_or((kind, None), |(kind, group)| (kind, Some(group)));
    let place = match (parts.as_slice(), key.namespace.as_deref()) {
        ([], None) => true,
        ([wanted], Some(namespace)) => glob(wanted, namespace),
        _ => false,
    };
    place
        && glob(&kind.to_ascii_lowercase(), &key.kind.to_ascii_lowercase())
        && group.is_none_or(|group| glob(group, &key.group))
        && glob(name, &key.name)
}

/// `*` is any text, `?` any character.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some('?') => {
                p += 1;
                t += 1;
            }
            Some(c) if *c == text[t] => {
                p += 1;
                t += 1;
            }
            // Back to the last star, which takes one more character.
            _ => match star {
                Some((at, from)) => {
                    p = at + 1;
                    t = from + 1;
                    star = Some((at, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_globs_over_kind_namespace_and_name() {
        let deployment = ObjectKey::new("apps", "Deployment", Some("hello-earth"), "web");
        for (target, hits) in [
            ("Deployment/hello-earth/web", true),
            ("deployment/*/web", true),
            ("*/hello-*/w?b", true),
            ("Deployment.apps/hello-earth/*", true),
            ("Deployment.batch/hello-earth/*", false),
            ("Deployment/web", false),
            ("Deployment", false),
            ("Service/hello-earth/web", false),
            ("Deployment/hello-earth/we", false),
            ("", false),
        ] {
            assert_eq!(target_matches(target, &deployment), hits, "{target}");
        }
        assert!(target_matches("Namespace/hello-*", &ObjectKey::new("", "Namespace", None, "hello-earth")));
    }

    #[test]
    fn every_part_of_a_filter_must_hold() {
        let scope = Scope { tenant: Some("earth".into()), tier: None, service: Some("web".into()) };
        let key = ObjectKey::new("apps", "Deployment", Some("hello-earth"), "web");
        let filter = |services: &[&str], tenants: &[&str]| Filter {
            targets: Vec::new(),
            services: services.iter().map(|s| (*s).to_owned()).collect(),
            tenants: tenants.iter().map(|s| (*s).to_owned()).collect(),
        };
        assert!(filter(&[], &[]).selects(&key, &scope));
        assert!(filter(&["web", "x"], &["earth"]).selects(&key, &scope));
        assert!(!filter(&["web"], &["mars"]).selects(&key, &scope));
        assert!(!filter(&["web"], &[]).selects(&key, &Scope::default()));
    }
}
