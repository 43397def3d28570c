//! Admission policies and webhooks: what they say to writes, and which of them are refused.

use serde_json::{Value, json};

use super::sequences::{APPLY, JSON, MERGE, step};
use super::{Sequence, Step};

const GROUP: &str = "/apis/admissionregistration.k8s.io/v1";

/// A policy, its bindings, and what is asked under it. Objects that it is about have the label `p` with its name.
struct Policy {
    name: &'static str,
    spec: Value,
    bindings: Vec<Value>,
    steps: Vec<Step>,
}

fn config(policy: &str, data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "labels": {"p": policy}}, "data": data})
}

fn all_policies() -> Vec<Policy> {
    let configs = "/api/v1/namespaces/{ns}/configmaps";
    let one = "/api/v1/namespaces/{ns}/configmaps/x";
    let create = |policy: &str, data: Value| step("POST", configs, JSON, config(policy, data));
    let change = |data: Value| step("PATCH", one, MERGE, json!({"data": data}));
    let delete = || step("DELETE", one, "", Value::Null);
    let simple = |validation: Value| json!({"validations": [validation]});
    let deny = || vec![json!({"validationActions": ["Deny"]})];
    let policy = |name: &'static str, spec: Value, bindings: Vec<Value>, steps: Vec<Step>| Policy { name, spec, bindings, steps };
    let both = |name: &'static str, spec: Value| {
        policy(
            name,
            spec,
            deny(),
            vec![create(name, json!({"a": "2"})), create(name, json!({"a": "1"})), change(json!({"a": "2"})), change(json!({"b": "1"}))],
        )
    };
    // Asked by a master, by somebody who may make such objects here, and by somebody who may anywhere.
    let by_rights = |name: &'static str, expression: &str| {
        let spec = simple(json!({"expression": expression, "message": "may not"}));
        let as_joe = Step { as_whom: &["joe"], ..create(name, json!({"a": "3"})) };
        let rights = "/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}";
        let role = json!({"metadata": {"name": "r"}, "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create"]}]});
        let subjects = json!([{"kind": "User", "name": "joe"}, {"kind": "ServiceAccount", "name": "default", "namespace": "{ns}"}]);
        let binding = json!({"metadata": {"name": "b"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"}, "subjects": subjects});
        let steps = vec![
            create(name, json!({"a": "2"})),
            delete(),
            as_joe.clone(),
            step("POST", format!("{rights}/roles"), JSON, role),
            step("POST", format!("{rights}/rolebindings"), JSON, binding),
            as_joe,
            change(json!({"a": "1"})),
        ];
        policy(name, spec, deny(), steps)
    };
    vec![
        both("plain", simple(json!({"expression": "object.data.a == '1'"}))),
        both("message", simple(json!({"expression": "object.data.a == '1'", "message": " only one "}))),
        both("forbidden", simple(json!({"expression": "object.data.a == '1'", "reason": "Forbidden"}))),
        both("large", simple(json!({"expression": "object.data.a == '1'", "reason": "RequestEntityTooLarge"}))),
        both(
            "computed",
            simple(
                json!({"expression": "object.data.a == '1'", "messageExpression": "'a is ' + object.data.a + ' in ' + request.namespace.substring(0, 1)"}),
            ),
        ),
        both(
            "computed-badly",
            simple(
                json!({"expression": "object.data.a == '1'", "messageExpression": "string(object.data.none)", "message": "the message"}),
            ),
        ),
        both("fails", simple(json!({"expression": "object.data.none == '1'"}))),
        both(
            "several",
            json!({"validations": [{"expression": "true"}, {"expression": "object.data.a == '1'", "message": "first"}, {"expression": "object.data.a == '1'", "message": "second"}]}),
        ),
        both("ignores", json!({"failurePolicy": "Ignore", "validations": [{"expression": "object.data.none == '1'"}]})),
        both(
            "conditions",
            json!({"matchConditions": [{"name": "not-two", "expression": "object.data.a != '2'"}], "validations": [{"expression": "false"}]}),
        ),
        both(
            "conditions-fail",
            json!({"matchConditions": [{"name": "none", "expression": "object.data.none == '2'"}], "validations": [{"expression": "false"}]}),
        ),
        both(
            "variables",
            json!({"variables": [{"name": "a", "expression": "object.data.a"}, {"name": "good", "expression": "variables.a == '1'"}],
            "validations": [{"expression": "variables.good", "messageExpression": "'not ' + variables.a"}]}),
        ),
        both(
            "variables-fail",
            json!({"variables": [{"name": "a", "expression": "object.data.none"}], "validations": [{"expression": "variables.a == '1'"}]}),
        ),
        both(
            "variables-unused",
            json!({"variables": [{"name": "a", "expression": "object.data.none"}], "validations": [{"expression": "true"}]}),
        ),
        both(
            "request",
            simple(
                json!({"expression": "request.operation == 'UPDATE' && request.kind.kind == 'ConfigMap' && request.resource.resource == 'configmaps' && request.name == 'x' && !request.dryRun"}),
            ),
        ),
        both(
            "requested-by",
            simple(json!({"expression": "'system:masters' in request.userInfo.groups && request.userInfo.username == 'x'"})),
        ),
        both(
            "namespace",
            simple(
                json!({"expression": "namespaceObject.metadata.name == request.namespace && namespaceObject.status.phase == 'Active' && object.data.a == '1'"}),
            ),
        ),
        both(
            "annotations",
            json!({"validations": [{"expression": "true"}], "auditAnnotations": [{"key": "k", "valueExpression": "'a' + object.data.a"}]}),
        ),
        both(
            "annotations-fail",
            json!({"validations": [{"expression": "true"}], "auditAnnotations": [{"key": "k", "valueExpression": "string(object.data.none)"}]}),
        ),
        policy(
            "warns",
            simple(json!({"expression": "object.data.a == '1'", "message": "better one"})),
            vec![json!({"validationActions": ["Warn", "Audit"]})],
            vec![create("warns", json!({"a": "2"})), change(json!({"a": "3"}))],
        ),
        policy(
            "audits",
            simple(json!({"expression": "object.data.a == '1'"})),
            vec![json!({"validationActions": ["Audit"]})],
            vec![create("audits", json!({"a": "2"}))],
        ),
        policy("unbound", simple(json!({"expression": "false"})), vec![], vec![create("unbound", json!({"a": "2"}))]),
        policy(
            "changes",
            simple(json!({"expression": "oldObject == null || object.data.a == oldObject.data.a", "message": "a stays"})),
            deny(),
            vec![
                create("changes", json!({"a": "1"})),
                change(json!({"a": "2"})),
                change(json!({"b": "2"})),
                step("PATCH", format!("{one}?fieldManager=m&force=true"), APPLY, config("changes", json!({"a": "5"}))),
                step("PUT", one, JSON, config("changes", json!({"a": "6"}))),
                delete(),
            ],
        ),
        policy(
            "deletes",
            json!({"matchConstraints": {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["DELETE"], "resources": ["configmaps"]}]},
            "validations": [{"expression": "object == null && oldObject.data.a == '1'", "message": "stays"}]}),
            deny(),
            vec![
                create("deletes", json!({"a": "2"})),
                delete(),
                step("DELETE", format!("{configs}?labelSelector=p%3Ddeletes"), "", Value::Null),
                change(json!({"a": "1"})),
                delete(),
            ],
        ),
        policy(
            "elsewhere",
            simple(json!({"expression": "false"})),
            vec![json!({"validationActions": ["Deny"], "matchResources": {"namespaceSelector": {"matchLabels": {"is": "nowhere"}}}})],
            vec![create("elsewhere", json!({"a": "2"}))],
        ),
        policy(
            "here",
            simple(json!({"expression": "false"})),
            vec![
                json!({"validationActions": ["Deny"], "matchResources": {"namespaceSelector": {"matchExpressions": [{"key": "is", "operator": "DoesNotExist"}]}}}),
            ],
            vec![create("here", json!({"a": "2"}))],
        ),
        policy(
            "excluded",
            json!({"matchConstraints": {"resourceRules": [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}],
            "excludeResourceRules": [{"apiGroups": [""], "apiVersions": ["*"], "operations": ["CREATE"], "resources": ["configmaps"]}]}, "validations": [{"expression": "false"}]}),
            deny(),
            vec![create("excluded", json!({"a": "2"})), change(json!({"a": "3"}))],
        ),
        policy(
            "params",
            json!({"paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}, "validations": [{"expression": "object.data.a == params.data.a", "messageExpression": "'want ' + params.data.a"}]}),
            vec![json!({"validationActions": ["Deny"], "paramRef": {"name": "params", "parameterNotFoundAction": "Deny"}})],
            vec![
                create("params", json!({"a": "1"})),
                step("POST", configs, JSON, json!({"metadata": {"name": "params"}, "data": {"a": "1"}})),
                create("params", json!({"a": "2"})),
                create("params", json!({"a": "1"})),
            ],
        ),
        policy(
            "params-missing",
            json!({"paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}, "validations": [{"expression": "false"}]}),
            vec![json!({"validationActions": ["Deny"], "paramRef": {"name": "params", "parameterNotFoundAction": "Allow"}})],
            vec![create("params-missing", json!({"a": "1"}))],
        ),
        policy(
            "params-selected",
            json!({"paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}, "validations": [{"expression": "object.data.a == params.data.a"}]}),
            vec![
                json!({"validationActions": ["Deny"], "paramRef": {"selector": {"matchLabels": {"is": "param"}}, "parameterNotFoundAction": "Deny"}}),
            ],
            vec![
                step("POST", configs, JSON, json!({"metadata": {"name": "params", "labels": {"is": "param"}}, "data": {"a": "1"}})),
                create("params-selected", json!({"a": "2"})),
                create("params-selected", json!({"a": "1"})),
            ],
        ),
        policy(
            "two-bindings",
            simple(json!({"expression": "object.data.a == '1'"})),
            vec![json!({"validationActions": ["Warn"]}), json!({"validationActions": ["Deny"]})],
            vec![create("two-bindings", json!({"a": "2"}))],
        ),
        policy(
            "scales",
            json!({"matchConstraints": {"resourceRules": [{"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["deployments/scale"]}], "objectSelector": {}},
            "matchConditions": [{"name": "meant", "expression": "object.metadata.name == 'scales'"}],
            "validations": [{"expression": "object.spec.replicas < 5 && oldObject.kind == 'Scale' && request.subResource == 'scale'", "message": "too many"}]}),
            deny(),
            scales(),
        ),
        policy(
            "statuses",
            json!({"matchConstraints": {"resourceRules": [{"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["deployments/status"]}]},
            "validations": [{"expression": "false", "message": "no status"}]}),
            deny(),
            statuses(),
        ),
        by_rights(
            "rights-of-resources",
            "authorizer.group('').resource('configmaps').namespace(request.namespace).check('create').allowed()",
        ),
        by_rights(
            "rights-of-others",
            "authorizer.serviceAccount(request.namespace, 'default').group('').resource('configmaps').namespace(request.namespace).check('create').allowed()",
        ),
        by_rights(
            "rights-by-name",
            "authorizer.serviceAccount('default', 'none').group('').resource('configmaps').name('x').subresource('status').check('get').reason() == ''",
        ),
        by_rights(
            "rights-to-paths",
            "authorizer.path('/healthz').check('get').allowed() && !authorizer.serviceAccount('a', 'b').path('/healthz').check('get').allowed()",
        ),
        by_rights("rights-to-nothing", "authorizer.path(' ').check('get').allowed()"),
        by_rights("rights-to-no-resource", "authorizer.group('').resource('').check('get').allowed()"),
        by_rights("rights-of-nobody", "authorizer.serviceAccount('A b', 'x').group('').resource('pods').check('get').allowed()"),
        by_rights("rights-of-no-account", "authorizer.serviceAccount('a', 'X y').group('').resource('pods').check('get').allowed()"),
        by_rights(
            "rights-requested",
            "authorizer.requestResource.check('create').allowed() && authorizer.requestResource.subresource('x').check('y').errored()",
        ),
        by_rights(
            "rights-selected",
            "authorizer.group('').resource('pods').fieldSelector('spec.nodeName=a').labelSelector('a=b, c').check('list').allowed() && authorizer.group('').resource('pods').labelSelector('(').check('list').error() == ''",
        ),
        by_rights("rights-twice", "authorizer.path('/a').check('get').allowed() && authorizer.path('/b').check('get').allowed()"),
        by_rights(
            "rights-thrice",
            "authorizer.path('/a').check('get').allowed() && authorizer.path('/b').check('get').allowed() && authorizer.path('/c').check('get').allowed()",
        ),
        by_rights("rights-reasons", "authorizer.path('/a').check('get').reason() == 'x' || authorizer == authorizer"),
        both(
            "rights-by-name-of-their-own",
            json!({"variables": [{"name": "may", "expression": "authorizer.requestResource.check('delete').allowed()"}, {"name": "text", "expression": "variables.may ? 'may' : 'may not'"}],
            "validations": [{"expression": "variables.may && object.data.a == '1'", "messageExpression": "'whoever ' + variables.text", "message": "the message"}]}),
        ),
        both(
            "rights-in-annotations",
            json!({"validations": [{"expression": "true"}], "auditAnnotations": [{"key": "k", "valueExpression": "authorizer.requestResource.check('delete').allowed() ? 'a' : 'b'"}]}),
        ),
        both(
            "rights-as-conditions",
            json!({"matchConditions": [{"name": "others", "expression": "!authorizer.requestResource.check('x').allowed()"}], "validations": [{"expression": "false"}]}),
        ),
        both(
            "rights-as-many-conditions",
            json!({"matchConditions": (0..8).map(|number| json!({"name": format!("c{number}"), "expression": "authorizer.requestResource.check('x').allowed()"})).collect::<Vec<_>>(), "validations": [{"expression": "true"}]}),
        ),
        both(
            "several-conditions-fail",
            json!({"matchConditions": [{"name": "a", "expression": "object.data.none == '2'"}, {"name": "b", "expression": "object.data.other == '2'"}], "validations": [{"expression": "false"}]}),
        ),
        both(
            "one-condition-fails-and-one-is-not-met",
            json!({"matchConditions": [{"name": "a", "expression": "object.data.none == '2'"}, {"name": "b", "expression": "false"}], "validations": [{"expression": "false"}]}),
        ),
        both(
            "cost-of-all",
            json!({"validations": (0..30).map(|number| json!({"expression": "authorizer.requestResource.check('x').allowed()", "message": format!("{number}")})).collect::<Vec<_>>()}),
        ),
        both(
            "cost-of-fewer",
            json!({"validations": (0..28).map(|number| json!({"expression": "authorizer.requestResource.check('x').allowed() && object.data.a == '1'", "message": format!("{number}")})).collect::<Vec<_>>()}),
        ),
        both(
            "cost-of-variables",
            json!({"variables": [{"name": "may", "expression": "authorizer.requestResource.check('x').allowed()"}],
            "validations": (0..40).map(|number| json!({"expression": "variables.may && object.data.a == '1'", "message": format!("{number}")})).collect::<Vec<_>>()}),
        ),
        both(
            "cost-of-one",
            json!({"variables": [{"name": "list", "expression": "'x'.replace('', 'abcdefghij').replace('', 'abcdefghij').replace('', 'abcdefghij').split('')"}],
            "validations": [{"expression": "variables.list.all(a, variables.list.all(b, a != 'z' || b != 'y'))"}]}),
        ),
        both(
            "cost-of-what-is-told",
            json!({"variables": [{"name": "list", "expression": "'x'.replace('', 'abcdefghij').replace('', 'abcdefghij').replace('', 'abcdefghij').split('')"}],
            "validations": [{"expression": "object.data.a == '1'", "messageExpression": "variables.list.all(a, variables.list.all(b, a != 'z' || b != 'y')) ? 'a' : 'b'", "message": "the message"}]}),
        ),
        policy("last", simple(json!({"expression": "false"})), deny(), vec![create("last", json!({}))]),
    ]
}

fn deployment(name: &str, policy: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": {"p": policy}}, "spec": {"selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "x"}]}}}})
}

fn scales() -> Vec<Step> {
    let all = "/apis/apps/v1/namespaces/{ns}/deployments";
    let scale = |replicas: i64| step("PATCH", format!("{all}/scales/scale"), MERGE, json!({"spec": {"replicas": replicas}}));
    vec![
        step("POST", all, JSON, deployment("scales", "")),
        scale(9),
        scale(2),
        step("PATCH", format!("{all}/scales"), MERGE, json!({"spec": {"replicas": 9}})),
    ]
}

fn statuses() -> Vec<Step> {
    let all = "/apis/apps/v1/namespaces/{ns}/deployments";
    let status = json!({"status": {"replicas": 1}});
    vec![
        step("POST", all, JSON, deployment("x", "statuses")),
        step("PATCH", format!("{all}/x/status"), MERGE, status),
        step("PATCH", format!("{all}/x"), MERGE, json!({"spec": {"replicas": 2}})),
    ]
}

/// Webhooks that can't be reached; objects that they are about have the label `h` with their name.
fn hooks() -> Vec<(&'static str, &'static str, Value)> {
    let rules =
        json!([{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE", "DELETE"], "resources": ["configmaps"]}]);
    let hook = |name: &str, more: Value| {
        let mut hook = json!({"name": format!("{name}.a.example"), "rules": rules, "sideEffects": "None", "admissionReviewVersions": ["v1"], "timeoutSeconds": 3,
            "objectSelector": {"matchLabels": {"h": name}}, "clientConfig": {"service": {"namespace": "default", "name": "nothing", "path": "/check"}}});
        for (key, value) in more.as_object().unwrap() {
            hook[key] = value.clone();
        }
        hook
    };
    vec![
        ("validatingwebhookconfigurations", "validates", hook("validates", json!({}))),
        ("mutatingwebhookconfigurations", "mutates", hook("mutates", json!({}))),
        ("validatingwebhookconfigurations", "let-be", hook("let-be", json!({"failurePolicy": "Ignore"}))),
        ("validatingwebhookconfigurations", "by-url", hook("by-url", json!({"clientConfig": {"url": "https://127.0.0.1:1/x"}}))),
        (
            "validatingwebhookconfigurations",
            "meant",
            hook("meant", json!({"matchConditions": [{"name": "a", "expression": "object != null && object.data.a == '2'"}]})),
        ),
        ("validatingwebhookconfigurations", "final", hook("final", json!({}))),
    ]
}

/// Before everything.
pub fn prepare(run: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for Policy { name, mut spec, bindings, .. } in all_policies() {
        let constraints = &mut spec["matchConstraints"];
        if constraints.is_null() {
            *constraints = json!({"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["configmaps"]}]});
        }
        if constraints["objectSelector"].is_null() {
            constraints["objectSelector"] = json!({"matchLabels": {"p": name}});
        }
        let named = format!("{run}-{name}");
        steps.push(step("POST", format!("{GROUP}/validatingadmissionpolicies"), JSON, json!({"metadata": {"name": named}, "spec": spec})));
        for (index, mut binding) in bindings.into_iter().enumerate() {
            binding["policyName"] = named.as_str().into();
            let body = json!({"metadata": {"name": format!("{named}-{index}")}, "spec": binding});
            steps.push(step("POST", format!("{GROUP}/validatingadmissionpolicybindings"), JSON, body));
        }
    }
    for (kind, name, hook) in hooks() {
        steps.push(step(
            "POST",
            format!("{GROUP}/{kind}"),
            JSON,
            json!({"metadata": {"name": format!("{run}-{name}")}, "webhooks": [hook]}),
        ));
    }
    steps
}

/// Refused as soon as all policies and webhooks are in force: a server takes them all at once, or in the order they came.
pub fn probes() -> Vec<Step> {
    let probe = |labels: Value| {
        step("POST", "/api/v1/namespaces/default/configmaps?dryRun=All", JSON, json!({"metadata": {"name": "probe", "labels": labels}}))
    };
    vec![probe(json!({"p": "last"})), probe(json!({"h": "mutates"})), probe(json!({"h": "final"}))]
}

/// Expressions that a policy is refused for.
fn refused() -> Vec<Value> {
    let spec = |more: Value| {
        let mut spec = json!({"matchConstraints": {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}]}});
        for (key, value) in more.as_object().unwrap() {
            spec[key] = value.clone();
        }
        spec
    };
    vec![
        spec(json!({"validations": [{"expression": "object.data ="}]})),
        spec(json!({"validations": [{"expression": "nothing == 1"}]})),
        spec(json!({"validations": [{"expression": "'a'"}]})),
        spec(json!({"validations": [{"expression": "1 + 'a' == 2"}]})),
        spec(json!({"validations": [{"expression": "request.nothing == 1"}]})),
        spec(json!({"validations": [{"expression": "namespaceObject.nothing == 1"}]})),
        spec(json!({"validations": [{"expression": "params.a == 1"}]})),
        spec(json!({"validations": [{"expression": "variables.a == 1"}]})),
        spec(json!({"validations": [{"expression": ""}]})),
        spec(json!({"validations": [{"expression": "true", "messageExpression": "1"}]})),
        spec(json!({"validations": [{"expression": "true", "messageExpression": "nothing"}]})),
        spec(json!({"validations": [{"expression": "true"}], "variables": [{"name": "a", "expression": "nothing"}]})),
        spec(json!({"validations": [{"expression": "variables.a > 1"}], "variables": [{"name": "a", "expression": "'x'"}]})),
        spec(json!({"validations": [{"expression": "true"}], "matchConditions": [{"name": "a", "expression": "1"}]})),
        spec(json!({"validations": [{"expression": "true"}], "matchConditions": [{"name": "a", "expression": "variables.a"}]})),
        spec(json!({"auditAnnotations": [{"key": "a", "valueExpression": "1"}]})),
        spec(json!({"auditAnnotations": [{"key": "a", "valueExpression": "object.data.a"}]})),
        spec(json!({"validations": [{"expression": "object.data.a"}]})),
        spec(json!({"validations": [{"expression": "true", "messageExpression": "object.data.a"}]})),
        spec(json!({"auditAnnotations": [{"key": "a", "valueExpression": "null"}]})),
        spec(json!({"validations": [{"expression": "true", "reason": "Unauthorized"}]})),
        spec(json!({"validations": [{"expression": "authorizer.path('/x').check('get')"}]})),
        spec(json!({"validations": [{"expression": "[object.a, 'a'].size() == 1"}]})),
        spec(json!({"validations": [{"expression": "[?object.?a, 1].size() == 1 && {object.a: 1, 'b': 2}.size() == 2"}]})),
        spec(json!({"validations": [{"expression": "authorizer.path(1).check('get').allowed()"}]})),
        spec(json!({"validations": [{"expression": "authorizer.check('get').allowed()"}]})),
        spec(json!({"validations": [{"expression": "authorizer.group('').check('get').allowed()"}]})),
        spec(json!({"validations": [{"expression": "authorizer.requestResource.resource('x').check('get').allowed()"}]})),
        spec(json!({"validations": [{"expression": "authorizer.nothing == 1"}]})),
        spec(json!({"validations": [{"expression": "true", "messageExpression": "authorizer.path('/x').check('get').reason()"}]})),
        spec(
            json!({"validations": [{"expression": "true"}], "matchConditions": [{"name": "a", "expression": "authorizer.path('/x').check('get').allowed()"}]}),
        ),
        spec(
            json!({"validations": [{"expression": "true"}], "variables": [{"name": "a", "expression": "authorizer.path('/x').check('get').allowed()"}]}),
        ),
        spec(json!({"auditAnnotations": [{"key": "a", "valueExpression": "authorizer.path('/x').check('get').reason()"}]})),
        spec(json!({})),
    ]
}

pub fn all() -> Vec<Sequence> {
    let mut found: Vec<Sequence> =
        all_policies().into_iter().map(|policy| Sequence { name: format!("policy {}", policy.name), steps: policy.steps }).collect();
    for spec in refused() {
        let name = format!(
            "policy refused {}",
            json!([spec["validations"], spec["variables"], spec["matchConditions"], spec["auditAnnotations"]])
        );
        let body = json!({"metadata": {"name": "x"}, "spec": spec});
        found.push(Sequence { name, steps: vec![step("POST", format!("{GROUP}/validatingadmissionpolicies?dryRun=All"), JSON, body)] });
    }
    for (_, name, _) in hooks() {
        let configs = "/api/v1/namespaces/{ns}/configmaps";
        let create = |data: Value| step("POST", configs, JSON, json!({"metadata": {"name": "x", "labels": {"h": name}}, "data": data}));
        let free = step("POST", configs, JSON, json!({"metadata": {"name": "x"}}));
        let mark = step("PATCH", format!("{configs}/x"), MERGE, json!({"metadata": {"labels": {"h": name}}}));
        let steps =
            vec![create(json!({"a": "2"})), create(json!({"a": "1"})), free, mark, step("DELETE", format!("{configs}/x"), "", Value::Null)];
        found.push(Sequence { name: format!("webhook {name}"), steps });
    }
    found
}

/// After everything.
pub fn clean(run: &str) -> Vec<Step> {
    prepare(run)
        .into_iter()
        .map(|made| step("DELETE", format!("{}/{}", made.path, made.body["metadata"]["name"].as_str().unwrap()), "", Value::Null))
        .collect()
}
