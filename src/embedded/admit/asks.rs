//! What policies of both kinds ask: the conditions under which they are about a request, the variables that they call by names of
//! their own, and what all that may cost.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::asked::{Asked, authorizer_types, decide, is_authorizer, namespace_type, request_type};
use super::policies::text;
use crate::embedded::api::FieldError;
use crate::embedded::cel::{Bindings, Environment, Program, Rights, Type, Value, compile};
use crate::embedded::world::State;

/// What the expressions of one kind in a policy may cost, for one object.
pub(super) const BUDGET: u64 = 10_000_000;

/// What its conditions may.
const CONDITIONS: u64 = 2_500_000;

/// What is said when it was too much.
pub(super) const SPENT: &str = "validation failed due to running out of cost budget, no further validation rules will be run";

/// What a policy asks before anything else, and what it calls by names of its own.
#[derive(Debug)]
pub(super) struct Asks {
    conditions: Vec<Expression>,
    variables: Vec<(String, Program)>,
}

/// A policy's expression, with its text.
#[derive(Debug)]
pub(super) struct Expression {
    pub text: String,
    pub program: Program,
}

/// What may still be spent, and what was paid for already.
pub(super) struct Bill {
    left: u64,
    paid: BTreeSet<String>,
}

impl Bill {
    pub fn of(budget: u64) -> Self {
        Self { left: budget, paid: BTreeSet::new() }
    }

    /// What is left, for other expressions: variables are looked up anew.
    pub fn again(&self) -> Self {
        Self::of(self.left)
    }

    fn spend(&mut self, cost: u64) -> Result<(), Trouble> {
        self.left = self.left.checked_sub(cost).ok_or(Trouble::Spent)?;
        Ok(())
    }
}

/// Why an expression gives nothing.
pub(super) enum Trouble {
    Fails(String),
    /// It would cost more than is left.
    Spent,
}

/// What expressions may name, with its values, and the state that questions about rights are answered from.
pub(super) struct Names<'n> {
    values: Vec<(&'static str, Value)>,
    /// What each variable cost, and which others it is made of.
    costs: BTreeMap<String, (u64, BTreeSet<String>)>,
    state: &'n State,
}

impl<'n> Names<'n> {
    fn new(state: &'n State, asked: &Asked<'_>, params: &Json) -> Self {
        let json = |object: Option<&Json>| object.map_or(Value::Null, |object| Value::read(object, &Type::Dyn));
        let values = vec![
            ("object", json(asked.object)),
            ("oldObject", json(asked.old)),
            ("request", asked.request()),
            ("namespaceObject", asked.namespace_object(state)),
            ("params", Value::read(params, &Type::Dyn)),
        ];
        Self { values, costs: BTreeMap::new(), state }
    }

    fn run(&self, program: &Program) -> crate::embedded::cel::Run {
        program.run_by(&self.values, Some(&|question: &Rights, verb: &str| decide(self.state, question, verb)))
    }

    /// Variables are paid for when they are first asked for.
    fn pay(&self, uses: &BTreeSet<String>, bill: &mut Bill) -> Result<(), Trouble> {
        for name in uses {
            if let Some((cost, uses)) = self.costs.get(name)
                && bill.paid.insert(name.clone())
            {
                bill.spend(*cost)?;
                self.pay(uses, bill)?;
            }
        }
        Ok(())
    }
}

/// What policies of both kinds say alike, and what their other expressions may name. `always`: variables, though there be none.
pub(super) fn asks(spec: &Json, always: bool, errors: &mut Vec<FieldError>) -> (Environment, Asks) {
    let mut environment = Environment::of([
        ("object", Type::Dyn),
        ("oldObject", Type::Dyn),
        ("request", request_type()),
        ("namespaceObject", namespace_type()),
    ]);
    environment.variables.extend(authorizer_types());
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
    pub(super) fn names<'n>(&self, state: &'n State, asked: &Asked<'_>, params: &Json) -> Result<Option<Names<'n>>, String> {
        let mut names = Names::new(state, asked, params);
        names.values.extend(asked.authorizers());
        if !self.are_met(&names)? {
            return Ok(None);
        }
        self.bind(&mut names);
        Ok(Some(names))
    }

    /// The same for expressions that know nothing of rights: nor do the variables that they name.
    pub(super) fn without_rights<'n>(&self, state: &'n State, asked: &Asked<'_>, params: &Json, names: Names<'n>) -> Names<'n> {
        if !self.variables.iter().any(|(_, program)| program.names.iter().any(|name| is_authorizer(name))) {
            let mut names = names;
            names.values.retain(|(name, _)| !is_authorizer(name));
            return names;
        }
        let mut names = Names::new(state, asked, params);
        self.bind(&mut names);
        names
    }

    /// One that doesn't hold decides, whatever else fails.
    fn are_met(&self, names: &Names<'_>) -> Result<bool, String> {
        let mut bill = Bill::of(CONDITIONS);
        let mut wrong = Vec::new();
        for condition in &self.conditions {
            match condition.run(names, &mut bill) {
                Ok(Value::Bool(true)) => {}
                Ok(_) => return Ok(false),
                Err(Trouble::Fails(why)) => wrong.push(why),
                Err(Trouble::Spent) => return Err(SPENT.to_owned()),
            }
        }
        match wrong.as_slice() {
            [] => Ok(true),
            [one] => Err(one.clone()),
            all => Err(format!("[{}]", all.join(", "))),
        }
    }

    /// What can't be told is an error for whoever asks for it, not before.
    fn bind(&self, names: &mut Names<'_>) {
        let mut known: Vec<(String, Value)> = Vec::new();
        for (name, program) in &self.variables {
            names.values.push(("variables", Value::map(known.clone())));
            let run = names.run(program);
            names.values.pop();
            let value =
                run.value.unwrap_or_else(|why| Value::Failed(format!("composited variable \"{name}\" fails to evaluate: {why}").into()));
            known.push((name.clone(), value));
            names.costs.insert(name.clone(), (run.cost, program.uses.clone()));
        }
        names.values.push(("variables", Value::map(known)));
    }
}

impl Expression {
    pub fn run(&self, names: &Names<'_>, bill: &mut Bill) -> Result<Value, Trouble> {
        let run = names.run(&self.program);
        names.pay(&self.program.uses, bill)?;
        bill.spend(run.cost)?;
        run.value.map_err(|why| Trouble::Fails(format!("expression '{}' resulted in error: {why}", self.text)))
    }
}
