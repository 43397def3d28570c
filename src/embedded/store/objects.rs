//! The objects, by resource, namespace and name.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;

use serde_json::Value;

use super::history::History;
use super::log::{Log, Written};
use super::{Change, Event, Folder, OpenError};

/// Where an object is: its resource (`deployments.apps`), namespace (empty if it has none) and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Plural and group: `deployments.apps`, `pods`.
    pub resource: Arc<str>,
    /// Empty for objects without one.
    pub namespace: String,
    /// The object's name.
    pub name: String,
}

type Objects = BTreeMap<(String, String), Arc<Value>>;

/// All objects, and the file they are kept in.
#[derive(Debug)]
pub struct Store {
    objects: BTreeMap<Arc<str>, Objects>,
    version: u64,
    history: History,
    log: Option<Log>,
    /// Told of each new version.
    moved: tokio::sync::watch::Sender<u64>,
    /// Held for as long as the store is open.
    _folder: Option<Folder>,
}

impl Store {
    /// Reads what is in the folder.
    ///
    /// # Errors
    /// It can't be read, or isn't ours.
    pub fn open(folder: Folder, kept: usize) -> Result<Self, OpenError> {
        let mut objects = BTreeMap::<Arc<str>, Objects>::new();
        let mut last = 0;
        let log = Log::open(&folder, |(version, resource, written)| {
            last = last.max(version);
            if resource.is_empty() {
                return;
            }
            let of = objects.entry(resource.into()).or_default();
            match written {
                Written::Put(object) => {
                    of.insert(key(&object), Arc::new(object));
                }
                Written::Gone(namespace, name) => {
                    of.remove(&(namespace, name));
                }
            }
        })?;
        Ok(Self { log: Some(log), _folder: Some(folder), objects, ..Self::at(last, kept) })
    }

    /// A store that is kept nowhere.
    pub fn in_memory(kept: usize) -> Self {
        Self::at(0, kept)
    }

    fn at(version: u64, kept: usize) -> Self {
        Self {
            objects: BTreeMap::new(),
            version,
            history: History::new(version, kept),
            log: None,
            moved: tokio::sync::watch::Sender::new(version),
            _folder: None,
        }
    }

    /// The version of the last write.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Up to which version what happened is no longer known.
    pub fn forgotten(&self) -> u64 {
        self.history.forgotten()
    }

    /// Forgets what happened: watches and lists from before end with 410.
    pub fn forget(&mut self) {
        self.history.forget();
    }

    /// Tells when something was written.
    pub fn moves(&self) -> tokio::sync::watch::Receiver<u64> {
        self.moved.subscribe()
    }

    /// The object at a place.
    pub fn get(&self, place: &Place) -> Option<&Arc<Value>> {
        self.find(&place.resource, &place.namespace, &place.name)
    }

    /// The object of a resource with this namespace and name.
    pub fn find(&self, resource: &str, namespace: &str, name: &str) -> Option<&Arc<Value>> {
        // A pair of owned strings is what the map's key is; lookups are few against what else a request costs.
        self.objects.get(resource)?.get(&(namespace.to_owned(), name.to_owned()))
    }

    /// All objects of a resource, by namespace and name.
    pub fn all(&self, resource: &str) -> impl Iterator<Item = &Arc<Value>> {
        self.objects.get(resource).into_iter().flat_map(BTreeMap::values)
    }

    /// Those of one namespace, by name.
    pub fn within<'s>(&'s self, resource: &str, namespace: &'s str) -> impl Iterator<Item = &'s Arc<Value>> {
        let from = (namespace.to_owned(), String::new());
        let range = self.objects.get(resource).map(|objects| objects.range(from..));
        range.into_iter().flatten().take_while(move |((of, _), _)| of == namespace).map(|(_, object)| object)
    }

    /// The resources of which there is anything.
    pub fn resources(&self) -> Vec<Arc<str>> {
        self.objects.iter().filter(|(_, objects)| !objects.is_empty()).map(|(resource, _)| Arc::clone(resource)).collect()
    }

    /// The objects of a resource as they were at a version, all or of one namespace, by namespace and name. None: that is no longer known.
    pub fn at_version(&self, resource: &str, namespace: Option<&str>, version: u64) -> Option<Vec<Arc<Value>>> {
        let now: Objects = match namespace {
            Some(namespace) => self.within(resource, namespace).map(|object| (key(object), Arc::clone(object))).collect(),
            None if version >= self.version => return Some(self.all(resource).cloned().collect()),
            None => self.objects.get(resource).cloned().unwrap_or_default(),
        };
        if version >= self.version {
            return Some(now.into_values().collect());
        }
        let mut then = now;
        for event in self.history.after(version)?.rev() {
            let place = &event.place;
            if &*place.resource != resource || namespace.is_some_and(|namespace| place.namespace != namespace) {
                continue;
            }
            let key = (place.namespace.clone(), place.name.clone());
            match &event.before {
                Some(before) => then.insert(key, Arc::clone(before)),
                None => then.remove(&key),
            };
        }
        Some(then.into_values().collect())
    }

    /// What happened after a version. None: some of it is no longer known.
    pub fn after(&self, version: u64) -> Option<impl DoubleEndedIterator<Item = &Event>> {
        self.history.after(version)
    }

    /// Writes an object, which gets the next version. In the file when this returns.
    ///
    /// # Errors
    /// The file can't be written; then nothing was.
    pub fn put(&mut self, place: &Place, mut object: Value) -> std::io::Result<Arc<Value>> {
        let version = self.version + 1;
        object["metadata"]["resourceVersion"] = version.to_string().into();
        if let Some(log) = &mut self.log {
            log.put(version, &place.resource, &object)?;
        }
        let object = Arc::new(object);
        let of = self.objects.entry(Arc::clone(&place.resource)).or_default();
        let before = of.insert((place.namespace.clone(), place.name.clone()), Arc::clone(&object));
        let change = if before.is_some() { Change::Modified } else { Change::Added };
        self.moved(Event { version, change, place: place.clone(), object: Arc::clone(&object), before });
        Ok(object)
    }

