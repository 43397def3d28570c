//! The interpreter.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue};

use super::bounds::{LIST, MAP, STRUCT};
use super::functions::{self, Authority};
use super::meter::{self, Meter, OVER};
use super::program::{Form, RangeKind, namespaced};
use super::value::{Key, Value};

/// How deep expressions may be nested.
const DEPTH: usize = 250;

/// Names that have values, the innermost first.
#[derive(Clone, Default)]
pub struct Scope<'a> {
    names: Option<Arc<Bound<'a>>>,
    depth: usize,
    /// What it all costs.
    pub meter: Rc<Meter>,
    /// Who answers questions about rights; None: there is nobody.
    authority: Option<Authority<'a>>,
}

struct Bound<'a> {
    name: &'a str,
    value: Value,
    outer: Option<Arc<Bound<'a>>>,
}

impl<'a> Scope<'a> {
    /// Without names yet.
    pub fn by(authority: Option<Authority<'a>>) -> Self {
        Self { authority, ..Self::default() }
    }

    /// With one more.
    pub fn with(&self, name: &'a str, value: Value) -> Self {
        let names = Some(Arc::new(Bound { name, value, outer: self.names.clone() }));
        Self { names, depth: self.depth + 1, meter: Rc::clone(&self.meter), authority: self.authority }
    }

    fn find(&self, name: &str) -> Option<&Value> {
        let mut at = self.names.as_deref();
        while let Some(bound) = at {
            if bound.name == name {
                return Some(&bound.value);
            }
            at = bound.outer.as_deref();
        }
        None
    }
}

/// Variables with names of two parts, and the whole.
const PARTS: [(&str, &str, &str); 1] = [("authorizer", "requestResource", "authorizer.requestResource")];

type Outcome = Result<Value, String>;

/// The value of an expression, if it isn't too dear.
pub fn eval<'a>(expr: &'a IdedExpr, scope: &Scope<'a>) -> Outcome {
    let outcome = value(expr, scope);
    if scope.meter.is_over() { Err(OVER.to_owned()) } else { outcome }
}

fn value<'a>(expr: &'a IdedExpr, scope: &Scope<'a>) -> Outcome {
    match &expr.expr {
        Expr::Literal(literal) => Ok(literal_value(literal)),
        Expr::Ident(name) => match scope.find(name) {
            Some(value) => {
                scope.meter.spend(1);
                if let Value::Failed(why) = value { Err(why.to_string()) } else { Ok(value.clone()) }
            }
            None => functions::kind_named(name).ok_or_else(|| format!("no such attribute(s): {name}")),
        },
        Expr::Select(select) => {
            if let Expr::Ident(name) = &select.operand.expr
                && let Some((_, _, whole)) = PARTS.iter().find(|(first, second, _)| first == name && *second == select.field)
            {
                scope.meter.spend(1);
                return scope.find(whole).cloned().ok_or_else(|| format!("no such attribute(s): {whole}"));
            }
            let of = part_of(&select.operand, scope)?;
            scope.meter.spend(1);
            if select.test { has(&of, &select.field) } else { field(&of, &select.field) }
        }
        Expr::Call(call) => self::call(call, scope),
        Expr::List(list) => {
            let mut items = Vec::new();
            for (index, element) in list.elements.iter().enumerate() {
                match eval(element, scope)? {
                    Value::Optional(inner) if list.optional_indices.contains(&index) => {
                        items.extend(inner.map(|inner| Value::clone(&inner)));
                    }
                    value => items.push(value),
                }
            }
            if !meter::is_known(expr) {
                scope.meter.spend(LIST);
            }
            Ok(Value::list(items))
        }
        Expr::Map(map) => {
            let mut entries = BTreeMap::new();
            for entry in &map.entries {
                let EntryExpr::MapEntry(entry) = &entry.expr else { continue };
                let key = eval(&entry.key, scope)?;
                let key = key.key().ok_or_else(|| format!("unsupported key type: {}", key.type_name()))?;
                let value = match eval(&entry.value, scope)? {
                    Value::Optional(None) if entry.optional => continue,
                    Value::Optional(Some(inner)) if entry.optional => Value::clone(&inner),
                    value => value,
                };
                if entries.insert(key.clone(), value).is_some() {
                    return Err(format!("insert failed: key {} already exists", shown_key(&key)));
                }
            }
            if !meter::is_known(expr) {
                scope.meter.spend(MAP);
            }
            Ok(Value::Map(Arc::new(entries)))
        }
        // The checker lets none through.
        Expr::Struct(made) => {
            let mut fields = BTreeMap::new();
            for entry in &made.entries {
                let EntryExpr::StructField(field) = &entry.expr else { continue };
                let value = match eval(&field.value, scope)? {
                    Value::Optional(None) if field.optional => continue,
                    Value::Optional(Some(inner)) if field.optional => Value::clone(&inner),
                    value => value,
                };
                fields.insert(field.field.clone(), value);
            }
            scope.meter.spend(STRUCT);
            Ok(Value::Made(made.type_name.as_str().into(), Arc::new(fields)))
        }
        Expr::Comprehension(_) | Expr::Unspecified => Err("unexpected expression".to_owned()),
    }
}

