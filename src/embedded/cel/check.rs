//! The checker: what an expression gives, and what in it doesn't fit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SelectExpr, StructExpr};

use super::eval::literal_value;
use super::functions::{self, Overload};
use super::program::{Environment, Form, RangeKind, namespaced};
use super::types::{Bindings, Type, join};

/// The names of types, which are values too.
const KINDS: [&str; 10] = ["bool", "int", "uint", "double", "string", "bytes", "list", "map", "null_type", "type"];

/// Functions that make another type's value of one.
const CONVERSIONS: [&str; 8] = ["bool", "bytes", "double", "duration", "int", "string", "timestamp", "uint"];

/// A check under way.
pub struct Checker<'e> {
    environment: &'e Environment,
    local: Vec<(String, Type)>,
    /// What is wrong: at which expression, and how.
    pub errors: Vec<(u64, String)>,
    /// The variables of the environment that are named.
    pub names: BTreeSet<String>,
    /// A conversion of a literal that fails whenever it is evaluated.
    pub broken: Option<String>,
    /// What each expression gives.
    pub types: BTreeMap<u64, Type>,
    /// What each call may turn out to call.
    pub calls: BTreeMap<u64, Vec<&'static Overload>>,
    /// The fields of `variables` that are named.
    pub uses: BTreeSet<String>,
}

impl<'e> Checker<'e> {
    /// A check in an environment.
    pub fn new(environment: &'e Environment) -> Self {
        let (types, calls) = (BTreeMap::new(), BTreeMap::new());
        Self {
            environment,
            local: Vec::new(),
            errors: Vec::new(),
            names: BTreeSet::new(),
            broken: None,
            types,
            calls,
            uses: BTreeSet::new(),
        }
    }

    /// What an expression gives. What is wrong in it is noted, and gives anything.
    pub fn check(&mut self, expr: &IdedExpr) -> Type {
        let of = self.type_of(expr);
        self.types.insert(expr.id, of.clone());
        of
    }

    fn type_of(&mut self, expr: &IdedExpr) -> Type {
        match &expr.expr {
            Expr::Literal(literal) => literal_type(literal),
            Expr::Ident(name) => self.name(expr.id, name),
            Expr::Select(select) => self.select(expr.id, select),
            Expr::Call(call) => self.call(expr.id, call),
            Expr::List(list) => {
                let mut item = None;
                for (index, element) in list.elements.iter().enumerate() {
                    let mut of = self.check(element);
                    if list.optional_indices.contains(&index)
                        && let Type::Optional(inner) = of
                    {
                        of = Type::clone(&inner);
                    }
                    item = Some(self.same(element.id, item, of));
                }
                Type::list(item.unwrap_or(Type::Param('E')))
            }
            Expr::Map(map) => {
                let (mut key, mut value) = (None, None);
                for entry in &map.entries {
                    let EntryExpr::MapEntry(entry) = &entry.expr else { continue };
                    let of = self.check(&entry.key);
                    key = Some(self.same(entry.key.id, key, of));
                    let mut of = self.check(&entry.value);
                    if entry.optional
                        && let Type::Optional(inner) = of
                    {
                        of = Type::clone(&inner);
                    }
                    value = Some(self.same(entry.value.id, value, of));
                }
                Type::Map(Arc::new(key.unwrap_or(Type::Param('K'))), Arc::new(value.unwrap_or(Type::Param('V'))))
            }
            Expr::Struct(made) => self.made(expr.id, made),
            // The parser makes these of macros alone, and knows none here.
            Expr::Comprehension(_) | Expr::Unspecified => self.wrong(expr.id, "unexpected expression".to_owned()),
        }
    }

