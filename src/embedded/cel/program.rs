//! An expression, compiled and run.

use std::collections::BTreeSet;

use cel::common::ast::{CallExpr, Expr, IdedExpr, SelectExpr};

use super::check::Checker;
use super::estimate::Estimate;
use super::eval::{Scope, eval};
use super::functions::Authority;
use super::sizes::Sizes;
use super::types::Type;
use super::value::Value;

/// The variables that an expression may name.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// By name.
    pub variables: Vec<(String, Type)>,
    /// Whether it may make objects and patches of them.
    pub makes: bool,
    /// How large the variables' values can get, where that is known: what an expression may cost is estimated then.
    pub sizes: Option<Sizes>,
}

impl Environment {
    /// With these variables.
    pub fn of<const N: usize>(variables: [(&str, Type); N]) -> Self {
        Self { variables: variables.into_iter().map(|(name, of)| (name.to_owned(), of)).collect(), makes: false, sizes: None }
    }
}

/// A compiled expression.
#[derive(Debug)]
pub struct Program {
    expr: IdedExpr,
    /// What it gives.
    pub gives: Type,
    /// The variables that it names.
    pub names: BTreeSet<String>,
    /// What it may cost at most, if that was estimated.
    pub most: u64,
    /// The fields of `variables` that it names.
    pub uses: BTreeSet<String>,
}

/// What came of running an expression.
#[derive(Debug)]
pub struct Run {
    /// What it gave; or what went wrong, in the words of the server's interpreter.
    pub value: Result<Value, String>,
    /// What it cost.
    pub cost: u64,
}

/// Compiles an expression.
///
/// # Errors
/// It can't be parsed, or its types don't fit; says where, as the server does.
pub fn compile(source: &str, environment: &Environment) -> Result<Program, String> {
    // Without macros, which are forms here: their variables have types, and their words places.
    let parser = cel::Env::default().parser().enable_optional_syntax(true);
    let (expr, info) = parser.parse_with_source_info(source).map_err(|errors| {
        let all: Vec<String> = errors
            .errors
            .iter()
            .map(|error| {
                shown(source, usize::try_from(error.pos.0).unwrap_or(1), usize::try_from(error.pos.1).unwrap_or(1), &syntax(&error.msg))
            })
            .collect();
        failed(&all)
    })?;
    let mut checker = Checker::new(environment);
    let gives = checker.check(&expr);
    if !checker.errors.is_empty() {
        let all: Vec<String> = checker
            .errors
            .iter()
            .map(|(id, message)| {
                let at = info.offset_for(*id).map_or(0, |(start, _)| start as usize);
                let (line, column) = position(source, at);
                shown(source, line, column, message)
            })
            .collect();
        return Err(failed(&all));
    }
    if let Some(why) = &checker.broken {
        return Err(format!("program instantiation failed: {why}"));
    }
    let most = environment.sizes.as_ref().map_or(0, |sizes| Estimate::new(&checker.types, &checker.calls, sizes).cost(&expr));
    Ok(Program { expr, gives, names: checker.names, most, uses: checker.uses })
}

impl Program {
    /// Runs it with these variables.
    pub fn run(&self, variables: &[(&str, Value)]) -> Run {
        self.run_by(variables, None)
    }

    /// The same, with somebody who answers what it asks about rights.
    pub fn run_by(&self, variables: &[(&str, Value)], authority: Option<Authority<'_>>) -> Run {
        let mut scope = Scope::by(authority);
        for (name, value) in variables {
            scope = scope.with(name, value.clone());
        }
        let value = eval(&self.expr, &scope);
        Run { value, cost: scope.meter.spent() }
    }
}

fn failed(errors: &[String]) -> String {
    format!("compilation failed: {}", errors.join("\n"))
}

fn syntax(message: &str) -> String {
    if message.starts_with("Syntax error") { message.to_owned() } else { format!("Syntax error: {message}") }
}

