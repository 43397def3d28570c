//! A small API server in memory: server-side apply over maps (lists are atomic), field managers, guards, finalizers and a
//! deployment controller; and a journal in memory. Both fail on request, at every request and every record.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt as _;
use serde_json::{Value, json};

use crate::admission::symptoms::Symptom;
use crate::apply::ownership::{fields, trie};
use crate::apply::{Api, Log, Record, Watching};
use crate::cluster::{Applied, ClusterError, Deletion, Guard, OwnershipConflict, WatchEvent};
use crate::plan::Propagation;
use crate::resource::{Diagnostic, FieldManager, FieldPath, GroupKind, Object, ObjectKey, PathElement};
use crate::schema::{Catalog, MINORS};

/// What happens at a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The process dies before it is sent.
    DieBefore,
    /// The process dies after it was carried out.
    DieAfter,
    /// It is carried out, and the answer is lost.
    LoseAnswer,
    /// It isn't carried out, and nobody can know.
    LoseRequest,
    /// A controller writes a status just before.
    Touch,
}

/// The server's inside.
#[derive(Default)]
pub struct Inside {
    pub objects: BTreeMap<ObjectKey, Object>,
    counter: u64,
    pub requests: usize,
    pub fault: Option<(usize, Fault)>,
    pub dead: bool,
    /// What a write to this object is answered with.
    pub refuses: BTreeMap<ObjectKey, ClusterError>,
    /// Deployments with this image never get ready.
    pub impossible: Option<String>,
    /// Deployments with this image are on their way for ever.
    pub slow: Option<String>,
}

/// The server.
#[derive(Clone, Default)]
pub struct Fake(pub Arc<Mutex<Inside>>);

fn stale() -> ClusterError {
    ClusterError::Stale { message: "the object has been modified".into() }
}

impl Inside {
    fn tick(&mut self) -> String {
        self.counter += 1;
        self.counter.to_string()
    }

    fn time(&self) -> String {
        format!("2026-11-20T14:{:02}:{:02}Z", self.counter / 60 % 60, self.counter % 60)
    }

    fn guarded(&self, key: &ObjectKey, guard: &Guard) -> Result<&Object, ClusterError> {
        let live = self.objects.get(key).ok_or(ClusterError::NotFound { message: "not found".into() })?;
        if Guard::of(live).as_ref() == Some(guard) { Ok(live) } else { Err(stale()) }
    }

    /// Stores an object as a new one.
    fn insert(&mut self, mut object: Object, entries: Vec<Value>) -> Object {
        let version = self.tick();
        let time = self.time();
        let mut entries = entries;
        for entry in &mut entries {
            entry["time"] = time.clone().into();
        }
        let metadata = &mut object.value_mut()["metadata"];
        metadata["uid"] = format!("uid-{version}").into();
        metadata["creationTimestamp"] = time.into();
        metadata["generation"] = 1.into();
        metadata["managedFields"] = entries.into();
        metadata["resourceVersion"] = version.into();
        self.objects.insert(object.key(), object.clone());
        object
    }

