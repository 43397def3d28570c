//! What a workload's pods refer to: who they run as, what they read, what they are scheduled by.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Object;

/// A ConfigMap or a Secret that pods read: all of it, or one key.
pub type Read = (String, Option<String>);

/// Names of objects in the pod's namespace (and of classes in the cluster).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodReferences {
    /// The service account.
    pub service_account: Option<String>,
    /// ConfigMaps, from variables and volumes.
    pub config_maps: BTreeSet<Read>,
    /// Secrets, from variables and volumes.
    pub secrets: BTreeSet<Read>,
    /// Secrets that images are pulled with.
    pub pull_secrets: BTreeSet<String>,
    /// Claims.
    pub claims: BTreeSet<String>,
    /// The priority class.
    pub priority_class: Option<String>,
    /// The runtime class.
    pub runtime_class: Option<String>,
    /// Storage classes of claims that are made with the pod.
    pub storage_classes: BTreeSet<String>,
}

impl Object {
    /// The pod template of a workload (`spec.template` of a Deployment; a Pod itself); None for other kinds.
    pub fn pod_template(&self) -> Option<&Value> {
        let path = pod_template_path(self.group(), self.kind())?;
        path.iter().try_fold(self.value(), |value, name| value.get(name))
    }

    /// The same, to change.
    pub fn pod_template_mut(&mut self) -> Option<&mut Value> {
        let path = pod_template_path(self.group(), self.kind())?;
        path.iter().try_fold(self.value_mut(), |value, name| value.get_mut(name))
    }

    /// What its pods refer to; None for what has no pods.
    pub fn pod_references(&self) -> Option<PodReferences> {
        let mut references = PodReferences::of(self.pod_template()?.get("spec")?);
        for template in items(&self.value()["spec"]["volumeClaimTemplates"]) {
            references.storage_classes.extend(text(&template["spec"]["storageClassName"]));
        }
        Some(references)
    }
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

impl PodReferences {
    /// What a pod's spec refers to.
    pub fn of(spec: &Value) -> Self {
        let mut found = Self {
            service_account: text(&spec["serviceAccountName"]).or_else(|| text(&spec["serviceAccount"])),
            priority_class: text(&spec["priorityClassName"]),
            runtime_class: text(&spec["runtimeClassName"]),
            ..Self::default()
        };
        found.pull_secrets.extend(items(&spec["imagePullSecrets"]).filter_map(|secret| text(&secret["name"])));
        for list in ["initContainers", "containers", "ephemeralContainers"] {
            for container in items(&spec[list]) {
                found.read_container(container);
            }
        }
        for volume in items(&spec["volumes"]) {
            found.read_volume(volume);
        }
        found
    }

    fn read_container(&mut self, container: &Value) {
        for source in items(&container["envFrom"]) {
            self.config_maps.extend(text(&source["configMapRef"]["name"]).map(whole));
            self.secrets.extend(text(&source["secretRef"]["name"]).map(whole));
        }
        for variable in items(&container["env"]) {
            let from = &variable["valueFrom"];
            self.config_maps.extend(key_of(&from["configMapKeyRef"]));
            self.secrets.extend(key_of(&from["secretKeyRef"]));
        }
    }

    fn read_volume(&mut self, volume: &Value) {
        self.read_source(volume, "secretName");
        for source in items(&volume["projected"]["sources"]) {
            self.read_source(source, "name");
        }
        self.claims.extend(text(&volume["persistentVolumeClaim"]["claimName"]));
        self.storage_classes.extend(text(&volume["ephemeral"]["volumeClaimTemplate"]["spec"]["storageClassName"]));
        // Drivers take their credentials from Secrets.
        for (driver, reference) in [
            ("csi", "nodePublishSecretRef"),
            ("cephfs", "secretRef"),
            ("rbd", "secretRef"),
            ("flexVolume", "secretRef"),
            ("iscsi", "secretRef"),
            ("scaleIO", "secretRef"),
            ("storageos", "secretRef"),
        ] {
            self.secrets.extend(text(&volume[driver][reference]["name"]).map(whole));
        }
        self.secrets.extend(text(&volume["azureFile"]["secretName"]).map(whole));
    }

    fn read_source(&mut self, source: &Value, secret_name: &str) {
        for (field, name, reads) in [("configMap", "name", &mut self.config_maps), ("secret", secret_name, &mut self.secrets)] {
            let Some(object) = text(&source[field][name]) else { continue };
            let keys: Vec<String> = items(&source[field]["items"]).filter_map(|item| text(&item["key"])).collect();
            if keys.is_empty() {
                reads.insert(whole(object));
            } else {
                reads.extend(keys.into_iter().map(|key| (object.clone(), Some(key))));
            }
        }
    }
}

fn whole(name: String) -> Read {
    (name, None)
}

fn key_of(reference: &Value) -> Option<Read> {
    Some((text(&reference["name"])?, text(&reference["key"])))
}

fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
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
        let found = object.pod_references().unwrap();
        let names = |reads: &BTreeSet<Read>| {
            reads.iter().map(|(name, key)| format!("{name}/{}", key.as_deref().unwrap_or("*"))).collect::<Vec<_>>()
        };
        assert_eq!(names(&found.config_maps), ["c1/*", "c2/k", "c3/*"]);
        assert_eq!(names(&found.secrets), ["s1/k", "s2/*", "s3/*", "s4/*"]);
        assert_eq!((found.service_account.as_deref(), found.priority_class.as_deref()), (Some("sa"), Some("high")));
        assert!(found.claims.contains("p1") && found.pull_secrets.contains("pull"));
    }
}