/// Line and column, from 1, of an offset.
fn position(source: &str, offset: usize) -> (usize, usize) {
    let before: String = source.chars().take(offset).collect();
    let line = before.matches('\n').count() + 1;
    (line, before.chars().rev().take_while(|c| *c != '\n').count() + 1)
}

/// An error with the line that it is in, and a pointer.
fn shown(source: &str, line: usize, column: usize, message: &str) -> String {
    let text = source.lines().nth(line - 1).unwrap_or_default();
    format!("ERROR: <input>:{line}:{column}: {message}\n | {text}\n | {}^", ".".repeat(column.saturating_sub(1)))
}

/// What isn't called like a function: it brings names along, or looks without asking.
pub(super) enum Form<'e> {
    /// `has(a.b)`.
    Has(&'e SelectExpr),
    /// `list.all(x, …)` and its like.
    Range { kind: RangeKind, over: &'e IdedExpr, names: Vec<&'e str>, filter: Option<&'e IdedExpr>, body: &'e IdedExpr },
    /// `optional.optMap(x, …)`, `optFlatMap`.
    Optional { target: &'e IdedExpr, name: &'e str, body: &'e IdedExpr, flat: bool },
}

/// What a range gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RangeKind {
    All,
    Exists,
    ExistsOne,
    Filter,
    /// A list of what the body gives.
    List,
    /// The list, in the order of what the body gives.
    Sorted,
    /// A map by the same keys.
    Map,
    /// A map of what the body's maps have.
    Entries,
}

impl<'e> Form<'e> {
    /// The form that a call is. The error: at which expression, and what is wrong.
    pub fn of(call: &'e CallExpr) -> Option<Result<Self, (u64, &'static str)>> {
        let args = &call.args;
        let Some(target) = &call.target else {
            return match (call.func_name.as_str(), args.as_slice()) {
                ("has", [IdedExpr { expr: Expr::Select(select), .. }]) => Some(Ok(Self::Has(select))),
                ("has", [other]) => Some(Err((other.id, "invalid argument to has() macro"))),
                _ => None,
            };
        };
        let name = |expr: &'e IdedExpr| match &expr.expr {
            Expr::Ident(name) => Ok(name.as_str()),
            _ => Err((expr.id, "argument must be a simple name")),
        };
        let (kind, named, filtered) = match (call.func_name.as_str(), args.len()) {
            ("all", 2 | 3) => (RangeKind::All, args.len() - 1, false),
            ("exists", 2 | 3) => (RangeKind::Exists, args.len() - 1, false),
            ("exists_one" | "existsOne", 2 | 3) => (RangeKind::ExistsOne, args.len() - 1, false),
            ("filter", 2) => (RangeKind::Filter, 1, false),
            ("sortBy", 2) => (RangeKind::Sorted, 1, false),
            ("map", 2 | 3) => (RangeKind::List, 1, args.len() == 3),
            ("transformList", 3 | 4) => (RangeKind::List, 2, args.len() == 4),
            ("transformMap", 3 | 4) => (RangeKind::Map, 2, args.len() == 4),
            ("transformMapEntry", 3 | 4) => (RangeKind::Entries, 2, args.len() == 4),
            (word @ ("optMap" | "optFlatMap"), 2) => {
                let flat = word == "optFlatMap";
                return Some(name(&args[0]).map(|name| Self::Optional { target, name, body: &args[1], flat }));
            }
            _ => return None,
        };
        let names: Result<Vec<&str>, _> = args[..named].iter().map(name).collect();
        let filter = filtered.then(|| &args[named]);
        Some(names.map(|names| Self::Range { kind, over: target, names, filter, body: &args[args.len() - 1] }))
    }
}

/// The name of a function in a namespace: `optional.of`, `ip.isCanonical`.
pub(super) fn namespaced(call: &CallExpr) -> Option<String> {
    match &call.target.as_deref()?.expr {
        Expr::Ident(namespace) => Some(format!("{namespace}.{}", call.func_name)),
        _ => None,
    }
}
