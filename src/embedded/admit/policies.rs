//! Validating admission policies: compiled when they are first asked, and held against what is written.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::asked::{Asked, namespace_type, request_type};
use super::matching::matches;
use crate::embedded::api::{Failure, FieldError, matches_labels};
use crate::embedded::cel::{Bindings, Environment, Program, Type, Value, compile};
use crate::embedded::world::State;

const POLICIES: &str = "validatingadmissionpolicies.admissionregistration.k8s.io";
const BINDINGS: &str = "validatingadmissionpolicybindings.admissionregistration.k8s.io";

/// Why a policy may say that it denies.
const REASONS: [&str; 3] = ["Forbidden", "Invalid", "RequestEntityTooLarge"];

/// Policies that were asked, by uid and generation.
#[derive(Debug, Default)]
pub struct Policies {
    compiled: BTreeMap<String, Arc<Policy>>,
}

/// What a policy asks before anything else, and what it calls by names of its own.
#[derive(Debug)]
pub(super) struct Asks {
    conditions: Vec<Expression>,
    variables: Vec<(String, Program)>,
}

/// A compiled policy.
#[derive(Debug)]
struct Policy {
    asks: Asks,
    validations: Vec<Validation>,
    annotations: Vec<Expression>,
}

/// A policy's expression, with its text.
#[derive(Debug)]
pub(super) struct Expression {
    text: String,
    pub program: Program,
}

#[derive(Debug)]
struct Validation {
    expression: Expression,
    message: String,
    message_program: Option<Program>,
    reason: Option<String>,
}

/// What a policy says of a request.
enum Decision {
    Admit,
    Deny { reason: Option<String>, message: String },
}

/// Whether any policy is in force.
pub fn are_bound(state: &State) -> bool {
    state.store.all(BINDINGS).next().is_some()
}

/// Holds a write against all policies.
///
/// # Errors
/// One denies it. What is only warned of is told.
pub fn check(state: &mut State, asked: &Asked<'_>, told: &mut Vec<String>) -> Result<(), Failure> {
    if asked.resource.group == "admissionregistration.k8s.io" {
        return Ok(());
    }
    let bindings: Vec<Arc<Json>> = state.store.all(BINDINGS).cloned().collect();
    if bindings.is_empty() {
        return Ok(());
    }
    let mut denied = None;
    let policies: Vec<Arc<Json>> = state.store.all(POLICIES).cloned().collect();
    for definition in policies {
        let (name, spec) = (text(&definition["metadata"]["name"]), &definition["spec"]);
        if spec["matchConstraints"].is_null() || !matches(state, asked, &spec["matchConstraints"]) {
            continue;
        }
        let policy = compiled(state, &definition);
        for binding in bindings.iter().filter(|binding| binding["spec"]["policyName"] == name) {
            if !matches(state, asked, &binding["spec"]["matchResources"]) {
                continue;
            }
            let decisions = match params(state, asked, spec, &binding["spec"]["paramRef"]) {
                Ok(params) => params.iter().flat_map(|params| policy.decide(state, asked, spec, params)).collect(),
                Err(why) => vec![failed(spec, format!("failed to configure binding: {why}"))],
            };
            for decision in decisions {
                let Decision::Deny { reason, message } = decision else { continue };
                let bound = text(&binding["metadata"]["name"]);
                for action in binding["spec"]["validationActions"].as_array().into_iter().flatten() {
                    if action == "Deny" && denied.is_none() {
                        let words = format!("ValidatingAdmissionPolicy '{name}' with binding '{bound}' denied request: {message}");
                        denied = Some(refusal(asked, reason.as_deref(), &words));
                    } else if action == "Warn" {
                        told.push(format!("Validation failed for ValidatingAdmissionPolicy '{name}' with binding '{bound}': {message}"));
                    }
                }
            }
        }
    }
    denied.map_or(Ok(()), Err)
}

fn refusal(asked: &Asked<'_>, reason: Option<&str>, words: &str) -> Failure {
    let name = if asked.name.is_empty() { "Unknown" } else { asked.name };
    let mut failure = Failure::forbidden(asked.resource, name, words);
    (failure.reason, failure.code) = match reason {
        Some("Forbidden") => ("Forbidden", 403),
        Some("RequestEntityTooLarge") => ("RequestEntityTooLarge", 413),
        _ => ("Invalid", 422),
    };
    if let Some(details) = &mut failure.details {
        details["causes"] = json!([{"message": words}]);
    }
    failure
}

/// What becomes of a request that can't be decided.
fn failed(spec: &Json, message: String) -> Decision {
    if spec["failurePolicy"] == "Ignore" { Decision::Admit } else { Decision::Deny { reason: None, message } }
}

fn compiled(state: &mut State, definition: &Json) -> Arc<Policy> {
    let key = format!("{} {}", definition["metadata"]["uid"], definition["metadata"]["generation"]);
    if let Some(known) = state.policies.compiled.get(&key) {
        return Arc::clone(known);
    }
    let policy = Arc::new(read(&definition["spec"], &mut Vec::new()));
    // Those that are gone, or were changed, are of no use.
    if state.policies.compiled.len() > 100 {
        state.policies.compiled.clear();
    }
    state.policies.compiled.insert(key, Arc::clone(&policy));
    policy
}

