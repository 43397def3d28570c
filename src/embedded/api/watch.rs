//! WATCH: what is there, if that is wanted, then every change, as lines of JSON, with bookmarks.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::answer::{Content, Reply};
use super::{Call, Failure, Selector, Target, list, table};
use crate::embedded::catalog::Resource;
use crate::embedded::convert;
use crate::embedded::crd;
use crate::embedded::store::{Change, Event};
use crate::embedded::world::{State, World};

/// How often a watch that is told nothing is told that it is up to date.
const BOOKMARK: Duration = Duration::from_mins(1);

/// How long a watch lasts if it doesn't say.
const LASTS: Duration = Duration::from_mins(45);

struct Watch {
    world: Arc<World>,
    resource: Arc<Resource>,
    namespace: Option<String>,
    selector: Selector,
    form: Option<table::Form>,
    columns: Arc<table::Columns>,
    call: Call,
    /// The last version that was looked at.
    seen: u64,
    ready: VecDeque<Value>,
    bookmarks: bool,
    moves: tokio::sync::watch::Receiver<u64>,
    ends: Instant,
    next_bookmark: Instant,
    over: bool,
    first: bool,
}

/// Begins a watch.
pub(super) fn watch(world: &Arc<World>, state: &State, resource: &Arc<Resource>, target: &Target, call: &Call) -> Result<Reply, Failure> {
    let selector = list::selector(resource, target, call)?;
    if let Some(stored) = state.definitions.stored(resource) {
        crd::between(state, resource, &stored, &resource.api_version())?;
    }
    let asked = call.query("resourceVersion").map(list::version).transpose()?;
    let initial = call.says("sendInitialEvents");
    if initial && call.query("resourceVersionMatch") != Some("NotOlderThan") {
        let error =
            super::FieldError::forbidden("resourceVersionMatch", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
        return Err(Failure::invalid("meta.k8s.io", "ListOptions", "", &[error]));
    }
    let seconds = call.query("timeoutSeconds").and_then(|text| text.parse::<u64>().ok()).filter(|seconds| *seconds > 0);
    let now = Instant::now();
    let mut watch = Watch {
        world: Arc::clone(world),
        resource: Arc::clone(resource),
        namespace: target.namespace.clone(),
        selector,
        form: table::wanted(call),
        columns: Arc::new(table::Columns::of(state, resource)),
        call: call.clone(),
        seen: state.store.version(),
        ready: VecDeque::new(),
        bookmarks: call.says("allowWatchBookmarks"),
        moves: state.store.moves(),
        ends: now + seconds.map_or(LASTS, Duration::from_secs),
        next_bookmark: now + BOOKMARK,
        over: false,
        first: true,
    };
    match asked {
        Some(version) if version > state.store.version() => list::not_ahead(version, state.store.version())?,
        Some(version) if version > 0 && !initial => watch.seen = version,
        _ if call.query("sendInitialEvents") == Some("false") => {}
        _ => {
            let objects = match &watch.namespace {
                Some(namespace) => state.store.within(&resource.storage, namespace).cloned().collect::<Vec<_>>(),
                None => state.store.all(&resource.storage).cloned().collect(),
            };
            for object in objects {
                if watch.selector.matches(&object) {
                    watch.tell("ADDED", &object);
                }
            }
            if initial && watch.bookmarks {
                watch.bookmark(true);
            }
        }
    }
    Ok(Reply { code: 200, content: Content::Stream(watch.stream()), ..Reply::default() })
}

impl Watch {
    fn stream(self) -> BoxStream<'static, Bytes> {
        futures::stream::unfold(self, |mut watch| async move {
            let lines = watch.lines().await?;
            Some((lines, watch))
        })
        .boxed()
    }

    /// The next lines, all that are there. None: it is over.
    async fn lines(&mut self) -> Option<Bytes> {
        loop {
            if !self.ready.is_empty() {
                let mut bytes = Vec::new();
                for line in self.ready.drain(..) {
                    bytes.extend(line.to_string().into_bytes());
                    bytes.push(b'\n');
                }
                return Some(bytes.into());
            }
            if self.over {
                return None;
            }
            self.catch_up();
            if !self.ready.is_empty() {
                continue;
            }
            tokio::select! {
                moved = self.moves.changed() => {
                    // Nothing is written any more.
                    if moved.is_err() {
                        return None;
                    }
                }
                () = tokio::time::sleep_until(self.ends) => self.over = true,
                () = tokio::time::sleep_until(self.next_bookmark) => {
                    self.next_bookmark = Instant::now() + BOOKMARK;
                    if self.bookmarks {
                        self.bookmark(false);
                    }
                }
            }
        }
    }

    /// Takes in what happened since.
    fn catch_up(&mut self) {
        // What is known now needs no waking for.
        self.moves.borrow_and_update();
        let world = Arc::clone(&self.world);
        let (events, version) = {
            let state = world.lock();
            let of = |event: &&Event| {
                event.place.resource == self.resource.storage
                    && self.namespace.as_ref().is_none_or(|namespace| event.place.namespace == *namespace)
            };
            match state.store.after(self.seen) {
                Some(events) => (Some(events.filter(of).cloned().collect::<Vec<_>>()), state.store.version()),
                None => (None, state.store.forgotten()),
            }
        };
        let Some(events) = events else {
            let message = format!("too old resource version: {} ({version})", self.seen);
            self.ready.push_back(json!({"type": "ERROR", "object": Failure::expired(message).status()}));
            self.over = true;
            return;
        };
        self.seen = self.seen.max(version);
        for event in events {
            let is = event.change != Change::Deleted && self.selector.matches(&event.object);
            let was = event.before.as_ref().is_some_and(|before| self.selector.matches(before));
            let kind = match (was, is) {
                (false, true) => "ADDED",
                (true, true) => "MODIFIED",
                (true, false) => "DELETED",
                (false, false) => continue,
            };
            self.tell(kind, &event.object);
        }
    }

    fn tell(&mut self, kind: &str, object: &Arc<Value>) {
        let object = match &self.form {
            None => convert::out(&self.resource, object),
            Some(form) => {
                let metadata = json!({"resourceVersion": object["metadata"]["resourceVersion"]});
                let mut table = form.many(&self.columns, &self.resource, std::slice::from_ref(object), metadata, &self.call);
                if form.is_table() && !self.first {
                    // The columns are told once.
                    table["columnDefinitions"] = Value::Null;
                }
                self.first = false;
                if form.is_table() { table } else { table["items"][0].take() }
            }
        };
        self.ready.push_back(json!({"type": kind, "object": object}));
    }

    fn bookmark(&mut self, initial_ends: bool) {
        let mut object = json!({
            "kind": self.resource.kind, "apiVersion": self.resource.api_version(),
            "metadata": {"resourceVersion": self.seen.to_string(), "creationTimestamp": null},
        });
        if initial_ends {
            object["metadata"]["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        if self.form.is_some_and(table::Form::is_table) {
            object = json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": self.seen.to_string()},
                "columnDefinitions": null, "rows": [{"cells": [], "object": object}]});
        }
        self.ready.push_back(json!({"type": "BOOKMARK", "object": object}));
    }
}
