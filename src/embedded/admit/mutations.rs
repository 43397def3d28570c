//! Mutating admission policies: what they make of an object, by server-side apply or by a JSON patch.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::asked::Asked;
use super::asks::{Asks, BUDGET, Bill, Expression, Names, SPENT, Trouble, asks, expression};
use super::matching::matches;
use super::policies::{params, text};
use crate::embedded::api::{Failure, FieldError, Part, PatchError, json_patch};
use crate::embedded::cel::{Type, Value};
use crate::embedded::fields::{self, Owner};
use crate::embedded::world::State;
use crate::schema::{ListKind, Shape, TypeRef};

const POLICIES: &str = "mutatingadmissionpolicies.admissionregistration.k8s.io";
const BINDINGS: &str = "mutatingadmissionpolicybindings.admissionregistration.k8s.io";
const OPERATIONS: [&str; 4] = ["*", "CONNECT", "CREATE", "UPDATE"];

struct Policy {
    asks: Asks,
    mutations: Vec<Mutation>,
}

enum Mutation {
    Apply(Expression),
    Patch(Expression),
}

/// Why a mutation isn't made.
enum Wrong {
    /// What becomes of the request, the policy says.
    Policy(String),
    /// The request fails, whatever the policy says.
    Request(Failure),
}

/// Whether any policy is in force.
pub fn are_bound(state: &State) -> bool {
    state.store.all(BINDINGS).next().is_some()
}

/// What all policies make of an object; None: nothing.
///
/// # Errors
/// One fails, and says that the request does then.
pub fn change(state: &State, asked: &Asked<'_>) -> Result<Option<Json>, Failure> {
    if asked.resource.group == "admissionregistration.k8s.io" || asked.object.is_none() || !are_bound(state) {
        return Ok(None);
    }
    let mut round = Round { object: None, invoked: Vec::new(), refused: Vec::new() };
    round.go(state, asked, None)?;
    // Once more, for those that want to see what others made.
    if round.object.is_some() {
        let again = std::mem::take(&mut round.invoked);
        round.go(state, asked, Some(&again))?;
    }
    Ok(round.object)
}

struct Round {
    object: Option<Json>,
    /// Policies that are asked again, with their bindings and what these hold them against.
    invoked: Vec<String>,
    /// What they refuse the request for, each with its reason.
    refused: Vec<(&'static str, String)>,
}

impl Round {
    fn go(&mut self, state: &State, asked: &Asked<'_>, again: Option<&[String]>) -> Result<(), Failure> {
        let bindings: Vec<&Arc<Json>> = state.store.all(BINDINGS).collect();
        for definition in state.store.all(POLICIES) {
            let (name, spec) = (text(&definition["metadata"]["name"]), &definition["spec"]);
            if spec["matchConstraints"].is_null() || !matches(state, &self.asked(asked), &spec["matchConstraints"]) {
                continue;
            }
            let bindings = bindings.iter().filter(|binding| binding["spec"]["policyName"] == name);
            let mut policy = None;
            for binding in bindings {
                if !matches(state, &self.asked(asked), &binding["spec"]["matchResources"]) {
                    continue;
                }
                let policy = policy.get_or_insert_with(|| read(spec, &mut Vec::new()));
                let bound = text(&binding["metadata"]["name"]);
                let found = match params(state, asked, spec, &binding["spec"]["paramRef"]) {
                    Ok(found) => found,
                    Err(why) => {
                        self.refuse(spec, "Forbidden", (name, bound), &format!("failed to configure binding: {why}"));
                        continue;
                    }
                };
                for params in found {
                    let key = format!("{name} {bound} {} {}", params["metadata"]["namespace"], params["metadata"]["name"]);
                    if again.is_some_and(|again| !again.contains(&key)) {
                        continue;
                    }
                    if self.invoke(state, asked, (policy, spec, name, bound), &params)? && spec["reinvocationPolicy"] == "IfNeeded" {
                        self.invoked.push(key);
                    }
                }
            }
        }
        match self.refused.first() {
            Some((reason, first)) => {
                let mut failure = Failure::forbidden(asked.resource, asked.name, "");
                failure.message.clone_from(first);
                failure.reason = reason;
                if let Some(details) = &mut failure.details {
                    details["causes"] = self.refused.iter().map(|(_, message)| json!({"message": message})).collect();
                }
                Err(failure)
            }
            None => Ok(()),
        }
    }

