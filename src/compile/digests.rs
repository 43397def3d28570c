//! What pods read, as a digest in their template: a changed value restarts exactly its readers.
//!
//! Anybody who may see a Deployment sees this annotation, so it must not help to guess a secret. A plain hash would: who
//! knows what a password looks like tries them all. There is no key to hide behind (the same stack gives the same objects
//! on every machine), so secrets go in with little: sixteen bits each of an HMAC keyed by where the value stands. Of all
//! guesses that somebody may have, one in 65,536 fits: too many to tell the right one from them. The price is that one
//! change of a secret in 65,536 goes unseen; `kubectl rollout restart` is for that one.
//! Values of ConfigMaps are readable anyway and go in whole; what spai doesn't make (external secrets) isn't known to it.

use std::collections::BTreeMap;

use hmac::{Hmac, Mac as _};
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::Sha256;

use crate::resource::{Desired, Digest, KeyRef, Object, PodReferences, Read, StackIdentity, pod_template_path};
use crate::stack::parallel::side_by_side;

use super::order::Index;

/// So few workloads aren't worth a thread.
const FEW: usize = 100;

/// The annotation of the pod template.
const ANNOTATION: &str = "spai.dev/config-digest";

/// The digests of every generated workload whose pods read something that the stack makes, by the workloads' positions.
pub(super) fn of(objects: &[Desired], index: &Index<'_>, identity: &StackIdentity) -> Vec<(usize, String)> {
    let generated = index.keys.iter().zip(objects).enumerate().filter(|(_, (_, desired))| desired.scope.service.is_some());
    let workloads = generated.filter(|(_, (key, _))| pod_template_path(key.group, key.kind).is_some());
    let workloads: Vec<usize> = workloads.map(|(position, _)| position).collect();
    let digests = side_by_side(workloads.len(), FEW, |number| {
        let position = workloads[number];
        Some((position, digest(index.keys[position], &objects[position].object, (objects, index), identity)?))
    });
    digests.into_iter().flatten().collect()
}

/// Writes them into the workloads.
pub(super) fn annotate(objects: &mut [Desired], digests: &[(usize, String)]) {
    let annotated = side_by_side(digests.len(), FEW, |number| {
        let (position, digest) = &digests[number];
        let mut object = objects[*position].object.clone();
        write(&mut object, digest);
        object.pack();
        object
    });
    for ((position, _), object) in digests.iter().zip(annotated) {
        objects[*position].object = object;
    }
}

fn write(object: &mut Object, digest: &str) {
    let Some(template) = object.pod_template_mut().and_then(Value::as_object_mut) else { return };
    let metadata = template.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    let annotations = metadata.as_object_mut().map(|metadata| metadata.entry("annotations").or_insert_with(|| Value::Object(Map::new())));
    if let Some(annotations) = annotations.and_then(Value::as_object_mut) {
        annotations.insert(ANNOTATION.to_owned(), Value::from(digest));
    }
}

/// What a digest is of.
#[derive(PartialEq, Serialize)]
#[serde(untagged)]
enum Part<'o> {
    /// Kind, name, key, value.
    Whole(&'static str, &'o str, &'o str, &'o Value),
    /// The same, with a few bits of the value.
    FewBits(&'static str, &'o str, &'o str, u16),
}

fn digest(key: KeyRef<'_>, object: &Object, among: (&[Desired], &Index<'_>), identity: &StackIdentity) -> Option<String> {
    let spec = object.pod_spec(key.group, key.kind)?;
    let references = PodReferences::of(&spec);
    let namespace = key.namespace;
    let contents = |kind: &'static str, reads: &[Read<'_>]| -> Vec<_> {
        reads.iter().map(|read| (read.0.to_owned(), found(among, kind, namespace, *read))).collect()
    };
    let maps = contents("ConfigMap", &references.config_maps.iter().copied().collect::<Vec<_>>());
    let secrets = contents("Secret", &references.secrets.iter().copied().collect::<Vec<_>>());
    let mut parts: Vec<Part<'_>> = Vec::new();
    for (name, content) in &maps {
        parts.extend(content.iter().map(|(key, value)| Part::Whole("ConfigMap", name, key, value)));
    }
    for (name, content) in &secrets {
        for (key, value) in content {
            let place = [identity.stack.as_str(), &identity.environment, namespace.unwrap_or_default(), name, key];
            parts.push(Part::FewBits("Secret", name, key, few_bits(&place, value.as_str().unwrap_or_default())));
        }
    }
    parts.dedup();
    (!parts.is_empty()).then(|| Digest::of(&parts).0.chars().take(16).collect())
}

/// What pods read of an object: the keys of `data` and `binaryData` (which have none in common), sorted.
fn found(
    (objects, index): (&[Desired], &Index<'_>),
    kind: &str,
    namespace: Option<&str>,
    (name, wanted): Read<'_>,
) -> BTreeMap<String, Value> {
    let mut contents = BTreeMap::new();
    if let Some(position) = index.position(KeyRef { group: "", kind, namespace, name }) {
        for field in ["data", "binaryData"] {
            if let Value::Object(data) = objects[position].object.part(&[field]).into_owned() {
                contents.extend(data.into_iter().filter(|(key, _)| wanted.is_none_or(|wanted| wanted == key)));
            }
        }
    }
    contents
}

/// Sixteen bits of a secret.
fn few_bits(place: &[&str], secret: &str) -> u16 {
    let key = place.join("\0");
    // An HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) else { return 0 };
    mac.update(secret.as_bytes());
    let bytes = mac.finalize().into_bytes();
    u16::from_be_bytes([bytes[0], bytes[1]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::Scope;
    use serde_json::json;

    fn desired(value: Value, service: Option<&str>) -> Desired {
        let mut desired = Desired::new(Object::try_from(value).unwrap(), None);
        desired.scope = Scope { service: service.map(str::to_owned), ..Scope::default() };
        desired
    }

    fn annotation_with(config: &str, secret: &str, other: &str) -> Value {
        let mut objects = vec![
            desired(
                json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "n"}, "data": {"A": config}}),
                Some("s"),
            ),
            desired(
                json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "n"}, "data": {"k": secret, "other": other}}),
                None,
            ),
            desired(
                json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": "n"}, "spec": {"template": {"spec": {"containers": [{
                    "name": "c", "envFrom": [{"configMapRef": {"name": "c"}}],
                    "env": [{"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}]}}}}),
                Some("s"),
            ),
        ];
        let digests = of(&objects, &Index::of(&objects), &StackIdentity::new("stack", "test"));
        annotate(&mut objects, &digests);
        objects[2].object.value()["spec"]["template"]["metadata"]["annotations"][ANNOTATION].clone()
    }

    #[test]
    fn it_changes_with_what_the_pods_read_and_with_nothing_else() {
        let base = annotation_with("1", "czE=", "eA==");
        assert!(base.is_string());
        assert_eq!(base, annotation_with("1", "czE=", "eQ=="), "a key that they don't read");
        assert_ne!(base, annotation_with("2", "czE=", "eA=="));
        assert_ne!(base, annotation_with("1", "czI=", "eA=="));
    }

    #[test]
    fn a_secret_gives_away_sixteen_bits_at_most() {
        // Of many guesses, several give the same: nobody can tell which one is right.
        let mut seen = std::collections::BTreeSet::new();
        let guesses = 80_000;
        let distinct = (0..guesses).filter(|guess| seen.insert(few_bits(&["s", "e", "n", "o", "k"], &guess.to_string()))).count();
        assert!(distinct <= 65_536 && distinct < guesses);
    }
}
