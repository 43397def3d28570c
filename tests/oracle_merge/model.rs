//! A write sent to the server, worked out by the function, and compared.

use http::Method;
use serde_json::{Value, json};
use spai::merge::{self, Converted, FieldSet, Merged, Refused, Verdict, Writer};
use spai::resource::{FieldPath, Tape};
use spai::schema::{ListKind, MINORS, Shape, TypeRef};

use crate::cases::Case;
use crate::compare::{in_order, normal, same, same_managers, same_object, version};
use crate::server::{Answer, Content, Server};
use crate::step::{Step, Write, merge_patch};
use crate::unseen::Unseen;

/// One object's life.
pub struct Subject<'s> {
    pub server: &'s Server,
    /// Its kind, in the version that was written last.
    pub case: Case,
    pub namespace: String,
    pub name: String,
    pub live: Option<Value>,
    /// What is stored of it and no answer shows.
    pub unseen: Unseen,
    /// Whole predictions made.
    pub predictions: usize,
    /// Those that were not what the server stored: where.
    pub missed: Vec<String>,
}

/// How a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Went {
    Applied,
    Nothing,
    Conflict,
    Updated,
    Scaled,
    Refused,
    Mistyped,
    /// Refused, for a null that merging has left.
    Null,
    /// Left to the server: somebody owns fields in a version that it alone can convert to.
    Unknown,
}

