//! Rules of definitions: what they find in objects, and which of them a definition is refused for.

use serde_json::{Value, json};

use super::sequences::{APPLY, JSON, MERGE, step};
use super::{Sequence, Step};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// A rule, on an object with sample fields.
struct Rule {
    rule: &'static str,
    more: Value,
}

/// What rules may say. Each stands at a field of its own, with the sample of [`sample`].
fn rules() -> Vec<Rule> {
    let plain = [
        // The language.
        "self.size > 2",
        "self.size >= 3 && self.name != ''",
        "self.size == 3 || self.missing == 1",
        "self.missing == 1",
        "has(self.missing)",
        "!has(self.missing)",
        "has(self.name) ? self.size == 3 : false",
        "self.size + 1 == 4 && self.size - 1 == 2",
        "self.size * 2 == 6 && 7 / self.size == 2 && 7 % self.size == 1",
        "self.size / 0 == 1",
        "self.size % 0 == 1",
        "-self.size == -3",
        "self.size == 9223372036854775807 + self.size",
        "self.ratio > 1",
        "self.ratio < self.size",
        "self.ratio * 2.0 == 3.0",
        "double(self.size) > self.ratio",
        "self.on",
        "!self.on",
        "self.tags[0] == 'a'",
        "self.tags[9] == 'a'",
        "'a' in self.tags",
        "'z' in self.tags",
        "self.labels['app'] == 'x'",
        "self.labels['none'] == 'x'",
        "'app' in self.labels",
        "self.labels.app == 'x'",
        "self.labels.all(k, k.startsWith('a'))",
        "self.tags.all(t, t != 'b')",
        "self.tags.exists(t, t == 'b')",
        "self.tags.exists_one(t, t == 'b')",
        "self.tags.map(t, t + '!') == ['a!', 'b!']",
        "self.tags.filter(t, t != 'b') == ['a']",
        "self.tags.map(t, t != 'b', t + '!') == ['a!']",
        "self.tags == ['b', 'a']",
        "self.set == ['y', 'x']",
        "self.set + ['z', 'x'] == ['x', 'y', 'z']",
        "self.parts.all(p, p.count > 0)",
        "self.parts.exists(p, p.name == 'one' && p.count == 1)",
        "self.parts.map(p, p.name) == ['one', 'two']",
        "size(self.tags) == 2 && self.tags.size() == 2 && size(self.name) == 5 && size(self.labels) == 1",
        "self.any == 5",
        "self.any == '5'",
        "type(self.any) == int ? self.any > 1 : false",
        "type(self.name) == string",
        "self.any == null",
        "[1, 2, 3] == [1, 2, 3] && {'a': 1} == {'a': 1}",
        "1.0 == double(1)",
        "dyn(1) == dyn(1.0)",
        "self.tags.all(t, self.size / 0 == 1)",
        "self.tags.exists(t, t == 'a' || self.size / 0 == 1)",
        "self.tags.all(i, t, i < 5 && t != '')",
        "self.labels.exists(k, v, k == 'app' && v == 'y')",
        "self.labels.transformMap(k, v, v + '!') == {'app': 'x!'}",
        "self.tags.transformList(i, t, i) == [0, 1]",
        "self.__in__ == 1 && self.a__dash__b == 2",
        "self.nested.deep == 'd'",
        "self.nested.none == 'd'",
        "has(self.nested.none)",
        // Optionals.
        "self.?missing.hasValue()",
        "self.?missing.orValue(7) == 7",
        "self.?nested.?deep.orValue('') == 'd'",
        "self.labels[?'app'].orValue('') == 'y'",
        "optional.of(self.size).value() == 3",
        "optional.none().value() == 3",
        "self.?name.optMap(n, n.size()).orValue(0) == 5",
        "self.tags[?5].hasValue()",
        "optional.ofNonZeroValue(0).hasValue()",
        // Texts.
        "self.name.contains('lph') && self.name.startsWith('al') && self.name.endsWith('ha')",
        "self.name.matches('^[a-z]+$')",
        "self.name.matches('^[0-9]+$')",
        "self.name.charAt(1) == 'l' && self.name.indexOf('p') == 2 && self.name.lastIndexOf('a') == 4",
        "self.name.charAt(9) == 'l'",
        "self.name.upperAscii() == 'ALPHA' && 'ABC'.lowerAscii() == 'abc' && ' a '.trim() == 'a'",
        "self.name.replace('a', 'o') == 'olpho'",
        "self.name.replace('a', 'o', 1) == 'olpha'",
        "'a,b,c'.split(',') == ['a', 'b', 'c'] && 'a,b,c'.split(',', 2) == ['a', 'b,c']",
        "self.name.substring(1, 3) == 'lp' && self.name.substring(3) == 'ha'",
        "self.name.substring(3, 1) == 'x'",
        "self.tags.join('-') == 'a-b' && self.tags.join() == 'ab'",
        "'%s is %d'.format([self.name, self.size]) == 'alpha is 3'",
        "'%.2f'.format([self.ratio]) == '1.50'",
        "self.name.find('[lp]+') == 'lp'",
        "'a1b2'.findAll('[0-9]') == ['1', '2'] && 'a1b2'.findAll('[0-9]', 1) == ['1']",
        "string(self.size) == '3' && int('5') == 5 && string(true) == 'true'",
        "int(self.name) == 5",
        "self.bytes == b'hello'",
        "string(self.bytes) == 'hello'",
        "string(self.ratio) == '1.5'",
        // Lists.
        "self.numbers.isSorted() && self.numbers.sum() == 6 && self.numbers.min() == 1 && self.numbers.max() == 3",
        "self.tags.isSorted()",
        "self.numbers.indexOf(2) == 1 && self.numbers.lastIndexOf(9) == -1",
        "[].sum() == 0",
        "self.none.max() == 1",
        "sets.contains(self.numbers, [1, 2])",
        "sets.equivalent(self.numbers, [3, 2, 1]) && sets.intersects(self.numbers, [9])",
        "self.none.sum() == 0",
        "self.numbers.first().value() == 1 && self.numbers.last().value() == 3 && !self.none.first().hasValue()",
        "self.numbers.slice(1, 3) == [2, 3] && self.numbers.slice(1, 1) == []",
        "self.numbers.slice(1, 9) == []",
        "self.numbers.slice(self.size - 1, 1) == []",
        "self.numbers.slice(-1, 1) == []",
        "[self.numbers, [4]].flatten() == [1, 2, 3, 4] && [dyn([dyn([1]), dyn(2)]), dyn(3)].flatten(2) == [1, 2, 3] && [dyn([dyn([1]), dyn(2)]), dyn(3)].flatten(0).size() == 2",
        "[[1]].flatten(-1) == [1]",
        "lists.range(3) == [0, 1, 2] && lists.range(0) == [] && lists.range(-1) == []",
        "self.numbers.reverse() == [3, 2, 1] && [1, 2, 1, 2].distinct() == [1, 2] && [dyn(1), dyn(1.0)].distinct().size() == 1",
        "[3, 1, 2].sort() == [1, 2, 3] && ['b', 'a'].sort() == ['a', 'b'] && self.none.sort() == []",
        "self.parts.sortBy(p, -p.count).map(p, p.name) == ['two', 'one'] && self.tags.sortBy(t, t) == self.tags",
        "[dyn(1), dyn('a')].sortBy(x, x) == []",
        "optional.unwrap([optional.of(1), optional.none()]) == [1] && [optional.of(1), optional.none()].unwrapOpt() == [1]",
        // Times.
        "self.at > timestamp('2020-01-01T00:00:00Z')",
        "self.at.getFullYear() == 2024 && self.at.getMonth() == 1 && self.at.getDayOfMonth() == 2 && self.at.getDate() == 3",
        "self.at.getDayOfWeek() == 6 && self.at.getHours() == 4 && self.at.getMinutes() == 5 && self.at.getDayOfYear() == 33",
        "self.at.getHours('+02:00') == 6",
        "self.at - timestamp('2024-02-03T00:00:00Z') > duration('1h')",
        "self.wait == duration('90s') && self.wait.getMinutes() == 1",
        "self.wait > duration('2m')",
        "self.day == timestamp('2024-02-03T00:00:00Z')",
        "string(self.wait) == '90s'",
        "string(self.at) == '2024-02-03T04:05:06Z'",
        // Libraries of the server.
        "quantity(self.memory).isGreaterThan(quantity('1Gi'))",
        "quantity(self.memory).compareTo(quantity('1536Mi')) == 0",
        "quantity('x').isInteger()",
        "isQuantity(self.memory) && !isQuantity('1.5.5')",
        "quantity('1').add(quantity('1')).sub(1).asInteger() == 1 && quantity('250m').asApproximateFloat() == 0.25",
        "sign(quantity('-1')) == -1 && quantity('1k').isInteger()",
        "quantity('250m').asInteger() == 1",
        "url(self.link).getScheme() == 'https' && url(self.link).getHost() == 'a.example:8443' && url(self.link).getPort() == '8443'",
        "url(self.link).getHostname() == 'a.example' && url(self.link).getEscapedPath() == '/b/c'",
        "url(self.link).getQuery()['q'] == ['1', '2']",
        "isURL(self.link) && !isURL('a b') && !isURL('../x')",
        "url('a b').getHost() == ''",
        "ip(self.ip).family() == 4 && !ip(self.ip).isLoopback()",
        "isIP('::1') && ip('::1').isLoopback() && !isIP('1.2.3')",
        "ip('nope').family() == 4",
        "cidr('10.0.0.0/8').containsIP(self.ip)",
        "cidr('192.168.0.0/16').containsIP(ip(self.ip))",
        "cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16') && cidr('10.1.2.3/8').masked() == cidr('10.0.0.0/8') && cidr('10.0.0.0/8').prefixLength() == 8",
        "isCIDR('10.0.0.0/8') && !isCIDR('10.0.0.0/33')",
        "ip.isCanonical('127.0.0.1') && string(ip(self.ip)) == '10.1.2.3'",
        "semver('1.2.3').isLessThan(semver('1.10.0')) && semver('1.0.0-rc.1').compareTo(semver('1.0.0')) == -1",
        "isSemver('v1.0') || isSemver('v1.0', true)",
        "semver('1.2.3').major() == 1 && semver('1.2.3').minor() == 2",
        "!format.dns1123Label().validate(self.name).hasValue()",
        "format.dns1123Label().validate('A_b').hasValue()",
        "format.named('dns1123Subdomain').hasValue()",
        "format.named('nothing').hasValue()",
        "format.uri().validate(self.link).hasValue() || format.uuid().validate('A8098c1a-f86e-11da-bd1a-00112444be1e').hasValue()",
        "format.uuid().validate('x').value() == ['does not match the UUID format'] && format.byte().validate('x').value() == ['invalid base64']",
        "format.byte().validate('aGVsbG8=').hasValue() || format.date().validate('2024-02-29').hasValue() || format.date().validate('2023-02-29').value() != ['invalid date']",
        "format.datetime().validate('2024-02-29T01:02:03Z').hasValue() || format.datetime().validate('2024-02-29T24:02:03Z').value() != ['invalid datetime']",
        "format.dns1035Label().validate('1a').hasValue() && !format.dns1123LabelPrefix().validate('ab-').hasValue() && !format.dns1035LabelPrefix().validate('ab-').hasValue()",
        "!format.dns1123SubdomainPrefix().validate('a.b-').hasValue() && format.dns1123SubdomainPrefix().validate('-').hasValue()",
    ];
    let mut all: Vec<Rule> = plain.into_iter().map(|rule| Rule { rule, more: json!({}) }).collect();
    let mut add = |rule, more| all.push(Rule { rule, more });
    // How it is told.
    add("self.size > 5", json!({"message": " must be large "}));
    add("self.size > 5", json!({"message": "must be large", "reason": "FieldValueForbidden"}));
    add("self.size > 5", json!({"reason": "FieldValueRequired", "fieldPath": ".name"}));
    add("self.size > 5", json!({"reason": "FieldValueDuplicate", "fieldPath": ".nested.deep"}));
    add("self.size > 5", json!({"reason": "FieldValueInvalid", "fieldPath": ".labels['app']"}));
    add("self.size > 5", json!({"messageExpression": "'%s has %d, wants more than 5'.format([self.name, self.size])"}));
    add("self.size > 5", json!({"message": "the message", "messageExpression": "self.missing == 1 ? 'a' : 'b'"}));
    add("self.size > 5", json!({"message": "the message", "messageExpression": "'  '"}));
    add("self.size > 5", json!({"messageExpression": "self.missing == 1 ? 'a' : 'b'"}));
    add("self.size / 0 == 1", json!({"message": "how it is called"}));
    all
}

