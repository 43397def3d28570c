//! Controllers held against the real ones: after each change, both clusters come to the same state.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use spai::embedded::{EmbeddedCluster, Options};

use super::sequences::{JSON, MERGE, STRATEGIC, step};
use super::{Step, ask, support};

/// How long both have to come to the same state.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is looked at.
const KINDS: [&str; 12] = [
    "apis/apps/v1/%/deployments",
    "apis/apps/v1/%/replicasets",
    "apis/apps/v1/%/statefulsets",
    "apis/apps/v1/%/daemonsets",
    "apis/batch/v1/%/jobs",
    "api/v1/%/pods",
    "api/v1/%/endpoints",
    "api/v1/%/persistentvolumeclaims",
    "api/v1/%/configmaps",
    "apis/discovery.k8s.io/v1/%/endpointslices",
    "apis/policy/v1/%/poddisruptionbudgets",
    "apis/autoscaling/v2/%/horizontalpodautoscalers",
];

/// Changes, each followed by a look.
fn scenarios() -> Vec<(&'static str, Vec<Step>)> {
    let apps = |kind: &str| format!("/apis/apps/v1/namespaces/{{ns}}/{kind}");
    let template = |app: &str, more: Value| {
        let mut spec = json!({"terminationGracePeriodSeconds": 0, "containers": [{"name": "c", "image": "web:1", "ports": [{"name": "http", "containerPort": 80}]}]});
        for (key, value) in more.as_object().unwrap() {
            spec[key] = value.clone();
        }
        json!({"metadata": {"labels": {"app": app}}, "spec": spec})
    };
    let image = |name: &str| json!({"spec": {"template": {"spec": {"containers": [{"name": "c", "image": name}]}}}});
    let deployment = |replicas: i64| json!({"metadata": {"name": "web"}, "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template("web", json!({}))}});
    let create = |kind: &str, body: Value| step("POST", apps(kind), JSON, body);
    let change = |kind: &str, body: Value| step("PATCH", format!("{}/web", apps(kind)), STRATEGIC, body);
    let core = |kind: &str, body: Value| step("POST", format!("/api/v1/namespaces/{{ns}}/{kind}"), JSON, body);
    let service = json!({"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}});
    let never = json!({"spec": {"template": {"metadata": {"annotations": {"spai.dev/test": "never-ready"}}}}});
    let good = json!({"spec": {"template": {"metadata": {"annotations": {"spai.dev/test": null}}}}});
    vec![
        (
            "a deployment rolls, stops, goes back, scales and ends",
            vec![
                create("deployments", deployment(3)),
                change("deployments", image("web:2")),
                change("deployments", json!({"spec": {"paused": true}})),
                change("deployments", image("web:3")),
                change("deployments", json!({"spec": {"paused": false}})),
                change("deployments", image("web:1")),
                step("PATCH", format!("{}/web/scale", apps("deployments")), MERGE, json!({"spec": {"replicas": 1}})),
                change("deployments", json!({"spec": {"replicas": 0}})),
                step("DELETE", format!("{}/web", apps("deployments")), JSON, json!({"propagationPolicy": "Background"})),
            ],
        ),
        (
            "pods that never get ready hold a rollout up",
            vec![create("deployments", deployment(4)), change("deployments", never), change("deployments", good)],
        ),
        (
            "a deployment made anew, and one with few revisions",
            vec![
                create("deployments", {
                    let mut made = deployment(2);
                    made["spec"]["strategy"] = json!({"type": "Recreate"});
                    made["spec"]["revisionHistoryLimit"] = 1.into();
                    made
                }),
                change("deployments", image("web:2")),
                change("deployments", image("web:3")),
                change("deployments", image("web:4")),
                step("DELETE", format!("{}/web", apps("deployments")), JSON, json!({"propagationPolicy": "Orphan"})),
            ],
        ),
        (
            "a stateful set has ordinals",
            vec![
                core(
                    "services",
                    json!({"metadata": {"name": "web"}, "spec": {"clusterIP": "None", "selector": {"app": "web"}, "ports": [{"port": 80}]}}),
                ),
                create(
                    "statefulsets",
                    json!({"metadata": {"name": "web"}, "spec": {"serviceName": "web", "replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": template("web", json!({}))}}),
                ),
                change("statefulsets", json!({"spec": {"replicas": 1}})),
                change("statefulsets", image("web:2")),
                change("statefulsets", json!({"spec": {"replicas": 2}})),
                step("DELETE", format!("{}/web", apps("statefulsets")), JSON, json!({"propagationPolicy": "Foreground"})),
            ],
        ),
        (
            "a job is completed",
            vec![
                step(
                    "POST",
                    "/apis/batch/v1/namespaces/{ns}/jobs",
                    JSON,
                    json!({"metadata": {"name": "work"}, "spec": {"completions": 3, "parallelism": 2, "template": template("work", json!({"restartPolicy": "Never"}))}}),
                ),
                step("DELETE", "/apis/batch/v1/namespaces/{ns}/jobs/work", JSON, json!({"propagationPolicy": "Background"})),
            ],
        ),
        (
            "a service finds its pods, and a budget counts them",
            vec![
                core("services", service),
                create("deployments", deployment(2)),
                step(
                    "POST",
                    "/apis/policy/v1/namespaces/{ns}/poddisruptionbudgets",
                    JSON,
                    json!({"metadata": {"name": "web"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}}),
                ),
                change("deployments", json!({"spec": {"replicas": 3}})),
                step("PATCH", "/api/v1/namespaces/{ns}/services/web", MERGE, json!({"spec": {"selector": {"app": "other"}}})),
                step("DELETE", "/api/v1/namespaces/{ns}/services/web", "", Value::Null),
            ],
        ),
        (
            "an autoscaler keeps its minimum",
            vec![
                create("deployments", deployment(1)),
                step(
                    "POST",
                    "/apis/autoscaling/v2/namespaces/{ns}/horizontalpodautoscalers",
                    JSON,
                    json!({"metadata": {"name": "web"}, "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "minReplicas": 3, "maxReplicas": 5,
                        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}]}}),
                ),
            ],
        ),
        (
            "what is owned goes with its owner",
            vec![
                core("configmaps", json!({"metadata": {"name": "owner"}})),
                core(
                    "configmaps",
                    json!({"metadata": {"name": "owned", "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": "{uid}"}]}}),
                ),
                step("DELETE", "/api/v1/namespaces/{ns}/configmaps/owner", "", Value::Null),
            ],
        ),
        (
            "a daemon set is on every node",
            vec![
                create(
                    "daemonsets",
                    json!({"metadata": {"name": "web"}, "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template("web", json!({}))}}),
                ),
                change("daemonsets", image("web:2")),
                step("DELETE", format!("{}/web", apps("daemonsets")), "", Value::Null),
            ],
        ),
    ]
}

/// All that a namespace has, less what differs from one cluster, or moment, to the next: by kind, how many there are of what.
async fn look(client: &kube::Client, namespace: &str) -> BTreeMap<String, usize> {
    let mut seen = BTreeMap::new();
    for kind in KINDS {
        let path = format!("/{}", kind.replace('%', &format!("namespaces/{namespace}")));
        let list = ask(client, &step("GET", path, "", Value::Null), namespace).await.body;
        // Clusters have as many nodes as they have.
        let on_each_node = |item: &Value| item["metadata"]["ownerReferences"][0]["kind"] == "DaemonSet";
        for item in list["items"].as_array().into_iter().flatten().filter(|item| !on_each_node(item)) {
            let plural = kind.rsplit('/').next().unwrap_or_default();
            *seen.entry(format!("{plural} {}", summary(plural, item))).or_default() += 1;
        }
    }
    seen
}

fn summary(plural: &str, item: &Value) -> Value {
    let (meta, spec, status) = (&item["metadata"], &item["spec"], &item["status"]);
    let conditions = || {
        let all = status["conditions"].as_array().into_iter().flatten();
        let mut all: Vec<String> =
            all.map(|one| format!("{}={} {}", text(&one["type"]), text(&one["status"]), text(&one["reason"]))).collect();
        all.sort();
        all
    };
    let owner = || {
        meta["ownerReferences"]
            .as_array()
            .map(|all| all.iter().map(|one| format!("{} {}", text(&one["kind"]), text(&one["controller"]))).collect::<Vec<_>>())
    };
    let counts = |fields: &[&str]| fields.iter().map(|field| status[*field].as_i64().unwrap_or(0)).collect::<Vec<_>>();
    let image = &spec["template"]["spec"]["containers"][0]["image"];
    let revision = &meta["annotations"]["deployment.kubernetes.io/revision"];
    let general = json!({"finalizers": meta["finalizers"], "generation": meta["generation"]});
    match plural {
        "deployments" => json!([
            meta["name"],
            general,
            spec["replicas"],
            revision,
            status["observedGeneration"],
            conditions(),
            counts(&["replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas"])
        ]),
        "replicasets" => json!([
            owner(),
            spec["replicas"],
            image,
            revision,
            meta["annotations"]["deployment.kubernetes.io/revision-history"],
            counts(&["replicas", "readyReplicas", "availableReplicas", "fullyLabeledReplicas"])
        ]),
        "statefulsets" => json!([
            meta["name"],
            spec["replicas"],
            status["observedGeneration"],
            status["currentRevision"] == status["updateRevision"],
            counts(&["replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"])
        ]),
        "daemonsets" => json!([
            meta["name"],
            status["observedGeneration"],
            status["numberReady"] == status["desiredNumberScheduled"],
            status["updatedNumberScheduled"] == status["desiredNumberScheduled"],
            counts(&["numberMisscheduled", "numberUnavailable"])
        ]),
        "jobs" => json!([
            meta["name"],
            conditions(),
            counts(&["active", "succeeded", "failed", "ready"]),
            status["completionTime"].is_string(),
            general["finalizers"]
        ]),
        "pods" => {
            let ordinal = meta["labels"]["statefulset.kubernetes.io/pod-name"].clone();
            // What has done its work is said to be ready by kwok, and by no real node.
            let conditions = || if status["phase"] == "Succeeded" { Vec::new() } else { conditions() };
            let ready: Vec<String> = conditions()
                .into_iter()
                .filter(|one| one.starts_with("Ready=") || one.starts_with("ContainersReady=") || one.starts_with("PodScheduled="))
                .collect();
            json!([ordinal, owner(), meta["labels"]["app"], spec["containers"][0]["image"], status["phase"], ready, general["finalizers"]])
        }
        "endpoints" => {
            let counted: Vec<Value> = item["subsets"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|subset| json!([length(&subset["addresses"]), length(&subset["notReadyAddresses"]), subset["ports"]]))
                .collect();
            json!([meta["name"], counted])
        }
        "endpointslices" => {
            let all = item["endpoints"].as_array().cloned().unwrap_or_default();
            let ready = all.iter().filter(|one| one["conditions"]["ready"] == true).count();
            json!([
                meta["labels"]["kubernetes.io/service-name"],
                item["addressType"],
                all.len(),
                ready,
                item["ports"],
                all.iter().all(|one| one["targetRef"]["kind"] == "Pod")
            ])
        }
        "persistentvolumeclaims" => json!([meta["name"], meta["labels"], general["finalizers"]]),
        "configmaps" => json!([meta["name"]]),
        "poddisruptionbudgets" => json!([
            meta["name"],
            status["observedGeneration"],
            counts(&["expectedPods", "currentHealthy", "desiredHealthy", "disruptionsAllowed"]),
            conditions()
        ]),
        _ => json!([meta["name"]]),
    }
}

fn length(value: &Value) -> usize {
    value.as_array().map_or(0, Vec::len)
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[tokio::test(flavor = "multi_thread")]
async fn controllers_come_to_the_state_that_the_real_ones_come_to() {
    let Some(plane) = support::control_plane() else { return };
    let config = kube::config::Kubeconfig::read_from(plane.kubeconfig()).unwrap();
    let config = kube::Config::from_custom_kubeconfig(config, &kube::config::KubeConfigOptions::default()).await.unwrap();
    let real = kube::Client::try_from(config).unwrap();
    let embedded = EmbeddedCluster::open(&Options::default()).unwrap();
    let ours = embedded.client();
    let run = support::unique("settled");
    let mut differences = Vec::new();
    for (number, (name, steps)) in scenarios().into_iter().enumerate() {
        let namespace = format!("{run}-{number}");
        for client in [&real, &ours] {
            ask(client, &step("POST", "/api/v1/namespaces", JSON, json!({"metadata": {"name": "{ns}"}})), &namespace).await;
        }
        // The account of its pods, that a controller makes.
        for client in [&real, &ours] {
            let account = step("GET", "/api/v1/namespaces/{ns}/serviceaccounts/default", "", Value::Null);
            let begun = Instant::now();
            while ask(client, &account, &namespace).await.code != 200 && begun.elapsed() < PATIENCE {
                tokio::task::yield_now().await;
            }
        }
        let mut uids = [String::new(), String::new()];
        'steps: for (index, step) in steps.iter().enumerate() {
            for (client, uid) in [&real, &ours].into_iter().zip(&mut uids) {
                let body = serde_json::from_str(&step.body.to_string().replace("{uid}", uid)).unwrap();
                let answer = ask(client, &Step { body, ..step.clone() }, &namespace).await;
                assert!(answer.code < 300, "{name} #{index}: {}", answer.body["message"]);
                *uid = answer.body["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
            }
            let begun = Instant::now();
            loop {
                let (theirs, mine) = (look(&real, &namespace).await, look(&ours, &namespace).await);
                if theirs == mine {
                    break;
                }
                if begun.elapsed() > PATIENCE {
                    let only = |one: &BTreeMap<String, usize>, other: &BTreeMap<String, usize>| {
                        one.iter()
                            .filter(|(what, count)| other.get(*what) != Some(count))
                            .map(|(what, count)| format!("{count} × {what}"))
                            .collect::<Vec<_>>()
                            .join("\n      ")
                    };
                    differences.push(format!("{name} #{index}\n    real: {}\n    ours: {}", only(&theirs, &mine), only(&mine, &theirs)));
                    break 'steps;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        ask(&real, &super::sequences::end(), &namespace).await;
    }
    assert!(differences.is_empty(), "{} scenarios end differently:\n{}", differences.len(), differences.join("\n"));
}
