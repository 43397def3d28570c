//! The interpreter.

use std::collections::BTreeMap;
use std::sync::Arc;

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue};

use super::functions;
use super::program::{Form, RangeKind, namespaced};
use super::value::{Key, Value};

/// How deep expressions may be nested.
const DEPTH: usize = 250;

/// Names that have values, the innermost first.
#[derive(Clone, Default)]
pub struct Scope<'a> {
    names: Option<Arc<Bound<'a>>>,
    depth: usize,
}

struct Bound<'a> {
    name: &'a str,
    value: Value,
    outer: Option<Arc<Bound<'a>>>,
}

impl<'a> Scope<'a> {
    /// With one more.
    pub fn with(&self, name: &'a str, value: Value) -> Self {
        Self { names: Some(Arc::new(Bound { name, value, outer: self.names.clone() })), depth: self.depth + 1 }
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

type Outcome = Result<Value, String>;

/// The value of an expression.
pub fn eval<'a>(expr: &'a IdedExpr, scope: &Scope<'a>) -> Outcome {
    match &expr.expr {
        Expr::Literal(literal) => Ok(literal_value(literal)),
        Expr::Ident(name) => match scope.find(name) {
            Some(Value::Failed(why)) => Err(why.to_string()),
            Some(value) => Ok(value.clone()),
            None => functions::kind_named(name).ok_or_else(|| format!("no such attribute(s): {name}")),
        },
        Expr::Select(select) => {
            let of = eval(&select.operand, scope)?;
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
            Ok(Value::Made(made.type_name.as_str().into(), Arc::new(fields)))
        }
        Expr::Comprehension(_) | Expr::Unspecified => Err("unexpected expression".to_owned()),
    }
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
        ("_&&_", [one, two]) => return logical(eval(one, scope), || eval(two, scope), false),
        ("_||_", [one, two]) => return logical(eval(one, scope), || eval(two, scope), true),
        ("_?_:_", [condition, yes, no]) => {
            return match eval(condition, scope)? {
                Value::Bool(true) => eval(yes, scope),
                Value::Bool(false) => eval(no, scope),
                _ => Err("no such overload".to_owned()),
            };
        }
        ("_?._", [operand, IdedExpr { expr: Expr::Literal(LiteralValue::String(name)), .. }]) => {
            return match eval(operand, scope)? {
                Value::Optional(None) => Ok(Value::Optional(None)),
                Value::Optional(Some(inner)) => Ok(Value::optional(optional_field(&inner, name.inner())?)),
                of => Ok(Value::optional(optional_field(&of, name.inner())?)),
            };
        }
        _ => {}
    }
    let qualified = namespaced(call).filter(|name| functions::is_known(name, false));
    let (name, target) = match (&qualified, &call.target) {
        (Some(name), _) => (name.as_str(), None),
        (None, target) => (call.func_name.as_str(), target.as_deref()),
    };
    let values = target.into_iter().chain(args).map(|arg| eval(arg, scope)).collect::<Result<Vec<_>, _>>()?;
    functions::call(name, target.is_some(), &values)
}

/// And, or: what decides needs no other side, not even one that fails.
fn logical(one: Outcome, two: impl FnOnce() -> Outcome, decides: bool) -> Outcome {
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
        Form::Optional { target, name, body, flat } => match eval(target, scope)? {
            Value::Optional(None) => Ok(Value::Optional(None)),
            Value::Optional(Some(inner)) => {
                let found = eval(body, &scope.with(name, Value::clone(&inner)))?;
                Ok(if flat { found } else { Value::optional(Some(found)) })
            }
            _ => Err("no such overload".to_owned()),
        },
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
            self::range(kind, &entries, by_key, bind, filter, body)
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
        for (key, value) in entries {
            match boolean(eval(body, &bind(key, value))) {
                Ok(found) if found == decides => return Ok(Value::Bool(decides)),
                Ok(_) => {}
                Err(error) => {
                    failed.get_or_insert(error);
                }
            }
        }
        return failed.map_or(Ok(Value::Bool(!decides)), Err);
    }
    let (mut items, mut map, mut count) = (Vec::new(), BTreeMap::new(), 0);
    for (key, value) in entries {
        let scope = bind(key, value);
        if let Some(filter) = filter
            && !boolean(eval(filter, &scope))?
        {
            continue;
        }
        let found = eval(body, &scope)?;
        match kind {
            RangeKind::ExistsOne => count += usize::from(boolean(Ok(found))?),
            RangeKind::Filter => {
                if boolean(Ok(found))? {
                    items.push(if by_key { key.clone() } else { value.clone() });
                }
            }
            RangeKind::Map => {
                if let Some(key) = key.key() {
                    map.insert(key, found);
                }
            }
            RangeKind::Entries => {
                let Value::Map(made) = found else { return Err("no such overload".to_owned()) };
                for (key, value) in made.iter() {
                    if map.insert(key.clone(), value.clone()).is_some() {
                        return Err(format!("insert failed: key {} already exists", shown_key(key)));
                    }
                }
            }
            _ => items.push(found),
        }
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
