//! What calls of libraries' functions may cost.

use cel::common::ast::{Expr, LiteralValue};

use super::bounds::{CHECK, LETTER, LIST, PATTERN, Size, scaled, selector};
use super::estimate::{Estimate, Node};
use super::types::Type;

impl<'e> Estimate<'e> {
    /// The functions of libraries.
    pub(super) fn library(&self, name: &str, takes: &[Type], target: Option<&Node<'e>>, args: &[Node<'e>]) -> Option<(u64, Option<Size>)> {
        let any = |node: &Node<'e>| node.size.or_else(|| self.by_path(&node.path)).unwrap_or(Size::ANY);
        let once = Some((1, None));
        // A list that is made of so many, for so much each.
        let made = |size: Size, each: f64| Some((size.cost(each).saturating_add(1 + LIST), Some(size)));
        let literal = |node: &Node<'e>, otherwise: u64| match &node.expr.expr {
            Expr::Literal(LiteralValue::Int(number)) => u64::try_from(*number.inner()).unwrap_or(0),
            _ => otherwise,
        };
        // An address of either kind, against another.
        let addresses = 4;
        Some(match (name, target, args) {
            ("check", ..) => (CHECK, None),
            (
                "serviceAccount" | "path" | "group" | "resource" | "subresource" | "namespace" | "name" | "allowed" | "reason" | "error"
                | "errored",
                ..,
            ) => {
                return once;
            }
            ("fieldSelector" | "labelSelector", _, [arg]) => (selector(any(arg).most), None),
            ("isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf", Some(target), _) => match self.element(target) {
                Some((Type::String | Type::Bytes, size)) => (any(target).most.saturating_mul(size.cost(LETTER).saturating_add(1)), None),
                Some(_) => (any(target).most, None),
                None => (any(target).cost(LETTER), None),
            },
            ("slice", Some(target), [from, to]) => {
                let count = literal(to, any(target).most).wrapping_sub(literal(from, 0));
                return made(Size::exactly(count), 1.0);
            }
            ("lists.range", None, [count]) => return made(Size::exactly(literal(count, u64::MAX)), 1.0),
            ("reverse", Some(target), []) => return made(any(target), 1.0),
            ("flatten", Some(target), depth) => {
                #[allow(clippy::cast_precision_loss, reason = "deeper than any list")]
                let depth = depth.first().map_or(1.0, |depth| literal(depth, u64::MAX) as f64);
                return made(any(target), depth);
            }
            ("distinct", Some(target), []) => return made(any(target).times(any(target)), 2.0),
            ("sort", Some(target), []) => return made(any(target).times(any(target)), compared_by(takes.first())),
            ("url" | "jsonpatch.escapeKey", _, [arg]) => (any(arg).cost(LETTER), Some(any(arg))),
            ("lowerAscii" | "upperAscii" | "substring" | "trim", Some(target), _) => (any(target).cost(LETTER), Some(any(target))),
            ("replace", Some(target), [from, to, ..]) => (any(target).cost(2.0 * LETTER), Some(replaced(any(target), any(from), any(to)))),
            ("split", Some(target), _) => {
                let limit = match args.get(1).map(|limit| &limit.expr.expr) {
                    #[allow(clippy::cast_sign_loss, reason = "the server takes it so: below zero is without a limit")]
                    Some(Expr::Literal(LiteralValue::Int(limit))) => *limit.inner() as u64,
                    _ => any(target).most,
                };
                (any(target).cost(2.0 * LETTER), Some(Size { least: 0, most: limit }))
            }
            ("join", Some(target), _) => {
                let list = any(target);
                let mut size = self.element(target).map_or(Size::exactly(0), |(_, element)| list.times(element));
                if let Some(between) = args.first() {
                    let count = Size { least: list.least.saturating_sub(1), most: list.most.saturating_sub(1) };
                    size = size.plus(any(between).times(count));
                }
                (size.cost(LETTER), Some(size))
            }
            ("find" | "findAll", Some(target), [pattern, ..]) => {
                let cost = any(target).plus(Size::ONE).cost(LETTER).saturating_mul(any(pattern).cost(PATTERN));
                (cost, Some(Size { least: 0, most: any(target).most }))
            }
            ("ip", Some(_), _) => return once,
            ("cidr" | "isIP" | "isCIDR" | "ip" | "quantity" | "isQuantity" | "semver" | "isSemver", _, [arg, ..]) => {
                (any(arg).cost(LETTER), None)
            }
            ("ip.isCanonical", _, [arg]) => (any(arg).cost(2.0 * LETTER), None),
            ("containsIP", _, [arg]) => {
                let parsed = if matches!(takes, [_, Type::String]) { any(arg).cost(LETTER) } else { 0 };
                (parsed.saturating_add(addresses), None)
            }
            ("containsCIDR", _, [arg]) => {
                let parsed = if matches!(takes, [_, Type::String]) { any(arg).cost(LETTER) } else { 0 };
                // Masked, and its length compared.
                (parsed.saturating_add(addresses + 2 + 1), None)
            }
            ("validate", _, [arg]) => (scaled(any(arg).cost(LETTER), 128.0 * PATTERN), None),
            ("_==_", _, [one, two]) if one.of == two.of => match &one.of {
                Type::Opaque("kubernetes.NamedFormat") => (scaled(64, LETTER), None),
                Type::Opaque(_) => return once,
                _ => return None,
            },
            _ => return sets(name, args, any),
        })
    }

    /// The type and size of a list's items.
    fn element(&self, list: &Node<'e>) -> Option<(Type, Size)> {
        let of = match &list.of {
            Type::List(item, _) | Type::Optional(item) => Type::clone(item),
            Type::Map(key, _) => Type::clone(key),
            _ => return None,
        };
        // Of a copy: this one changes no other.
        let path = list.path.copied();
        let path = if path.length == 0 { path } else { path.and("@items") };
        Some((of, self.by_path(&path).unwrap_or(Size::ANY)))
    }
}

/// What comparing two items of a list costs: texts have to be gone through.
pub(super) fn compared_by(list: Option<&Type>) -> f64 {
    match list {
        Some(Type::List(item, _)) if matches!(**item, Type::String | Type::Bytes | Type::Dyn | Type::Param(_)) => 2.0 + LETTER,
        _ => 2.0,
    }
}

/// Sets are compared each with each.
fn sets<'e>(name: &str, args: &[Node<'e>], any: impl Fn(&Node<'e>) -> Size) -> Option<(u64, Option<Size>)> {
    let [one, two] = args else { return None };
    let times = match name {
        "sets.contains" | "sets.intersects" => 1,
        "sets.equivalent" => 2,
        _ => return None,
    };
    Some((any(one).times(any(two)).most.saturating_mul(times).saturating_add(1), None))
}
/// How long a text gets when parts of it are replaced.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "what is too large is the largest; neither is below zero"
)]
fn replaced(text: Size, from: Size, to: Size) -> Size {
    let parts = |text: u64, from: u64| (text as f64 / from as f64).ceil() as u64;
    let (count_most, kept_most) = if from.least == 0 {
        (text.most.saturating_add(1), text.most)
    } else if to.most <= from.least {
        (0, text.most)
    } else {
        (parts(text.most, from.least), 0)
    };
    let (count_least, kept_least) = if from.most == 0 {
        (text.least.saturating_add(1), text.least)
    } else if from.most <= to.least {
        (0, text.least)
    } else {
        (parts(text.least, from.most), 0)
    };
    Size { least: count_least, most: count_most }.times(to).plus(Size { least: kept_least, most: kept_most })
}
