//! Replicas, resources, quotas.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::resource::Quantity;

/// The stack's tier, with lines of its own.
fn tier(lines: &str) -> String {
    format!("name = 'shop'\n[tiers.basic]\ncpu = '1000m'\nmemory = '1Gi'\n{lines}")
}

fn scaled(service: &str) -> String {
    format!("{service}\n{WEB}\n[scaling]\ncpu = 70\nmemory = 80")
}

/// (replicas, autoscaler's maximum; the same where there is none)
fn replicas(tier_lines: &str, service: &str) -> (u64, u64) {
    let objects = objects(&[("stack.toml", &tier(tier_lines)), ("services/web.toml", &scaled(service))]);
    let web = find(&objects, "Deployment shop-acme/web");
    match objects.iter().find(|desired| desired.object.kind() == "HorizontalPodAutoscaler") {
        Some(autoscaler) => {
            assert_eq!(at(web, "spec.replicas"), &Value::Null, "it is the autoscaler's");
            assert_eq!(
                (web.hand_overs[0].initial.clone(), &web.hand_overs[0].to),
                (at(autoscaler, "spec.minReplicas").clone(), &autoscaler.key())
            );
            (at(autoscaler, "spec.minReplicas").as_u64().unwrap(), at(autoscaler, "spec.maxReplicas").as_u64().unwrap())
        }
        None => (at(web, "spec.replicas").as_u64().unwrap(), at(web, "spec.replicas").as_u64().unwrap()),
    }
}

#[test]
fn the_service_bounds_the_tiers_replicas() {
    assert_eq!(replicas("replicas = 3", "replicas = { min = 5 }"), (5, 10));
    assert_eq!(replicas("replicas = 10", "replicas = { min = 3, max = 6 }"), (6, 6));
    assert_eq!(replicas("replicas = 4", "replicas = { min = 3, max = 6 }"), (4, 6));
    assert_eq!(replicas("replicas = 2\n[tiers.basic.defaults.scaling]\nheadroom = 1.4", "").1, 3);
}

#[test]
fn a_patch_of_what_is_handed_over_says_what_it_begins_with() {
    let service = scaled("replicas = { min = 2 }") + "\n[[patch]]\nkind = 'Deployment'\nspec.replicas = 0";
    let objects = objects(&[("stack.toml", &tier("replicas = 1")), ("services/web.toml", &service)]);
    let web = find(&objects, "Deployment shop-acme/web");
    assert_eq!((at(web, "spec.replicas"), &web.hand_overs[0].initial), (&Value::Null, &json!(0)));
    let line = web.declared.origin_of(&"spec.replicas".parse().unwrap()).unwrap().to_string();
    let patch = service.lines().position(|line| line == "[[patch]]").unwrap() + 1;
    assert_eq!(line, format!("services/web.toml:{patch}"));
}

#[test]
fn best_effort_knows_no_minimum() {
    assert_eq!(replicas("replicas = 1\nbest_effort = true", "replicas = { min = 6 }"), (1, 2));
    assert_eq!(replicas("replicas = 9\nbest_effort = true", "replicas = { min = 3, max = 6 }"), (6, 6));
}

#[test]
fn requests_are_the_limits_share_and_both_are_written_as_they_are_stored() {
    let objects =
        objects(&[("stack.toml", &tier("replicas = 1")), ("services/web.toml", &format!("resources.request_share = 0.3\n{WEB}"))]);
    let web = find(&objects, "Deployment shop-acme/web");
    let resources = at(web, "spec.template.spec.containers[web].resources");
    assert_eq!(resources, &json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "300m", "memory": "308Mi"}}));
    let line = |path: &str| web.declared.origin_of(&path.parse().unwrap()).unwrap().to_string();
    assert_eq!(line("spec.template.spec.containers[web].resources.limits.cpu"), "stack.toml:3");
    assert_eq!(line("spec.template.spec.containers[web].resources.requests.cpu"), "services/web.toml:1");
}

#[test]
fn a_service_without_a_tier_says_how_much_it_may_use() {
    let (_, diagnostics) = compile(&resolve(&[("services/web.toml", &format!("scope = 'environment'\n{WEB}"))]));
    let codes: Vec<&str> = diagnostics.0.iter().map(|diagnostic| diagnostic.code.as_str()).collect();
    assert_eq!(codes, ["compile::no_size", "compile::no_size"]);
    objects(&[("services/web.toml", &format!("scope = 'environment'\nresources.limits = {{ cpu = '1', memory = '1Gi' }}\n{WEB}"))]);
}

