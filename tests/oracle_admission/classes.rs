//! RuntimeClasses and the default PriorityClass: what they give to pods, and what quotas then count. On a control plane of the
//! test's own, for a default priority is everybody's.

use std::time::Duration;

use serde_json::{Value, json};
use spai::admission::quota::{Counted, Quota};
use spai::admission::{Classes, pod_of};
use spai::resource::Object;

use crate::ground::{Ground, Said, object, until};
use crate::quota::quota_named;
use crate::support;

fn pod(namespace: &str, name: &str, spec: &Value) -> Object {
    let mut spec = spec.clone();
    // Nobody ever runs it.
    spec["schedulerName"] = "nobody".into();
    object(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace}, "spec": spec}))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_they_give_to_pods_is_counted_as_the_server_counts_it() {
    let Some(plane) = support::own_control_plane(&["--audit", "None"]) else { return };
    let ground = Ground::new(&plane, "classes").await;
    let runtime = |name: &str, content: Value| {
        let mut value = json!({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": name}, "handler": "h"});
        value.as_object_mut().unwrap().extend(content.as_object().unwrap().clone());
        object(value)
    };
    let priority = |name: &str, value: i64, is_usual: bool| {
        object(
            json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}, "value": value, "globalDefault": is_usual}),
        )
    };
    let wanted = [
        runtime("heavy", json!({"overhead": {"podFixed": {"cpu": "250m", "memory": "120Mi"}}})),
        runtime("light", json!({})),
        priority("usual", 10, true),
        priority("high", 1000, false),
    ];
    let mut live = Vec::new();
    for class in &wanted {
        live.push(ground.make(class).await);
    }
    let classes = Classes::of(&live);

    let namespace = ground.namespace("a", json!({})).await;
    let seen = async || match ground.ask(&pod(namespace.name(), "x", &json!({"containers": [{"name": "a", "image": "r/app:1"}]}))).await {
        Said::Yes { object, .. } => object.value()["spec"]["priorityClassName"] == "usual",
        other => panic!("{other:?}"),
    };
    until("admission knows the default priority", seen).await;
    let by_class = |operator: &str, values: Value| {
        json!({"hard": {"pods": "100", "requests.cpu": "100"},
            "scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": operator, "values": values}]}})
    };
    let specs = [
        (
            "all",
            json!({"hard": {"requests.cpu": "2", "requests.memory": "1Gi", "limits.cpu": "1800m", "limits.memory": "4Gi", "pods": "100"}}),
        ),
        ("usual", by_class("In", json!(["usual"]))),
        ("high", by_class("In", json!(["high"]))),
        ("some", by_class("Exists", json!([]))),
        ("none", by_class("DoesNotExist", json!([]))),
        ("not-usual", by_class("NotIn", json!(["usual"]))),
    ];
    let mut quotas = Vec::new();
    for (name, spec) in &specs {
        quotas.push(quota_named(&ground, &namespace, name, spec.clone()).await);
    }

    let sized = |cpu: &str, limit: &str| json!([{"name": "a", "image": "r/app:1", "resources": {"requests": {"cpu": cpu, "memory": "64Mi"}, "limits": {"cpu": limit, "memory": "128Mi"}}}]);
    let pods = [
        json!({"runtimeClassName": "heavy", "containers": sized("100m", "200m")}),
        json!({"runtimeClassName": "light", "containers": sized("100m", "200m")}),
        json!({"containers": sized("100m", "200m")}),
        json!({"runtimeClassName": "heavy", "priorityClassName": "high", "containers": sized("300m", "400m")}),
        // With its overhead, and only with it, more than is left.
        json!({"runtimeClassName": "heavy", "containers": sized("900m", "900m")}),
        json!({"runtimeClassName": "light", "containers": sized("900m", "900m")}),
        json!({"priorityClassName": "high", "containers": sized("50m", "2")}),
    ];
    let (mut made, mut refused) = (Vec::new(), 0);
    for (number, spec) in pods.iter().enumerate() {
        let wanted = pod(namespace.name(), &format!("p{number}"), spec);
        let mut complete = pod_of(&wanted).unwrap();
        classes.complete(&mut complete);
        let counted = Counted { object: &complete, plural: "pods" };
        let charges: Vec<_> = quotas.iter().map(|quota| quota.charge(counted, None)).collect();
        let words: Vec<&String> = charges.iter().filter_map(|charge| charge.as_ref().err()).collect();
        // Admission may not have seen the last pod counted yet: it counts by itself, and so asks again.
        match ground.ask(&wanted).await {
            Said::Yes { object, .. } => {
                assert!(words.is_empty(), "{words:?}: {spec}");
                for field in ["overhead", "priorityClassName"] {
                    assert_eq!(object.value()["spec"].get(field), complete.value()["spec"].get(field), "{spec}");
                }
                ground.make(&wanted).await;
                made.push(complete.clone());
            }
            Said::No(theirs) => {
                refused += 1;
                assert!(words.contains(&&theirs), "{words:?}, theirs {theirs}: {spec}");
            }
            Said::Invalid(words) => panic!("{words}"),
        }
        for (quota, (name, _)) in quotas.iter_mut().zip(&specs) {
            let ours = quota.count(made.iter().map(|object| Counted { object, plural: "pods" }), None);
            let key = spai::resource::ObjectKey::new("", "ResourceQuota", Some(namespace.name()), name);
            let used = async || Quota::of(&ground.cluster.get(&key).await.unwrap().unwrap());
            let deadline = std::time::Instant::now() + Duration::from_secs(30);
            while used().await.used.to_string() != ours.to_string() {
                assert!(std::time::Instant::now() < deadline, "{name}: {}, ours {ours}, after {spec}", used().await.used);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            quota.used = ours;
        }
    }
    assert!(made.len() >= 4 && refused >= 2, "{} made, {refused} refused", made.len());
}
