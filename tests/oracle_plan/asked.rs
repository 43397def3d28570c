//! What a plan asks of the server, and what it says where it may not ask or read.

use spai::plan::{Action, Asking, Decided};

use crate::support;
use crate::world::{DEPLOYMENT, World, change, codes, fields, shown};

/// Lets `user` do this, in the whole cluster; it goes with the value.
struct Rights<'w> {
    world: &'w World,
    user: String,
}

impl<'w> Rights<'w> {
    fn new(world: &'w World, verbs: &str, resources: &str) -> Self {
        let user = format!("{}-user", world.name);
        let (verbs, resources) = (format!("--verb={verbs}"), format!("--resource={resources}"));
        world.plane.kubectl_out(&["create", "clusterrole", &user, &verbs, &resources]);
        world.plane.kubectl_out(&["create", "clusterrolebinding", &user, &format!("--clusterrole={user}"), &format!("--user={user}")]);
        Self { world, user }
    }
}

impl Drop for Rights<'_> {
    fn drop(&mut self) {
        let _ = self.world.plane.kubectl().args(["delete", "clusterrole,clusterrolebinding", &self.user, "--ignore-not-found"]).output();
    }
}

const SECRET: &str = "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: NS}\ndata: {key: aHVudGVyMg==}\n";

#[tokio::test]
async fn with_the_right_to_read_alone_a_plan_predicts_and_says_so_once() {
    let Some(world) = World::new("asked-reader") else { return };
    world.manifest("web", DEPLOYMENT);
    world.manifest("s", SECRET);
    world.apply().await;
    world.manifest("web", &DEPLOYMENT.replace("image:1", "image:2"));
    let whole = world.plan().await;
    let rights = Rights::new(&world, "get,list", "*.*");
    let kubeconfig = world.plane.kubeconfig_as(&rights.user, world.folder.path());
    let mut request = world.request.clone();
    request.kubeconfig = Some(kubeconfig);
    let plan = world.plan_as(&request).await.unwrap();
    assert_eq!(codes(&plan).iter().filter(|code| **code == "plan::read_only").count(), 1, "{:#?}", plan.findings);
    assert!(plan.findings.0.iter().any(|finding| finding.message.contains("patch deployments.apps")) && !plan.findings.has_errors());
    let (here, there) = (change(&plan, "Deployment", "web"), change(&whole, "Deployment", "web"));
    assert_eq!((here.decided, there.decided), (Decided::Prediction, Decided::Verified));
    assert_eq!(fields(here), fields(there), "the prediction is what the server says");
    request.asking = Asking::Nothing;
    let offline = world.plan_as(&request).await.unwrap();
    assert_eq!((fields(change(&offline, "Deployment", "web")), offline.asked), (fields(there), 0));
}

#[tokio::test]
async fn secrets_that_cannot_be_read_are_not_absent() {
    let Some(world) = World::new("asked-secrets") else { return };
    world.manifest("s", SECRET);
    world.manifest("c", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: NS}\n");
    world.apply().await;
    let rights = Rights::new(&world, "get,list", "namespaces,configmaps");
    let mut request = world.request.clone();
    request.kubeconfig = Some(world.plane.kubeconfig_as(&rights.user, world.folder.path()));
    let plan = world.plan_as(&request).await.unwrap();
    assert_eq!(codes(&plan), ["plan::admission_unread", "plan::not_listed", "plan::not_readable"], "{:#?}", plan.findings);
    assert_eq!((shown(&plan), plan.unchanged.len(), plan.unknown.len()), (Vec::new(), 2, 1));
    assert_eq!(plan.unknown[0].kind, "Secret");
}

#[tokio::test]
async fn verifying_asks_about_everything_and_finds_nothing_to_doubt() {
    let Some(mut world) = World::new("asked-verify") else { return };
    world.manifest("web", DEPLOYMENT);
    world.manifest("s", SECRET);
    world.apply().await;
    world.request.asking = Asking::Everything;
    let plan = world.plan().await;
    assert_eq!((plan.asked, plan.doubts.len(), codes(&plan)), (3, 0, Vec::new()));
    assert!(plan.unchanged.iter().all(|key| plan.decided_unchanged(key) == Decided::Verified));
}

#[tokio::test]
async fn what_a_mutating_policy_could_touch_is_asked_about() {
    let Some(world) = World::new("asked-policy") else { return };
    world.manifest("c", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: NS}\ndata: {a: '1'}\n");
    world.manifest("s", SECRET);
    world.apply().await;
    let policy = format!(
        "apiVersion: admissionregistration.k8s.io/v1\nkind: MutatingAdmissionPolicy\nmetadata: {{name: {0}}}\nspec:\n  \
         failurePolicy: Fail\n  reinvocationPolicy: Never\n  matchConstraints:\n    \
         namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {1}}}}}\n    \
         resourceRules: [{{apiGroups: [''], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [configmaps]}}]\n  \
         mutations:\n  - patchType: ApplyConfiguration\n    applyConfiguration: {{expression: 'Object{{data: {{\"injected\": \"x\"}}}}'}}\n---\n\
         apiVersion: admissionregistration.k8s.io/v1\nkind: MutatingAdmissionPolicyBinding\nmetadata: {{name: {0}}}\nspec: {{policyName: {0}}}\n",
        world.name,
        world.namespace()
    );
    world.plane.kubectl_apply("somebody", &policy);
    let injected = || {
        let given = ["create", "configmap", "probe", "--dry-run=server", "-o", "jsonpath={.data.injected}"];
        world.kubectl(&given) == "x"
    };
    support::eventually("the policy is in force", injected);
    let plan = world.plan().await;
    world.plane.kubectl_out(&["delete", "mutatingadmissionpolicy,mutatingadmissionpolicybinding", &world.name]);
    assert_eq!((plan.asked, plan.doubts.len()), (1, 0), "{:?} {:#?}", shown(&plan), plan.findings);
    let c = change(&plan, "ConfigMap", "c");
    assert_eq!((c.action, c.decided, fields(c)), (Action::Update, Decided::DryRun, vec!["data.injected: - → \"x\" (server)".to_owned()]));
    assert_eq!(plan.unchanged.len(), 2);
}
