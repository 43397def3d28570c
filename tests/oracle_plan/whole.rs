//! What no dry-run of a single object sees: quotas that the plan uses up as a whole, pods that a namespace won't take,
//! rights that an apply would miss. Each is what then really happens.

use spai::resource::Severity;

use crate::support;
use crate::world::{World, codes, shown};

/// A Deployment of so many pods with half a CPU each; `more` stands in the pods' spec.
fn deployment(name: &str, replicas: u32, more: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: NS}}\nspec:\n  replicas: {replicas}\n  \
         selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    metadata: {{labels: {{app: {name}}}}}\n    spec:\n{more}      \
         containers: [{{name: app, image: 'image:1', resources: {{limits: {{cpu: 500m}}}}}}]\n"
    )
}

fn applied_by_somebody(world: &World, yaml: &str) {
    world.plane.kubectl_apply("somebody", &yaml.replace("NS", &world.namespace()));
}

#[tokio::test]
async fn two_workloads_that_fit_alone_and_not_together_are_told_before() {
    let Some(world) = World::new("whole-quota") else { return };
    world.apply().await;
    applied_by_somebody(
        &world,
        "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: theirs, namespace: NS}\nspec: {hard: {requests.cpu: '2'}}\n",
    );
    let used = || world.kubectl(&["get", "resourcequota", "theirs", "-o", "jsonpath={.status.used}"]);
    support::eventually("the quota is counted", || used().contains("requests.cpu"));
    world.manifest("a", &deployment("a", 3, ""));
    assert!(codes(&world.plan().await).is_empty());
    world.manifest("b", &deployment("b", 3, ""));
    let plan = world.plan().await;
    assert_eq!(codes(&plan), ["plan::exceeds_quota"]);
    let finding = &plan.findings.0[0];
    let words = "exceeded quota: theirs, requested: requests.cpu=1500m, used: requests.cpu=1500m, limited: requests.cpu=2";
    assert!(finding.message.ends_with(words) && finding.message.contains("the 3 pods of Deployment"), "{}", finding.message);
    assert_eq!(&*finding.labels[0].origin.file, "manifests/b.yaml");
    assert!(finding.help.as_ref().is_some_and(|help| help.contains("`theirs`")));
    // And so it is: four of six come.
    applied_by_somebody(&world, &format!("{}---\n{}", deployment("a", 3, ""), deployment("b", 3, "")));
    let failed = || world.kubectl(&["get", "replicasets", "-o", "jsonpath={.items[*].status.conditions[*].message}"]);
    support::eventually("a pod is refused", || failed().contains("exceeded quota: theirs, requested: requests.cpu=500m"));
    support::eventually("the others come", || used().contains(r#""requests.cpu":"2""#));
}

#[tokio::test]
async fn pods_that_a_new_namespace_will_not_take_are_told_in_the_words_that_refuse_them() {
    let Some(world) = World::new("whole-pods") else { return };
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: NS, labels: {pod-security.kubernetes.io/enforce: baseline}}\n";
    let range = "apiVersion: v1\nkind: LimitRange\nmetadata: {name: l, namespace: NS}\nspec: {limits: [{type: Container, max: {cpu: 600m}, maxLimitRequestRatio: {cpu: '2'}}]}\n";
    let quota = "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: q, namespace: NS}\nspec: {hard: {limits.memory: 1Gi}}\n";
    let workloads = [
        ("hosted", deployment("hosted", 1, "      hostNetwork: true\n")),
        ("large", deployment("large", 1, "").replace("{cpu: 500m}", "{cpu: 2, memory: 1Mi}")),
        ("silent", deployment("silent", 1, "")),
    ];
    for (file, yaml) in [("namespace", namespace), ("range", range), ("quota", quota)] {
        world.manifest(file, yaml);
    }
    for (file, yaml) in &workloads {
        world.manifest(file, yaml);
    }
    let plan = world.plan().await;
    let found = |code: &str| {
        let of: Vec<_> = plan.findings.0.iter().filter(|finding| finding.code == code).collect();
        assert!(of.len() == 1 && of[0].severity == Severity::Error, "{code}: {:#?}", plan.findings);
        of[0].message.split_once(": ").unwrap().1.to_owned()
    };
    let words = [("hosted", found("plan::pod_security")), ("large", found("plan::limit_range")), ("silent", found("plan::quota_unstated"))];
    assert_eq!(plan.findings.0.len(), 3, "{:#?}", plan.findings);
    for yaml in [namespace, range, quota] {
        applied_by_somebody(&world, yaml);
    }
    for (_, yaml) in &workloads {
        applied_by_somebody(&world, yaml);
    }
    for (name, words) in words {
        let selector = format!("app={name}");
        let told = || world.kubectl(&["get", "replicasets", "-l", &selector, "-o", "jsonpath={.items[*].status.conditions[*].message}"]);
        support::eventually(&format!("{name}: {words}"), || told().ends_with(&format!("is forbidden: {words}")));
    }
}

#[tokio::test]
async fn rights_that_an_apply_would_miss_are_told_before() {
    let Some(mut world) = World::new("whole-rights") else { return };
    let class = "apiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {name: NAME}\nvalue: 7\n";
    world.manifest("c", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: NS}\ndata: {a: '1'}\n");
    world.manifest("class", class);
    world.manifest("web", &deployment("web", 1, ""));
    world.apply().await;
    let user = support::unique("reader");
    let rules = "[{apiGroups: ['*'], resources: ['*'], verbs: [get, list]}, {apiGroups: [''], resources: [configmaps], verbs: [patch]}]";
    world.plane.kubectl_apply(
        "test",
        &format!(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {{name: {user}}}\nrules: {rules}\n---\n\
             apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {{name: {user}}}\n\
             roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {user}}}\n\
             subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: User, name: {user}}}]\n"
        ),
    );
    world.manifest("c", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: NS}\ndata: {a: '2'}\n");
    world.remove("web");
    world.remove("class");
    assert!(!world.plan().await.lacks_rights(), "an administrator may do it all");
    world.request.kubeconfig = Some(world.plane.kubeconfig_as(&user, world.folder.path()));
    let plan = world.plan().await;
    assert_eq!(shown(&plan).len(), 3, "{:?}", shown(&plan));
    let mut told: Vec<&str> = plan.findings.0.iter().map(|finding| finding.message.split(", and").next().unwrap()).collect();
    told.sort_unstable();
    let here = format!("you may not delete deployments.apps in {}", world.namespace());
    assert_eq!(told, [here.as_str(), "you may not delete priorityclasses.scheduling.k8s.io in the cluster"], "{:#?}", plan.findings);
    assert!(plan.lacks_rights() && !plan.findings.has_errors(), "a plan can be made without the rights to apply it");
    world.plane.kubectl_out(&["delete", "clusterrole,clusterrolebinding", &user]);
    world.plane.kubectl_out(&["delete", "priorityclass", &world.name]);
}
