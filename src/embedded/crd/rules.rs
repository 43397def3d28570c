//! The rules of a definition (`x-kubernetes-validations`): compiled with it, and held against its objects.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::budget::Budget;
use crate::embedded::api::FieldError;
use crate::embedded::cel::{Environment, OVER, Program, Sizes, Type, Value, compile, declare, sizes};

const EXTENSION: &str = "x-kubernetes-validations";

/// The rules of a schema, and of what is below it.
#[derive(Debug)]
pub struct Rules {
    /// What the schema says its values are: `object`, `string`.
    shown: String,
    of: Type,
    /// Of its values themselves.
    own: Vec<Rule>,
    fields: BTreeMap<String, Rules>,
    /// Of the items of a list, or the values of a map.
    each: Option<Box<Rules>>,
    /// By which fields items of a list are known again; None: they aren't.
    keys: Option<Vec<String>>,
}

#[derive(Debug)]
struct Rule {
    text: String,
    program: Program,
    message: Option<String>,
    /// With its text.
    message_program: Option<(Program, String)>,
    reason: Option<String>,
    /// Below which field it is told.
    path: Option<String>,
    uses_old: bool,
    old_is_optional: bool,
}

/// What rules found.
#[derive(Debug, Default)]
pub struct Verdict {
    /// What refuses the object.
    pub errors: Vec<FieldError>,
    /// What is as wrong as it was before: told, and let be.
    pub warnings: Vec<String>,
    /// What rules may still cost; None: it was too much already.
    budget: Option<u64>,
}

/// What the rules of an object may cost, all together.
const BUDGET: u64 = 10_000_000;

/// What is said when they did.
const SPENT: &str = "validation failed due to running out of cost budget, no further validation rules will be run";

impl Rules {
    /// The rules of a schema; None: it has none. What can't be compiled is noted, at its place below `path`, and what it may cost.
    pub fn of(schema: &Json, path: &str, budget: &mut Budget, errors: &mut Vec<FieldError>) -> Option<Self> {
        if !has_rules(schema) {
            return None;
        }
        let of = declare(schema, true, "object")?;
        let place = Place { path: path.to_owned(), uncorrelatable: None, is_resource: true, times: Some(1) };
        read(schema, of, &place, budget, errors)
    }

    /// Holds an object against the rules.
    pub fn check(&self, object: &Json, old: Option<&Json>) -> Verdict {
        let mut verdict = Verdict { budget: Some(BUDGET), ..Verdict::default() };
        self.walk(object, old, false, "", &mut verdict);
        verdict
    }

    /// `is_same`: what is around it is as it was.
    fn walk(&self, value: &Json, old: Option<&Json>, is_same: bool, path: &str, verdict: &mut Verdict) {
        if value.is_null() || verdict.budget.is_none() {
            return;
        }
        let old = old.filter(|old| !old.is_null());
        let is_same = old.map_or(is_same, |old| old == value);
        if verdict.budget == Some(0) && !self.own.is_empty() {
            self.end(if path.is_empty() { "<nil>" } else { path }, SPENT, verdict);
        }
        for rule in &self.own {
            self.hold(rule, value, old, is_same, path, verdict);
        }
        match value {
            Json::Array(items) => {
                let Some(each) = &self.each else { return };
                for (index, item) in items.iter().enumerate() {
                    let before = old.and_then(|old| self.counterpart(item, old));
                    each.walk(item, before, is_same, &format!("{path}[{index}]"), verdict);
                }
            }
            Json::Object(map) => {
                for (name, one) in map {
                    let before = old.and_then(|old| old.get(name));
                    if let Some(rules) = self.fields.get(name) {
                        rules.walk(one, before, is_same, &below(path, name), verdict);
                    } else if let Some(each) = &self.each {
                        each.walk(one, before, is_same, &format!("{path}[{name}]"), verdict);
                    }
                }
            }
            _ => {}
        }
    }