    /// `Object.spec{a: 1}`, `JSONPatch{op: 'add'}`.
    fn made(&mut self, id: u64, made: &StructExpr) -> Type {
        let name = made.type_name.as_str();
        let (is_object, is_patch) = (name == "Object" || name.starts_with("Object."), name == "JSONPatch");
        if !self.environment.makes || !(is_object || is_patch) {
            return self.wrong(id, format!("undeclared reference to '{name}' (in container '')"));
        }
        for entry in &made.entries {
            let EntryExpr::StructField(field) = &entry.expr else { continue };
            let mut of = self.check(&field.value);
            if field.optional
                && let Type::Optional(inner) = of
            {
                of = Type::clone(&inner);
            }
            let wanted = match field.field.as_str() {
                _ if is_object => continue,
                "value" => continue,
                "op" | "path" | "from" if matches!(of, Type::String | Type::Dyn | Type::Param(_)) => continue,
                "op" | "path" | "from" => "string",
                _ => "",
            };
            self.wrong(entry.id, format!("expected type of field '{}' is '{wanted}' but provided type is '{of}'", field.field));
        }
        Type::Made(name.into())
    }

    fn wrong(&mut self, id: u64, message: String) -> Type {
        self.errors.push((id, message));
        Type::Dyn
    }

    /// Items of a list are of one type.
    fn same(&mut self, id: u64, before: Option<Type>, of: Type) -> Type {
        let Some(before) = before else { return of };
        match join(&before, &of).filter(|_| alike(&before, &of)) {
            Some(both) => both,
            None => {
                self.wrong(id, format!("expected type '{before}' but found '{of}'"));
                before
            }
        }
    }

    fn name(&mut self, id: u64, name: &str) -> Type {
        if let Some((_, of)) = self.local.iter().rev().find(|(known, _)| known == name) {
            return of.clone();
        }
        if let Some((_, of)) = self.environment.variables.iter().find(|(known, _)| known == name) {
            self.names.insert(name.to_owned());
            return of.clone();
        }
        if KINDS.contains(&name) {
            return Type::Kind;
        }
        self.wrong(id, format!("undeclared reference to '{name}' (in container '')"))
    }

    fn select(&mut self, id: u64, select: &SelectExpr) -> Type {
        if let Expr::Ident(name) = &select.operand.expr
            && !self.local.iter().any(|(known, _)| known == name)
        {
            // A variable may have a name of two parts.
            let whole = format!("{name}.{}", select.field);
            if let Some((_, of)) = self.environment.variables.iter().find(|(known, _)| *known == whole) {
                self.names.insert(whole);
                return of.clone();
            }
            if name == "variables" {
                self.uses.insert(select.field.clone());
            }
        }
        let of = self.check(&select.operand);
        let found = self.field(id, &of, &select.field);
        if select.test { Type::Bool } else { found }
    }

    fn field(&mut self, id: u64, of: &Type, field: &str) -> Type {
        match of {
            Type::Dyn | Type::Param(_) | Type::Made(_) => Type::Dyn,
            Type::Map(_, value) => Type::clone(value),
            Type::Object(object) => match object.fields.get(field) {
                Some(of) => of.clone(),
                None => self.wrong(id, format!("undefined field '{field}'")),
            },
            Type::Optional(inner) => {
                let found = self.field(id, inner, field);
                Type::optional(found)
            }
            // To the server these are objects of types that it can't look into.
            Type::Opaque(name) if !name.starts_with("net.") => self.wrong(id, format!("unexpected failed resolution of '{name}'")),
            other => self.wrong(id, format!("type '{other}' does not support field selection")),
        }
    }