/// What something is taken from: whatever is computed counts as a name does, once.
fn part_of<'a>(operand: &'a IdedExpr, scope: &Scope<'a>) -> Outcome {
    let of = eval(operand, scope)?;
    if !meter::is_attribute(operand) && !meter::is_choice(operand) {
        scope.meter.spend(1);
    }
    Ok(of)
}

fn shown_key(key: &Key) -> String {
    match key {
        Key::Bool(value) => value.to_string(),
        Key::Int(value) => value.to_string(),
        Key::String(text) => text.to_string(),
    }
}

fn has(of: &Value, field: &str) -> Outcome {
    match of {
        Value::Map(map) => Ok(Value::Bool(map.contains_key(&Key::String(field.into())))),
        Value::Made(_, fields) => Ok(Value::Bool(fields.contains_key(field))),
        Value::Optional(None) => Ok(Value::Bool(false)),
        Value::Optional(Some(inner)) => has(inner, field),
        _ => Err("no such overload".to_owned()),
    }
}

fn field(of: &Value, name: &str) -> Outcome {
    match of {
        Value::Map(map) => match map.get(&Key::String(name.into())) {
            Some(Value::Failed(why)) => Err(why.to_string()),
            Some(value) => Ok(value.clone()),
            None => Err(format!("no such key: {name}")),
        },
        Value::Made(_, fields) => fields.get(name).cloned().ok_or_else(|| format!("no such key: {name}")),
        Value::Optional(inner) => Ok(match inner {
            Some(inner) => Value::optional(optional_field(inner, name)?),
            None => Value::Optional(None),
        }),
        _ => Err("no such overload".to_owned()),
    }
}

/// A field that may be missing.
fn optional_field(of: &Value, name: &str) -> Result<Option<Value>, String> {
    match (of, has(of, name)?) {
        (_, Value::Bool(true)) => Ok(Some(field(of, name)?)),
        _ => Ok(None),
    }
}