impl Subject<'_> {
    fn collection(&self) -> String {
        self.case.collection(&self.namespace)
    }

    fn path(&self, subresource: &str) -> String {
        format!("{}/{}{subresource}", self.collection(), self.name)
    }

    fn named(&self, value: &Value) -> Value {
        let mut object = value.clone();
        object["apiVersion"] = self.case.api_version.into();
        object["kind"] = self.case.kind.into();
        if !object["metadata"].is_object() {
            object["metadata"] = json!({});
        }
        object["metadata"]["name"] = self.name.as_str().into();
        if self.case.namespaced {
            object["metadata"]["namespace"] = self.namespace.as_str().into();
        }
        object
    }

    /// Sends the step and compares. An error says how the two differ.
    pub async fn step(&mut self, step: &Step) -> Result<Went, String> {
        if self.case.api_version != step.version {
            self.case = self.case.in_version(step.version);
            if self.live.is_some() {
                self.live = Some(self.server.send(Method::GET, &self.path(""), Content::Json, &Value::Null).await.body);
            }
        }
        match &step.write {
            Write::Apply { configuration, force } => self.apply(step.manager, &self.named(configuration), *force, None).await,
            Write::ApplyStatus { configuration, force } => {
                if self.live.is_none() {
                    return Ok(Went::Refused);
                }
                let configuration = self.named(&json!({"status": configuration}));
                self.apply(step.manager, &configuration, *force, Some("status")).await
            }
            Write::Scale(replicas) => self.scale(step.manager, *replicas).await,
            write => self.update(step.manager, write).await,
        }
    }

    async fn apply(&mut self, manager: &str, configuration: &Value, force: bool, subresource: Option<&str>) -> Result<Went, String> {
        let of = self.server.type_of(&self.case.gvk());
        let reset = merge::reset_fields(&self.case.group_kind(), subresource, self.case.custom_status);
        let live = self.live.clone();
        let (server, case) = (self.server, self.case.clone());
        let convert = |object: &Value, to: &str| converted(server, &case, object, to);
        let by = Writer { convert: &convert, ..writer(of, manager, subresource, &reset) };
        let before = now();
        let predicted = merge::apply(live.as_ref(), configuration, &Writer { time: &before, ..by }, force);
        let verdict = live
            .as_ref()
            .filter(|_| subresource.is_none())
            .map(|live| merge::unchanged(Tape::from(live).tree(), Tape::from(configuration).tree(), &[], manager, of));
        let tail = subresource.map(|name| format!("/{name}")).unwrap_or_default();
        let probe = match &predicted {
            Ok(merged) => Some(self.probe(merged, &tail).await),
            Err(_) => None,
        };
        let query = format!("{}?fieldManager={manager}&force={force}", self.path(&tail));
        let answer = self.server.send(Method::PATCH, &query, Content::Apply, configuration).await;
        if answer.is_success() {
            self.live = Some(answer.body.clone());
        }
        if let (Ok(merged), 422) = (&predicted, answer.code)
            && self.case.template.is_none()
            && merge::refused_null(of, &merged.object).is_some()
        {
            return Ok(Went::Null);
        }
        // The order of managers depends on the second in which the server wrote.
        let after = now();
        let later = merge::apply(live.as_ref(), configuration, &Writer { time: &after, ..by }, force);
        let in_time = |merged: &Merged| Some(merged.is_unchanged()) == live.as_ref().map(|live| version(live) == version(&answer.body));
        let predicted = match (predicted, later) {
            (Ok(merged), Ok(later)) if !in_time(&merged) && in_time(&later) => Ok(later),
            (predicted, _) => predicted,
        };
        match (predicted, answer.code) {
            (Err(Refused::Unknown(_)), code) => {
                let unchanged = live.as_ref().is_some_and(|live| version(live) == version(&answer.body));
                if verdict == Some(Verdict::Unchanged) && !unchanged {
                    return Err(format!("told to be unchanged, though its versions aren't known: {code} {}", answer.message()));
                }
                Ok(Went::Unknown)
            }
            (Err(Refused::Conflicts(conflicts)), 409) => {
                same("message", conflicts.to_string(), answer.message().to_owned())?;
                let sorted = |causes: &[Value]| {
                    let mut causes: Vec<String> = causes.iter().map(Value::to_string).collect();
                    causes.sort();
                    causes
                };
                let theirs = answer.body["details"]["causes"].as_array().cloned().unwrap_or_default();
                same("causes", sorted(&conflicts.causes()), sorted(&theirs))?;
                Ok(Went::Conflict)
            }
            (
                Err(
                    error @ (Refused::Configuration { .. }
                    | Refused::Live { .. }
                    | Refused::BadRequest(_)
                    | Refused::Conversion(_)
                    | Refused::Managers(_)
                    | Refused::Null(_)),
                ),
                code,
            ) if code >= 400 => {
                // The server lists errors in no particular order.
                let sorted = |text: &str| {
                    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
                    lines.sort();
                    lines
                };
                same("message", sorted(&error.to_string()), sorted(answer.message()))?;
                Ok(Went::Mistyped)
            }
            (Ok(merged), 200 | 201) => {
                let probe = probe.expect("sent");
                if !probe.is_success() {
                    return Err(format!("applied, where what was merged is refused: {} {}", probe.code, probe.message()));
                }
                same_object(of, &probe.body, &answer.body)?;
                self.predicted(live.as_ref(), configuration, &by, force, &answer.body);
                let unchanged = live.as_ref().is_some_and(|live| version(live) == version(&answer.body));
                // Nothing may be written though the merge differs: what it holds and is empty isn't stored. Then times stay.
                same_managers(&merged.object, &answer.body, !unchanged)?;
                in_order(&answer.body)?;
                let unseen = self.unseen.differs_from(&self.case, of, &merged.object);
                if !unchanged {
                    self.unseen = Unseen::after(&self.case, of, live.as_ref(), &merged.object, true);
                }
                if unchanged && unseen {
                    return Err("nothing written, where what is stored isn't what was answered".to_owned());
                }
                if merged.is_unchanged() && !unchanged && !unseen {
                    let server = live.as_ref().map(|live| merge::diff(of, live, &answer.body));
                    return Err(format!("written, where nothing was to be written\n{server:?}"));
                }
                if unchanged && merged.owners_changed {
                    return Err(format!("nothing written, where owners were to change\n{}", changes(of, live.as_ref(), &merged)));
                }
                if verdict == Some(Verdict::Unchanged) && !(merged.is_unchanged() && (unchanged || unseen)) {
                    return Err(format!(
                        "told to be unchanged; the function: {}, the server: {unchanged}\n{}",
                        merged.is_unchanged(),
                        changes(of, live.as_ref(), &merged)
                    ));
                }
                Ok(if unchanged { Went::Nothing } else { Went::Applied })
            }
            (Ok(_), code @ 400..500) => {
                let probe = probe.expect("sent");
                if probe.code == code {
                    Ok(Went::Refused)
                } else {
                    Err(format!("refused: {code} {}; not refused: {}", answer.message(), probe.code))
                }
            }
            (predicted, code) => Err(format!(
                "{code} {}, where the function says {}",
                answer.message(),
                predicted.map_or_else(|error| error.to_string(), |_| "that it is applied".to_owned())
            )),
        }
    }

    /// Whether the whole prediction, defaults and all, is what the server has stored; counted, with an example of each kind of miss.
    fn predicted(&mut self, live: Option<&Value>, configuration: &Value, by: &Writer<'_>, force: bool, stored: &Value) {
        // Built-in kinds have their defaults from the embedded schema, custom ones from their own.
        let of = spai::schema::built_in(MINORS[1]).kind(&self.case.gvk()).unwrap_or(by.of);
        let predicted = match merge::predict(live, configuration, &Writer { of, ..*by }, force) {
            Ok(predicted) => predicted,
            Err(Refused::Malformed(found)) => {
                self.missed.push(format!("{} {}: {}, stored", self.case.kind, found[0].path, found[0].error));
                return;
            }
            Err(_) => return,
        };
        self.predictions += 1;
        let mut predicted = normal(&predicted.object);
        // What the server makes itself on creation is not predicted; nor is a status that others write.
        let mut stored = normal(stored);
        if live.is_none() {
            for path in self.case.made.iter().filter_map(|path| path.parse::<FieldPath>().ok()) {
                merge::remove(&mut stored, &path);
                merge::remove(&mut predicted, &path);
            }
        }
        // Nor what it counts (a DaemonSet's template) or cuts down (a ServiceAccount's references) after the merge.
        let generation = FieldPath::fields(&["metadata", "annotations", "deprecated.daemonset.template.generation"]);
        for object in [&mut predicted, &mut stored] {
            object.as_object_mut().map(|object| object.remove("status"));
            match self.case.kind {
                "DaemonSet" => {
                    merge::remove(object, &generation);
                    let metadata = object["metadata"].as_object_mut().unwrap();
                    if metadata.get("annotations") == Some(&json!({})) {
                        metadata.remove("annotations");
                    }
                }
                "ServiceAccount" => drop(object.as_object_mut().map(|object| object.remove("secrets"))),
                _ => {}
            }
        }
        if let Some(place) = merge::diff(of, &predicted, &stored).into_iter().next() {
            let shown = |value: Option<Value>| value.map_or("nothing".to_owned(), |value| value.to_string());
            self.missed.push(format!("{} {}: {}, stored {}", self.case.kind, place.path, shown(place.before), shown(place.after)));
        }
    }

    /// What the server makes of the merged object, without its merging anything.
    async fn probe(&self, merged: &Merged, tail: &str) -> Answer {
        let mut object = merged.object.clone();
        object["metadata"].as_object_mut().unwrap().remove("managedFields");
        match &self.live {
            None => self.server.send(Method::POST, &format!("{}?dryRun=All", self.collection()), Content::Json, &object).await,
            Some(live) => {
                object["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"].clone();
                self.server.send(Method::PUT, &format!("{}?dryRun=All", self.path(tail)), Content::Json, &object).await
            }
        }
    }

    async fn update(&mut self, manager: &str, write: &Write) -> Result<Went, String> {
        let (subresource, live) = (matches!(write, Write::Status(_)).then_some("status"), self.live.clone());
        let tail = subresource.map(|name| format!("/{name}")).unwrap_or_default();
        let path = format!("{}?fieldManager={manager}", self.path(&tail));
        let live_managers = live.as_ref().and_then(|live| live["metadata"].get("managedFields")).cloned();
        let mut managers = live_managers.clone();
        let answer = match (write, &live) {
            (Write::Put { changes, .. }, None) => {
                managers = None;
                let path = format!("{}?fieldManager={manager}", self.collection());
                self.server.send(Method::POST, &path, Content::Json, &self.named(changes)).await
            }
            (_, None) => return Ok(Went::Refused),
            (Write::Put { changes, with_managers }, Some(live)) => {
                let mut object = self.named(&merge_patch(live, changes));
                if !with_managers {
                    object["metadata"].as_object_mut().unwrap().remove("managedFields");
                    managers = None;
                }
                self.server.send(Method::PUT, &path, Content::Json, &object).await
            }
            (Write::Merge(changes), Some(_)) => self.server.send(Method::PATCH, &path, Content::Merge, changes).await,
            (Write::Strategic(changes), Some(_)) => self.server.send(Method::PATCH, &path, Content::Strategic, changes).await,
            (Write::JsonPatch(changes), Some(live)) => {
                let merged = merge_patch(live, changes);
                let fields =
                    changes.as_object().unwrap().keys().filter(|name| !matches!(name.as_str(), "apiVersion" | "kind" | "metadata"));
                let operations: Vec<Value> =
                    fields.filter_map(|name| Some(json!({"op": "add", "path": format!("/{name}"), "value": merged.get(name)?}))).collect();
                self.server.send(Method::PATCH, &path, Content::JsonPatch, &Value::Array(operations)).await
            }
            (Write::Status(status), Some(_)) => self.server.send(Method::PATCH, &path, Content::Merge, &json!({"status": status})).await,
            (Write::ForgetManagers, Some(_)) => {
                managers = Some(json!([{}]));
                self.server.send(Method::PATCH, &path, Content::Merge, &json!({"metadata": {"managedFields": [{}]}})).await
            }
            _ => unreachable!("not an update"),
        };
        if !answer.is_success() {
            // A patch that the server can't work out is not the function's matter.
            return Ok(Went::Refused);
        }
        self.live = Some(answer.body.clone());
        if live.as_ref().is_none_or(|live| version(live) != version(&answer.body)) {
            self.unseen = Unseen::after(&self.case, self.server.type_of(&self.case.gvk()), live.as_ref(), &answer.body, false);
        }
        // What was sent, with defaults and in canonical form, is what came back, but for what the server makes itself.
        let mut new = answer.body.clone();
        let requested = match write {
            Write::Put { changes, .. } if live.is_none() => Some(changes),
            _ => None,
        };
        self.without_made(&mut new, requested);
        let asked = match (write, &live) {
            (Write::Put { changes, .. } | Write::Merge(changes), Some(live)) => merge_patch(live, changes),
            // Metadata is not in what was sent.
            (Write::JsonPatch(changes), Some(live)) => {
                let mut asked = merge_patch(live, changes);
                asked["metadata"] = live["metadata"].clone();
                asked
            }
            (Write::Put { changes, .. }, None) | (Write::Strategic(changes), _) => changes.clone(),
            _ => Value::Null,
        };
        let of = self.server.type_of(&self.case.gvk());
        with_empty_lists(&mut new, &asked, of);
        self.with_generation(&mut new, &asked, live.as_ref().filter(|_| matches!(write, Write::Strategic(_))));
        // Where there are owners, a strategic merge finds them by their key, and makes one of doubled ones itself.
        let are_found = matches!(write, Write::Strategic(_)) && live.as_ref().is_some_and(|live| owners(live) > 0);
        self.with_references(&mut new, &asked, !are_found);
        let metadata = new["metadata"].as_object_mut().unwrap();
        metadata.remove("managedFields");
        if let Some(managers) = managers {
            metadata.insert("managedFields".to_owned(), managers);
        }
        let reset = merge::reset_fields(&self.case.group_kind(), subresource, self.case.custom_status);
        let (server, case) = (self.server, self.case.clone());
        let convert = |object: &Value, to: &str| converted(server, &case, object, to);
        let by = Writer { convert: &convert, ..writer(of, manager, subresource, &reset) };
        let predicted = match merge::update(live.as_ref(), &new, &by) {
            Ok(predicted) => predicted,
            Err(Refused::Unknown(_)) => return Ok(Went::Unknown),
            Err(error) => return Err(format!("updated, where the function says {error}")),
        };
        same_managers(&predicted.object, &answer.body, true)?;
        in_order(&answer.body)?;
        let written = live.as_ref().is_none_or(|live| version(live) != version(&answer.body));
        Ok(if written { Went::Updated } else { Went::Nothing })
    }

    /// Takes out what the server makes, on creation, after it has written down who owns what.
    fn without_made(&self, new: &mut Value, requested: Option<&Value>) {
        let Some(requested) = requested else { return };
        for path in self.case.made {
            let path = path.parse::<FieldPath>().unwrap();
            merge::remove(new, &path);
            if let Some(asked) = path.get(requested) {
                merge::set(new, &path, asked.clone());
            }
        }
    }

    /// A DaemonSet's generation of its template is an annotation, which the server counts up after that; without one it is 0.
    fn with_generation(&self, new: &mut Value, asked: &Value, before: Option<&Value>) {
        if self.case.kind == "DaemonSet" && !asked.is_null() {
            let path = FieldPath::fields(&["metadata", "annotations", "deprecated.daemonset.template.generation"]);
            let standing = before.and_then(|before| path.get(before)).cloned();
            let value = path.get(asked).cloned().or(standing).unwrap_or_else(|| "0".into());
            merge::set(new, &path, value);
        }
    }

    /// Of a ServiceAccount's references to secrets only the names are kept, and of doubled owners only one, after that.
    fn with_references(&self, new: &mut Value, asked: &Value, may_double: bool) {
        if may_double && owners(asked) > owners(new) && owners(new) > 0 {
            new["metadata"]["ownerReferences"] = asked["metadata"]["ownerReferences"].clone();
        }
        if self.case.kind == "ServiceAccount"
            && let (Some(standing), Some(asked)) = (new.get_mut("secrets").and_then(Value::as_array_mut), asked["secrets"].as_array())
        {
            for item in standing {
                if let Some(asked) = asked.iter().find(|asked| asked["name"] == item["name"]) {
                    *item = asked.clone();
                }
            }
        }
    }

    async fn scale(&mut self, manager: &str, replicas: i64) -> Result<Went, String> {
        let (Some(live), Some(field)) = (self.live.clone(), self.case.scale.clone()) else { return Ok(Went::Refused) };
        let of = self.server.type_of(&self.case.gvk());
        let none = FieldSet::default();
        let predicted = merge::scaled(&live, &field, replicas, None, &writer(of, manager, None, &none));
        let path = format!("{}?fieldManager={manager}", self.path("/scale"));
        let answer = self.server.send(Method::PATCH, &path, Content::Merge, &json!({"spec": {"replicas": replicas}})).await;
        if !answer.is_success() {
            return if answer.code < 500 { Ok(Went::Refused) } else { Err(format!("{} {}", answer.code, answer.message())) };
        }
        let now = self.server.send(Method::GET, &self.path(""), Content::Json, &Value::Null).await.body;
        self.live = Some(now.clone());
        let predicted = predicted.map_err(|error| format!("scaled, where the function says {error}"))?;
        if version(&live) != version(&now) {
            self.unseen = Unseen::after_scale(&self.case, of, &live, &predicted.object, &now);
        }
        same("replicas", field.get(&predicted.object), field.get(&now))?;
        same_managers(&predicted.object, &now, true)?;
        Ok(Went::Scaled)
    }
}