#[test]
fn quotas_hold_the_ceilings_and_what_a_roll_out_adds() {
    let objects = objects(&[("services/web.toml", &scaled("replicas = { min = 3, max = 6 }"))]);
    let quota = find(&objects, "ResourceQuota shop-acme/quota");
    // 6, and a quarter of it twice: pods that come, pods that still end.
    assert_eq!(at(quota, "spec.hard.pods"), "10");
    assert_eq!(at(quota, "spec.hard[\"limits.cpu\"]"), "5");
    assert_eq!(at(quota, "spec.hard[\"limits.memory\"]"), "5Gi");
    assert_eq!(at(quota, "spec.hard[\"requests.cpu\"]"), "2500m");
    let limits = find(&objects, "LimitRange shop-acme/limits");
    assert_eq!(at(limits, "spec.limits")[0]["max"], json!({"cpu": "500m", "memory": "512Mi"}));
}

#[test]
fn a_tenant_beyond_its_limits_is_told_where_the_limit_stands_and_who_needs_most() {
    let tenant = "tier = 'basic'\n[limits]\ncpu = '2'\nmemory = '100Gi'\npods = 100";
    let wrong = wrong(&[("tenants/acme.toml", tenant), ("services/web.toml", &scaled("replicas = { min = 3, max = 6 }"))]);
    assert_eq!((wrong.code.as_str(), places(&wrong)), ("compile::beyond_limits", vec!["tenants/acme.toml:3".to_owned()]));
    assert_eq!(wrong.message, "tenant `acme` may use 2 of CPU, its services need 5 at most");
    assert!(wrong.help.unwrap().contains("Deployment shop-acme/web 5"));
}

#[test]
fn a_daemon_set_in_a_namespace_with_a_quota_says_on_how_many_nodes() {
    let agent = "kind = 'DaemonSet'\nimage = { repository = 'agent', tag = '1' }";
    assert_eq!(wrong(&[("services/agent.toml", agent)]).code, "compile::unbounded");
    let objects = objects(&[("services/agent.toml", &format!("replicas.max = 20\n{agent}"))]);
    // 20, and a quarter of it twice.
    assert_eq!(at(find(&objects, "ResourceQuota shop-acme/quota"), "spec.hard.pods"), "30");
}

#[test]
fn a_budget_that_lets_nobody_go_is_an_error() {
    let one = tier("replicas = 1");
    let wrong = wrong(&[("stack.toml", &one), ("services/web.toml", &format!("disruption.min_available = 1\n{WEB}"))]);
    assert_eq!((wrong.code.as_str(), places(&wrong)), ("compile::budget_blocks_drains", vec!["services/web.toml:1".to_owned()]));
    let objects = objects(&[("stack.toml", &one), ("services/web.toml", WEB)]);
    assert_eq!(at(find(&objects, "PodDisruptionBudget shop-acme/web"), "spec.maxUnavailable"), &json!(1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever the figures: the namespace's quota holds all its autoscalers' ceilings, and compiling again gives the same.
    #[test]
    fn a_namespace_holds_its_services_at_their_ceilings(tiers in 1u32..12, bounds in proptest::collection::vec((0u32..8, 0u32..8, 0u32..3), 1..5)) {
        let mut texts = vec![("stack.toml".to_owned(), tier(&format!("replicas = {tiers}")))];
        for (index, (min, more, surge)) in bounds.iter().enumerate() {
            let max = (min + more).max(1);
            let min = (*min).max(1);
            texts.push((format!("services/s{index}.toml"), scaled(&format!("replicas = {{ min = {min}, max = {max} }}\nrollout.max_surge = {}", surge + 1))));
        }
        let texts: Vec<(&str, &str)> = texts.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let all = objects(&texts);
        let ceilings: u64 = all.iter().filter(|desired| desired.object.kind() == "Deployment").map(|desired| {
            let autoscaler = all.iter().find(|other| other.object.kind() == "HorizontalPodAutoscaler" && other.object.name() == desired.object.name());
            let count = autoscaler.map_or_else(|| at(desired, "spec.replicas"), |autoscaler| at(autoscaler, "spec.maxReplicas")).as_u64().unwrap();
            count + at(desired, "spec.strategy.rollingUpdate.maxSurge").as_u64().unwrap()
        }).sum();
        let quota = find(&all, "ResourceQuota shop-acme/quota");
        prop_assert!(Quantity::from_json(at(quota, "spec.hard.pods")).unwrap() >= Quantity::count(ceilings));
        prop_assert!(Quantity::from_json(at(quota, "spec.hard[\"limits.cpu\"]")).unwrap() >= Quantity::count(ceilings));
        let again = objects(&texts);
        prop_assert_eq!(names(&all), names(&again));
        prop_assert!(all.iter().zip(&again).all(|(a, b)| a.digest() == b.digest() && a.declared == b.declared && a.edges == b.edges));
    }
}