fn call<'a>(call: &'a CallExpr, scope: &Scope<'a>) -> Outcome {
    if scope.depth > DEPTH {
        return Err("expression is nested too deep".to_owned());
    }
    if let Some(Ok(form)) = Form::of(call) {
        return self::form(form, scope);
    }
    let args = &call.args;
    match (call.func_name.as_str(), args.as_slice()) {
        ("_&&_", [one, two]) => return logical(eval(one, scope), || eval(two, scope), false, &scope.meter),
        ("_||_", [one, two]) => return logical(eval(one, scope), || eval(two, scope), true, &scope.meter),
        ("_?_:_", [condition, yes, no]) => {
            let chosen = match eval(condition, scope)? {
                Value::Bool(true) => yes,
                Value::Bool(false) => no,
                _ => return Err("no such overload".to_owned()),
            };
            let value = eval(chosen, scope)?;
            if meter::is_attribute(chosen) {
                scope.meter.give_back(1);
            }
            return Ok(value);
        }
        ("_?._", [operand, IdedExpr { expr: Expr::Literal(LiteralValue::String(name)), .. }]) => {
            let found = match part_of(operand, scope)? {
                Value::Optional(None) => None,
                Value::Optional(Some(inner)) => optional_field(&inner, name.inner())?,
                of => optional_field(&of, name.inner())?,
            };
            scope.meter.spend(u64::from(found.is_some()));
            return Ok(Value::optional(found));
        }
        _ => {}
    }
    let qualified = namespaced(call).filter(|name| functions::is_known(name, false));
    let (name, target) = match (&qualified, &call.target) {
        (Some(name), _) => (name.as_str(), None),
        (None, target) => (call.func_name.as_str(), target.as_deref()),
    };
    if let ("_[_]" | "_[?_]", [operand, index]) = (name, args.as_slice()) {
        let values = [part_of(operand, scope)?, eval(index, scope)?];
        // An index that only names something counts as that.
        let found = functions::call(name, false, &values);
        let is_there = !matches!(found, Ok(Value::Optional(None)));
        scope.meter.spend(u64::from(is_there && !meter::is_attribute(index)));
        return found;
    }
    let values = target.into_iter().chain(args).map(|arg| eval(arg, scope)).collect::<Result<Vec<_>, _>>()?;
    let result = match (name, values.as_slice(), scope.authority) {
        ("check", [Value::Rights(question), Value::String(verb)], Some(authority)) => Ok(authority(question, verb).value()),
        _ => functions::call(name, target.is_some(), &values),
    };
    let is_free = match (name, args.as_slice()) {
        ("@in", [_, list]) => meter::is_known(list),
        _ => meter::is_known_call(call),
    };
    if !is_free {
        scope.meter.spend(meter::call(name, target.is_some(), &values, result.as_ref().ok()));
    }
    result
}

/// And, or: what decides needs no other side, not even one that fails.
fn logical(one: Outcome, two: impl FnOnce() -> Outcome, decides: bool, meter: &Meter) -> Outcome {
    // What costs too much is over, whatever the other side says.
    if meter.is_over() {
        return one;
    }
    let is = |outcome: &Outcome| match outcome {
        Ok(Value::Bool(value)) => Some(*value),
        _ => None,
    };
    if is(&one) == Some(decides) {
        return one;
    }
    let two = two();
    match (is(&one), is(&two)) {
        (_, Some(value)) if value == decides => Ok(Value::Bool(decides)),
        (Some(_), Some(_)) => Ok(Value::Bool(!decides)),
        (None, _) => one.and(Err("no such overload".to_owned())),
        (_, None) => two.and(Err("no such overload".to_owned())),
    }
}

fn form<'a>(form: Form<'a>, scope: &Scope<'a>) -> Outcome {
    match form {
        Form::Has(select) => has(&eval(&select.operand, scope)?, &select.field),
        Form::Optional { target, name, body, flat } => {
            let before = scope.meter.spent();
            let of = eval(target, scope)?;
            // It is asked whether it has a value, and what it gives depends on that.
            let asked = scope.meter.spent() - before + 1;
            scope.meter.spend(1);
            match of {
                Value::Optional(None) => {
                    scope.meter.spend(1);
                    Ok(Value::Optional(None))
                }
                Value::Optional(Some(inner)) => {
                    // And then for the value, as it were once more.
                    scope.meter.spend(asked + u64::from(!flat));
                    let found = eval(body, &scope.with(name, Value::clone(&inner)))?;
                    Ok(if flat { found } else { Value::optional(Some(found)) })
                }
                _ => Err("no such overload".to_owned()),
            }
        }
        Form::Range { kind, over, names, filter, body } => {
            let range = eval(over, scope)?;
            let entries = entries(&range)?;
            // One name alone is a list's item, or a map's key.
            let by_key = matches!(range, Value::Map(_));
            let bind = |key: &Value, value: &Value| match names.as_slice() {
                [one, two] => scope.with(one, key.clone()).with(two, value.clone()),
                [one] => scope.with(one, if by_key { key.clone() } else { value.clone() }),
                _ => scope.clone(),
            };
            self::range(kind, &entries, by_key, bind, filter, body, &scope.meter)
        }
    }
}

/// Keys (or places) and values.
fn entries(range: &Value) -> Result<Vec<(Value, Value)>, String> {
    match range {
        Value::List(items, _) => {
            Ok(items.iter().enumerate().map(|(index, item)| (Value::Int(i64::try_from(index).unwrap_or(i64::MAX)), item.clone())).collect())
        }
        Value::Map(map) => Ok(map.iter().map(|(key, value)| (functions::key_value(key), value.clone())).collect()),
        _ => Err("no such overload".to_owned()),
    }
}