fn changes(of: TypeRef<'_>, live: Option<&Value>, merged: &Merged) -> String {
    live.map_or(String::new(), |live| format!("{:?}", merge::diff(of, live, &merged.object)))
}

fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Times are the server's; nothing here depends on them.
pub fn writer<'a>(of: TypeRef<'a>, manager: &'a str, subresource: Option<&'a str>, reset: &'a FieldSet) -> Writer<'a> {
    Writer { of, manager, subresource, reset, time: "2100-01-01T00:00:00Z", convert: &|_, _| Converted::Unknown }
}

/// Built-in kinds have code that converts, our custom ones nothing.
fn converted<'s>(server: &'s Server, case: &Case, object: &Value, to: &str) -> Converted<'s> {
    match case.versions.iter().find(|version| **version == to) {
        None => Converted::Missing,
        Some(version) if case.template.is_none() => Converted::by_name(object, to, server.type_of(&case.in_version(version).gvk())),
        Some(_) => Converted::Unknown,
    }
}

/// A list that is empty isn't what comes back, but what was asked for: one that is always written comes back from the storage as
/// null, one within a list that is one value not at all; and there it makes that another value.
fn with_empty_lists(new: &mut Value, asked: &Value, of: TypeRef<'_>) {
    restore_empty_lists(new, asked, Some(of), false);
}

