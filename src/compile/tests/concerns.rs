//! Network, rights, routes, patches, order: what surrounds the workloads.

use serde_json::json;

use super::*;

#[test]
fn an_edge_opens_one_way_out_and_one_way_in() {
    let objects =
        objects(&[("services/web.toml", &format!("needs = ['auth']\n{WEB}")), ("services/auth.toml", WEB), ("services/else.toml", WEB)]);
    let policies: Vec<&str> =
        objects.iter().filter(|desired| desired.object.kind() == "NetworkPolicy").map(|desired| desired.object.name()).collect();
    assert_eq!(policies, ["allow-dns", "auth-from-web", "default-deny", "web-to-auth"]);
    let inward = find(&objects, "NetworkPolicy shop-acme/auth-from-web");
    let web = json!({"podSelector": {"matchLabels": {"spai.dev/stack": "shop", "spai.dev/service": "web"}}});
    assert_eq!(at(inward, "spec.ingress"), &json!([{"from": [web], "ports": [{"port": 8080, "protocol": "TCP"}]}]));
    assert_eq!(inward.declared.object.as_ref().unwrap().to_string(), "services/web.toml:1");
    assert_eq!(at(find(&objects, "NetworkPolicy shop-acme/default-deny"), "spec.policyTypes"), &json!(["Ingress", "Egress"]));
}

#[test]
fn a_service_of_the_environment_lets_in_the_namespaces_that_need_it() {
    let bus = format!("scope = 'environment'\nresources.limits = {{ cpu = '1', memory = '1Gi' }}\n{WEB}");
    let objects = objects(&[
        ("services/web.toml", &format!("needs = ['bus']\n{WEB}")),
        ("services/bus.toml", &bus),
        ("tenants/zeta.toml", "tier = 'basic'"),
    ]);
    let inward = at(find(&objects, "NetworkPolicy shop-shared/bus-from-web"), "spec.ingress");
    let expression = &inward[0]["from"][0]["namespaceSelector"]["matchExpressions"][0];
    assert_eq!(expression["values"], json!(["shop-acme", "shop-zeta"]));
    let out = at(find(&objects, "NetworkPolicy shop-zeta/web-to-bus"), "spec.egress");
    assert_eq!(out[0]["to"][0]["namespaceSelector"], json!({"matchLabels": {"kubernetes.io/metadata.name": "shop-shared"}}));
    let web = find(&objects, "Deployment shop-zeta/web");
    assert_eq!(after(web), [find(&objects, "Deployment shop-shared/bus").key()]);
}