fn range<'a>(
    kind: RangeKind,
    entries: &[(Value, Value)],
    by_key: bool,
    bind: impl Fn(&Value, &Value) -> Scope<'a>,
    filter: Option<&'a IdedExpr>,
    body: &'a IdedExpr,
    meter: &Meter,
) -> Outcome {
    let boolean = |outcome: Outcome| match outcome {
        Ok(Value::Bool(value)) => Ok(value),
        Ok(_) => Err("no such overload".to_owned()),
        Err(error) => Err(error),
    };
    if matches!(kind, RangeKind::All | RangeKind::Exists) {
        let decides = kind == RangeKind::Exists;
        // One that decides does so whatever else fails.
        let mut failed = None;
        // Before each it is asked whether it is decided, and each is put together with what was.
        let asks = if decides { 3 } else { 2 };
        meter.spend(1);
        for (index, (key, value)) in entries.iter().enumerate() {
            meter.spend(asks + 1);
            match boolean(eval(body, &bind(key, value))) {
                _ if meter.is_over() => return Err(OVER.to_owned()),
                Ok(found) if found == decides => {
                    meter.spend(if index + 1 < entries.len() { asks } else { 0 });
                    return Ok(Value::Bool(decides));
                }
                Ok(_) => {}
                Err(error) => {
                    failed.get_or_insert(error);
                }
            }
        }
        return failed.map_or(Ok(Value::Bool(!decides)), Err);
    }
    // What it gives is named, and of those that are counted compared with one.
    meter.spend(if kind == RangeKind::ExistsOne { 2 } else { 1 });
    let (mut items, mut map, mut count) = (Vec::new(), BTreeMap::new(), 0);
    for (key, value) in entries {
        let scope = bind(key, value);
        if let Some(filter) = filter
            && !boolean(eval(filter, &scope))?
        {
            continue;
        }
        let found = eval(body, &scope)?;
        // What was gathered is named, and added to: a list of one, or an entry.
        match kind {
            RangeKind::ExistsOne => {
                let holds = boolean(Ok(found))?;
                meter.spend(if holds { 1 + 1 } else { 0 });
                count += usize::from(holds);
            }
            RangeKind::Filter => {
                if boolean(Ok(found))? {
                    meter.spend(1 + 1 + LIST + 1);
                    items.push(if by_key { key.clone() } else { value.clone() });
                }
            }
            RangeKind::Map => {
                meter.spend(1 + 1 + 1);
                if let Some(key) = key.key() {
                    map.insert(key, found);
                }
            }
            RangeKind::Entries => {
                meter.spend(1 + 1);
                let Value::Map(made) = found else { return Err("no such overload".to_owned()) };
                for (key, value) in made.iter() {
                    if map.insert(key.clone(), value.clone()).is_some() {
                        return Err(format!("insert failed: key {} already exists", shown_key(key)));
                    }
                }
            }
            _ => {
                meter.spend(1 + 1 + LIST);
                items.push(found);
            }
        }
    }
    if kind == RangeKind::Sorted {
        // What is sorted is named twice; keys are made into a list, and compared each with each.
        meter.spend(2);
        meter.spend(meter::compared(&items));
        let all: Vec<Value> = entries.iter().map(|(_, value)| value.clone()).collect();
        return functions::sorted(&all, &items).map(Value::list);
    }
    Ok(match kind {
        RangeKind::ExistsOne => Value::Bool(count == 1),
        RangeKind::Map | RangeKind::Entries => Value::Map(Arc::new(map)),
        _ => Value::list(items),
    })
}

/// A literal's value.
pub fn literal_value(literal: &LiteralValue) -> Value {
    match literal {
        LiteralValue::Boolean(value) => Value::Bool(*value.inner()),
        LiteralValue::Bytes(value) => Value::Bytes(value.inner().into()),
        LiteralValue::Double(value) => Value::Double(*value.inner()),
        LiteralValue::Int(value) => Value::Int(*value.inner()),
        LiteralValue::Null => Value::Null,
        LiteralValue::String(value) => Value::text(value.inner()),
        LiteralValue::UInt(value) => Value::Uint(*value.inner()),
    }
}