/// What each rule looks at.
fn sample() -> Value {
    json!({"size": 3, "name": "alpha", "ratio": 1.5, "on": true, "tags": ["a", "b"], "set": ["x", "y"], "labels": {"app": "x"}, "any": 5,
        "parts": [{"name": "one", "count": 1}, {"name": "two", "count": 2}], "in": 1, "a-b": 2, "nested": {"deep": "d"}, "bytes": "aGVsbG8=",
        "numbers": [1, 2, 3], "none": [], "at": "2024-02-03T04:05:06Z", "day": "2024-02-03", "wait": "1m30s", "memory": "1536Mi",
        "link": "https://a.example:8443/b/c?q=1&q=2", "ip": "10.1.2.3"})
}

fn sample_schema() -> Value {
    let text = json!({"type": "string", "maxLength": 50});
    let whole = json!({"type": "integer"});
    let list = |items: &Value, kind: &str| json!({"type": "array", "maxItems": 5, "items": items, "x-kubernetes-list-type": kind});
    json!({"type": "object", "properties": {
        "size": whole, "missing": whole, "name": text, "ratio": {"type": "number"}, "on": {"type": "boolean"}, "tags": list(&text, "atomic"),
        "set": list(&text, "set"), "labels": {"type": "object", "maxProperties": 5, "additionalProperties": text}, "any": {"x-kubernetes-int-or-string": true},
        "parts": {"type": "array", "maxItems": 5, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
            "items": {"type": "object", "required": ["name"], "properties": {"name": text, "count": whole}}},
        "in": whole, "a-b": whole, "nested": {"type": "object", "properties": {"deep": text, "none": text}}, "bytes": {"type": "string", "format": "byte", "maxLength": 50},
        "numbers": list(&whole, "atomic"), "none": list(&whole, "atomic"), "at": {"type": "string", "format": "date-time"}, "day": {"type": "string", "format": "date"},
        "wait": {"type": "string", "format": "duration", "maxLength": 20}, "memory": text, "link": text, "ip": text}})
}