    /// Stores a changed object, unless nothing changed.
    fn update(
        &mut self,
        key: &ObjectKey,
        content: Value,
        entries: BTreeMap<(String, String), (String, BTreeSet<FieldPath>, Value)>,
    ) -> Object {
        let live = self.objects[key].clone();
        let mut value = content;
        let same = value == *live.without_server_fields().value();
        let list: Vec<Value> = entries
            .into_iter()
            .filter(|(_, (_, set, _))| !set.is_empty())
            .map(|((manager, operation), (subresource, set, time))| {
                let mut entry = json!({"manager": manager, "operation": operation, "apiVersion": live.api_version(), "fieldsV1": trie(&set), "time": time});
                if !subresource.is_empty() {
                    entry["subresource"] = subresource.into();
                }
                entry
            })
            .collect();
        let owners =
            |list: &[Value]| list.iter().map(|e| (e["manager"].clone(), e["operation"].clone(), e["fieldsV1"].clone())).collect::<Vec<_>>();
        let mut before: Vec<_> = owners(live.managed_fields());
        let mut after: Vec<_> = owners(&list);
        before.sort_by_key(|e| format!("{e:?}"));
        after.sort_by_key(|e| format!("{e:?}"));
        if same && before == after {
            return live;
        }
        let version = self.tick();
        for field in ["uid", "creationTimestamp", "deletionTimestamp", "generation"] {
            if let Some(kept) = live.value()["metadata"].get(field) {
                value["metadata"][field] = kept.clone();
            }
        }
        if value.get("spec") != live.value().get("spec") {
            value["metadata"]["generation"] = (live.generation().unwrap_or(1) + 1).into();
        }
        if let Some(status) = live.value().get("status") {
            value["status"] = status.clone();
        }
        value["metadata"]["managedFields"] = list.into();
        value["metadata"]["resourceVersion"] = version.into();
        let object = Object::try_from(value).unwrap();
        self.objects.insert(key.clone(), object.clone());
        object
    }

    /// A controller writes a status.
    pub fn touch(&mut self, key: &ObjectKey) {
        let version = self.tick();
        if let Some(object) = self.objects.get_mut(key) {
            object.value_mut()["status"]["touched"] = version.clone().into();
            object.value_mut()["metadata"]["resourceVersion"] = version.into();
        }
    }

