//! What an expression may cost at most, before it is ever run: definitions are refused for rules that may cost too much.
//!
//! It is the server's own arithmetic, its oddities included, because the answer is a yes or a no at a limit: sizes are looked up by
//! the path that leads from a variable to a value, a path that begins nowhere leads to the variable itself, and paths share memory, so
//! that one that is made longer can change another ([`Path`]).

use std::collections::BTreeMap;

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue};

use super::bounds::{LETTER, LIST, MAP, PATTERN, Path, STRUCT, Size, scaled};
use super::functions::{self, Overload};
use super::library::compared_by;
use super::program::{Form, RangeKind, namespaced};
use super::sizes::Sizes;
use super::types::Type;
/// Sizes of what is in a list or map that an expression makes.
#[derive(Clone, Copy)]
struct Entry {
    is_list: bool,
    key: Size,
    value: Size,
}

impl Entry {
    fn or(one: Option<Self>, two: Option<Self>) -> Option<Self> {
        let (one, two) = (one?, two?);
        Some(Self { is_list: one.is_list, key: one.key.or(two.key), value: one.value.or(two.value) })
    }
}
/// A name that a form brings along.
struct Local<'e> {
    name: &'e str,
    path: Path,
    size: Option<Size>,
}

/// What is called, or called with.
pub(super) struct Node<'e> {
    pub expr: &'e IdedExpr,
    pub of: Type,
    pub path: Path,
    pub size: Option<Size>,
}

/// An estimate under way, of an expression that was checked.
pub(super) struct Estimate<'e> {
    pub types: &'e BTreeMap<u64, Type>,
    pub calls: &'e BTreeMap<u64, Vec<&'static Overload>>,
    /// Of the variables.
    pub sizes: &'e Sizes,
    paths: BTreeMap<u64, Path>,
    known: BTreeMap<u64, Size>,
    entries: BTreeMap<u64, Entry>,
    locals: Vec<Local<'e>>,
}

impl<'e> Estimate<'e> {
    pub fn new(types: &'e BTreeMap<u64, Type>, calls: &'e BTreeMap<u64, Vec<&'static Overload>>, sizes: &'e Sizes) -> Self {
        let (paths, known, entries) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { types, calls, sizes, paths, known, entries, locals: Vec::new() }
    }

    /// The most that it can cost.
    pub fn cost(&mut self, expr: &'e IdedExpr) -> u64 {
        match &expr.expr {
            Expr::Ident(name) => {
                let path = self.local(name).map_or_else(|| Path::of(name), |local| local.path.clone());
                self.paths.insert(expr.id, path);
                1
            }
            Expr::Select(select) => {
                let cost = self.cost(&select.operand);
                let has_fields = matches!(self.type_of(&select.operand), Type::Map(..) | Type::Object(_) | Type::Param(_));
                let path = self.path(&select.operand).and(&select.field);
                self.paths.insert(expr.id, path);
                cost.saturating_add(u64::from(has_fields))
            }
            Expr::Call(call) => match Form::of(call) {
                Some(Ok(form)) => self.form(expr, form),
                _ => self.call(expr, call),
            },
            Expr::List(list) => {
                let mut value = if list.elements.is_empty() { Size::exactly(0) } else { Size { least: u64::MAX, most: 0 } };
                let mut cost = LIST;
                for element in &list.elements {
                    cost = cost.saturating_add(self.cost(element));
                    value = value.or(self.size_or_any(element));
                }
                self.entries.insert(expr.id, Entry { is_list: true, key: Size::ONE, value });
                cost
            }
            Expr::Map(map) => {
                let none = if map.entries.is_empty() { Size::exactly(0) } else { Size { least: u64::MAX, most: 0 } };
                let (mut key, mut value, mut cost) = (none, none, MAP);
                for entry in &map.entries {
                    let EntryExpr::MapEntry(entry) = &entry.expr else { continue };
                    cost = cost.saturating_add(self.cost(&entry.key)).saturating_add(self.cost(&entry.value));
                    key = key.or(self.size_or_any(&entry.key));
                    value = value.or(self.size_or_any(&entry.value));
                }
                self.entries.insert(expr.id, Entry { is_list: false, key, value });
                cost
            }
            Expr::Struct(made) => made.entries.iter().fold(STRUCT, |cost, entry| match &entry.expr {
                EntryExpr::StructField(field) => cost.saturating_add(self.cost(&field.value)),
                EntryExpr::MapEntry(_) => cost,
            }),
            Expr::Literal(_) | Expr::Comprehension(_) | Expr::Unspecified => 0,
        }
    }