/// What a policy is refused for: expressions that can't be compiled.
pub fn refused(policy: &Json) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let spec = &policy["spec"];
    if ["validations", "auditAnnotations"].iter().all(|field| spec[*field].as_array().is_none_or(Vec::is_empty)) {
        let detail = "validations or auditAnnotations must contain at least one item";
        errors.extend(["spec.validations", "spec.auditAnnotations"].map(|field| FieldError::required(field, detail)));
    }
    read(spec, &mut errors);
    errors
}

fn read(spec: &Json, errors: &mut Vec<FieldError>) -> Policy {
    let (environment, asks) = asks(spec, false, errors);
    let each = |field: &str| spec[field].as_array().cloned().unwrap_or_default().into_iter().enumerate();
    let mut validations = Vec::new();
    for (index, validation) in each("validations") {
        let path = format!("spec.validations[{index}]");
        let found = expression(&validation["expression"], &environment, &[Type::Bool], &format!("{path}.expression"), errors);
        let message_program = match validation["messageExpression"].as_str() {
            Some(given) if !given.is_empty() => {
                expression(&given.into(), &environment, &[Type::String], &format!("{path}.messageExpression"), errors)
                    .map(|found| found.program)
            }
            _ => None,
        };
        let Some(expression) = found else { continue };
        let reason = validation["reason"].as_str().map(str::to_owned);
        if let Some(other) = reason.as_deref().filter(|reason| !REASONS.contains(reason)) {
            errors.push(FieldError::unsupported(format!("{path}.reason"), &other.into(), &REASONS));
        }
        validations.push(Validation { expression, message: text(&validation["message"]).trim().to_owned(), message_program, reason });
    }
    let mut annotations = Vec::new();
    for (index, annotation) in each("auditAnnotations") {
        let path = format!("spec.auditAnnotations[{index}].valueExpression");
        annotations.extend(expression(&annotation["valueExpression"], &environment, &[Type::String, Type::Null], &path, errors));
    }
    Policy { asks, validations, annotations }
}

/// What policies of both kinds say alike, and what their other expressions may name. `always`: variables, though there be none.
pub(super) fn asks(spec: &Json, always: bool, errors: &mut Vec<FieldError>) -> (Environment, Asks) {
    let mut environment = Environment::of([
        ("object", Type::Dyn),
        ("oldObject", Type::Dyn),
        ("request", request_type()),
        ("namespaceObject", namespace_type()),
    ]);
    if spec["paramKind"].is_object() {
        environment.variables.push(("params".to_owned(), Type::Dyn));
    }
    let each = |field: &str| spec[field].as_array().cloned().unwrap_or_default().into_iter().enumerate();
    let mut conditions = Vec::new();
    for (index, condition) in each("matchConditions") {
        let path = format!("spec.matchConditions[{index}].expression");
        conditions.extend(expression(&condition["expression"], &environment, &[Type::Bool], &path, errors));
    }
    let mut variables = Vec::new();
    let mut fields: Vec<(String, Type)> = Vec::new();
    if always || spec["variables"].as_array().is_some_and(|variables| !variables.is_empty()) {
        environment.variables.push(("variables".to_owned(), Type::object("kubernetes.variables", [])));
    }
    for (index, variable) in each("variables") {
        let path = format!("spec.variables[{index}].expression");
        let Some(found) = expression(&variable["expression"], &environment, &[], &path, errors) else { continue };
        let name = text(&variable["name"]).to_owned();
        fields.push((name.clone(), found.program.gives.clone()));
        variables.push((name, found.program));
        if let Some(last) = environment.variables.last_mut() {
            last.1 = Type::object("kubernetes.variables", fields.clone());
        }
    }
    (environment, Asks { conditions, variables })
}

/// `wanted`: what it may give; nothing: anything.
pub(super) fn expression(
    source: &Json,
    environment: &Environment,
    wanted: &[Type],
    path: &str,
    errors: &mut Vec<FieldError>,
) -> Option<Expression> {
    let source = text(source);
    if source.trim().is_empty() {
        errors.push(FieldError::required(path, "expression is not specified"));
        return None;
    }
    let why = match compile(source, environment) {
        Ok(program) if wanted.is_empty() || wanted.contains(&program.gives) => {
            return Some(Expression { text: source.trim().to_owned(), program });
        }
        Ok(program) => match wanted {
            [one] => format!("must evaluate to {one} but got {}", Bindings::default().resolve(&program.gives)),
            _ => {
                let all: Vec<String> =
                    wanted.iter().map(|one| if *one == Type::Null { "null_type".to_owned() } else { one.to_string() }).collect();
                format!("must evaluate to one of [{}] but got {}", all.join(" "), program.gives)
            }
        },
        Err(why) => why,
    };
    errors.push(FieldError::invalid(path, &source.into(), &why));
    None
}

