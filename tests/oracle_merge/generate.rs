//! Draws configurations and sequences of writes from seeds: the same seed, the same writes.

use serde_json::{Map, Value, json};
use spai::schema::{ListKind, Scalar, Shape, TypeRef};

use crate::cases::Case;
use crate::step::{Step, Write};

/// splitmix64.
#[derive(Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x1234_5678))
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }

    /// True so often of a hundred times.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }

    fn pick<'v, T>(&mut self, of: &'v [T]) -> &'v T {
        &of[self.below(of.len())]
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for index in (1..items.len()).rev() {
            items.swap(index, self.below(index + 1));
        }
    }
}

/// Draws from a template (see `cases`); optional fields are there so often of a hundred times.
pub fn expand(template: &Value, random: &mut Random, often: u64) -> Value {
    match template {
        Value::Object(map) => {
            if let Some(Value::Array(values)) = map.get("$any") {
                let value = random.pick(values).clone();
                return expand(&value, random, often);
            }
            if let Some(Value::Array(items)) = map.get("$some") {
                let mut drawn: Vec<Value> = Vec::new();
                for item in items {
                    if random.percent(often.max(40)) {
                        drawn.push(expand(item, random, often));
                    }
                }
                if drawn.is_empty() {
                    drawn.push(expand(random.pick(items), random, often));
                }
                if random.percent(20) {
                    random.shuffle(&mut drawn);
                }
                if random.percent(2) {
                    drawn.push(random.pick(&drawn.clone()).clone());
                }
                return Value::Array(drawn);
            }
            let mut result = Map::new();
            for (name, value) in map {
                let (name, percent) = match (name.strip_suffix("??"), name.strip_suffix('?')) {
                    (Some(name), _) => (name, often / 4),
                    (_, Some(name)) => (name, often),
                    _ => (name.as_str(), 100),
                };
                if random.percent(percent) {
                    result.insert(name.to_owned(), expand(value, random, often));
                }
            }
            Value::Object(result)
        }
        Value::Array(items) => Value::Array(items.iter().map(|item| expand(item, random, often)).collect()),
        scalar => scalar.clone(),
    }
}

/// Draws any value of a type; now and then one that isn't.
pub fn draw(of: TypeRef<'_>, random: &mut Random, often: u64, depth: usize) -> Value {
    if random.percent(1) || (of.nullable() && random.percent(20)) {
        return Value::Null;
    }
    match of.shape() {
        Shape::Scalar(scalar) => draw_scalar(*scalar, random),
        Shape::List { item, kind } => {
            let item = of.of(*item);
            let count = random.below(4);
            let mut items: Vec<Value> = Vec::new();
            for _ in 0..count {
                let mut value = draw(item, random, often, depth + 1);
                if let (ListKind::Map(keys), Some(map)) = (kind, value.as_object_mut()) {
                    for key in keys {
                        if key.default.is_some() && random.percent(60) {
                            continue;
                        }
                        if let Some(of) = item.field(&key.name) {
                            map.insert(key.name.clone(), draw_key(of, random));
                        }
                    }
                }
                let again = items.contains(&value) || same_keys(kind, &items, &value);
                if *kind == ListKind::Atomic || !again || random.percent(3) {
                    items.push(value);
                }
            }
            Value::Array(items)
        }
        Shape::Map { fields, values, open, embedded, .. } => {
            let mut map = Map::new();
            for field in fields {
                if matches!(field.name.as_str(), "apiVersion" | "kind") && *embedded {
                    map.insert(field.name.clone(), Value::from("v1"));
                } else if field.name == "metadata" && *embedded {
                    if random.percent(40) {
                        map.insert("metadata".to_owned(), expand(&json!({"labels?": {"a?": "1"}, "name?": "n"}), random, often));
                    }
                } else if field.required || random.percent(often) {
                    map.insert(field.name.clone(), draw(of.of(field.of), random, often, depth + 1));
                }
            }
            if values.is_some() || *open {
                let of = values.map_or(TypeRef::any(), |id| of.of(id));
                for name in ["a", "b", "c.d/e"] {
                    if random.percent(often / 2 + 10) {
                        map.insert(name.to_owned(), draw(of, random, often, depth + 1));
                    }
                }
            }
            Value::Object(map)
        }
        Shape::Any => draw_any(random, depth),
    }
}