#[test]
fn rights_are_a_role_of_just_these_a_token_and_a_way_to_the_api() {
    let objects =
        objects(&[("services/web.toml", &format!("{WEB}[[rights]]\nresources = ['configmaps']\nverbs = ['get']\nnames = ['a']"))]);
    let role = find(&objects, "Role shop-acme/web");
    assert_eq!(at(role, "rules"), &json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"], "resourceNames": ["a"]}]));
    assert_eq!(at(find(&objects, "Deployment shop-acme/web"), "spec.template.spec.automountServiceAccountToken"), &json!(true));
    find(&objects, "RoleBinding shop-acme/web");
    find(&objects, "NetworkPolicy shop-acme/web-to-kubernetes");
}

#[test]
fn routes_become_ingresses_or_http_routes() {
    let service = format!(
        "{WEB}service_port = 80\n[routes.a]\nhost = 'a.test'\nclass = 'nginx'\n[routes.b]\nhost = 'b.test'\nvia = 'gateway'\ngateway = 'gateway/main'"
    );
    let objects = objects(&[("services/web.toml", &service)]);
    let ingress = find(&objects, "Ingress shop-acme/web-a");
    assert_eq!(at(ingress, "spec.rules")[0]["http"]["paths"][0]["backend"]["service"], json!({"name": "web", "port": {"number": 80}}));
    let route = find(&objects, "HTTPRoute shop-acme/web-b");
    assert_eq!(at(route, "spec.parentRefs")[0]["namespace"], "gateway");
    assert_eq!(at(route, "spec.rules")[0]["backendRefs"][0]["port"], 80);
}

#[test]
fn two_tenants_with_one_host_are_told() {
    let service = format!("{WEB}[routes.a]\nhost = 'a.test'");
    let wrong = wrong(&[("services/web.toml", &service), ("tenants/zeta.toml", "tier = 'basic'")]);
    assert_eq!(
        (wrong.code.as_str(), wrong.message.as_str()),
        ("compile::route_twice", "Ingress shop-acme/web-a and Ingress shop-zeta/web-a both want `a.test/`")
    );
}

#[test]
fn patches_merge_into_generated_objects_and_say_where_they_stand() {
    let stack = format!(
        "{}\n[[patch]]\nkind = 'Deployment'\nspec.template.spec.containers = [{{ name = 'web', imagePullPolicy = 'Always' }}]",
        LEAST[0].1
    );
    let objects = objects(&[("stack.toml", &stack), ("services/web.toml", WEB)]);
    let web = find(&objects, "Deployment shop-acme/web");
    let container = at(web, "spec.template.spec.containers[web]");
    assert_eq!((&container["imagePullPolicy"], &container["image"]), (&json!("Always"), &json!("web:1")));
    let origin = web.declared.origin_of(&"spec.template.spec.containers[web].imagePullPolicy".parse().unwrap()).unwrap();
    assert_eq!(origin.file.as_ref(), "stack.toml");
}

#[test]
fn a_patch_can_not_touch_a_selector_and_one_that_meets_nothing_is_told() {
    let with = |patch: &str| format!("{}\n[[patch]]\n{patch}", LEAST[0].1);
    let selector = with("kind = 'Deployment'\nspec.selector.matchLabels = { a = 'b' }");
    assert_eq!(wrong(&[("stack.toml", &selector), ("services/web.toml", WEB)]).code, "compile::patch_identity");
    let nothing = with("kind = 'Gateway'\nspec.x = 1");
    assert_eq!(wrong(&[("stack.toml", &nothing), ("services/web.toml", WEB)]).code, "compile::patch_without_effect");
}

#[test]
fn what_the_stack_names_in_after_and_lifecycle_is_found() {
    let manifest = ("manifests/m.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m, namespace: shop-acme}\n");
    let service = format!(
        "after = ['ConfigMap/shop-acme/m']\nlifecycle.replace_triggered_by = ['ConfigMap/m']\nlifecycle.prevent_destroy = true\n{WEB}"
    );
    let objects = objects(&[manifest, ("services/web.toml", &service)]);
    let web = find(&objects, "Deployment shop-acme/web");
    let map = find(&objects, "ConfigMap shop-acme/m").key();
    assert_eq!((after(web), &web.lifecycle.replace_triggered_by, web.lifecycle.prevent_destroy), (vec![map.clone()], &vec![map], true));
    assert_eq!(wrong(&[("services/web.toml", &format!("after = ['ConfigMap/shop-acme/m']\n{WEB}"))]).code, "compile::unknown_after");
}

#[test]
fn every_object_carries_the_labels_that_list_it() {
    let stack = format!("labels = {{ team = 'a', 'app.kubernetes.io/part-of' = 'platform' }}\n{}", LEAST[0].1);
    for desired in objects(&[("stack.toml", &stack), ("services/web.toml", &format!("compliance = ['pci-dss']\n{WEB}"))]) {
        let label = |name: &str| desired.object.label(name).map(str::to_owned);
        let some = |text: &str| Some(text.to_owned());
        assert_eq!((label("spai.dev/stack"), label("spai.dev/environment")), (some("shop"), some("dev")), "{}", desired.key());
        assert_eq!((label("spai.dev/tenant"), label("spai.dev/tier")), (some("acme"), some("basic")), "{}", desired.key());
        assert_eq!((label("team"), label("app.kubernetes.io/part-of")), (some("a"), some("platform")), "{}", desired.key());
        if desired.scope.service.is_some() {
            assert_eq!(
                (label("app.kubernetes.io/name"), label("compliance.spai.dev/pci-dss")),
                (some("web"), some("true")),
                "{}",
                desired.key()
            );
        }
    }
}
