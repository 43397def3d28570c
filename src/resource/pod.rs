//! What a workload's pods refer to: who they run as, what they read, what they are scheduled by.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Items, Object, Tree};

/// A ConfigMap or a Secret that pods read: all of it, or one key.
pub type Read<'o> = (&'o str, Option<&'o str>);

/// Names of objects in the pod's namespace (and of classes in the cluster), borrowed from the object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodReferences<'o> {
    /// The service account.
    pub service_account: Option<&'o str>,
    /// ConfigMaps, from variables and volumes.
    pub config_maps: BTreeSet<Read<'o>>,
    /// Secrets, from variables and volumes.
    pub secrets: BTreeSet<Read<'o>>,
    /// Secrets that images are pulled with.
    pub pull_secrets: BTreeSet<&'o str>,
    /// Claims.
    pub claims: BTreeSet<&'o str>,
    /// The priority class.
    pub priority_class: Option<&'o str>,
    /// The runtime class.
    pub runtime_class: Option<&'o str>,
    /// Storage classes of claims that are made with the pod.
    pub storage_classes: BTreeSet<&'o str>,
}

impl Object {
    /// The pod template of a workload (`spec.template` of a Deployment; a Pod itself); None for other kinds.
    pub fn pod_template(&self) -> Option<&Value> {
        pod_template_path(self.group(), self.kind())?.iter().try_fold(self.value(), |value, name| value.get(name))
    }

    /// The labels of a workload's pods. None for other kinds.
    pub fn pod_labels(&self, group: &str, kind: &str) -> Option<Vec<(&str, &str)>> {
        let path = [pod_template_path(group, kind)?, &["metadata", "labels"]].concat();
        Some(self.texts(&path))
    }
}

/// The spec of a workload's pods. None: it is no workload, or they have none.
pub fn pod_spec<'t>(object: Tree<'t>, group: &str, kind: &str) -> Option<Tree<'t>> {
    object.at(pod_template_path(group, kind)?)?.get("spec")
}

/// Where a kind's pod template stands.
pub fn pod_template_path(group: &str, kind: &str) -> Option<&'static [&'static str]> {
    match (group, kind) {
        ("", "Pod") => Some(&[]),
        ("", "PodTemplate") => Some(&["template"]),
        ("" | "apps" | "batch", "ReplicationController" | "ReplicaSet" | "Deployment" | "StatefulSet" | "DaemonSet" | "Job") => {
            Some(&["spec", "template"])
        }
        ("batch", "CronJob") => Some(&["spec", "jobTemplate", "spec", "template"]),
        _ => None,
    }
}

impl<'o> PodReferences<'o> {
    /// What the templates of a workload's claims refer to, beside its pods.
    #[must_use]
    pub fn with_claims(mut self, templates: Option<Tree<'o>>) -> Self {
        for template in items(templates) {
            self.storage_classes.extend(text(template.at(&["spec", "storageClassName"])));
        }
        self
    }

    /// What a pod's spec refers to.
    pub fn of(spec: Tree<'o>) -> Self {
        let service_account = text(spec.get("serviceAccountName")).or_else(|| text(spec.get("serviceAccount")));
        let mut found = Self { service_account, ..Self::default() };
        // One look at each field that is there, rather than one for each that may be.
        for (name, value) in spec.map() {
            match name {
                "priorityClassName" => found.priority_class = text(Some(value)),
                "runtimeClassName" => found.runtime_class = text(Some(value)),
                "imagePullSecrets" => found.pull_secrets.extend(value.list().filter_map(|secret| text(secret.get("name")))),
                "initContainers" | "containers" | "ephemeralContainers" => {
                    value.list().for_each(|container| found.read_container(container));
                }
                "volumes" => value.list().for_each(|volume| found.read_volume(volume)),
                _ => {}
            }
        }
        found
    }

    fn read_container(&mut self, container: Tree<'o>) {
        for source in items(container.get("envFrom")) {
            self.config_maps.extend(text(source.at(&["configMapRef", "name"])).map(whole));
            self.secrets.extend(text(source.at(&["secretRef", "name"])).map(whole));
        }
        for variable in items(container.get("env")) {
            let Some(from) = variable.get("valueFrom") else { continue };
            self.config_maps.extend(from.get("configMapKeyRef").and_then(key_of));
            self.secrets.extend(from.get("secretKeyRef").and_then(key_of));
        }
    }

