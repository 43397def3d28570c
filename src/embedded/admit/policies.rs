//! Validating admission policies: compiled when they are first asked, and held against what is written.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::asked::{Asked, is_authorizer};
use super::asks::{Asks, BUDGET, Bill, Expression, Names, SPENT, Trouble, asks, expression};
use super::matching::matches;
use crate::embedded::api::{Failure, FieldError, matches_labels};
use crate::embedded::cel::{Type, Value};
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

/// A compiled policy.
#[derive(Debug)]
struct Policy {
    asks: Asks,
    validations: Vec<Validation>,
    annotations: Vec<Expression>,
}

#[derive(Debug)]
struct Validation {
    expression: Expression,
    message: String,
    told: Option<Expression>,
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
    // What is told is no matter of rights.
    let mut plain = environment.clone();
    plain.variables.retain(|(name, _)| !is_authorizer(name));
    let each = |field: &str| spec[field].as_array().cloned().unwrap_or_default().into_iter().enumerate();
    let mut validations = Vec::new();
    for (index, validation) in each("validations") {
        let path = format!("spec.validations[{index}]");
        let found = expression(&validation["expression"], &environment, &[Type::Bool], &format!("{path}.expression"), errors);
        let told = match validation["messageExpression"].as_str() {
            Some(given) if !given.is_empty() => {
                expression(&given.into(), &plain, &[Type::String], &format!("{path}.messageExpression"), errors)
            }
            _ => None,
        };
        let Some(expression) = found else { continue };
        let reason = validation["reason"].as_str().map(str::to_owned);
        if let Some(other) = reason.as_deref().filter(|reason| !REASONS.contains(reason)) {
            errors.push(FieldError::unsupported(format!("{path}.reason"), &other.into(), &REASONS));
        }
        validations.push(Validation { expression, message: text(&validation["message"]).trim().to_owned(), told, reason });
    }
    let mut annotations = Vec::new();
    for (index, annotation) in each("auditAnnotations") {
        let path = format!("spec.auditAnnotations[{index}].valueExpression");
        annotations.extend(expression(&annotation["valueExpression"], &environment, &[Type::String, Type::Null], &path, errors));
    }
    Policy { asks, validations, annotations }
}

impl Policy {
    fn decide(&self, state: &State, asked: &Asked<'_>, spec: &Json, params: &Json) -> Vec<Decision> {
        let names = match self.asks.names(state, asked, params) {
            Ok(Some(names)) => names,
            Ok(None) => return Vec::new(),
            Err(why) => return vec![failed(spec, why)],
        };
        let mut bill = Bill::of(BUDGET);
        let mut found = Vec::new();
        for validation in &self.validations {
            match validation.expression.run(&names, &mut bill) {
                Ok(value) => found.push(Ok(value)),
                Err(Trouble::Fails(why)) => found.push(Err(why)),
                Err(Trouble::Spent) => return vec![failed(spec, SPENT.to_owned())],
            }
        }
        let names = self.asks.without_rights(state, asked, params, names);
        let told = self.told(&names, bill.again());
        let mut decisions: Vec<Decision> = (self.validations.iter().zip(found).enumerate())
            .map(|(index, (validation, found))| match (found, &told) {
                (Err(why), _) => failed(spec, why),
                (Ok(_), Err(why)) => failed(spec, format!("failed messageExpression: {why}")),
                (Ok(Value::Bool(true)), _) => Decision::Admit,
                (Ok(_), Ok(told)) => validation.deny(told[index].as_deref()),
            })
            .collect();
        // They are for an audit log, which there is none of; that they fail matters all the same.
        let mut bill = Bill::of(BUDGET);
        for annotation in &self.annotations {
            match annotation.run(&names, &mut bill) {
                Ok(_) => {}
                Err(Trouble::Fails(why)) => decisions.push(failed(spec, why)),
                Err(Trouble::Spent) => return vec![failed(spec, SPENT.to_owned())],
            }
        }
        decisions
    }

    /// What each validation tells of itself: all are asked, whatever they found. The error: that costs too much.
    fn told(&self, names: &Names<'_>, mut bill: Bill) -> Result<Vec<Option<String>>, &'static str> {
        let tell = |validation: &Validation| match validation.told.as_ref().map(|told| told.run(names, &mut bill)) {
            Some(Ok(Value::String(told))) => Ok(Some(told.trim().to_owned()).filter(|told| is_told(told))),
            Some(Err(Trouble::Spent)) => Err(SPENT),
            _ => Ok(None),
        };
        self.validations.iter().map(tell).collect()
    }
}

/// Whether a text can be told: it is one, on one line, and no novel.
fn is_told(text: &str) -> bool {
    !text.is_empty() && !text.contains('\n') && text.len() <= 5 * 1024
}

impl Validation {
    fn deny(&self, told: Option<&str>) -> Decision {
        let own = Some(self.message.as_str()).filter(|message| !message.is_empty());
        let message = told.or(own).map_or_else(|| format!("failed expression: {}", self.expression.text), str::to_owned);
        Decision::Deny { reason: self.reason.clone(), message }
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