impl Asks {
    /// What expressions may name, with its values; None: the policy isn't about this.
    pub(super) fn names(&self, state: &State, asked: &Asked<'_>, params: &Json) -> Result<Option<Vec<(&'static str, Value)>>, String> {
        let json = |object: Option<&Json>| object.map_or(Value::Null, |object| Value::read(object, &Type::Dyn));
        let mut variables = vec![
            ("object", json(asked.object)),
            ("oldObject", json(asked.old)),
            ("request", asked.request()),
            ("namespaceObject", asked.namespace_object(state)),
            ("params", Value::read(params, &Type::Dyn)),
        ];
        for condition in &self.conditions {
            match condition.run(&variables) {
                Ok(Value::Bool(true)) => {}
                Ok(_) => return Ok(None),
                Err(why) => return Err(why),
            }
        }
        // What can't be told is an error for whoever asks for it, not before.
        let mut known: Vec<(String, Value)> = Vec::new();
        for (name, program) in &self.variables {
            variables.push(("variables", Value::map(known.clone())));
            let value = program
                .run(&variables)
                .unwrap_or_else(|why| Value::Failed(format!("composited variable \"{name}\" fails to evaluate: {why}").into()));
            known.push((name.clone(), value));
            variables.pop();
        }
        variables.push(("variables", Value::map(known)));
        Ok(Some(variables))
    }
}

impl Policy {
    fn decide(&self, state: &State, asked: &Asked<'_>, spec: &Json, params: &Json) -> Vec<Decision> {
        let variables = match self.asks.names(state, asked, params) {
            Ok(Some(variables)) => variables,
            Ok(None) => return Vec::new(),
            Err(why) => return vec![failed(spec, why)],
        };
        let mut decisions: Vec<Decision> = self.validations.iter().map(|validation| validation.decide(spec, &variables)).collect();
        // They are for an audit log, which there is none of; that they fail matters all the same.
        decisions.extend(self.annotations.iter().filter_map(|annotation| annotation.run(&variables).err()).map(|why| failed(spec, why)));
        decisions
    }
}

impl Expression {
    pub fn run(&self, variables: &[(&str, Value)]) -> Result<Value, String> {
        self.program.run(variables).map_err(|why| format!("expression '{}' resulted in error: {why}", self.text))
    }
}

impl Validation {
    fn decide(&self, spec: &Json, variables: &[(&str, Value)]) -> Decision {
        match self.expression.run(variables) {
            Ok(Value::Bool(true)) => Decision::Admit,
            Ok(_) => {
                let told = self.message_program.as_ref().and_then(|program| match program.run(variables) {
                    Ok(Value::String(told)) => Some(told.trim().to_owned()).filter(|told| !told.is_empty() && !told.contains('\n')),
                    _ => None,
                });
                let own = Some(self.message.clone()).filter(|message| !message.is_empty());
                let message = told.or(own).unwrap_or_else(|| format!("failed expression: {}", self.expression.text));
                Decision::Deny { reason: self.reason.clone(), message }
            }
            Err(why) => failed(spec, why),
        }
    }
}

/// What a binding holds its policy against: nothing, an object, or several.
pub(super) fn params(state: &State, asked: &Asked<'_>, spec: &Json, reference: &Json) -> Result<Vec<Json>, String> {
    let kind = &spec["paramKind"];
    if kind.is_null() || reference.is_null() {
        return Ok(vec![Json::Null]);
    }
    let (api_version, kind) = (text(&kind["apiVersion"]), text(&kind["kind"]));
    let resource = state.catalog.of_kind(api_version, kind).ok_or_else(|| {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        format!("failed to find resource referenced by paramKind: '{group}/{version}, Kind={kind}'")
    })?;
    let said = text(&reference["namespace"]);
    let namespace = match (resource.namespaced, said.is_empty()) {
        (true, true) if asked.namespace.is_empty() => {
            return Err("cannot use namespaced paramRef in policy binding that matches cluster-scoped resources".to_owned());
        }
        (true, true) => asked.namespace,
        (true, false) => said,
        (false, true) => "",
        (false, false) => return Err("paramRef.namespace must not be provided for a cluster-scoped `paramKind`".to_owned()),
    };
    let shown = |object: &Arc<Json>| crate::embedded::convert::out(resource, object);
    let found: Vec<Json> = match text(&reference["name"]) {
        "" => {
            let selected = |object: &&Arc<Json>| matches_labels(&reference["selector"], &object["metadata"]["labels"]);
            if resource.namespaced {
                state.store.within(&resource.storage, namespace).filter(selected).map(shown).collect()
            } else {
                state.store.all(&resource.storage).filter(selected).map(shown).collect()
            }
        }
        name => state.store.find(&resource.storage, namespace, name).into_iter().map(shown).collect(),
    };
    if found.is_empty() && reference["parameterNotFoundAction"] == "Deny" {
        return Err("no params found for policy binding with `Deny` parameterNotFoundAction".to_owned());
    }
    Ok(found)
}

pub(super) fn text(value: &Json) -> &str {
    value.as_str().unwrap_or_default()
}
