//! What holds for any input.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::limit_range::LimitRange;
use super::pod_security::{Level, Policy, Standard, Version};
use super::quota::{Counted, Quota, counted, usage};
use super::{Amounts, immutable, pod_of, rbac};
use crate::resource::Object;

const FIELDS: [&str; 44] = [
    "spec",
    "status",
    "template",
    "containers",
    "initContainers",
    "resources",
    "requests",
    "limits",
    "cpu",
    "memory",
    "name",
    "securityContext",
    "seccompProfile",
    "type",
    "capabilities",
    "add",
    "drop",
    "volumes",
    "ports",
    "hostPort",
    "containerPort",
    "hostNetwork",
    "affinity",
    "podAffinity",
    "overhead",
    "restartPolicy",
    "clusterIP",
    "clusterIPs",
    "completions",
    "hard",
    "used",
    "scopes",
    "scopeSelector",
    "matchExpressions",
    "values",
    "max",
    "min",
    "default",
    "maxLimitRequestRatio",
    "storage",
    "volumeClaimTemplates",
    "metadata",
    "annotations",
    "rules",
];

/// Anything at all, in places that are looked at.
fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        proptest::sample::select(vec!["1", "500m", "-1", "9E", "1Gi", "Container", "Pod", "None", "In", "x", ""]).prop_map(Value::from)
    ];
    scalar.prop_recursive(6, 64, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::vec((proptest::sample::select(FIELDS.to_vec()), inner), 0..5)
                .prop_map(|pairs| Value::Object(pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())),
        ]
    })
}

fn object(kind: (&str, &str), content: Value) -> Object {
    let mut value = if content.is_object() { content } else { json!({"spec": content}) };
    value["apiVersion"] = kind.0.into();
    value["kind"] = kind.1.into();
    value["metadata"] = json!({"name": "x", "namespace": "ns"});
    Object::try_from(value).unwrap()
}

const KINDS: [(&str, &str, &str); 10] = [
    ("v1", "Pod", "pods"),
    ("apps/v1", "Deployment", "deployments"),
    ("apps/v1", "StatefulSet", "statefulsets"),
    ("batch/v1", "Job", "jobs"),
    ("batch/v1", "CronJob", "cronjobs"),
    ("v1", "Service", "services"),
    ("v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
    ("v1", "PersistentVolume", "persistentvolumes"),
    ("v1", "ConfigMap", "configmaps"),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions"),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_object_makes_anything_panic(a in value(), b in value(), limits in value(), which in 0..KINDS.len(), minor in 0..40u32) {
        let (api_version, kind, plural) = KINDS[which];
        let (live, wanted) = (object((api_version, kind), a), object((api_version, kind), b));
        let _ = immutable::refusals(&live, &wanted);
        let _ = usage(&wanted, plural, None);
        let quota = Quota::of(&object(("v1", "ResourceQuota"), limits.clone())).settled();
        let range = LimitRange::of(&object(("v1", "LimitRange"), json!({"spec": {"limits": [limits.clone()]}})));
        let _ = quota.charge(Counted { object: &wanted, plural }, Some(Counted { object: &live, plural }));
        let _ = range.refuses_claim(&wanted);
        if let Some(mut pod) = pod_of(&wanted) {
            range.complete(&mut pod);
            let _ = range.refuses_pod(&pod);
            let _ = quota.charge(Counted { object: &pod, plural: "pods" }, None);
            for level in [Level::Baseline, Level::Restricted] {
                let _ = Standard { level, version: Version::Minor(minor) }.violations(pod.value(), 36);
            }
            let _ = Policy::NONE.on_pod(&pod, Some(&pod), 36);
        }
        let rules = rbac::Rules::of_review(&json!({"status": limits}));
        let _ = rules.allow(&rbac::Action::new("get", "", "pods", None));
    }

    #[test]
    fn a_pod_is_completed_once(a in value()) {
        let pod = pod_of(&object(("v1", "Pod"), a)).unwrap();
        prop_assert_eq!(pod_of(&pod).unwrap(), pod);
    }

    #[test]
    fn nothing_changes_where_nothing_changes(a in value(), which in 0..KINDS.len()) {
        let (api_version, kind, _) = KINDS[which];
        let object = object((api_version, kind), a);
        prop_assert_eq!(immutable::refusals(&object, &object), []);
    }

    #[test]
    fn what_is_used_is_what_is_counted(a in value(), which in 0..KINDS.len()) {
        let (api_version, kind, plural) = KINDS[which];
        let object = object((api_version, kind), a);
        let used = usage(&object, plural, None);
        for name in used.names() {
            prop_assert!(counted(&object, plural, name), "{}", name);
        }
    }

    #[test]
    fn sums_and_differences_are_each_others_undoing(a in 0..1000u64, b in 0..1000u64) {
        let (a, b) = (Amounts::count("x", a), Amounts::count("x", b));
        prop_assert_eq!(a.plus(&b).minus(&b), a);
    }
}
