//! Manifests: objects that are taken as they are. They gain spai's own labels on their own metadata, lose what only a
//! server writes, and get canonical values; names, namespaces and other labels stay.

use std::collections::BTreeSet;

use crate::resource::{Desired, Diagnostic, Diagnostics, StackIdentity};
use crate::schema::BuiltIn;
use crate::stack::Resolved;

use super::canonical;

/// kubectl's record of its own client-side apply: it comes along when people export objects.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Built-in kinds that always live in a namespace.
const NAMESPACED: &[(&str, &str)] = &[
    ("", "ConfigMap"),
    ("", "Endpoints"),
    ("", "LimitRange"),
    ("", "PersistentVolumeClaim"),
    ("", "Pod"),
    ("", "PodTemplate"),
    ("", "ReplicationController"),
    ("", "ResourceQuota"),
    ("", "Secret"),
    ("", "Service"),
    ("", "ServiceAccount"),
    ("apps", "ControllerRevision"),
    ("apps", "DaemonSet"),
    ("apps", "Deployment"),
    ("apps", "ReplicaSet"),
    ("apps", "StatefulSet"),
    ("autoscaling", "HorizontalPodAutoscaler"),
    ("batch", "CronJob"),
    ("batch", "Job"),
    ("coordination.k8s.io", "Lease"),
    ("discovery.k8s.io", "EndpointSlice"),
    ("networking.k8s.io", "Ingress"),
    ("networking.k8s.io", "NetworkPolicy"),
    ("policy", "PodDisruptionBudget"),
    ("rbac.authorization.k8s.io", "Role"),
    ("rbac.authorization.k8s.io", "RoleBinding"),
    ("storage.k8s.io", "CSIStorageCapacity"),
];

/// The stack's manifests as desired objects.
pub(super) fn objects(resolved: &Resolved, known: &BuiltIn, diagnostics: &mut Diagnostics) -> Vec<Desired> {
    let namespaced = custom_namespaced(resolved);
    let mut objects = Vec::new();
    for manifest in &resolved.manifests {
        let mut object = manifest.object.without_server_fields();
        let gvk = object.gvk();
        if !canonical::is_built_in(&gvk.group)
            && let Some(status) = manifest.object.value().get("status")
        {
            // Whether a custom resource's status is a part of it is its CRD's to say.
            object.value_mut()["status"] = status.clone();
        }
        drop_last_applied(&mut object);
        let lives_in_one =
            NAMESPACED.contains(&(gvk.group.as_str(), gvk.kind.as_str())) || namespaced.contains(&(gvk.group.clone(), gvk.kind.clone()));
        if lives_in_one && object.namespace().is_none() {
            diagnostics.push(
                Diagnostic::error("compile::no_namespace", format!("{} `{}` doesn't say in which namespace it is", gvk.kind, object.name()))
                    .at(&manifest.origin, "this object")
                    .help("say `metadata.namespace`; a tenant's is `<root>-<tenant>`, and `spai render` shows them all. spai never takes the context's namespace: the same stack would land elsewhere on another machine"),
            );
            continue;
        }
        object.set_label(StackIdentity::STACK, &resolved.identity.stack);
        object.set_label(StackIdentity::ENVIRONMENT, &resolved.identity.environment);
        canonical::settle(&mut object, known, Some(&manifest.origin), diagnostics);
        objects.push(Desired::new(object, Some(manifest.origin.clone())));
    }
    objects
}

/// Kinds that the stack's own CRDs define and that live in namespaces.
fn custom_namespaced(resolved: &Resolved) -> BTreeSet<(String, String)> {
    let crds = resolved.manifests.iter().filter(|manifest| manifest.object.kind() == "CustomResourceDefinition");
    crds.filter_map(|manifest| {
        let spec = &manifest.object.value()["spec"];
        (spec["scope"] == "Namespaced").then_some(())?;
        Some((spec["group"].as_str()?.to_owned(), spec["names"]["kind"].as_str()?.to_owned()))
    })
    .collect()
}

fn drop_last_applied(object: &mut crate::resource::Object) {
    if let Some(annotations) = object.value_mut()["metadata"].get_mut("annotations").and_then(serde_json::Value::as_object_mut) {
        annotations.remove(LAST_APPLIED);
    }
}