fn restore_empty_lists(new: &mut Value, asked: &Value, of: Option<TypeRef<'_>>, in_whole: bool) {
    let shape = of.map(TypeRef::shape);
    match (new, asked) {
        (new @ Value::Null, Value::Array(items)) if items.is_empty() => *new = Value::Array(Vec::new()),
        (Value::Array(new), Value::Array(asked)) if new.len() == asked.len() => {
            let in_whole = in_whole || matches!(shape, Some(Shape::List { kind: ListKind::Atomic, .. }));
            let item = match (of, shape) {
                (Some(of), Some(Shape::List { item, .. })) => Some(of.of(*item)),
                _ => None,
            };
            new.iter_mut().zip(asked).for_each(|(new, asked)| restore_empty_lists(new, asked, item, in_whole));
        }
        (Value::Object(new), Value::Object(asked)) => {
            for (name, asked) in asked {
                match new.get_mut(name) {
                    Some(value) => restore_empty_lists(value, asked, of.and_then(|of| of.field(name)), in_whole),
                    None if in_whole && *asked == json!([]) => drop(new.insert(name.clone(), asked.clone())),
                    None => {}
                }
            }
        }
        _ => {}
    }
}

/// How many owners an object says that it has.
fn owners(object: &Value) -> usize {
    object["metadata"]["ownerReferences"].as_array().map_or(0, Vec::len)
}
