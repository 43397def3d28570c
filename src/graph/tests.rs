//! The graph as its users see it: order, circles, drawings, and the time it takes.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::draw::{self, Grouping};
use super::*;
use crate::compile::compile;
use crate::resource::{Desired, Edge, EdgeReason, Object, ObjectKey, Origin, Scope};
use crate::stack::{ResolveOptions, Sources, Stack};

fn desired(value: Value) -> Desired {
    Desired::new(Object::try_from(value).unwrap(), None)
}

fn object(api_version: &str, kind: &str, name: &str, rest: Value) -> Desired {
    let mut value = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": "n"}});
    for (field, content) in rest.as_object().unwrap() {
        value[field] = content.clone();
    }
    desired(value)
}

fn config(name: &str) -> Desired {
    object("v1", "ConfigMap", name, json!({}))
}

fn after(mut desired: Desired, to: &ObjectKey, line: u32) -> Desired {
    let origin = Origin { file: "services/x.toml".into(), line, column: 1, start: line as usize, end: line as usize };
    desired.edges.push(Edge { to: to.clone(), reason: EdgeReason::Needs, origin: Some(origin) });
    desired
}

/// `kind/name` by wave.
fn waves(objects: &[Desired]) -> Vec<Vec<String>> {
    let graph = ResourceGraph::build(objects).unwrap();
    graph.waves().iter().map(|wave| wave.iter().map(|key| format!("{}/{}", key.kind, key.name)).collect()).collect()
}

