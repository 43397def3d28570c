//! Quotas by hand-made objects.

use serde_json::{Value, json};

use super::*;
use crate::admission::pod_of;

fn object(api_version: &str, kind: &str, content: Value) -> Object {
    let mut value = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x", "namespace": "ns"}});
    value.as_object_mut().unwrap().extend(content.as_object().unwrap().clone());
    Object::try_from(value).unwrap()
}

fn quota(hard: Value, used: Value) -> Quota {
    let spec = json!({"hard": hard});
    Quota::of(&object("v1", "ResourceQuota", json!({"spec": spec, "status": {"hard": hard, "used": used}})))
}

fn pod(spec: Value) -> Object {
    pod_of(&object("v1", "Pod", json!({"spec": spec}))).unwrap()
}

fn counted<'o>(object: &'o Object, plural: &'o str) -> Counted<'o> {
    Counted { object, plural }
}

#[test]
fn what_is_more_than_is_left_is_refused_in_the_servers_words() {
    let quota = quota(json!({"requests.cpu": "1", "pods": "10"}), json!({"requests.cpu": "800m", "pods": "2"}));
    let pod = pod(json!({"containers": [{"name": "a", "resources": {"limits": {"cpu": "300m"}}}]}));
    assert_eq!(
        quota.charge(counted(&pod, "pods"), None).unwrap_err(),
        "exceeded quota: x, requested: requests.cpu=300m, used: requests.cpu=800m, limited: requests.cpu=1"
    );
}

#[test]
fn what_a_quota_names_must_be_stated() {
    let quota = quota(json!({"limits.cpu": "1", "limits.memory": "1"}), json!({})).settled();
    let pod = pod(json!({"containers": [{"name": "b"}, {"name": "a", "resources": {"limits": {"memory": "1"}}}]}));
    assert_eq!(
        quota.charge(counted(&pod, "pods"), None).unwrap_err(),
        "failed quota: x: must specify limits.cpu for: a,b; limits.memory for: b"
    );
}

#[test]
fn an_ended_pod_counts_as_an_object_alone() {
    let mut pod = pod(json!({"containers": [{"name": "a", "resources": {"requests": {"cpu": "1"}}}]}));
    assert_eq!(usage(&pod, "pods", None).to_string(), "count/pods=1,cpu=1,pods=1,requests.cpu=1");
    pod.value_mut()["status"] = json!({"phase": "Succeeded"});
    assert_eq!(usage(&pod, "pods", None).to_string(), "count/pods=1");
    pod.value_mut()["status"] = json!({});
    pod.value_mut()["metadata"]["deletionTimestamp"] = json!("2026-11-20T14:00:00Z");
    pod.value_mut()["metadata"]["deletionGracePeriodSeconds"] = json!(30);
    for (now, counts) in [("2026-11-20T14:00:30Z", true), ("2026-11-20T14:00:31Z", false)] {
        assert_eq!(usage(&pod, "pods", Some(now.parse().unwrap())).has("pods"), counts, "{now}");
    }
}

#[test]
fn a_resize_under_way_counts_at_its_most() {
    let mut pod = pod(json!({"containers": [{"name": "a", "resources": {"requests": {"cpu": "1"}}}]}));
    pod.value_mut()["status"] =
        json!({"containerStatuses": [{"name": "a", "allocatedResources": {"cpu": "2"}, "resources": {"requests": {"cpu": "3"}}}]});
    assert_eq!(usage(&pod, "pods", None).get("cpu").unwrap().to_string(), "3");
    pod.value_mut()["status"]["containerStatuses"][0]["resources"]["requests"]["cpu"] = json!("500m");
    assert_eq!(usage(&pod, "pods", None).get("cpu").unwrap().to_string(), "2");
    pod.value_mut()["spec"]["containers"][0]["resources"]["requests"]["cpu"] = json!("9");
    pod.value_mut()["status"]["conditions"] = json!([{"type": "PodResizePending", "reason": "Infeasible"}]);
    assert_eq!(usage(&pod, "pods", None).get("cpu").unwrap().to_string(), "2");
}

#[test]
fn a_service_that_becomes_a_balancer_is_charged_with_what_is_new() {
    let quota = quota(json!({"services": "5", "services.loadbalancers": "0"}), json!({"services": "1", "services.loadbalancers": "0"}));
    let before = object("v1", "Service", json!({"spec": {"type": "ClusterIP", "ports": [{"port": 80}]}}));
    let after = object("v1", "Service", json!({"spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}}));
    assert_eq!(
        quota.charge(counted(&after, "services"), Some(counted(&before, "services"))).unwrap_err(),
        "exceeded quota: x, requested: services.loadbalancers=1, used: services.loadbalancers=0, limited: services.loadbalancers=0"
    );
    assert!(quota.charge(counted(&before, "services"), Some(counted(&after, "services"))).unwrap().is_empty());
}

#[test]
fn a_quota_that_was_not_counted_yet_refuses_everything_of_its_kind() {
    let quota = quota(json!({"pods": "1", "services": "1"}), json!({"services": "0"}));
    let pod = pod(json!({"containers": [{"name": "a"}]}));
    assert_eq!(quota.charge(counted(&pod, "pods"), None).unwrap_err(), "status unknown for quota: x, resources: pods");
    assert!(quota.settled().charge(counted(&pod, "pods"), None).is_ok());
}

#[test]
fn a_quota_with_scopes_is_about_those_pods_alone() {
    let scoped = |scopes: Value, selector: Value| {
        Quota::of(&object(
            "v1",
            "ResourceQuota",
            json!({"spec": {"hard": {"pods": "1", "services": "1"}, "scopes": scopes, "scopeSelector": {"matchExpressions": selector}}}),
        ))
    };
    let best_effort = scoped(json!(["BestEffort"]), json!([]));
    let plain = pod(json!({"containers": [{"name": "a"}]}));
    let sized = pod(json!({"containers": [{"name": "a", "resources": {"requests": {"cpu": "1"}}}]}));
    assert!(best_effort.applies_to(counted(&plain, "pods")) && !best_effort.applies_to(counted(&sized, "pods")));
    let service = object("v1", "Service", json!({}));
    assert!(!best_effort.applies_to(counted(&service, "services")));
    let high = pod(json!({"priorityClassName": "high", "containers": []}));
    for (operator, values, of_high, of_none) in [
        ("In", json!(["high"]), true, false),
        ("NotIn", json!(["high"]), false, true),
        ("Exists", json!([]), true, false),
        ("DoesNotExist", json!([]), false, true),
    ] {
        let quota = scoped(json!([]), json!([{"scopeName": "PriorityClass", "operator": operator, "values": values}]));
        assert_eq!((quota.applies_to(counted(&high, "pods")), quota.applies_to(counted(&plain, "pods"))), (of_high, of_none), "{operator}");
    }
}