    fn call(&mut self, id: u64, call: &CallExpr) -> Type {
        match Form::of(call) {
            Some(Ok(form)) => return self.form(id, form),
            Some(Err((at, message))) => return self.wrong(at, message.to_owned()),
            None => {}
        }
        if call.func_name == "_?._" {
            return self.optional_field(id, call);
        }
        let can = |name: &str| functions::is_known(name, false) && (self.environment.makes || !name.starts_with("jsonpatch."));
        let qualified = namespaced(call).filter(|name| can(name));
        let (name, target) = match (&qualified, &call.target) {
            (Some(name), _) => (name.as_str(), None),
            (None, target) => (call.func_name.as_str(), target.as_deref()),
        };
        if target.is_none() {
            self.fold(call);
        }
        if let ("matches", Some(IdedExpr { id, expr: Expr::Literal(LiteralValue::String(pattern)) })) = (name, call.args.last())
            && regex::Regex::new(pattern.inner()).is_err()
        {
            self.wrong(*id, "invalid matches argument".to_owned());
        }
        // What is to be formatted may be of any types.
        let of = |checker: &mut Self, arg: &IdedExpr| match &arg.expr {
            Expr::List(list) if name == "format" => {
                list.elements.iter().for_each(|element| drop(checker.check(element)));
                Type::list(Type::Dyn)
            }
            _ => checker.check(arg),
        };
        let given: Vec<Type> = target.into_iter().chain(&call.args).map(|arg| of(self, arg)).collect();
        let is_member = target.is_some();
        if !functions::is_known(name, is_member) && !functions::is_known(name, !is_member) {
            return self.wrong(id, format!("undeclared reference to '{name}' (in container '')"));
        }
        let mut found: Option<Type> = None;
        for overload in functions::overloads(name, is_member).filter(|overload| overload.takes.len() == given.len()) {
            let mut bindings = Bindings::default();
            if overload.takes.iter().zip(&given).all(|(wanted, given)| bindings.fits(wanted, given)) {
                self.calls.entry(id).or_default().push(overload);
                let gives = bindings.resolve(&overload.gives);
                // Several that fit, because what is given may be anything: so may be what they give.
                found = Some(match found {
                    Some(before) if before != gives => Type::Dyn,
                    _ => gives,
                });
            }
        }
        found.unwrap_or_else(|| {
            let shown: Vec<String> = given.iter().map(ToString::to_string).collect();
            let applied = if is_member { format!("{}.({})", shown[0], shown[1..].join(", ")) } else { format!("({})", shown.join(", ")) };
            self.wrong(id, format!("found no matching overload for '{name}' applied to '{applied}'"))
        })
    }

    /// Conversions of literals are tried when they are compiled.
    fn fold(&mut self, call: &CallExpr) {
        let [IdedExpr { expr: Expr::Literal(literal), .. }] = call.args.as_slice() else { return };
        let name = call.func_name.as_str();
        if !CONVERSIONS.contains(&name) {
            return;
        }
        let Err(why) = functions::call(name, false, &[literal_value(literal)]) else { return };
        match name {
            _ if why == "no such overload" => {}
            "duration" | "timestamp" => {
                self.wrong(call.args[0].id, format!("invalid {name} argument"));
            }
            _ => {
                self.broken.get_or_insert(why);
            }
        }
    }

    fn optional_field(&mut self, id: u64, call: &CallExpr) -> Type {
        let [operand, IdedExpr { expr: Expr::Literal(LiteralValue::String(field)), .. }] = call.args.as_slice() else {
            return self.wrong(id, "unsupported optional field selection".to_owned());
        };
        let of = self.check(operand);
        match self.field(id, &of, field.inner()) {
            of @ Type::Optional(_) => of,
            of => Type::optional(of),
        }
    }