    /// What an item of a keyed list was before.
    fn counterpart<'o>(&self, item: &Json, old: &'o Json) -> Option<&'o Json> {
        let keys = self.keys.as_ref()?;
        old.as_array()?.iter().find(|before| keys.iter().all(|key| before[key] == item[key]))
    }

    /// No rule is asked any more.
    fn end(&self, here: &str, why: &str, verdict: &mut Verdict) {
        verdict.errors.push(self.refusal(None, here, None, why));
        verdict.budget = None;
    }

    fn hold(&self, rule: &Rule, value: &Json, old: Option<&Json>, is_same: bool, path: &str, verdict: &mut Verdict) {
        let Some(budget) = verdict.budget else { return };
        let mut variables = vec![("self", Value::read(value, &self.of))];
        if rule.uses_old {
            let old = old.map(|old| Value::read(old, &self.of));
            match (old, rule.old_is_optional) {
                (old, true) => variables.push(("oldSelf", Value::optional(old))),
                (Some(old), false) => variables.push(("oldSelf", old)),
                // About a change, where there is none.
                (None, false) => return,
            }
        }
        let here = if path.is_empty() { "<nil>" } else { path };
        let run = rule.program.run(&variables);
        let Some(budget) = budget.checked_sub(run.cost) else { return self.end(here, SPENT, verdict) };
        verdict.budget = Some(budget);
        let error = match run.value {
            Ok(Value::Bool(true)) => return,
            Err(why) if why == OVER => {
                let name = rule.name();
                let why = format!("'{why}': no further validation rules will be run due to call cost exceeds limit for rule: {name}");
                return self.end(here, &why, verdict);
            }
            Err(why) => {
                let detail = if why.starts_with("no such overload") {
                    format!(
                        "'{why}': call arguments did not match a supported operator, function or macro signature for rule: {}",
                        rule.name()
                    )
                } else {
                    format!("{why} evaluating rule: {}", rule.name())
                };
                verdict.errors.push(self.refusal(None, here, None, &detail));
                return;
            }
            Ok(_) => {
                let at = match &rule.path {
                    Some(below) if path.is_empty() => below.clone(),
                    Some(below) => format!("{path}.{below}"),
                    None => here.to_owned(),
                };
                let (words, cost) = match rule.words(&variables, budget) {
                    Ok(told) => told,
                    Err(why) => return self.end(&at, &why, verdict),
                };
                verdict.budget = Some(budget - cost);
                self.refusal(rule.reason.as_deref(), &at, Some(value), &words)
            }
        };
        if is_same && !rule.uses_old {
            verdict.warnings.push(format!("{}: {}", error.field, error.message));
        } else {
            verdict.errors.push(error);
        }
    }

    /// `value`: what the rule was about. Lists and maps aren't shown, and of what can't be told only the type is.
    fn refusal(&self, reason: Option<&str>, path: &str, value: Option<&Json>, detail: &str) -> FieldError {
        let shown = value.map_or_else(
            || Some(Json::from(self.shown.as_str())),
            |value| (!value.is_object() && !value.is_array()).then(|| value.clone()),
        );
        match (reason, shown) {
            (Some("FieldValueForbidden"), _) => FieldError::forbidden(path, detail),
            (Some("FieldValueRequired"), _) => FieldError::required(path, detail),
            (Some("FieldValueDuplicate"), Some(shown)) => FieldError::duplicate(path, &shown),
            (Some("FieldValueDuplicate"), None) => {
                FieldError { reason: "FieldValueDuplicate", field: path.to_owned(), message: "Duplicate value".to_owned() }
            }
            (_, Some(shown)) => FieldError::invalid(path, &shown, detail),
            (_, None) => FieldError { reason: "FieldValueInvalid", field: path.to_owned(), message: format!("Invalid value: {detail}") },
        }
    }
}

impl Rule {
    /// What it is called in messages.
    fn name(&self) -> &str {
        self.message.as_deref().unwrap_or(&self.text).trim()
    }

    /// What is told when it doesn't hold, and what that cost. The error: it costs too much.
    fn words(&self, variables: &[(&str, Value)], budget: u64) -> Result<(String, u64), String> {
        let own = || self.message.as_ref().map_or_else(|| format!("failed rule: {}", self.name()), |message| message.trim().to_owned());
        let Some((program, text)) = &self.message_program else { return Ok((own(), 0)) };
        let run = program.run(variables);
        if run.cost > budget {
            return Err(
                "messageExpression evaluation failed due to running out of cost budget, no further validation rules will be run".to_owned()
            );
        }
        match run.value {
            Err(why) if why == OVER => {
                Err(format!("no further validation rules will be run due to call cost exceeds limit for messageExpression: {text:?}"))
            }
            Ok(Value::String(told)) if is_message(told.trim()) => Ok((told.trim().to_owned(), run.cost)),
            _ => Ok((own(), run.cost)),
        }
    }
}

/// Whether a text can be told: it is one, on one line, and no novel.
fn is_message(text: &str) -> bool {
    !text.is_empty() && !text.contains('\n') && text.len() <= 5 * 1024
}

/// Whether a schema has rules anywhere.
fn has_rules(schema: &Json) -> bool {
    match schema {
        Json::Object(map) => map.iter().any(|(key, value)| (key == EXTENSION && value.is_array()) || has_rules(value)),
        Json::Array(items) => items.iter().any(has_rules),
        _ => false,
    }
}

/// Where a schema stands in its definition.
struct Place {
    path: String,
    /// The list around it whose items can't be known again, if there is one.
    uncorrelatable: Option<String>,
    /// Whether it is of whole objects.
    is_resource: bool,
    /// How many values of it an object has at most; None: as many as fit.
    times: Option<u64>,
}