    /// What is asked about now.
    fn asked<'a>(&'a self, asked: &Asked<'a>) -> Asked<'a> {
        Asked { object: self.object.as_ref().or(asked.object), ..*asked }
    }

    fn refuse(&mut self, spec: &Json, reason: &'static str, (name, bound): (&str, &str), why: &str) {
        if spec["failurePolicy"] != "Ignore" {
            self.refused.push((reason, format!("policy '{name}' with binding '{bound}' denied request: {why}")));
        }
    }

    /// Whether the policy is about this.
    fn invoke(
        &mut self,
        state: &State,
        asked: &Asked<'_>,
        (policy, spec, name, bound): (&Policy, &Json, &str, &str),
        params: &Json,
    ) -> Result<bool, Failure> {
        match policy.asks.names(state, &self.asked(asked), params) {
            Ok(Some(_)) => {}
            Ok(None) => return Ok(false),
            Err(why) => {
                self.refuse(spec, "Invalid", (name, bound), &why);
                return Ok(false);
            }
        }
        for mutation in &policy.mutations {
            let now = self.asked(asked);
            // What one made, the next one sees.
            let made = match policy.asks.names(state, &now, params) {
                Ok(Some(names)) => mutation.make(state, &now, &names),
                Ok(None) => continue,
                Err(why) => Err(Wrong::Policy(why)),
            };
            match made {
                Ok(object) => self.object = Some(object),
                Err(Wrong::Policy(why)) => self.refuse(spec, "Invalid", (name, bound), &why),
                Err(Wrong::Request(failure)) => return Err(failure),
            }
        }
        Ok(true)
    }
}

impl Mutation {
    fn make(&self, state: &State, asked: &Asked<'_>, names: &Names<'_>) -> Result<Json, Wrong> {
        let object = asked.object.cloned().unwrap_or_default();
        match self {
            Self::Apply(expression) => {
                let made = run(expression, names)?;
                check_names(&made, "Object").map_err(|why| Wrong::Policy(format!("type mismatch: {why}")))?;
                let config = made.json().ok_or_else(|| Wrong::Policy("invalid return type".to_owned()))?;
                apply(state, asked, &object, config).map_err(|why| Wrong::Policy(format!("error applying patch: {why}")))
            }
            Self::Patch(expression) => {
                let made = run(expression, names)?;
                let Value::List(operations, _) = made else { return Err(Wrong::Policy("invalid return type".to_owned())) };
                let operations = operations.iter().map(operation).collect::<Result<Vec<_>, _>>().map_err(Wrong::Policy)?;
                match json_patch(&object, &operations.into()) {
                    Ok(patched) => strict(state, asked, patched).map_err(Wrong::Request),
                    Err(PatchError::Untrue(_)) => Ok(object),
                    Err(PatchError::Failed(why) | PatchError::Malformed(why)) => Err(Wrong::Policy(format!("JSON Patch: {why}"))),
                }
            }
        }
    }
}

/// Each mutation has a budget of its own.
fn run(expression: &Expression, names: &Names<'_>) -> Result<Value, Wrong> {
    expression.run(names, &mut Bill::of(BUDGET)).map_err(|trouble| match trouble {
        Trouble::Fails(why) => Wrong::Policy(why),
        Trouble::Spent => Wrong::Policy(SPENT.to_owned()),
    })
}

/// What an object is called is where it stands.
fn check_names(value: &Value, at: &str) -> Result<(), String> {
    match value {
        Value::Made(name, fields) => {
            if **name != *at {
                return Err(format!("unexpected type name {name:?}, expected {at:?}, which matches field name path from root Object type"));
            }
            fields.iter().try_for_each(|(field, value)| check_names(value, &format!("{at}.{field}")))
        }
        Value::List(items, _) => items.iter().try_for_each(|item| check_names(item, at)),
        Value::Map(entries) => entries.values().try_for_each(|value| check_names(value, at)),
        _ => Ok(()),
    }
}

/// One step of a JSON patch.
fn operation(made: &Value) -> Result<Json, String> {
    let Value::Made(_, fields) = made else { return Err("invalid return type".to_owned()) };
    let mut step = json!({});
    for (name, value) in &**fields {
        if let Value::Made(of, _) = value {
            // It says itself where it is to stand.
            check_names(value, of).map_err(|why| format!("type mismatch: {why}"))?;
        }
        let value = value.json().ok_or("JSONPath valueExpression evaluated to a type that could not marshal to JSON")?;
        step[name.as_str()] = value;
    }
    Ok(step)
}

/// Merges a configuration into the object. What it sets is nobody's: whoever applies it has no name, and is forgotten.
fn apply(state: &State, asked: &Asked<'_>, object: &Json, mut config: Json) -> Result<Json, String> {
    config["apiVersion"] = object["apiVersion"].clone();
    config["kind"] = object["kind"].clone();
    let of = fields::type_of(state, asked.resource, &asked.resource.api_version());
    let mut found = Vec::new();
    atomics(of, &config, "", &mut found);
    if !found.is_empty() && unknown(of, &config, "").is_none() {
        return Err(format!("invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: {}", found.join(", ")));
    }
    let mut live = object.clone();
    let managed = live["metadata"].as_object_mut().and_then(|meta| meta.remove("managedFields"));
    let owner = Owner { manager: "mutation".to_owned(), part: Part::Main, now: state.now };
    let mut merged = fields::apply(state, asked.resource, &owner, Some(&Arc::new(live)), &config, true).map_err(|failure| {
        let what = failure.message.split_once("): ").map_or(failure.message.as_str(), |(_, what)| what);
        format!("failed to convert patch object to typed object: {what}")
    })?;
    if let Some(meta) = merged["metadata"].as_object_mut() {
        meta.remove("managedFields");
        if let Some(managed) = managed {
            meta.insert("managedFields".to_owned(), managed);
        }
    }
    Ok(merged)
}

/// The first field that a type doesn't have.
fn unknown(of: TypeRef<'_>, value: &Json, path: &str) -> Option<String> {
    match value {
        Json::Object(map) => map.iter().find_map(|(name, value)| {
            let path = format!("{path}.{name}");
            match of.field(name) {
                Some(below) => unknown(below, value, &path),
                None => Some(path),
            }
        }),
        Json::Array(items) => items.iter().find_map(|item| unknown(of.item()?, item, path)),
        _ => None,
    }
}

/// Where a configuration would put something in the place of a whole.
fn atomics(of: TypeRef<'_>, value: &Json, path: &str, found: &mut Vec<String>) {
    match (of.shape(), value) {
        (Shape::Map { atomic, .. }, Json::Object(map)) => {
            if *atomic {
                found.push(path.to_owned());
            }
            for (name, value) in map {
                if let Some(below) = of.field(name) {
                    atomics(below, value, &format!("{path}.{name}"), found);
                }
            }
        }
        (Shape::List { kind, .. }, Json::Array(items)) => {
            if matches!(kind, ListKind::Atomic) {
                found.push(path.to_owned());
            }
            for (index, item) in items.iter().enumerate() {
                if let Some(below) = of.item() {
                    atomics(below, item, &format!("{path}[{index}]"), found);
                }
            }
        }
        _ => {}
    }
}

/// What a patch made, if the type has it all.
fn strict(state: &State, asked: &Asked<'_>, mut object: Json) -> Result<Json, Failure> {
    if asked.resource.custom.is_some() {
        return Ok(object);
    }
    let of = state.schemas.of(asked.resource);
    let managed = object["metadata"].as_object_mut().and_then(|meta| meta.remove("managedFields"));
    let decoded = crate::embedded::typed::decode(of, &mut object, &asked.resource.kind).map_err(Failure::internal)?;
    if !decoded.unknown.is_empty() {
        let all: Vec<String> = decoded.unknown.iter().map(|field| format!("unknown field \"{field}\"")).collect();
        return Err(Failure::internal(format!("strict decoding error: {}", all.join(", "))));
    }
    if let Some(managed) = managed {
        object["metadata"]["managedFields"] = managed;
    }
    Ok(object)
}

/// What a policy is refused for.
pub fn refused(policy: &Json) -> Vec<FieldError> {
    let spec = &policy["spec"];
    let mut errors = Vec::new();
    let one_of = |field: &str, known: &[&str], errors: &mut Vec<FieldError>| match text(&spec[field]) {
        "" => errors.push(FieldError::required(format!("spec.{field}"), "")),
        said if !known.contains(&said) => errors.push(FieldError::unsupported(format!("spec.{field}"), &said.into(), known)),
        _ => {}
    };
    one_of("failurePolicy", &["Fail", "Ignore"], &mut errors);
    let constraints = &spec["matchConstraints"];
    let rules = constraints["resourceRules"].as_array().map(Vec::as_slice).unwrap_or_default();
    if constraints.is_null() {
        errors.push(FieldError::required("spec.matchConstraints", ""));
    } else if rules.is_empty() {
        errors.push(FieldError::required("spec.matchConstraints.resourceRules", ""));
    }
    for operation in rules.iter().flat_map(|rule| rule["operations"].as_array().into_iter().flatten()) {
        if !OPERATIONS.contains(&text(operation)) {
            errors.push(FieldError::unsupported("spec.matchConstraints.resourceRules.operations", operation, &OPERATIONS));
        }
    }
    read(spec, &mut errors);
    one_of("reinvocationPolicy", &["IfNeeded", "Never"], &mut errors);
    errors
}

fn read(spec: &Json, errors: &mut Vec<FieldError>) -> Policy {
    let (mut environment, asks) = asks(spec, true, errors);
    environment.makes = true;
    let all = spec["mutations"].as_array().map(Vec::as_slice).unwrap_or_default();
    if all.is_empty() {
        errors.push(FieldError::required("spec.mutations", "mutations must contain at least one item"));
    }
    let mut mutations = Vec::new();
    for (index, mutation) in all.iter().enumerate() {
        let at = format!("spec.mutations[{index}]");
        let kinds = [("ApplyConfiguration", "applyConfiguration"), ("JSONPatch", "jsonPatch")];
        let kind = text(&mutation["patchType"]);
        let ((_, field), (_, other)) = match kind {
            "ApplyConfiguration" => (kinds[0], kinds[1]),
            "JSONPatch" => (kinds[1], kinds[0]),
            "" => {
                errors.push(FieldError::required(format!("{at}.patchType"), ""));
                continue;
            }
            unknown => {
                errors.push(FieldError::unsupported(format!("{at}.patchType"), &unknown.into(), &["ApplyConfiguration", "JSONPatch"]));
                continue;
            }
        };
        let wanted = if field == "jsonPatch" { Type::list(Type::Made("JSONPatch".into())) } else { Type::Made("Object".into()) };
        if mutation[field].is_null() {
            errors.push(FieldError::required(format!("{at}.{field}"), &format!("must be specified when patchType is {kind}")));
        } else if text(&mutation[field]["expression"]).trim().is_empty() {
            errors.push(FieldError::required(format!("{at}.{field}.expression"), ""));
        } else {
            let source = text(&mutation[field]["expression"]).trim().into();
            let found = expression(&source, &environment, &[wanted], &format!("{at}.{field}.expression"), errors);
            mutations.extend(found.map(|found| if field == "jsonPatch" { Mutation::Patch(found) } else { Mutation::Apply(found) }));
        }
        if !mutation[other].is_null() {
            let detail = format!("must not be specified when patchType is {kind}");
            errors.push(FieldError::invalid(format!("{at}.{other}"), &format!("{{{other}}}").into(), &detail));
        }
    }
    Policy { asks, mutations }
}