#[test]
fn a_workload_comes_after_all_that_it_uses_and_before_what_acts_upon_it() {
    let pod = json!({"metadata": {"labels": {"app": "w"}}, "spec": {
        "serviceAccountName": "sa", "priorityClassName": "high",
        "containers": [{"name": "c", "envFrom": [{"configMapRef": {"name": "cm"}}], "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}],
        "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "pvc"}}]}});
    let cluster = |api: &str, kind: &str, name: &str| desired(json!({"apiVersion": api, "kind": kind, "metadata": {"name": name}}));
    let rbac = "rbac.authorization.k8s.io/v1";
    let objects = [
        object(
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            "hpa",
            json!({"spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "w"}}}),
        ),
        object("apps/v1", "Deployment", "w", json!({"spec": {"template": pod}})),
        object(
            rbac,
            "RoleBinding",
            "rb",
            json!({"roleRef": {"kind": "Role", "name": "r"}, "subjects": [{"kind": "ServiceAccount", "name": "sa"}]}),
        ),
        object(rbac, "Role", "r", json!({})),
        object("v1", "ServiceAccount", "sa", json!({})),
        object("v1", "ResourceQuota", "q", json!({})),
        object("networking.k8s.io/v1", "NetworkPolicy", "deny", json!({"spec": {"podSelector": {}}})),
        object("networking.k8s.io/v1", "NetworkPolicy", "other", json!({"spec": {"podSelector": {"matchLabels": {"app": "else"}}}})),
        object("policy/v1", "PodDisruptionBudget", "pdb", json!({"spec": {"selector": {"matchLabels": {"app": "w"}}}})),
        object("v1", "Service", "svc", json!({"spec": {"selector": {"app": "w"}}})),
        object(
            "networking.k8s.io/v1",
            "Ingress",
            "in",
            json!({"spec": {"ingressClassName": "nginx", "rules": [{"http": {"paths": [{"backend": {"service": {"name": "svc"}}}]}}]}}),
        ),
        cluster("networking.k8s.io/v1", "IngressClass", "nginx"),
        cluster("scheduling.k8s.io/v1", "PriorityClass", "high"),
        cluster("v1", "Namespace", "n"),
        object("v1", "PersistentVolumeClaim", "pvc", json!({"spec": {"storageClassName": "fast"}})),
        cluster("storage.k8s.io/v1", "StorageClass", "fast"),
        config("cm"),
        object("v1", "Secret", "s", json!({})),
    ];
    let graph = ResourceGraph::build(&objects).unwrap();
    let wave =
        |kind: &str, name: &str| graph.waves().iter().position(|wave| wave.iter().any(|key| key.kind == kind && key.name == name)).unwrap();
    let workload = wave("Deployment", "w");
    let first = [
        ("RoleBinding", "rb"),
        ("ServiceAccount", "sa"),
        ("ResourceQuota", "q"),
        ("NetworkPolicy", "deny"),
        ("PodDisruptionBudget", "pdb"),
        ("Service", "svc"),
        ("PriorityClass", "high"),
        ("Namespace", "n"),
        ("PersistentVolumeClaim", "pvc"),
        ("ConfigMap", "cm"),
        ("Secret", "s"),
    ];
    for (kind, name) in first {
        assert!(wave(kind, name) < workload, "{kind} {name}");
    }
    assert!(wave("HorizontalPodAutoscaler", "hpa") > workload);
    assert!(wave("RoleBinding", "rb") > wave("Role", "r").max(wave("ServiceAccount", "sa")));
    assert!(wave("PersistentVolumeClaim", "pvc") > wave("StorageClass", "fast"));
    assert!(wave("ConfigMap", "cm") > wave("ResourceQuota", "q"), "a quota counts it");
    assert!(wave("Ingress", "in") > wave("Service", "svc").max(wave("IngressClass", "nginx")));
    let of_workload = graph.dependencies(&ObjectKey::new("apps", "Deployment", Some("n"), "w"));
    assert!(!of_workload.iter().any(|edge| edge.to.name == "other"), "a policy for other pods is no dependency");
    assert!(of_workload.iter().any(|edge| edge.to.name == "deny" && edge.reason == EdgeReason::Constraint));
}

#[test]
fn what_scales_a_workload_needs_it_to_be_there_and_everything_else_to_be_ready() {
    let workload = |name: &str| {
        let template = json!({"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "envFrom": [{"configMapRef": {"name": "cm"}}]}]}});
        object("apps/v1", "Deployment", name, json!({"spec": {"template": template}}))
    };
    let scaler = object(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        "hpa",
        json!({"spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "db"}}}),
    );
    let key = |name: &str| ObjectKey::new("apps", "Deployment", Some("n"), name);
    let objects = [
        scaler,
        object("v1", "ResourceQuota", "q", json!({})),
        config("cm"),
        workload("db"),
        after(workload("api"), &key("db"), 1),
        after(workload("web"), &key("api"), 2),
    ];
    let graph = ResourceGraph::build(&objects).unwrap();
    let needed = |changed: &[&str]| -> BTreeMap<String, usize> {
        let keys = graph.objects().map(|(key, _)| key).filter(|key| changed.contains(&key.name.as_str()));
        let changes: Vec<_> = keys.map(|key| (key, graph.wave_of(key).unwrap())).collect();
        let needed = graph.needed_ready(&changes);
        changes.into_iter().zip(needed).filter_map(|((key, _), wave)| Some((key.name.clone(), wave?))).collect()
    };
    let wave = |name: &str| graph.wave_of(&key(name)).unwrap();
    let expected = |pairs: &[(&str, usize)]| pairs.iter().map(|(name, wave)| ((*name).to_owned(), *wave)).collect::<BTreeMap<_, _>>();
    let first = wave("db");
    assert_eq!(
        needed(&["hpa", "q", "cm", "db", "api", "web"]),
        expected(&[("q", wave("db") - 1), ("cm", first), ("db", wave("api")), ("api", wave("web"))])
    );
    // Nobody but the autoscaler comes after it.
    assert_eq!(needed(&["hpa", "db"]).get("db"), None);
    // What stands in between, and doesn't change, passes the need on.
    assert_eq!(needed(&["db", "web"]).get("db"), Some(&wave("web")));
    assert_eq!(needed(&["q", "web"]).get("q"), Some(&wave("web")));
}

#[test]
fn definitions_come_before_what_they_define_and_policies_before_workloads() {
    let cluster = |api: &str, kind: &str, name: &str, spec: Value| {
        desired(json!({"apiVersion": api, "kind": kind, "metadata": {"name": name}, "spec": spec}))
    };
    let objects = [
        object("example.dev/v1", "Thing", "t", json!({})),
        cluster(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            "things.example.dev",
            json!({"group": "example.dev", "names": {"kind": "Thing"}}),
        ),
        cluster("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", "p", json!({})),
        cluster("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding", "b", json!({"policyName": "p"})),
        object("apps/v1", "Deployment", "hook", json!({"spec": {"template": {"metadata": {"labels": {"app": "hook"}}}}})),
        object("v1", "Service", "hook", json!({"spec": {"selector": {"app": "hook"}}})),
        desired(
            json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": {"name": "w"},
            "webhooks": [{"clientConfig": {"service": {"namespace": "n", "name": "hook"}}}]}),
        ),
    ];
    assert_eq!(
        waves(&objects),
        [
            vec!["Service/hook", "ValidatingAdmissionPolicy/p", "CustomResourceDefinition/things.example.dev"],
            vec!["ValidatingAdmissionPolicyBinding/b", "Thing/t"],
            vec!["Deployment/hook"],
            vec!["ValidatingWebhookConfiguration/w"]
        ]
    );
}

#[test]
fn a_circle_is_told_with_every_edge_and_its_line() {
    let (a, b, c) = (config("a"), config("b"), config("c"));
    let (ka, kb, kc) = (a.key(), b.key(), c.key());
    let objects = [after(a, &kb, 3), after(b, &kc, 5), after(c, &ka, 7), config("d")];
    let error = ResourceGraph::build(&objects).unwrap_err();
    assert_eq!(error.0.len(), 1);
    let diagnostic = &error.0[0];
    assert_eq!((diagnostic.code.as_str(), diagnostic.message.as_str()), ("graph::cycle", "3 objects wait for each other in a circle"));
    let labels: Vec<String> = diagnostic.labels.iter().map(|label| format!("{} {}", label.origin, label.text)).collect();
    assert_eq!(
        labels,
        [
            "services/x.toml:3 ConfigMap n/a comes after ConfigMap n/b: it needs it",
            "services/x.toml:5 ConfigMap n/b comes after ConfigMap n/c: it needs it",
            "services/x.toml:7 ConfigMap n/c comes after ConfigMap n/a: it needs it",
        ]
    );
    assert!(diagnostic.help.as_ref().unwrap().contains("ConfigMap n/a → ConfigMap n/b → ConfigMap n/c → ConfigMap n/a"));
}

/// The objects of a stack of two tenants.
fn compiled(services: &[(&str, &str)]) -> Vec<Desired> {
    let stack = [
        ("stack.toml", "name = 'shop'\n[tiers.basic]\ncpu = '500m'\nmemory = '512Mi'\nreplicas = 3"),
        ("environments/dev.toml", "cluster = { context = '*' }"),
        ("tenants/acme.toml", "tier = 'basic'"),
        ("tenants/zeta.toml", "tier = 'basic'"),
    ];
    let texts = stack.iter().chain(services).map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
    let (stack, diagnostics) = Stack::load(Sources::of(texts));
    assert!(!diagnostics.has_errors(), "{diagnostics:#?}");
    let (resolved, diagnostics) = stack.unwrap().resolve(&ResolveOptions { environment: "dev".to_owned(), ..ResolveOptions::default() });
    let (objects, more) = compile(&resolved.unwrap_or_else(|| panic!("{diagnostics:#?}")));
    assert!(!more.has_errors(), "{more:#?}");
    objects
}

#[test]
fn services_that_need_each_other_are_a_circle_told_once_for_all_tenants() {
    let service = |needs: &str| format!("needs = ['{needs}']\nimage = {{ repository = 'x', tag = '1' }}");
    let objects = compiled(&[("services/a.toml", &service("b")), ("services/b.toml", &service("a"))]);
    let error = ResourceGraph::build(&objects).unwrap_err();
    let lines: Vec<String> = error.0[0].labels.iter().map(|label| label.origin.to_string()).collect();
    assert_eq!((error.0.len(), lines), (1, vec!["services/a.toml:1".to_owned(), "services/b.toml:1".to_owned()]));
    assert_eq!(error.0[0].message, "2 objects wait for each other in a circle (1 more of the same lines)");
}

#[test]
fn a_service_comes_after_those_that_it_needs() {
    let image = "image = { repository = 'x', tag = '1' }";
    let objects = compiled(&[("services/a.toml", &format!("needs = ['b']\n{image}")), ("services/b.toml", image)]);
    let graph = ResourceGraph::build(&objects).unwrap();
    let wave = |name: &str| graph.wave_of(&ObjectKey::new("apps", "Deployment", Some("shop-dev-acme"), name)).unwrap();
    assert_eq!(wave("a"), wave("b") + 1);
}

#[test]
fn an_object_after_itself_and_a_circle_through_a_quota_are_told_too() {
    let a = config("a");
    let key = a.key();
    assert_eq!(ResourceGraph::build(&[after(a, &key, 1)]).unwrap_err().0[0].message, "ConfigMap n/a comes after itself");
    let quota = object("v1", "ResourceQuota", "q", json!({}));
    let workload = object("apps/v1", "Deployment", "w", json!({"spec": {"template": {"spec": {}}}}));
    let key = workload.key();
    let error = ResourceGraph::build(&[after(quota, &key, 2), workload]).unwrap_err();
    assert!(error.0[0].help.as_ref().unwrap().contains("Deployment n/w → ResourceQuota n/q"), "{error:?}");
}

#[test]
fn drawings_show_services_of_tenants() {
    let of = |mut desired: Desired, service: &str| {
        desired.scope = Scope { tenant: Some("acme".to_owned()), tier: None, service: Some(service.to_owned()) };
        desired
    };
    let (a, b) = (of(config("a"), "web"), of(config("b"), "auth"));
    let key = b.key();
    let graph = ResourceGraph::build(&[after(a, &key, 1), b]).unwrap();
    assert_eq!(
        draw::mermaid(&graph, Grouping::Services),
        "flowchart LR\n  subgraph g0[\"acme\"]\n    n0[\"web\"]\n    n1[\"auth\"]\n  end\n  n1 -->|needs| n0\n"
    );
    assert!(draw::dot(&graph, Grouping::Objects).contains("n1 -> n0 [label=\"needs\"];"));
    assert_eq!(draw::json(&graph, Grouping::Objects)["edges"][0]["origin"], "services/x.toml:1");
    assert_eq!(draw::json(&graph, Grouping::Tenants)["nodes"], json!([{"name": "acme", "objects": 2, "wave": 0}]));
}

/// 20,000 objects, half of them in one namespace with hundreds of policies: edges must not grow with the product.
#[test]
fn large_graphs_take_little_time() {
    let mut objects = Vec::new();
    for index in 0..5_000 {
        let namespace = if index % 2 == 0 { "big".to_owned() } else { format!("n{}", index % 100) };
        let name = format!("s{index}");
        let metadata = json!({"name": name, "namespace": namespace});
        objects.push(desired(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})));
        objects.push(desired(
            json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": {"podSelector": {}}}),
        ));
        objects.push(desired(json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"selector": {"app": name}}})));
        objects.push(desired(json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"template": {
            "metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "envFrom": [{"configMapRef": {"name": name}}]}]}}}})));
    }
    let begun = std::time::Instant::now();
    let graph = ResourceGraph::build(&objects).unwrap();
    // Unoptimised code on a busy machine; a product of policies and workloads would take minutes.
    assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!(graph.waves().len(), 2);
}

proptest! {
    #[test]
    fn waves_respect_every_edge(count in 1usize..40, pairs in proptest::collection::vec((0usize..40, 0usize..40), 0..120)) {
        let mut objects: Vec<Desired> = (0..count).map(|index| {
            let kind = ["ConfigMap", "Secret", "ResourceQuota", "Namespace", "Service"][index % 5];
            object("v1", kind, &format!("o{index}"), json!({}))
        }).collect();
        let keys: Vec<ObjectKey> = objects.iter().map(Desired::key).collect();
        for (from, to) in pairs {
            // Edges to earlier ones only: no circles of declared edges.
            let (from, to) = (from % count, to % count);
            if from > to {
                objects[from].edges.push(Edge { to: keys[to].clone(), reason: EdgeReason::After, origin: None });
            }
        }
        if let Ok(graph) = ResourceGraph::build(&objects) {
            let mut seen: BTreeMap<&ObjectKey, usize> = BTreeMap::new();
            for (wave, keys) in graph.waves().iter().enumerate() {
                for key in keys {
                    prop_assert!(seen.insert(key, wave).is_none());
                }
            }
            prop_assert_eq!(seen.len(), count);
            for (from, edge) in graph.edges() {
                prop_assert!(seen[edge.to] < seen[from]);
            }
            for (key, wave) in &seen {
                prop_assert!(*wave == 0 || graph.dependencies(key).iter().any(|edge| seen[edge.to] + 1 == *wave));
            }
        }
        // Deleting is the other way round, whatever the edges.
        let borrowed: Vec<(&Object, &[Edge])> = objects.iter().map(|desired| (&desired.object, desired.edges.as_slice())).collect();
        let order = deletion_order(&borrowed);
        let mut gone: BTreeMap<ObjectKey, usize> = BTreeMap::new();
        for (wave, keys) in order.iter().enumerate() {
            for key in keys {
                prop_assert!(gone.insert(key.clone(), wave).is_none());
            }
        }
        prop_assert_eq!(gone.len(), count);
        if ResourceGraph::build(&objects).is_ok() {
            for desired in &objects {
                for edge in &desired.edges {
                    prop_assert!(gone[&desired.key()] < gone[&edge.to], "{} before {}", desired.key(), edge.to);
                }
            }
        }
    }
}