impl Place {
    /// What is below a schema, of which there are so many values in each of its own.
    fn below(&self, part: &str, schema: &Json, times: Option<u64>) -> Self {
        Self {
            path: format!("{}.{part}", self.path),
            uncorrelatable: self.uncorrelatable.clone(),
            is_resource: schema["x-kubernetes-embedded-resource"] == true,
            times: self.times.zip(times).map(|(one, two)| one.saturating_mul(two)),
        }
    }
}

fn read(schema: &Json, of: Type, place: &Place, budget: &mut Budget, errors: &mut Vec<FieldError>) -> Option<Rules> {
    let mut found = Vec::new();
    let rules = schema[EXTENSION].as_array().map(Vec::as_slice).unwrap_or_default();
    let sizes = if rules.is_empty() { None } else { sizes(schema, place.is_resource) };
    for (index, rule) in rules.iter().enumerate() {
        let at = format!("{}.{EXTENSION}[{index}]", place.path);
        let old = if rule["optionalOldSelf"] == true { Type::optional(of.clone()) } else { of.clone() };
        let mut environment = Environment::of([("self", of.clone()), ("oldSelf", old)]);
        environment.sizes.clone_from(&sizes);
        found.extend(read_rule(rule, schema, &environment, place, &at, budget, errors));
    }
    let embedded = |schema: &Json| schema["x-kubernetes-embedded-resource"] == true;
    let mut fields = BTreeMap::new();
    for (name, below) in schema["properties"].as_object().into_iter().flatten() {
        let Some(of) = declare(below, embedded(below), name) else { continue };
        if let Some(rules) = read(below, of, &place.below(&format!("properties[{name}]"), below, Some(1)), budget, errors) {
            fields.insert(name.clone(), rules);
        }
    }
    let keyed = schema["x-kubernetes-list-type"] == "map";
    let mut each = None;
    for (part, is_list, limit) in [("items", true, "maxItems"), ("additionalProperties", false, "maxProperties")] {
        let below = &schema[part];
        if below.is_object()
            && let Some(of) = declare(below, embedded(below), part)
        {
            let times = schema[limit].as_i64().map(|limit| u64::try_from(limit).unwrap_or(0));
            let mut inner = place.below(part, below, times);
            if is_list && !keyed {
                inner.uncorrelatable.get_or_insert_with(|| place.path.clone());
            }
            each = each.or(read(below, of, &inner, budget, errors).map(Box::new));
        }
    }
    for junction in ["allOf", "anyOf", "oneOf"] {
        for (index, inner) in schema[junction].as_array().into_iter().flatten().enumerate() {
            misplaced(inner, &format!("{}.{junction}[{index}]", place.path), errors);
        }
    }
    misplaced(&schema["not"], &format!("{}.not", place.path), errors);
    if found.is_empty() && fields.is_empty() && each.is_none() {
        return None;
    }
    let keys = keyed.then(|| {
        let keys = schema["x-kubernetes-list-map-keys"].as_array();
        keys.into_iter().flatten().filter_map(|key| key.as_str().map(str::to_owned)).collect()
    });
    let shown = schema["type"].as_str().unwrap_or_default().to_owned();
    Some(Rules { shown, of, own: found, fields, each, keys })
}

/// Rules stand where the types do, and not in what only narrows them.
fn misplaced(schema: &Json, path: &str, errors: &mut Vec<FieldError>) {
    if schema[EXTENSION].is_array() {
        errors.push(FieldError::forbidden(format!("{path}.{EXTENSION}"), "must be empty to be structural"));
    }
    for (name, below) in schema["properties"].as_object().into_iter().flatten() {
        misplaced(below, &format!("{path}.properties[{name}]"), errors);
    }
    for part in ["items", "additionalProperties", "not"] {
        if schema[part].is_object() {
            misplaced(&schema[part], &format!("{path}.{part}"), errors);
        }
    }
}