fn definition(run: &str, plural: &str, kind: &str, spec: Value) -> Value {
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": format!("{plural}.{run}.example.com")},
        "spec": {"group": format!("{run}.example.com"), "scope": "Namespaced", "names": {"plural": plural, "singular": kind.to_lowercase(), "kind": kind, "listKind": format!("{kind}List")},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}}]}})
}

/// A definition with a field for each rule, and one about changes.
pub fn definitions(run: &str) -> Vec<Value> {
    let mut fields = serde_json::Map::new();
    for (number, Rule { rule, more }) in rules().into_iter().enumerate() {
        let mut schema = sample_schema();
        let mut stated = more;
        stated["rule"] = rule.into();
        schema["x-kubernetes-validations"] = json!([stated]);
        fields.insert(format!("r{number}"), schema);
    }
    let changes = json!({"type": "object", "x-kubernetes-validations": [{"rule": "self.size >= oldSelf.size", "message": "no shrinking"}],
        "properties": {
            "size": {"type": "integer", "default": 1},
            "fixed": {"type": "string", "maxLength": 9, "x-kubernetes-validations": [{"rule": "self == oldSelf", "reason": "FieldValueForbidden"}]},
            "once": {"type": "string", "maxLength": 9, "x-kubernetes-validations": [{"rule": "!oldSelf.hasValue() || oldSelf.value() == self", "optionalOldSelf": true}]},
            "even": {"type": "integer", "x-kubernetes-validations": [{"rule": "self % 2 == 0", "message": "must be even"}]},
            "least": {"type": "integer", "minimum": 5},
            "parts": {"type": "array", "maxItems": 5, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"], "items": {"type": "object", "required": ["name"],
                "x-kubernetes-validations": [{"rule": "self.count >= oldSelf.count"}],
                "properties": {"name": {"type": "string", "maxLength": 9}, "count": {"type": "integer", "default": 0}}}},
            "list": {"type": "array", "maxItems": 5, "items": {"type": "integer", "x-kubernetes-validations": [{"rule": "self < 9"}]}},
            "map": {"type": "object", "maxProperties": 5, "additionalProperties": {"type": "string", "maxLength": 9, "x-kubernetes-validations": [{"rule": "self.startsWith('v')"}]}},
            "must": {"type": "object", "required": ["x"], "properties": {"x": {"type": "integer"}}}}});
    let mut named = definition(run, "changes", "Change", changes);
    let root = &mut named["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    root["x-kubernetes-validations"] =
        json!([{"rule": "self.metadata.name.size() < 10 && self.kind == 'Change'", "message": "the name is too long"}]);
    vec![definition(run, "ruleds", "Ruled", json!({"type": "object", "properties": fields})), named]
}

