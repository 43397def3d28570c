//! What rules may cost: which a definition is refused for, before they are ever run, and which are ended when they are.

use serde_json::{Value, json};

use super::sequences::{JSON, step};
use super::{Sequence, Step};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

fn definition(run: &str, plural: &str, kind: &str, spec: Value) -> Value {
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": format!("{plural}.{run}.example.com")},
        "spec": {"group": format!("{run}.example.com"), "scope": "Namespaced", "names": {"plural": plural, "singular": kind.to_lowercase(), "kind": kind, "listKind": format!("{kind}List")},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}}]}})
}

/// Fields with bounds of a kind, and without. `bound`: of everything; None: of nothing.
fn fields(bound: Option<u64>) -> Value {
    let limited = |mut schema: Value, limit: &str| {
        if let Some(bound) = bound {
            schema[limit] = bound.into();
        }
        schema
    };
    let text = || limited(json!({"type": "string"}), "maxLength");
    let list = |items: Value| limited(json!({"type": "array", "items": items}), "maxItems");
    let part =
        json!({"type": "object", "required": ["name"], "properties": {"name": text(), "on": {"type": "boolean"}, "tags": list(text())}});
    json!({
        "size": {"type": "integer"}, "text": text(), "other": text(), "word": {"type": "string", "enum": ["one", "three"]},
        "texts": list(text()), "more": list(text()), "numbers": list(json!({"type": "integer"})), "matrix": list(list(json!({"type": "integer"}))),
        "parts": list(part), "map": limited(json!({"type": "object", "additionalProperties": text()}), "maxProperties"),
        "maps": limited(json!({"type": "object", "additionalProperties": list(text())}), "maxProperties"),
        "any": {"x-kubernetes-int-or-string": true}, "bytes": limited(json!({"type": "string", "format": "byte"}), "maxLength"),
        "at": {"type": "string", "format": "date-time"}, "days": list(json!({"type": "string", "format": "date"})),
        "waits": list(json!({"type": "string", "format": "duration"})), "whole": {"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true}
    })
}

/// Rules that cost something to go through.
const RULES: [&str; 104] = [
    "self.size > 1",
    "self.text == self.other",
    "self.text != 'x'",
    "self.text < self.other",
    "self.word == 'one'",
    "self.text + self.other == 'x'",
    "self.text.contains('x')",
    "self.text.contains(self.other)",
    "self.text.startsWith(self.other)",
    "self.text.endsWith('x')",
    "self.text.matches('^[a-z]+$')",
    "self.text.matches(self.other)",
    "self.text.find('[a-z]+') == 'x'",
    "self.text.findAll('[a-z]+').size() > 1",
    "self.text.findAll(self.other, 2).all(x, x.size() > 1)",
    "self.text.replace('a', 'bbbb').size() > 1",
    "self.text.replace('a', 'bbbb').contains('b')",
    "self.text.replace(self.other, self.text).contains('b')",
    "self.text.replace('', 'b').contains('b')",
    "self.text.replace('aa', '').contains('b')",
    "self.text.split(',').all(x, x == 'a')",
    "self.text.split(',', 3).all(x, x == 'a')",
    "self.text.lowerAscii().upperAscii().trim() == 'a'",
    "self.text.substring(1, 3) == 'a'",
    "self.text.charAt(0) == 'a' && self.text.indexOf('b') == 1 && self.text.lastIndexOf('c') > 1",
    "self.texts.join('-') == 'a'",
    "self.texts.join() == self.text",
    "'%s %s'.format([self.text, self.other]) == 'a'",
    "self.text.format([self.other]) == 'a'",
    "string(bytes(self.text)) == self.text",
    "self.bytes == b'abc'",
    "string(self.bytes).contains('x')",
    "self.text in self.texts",
    "'a' in self.texts",
    "self.text in ['a', 'b', 'c']",
    "self.text in self.map",
    "self.texts.all(t, t == 'a')",
    "self.texts.exists(t, t == self.text)",
    "self.texts.exists_one(t, t == 'a')",
    "self.texts.filter(t, t != 'a').size() > 1",
    "self.texts.map(t, t + 'x').all(t, t.contains('y'))",
    "self.texts.map(t, t.size() > 1, t + 'x').exists(t, t.startsWith(self.text))",
    "self.texts.filter(t, t.size() > 1).map(t, t.size()).all(n, n > 1)",
    "self.texts.all(t, self.more.all(m, t != m))",
    "self.texts.all(t, self.more.exists(m, t == m) || self.more.exists_one(m, t == m))",
    "self.texts.all(t, t in self.more)",
    "self.texts.all(i, t, i < 5 && t != self.text)",
    "self.texts.exists(i, t, self.more[i] == t)",
    "self.texts.transformList(i, t, t + 'x').all(t, t.contains('y'))",
    "self.texts.transformMap(i, t, t).all(k, k > 1)",
    "self.map.transformMap(k, v, v + 'x').all(k, v, k != v)",
    "self.map.transformMapEntry(k, v, {v: k}).all(k, k == 'a')",
    "self.map.all(k, k.startsWith('a'))",
    "self.map.all(k, self.map[k].startsWith('a'))",
    "self.map.all(k, v, k == v)",
    "self.map.exists(k, self.texts.all(t, t == k))",
    "self.map['a'] == self.text",
    "self.maps.all(k, self.maps[k].all(t, t.contains(k)))",
    "self.maps.exists(k, v, v.exists(t, t == 'a'))",
    "self.numbers.all(n, n > 1)",
    "self.numbers.sum() > 1 && self.numbers.min() > 1 && self.numbers.max() > 1",
    "self.texts.isSorted() && self.texts.min() == 'a' && self.texts.indexOf('a') == 1",
    "self.numbers.all(n, self.numbers.all(m, n != m))",
    "self.numbers.all(n, self.numbers.all(m, self.numbers.all(o, n + m != o)))",
    "self.matrix.all(row, row.all(n, n > 1))",
    "self.matrix.all(row, row.sum() > 1)",
    "self.matrix[0][1] > 1 && self.matrix[0].all(n, n > 1)",
    "self.matrix.map(row, row.map(n, n + 1)).all(row, row.exists(n, n == 1))",
    "self.parts.all(p, p.name == 'a')",
    "self.parts.all(p, p.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$'))",
    "self.parts.all(p, p.tags.all(t, t == p.name))",
    "self.parts.all(p, self.parts.exists_one(q, q.name == p.name))",
    "self.parts.map(p, p.name).all(n, n in self.texts)",
    "self.parts.filter(p, p.on).map(p, p.name).join(',').size() < 100",
    "self.parts.exists(p, has(p.tags) && p.tags.size() > 1)",
    "(self.size > 1 ? self.texts : self.more).all(t, t == 'a')",
    "(self.size > 1 ? self.text : 'x').contains('y')",
    "(self.texts + self.more).all(t, t == 'a')",
    "(self.texts + ['a']).exists(t, t.contains('a'))",
    "['a', self.text].all(t, t.contains('b'))",
    "{'a': self.text, 'b': self.other}.all(k, k == 'a')",
    "[1, 2, 3].all(n, self.numbers[n] > 1)",
    "sets.contains(self.texts, self.more)",
    "sets.equivalent(self.texts, self.more) || sets.intersects(self.texts, ['a'])",
    "self.texts.reverse() == self.more && self.texts.slice(1, 3).all(t, t == 'a') && self.texts.slice(1, self.size).all(t, t == 'a')",
    "self.matrix.flatten().all(n, n > 1) && self.matrix.flatten(3).size() > 1",
    "lists.range(5).all(n, self.texts.all(t, t == 'a'))",
    "lists.range(self.size).all(n, n > 1)",
    "self.texts.distinct().size() > 1 && self.numbers.distinct().all(n, n > 1)",
    "self.texts.sort().all(t, t == 'a') && self.numbers.sort() == self.numbers",
    "self.parts.sortBy(p, p.name).all(p, p.on) && self.parts.sortBy(p, p.tags.size())[0].on",
    "self.texts.first().orValue('a') == 'b' && optional.unwrap([self.?text]).all(t, t == 'a') && !format.uri().validate(self.text).hasValue()",
    "dyn(self.text) == 'a' && type(self.any) == int",
    "self.any == 'a' || self.any == 1",
    "self.?text.orValue('a').contains('b')",
    "self.?text.optMap(t, t + 'x').orValue('y').contains('z')",
    "self.texts[?0].orValue('a') == 'b'",
    "optional.of(self.text).value().contains('a')",
    "quantity(self.text).isGreaterThan(quantity(self.other)) && isQuantity(self.text)",
    "url(self.text).getHost() == self.other && isURL(self.text)",
    "ip(self.text) == ip(self.other) && isIP(self.text) && cidr(self.other).containsIP(self.text) && ip.isCanonical(self.text)",
    "cidr(self.text).containsCIDR(self.other) && cidr(self.text).containsIP(ip(self.other)) && isCIDR(self.text)",
    "semver(self.text).isLessThan(semver(self.other)) && !format.dns1123Label().validate(self.text).hasValue()",
    "self.days.all(d, d > timestamp('2020-01-01T00:00:00Z')) && self.waits.all(w, w == duration('1h')) && self.whole.metadata.name == self.whole.kind",
];

/// The bounds that rules are tried at: most of them make a difference to some rule.
const BOUNDS: [Option<u64>; 5] = [Some(10), Some(150), Some(1_000), Some(20_000), None];

/// A definition without an object: whether it is taken.
fn attempt(run: &str, spec: Value) -> Step {
    step("POST", format!("{DEFINITIONS}?dryRun=All"), JSON, definition(run, "others", "Other", spec))
}

fn tried(run: &str, name: String, spec: Value) -> Sequence {
    Sequence { name: format!("cost of a rule: {name}"), steps: vec![attempt(run, spec)] }
}

fn estimated(run: &str) -> Vec<Sequence> {
    let mut found = Vec::new();
    for rule in RULES {
        let within = |bound: Option<u64>| {
            let rules = json!([{"rule": rule}]);
            attempt(run, json!({"type": "object", "properties": fields(bound), "x-kubernetes-validations": rules}))
        };
        found.push(Sequence { name: format!("cost of a rule: {rule}"), steps: BOUNDS.map(within).into() });
    }
    // How often a rule is held, by where it stands.
    let inner = |rule: &str| json!({"type": "string", "maxLength": 100, "x-kubernetes-validations": [{"rule": rule}]});
    let mut add = |name: String, spec: Value| found.push(tried(run, name, json!({"type": "object", "properties": {"x": spec}})));
    for (limit, rule) in [
        (Some(10), "self == 'a'"),
        (Some(100_000), "self == 'a'"),
        (Some(10_000_000), "self == 'a'"),
        (None, "self == 'a'"),
        (None, "self.matches('^[a-z]+$')"),
    ] {
        let mut list = json!({"type": "array", "items": inner(rule)});
        let mut map = json!({"type": "object", "additionalProperties": inner(rule)});
        if let Some(limit) = limit {
            list["maxItems"] = json!(limit);
            map["maxProperties"] = json!(limit);
        }
        add(format!("in a list of {limit:?}: {rule}"), list.clone());
        add(format!("in a map of {limit:?}: {rule}"), map.clone());
        add(format!("in a list of maps of {limit:?}: {rule}"), json!({"type": "array", "maxItems": 20, "items": map.clone()}));
        add(format!("in a list of any maps of {limit:?}: {rule}"), json!({"type": "array", "items": map}));
        // One after the other: of two that cost too much a real one tells in no order.
        let plain = json!({"type": "string", "maxLength": 100});
        for (place, a, bb) in [("field", inner(rule), plain.clone()), ("field's items", plain, list)] {
            add(
                format!("in an item's {place} of {limit:?}: {rule}"),
                json!({"type": "array", "items": {"type": "object", "required": ["a", "bb", "d"], "properties": {"a": a, "bb": bb, "c": {"type": "integer"}, "d": {"type": "integer", "default": 1}}}}),
            );
        }
    }
    // What is told of it.
    for expression in ["'x'", "self.text + self.other", "self.texts.join(self.text)", "self.texts.map(t, t + 'x').join()", "self.nope"] {
        let rules = json!([{"rule": "self.size > 1", "messageExpression": expression}]);
        found.push(tried(
            run,
            format!("told by {expression}"),
            json!({"type": "object", "properties": fields(None), "x-kubernetes-validations": rules}),
        ));
    }
    // All together: each within what it may, and not the whole.
    for (count, bound) in [(3, 990), (11, 990), (12, 990), (40, 990)] {
        let rule = |number: usize| {
            let fields = json!({"texts": {"type": "array", "maxItems": bound - 10 * number, "items": {"type": "string", "maxLength": 10}}});
            json!({"type": "object", "properties": fields, "x-kubernetes-validations": [{"rule": "self.texts.all(t, self.texts.exists(u, u == t))"}]})
        };
        let properties: serde_json::Map<String, Value> = (0..count).map(|number| (format!("p{number}"), rule(number))).collect();
        found.push(tried(run, format!("{count} of {bound}"), json!({"type": "object", "properties": properties})));
    }
    for (rule, more) in [
        ("self.size > 1", json!(true)),
        ("self.size > 1", json!(false)),
        ("oldSelf.hasValue() && self.texts.all(t, t in oldSelf.value().texts)", json!(true)),
        ("self.texts.all(t, t in oldSelf.texts)", json!(false)),
    ] {
        let rules = json!([{"rule": rule, "optionalOldSelf": more}]);
        found.push(tried(
            run,
            format!("{rule} {more}"),
            json!({"type": "object", "properties": fields(Some(2_000)), "x-kubernetes-validations": rules}),
        ));
    }
    found
}

/// Rules that are taken, and are ended all the same when there is much to go through: with what they are held against.
fn run_out() -> Vec<(&'static str, Value, Value)> {
    let numbers = |count: i64| json!({"numbers": (0..count).collect::<Vec<_>>()});
    let texts = |count: usize, length: usize| json!({"texts": (0..count).map(|number| format!("{number:0length$}")).collect::<Vec<_>>()});
    let rule = |rule: &str| json!([{"rule": rule}]);
    let nested = "self.numbers.all(n, self.numbers.exists(m, m == n + 1000))";
    let mapped = "self.numbers.map(n, self.numbers.filter(m, m > n).size()).size() > 0";
    vec![
        ("few", rule("self.numbers.all(n, self.numbers.all(m, n + m >= 0))"), numbers(100)),
        ("many", rule("self.numbers.all(n, self.numbers.all(m, n + m >= 0))"), numbers(700)),
        ("none found", rule(nested), numbers(700)),
        ("none found that fails", rule("self.numbers.exists(n, self.numbers.all(m, m >= 0) && 1 / 0 == n)"), numbers(900)),
        ("or else", rule("self.numbers.all(n, self.numbers.all(m, n + m >= 0)) || true"), numbers(900)),
        ("lists of them", rule(mapped), numbers(600)),
        ("named", json!([{"rule": "self.numbers.all(n, self.numbers.all(m, n + m >= 0))", "message": "too many"}]), numbers(900)),
        ("and more", json!([{"rule": "self.numbers.all(n, self.numbers.all(m, n + m >= 0))"}, {"rule": "false"}]), numbers(900)),
        (
            "before",
            json!([{"rule": "false", "message": "first"}, {"rule": "self.numbers.all(n, self.numbers.all(m, n + m >= 0))"}]),
            numbers(900),
        ),
        (
            "told",
            json!([{"rule": "false", "messageExpression": "self.numbers.all(n, self.numbers.all(m, n + m >= 0)) ? 'a' : 'b'"}]),
            numbers(900),
        ),
        ("texts", rule("self.texts.all(t, self.texts.all(u, t == u || !t.contains(u)))"), texts(250, 25)),
        (
            "patterns",
            rule("self.texts.all(t, t.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$'))"),
            texts(900, 25),
        ),
        ("set", rule("self.texts.all(t, t in self.texts)"), texts(900, 10)),
        ("joined", rule("self.texts.all(t, self.texts.join(t).size() > 0)"), texts(300, 25)),
        ("sorted", rule("self.texts.sort() == self.texts.sortBy(t, t)"), texts(400, 25)),
        ("sorted, too many", rule("self.texts.sort() == self.texts.sortBy(t, t)"), texts(500, 25)),
        ("distinct", rule("self.numbers.distinct().size() == self.numbers.reverse().size()"), numbers(690)),
        // Each within what it may, and not all of them.
        (
            "together",
            json!((0..16).map(|_| json!({"rule": "self.numbers.all(n, self.numbers.all(m, n + m >= 0))"})).collect::<Vec<_>>()),
            numbers(340),
        ),
        (
            "just together",
            json!((0..14).map(|_| json!({"rule": "self.numbers.all(n, self.numbers.all(m, n + m >= 0))"})).collect::<Vec<_>>()),
            numbers(200),
        ),
    ]
}

fn held() -> Value {
    let mut properties = serde_json::Map::new();
    for (number, (name, rules, _)) in run_out().into_iter().enumerate() {
        // As many as the estimate lets through.
        let most = match name {
            "lists of them" => 700,
            "texts" => 250,
            "joined" => 300,
            "together" | "just together" => 400,
            _ => 1_000,
        };
        let fields = json!({"numbers": {"type": "array", "maxItems": most, "items": {"type": "integer"}},
            "texts": {"type": "array", "maxItems": most, "items": {"type": "string", "maxLength": 25}}});
        properties.insert(format!("r{number}"), json!({"type": "object", "properties": fields, "x-kubernetes-validations": rules}));
    }
    json!({"type": "object", "properties": properties})
}

/// Definitions of which each has one of the rules: together they would be too much.
pub fn prepare(run: &str) -> Vec<Step> {
    let all = held();
    let each = all["properties"].as_object().unwrap().iter().map(|(name, schema)| {
        let kind = format!("Costly{}", &name[1..]);
        let spec = json!({"type": "object", "properties": {"x": schema}});
        step("POST", DEFINITIONS, JSON, definition(run, &format!("{}s", kind.to_lowercase()), &kind, spec))
    });
    each.collect()
}

/// After everything.
pub fn clean(run: &str) -> Vec<Step> {
    let names = prepare(run).into_iter().map(|made| made.body["metadata"]["name"].as_str().unwrap().to_owned());
    names.map(|name| step("DELETE", format!("{DEFINITIONS}/{name}"), "", Value::Null)).collect()
}

pub fn all(run: &str) -> Vec<Sequence> {
    let mut found = estimated(run);
    for (number, (name, _, given)) in run_out().into_iter().enumerate() {
        let object = json!({"apiVersion": format!("{run}.example.com/v1"), "kind": format!("Costly{number}"), "metadata": {"name": "x"}, "spec": {"x": given}});
        let path = format!("/apis/{run}.example.com/v1/namespaces/{{ns}}/costly{number}s");
        found.push(Sequence { name: format!("cost of a run: {name}"), steps: vec![step("POST", path, JSON, object)] });
    }
    found
}