    fn form(&mut self, id: u64, form: Form<'_>) -> Type {
        match form {
            Form::Has(select) => {
                let of = self.check(&select.operand);
                self.field(id, &of, &select.field);
                Type::Bool
            }
            Form::Optional { target, name, body, flat } => {
                let of = match self.check(target) {
                    Type::Optional(inner) => Type::clone(&inner),
                    Type::Dyn => Type::Dyn,
                    other => return self.wrong(target.id, format!("found no matching overload for 'hasValue' applied to '{other}.()'")),
                };
                let gives = self.with(&[(name, of)], body);
                if flat { gives } else { Type::optional(gives) }
            }
            Form::Range { kind, over, names, filter, body } => {
                let range = self.check(over);
                let (key, value) = match &range {
                    Type::List(item, _) => (Type::Int, Type::clone(item)),
                    Type::Map(key, value) => (Type::clone(key), Type::clone(value)),
                    Type::Dyn | Type::Param(_) => (Type::Dyn, Type::Dyn),
                    other => {
                        let message =
                            format!("expression of type '{other}' cannot be range of a comprehension (must be list, map, or dynamic)");
                        return self.wrong(over.id, message);
                    }
                };
                // One name alone is a list's item, or a map's key.
                let single = if matches!(range, Type::Map(..)) { key.clone() } else { value.clone() };
                let bound = match names.as_slice() {
                    [one] => vec![(*one, single.clone())],
                    [one, two] => vec![(*one, key.clone()), (*two, value)],
                    _ => Vec::new(),
                };
                if let Some(filter) = filter {
                    let of = self.with(&bound, filter);
                    self.boolean(filter.id, &of, "_?_:_");
                }
                let gives = self.with(&bound, body);
                match kind {
                    RangeKind::All | RangeKind::Exists | RangeKind::ExistsOne | RangeKind::Filter => {
                        let operator = match kind {
                            RangeKind::All => "_&&_",
                            RangeKind::Exists => "_||_",
                            _ => "_?_:_",
                        };
                        self.boolean(body.id, &gives, operator);
                        if kind == RangeKind::Filter { Type::list(single) } else { Type::Bool }
                    }
                    RangeKind::List => Type::list(gives),
                    RangeKind::Sorted => self.sorted(id, single, &gives),
                    RangeKind::Map => Type::Map(Arc::new(key), Arc::new(gives)),
                    RangeKind::Entries => gives,
                }
            }
        }
    }

    /// What has an order can be sorted by.
    fn sorted(&mut self, id: u64, item: Type, by: &Type) -> Type {
        let has_order = matches!(
            by,
            Type::Int | Type::Uint | Type::Double | Type::Bool | Type::Duration | Type::Timestamp | Type::String | Type::Bytes
        );
        if !has_order && !matches!(by, Type::Dyn | Type::Param(_)) {
            return self
                .wrong(id, format!("found no matching overload for '@sortByAssociatedKeys' applied to 'list({item}).(list({by}))'"));
        }
        Type::list(item)
    }

    fn with(&mut self, bound: &[(&str, Type)], body: &IdedExpr) -> Type {
        let before = self.local.len();
        self.local.extend(bound.iter().map(|(name, of)| ((*name).to_owned(), of.clone())));
        let gives = self.check(body);
        self.local.truncate(before);
        gives
    }

    fn boolean(&mut self, id: u64, of: &Type, operator: &str) {
        if !matches!(of, Type::Bool | Type::Dyn | Type::Param(_)) {
            self.wrong(id, format!("found no matching overload for '{operator}' applied to '(bool, {of})'"));
        }
    }
}

/// Whether two items may stand in one list: what may be anything is of a type of its own, and what isn't known yet of any.
fn alike(one: &Type, two: &Type) -> bool {
    match (one, two) {
        (Type::Param(_), _) | (_, Type::Param(_)) => true,
        (Type::Dyn, two) => *two == Type::Dyn,
        (_, Type::Dyn) => false,
        (Type::Null, two) => *two == Type::Null,
        (_, Type::Null) => false,
        (Type::List(one, _), Type::List(two, _)) => alike(one, two),
        // None is of any type.
        (Type::Optional(one), Type::Optional(two)) => **one == Type::Dyn || **two == Type::Dyn || alike(one, two),
        (Type::Map(key, value), Type::Map(other, another)) => alike(key, other) && alike(value, another),
        _ => true,
    }
}

fn literal_type(literal: &LiteralValue) -> Type {
    match literal {
        LiteralValue::Boolean(_) => Type::Bool,
        LiteralValue::Bytes(_) => Type::Bytes,
        LiteralValue::Double(_) => Type::Double,
        LiteralValue::Int(_) => Type::Int,
        LiteralValue::Null => Type::Null,
        LiteralValue::String(_) => Type::String,
        LiteralValue::UInt(_) => Type::Uint,
    }
}