    /// Takes an object away; gives its last form (`last`, or what there was), with the version of this write. None: there was nothing.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub fn remove(&mut self, place: &Place, last: Option<Value>) -> std::io::Result<Option<Arc<Value>>> {
        let key = (place.namespace.clone(), place.name.clone());
        let version = self.version + 1;
        let Some(of) = self.objects.get_mut(&place.resource) else { return Ok(None) };
        if !of.contains_key(&key) {
            return Ok(None);
        }
        if let Some(log) = &mut self.log {
            log.gone(version, &place.resource, &place.namespace, &place.name)?;
        }
        let Some(before) = of.remove(&key) else { return Ok(None) };
        let mut last = last.unwrap_or_else(|| Value::clone(&before));
        last["metadata"]["resourceVersion"] = version.to_string().into();
        let object = Arc::new(last);
        self.moved(Event { version, change: Change::Deleted, place: place.clone(), object: Arc::clone(&object), before: Some(before) });
        Ok(Some(object))
    }

    fn moved(&mut self, event: Event) {
        self.version = event.version;
        self.history.push(event);
        self.moved.send_replace(self.version);
        if self.log.as_ref().is_some_and(Log::is_bloated) {
            self.compact();
        }
    }

    /// Writes the file anew with what there is.
    fn compact(&mut self) {
        let Some(log) = &mut self.log else { return };
        let all = self.objects.iter().flat_map(|(resource, objects)| objects.values().map(move |object| (resource, object)));
        let version = |object: &Value| object["metadata"]["resourceVersion"].as_str().and_then(|text| text.parse().ok()).unwrap_or(0);
        // What can't be shortened only stays long.
        if let Err(error) = log.rewrite(all.map(|(resource, object)| (version(object), &**resource, &**object)), self.version) {
            tracing::warn!("the embedded cluster's file can't be shortened: {error}");
        }
    }

    /// The file, if there is anything to flush to the disk.
    pub fn take_unflushed(&mut self) -> Option<File> {
        self.log.as_mut()?.take_unflushed()
    }
}

fn key(object: &Value) -> (String, String) {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
    (text("namespace"), text("name"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn place(name: &str) -> Place {
        Place { resource: "configmaps".into(), namespace: "a".into(), name: name.into() }
    }

    fn object(name: &str, value: u32) -> Value {
        json!({"metadata": {"name": name, "namespace": "a"}, "data": {"v": value.to_string()}})
    }

    fn told(objects: &[Arc<Value>]) -> Vec<String> {
        objects.iter().map(|o| format!("{}={}", o["metadata"]["name"].as_str().unwrap(), o["data"]["v"].as_str().unwrap())).collect()
    }

    #[test]
    fn a_moment_of_the_past_is_found_again_until_it_is_forgotten() {
        let mut store = Store::in_memory(3);
        store.put(&place("x"), object("x", 1)).unwrap();
        store.put(&place("y"), object("y", 1)).unwrap();
        let then = store.version();
        store.put(&place("x"), object("x", 2)).unwrap();
        store.remove(&place("y"), None).unwrap();
        store.put(&place("z"), object("z", 1)).unwrap();
        assert_eq!(told(&store.at_version("configmaps", None, then).unwrap()), ["x=1", "y=1"]);
        assert_eq!(told(&store.at_version("configmaps", Some("a"), then).unwrap()), ["x=1", "y=1"]);
        assert_eq!(told(&store.at_version("configmaps", None, store.version()).unwrap()), ["x=2", "z=1"]);
        let changes: Vec<Change> = store.after(then).unwrap().map(|event| event.change).collect();
        assert_eq!(changes, [Change::Modified, Change::Deleted, Change::Added]);
        store.put(&place("z"), object("z", 2)).unwrap();
        assert!(store.at_version("configmaps", None, then).is_none() && store.after(then).is_none());
    }

    #[test]
    fn what_was_written_is_there_after_the_process_ended_and_a_torn_tail_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(Folder::open(folder.path()).unwrap(), 10).unwrap();
        store.put(&place("x"), object("x", 1)).unwrap();
        store.put(&place("y"), object("y", 1)).unwrap();
        store.remove(&place("y"), None).unwrap();
        drop(store);
        let file = folder.path().join("objects");
        let mut bytes = std::fs::read(&file).unwrap();
        let whole = bytes.len();
        bytes.extend([40, 0, 0, 0, 1, 2, 3]);
        std::fs::write(&file, &bytes).unwrap();
        let mut store = Store::open(Folder::open(folder.path()).unwrap(), 10).unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().len(), whole as u64);
        assert_eq!((told(&store.at_version("configmaps", None, 3).unwrap()), store.version()), (vec!["x=1".to_owned()], 3));
        assert!(store.after(2).is_none(), "what happened before is no longer known");
        store.put(&place("y"), object("y", 2)).unwrap();
        store.remove(&place("y"), None).unwrap();
        store.compact();
        drop(store);
        let store = Store::open(Folder::open(folder.path()).unwrap(), 10).unwrap();
        assert_eq!((told(&store.at_version("configmaps", None, 5).unwrap()), store.version()), (vec!["x=1".to_owned()], 5));
    }

    #[test]
    fn a_foreign_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("objects"), "something else entirely").unwrap();
        assert!(matches!(Store::open(Folder::open(folder.path()).unwrap(), 10), Err(OpenError::Foreign(_))));
    }
}