/// Before everything.
pub fn prepare(run: &str) -> Vec<Step> {
    definitions(run).into_iter().map(|definition| step("POST", DEFINITIONS, JSON, definition)).collect()
}

/// After everything.
pub fn clean(run: &str) -> Vec<Step> {
    ["ruleds", "changes", "stricts"]
        .map(|plural| step("DELETE", format!("{DEFINITIONS}/{plural}.{run}.example.com"), "", Value::Null))
        .into()
}

/// Rules that a definition is refused for: a whole entry.
fn refused() -> Vec<Value> {
    let plain = [
        "self.nope > 1",
        "self.any",
        "self.name == null",
        "self.parts == [{'name': 'two', 'count': 2}]",
        "int('x') == 5",
        "duration('x') == self.wait",
        "timestamp('x') == self.at",
        "self.name.matches('(')",
        "quantity('1').sign() == 1",
        "self.size > 'a'",
        "self.size",
        "self.size +",
        "nope(self.size)",
        "self.size.nope()",
        "unknown == 1",
        "self.size && true",
        "self.tags.all(t, t)",
        "self.tags.all(1, true)",
        "self.size.all(x, true)",
        "has(self)",
        "self.name.matches(1)",
        "[1, 'a'] == []",
        "self.name.x == 1",
        "self.any.x == 1",
        "self.size == 1.5",
        "self.metadata.name == 'x'",
        "",
        "self.size > 1\n&& true",
        "quantity(1).isInteger()",
        "self.set.nope()",
        "self.parts.sortBy(p, p).size() > 1",
        "self.parts.sort().size() > 1",
        "self.tags.flatten().size() > 1",
        "lists.range('a').size() > 1",
        "self.numbers.slice(2, 1) == []",
        "[self.any, 1].size() == 2",
        "[1, self.any, 'a'].size() == 2",
        "{'a': self.any, 'b': 1}.size() == 2",
        "[null, self.nested].size() == 2",
        "[[self.any], [1]].size() == 2",
        "[[[1], 2], 3].flatten(2) == [1, 2, 3]",
        "'a' + 1 == 'a1'",
        "self.?nope.hasValue()",
        "{'a': 1, 2: 3} == {}",
        "true ? 1 : 'a'",
        "self.tags[0] == 1",
        "self.labels['a'] == 1",
        "authorizer.path('/x').check('get').allowed()",
    ];
    let mut all: Vec<Value> = plain.into_iter().map(|rule| json!({"rule": rule})).collect();
    all.extend([
        json!({"rule": "self.size > 1", "message": "a\nb"}),
        json!({"rule": "self.size > 1", "message": "  "}),
        json!({"rule": "self.size > 1", "messageExpression": "self.size"}),
        json!({"rule": "self.size > 1", "messageExpression": "self.nope"}),
        json!({"rule": "self.size > 1", "messageExpression": "  "}),
        json!({"rule": "self.size > 1", "reason": "Other"}),
        json!({"rule": "self.size > 1", "fieldPath": ".nope"}),
        json!({"rule": "self.size > 1", "fieldPath": "size"}),
        json!({"rule": "self.size > oldSelf.size.orValue(1)", "optionalOldSelf": true}),
        json!({"rule": "oldSelf.hasValue()"}),
    ]);
    all
}

