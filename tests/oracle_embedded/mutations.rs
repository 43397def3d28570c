//! Mutating admission policies: what they make of objects, and which of them are refused.

use serde_json::{Value, json};

use super::sequences::{APPLY, JSON, MERGE, step};
use super::{Sequence, Step};

const GROUP: &str = "/apis/admissionregistration.k8s.io/v1";

fn apply(expression: &str) -> Value {
    json!({"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}})
}

fn patch(expression: &str) -> Value {
    json!({"patchType": "JSONPatch", "jsonPatch": {"expression": expression}})
}

fn one(mutation: Value) -> Value {
    json!({"mutations": [mutation]})
}

fn rule(group: &str, resources: &str) -> Value {
    json!({"resourceRules": [{"apiGroups": [group], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": [resources]}]})
}

fn with(mut spec: Value, more: Value) -> Value {
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    spec
}

/// Policies by name; they are about objects that have the label `m` with it. What they say of config maps, unless they say otherwise.
fn policies() -> Vec<(&'static str, Value)> {
    let deployments = |mutation: Value| with(one(mutation), json!({"matchConstraints": rule("apps", "deployments")}));
    let param = json!({"paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}});
    vec![
        ("applies", one(apply("Object{data: {'b': 'c'}, metadata: Object.metadata{labels: {'l': 'x'}}}"))),
        ("replaces", one(apply("Object{data: {'a': object.data.a + '!'}}"))),
        ("unknown", one(apply("Object{spec: Object.spec{a: 1}}"))),
        ("misnamed", one(apply("Object{metadata: Object.wrong{labels: {'a': 'b'}}}"))),
        ("mistyped", one(apply("Object{data: {'a': 1}}"))),
        ("fails", one(apply("Object{data: {'a': object.data.nothing}}"))),
        ("ignores", with(one(apply("Object{data: {'a': object.data.nothing}}")), json!({"failurePolicy": "Ignore"}))),
        ("patches", one(patch("[JSONPatch{op: 'test', path: '/data/a', value: '1'}, JSONPatch{op: 'add', path: '/data/b', value: 'c'}]"))),
        ("tests", one(patch("[JSONPatch{op: 'add', path: '/data/b', value: 'c'}, JSONPatch{op: 'test', path: '/data/a', value: 'zz'}]"))),
        ("removes", one(patch("[JSONPatch{op: 'remove', path: '/data/zz'}]"))),
        ("moves", one(patch("[JSONPatch{op: 'move', from: '/data/a', path: '/data/z'}]"))),
        ("escapes", one(patch("[JSONPatch{op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey('a.b/c'), value: 'd'}]"))),
        ("structs", one(patch("[JSONPatch{op: 'add', path: '/data', value: Object.data{q: 'r'}}]"))),
        ("strange", one(patch("[JSONPatch{op: 'zap', path: '/data', value: 1}]"))),
        ("adds-unknown", one(patch("[JSONPatch{op: 'add', path: '/unknown', value: 1}]"))),
        ("adds-nothing", with(one(patch("object.data.a == '1' ? [JSONPatch{op: 'add', path: '/data/b', value: 'c'}] : []")), json!({}))),
        (
            "conditions",
            with(one(apply("Object{data: {'b': 'c'}}")), json!({"matchConditions": [{"name": "c", "expression": "object.data.a == '1'"}]})),
        ),
        (
            "conditions-fail",
            with(
                one(apply("Object{data: {'b': 'c'}}")),
                json!({"matchConditions": [{"name": "c", "expression": "object.data.none == '1'"}]}),
            ),
        ),
        (
            "variables",
            with(
                one(apply("Object{data: {'b': variables.v}}")),
                json!({"variables": [{"name": "v", "expression": "object.data.a + request.operation"}]}),
            ),
        ),
        (
            "variables-fail",
            with(one(apply("Object{data: {'b': variables.v}}")), json!({"variables": [{"name": "v", "expression": "object.data.none"}]})),
        ),
        (
            "in-turn",
            json!({"mutations": [apply("Object{data: {'b': object.data.a + 'b'}}"), patch("[JSONPatch{op: 'add', path: '/data/c', value: object.data.b + 'c'}]")]}),
        ),
        ("several-fail", json!({"mutations": [apply("Object{data: {'b': object.data.x}}"), apply("Object{data: {'b': object.data.y}}")]})),
        ("params", with(with(one(apply("Object{data: {'b': params.data.v}}")), param.clone()), json!({}))),
        ("params-missing", with(one(apply("Object{data: {'b': params.data.v}}")), param)),
        (
            "again-1",
            with(one(apply("Object{data: {'n': has(object.data.m) ? 'saw' : 'alone'}}")), json!({"reinvocationPolicy": "IfNeeded"})),
        ),
        (
            "containers",
            deployments(apply(
                "Object{spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{containers: [Object.spec.template.spec.containers{name: 'c', imagePullPolicy: 'Never'}, Object.spec.template.spec.containers{name: 'd', image: 'y'}]}}}}",
            )),
        ),
        ("atomic", deployments(apply("Object{spec: Object.spec{selector: Object.spec.selector{matchLabels: {'a': 'b'}}}}"))),
        ("replicas", deployments(apply("Object{spec: Object.spec{replicas: 3}}"))),
        ("replicas-invalid", deployments(apply("Object{spec: Object.spec{replicas: -3}}"))),
        (
            "patched-containers",
            deployments(patch("[JSONPatch{op: 'add', path: '/spec/template/spec/containers/-', value: {'name': 'd', 'image': 'y'}}]")),
        ),
        ("mistyped-patch", deployments(patch("[JSONPatch{op: 'replace', path: '/spec/replicas', value: 'x'}]"))),
        ("last", one(apply("Object{data: {'z': object.data.nothing}}"))),
    ]
}

fn bound(name: &str) -> Value {
    match name {
        "params" => json!({"paramRef": {"name": "param", "parameterNotFoundAction": "Deny"}}),
        "params-missing" => json!({"paramRef": {"name": "none", "parameterNotFoundAction": "Deny"}}),
        _ => json!({}),
    }
}

fn complete(run: &str, name: &str, spec: Value) -> Value {
    let constraints = if spec["matchConstraints"].is_null() { rule("", "configmaps") } else { spec["matchConstraints"].clone() };
    let mut spec = with(spec, json!({"matchConstraints": constraints}));
    if spec["reinvocationPolicy"].is_null() {
        spec["reinvocationPolicy"] = "Never".into();
    }
    spec["matchConstraints"]["objectSelector"] = json!({"matchLabels": {"m": name}});
    json!({"metadata": {"name": format!("{run}-{name}")}, "spec": spec})
}

pub fn prepare(run: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for (name, spec) in policies() {
        steps.push(step("POST", format!("{GROUP}/mutatingadmissionpolicies"), JSON, complete(run, name, spec)));
        let mut binding = bound(name);
        binding["policyName"] = format!("{run}-{name}").into();
        let body = json!({"metadata": {"name": format!("{run}-{name}")}, "spec": binding});
        steps.push(step("POST", format!("{GROUP}/mutatingadmissionpolicybindings"), JSON, body));
    }
    // After the one that is asked again.
    let mut seen = complete(run, "again-1", one(apply("Object{data: {'m': 'first'}}")));
    seen["metadata"]["name"] = format!("{run}-again-2").into();
    steps.push(step("POST", format!("{GROUP}/mutatingadmissionpolicies"), JSON, seen));
    let body = json!({"metadata": {"name": format!("{run}-again-2")}, "spec": {"policyName": format!("{run}-again-2")}});
    steps.push(step("POST", format!("{GROUP}/mutatingadmissionpolicybindings"), JSON, body));
    steps
}

/// Refused as soon as the policies are in force.
pub fn probes() -> Vec<Step> {
    let body = json!({"metadata": {"name": "probe", "labels": {"m": "last"}}, "data": {"a": "1"}});
    vec![step("POST", "/api/v1/namespaces/default/configmaps?dryRun=All", JSON, body)]
}

pub fn clean(run: &str) -> Vec<Step> {
    prepare(run)
        .into_iter()
        .map(|made| step("DELETE", format!("{}/{}", made.path, made.body["metadata"]["name"].as_str().unwrap()), "", Value::Null))
        .collect()
}

/// What a policy is refused for, or not.
fn said() -> Vec<Value> {
    let mut found: Vec<Value> = [
        "Object{}",
        "Object{data: {'a': 'b'}}",
        "Object{spec: Object.wrong{a: 1}}",
        "1",
        "object",
        "Object{data: nothing}",
        "Other{a: 1}",
        "[Object{}]",
        "",
        " ",
        "Object{a: params.b}",
        "Object{a: variables.b}",
        "Object{a: 1 + 'a'}",
        "JSONPatch{op: 'add'}",
    ]
    .into_iter()
    .map(|expression| one(apply(expression)))
    .collect();
    found.extend(
        [
            "[JSONPatch{op: 'add', path: '/data/x', value: 'y'}]",
            "[JSONPatch{op: 1}]",
            "[JSONPatch{foo: 1}]",
            "JSONPatch{op: 'add'}",
            "[Object{a: 1}]",
            "[]",
            "['a']",
            "[JSONPatch{op: 'add', path: '/a/' + jsonpatch.escapeKey('a/b~c'), value: Object{a: 1}}]",
            "jsonpatch.escapeKey(1)",
            "",
        ]
        .into_iter()
        .map(|expression| one(patch(expression))),
    );
    let good = || one(apply("Object{}"));
    found.extend([
        json!({"mutations": []}),
        json!({}),
        one(json!({})),
        one(json!({"patchType": "X"})),
        one(json!({"patchType": "JSONPatch"})),
        one(json!({"patchType": "ApplyConfiguration"})),
        one(json!({"patchType": "JSONPatch", "applyConfiguration": {"expression": "Object{}"}})),
        one(json!({"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": "Object{}"}, "jsonPatch": {"expression": "x"}})),
        with(good(), json!({"reinvocationPolicy": "Sometimes"})),
        with(good(), json!({"failurePolicy": "Sometimes"})),
        with(good(), json!({"matchConditions": [{"name": "x", "expression": "1"}]})),
        with(good(), json!({"matchConditions": [{"name": "x", "expression": "jsonpatch.escapeKey('a') == 'a'"}]})),
        with(good(), json!({"variables": [{"name": "a", "expression": "nothing"}]})),
        with(good(), json!({"variables": [{"name": "a", "expression": "Object{}"}]})),
        with(good(), json!({"matchConstraints": {"resourceRules": []}})),
        with(good(), json!({"matchConstraints": {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["DELETE"], "resources": ["configmaps"]}]}})),
    ]);
    found
}

pub fn all() -> Vec<Sequence> {
    let mut found = Vec::new();
    for spec in said() {
        let name = format!("mutation said {spec}");
        let path = format!("{GROUP}/mutatingadmissionpolicies?dryRun=All");
        found.push(Sequence { name, steps: vec![step("POST", path, JSON, complete("x", "y", spec))] });
    }
    let path = format!("{GROUP}/mutatingadmissionpolicies?dryRun=All");
    found.push(Sequence {
        name: "mutation said nothing".to_owned(),
        steps: vec![step("POST", path, JSON, json!({"metadata": {"name": "x"}, "spec": {}}))],
    });
    for (name, spec) in policies() {
        let labels = json!({"m": name});
        let steps = if spec["matchConstraints"].is_null() {
            let all = "/api/v1/namespaces/{ns}/configmaps";
            let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "labels": labels}, "data": {"a": "1"}});
            vec![
                step("POST", all, JSON, json!({"metadata": {"name": "param"}, "data": {"v": "w"}})),
                step("POST", all, JSON, config.clone()),
                step("PATCH", format!("{all}/x?fieldManager=m"), MERGE, json!({"data": {"a": "2"}})),
                step("PATCH", format!("{all}/x?fieldManager=f&force=true"), APPLY, config),
                step("DELETE", format!("{all}/x"), "", Value::Null),
            ]
        } else {
            let all = "/apis/apps/v1/namespaces/{ns}/deployments";
            let body = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x", "labels": labels}, "spec": {"selector": {"matchLabels": {"a": "b"}},
                "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "x"}]}}}});
            vec![
                step("POST", all, JSON, body.clone()),
                step("PATCH", format!("{all}/x?fieldManager=m"), MERGE, json!({"spec": {"replicas": 2}})),
                step("PATCH", format!("{all}/x?fieldManager=f&force=true"), APPLY, body),
            ]
        };
        found.push(Sequence { name: format!("mutation {name}"), steps });
    }
    found
}