fn same_keys(kind: &ListKind, items: &[Value], value: &Value) -> bool {
    let ListKind::Map(keys) = kind else { return false };
    let of = |item: &Value| keys.iter().map(|key| item.get(&key.name).or(key.default.as_ref()).cloned()).collect::<Vec<_>>();
    items.iter().any(|item| of(item) == of(value))
}

fn draw_key(of: TypeRef<'_>, random: &mut Random) -> Value {
    match of.shape() {
        Shape::Scalar(Scalar::Integer) => Value::from(random.below(3) + 80),
        _ => Value::from(*random.pick(&["TCP", "UDP", "x<y"])),
    }
}

fn draw_scalar(scalar: Scalar, random: &mut Random) -> Value {
    if random.percent(1) {
        return json!({"wrong": true});
    }
    match scalar {
        Scalar::Boolean => Value::from(random.percent(50)),
        Scalar::Integer => Value::from(random.below(4)),
        Scalar::Number => random.pick(&[json!(1), json!(1.0), json!(1.5), json!(2)]).clone(),
        Scalar::IntOrString => random.pick(&[json!(80), json!("80"), json!("50%")]).clone(),
        _ => Value::from(*random.pick(&["x", "y", "", "z\"<"])),
    }
}

fn draw_any(random: &mut Random, depth: usize) -> Value {
    match random.below(if depth > 5 { 4 } else { 7 }) {
        0 => Value::from(random.below(3)),
        1 => Value::from(*random.pick(&["x", "y"])),
        2 => Value::Bool(true),
        3 => Value::Null,
        4 => Value::Array((0..random.below(3)).map(|_| draw_any(random, depth + 2)).collect()),
        _ => {
            let mut map = Map::new();
            for name in ["a", "b", "c"] {
                if random.percent(50) {
                    map.insert(name.to_owned(), draw_any(random, depth + 1));
                }
            }
            Value::Object(map)
        }
    }
}

/// Leaves out parts of a configuration, required ones too, but never what tells items apart.
pub fn thinned(of: TypeRef<'_>, value: &Value, random: &mut Random, keep: u64) -> Value {
    match (of.shape(), value) {
        (Shape::Map { .. }, Value::Object(map)) => {
            let kept = map.iter().filter(|_| random.percent(keep)).map(|(name, value)| (name.clone(), value.clone())).collect::<Vec<_>>();
            Value::Object(
                kept.into_iter()
                    .map(|(name, value)| {
                        let value = of.field(&name).map_or(value.clone(), |of| thinned(of, &value, random, keep));
                        (name, value)
                    })
                    .collect(),
            )
        }
        (Shape::List { item, kind: ListKind::Map(keys) }, Value::Array(items)) => {
            let thin = |item_value: &Value, random: &mut Random| {
                let mut thin = thinned(of.of(*item), item_value, random, keep);
                for key in keys {
                    if let (Some(value), Some(map)) = (item_value.get(&key.name), thin.as_object_mut()) {
                        map.insert(key.name.clone(), value.clone());
                    }
                }
                thin
            };
            let mut kept = Vec::new();
            for item in items {
                if random.percent(keep) {
                    kept.push(thin(item, random));
                }
            }
            Value::Array(kept)
        }
        _ => value.clone(),
    }
}

const MANAGERS: [&str; 4] = ["alice", "bob", "carol", "kubectl"];

/// What everybody may write into metadata.
fn metadata() -> Value {
    json!({"labels?": {"a?": {"$any": ["1", "2"]}, "b?": {"$any": ["1", "2"]}, "app.kubernetes.io/name?": "x"},
        "annotations?": {"n?": {"$any": ["1", "2"]}, "o?": "", "kubectl.kubernetes.io/last-applied-configuration??": "{}"},
        "finalizers??": {"$some": ["example.dev/a", "example.dev/b", "example.dev/c"]},
        "ownerReferences??": {"$some": [{"apiVersion": "v1", "kind": "X", "name": "a", "uid": "u1"}, {"apiVersion": "v1", "kind": "X", "name": "b", "uid": "u2", "controller?": true}]}})
}