pub fn all(run: &str) -> Vec<Sequence> {
    let of = |plural: &str| format!("/apis/{run}.example.com/v1/namespaces/{{ns}}/{plural}");
    let object = |kind: &str, name: &str, spec: Value| json!({"apiVersion": format!("{run}.example.com/v1"), "kind": kind, "metadata": {"name": name}, "spec": spec});
    let mut found = Vec::new();
    for (number, rule) in rules().into_iter().enumerate() {
        let ruled = object("Ruled", "x", json!({format!("r{number}"): sample()}));
        found.push(Sequence {
            name: format!("rule {number} {} {}", rule.rule, rule.more),
            steps: vec![step("POST", of("ruleds"), JSON, ruled)],
        });
    }
    for rule in refused() {
        let mut schema = sample_schema();
        schema["x-kubernetes-validations"] = json!([rule]);
        let name = format!("rule refused {rule}");
        found.push(Sequence {
            name,
            steps: vec![step("POST", format!("{DEFINITIONS}?dryRun=All"), JSON, definition(run, "others", "Other", schema))],
        });
    }
    for junction in ["allOf", "anyOf", "not"] {
        let inner = json!({"properties": {"size": {"x-kubernetes-validations": [{"rule": "self > 1"}]}}});
        let mut schema = sample_schema();
        schema[junction] = if junction == "not" { inner } else { json!([inner]) };
        let steps = vec![step("POST", format!("{DEFINITIONS}?dryRun=All"), JSON, definition(run, "others", "Other", schema))];
        found.push(Sequence { name: format!("rule refused below {junction}"), steps });
    }
    let in_list = json!({"type": "object", "properties": {"list": {"type": "array", "maxItems": 3, "items": {"type": "integer", "x-kubernetes-validations": [{"rule": "self > oldSelf"}]}}}});
    found.push(Sequence {
        name: "rule refused in a list".to_owned(),
        steps: vec![step("POST", format!("{DEFINITIONS}?dryRun=All"), JSON, definition(run, "others", "Other", in_list))],
    });
    let one = format!("{}/x", of("changes"));
    let change = |patch: Value| step("PATCH", one.clone(), MERGE, json!({"spec": patch}));
    let apply = |spec: Value| step("PATCH", format!("{one}?fieldManager=a"), APPLY, object("Change", "x", spec));
    let create = |spec: Value| step("POST", of("changes"), JSON, object("Change", "x", spec));
    let mut add = |name: &str, steps: Vec<Step>| found.push(Sequence { name: format!("rules of changes: {name}"), steps });
    add("sizes", vec![create(json!({"size": 3})), change(json!({"size": 2})), change(json!({"size": 4})), apply(json!({"size": 3}))]);
    add(
        "fixed",
        vec![create(json!({"fixed": "a"})), change(json!({"fixed": "b"})), change(json!({"fixed": null})), change(json!({"fixed": "c"}))],
    );
    add("once", vec![create(json!({})), change(json!({"once": "a"})), change(json!({"once": "b"}))]);
    add("applied", vec![apply(json!({"size": 3, "even": 1})), apply(json!({"size": 3, "even": 2})), apply(json!({"size": 1, "even": 2}))]);
    add(
        "keyed items",
        vec![
            create(json!({"parts": [{"name": "a", "count": 3}, {"name": "b", "count": 3}]})),
            change(json!({"parts": [{"name": "b", "count": 5}, {"name": "a", "count": 2}]})),
            change(json!({"parts": [{"name": "c", "count": 1}, {"name": "a", "count": 3}]})),
        ],
    );
    add("items", vec![create(json!({"list": [1, 10]})), create(json!({"list": [1, 2]})), change(json!({"list": [10]}))]);
    add("values", vec![create(json!({"map": {"a": "x"}})), create(json!({"map": {"a": "v1"}})), change(json!({"map": {"b": "x"}}))]);
    add("names", vec![step("POST", of("changes"), JSON, object("Change", "a-long-long-name", json!({})))]);
    add(
        "not looked at",
        vec![
            create(json!({"must": {}})),
            create(json!({"even": "x"})),
            create(json!({"even": 1, "least": 1})),
            create(json!({"fixed": "0123456789", "even": 1})),
        ],
    );
    found
}

