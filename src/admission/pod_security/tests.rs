//! Pod Security by hand-made pods.

use serde_json::{Value, json};

use super::*;

fn object(kind: &str, labels: Value, spec: Value) -> Object {
    let value = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "x", "labels": labels}, "spec": spec});
    Object::try_from(value).unwrap()
}

fn namespace(labels: &[(&str, &str)]) -> Object {
    let labels: serde_json::Map<String, Value> =
        labels.iter().map(|(mode, value)| (format!("pod-security.kubernetes.io/{mode}"), json!(value))).collect();
    object("Namespace", Value::Object(labels), json!({}))
}

fn policy(labels: &[(&str, &str)]) -> Policy {
    Policy::of(&namespace(labels)).0
}

fn pod(spec: Value) -> Object {
    object("Pod", json!({}), spec)
}

#[test]
fn a_plain_pod_violates_restricted_in_the_servers_words() {
    let verdict = policy(&[("enforce", "restricted")]).on_pod(&pod(json!({"containers": [{"name": "a"}]})), None, 36);
    assert_eq!(
        verdict.refused.unwrap(),
        "violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false (container \"a\" must set \
         securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container \"a\" must set \
         securityContext.capabilities.drop=[\"ALL\"]), runAsNonRoot != true (pod or container \"a\" must set \
         securityContext.runAsNonRoot=true), seccompProfile (pod or container \"a\" must set \
         securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")"
    );
    assert_eq!(verdict.warning, None, "it is refused already");
}

#[test]
fn what_is_enforced_is_warned_of_unless_said_otherwise() {
    let text = |policy: Policy| [policy.enforce, policy.warn, policy.audit].map(|standard| standard.to_string()).join(" ");
    for (labels, expected) in [
        (vec![], "privileged:latest privileged:latest privileged:latest"),
        (vec![("enforce", "restricted"), ("enforce-version", "v1.30")], "restricted:v1.30 restricted:v1.30 privileged:latest"),
        (vec![("enforce", "baseline"), ("warn", "restricted")], "baseline:latest restricted:latest privileged:latest"),
        (vec![("enforce", "baseline"), ("warn-version", "v1.20")], "baseline:latest baseline:v1.20 privileged:latest"),
        (vec![("enforce", "nonsense"), ("audit", "nonsense")], "restricted:latest privileged:latest privileged:latest"),
    ] {
        assert_eq!(text(policy(&labels)), expected, "{labels:?}");
    }
}

#[test]
fn labels_that_say_nothing_are_told() {
    let told = |label: &str, value: &str| Policy::of(&namespace(&[(label, value)])).1.first().map(ToString::to_string);
    assert_eq!(
        told("enforce", "x").unwrap(),
        "metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: \"x\": must be one of privileged, baseline, restricted"
    );
    for (version, good) in
        [("latest", true), ("v1.0", true), ("v1.36", true), ("v1.01", false), ("1.2", false), ("v1.", false), ("v1.+3", false)]
    {
        assert_eq!(told("warn-version", version).is_none(), good, "{version}");
    }
}

#[test]
fn an_older_standard_forbids_what_it_forbade() {
    let standard = |version| Standard { level: Level::Restricted, version };
    let user_namespace = pod(json!({"hostUsers": false, "securityContext": {"runAsUser": 0, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{"name": "a", "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}}]}));
    let found = |version, server| standard(version).violations(user_namespace.value(), server).len();
    assert_eq!((found(Version::Latest, 36), found(Version::Minor(34), 36), found(Version::Latest, 34)), (0, 2, 2));
    assert_eq!(found(Version::Minor(99), 34), 2, "no standard is newer than the server");
}

#[test]
fn an_update_of_a_pod_is_looked_at_when_it_brings_in_something_new() {
    let enforced = policy(&[("enforce", "restricted")]);
    let before = pod(json!({"containers": [{"name": "a", "image": "r/a:1"}]}));
    assert_eq!(enforced.on_pod(&before, Some(&before), 36), Verdict::default());
    let after = pod(json!({"containers": [{"name": "a", "image": "r/a:2"}]}));
    assert!(enforced.on_pod(&after, Some(&before), 36).refused.is_some());
    let debugged = pod(json!({"containers": [{"name": "a", "image": "r/a:1"}], "ephemeralContainers": [{"name": "d", "image": "r/d"}]}));
    assert!(enforced.on_pod(&debugged, Some(&before), 36).refused.is_some());
}

#[test]
fn what_makes_pods_is_only_warned_of() {
    let value = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
        "spec": {"template": {"spec": {"hostNetwork": true, "containers": [{"name": "a"}]}}}});
    let verdict = policy(&[("enforce", "baseline")]).on_template(&Object::try_from(value).unwrap(), 36);
    assert_eq!(verdict.refused, None);
    assert_eq!(verdict.warning.unwrap(), "would violate PodSecurity \"baseline:latest\": host namespaces (hostNetwork=true)");
}