    fn read_volume(&mut self, volume: Tree<'o>) {
        for (kind, source) in volume.map() {
            match kind {
                "configMap" => read_source(source, "name", &mut self.config_maps),
                "secret" => read_source(source, "secretName", &mut self.secrets),
                "projected" => {
                    for source in items(source.get("sources")) {
                        source.get("configMap").into_iter().for_each(|source| read_source(source, "name", &mut self.config_maps));
                        source.get("secret").into_iter().for_each(|source| read_source(source, "name", &mut self.secrets));
                    }
                }
                "persistentVolumeClaim" => self.claims.extend(text(source.get("claimName"))),
                "ephemeral" => self.storage_classes.extend(text(source.at(&["volumeClaimTemplate", "spec", "storageClassName"]))),
                // Drivers take their credentials from Secrets.
                "csi" => self.secrets.extend(text(source.at(&["nodePublishSecretRef", "name"])).map(whole)),
                "cephfs" | "rbd" | "flexVolume" | "iscsi" | "scaleIO" | "storageos" => {
                    self.secrets.extend(text(source.at(&["secretRef", "name"])).map(whole));
                }
                "azureFile" => self.secrets.extend(text(source.get("secretName")).map(whole)),
                _ => {}
            }
        }
    }
}

/// What a volume takes of a ConfigMap or a Secret: all, or some keys.
fn read_source<'o>(source: Tree<'o>, name: &str, reads: &mut BTreeSet<Read<'o>>) {
    let Some(object) = text(source.get(name)) else { return };
    let mut keys = items(source.get("items")).filter_map(|item| text(item.get("key"))).peekable();
    if keys.peek().is_none() {
        reads.insert(whole(object));
    } else {
        reads.extend(keys.map(|key| (object, Some(key))));
    }
}

fn whole(name: &str) -> Read<'_> {
    (name, None)
}

fn key_of(reference: Tree<'_>) -> Option<Read<'_>> {
    Some((text(reference.get("name"))?, text(reference.get("key"))))
}

fn text(value: Option<Tree<'_>>) -> Option<&str> {
    value.and_then(Tree::text).filter(|text| !text.is_empty())
}

fn items(value: Option<Tree<'_>>) -> Items<'_> {
    value.map(Tree::list).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn everything_that_pods_read_is_found() {
        let object = Object::try_from(json!({
            "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "x", "namespace": "n"},
            "spec": {"jobTemplate": {"spec": {"template": {"spec": {
                "serviceAccountName": "sa", "priorityClassName": "high", "imagePullSecrets": [{"name": "pull"}],
                "initContainers": [{"name": "i", "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s1", "key": "k"}}}]}],
                "containers": [{"name": "c", "envFrom": [{"configMapRef": {"name": "c1"}}, {"secretRef": {"name": "s2"}}]}],
                "volumes": [
                    {"name": "a", "configMap": {"name": "c2", "items": [{"key": "k", "path": "p"}]}},
                    {"name": "b", "projected": {"sources": [{"secret": {"name": "s3"}}, {"configMap": {"name": "c3"}}]}},
                    {"name": "c", "persistentVolumeClaim": {"claimName": "p1"}},
                    {"name": "d", "secret": {"secretName": "s4"}}]}}}}},
        }))
        .unwrap();
        let tape = object.tape();
        let found = PodReferences::of(pod_spec(tape.tree(), "batch", "CronJob").unwrap());
        let names =
            |reads: &BTreeSet<Read<'_>>| reads.iter().map(|(name, key)| format!("{name}/{}", key.unwrap_or("*"))).collect::<Vec<_>>();
        assert_eq!(names(&found.config_maps), ["c1/*", "c2/k", "c3/*"]);
        assert_eq!(names(&found.secrets), ["s1/k", "s2/*", "s3/*", "s4/*"]);
        assert_eq!((found.service_account, found.priority_class), (Some("sa"), Some("high")));
        assert!(found.claims.contains("p1") && found.pull_secrets.contains("pull"));
    }
}
