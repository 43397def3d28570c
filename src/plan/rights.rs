//! What whoever applies the plan must be allowed to do, and what of it they are not: told before anything is written.

use std::collections::{BTreeMap, BTreeSet};

use crate::admission::rbac::Action as Right;
use crate::resource::{Diagnostic, Diagnostics, GroupKind, ObjectKey, Origin};

use super::case::{Case, Decision};
use super::limits::plural;
use super::removal::{Removal, defined_by};
use super::{Change, Plan, Write};

const CODE: &str = "plan::missing_rights";

/// Rights by namespace; None: of the whole cluster.
pub type Rights = BTreeMap<Option<String>, BTreeSet<Right>>;

impl Plan {
    /// Whether whoever asked for it may not carry it out.
    pub fn lacks_rights(&self) -> bool {
        self.findings.0.iter().any(|finding| finding.code == CODE)
    }
}

/// What is needed for what, so that what is missing can be told where it is declared.
#[derive(Debug, Default)]
pub(super) struct Needs {
    given: BTreeSet<String>,
    objects: BTreeMap<(Option<String>, Right), (ObjectKey, Option<Origin>)>,
}

impl Needs {
    /// What the decisions so far need; `plurals` are the names of the cluster's resources.
    pub fn of(cases: &[Case<'_>], removals: &[Removal<'_>], plurals: &BTreeMap<GroupKind, String>) -> Self {
        let mut defined = plurals.clone();
        for case in cases {
            let object = &case.desired.object;
            if let (Some(kind), Some(plural)) = (defined_by(object), object.value()["spec"]["names"]["plural"].as_str()) {
                defined.entry(kind).or_insert_with(|| plural.to_owned());
            }
        }
        // Rights that the plan itself gives in a namespace can't be seen yet.
        let given = cases
            .iter()
            .filter(|case| case.live.is_none() && case.key.kind == "RoleBinding")
            .filter_map(|case| case.key.namespace.clone())
            .collect();
        let mut needs = Self { given, ..Self::default() };
        for case in cases {
            match &case.decision {
                Decision::Change(change) | Decision::Refused { predicted: change, .. } => needs.add(change, &defined),
                _ => {}
            }
        }
        for removal in removals.iter().filter(|removal| removal.deletes()) {
            let origin = removal.prior.and_then(|prior| prior.origin.as_ref());
            needs.need(&removal.key, origin, &["get", "delete"], &defined);
        }
        needs
    }

    fn add(&mut self, change: &Change, plurals: &BTreeMap<GroupKind, String>) {
        let mut verbs = BTreeSet::new();
        for write in &change.writes {
            match write {
                Write::Apply { creates, .. } => verbs.extend(if *creates { vec!["create", "patch"] } else { vec!["patch"] }),
                Write::Release { .. } | Write::TakeOver { .. } => verbs.extend(["patch"]),
                Write::Delete { .. } => verbs.extend(["delete"]),
            }
        }
        if !verbs.is_empty() {
            // It is looked at until it is ready.
            verbs.insert("get");
        }
        self.need(&change.key, change.origin.as_ref(), &verbs.into_iter().collect::<Vec<_>>(), plurals);
    }

    fn need(&mut self, key: &ObjectKey, origin: Option<&Origin>, verbs: &[&str], plurals: &BTreeMap<GroupKind, String>) {
        let resource = plurals.get(&key.group_kind()).cloned().unwrap_or_else(|| plural(&key.kind));
        for verb in verbs {
            // An apply says the name of what it creates: the right to create one name is enough.
            let right = Right::new(verb, &key.group, &resource, Some(&key.name));
            self.objects.entry((key.namespace.clone(), right)).or_insert_with(|| (key.clone(), origin.cloned()));
        }
    }

    /// By namespace.
    pub fn rights(&self) -> Rights {
        let mut rights = Rights::new();
        let known = |namespace: &Option<String>| namespace.as_ref().is_none_or(|namespace| !self.given.contains(namespace));
        for (namespace, right) in self.objects.keys().filter(|(namespace, _)| known(namespace)) {
            rights.entry(namespace.clone()).or_default().insert(right.clone());
        }
        rights
    }

    /// What isn't allowed, once for each place and resource.
    pub fn findings(&self, missing: &Rights) -> Diagnostics {
        let mut findings = Diagnostics::default();
        let mut grouped: BTreeMap<(&Option<String>, &str, &str), Vec<&Right>> = BTreeMap::new();
        for (namespace, rights) in missing {
            for right in rights {
                grouped.entry((namespace, &right.group, &right.resource)).or_default().push(right);
            }
        }
        for ((namespace, group, resource), rights) in grouped {
            let verbs: BTreeSet<&str> = rights.iter().map(|right| right.verb.as_str()).collect();
            let concerned: Vec<&(ObjectKey, Option<Origin>)> =
                rights.iter().filter_map(|right| self.objects.get(&(namespace.clone(), (*right).clone()))).collect();
            let keys: BTreeSet<String> = concerned.iter().map(|(key, _)| key.to_string()).collect();
            let origin = concerned.iter().find_map(|(_, origin)| origin.as_ref());
            let verbs: Vec<&str> = verbs.into_iter().collect();
            let what = if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") };
            let place = namespace.as_ref().map_or_else(|| "the cluster".to_owned(), Clone::clone);
            let first = keys.first().cloned().unwrap_or_default();
            let more = if keys.len() > 1 { format!(" and {} more", keys.len() - 1) } else { String::new() };
            let text = format!("you may not {} {what} in {place}, and an apply must: for {first}{more}", verbs.join(", "));
            let scope = namespace.as_ref().map_or_else(String::new, |namespace| format!(" -n {namespace}"));
            let kind = if namespace.is_some() { "a Role" } else { "a ClusterRole" };
            let help =
                format!("give {kind} with these verbs to whoever applies; `kubectl auth can-i {} {what}{scope}` asks the server", verbs[0]);
            findings.push(Diagnostic::warning(CODE, text).at_maybe(origin, "declared here").help(help));
        }
        findings
    }
}