    fn local(&self, name: &str) -> Option<&Local<'e>> {
        self.locals.iter().rev().find(|local| local.name == name)
    }

    fn type_of(&self, expr: &IdedExpr) -> Type {
        self.types.get(&expr.id).cloned().unwrap_or(Type::Dyn)
    }

    fn path(&self, expr: &IdedExpr) -> Path {
        self.paths.get(&expr.id).cloned().unwrap_or_default()
    }

    pub(super) fn by_path(&self, path: &Path) -> Option<Size> {
        let path = path.known();
        let (_, below) = path.split_first()?;
        self.sizes.at(below).map(|found| Size { least: 0, most: found.most })
    }

    /// What was found once stays so.
    fn size(&mut self, expr: &IdedExpr) -> Option<Size> {
        if let Some(size) = self.known.get(&expr.id) {
            return Some(*size);
        }
        let written = match &expr.expr {
            Expr::Literal(LiteralValue::String(text)) => Some(text.inner().chars().count()),
            Expr::Literal(LiteralValue::Bytes(bytes)) => Some(bytes.inner().len()),
            Expr::Literal(_) => Some(1),
            Expr::List(list) => Some(list.elements.len()),
            Expr::Map(map) => Some(map.entries.len()),
            _ => None,
        };
        if let Some(size) = written {
            return Some(Size::exactly(size as u64));
        }
        if let Some(size) = self.by_path(&self.path(expr)) {
            self.known.insert(expr.id, size);
            return Some(size);
        }
        let local = || match &expr.expr {
            Expr::Ident(name) => self.local(name)?.size,
            _ => None,
        };
        is_scalar(&self.type_of(expr)).then_some(Size::ONE).or_else(local)
    }

    fn size_or_any(&mut self, expr: &IdedExpr) -> Size {
        self.size(expr).unwrap_or(Size::ANY)
    }

    fn node(&mut self, expr: &'e IdedExpr) -> Node<'e> {
        let size = self.size(expr);
        Node { expr, of: self.type_of(expr), path: self.path(expr), size }
    }

    fn call(&mut self, expr: &'e IdedExpr, call: &'e CallExpr) -> u64 {
        let qualified = namespaced(call).filter(|name| functions::is_known(name, false));
        let (name, target) = match (&qualified, &call.target) {
            (Some(name), _) => (name.as_str(), None),
            (None, target) => (call.func_name.as_str(), target.as_deref()),
        };
        if let ("dyn", [arg]) = (name, call.args.as_slice()) {
            let cost = self.cost(arg).saturating_add(1);
            if let Some(size) = self.size(arg) {
                self.known.insert(expr.id, size);
            }
            if let Some(entry) = self.entries.get(&arg.id).copied() {
                self.entries.insert(expr.id, entry);
            }
            return cost;
        }
        let (costs, args): (Vec<u64>, Vec<Node<'e>>) = call.args.iter().map(|arg| (self.cost(arg), self.node(arg))).unzip();
        let target_cost = target.map_or(0, |target| self.cost(target));
        let target = target.map(|target| self.node(target));
        let (mut most, mut result) = (0, None::<Size>);
        let overloads: Vec<Option<&'static Overload>> = match self.calls.get(&expr.id) {
            Some(found) => found.iter().copied().map(Some).collect(),
            None => vec![None],
        };
        for overload in overloads {
            let takes = overload.map_or(&[][..], |overload| &overload.takes);
            let (cost, size) = self.function(expr, name, takes, target.as_ref(), &args, &costs);
            most = most.max(cost);
            if let Some(size) = size {
                result = Some(result.map_or(size, |result| result.or(size)));
            }
            let part = match (name, takes) {
                ("_[_]", [Type::List(..), _]) => "@items",
                ("_[_]", [Type::Map(..), _]) => "@values",
                _ => "",
            };
            if !part.is_empty() {
                result = self.entries.get(&args[0].expr.id).map(|entry| entry.value);
                self.paths.insert(expr.id, args[0].path.and(part));
            }
            result = result.or_else(|| self.size(expr));
        }
        if let Some(result) = result {
            self.known.insert(expr.id, result);
        }
        target_cost.saturating_add(most)
    }

    /// What a call costs with its arguments, and the size of what it gives.
    fn function(
        &mut self,
        expr: &IdedExpr,
        name: &str,
        takes: &[Type],
        target: Option<&Node<'e>>,
        args: &[Node<'e>],
        costs: &[u64],
    ) -> (u64, Option<Size>) {
        let all = costs.iter().fold(0, |sum: u64, cost| sum.saturating_add(*cost));
        let any = |node: &Node<'e>| node.size.unwrap_or(Size::ANY);
        if let Some((cost, size)) = self.library(name, takes, target, args) {
            return (cost.saturating_add(all), size);
        }
        let (cost, size) = match (name, target, args, takes) {
            ("_||_" | "_&&_", ..) => return (all, None),
            ("_?_:_", _, [_, yes, no], _) => {
                if let Some(entry) = Entry::or(self.entries.get(&yes.expr.id).copied(), self.entries.get(&no.expr.id).copied()) {
                    self.entries.insert(expr.id, entry);
                }
                return (costs[0].saturating_add(costs[1].max(costs[2])), Some(any(yes).or(any(no))));
            }
            ("format", Some(target), ..) => (any(target).cost(LETTER), None),
            ("bytes", _, [arg], [Type::String]) => {
                let size = any(arg);
                (size.cost(LETTER), Some(Size { least: size.least, most: size.most.wrapping_mul(4) }))
            }
            ("string", _, [arg], [Type::Bytes]) => (any(arg).cost(LETTER), Some(Size { least: any(arg).least / 4, most: any(arg).most })),
            ("strings.quote", _, [arg], _) => {
                let size = any(arg);
                let quoted = Size { least: size.least.wrapping_add(2), most: size.most.wrapping_mul(2).wrapping_add(2) };
                (size.cost(LETTER), Some(quoted))
            }
            ("startsWith" | "endsWith", Some(_), [arg], _) => (any(arg).cost(LETTER), None),
            ("@in", _, [_, list], [_, Type::List(..)]) => (any(list).most, None),
            ("matches", Some(target), [pattern], _) => {
                (any(target).plus(Size::ONE).cost(LETTER).saturating_mul(any(pattern).cost(PATTERN)), None)
            }
            ("contains", Some(target), [part], _) => (any(target).cost(LETTER).saturating_mul(any(part).cost(LETTER)), None),
            ("_+_", _, [one, two], [Type::String | Type::Bytes | Type::List(..), _]) => {
                let size = any(one).plus(any(two));
                if let Some(entry) = Entry::or(self.entries.get(&one.expr.id).copied(), self.entries.get(&two.expr.id).copied()) {
                    self.entries.insert(expr.id, entry);
                }
                (if matches!(takes[0], Type::List(..)) { 1 } else { size.cost(LETTER) }, Some(size))
            }
            ("_==_" | "_!=_", _, [one, two], _) | ("_<_" | "_<=_" | "_>_" | "_>=_", _, [one, two], [Type::String | Type::Bytes, _]) => {
                (scaled(any(one).most.min(any(two).most), LETTER), None)
            }
            _ => (1, None),
        };
        (cost.saturating_add(all), size)
    }
    fn form(&mut self, expr: &'e IdedExpr, form: Form<'e>) -> u64 {
        match form {
            Form::Has(select) => self.cost(&select.operand),
            Form::Optional { target, name, body, flat } => {
                let asked = self.cost(target).saturating_add(1);
                let inner = match self.type_of(target) {
                    Type::Optional(inner) => Type::clone(&inner),
                    _ => Type::Dyn,
                };
                self.locals.push(Local { name, path: Path::default(), size: is_scalar(&inner).then_some(Size::ONE) });
                let body_cost = self.cost(body);
                let size = if flat { self.size_or_any(body) } else { Size::ANY };
                self.locals.pop();
                let none = if is_scalar(&self.type_of(expr)) { Size::ONE } else { Size::ANY };
                self.known.insert(expr.id, if flat { size.or(none) } else { none });
                // The value is asked for once more, in a loop of one.
                let bound = LIST.saturating_add(asked).saturating_add(body_cost).saturating_add(u64::from(!flat));
                asked.saturating_add(bound)
            }
            Form::Range { kind, over, names, filter, body } => self.range(expr, kind, over, &names, filter, body),
        }
    }

    fn range(
        &mut self,
        expr: &'e IdedExpr,
        kind: RangeKind,
        over: &'e IdedExpr,
        names: &[&'e str],
        filter: Option<&'e IdedExpr>,
        body: &'e IdedExpr,
    ) -> u64 {
        let over_cost = self.cost(over);
        let entry = self.entries.get(&over.id).copied();
        let is_list = entry.map_or_else(|| matches!(self.type_of(over), Type::List(..)), |entry| entry.is_list);
        let (keys, values) = if is_list { ("@indices", "@items") } else { ("@keys", "@values") };
        let from = self.path(over);
        let key = || (from.and(keys), entry.map(|entry| entry.key));
        let value = || (from.and(values), entry.map(|entry| entry.value));
        let bound = match names.len() {
            2 => vec![key(), value()],
            _ if is_list => vec![value()],
            _ => vec![key()],
        };
        for (name, (path, size)) in names.iter().zip(bound) {
            self.locals.push(Local { name, path, size });
        }
        let filter_cost = filter.map_or(0, |filter| self.cost(filter));
        let body_cost = self.cost(body);
        let body_size = self.size_or_any(body);
        let single_size = match names {
            // The name itself, as an expression of its own.
            [name] => self.local(name).and_then(|local| self.by_path(&local.path).or(local.size)).unwrap_or(Size::ANY),
            _ => Size::ANY,
        };
        self.locals.truncate(self.locals.len() - names.len());
        // What it has gathered so far is named each time; lists are made of one, and put together.
        let (start, each, end) = match kind {
            RangeKind::All => (0, 2 + 1, 1),
            RangeKind::Exists => (0, 3 + 1, 1),
            RangeKind::ExistsOne => (0, 2, 2),
            RangeKind::List | RangeKind::Sorted => (LIST, 1 + 1 + LIST, 1),
            RangeKind::Filter => (LIST, 1 + 1 + LIST + 1, 1),
            RangeKind::Map => (MAP, 1 + 1 + 1, 1),
            RangeKind::Entries => (MAP, 1 + 1, 1),
        };
        let step = filter_cost.saturating_add(body_cost).saturating_add(each);
        let count = self.size_or_any(over);
        let size = match kind {
            RangeKind::All | RangeKind::Exists | RangeKind::ExistsOne => Size::ONE,
            _ => count,
        };
        self.known.insert(expr.id, size);
        if matches!(kind, RangeKind::List | RangeKind::Filter) {
            let item = if kind == RangeKind::List { body_size } else { single_size };
            self.entries.insert(expr.id, Entry { is_list: true, key: Size::ONE, value: Size { least: 0, most: item.most } });
        }
        if kind == RangeKind::Sorted {
            // In a loop of one, for the list to have a name, which is named twice.
            let compared = count.times(count);
            let by = Type::list(self.type_of(body));
            self.known.insert(expr.id, compared);
            let keys = count.most.saturating_mul(step).saturating_add(LIST + start + end + 2);
            let sorted = compared.cost(compared_by(Some(&by))).saturating_add(1 + LIST);
            return over_cost.saturating_add(keys).saturating_add(sorted);
        }
        over_cost.saturating_add(start + end).saturating_add(count.most.saturating_mul(step))
    }
}
fn is_scalar(of: &Type) -> bool {
    match of {
        Type::Bool | Type::Double | Type::Duration | Type::Int | Type::Timestamp | Type::Uint => true,
        Type::Optional(of) => is_scalar(of),
        _ => false,
    }
}