fn read_rule(
    rule: &Json,
    typed: &Json,
    environment: &Environment,
    place: &Place,
    at: &str,
    budget: &mut Budget,
    errors: &mut Vec<FieldError>,
) -> Option<Rule> {
    let before = errors.len();
    let given = |field: &str| rule[field].as_str().filter(|text| !text.is_empty());
    let text = given("rule").unwrap_or_default();
    if text.trim().is_empty() {
        errors.push(FieldError::required(format!("{at}.rule"), "rule is not specified"));
    }
    match given("message") {
        Some(message) if message.trim().is_empty() => {
            errors.push(FieldError::invalid(format!("{at}.message"), &message.into(), "must be non-empty if specified"));
        }
        Some(message) if message.trim().contains('\n') => {
            errors.push(FieldError::invalid(format!("{at}.message"), &message.into(), "must not contain line breaks"));
        }
        None if text.trim().contains('\n') => {
            errors.push(FieldError::required(format!("{at}.message"), "message must be specified if rule contains line breaks"));
        }
        _ => {}
    }
    let message_text = given("messageExpression");
    if message_text.is_some_and(|text| text.trim().is_empty()) {
        errors.push(FieldError::required(format!("{at}.messageExpression"), "messageExpression must be non-empty if specified"));
    }
    let reasons = ["FieldValueRequired", "FieldValueForbidden", "FieldValueInvalid", "FieldValueDuplicate"];
    if let Some(reason) = given("reason").filter(|reason| !reasons.contains(reason)) {
        let mut known = reasons;
        known.sort_unstable();
        errors.push(FieldError::unsupported(format!("{at}.reason"), &reason.into(), &known));
    }
    let path = given("fieldPath").and_then(|text| match field_path(typed, text) {
        Some(path) => Some(path),
        None => {
            errors.push(FieldError::invalid(format!("{at}.fieldPath"), &text.into(), "must be a valid path"));
            None
        }
    });
    if errors.len() > before {
        return None;
    }
    let compiled = |field: &str, text: &str, wanted: &Type, what: &str, errors: &mut Vec<FieldError>| {
        let detail = match compile(text, environment) {
            Ok(program) if program.gives == *wanted => return Some(program),
            Ok(_) => format!("{}must evaluate to a {wanted}", if what.is_empty() { "cel expression " } else { what }),
            Err(why) => format!("{what}{why}"),
        };
        let message = format!("Invalid value: {}: {detail}", as_go(rule));
        errors.push(FieldError { reason: "FieldValueInvalid", field: format!("{at}.{field}"), message });
        None
    };
    let program = compiled("rule", text, &Type::Bool, "", errors)?;
    let times = place.times.unwrap_or_else(|| environment.sizes.as_ref().map_or(0, Sizes::cardinality));
    budget.charge("estimated rule cost", format!("{at}.rule"), program.most.saturating_mul(times), errors);
    let message_program = match message_text {
        Some(text) => {
            let program = compiled("messageExpression", text, &Type::String, "messageExpression ", errors);
            if let Some(program) = &program {
                budget.charge("estimated messageExpression cost", format!("{at}.messageExpression"), program.most, errors);
            }
            program.map(|program| (program, text.to_owned()))
        }
        None => None,
    };
    let uses_old = program.names.contains("oldSelf");
    if let Some(list) = place.uncorrelatable.as_ref().filter(|_| uses_old) {
        let detail = format!("oldSelf cannot be used on the uncorrelatable portion of the schema within {list}");
        errors.push(FieldError::invalid(format!("{at}.rule"), &text.into(), &detail));
    }
    if !uses_old && !rule["optionalOldSelf"].is_null() {
        let detail = "may not be set if oldSelf is not used in rule";
        errors.push(FieldError::invalid(format!("{at}.optionalOldSelf"), &rule["optionalOldSelf"], detail));
    }
    if errors.len() > before {
        return None;
    }
    Some(Rule {
        text: text.to_owned(),
        program,
        message: given("message").map(str::to_owned),
        message_program,
        reason: given("reason").map(str::to_owned),
        path,
        uses_old,
        old_is_optional: rule["optionalOldSelf"] == true,
    })
}

/// A rule as the server's own type shows it.
fn as_go(rule: &Json) -> String {
    let text = |field: &str| Json::from(rule[field].as_str().unwrap_or_default()).to_string();
    let shown = format!(
        "{{\"Rule\":{},\"Message\":{},\"MessageExpression\":{},\"Reason\":{},\"FieldPath\":{},\"OptionalOldSelf\":{}}}",
        text("rule"),
        text("message"),
        text("messageExpression"),
        rule["reason"],
        text("fieldPath"),
        rule["optionalOldSelf"]
    );
    shown.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e")
}

/// A path of a rule (`.a.b`, `.a['b.c']`), as errors write it.
fn field_path(schema: &Json, text: &str) -> Option<String> {
    let mut rest = text;
    let mut at = schema;
    let mut path = String::new();
    while !rest.is_empty() {
        let name;
        if let Some(quoted) = rest.strip_prefix("['") {
            let (inside, after) = quoted.split_once("']")?;
            (name, rest) = (inside, after);
        } else if let Some(plain) = rest.strip_prefix('.') {
            let end = plain.find(['.', '[']).unwrap_or(plain.len());
            (name, rest) = plain.split_at(end);
        } else {
            return None;
        }
        if let Some(of) = at["properties"].get(name) {
            path = below(&path, name);
            at = of;
        } else if at["additionalProperties"].is_object() {
            path = format!("{path}[{name}]");
            at = &at["additionalProperties"];
        } else {
            return None;
        }
    }
    Some(path)
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
