//! Watching a kind: what is there, then every change, for as long as it is wanted.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use futures::stream::BoxStream;
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::Value;
use tokio::sync::mpsc;

use super::list::Selection;
use super::page::typed;
use super::transport::Call;
use super::{Cluster, ClusterError, Kind};
use crate::resource::Object;

/// The server ends a watch after this time, and a new one goes on from there.
const SERVER_ENDS: u64 = 290;

/// A watch that says nothing for so long (bookmarks come every minute) is dead.
const SILENCE: Duration = Duration::from_secs(130);

/// Events that were read and wait for the listener.
const WAITING: usize = 64;

const PAUSE: Duration = Duration::from_millis(200);

/// What a watch tells.
#[derive(Clone, Debug)]
pub enum WatchEvent {
    /// All that is there: first of all, and again whenever the server lost track of what was told. What isn't in it is gone.
    Restarted(Vec<Object>),
    /// An object was made or changed.
    Applied(Object),
    /// An object is gone; its last form.
    Deleted(Object),
}

impl Cluster {
    /// Watches a kind in every namespace. Begins with [`WatchEvent::Restarted`], reconnects by itself, and ends after an error:
    /// the server stayed away for longer than the server timeout, or refuses.
    pub fn watch(&self, kind: &Kind, selector: Option<&str>) -> BoxStream<'static, Result<WatchEvent, ClusterError>> {
        let watch = Watch {
            cluster: self.clone(),
            kind: kind.clone(),
            selector: selector.map(str::to_owned),
            version: None,
            body: None,
            buffer: Vec::new(),
            ready: VecDeque::new(),
            away_since: None,
        };
        let (sender, events) = mpsc::channel(WAITING);
        tokio::spawn(watch.tell(sender));
        Box::pin(futures::stream::unfold(events, |mut events| async move { Some((events.recv().await?, events)) }))
    }
}

struct Watch {
    cluster: Cluster,
    kind: Kind,
    selector: Option<String>,
    /// Where to go on; None: list first.
    version: Option<String>,
    body: Option<Body>,
    /// A line that hasn't come to its end.
    buffer: Vec<u8>,
    ready: VecDeque<WatchEvent>,
    away_since: Option<Instant>,
}

impl Watch {
    /// Tells what happens until nobody listens any more, in a task of its own: how long the server is away is measured by who
    /// keeps asking, whatever the listener does meanwhile.
    async fn tell(mut self, to: mpsc::Sender<Result<WatchEvent, ClusterError>>) {
        loop {
            let next = tokio::select! {
                next = self.next() => next,
                () = to.closed() => return,
            };
            let over = next.is_err();
            if to.send(next).await.is_err() || over {
                return;
            }
        }
    }

    async fn next(&mut self) -> Result<WatchEvent, ClusterError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(event);
            }
            let Some(version) = self.version.clone() else {
                let selection = Selection { labels: self.selector.as_deref(), ..Selection::default() };
                let (objects, version) = self.cluster.list_at(&self.kind, selection).await?;
                self.version = Some(version);
                return Ok(WatchEvent::Restarted(objects));
            };
            let Some(body) = &mut self.body else {
                self.open(&version).await?;
                continue;
            };
            if let Ok(Some(Ok(frame))) = tokio::time::timeout(SILENCE, body.frame()).await {
                if let Ok(data) = frame.into_data() {
                    self.take_in(&data)?;
                }
            } else {
                // Ended, broken off or silent: the next one goes on where this one was.
                self.close();
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    async fn open(&mut self, version: &str) -> Result<(), ClusterError> {
        let selection = Selection { labels: self.selector.as_deref(), ..Selection::default() };
        let path = format!(
            "{}?watch=true&allowWatchBookmarks=true&timeoutSeconds={SERVER_ENDS}&resourceVersion={version}{}",
            self.kind.path(None),
            selection.query()
        );
        let error = match self.cluster.transport.open(&Call::get(path)).await {
            Ok(response) if response.status().is_success() => {
                self.body = Some(response.into_body());
                self.away_since = None;
                self.cluster.transport.is_back();
                return Ok(());
            }
            Ok(response) => {
                let code = response.status().as_u16();
                let body = tokio::time::timeout(SILENCE, response.into_body().collect_bytes()).await;
                ClusterError::from_answer(code, None, &body.ok().and_then(Result::ok).unwrap_or_default())
            }
            Err(error) => error,
        };
        match &error {
            ClusterError::Other { code: 410, .. } => {
                self.version = None;
                return Ok(());
            }
            ClusterError::Unavailable { .. } | ClusterError::TooManyRequests { .. } => {}
            ClusterError::Other { code, .. } if *code >= 500 => {}
            ClusterError::Forbidden { message } if message.contains("not yet ready") => {}
            _ => return Err(error),
        }
        if self.away_since.get_or_insert_with(Instant::now).elapsed() > self.cluster.transport.server_timeout() {
            return Err(error);
        }
        self.cluster.transport.is_away(&error.to_string());
        tokio::time::sleep(PAUSE * 2).await;
        Ok(())
    }

    fn close(&mut self) {
        self.body = None;
        self.buffer.clear();
    }

    /// Takes in a part of the stream: one JSON document a line.
    fn take_in(&mut self, data: &[u8]) -> Result<(), ClusterError> {
        self.buffer.extend_from_slice(data);
        let mut start = 0;
        while let Some(length) = self.buffer[start..].iter().position(|byte| *byte == b'\n') {
            let line = &self.buffer[start..start + length];
            start += length + 1;
            let Ok(mut event) = serde_json::from_slice::<Value>(line) else { continue };
            let Some(object) = event.get_mut("object").map(Value::take) else { continue };
            match event["type"].as_str() {
                Some(kind @ ("ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK")) => {
                    if let Some(version) = object["metadata"]["resourceVersion"].as_str() {
                        self.version = Some(version.to_owned());
                    }
                    if kind == "BOOKMARK" {
                        continue;
                    }
                    let Some(object) = typed(object, &self.kind.gvk.api_version(), &self.kind.gvk.kind) else { continue };
                    self.ready.push_back(if kind == "DELETED" { WatchEvent::Deleted(object) } else { WatchEvent::Applied(object) });
                }
                Some("ERROR") => {
                    let code = object["code"].as_u64().and_then(|code| u16::try_from(code).ok()).unwrap_or(500);
                    self.close();
                    if code == 410 {
                        self.version = None;
                        return Ok(());
                    }
                    if code >= 500 || code == 429 {
                        return Ok(());
                    }
                    return Err(ClusterError::from_answer(code, None, object.to_string().as_bytes()));
                }
                _ => {}
            }
        }
        self.buffer.drain(..start);
        Ok(())
    }
}