/// A definition that gets stricter while its object stands: what doesn't change may stay.
pub struct Ratcheting {
    /// Before it is served.
    pub definition: Step,
    /// While it is loose, and then strict.
    pub before: Vec<Step>,
    /// Refused as soon as it is strict.
    pub probe: Step,
    pub after: Sequence,
}

pub fn ratcheting(run: &str) -> Ratcheting {
    let loose = json!({"type": "object", "properties": {"even": {"type": "integer"}, "least": {"type": "integer"}, "other": {"type": "string"}, "word": {"type": "string", "maxLength": 9},
        "list": {"type": "array", "maxItems": 9, "items": {"type": "integer"}}}});
    let mut strict = loose.clone();
    strict["properties"]["even"]["x-kubernetes-validations"] = json!([{"rule": "self % 2 == 0", "message": "must be even"}]);
    strict["properties"]["least"]["minimum"] = 5.into();
    strict["properties"]["word"]["enum"] = json!(["a", "b"]);
    strict["properties"]["list"]["items"]["x-kubernetes-validations"] = json!([{"rule": "self < 9"}]);
    let stricts = |spec: Value| definition(run, "stricts", "Strict", spec);
    let all = format!("/apis/{run}.example.com/v1/namespaces/default/stricts");
    let object = json!({"apiVersion": format!("{run}.example.com/v1"), "kind": "Strict", "metadata": {"name": "x"}, "spec": {"even": 1, "least": 1, "word": "c", "list": [10]}});
    let versions = stricts(strict)["spec"]["versions"].clone();
    let patched = step("PATCH", format!("{DEFINITIONS}/stricts.{run}.example.com"), MERGE, json!({"spec": {"versions": versions}}));
    let change = |patch: Value| step("PATCH", format!("{all}/x"), MERGE, json!({"spec": patch}));
    let patches = [
        json!({"other": "y"}),
        json!({"even": 3}),
        json!({"least": 2}),
        json!({"word": "d"}),
        json!({"list": [10, 1]}),
        json!({"even": 2}),
    ];
    Ratcheting {
        definition: step("POST", DEFINITIONS, JSON, stricts(loose)),
        before: vec![step("POST", all.clone(), JSON, object.clone()), patched],
        probe: step("POST", format!("{all}?dryRun=All"), JSON, object),
        after: Sequence { name: "rules that came later".to_owned(), steps: patches.map(change).into() },
    }
}