    /// What controllers do when they come to it: deployments roll out, what is to go goes.
    fn reconcile(&mut self) {
        let gone: Vec<ObjectKey> = self.objects.iter().filter(|(_, o)| o.is_being_deleted()).map(|(key, _)| key.clone()).collect();
        for key in gone {
            self.objects.remove(&key);
        }
        let keys: Vec<ObjectKey> = self.objects.keys().filter(|key| key.kind == "Deployment").cloned().collect();
        for key in keys {
            let object = &self.objects[&key];
            let generation = object.generation().unwrap_or_default();
            let image = object.value()["spec"]["image"].as_str();
            let status = if self.slow.is_some() && image == self.slow.as_deref() {
                json!({"observedGeneration": generation, "replicas": 1, "updatedReplicas": 1})
            } else if self.impossible.is_some() && image == self.impossible.as_deref() {
                json!({"observedGeneration": generation, "replicas": 1, "conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "it has timed out progressing"}]})
            } else {
                let n = object.value()["spec"]["replicas"].as_i64().unwrap_or(1);
                json!({"observedGeneration": generation, "replicas": n, "updatedReplicas": n, "readyReplicas": n, "availableReplicas": n,
                    "conditions": [{"type": "Available", "status": "True"}]})
            };
            if object.value().get("status") != Some(&status) {
                let version = self.tick();
                let object = self.objects.get_mut(&key).unwrap();
                object.value_mut()["status"] = status;
                object.value_mut()["metadata"]["resourceVersion"] = version.into();
            }
        }
    }
}

type Entries = BTreeMap<(String, String), (String, BTreeSet<FieldPath>, Value)>;

fn entries_of(object: &Object) -> Entries {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    object
        .managed_fields()
        .iter()
        .map(|e| ((text(&e["manager"]), text(&e["operation"])), (text(&e["subresource"]), fields(&e["fieldsV1"]), e["time"].clone())))
        .collect()
}

/// The leaves of a configuration: lists and empty maps are leaves.
pub fn leaves(value: &Value) -> BTreeSet<FieldPath> {
    fn walk(value: &Value, path: &FieldPath, found: &mut BTreeSet<FieldPath>) {
        match value.as_object() {
            Some(map) if !map.is_empty() => {
                for (name, below) in map {
                    let path = path.field(name);
                    let text = path.to_string();
                    if ["apiVersion", "kind", "metadata.name", "metadata.namespace", "metadata.uid", "metadata.resourceVersion"]
                        .contains(&&*text)
                    {
                        continue;
                    }
                    walk(below, &path, found);
                }
            }
            _ => {
                found.insert(path.clone());
            }
        }
    }
    let mut found = BTreeSet::new();
    walk(value, &FieldPath::root(), &mut found);
    found.remove(&FieldPath::root());
    found.remove(&FieldPath::fields(&["metadata"]));
    found
}

fn set(root: &mut Value, path: &FieldPath, value: &Value) {
    let mut node = root;
    for element in &path.0 {
        let PathElement::Field(name) = element else { panic!("only fields here") };
        node = &mut node[name.as_str()];
    }
    *node = value.clone();
}

fn unset(root: &mut Value, path: &FieldPath) {
    let (PathElement::Field(last), parents) = path.0.split_last().unwrap() else { panic!("only fields here") };
    if let Some(Value::Object(map)) = FieldPath(parents.to_vec()).get_mut(root) {
        map.remove(last);
        if map.is_empty() && !parents.is_empty() && path.0.len() > 1 {
            unset(root, &FieldPath(parents.to_vec()));
        }
    }
}

impl Fake {
    pub fn with<T>(&self, f: impl FnOnce(&mut Inside) -> T) -> T {
        f(&mut self.0.lock().unwrap())
    }

    /// Counts a write, and lets happen what is to happen at it.
    async fn write<T>(&self, key: &ObjectKey, work: impl FnOnce(&mut Inside) -> Result<T, ClusterError>) -> Result<T, ClusterError> {
        let fault = self.with(|inside| {
            inside.requests += 1;
            let now = inside.requests;
            inside.fault.filter(|(at, _)| *at == now).map(|(_, fault)| fault)
        });
        if self.with(|inside| inside.dead) {
            std::future::pending::<()>().await;
        }
        let lost = || ClusterError::Unavailable { message: "connection reset".into(), sent: true };
        match fault {
            Some(Fault::DieBefore) => {
                self.with(|inside| inside.dead = true);
                std::future::pending::<()>().await;
            }
            Some(Fault::LoseRequest) => return Err(lost()),
            Some(Fault::Touch) => self.with(|inside| inside.touch(key)),
            _ => {}
        }
        let refused = self.with(|inside| inside.refuses.get(key).cloned());
        let result = match refused {
            Some(error) => Err(error),
            None => self.with(work),
        };
        match fault {
            Some(Fault::DieAfter) => {
                self.with(|inside| inside.dead = true);
                std::future::pending::<()>().await;
            }
            Some(Fault::LoseAnswer) => return Err(lost()),
            _ => {}
        }
        result
    }

    /// Until the process is dead.
    pub async fn death(&self) {
        while !self.with(|inside| inside.dead) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// The process is alive again.
    pub fn revive(&self) {
        self.with(|inside| {
            inside.dead = false;
            inside.fault = None;
            inside.requests = 0;
        });
    }

    /// What is there, apart from what nobody declares: contents, and who owns which field.
    pub fn snapshot(&self) -> Vec<(ObjectKey, Value, Vec<String>)> {
        self.with(|inside| {
            inside.reconcile();
            let all = inside.objects.iter().map(|(key, object)| {
                let mut owners: Vec<String> = object
                    .managed_fields()
                    .iter()
                    .filter(|e| e.get("subresource").is_none())
                    .map(|e| format!("{} {} {}", e["manager"], e["operation"], e["fieldsV1"]))
                    .collect();
                owners.sort();
                (key.clone(), object.without_server_fields().value().clone(), owners)
            });
            all.collect()
        })
    }

    pub fn live(&self, key: &ObjectKey) -> Option<Object> {
        self.with(|inside| inside.objects.get(key).cloned())
    }
}

impl Api for Fake {
    async fn get(&self, key: &ObjectKey, _: Option<&str>) -> Result<Option<Object>, ClusterError> {
        if self.with(|inside| inside.dead) {
            std::future::pending::<()>().await;
        }
        Ok(self.live(key))
    }

    async fn apply(&self, object: &Object, manager: &FieldManager, force: bool, guard: Option<Guard>) -> Result<Applied, ClusterError> {
        let key = object.key();
        self.write(&key.clone(), |inside| {
            let wanted = leaves(object.value());
            let identity = (manager.as_str().to_owned(), "Apply".to_owned());
            let Some(live) = inside.objects.get(&key).cloned() else {
                if guard.is_some() {
                    return Err(stale());
                }
                let entry = json!({"manager": manager.as_str(), "operation": "Apply", "apiVersion": object.api_version(), "fieldsV1": trie(&wanted)});
                return Ok(Applied { object: inside.insert(object.clone(), vec![entry]), created: true, warnings: vec![] });
            };
            if let Some(guard) = &guard {
                inside.guarded(&key, guard)?;
            }
            let mut entries = entries_of(&live);
            let former = entries.get(&identity).map(|e| e.1.clone()).unwrap_or_default();
            let mut conflicts = Vec::new();
            for path in &wanted {
                for ((other, operation), (_, owned, _)) in &mut entries {
                    if (other.as_str(), operation.as_str()) != (manager.as_str(), "Apply") && owned.contains(path) && path.get(live.value()) != path.get(object.value()) {
                        if force {
                            owned.remove(path);
                        } else {
                            conflicts.push(OwnershipConflict { manager: other.clone(), since: None, path: path.clone() });
                        }
                    }
                }
            }
            if !conflicts.is_empty() {
                return Err(ClusterError::Conflict { ownership: conflicts, message: "conflict".into() });
            }
            let mut content = Value::from(live.without_server_fields());
            for path in &wanted {
                set(&mut content, path, path.get(object.value()).unwrap());
            }
            for path in former.difference(&wanted) {
                let owned = entries.iter().any(|(who, (_, owned, _))| *who != identity && owned.contains(path));
                if !owned {
                    unset(&mut content, path);
                }
            }
            let time = Value::from(inside.time());
            entries.insert(identity, (String::new(), wanted, time));
            Ok(Applied { object: inside.update(&key, content, entries), created: false, warnings: vec![] })
        })
        .await
    }

    async fn patch(&self, key: &ObjectKey, patch: Value, guard: &Guard, _: &FieldManager) -> Result<Object, ClusterError> {
        self.write(key, |inside| {
            let live = inside.guarded(key, guard)?.clone();
            assert_eq!(patch[0]["path"], "/metadata/managedFields");
            let mut with = live.clone();
            with.value_mut()["metadata"]["managedFields"] = patch[0]["value"].clone();
            Ok(inside.update(key, live.without_server_fields().into(), entries_of(&with)))
        })
        .await
    }

    async fn replace(&self, object: &Object, manager: &FieldManager) -> Result<Object, ClusterError> {
        let key = object.key();
        self.write(&key.clone(), |inside| {
            let guard = Guard::of(object).unwrap();
            let live = inside.guarded(&key, &guard)?.clone();
            let mut entries = entries_of(&live);
            let (old, new) = (live.without_server_fields(), object.without_server_fields());
            let (was, is) = (leaves(old.value()), leaves(new.value()));
            let changed: BTreeSet<FieldPath> = is.iter().filter(|path| path.get(old.value()) != path.get(new.value())).cloned().collect();
            for (_, owned, _) in entries.values_mut() {
                owned.retain(|path| !changed.contains(path) && (is.contains(path) || !was.contains(path)));
            }
            if !changed.is_empty() {
                let time = Value::from(inside.time());
                let entry =
                    entries.entry((manager.as_str().to_owned(), "Update".to_owned())).or_insert((String::new(), BTreeSet::new(), time));
                entry.1.extend(changed);
            }
            Ok(inside.update(&key, new.into(), entries))
        })
        .await
    }

    async fn create(&self, object: &Object, manager: &FieldManager) -> Result<Object, ClusterError> {
        let key = object.key();
        self.write(&key.clone(), |inside| {
            if inside.objects.contains_key(&key) {
                return Err(ClusterError::AlreadyExists { message: "already exists".into() });
            }
            let set = leaves(object.value());
            let entry =
                json!({"manager": manager.as_str(), "operation": "Update", "apiVersion": object.api_version(), "fieldsV1": trie(&set)});
            Ok(inside.insert(object.without_server_fields(), vec![entry]))
        })
        .await
    }

    async fn delete(&self, key: &ObjectKey, guard: &Guard, _: Propagation) -> Result<Deletion, ClusterError> {
        self.write(key, |inside| {
            if !inside.objects.contains_key(key) {
                return Ok(Deletion::Gone);
            }
            inside.guarded(key, guard)?;
            if key.kind != "Deployment" {
                inside.objects.remove(key);
                return Ok(Deletion::Gone);
            }
            // Its dependents go first.
            let version = inside.tick();
            let time = inside.time();
            let object = inside.objects.get_mut(key).unwrap();
            object.value_mut()["metadata"]["deletionTimestamp"] = time.into();
            object.value_mut()["metadata"]["resourceVersion"] = version.into();
            Ok(Deletion::Begun(Box::new(object.clone())))
        })
        .await
    }

    async fn watch(&self, kind: &GroupKind, _: &str) -> Result<Watching, ClusterError> {
        let (fake, kind) = (self.clone(), kind.clone());
        Ok(futures::stream::unfold(0_u32, move |round| {
            let (fake, kind) = (fake.clone(), kind.clone());
            async move {
                if round > 0 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                let objects = fake.with(|inside| {
                    if round > 0 {
                        inside.reconcile();
                    }
                    inside.objects.iter().filter(|(key, _)| key.group_kind() == kind).map(|(_, object)| object.clone()).collect()
                });
                Some((Ok(WatchEvent::Restarted(objects)), round + 1))
            }
        })
        .boxed())
    }

    async fn diagnose(&self, _: &ObjectKey) -> Result<Vec<Symptom>, ClusterError> {
        Ok(Vec::new())
    }

    async fn catalog(&self, _: &BTreeSet<String>) -> Result<Catalog, ClusterError> {
        if self.with(|inside| inside.dead) {
            std::future::pending::<()>().await;
        }
        Ok(Catalog::of_minor(MINORS[1]))
    }

    async fn refresh(&self) -> Result<(), ClusterError> {
        Ok(())
    }
}

/// A journal in memory, which dies at a record or a flush.
#[derive(Clone, Default)]
pub struct Memory(pub Arc<Mutex<Pages>>);

/// What a journal in memory holds.
#[derive(Default)]
pub struct Pages {
    pub records: Vec<Record>,
    pub durable: usize,
    pub operations: usize,
    pub dies_at: Option<usize>,
}

impl Memory {
    /// The records that a crash leaves: all that were flushed, and those after them if the machine lives on.
    pub fn left(&self, machine_lives: bool) -> Vec<Record> {
        let pages = self.0.lock().unwrap();
        let count = if machine_lives { pages.records.len() } else { pages.durable };
        pages.records[..count].to_vec()
    }

    fn operation(pages: &mut Pages) -> Result<(), Diagnostic> {
        pages.operations += 1;
        match pages.dies_at {
            Some(at) if pages.operations >= at => Err(Diagnostic::error("test::died", "died")),
            _ => Ok(()),
        }
    }
}

impl Log for Memory {
    fn append(&mut self, record: &Record) -> Result<(), Diagnostic> {
        let mut pages = self.0.lock().unwrap();
        Self::operation(&mut pages)?;
        // What is read back is what was written.
        let text = serde_json::to_string(record).unwrap();
        pages.records.push(serde_json::from_str(&text).unwrap());
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Diagnostic> {
        let mut pages = self.0.lock().unwrap();
        Self::operation(&mut pages)?;
        pages.durable = pages.records.len();
        Ok(())
    }
}