/// What a custom kind's schema allows.
fn custom(of: TypeRef<'_>, random: &mut Random, often: u64) -> Value {
    let mut drawn = json!({});
    if let Shape::Map { fields, values, open, .. } = of.shape() {
        for field in fields.iter().filter(|field| !matches!(field.name.as_str(), "apiVersion" | "kind" | "metadata" | "status")) {
            if random.percent(often.max(60)) {
                drawn[&field.name] = draw(of.of(field.of), random, often, 0);
            }
        }
        if *open || values.is_some() {
            drawn["spec"] = draw_any(random, 1);
            drawn["other"] = draw_any(random, 1);
        }
    }
    drawn
}

/// A configuration of the kind, without its name.
pub fn configuration(case: &Case, of: TypeRef<'_>, random: &mut Random) -> Value {
    let often = *random.pick(&[15, 50, 85]);
    let mut value = if let Some(template) = &case.template { expand(template, random, often) } else { custom(of, random, often) };
    value["apiVersion"] = case.api_version.into();
    value["kind"] = case.kind.into();
    value["metadata"] = expand(&metadata(), random, often / 2);
    value
}

/// The kind in one of the versions that it is written in.
fn in_some_version(case: &Case, random: &mut Random) -> Case {
    if case.versions.is_empty() {
        return case.clone();
    }
    let version: &&str = random.pick(case.versions);
    case.in_version(version)
}

/// The writes of a seed.
pub fn steps<'s>(case: &Case, type_of: impl Fn(&Case) -> TypeRef<'s>, random: &mut Random) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut last: Vec<(&'static str, &'static str, Value)> = Vec::new();
    let case = &in_some_version(case, random);
    let first = configuration(case, type_of(case), random);
    let by = *random.pick(&MANAGERS);
    let write = if random.percent(75) {
        last.push((by, case.api_version, first.clone()));
        Write::Apply { configuration: first, force: false }
    } else {
        Write::Put { changes: first, with_managers: false }
    };
    steps.push(Step { manager: by, version: case.api_version, write });
    for _ in 0..3 + random.below(5) {
        let manager = *random.pick(&MANAGERS);
        let case = &in_some_version(case, random);
        let (of, mut version) = (type_of(case), case.api_version);
        let mut changes = configuration(case, of, random);
        if random.percent(50) {
            let mut thin = thinned(of, &changes, random, 60);
            for name in ["apiVersion", "kind"] {
                thin[name] = changes[name].clone();
            }
            if !thin["metadata"].is_object() {
                thin["metadata"] = json!({});
            }
            changes = thin;
        }
        let status = |random: &mut Random| case.status.as_ref().map(|template| expand(template, random, 50));
        let write = match random.below(100) {
            0..55 => {
                let configuration = match last.iter().find(|(of, ..)| *of == manager) {
                    Some((_, before, again)) if random.percent(35) => {
                        version = before;
                        again.clone()
                    }
                    _ => changes,
                };
                last.retain(|(of, ..)| *of != manager);
                last.push((manager, version, configuration.clone()));
                Write::Apply { configuration, force: random.percent(30) }
            }
            55..67 => Write::Put { changes, with_managers: random.percent(50) },
            67..72 => Write::JsonPatch(changes),
            72..78 if case.template.is_some() => Write::Strategic(changes),
            78..83 => match status(random) {
                Some(status) => Write::Status(status),
                None => Write::Merge(changes),
            },
            83..86 => match status(random) {
                Some(status) => Write::ApplyStatus { configuration: status, force: random.percent(50) },
                None => Write::Merge(changes),
            },
            86..91 if case.scale.is_some() => Write::Scale(i64::try_from(random.below(4)).unwrap()),
            91 => Write::ForgetManagers,
            _ => Write::Merge(changes),
        };
        steps.push(Step { manager, version, write });
    }
    steps
}
