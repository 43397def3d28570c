//! What pods read, as a digest in their template: a changed value restarts exactly its readers.
//!
//! Anybody who may see a Deployment sees this annotation, so it must not help to guess a secret. A plain hash would: who
//! knows what a password looks like tries them all. There is no key to hide behind (the same stack gives the same objects
//! on every machine), so secrets go in with little: sixteen bits each of an HMAC keyed by where the value stands. Of all
//! guesses that somebody may have, one in 65,536 fits: too many to tell the right one from them. The price is that one
//! change of a secret in 65,536 goes unseen; `kubectl rollout restart` is for that one.
//! Values of ConfigMaps are readable anyway and go in whole; what spai doesn't make (external secrets) isn't known to it.

use hmac::{Hmac, Mac as _};
use serde::Serialize;
use sha2::Sha256;

use crate::resource::{Desired, Digest, KeyRef, Object, PodReferences, StackIdentity, Tree, pod_spec, pod_template_path};
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
        let object = &objects[*position].object;
        let template = pod_template_path(object.group(), object.kind())?;
        Some(object.with_text(&[template, &["metadata", "annotations", ANNOTATION]].concat(), digest))
    });
    for ((position, _), object) in digests.iter().zip(annotated) {
        if let Some(object) = object {
            objects[*position].object = object;
        }
    }
}

/// What a digest is of.
#[derive(PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(untagged)]
enum Part<'o> {
    /// Kind, name, key, value.
    Whole(&'static str, &'o str, &'o str, &'o str),
    /// The same, with a few bits of the value.
    FewBits(&'static str, &'o str, &'o str, u16),
}

fn digest(of: KeyRef<'_>, object: &Object, (objects, index): (&[Desired], &Index<'_>), identity: &StackIdentity) -> Option<String> {
    let tape = object.tape();
    let references = PodReferences::of(pod_spec(tape.tree(), of.group, of.kind)?);
    let mut digested = Vec::new();
    for (kind, reads) in [("ConfigMap", &references.config_maps), ("Secret", &references.secrets)] {
        for read in reads {
            let Some(position) = index.position(KeyRef { group: "", kind, namespace: of.namespace, name: read.0 }) else { continue };
            digested.push((kind, *read, objects[position].object.tape()));
        }
    }
    let mut parts: Vec<Part<'_>> = Vec::new();
    for (kind, (name, wanted), tape) in &digested {
        let start = parts.len();
        // The keys of `data` and `binaryData` have none in common.
        let contents = ["data", "binaryData"].into_iter().filter_map(|field| tape.tree().get(field)).flat_map(Tree::map);
        for (key, value) in contents.filter(|(key, _)| wanted.is_none_or(|wanted| wanted == *key)) {
            let value = value.text().unwrap_or_default();
            parts.push(if *kind == "Secret" {
                let place = [identity.stack.as_str(), &identity.environment, of.namespace.unwrap_or_default(), name, key];
                Part::FewBits(kind, name, key, few_bits(&place, value))
            } else {
                Part::Whole(kind, name, key, value)
            });
        }
        parts[start..].sort_unstable();
    }
    parts.dedup();
    (!parts.is_empty()).then(|| Digest::of(&parts).0.chars().take(16).collect())
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
    use serde_json::{Value, json};

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
