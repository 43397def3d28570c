//! What kinds the cluster serves, from aggregated discovery: two requests, however many groups there are.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared, WeakShared};
use serde_json::Value;

use super::transport::{Call, Transport};
use super::{Cause, Cluster, ClusterError};
use crate::resource::{GroupKind, GroupVersionKind};

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";

/// How long after its CRD is established a kind may be missing from discovery.
const DISCOVERED_WITHIN: Duration = Duration::from_secs(3);
const ASK_AGAIN: Duration = Duration::from_millis(150);

/// A kind that the cluster serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Group, the version that requests go to, and kind.
    pub gvk: GroupVersionKind,
    /// The name in paths: `deployments`.
    pub plural: String,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// The versions that are served, the server's favourite first.
    pub versions: Vec<String>,
    /// What can be done: `get`, `list`, `watch`, `create`, `patch`, `delete`, …
    pub verbs: BTreeSet<String>,
    /// `status`, `scale`, …
    pub subresources: BTreeSet<String>,
}

impl Kind {
    /// Group and kind.
    pub fn group_kind(&self) -> GroupKind {
        self.gvk.group_kind()
    }

    /// The same kind, read and written in another of its versions.
    pub fn in_version(&self, version: &str) -> Option<Self> {
        self.versions.iter().any(|known| known == version).then(|| {
            let mut kind = self.clone();
            version.clone_into(&mut kind.gvk.version);
            kind
        })
    }

    /// The path of all its objects, or of those of one namespace.
    pub(super) fn path(&self, namespace: Option<&str>) -> String {
        let base = if self.gvk.group.is_empty() {
            format!("/api/{}", self.gvk.version)
        } else {
            format!("/apis/{}/{}", self.gvk.group, self.gvk.version)
        };
        match namespace.filter(|_| self.namespaced) {
            Some(namespace) => format!("{base}/namespaces/{}/{}", segment(namespace), self.plural),
            None => format!("{base}/{}", self.plural),
        }
    }

    /// The path of one object.
    pub(super) fn object_path(&self, namespace: Option<&str>, name: &str) -> String {
        format!("{}/{}", self.path(namespace), segment(name))
    }
}

/// A name as a path's segment: RBAC's have colons, and nothing may leave its place.
pub(super) fn segment(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) && name != "." && name != ".." {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// All kinds that the cluster serves. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Kinds {
    kinds: Arc<BTreeMap<GroupKind, Kind>>,
    stale: Arc<BTreeSet<String>>,
}

impl Kinds {
    /// The kind, in the version that the server likes best. None: the cluster serves no such kind (see [`Self::is_stale`]).
    pub fn get(&self, kind: &GroupKind) -> Option<&Kind> {
        self.kinds.get(kind)
    }

    /// The kind in a given version.
    pub fn get_version(&self, gvk: &GroupVersionKind) -> Option<Kind> {
        self.get(&gvk.group_kind())?.in_version(&gvk.version)
    }

    /// Whether the server itself couldn't find out all about this group (an aggregated API server is down), so that a
    /// missing kind means nothing.
    pub fn is_stale(&self, group: &str) -> bool {
        self.stale.contains(group)
    }

    /// All of them, by group and kind.
    pub fn iter(&self) -> impl Iterator<Item = &Kind> {
        self.kinds.values()
    }

    /// Reads the two aggregated documents.
    fn parse(documents: &[Value]) -> Self {
        let (mut kinds, mut stale) = (BTreeMap::<GroupKind, Kind>::new(), BTreeSet::new());
        for group in documents.iter().flat_map(|document| list(&document["items"])) {
            let name = group["metadata"]["name"].as_str().unwrap_or_default();
            for version in list(&group["versions"]) {
                if version["freshness"] == "Stale" {
                    stale.insert(name.to_owned());
                }
                for resource in list(&version["resources"]) {
                    add(&mut kinds, name, text(&version["version"]), resource);
                }
            }
        }
        Self { kinds: Arc::new(kinds), stale: Arc::new(stale) }
    }
}

fn add(kinds: &mut BTreeMap<GroupKind, Kind>, group: &str, version: &str, resource: &Value) {
    let kind = text(&resource["responseKind"]["kind"]);
    let (plural, verbs) = (text(&resource["resource"]), strings(&resource["verbs"]));
    // Reviews and the like can be created and never read: nothing that a stack could hold.
    if kind.is_empty() || plural.is_empty() || !verbs.contains("get") {
        return;
    }
    // Versions come in the server's order of preference, so the first one stays.
    let known = kinds.entry(GroupKind::new(group, kind)).or_insert_with(|| Kind {
        gvk: GroupVersionKind { group: group.to_owned(), version: version.to_owned(), kind: kind.to_owned() },
        plural: plural.to_owned(),
        namespaced: resource["scope"] == "Namespaced",
        versions: Vec::new(),
        verbs,
        subresources: list(&resource["subresources"]).map(|sub| text(&sub["subresource"]).to_owned()).collect(),
    });
    if known.plural == plural {
        known.versions.push(version.to_owned());
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn strings(value: &Value) -> BTreeSet<String> {
    list(value).filter_map(Value::as_str).map(str::to_owned).collect()
}

/// What is known of a cluster's kinds, and who is asking for it.
#[derive(Default)]
pub(super) struct Discovery(Mutex<Discovered>);

#[derive(Default)]
struct Discovered {
    known: Option<Kinds>,
    /// Held by those who wait alone: with the last of them the question goes.
    asking: Option<(WeakShared<Answer>, bool)>,
}

type Answer = BoxFuture<'static, Result<Kinds, ClusterError>>;

/// A question that is under way. Each who waits carries it on, so one that is looked at no more keeps nobody waiting.
struct Asking {
    answer: Shared<Answer>,
    /// It gives up at once.
    is_hasty: bool,
}

impl Discovery {
    /// The kinds, if they are known; else the question for them, which is asked if nobody does yet.
    fn known_or_asking(&self, transport: &Transport) -> Result<Kinds, Asking> {
        let mut discovered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &discovered.known {
            return Ok(known.clone());
        }
        if let Some((answer, is_hasty)) = &discovered.asking
            && let Some(answer) = answer.upgrade()
        {
            return Err(Asking { answer, is_hasty: *is_hasty });
        }
        let asking = Asking { answer: discover(transport.clone()).boxed().shared(), is_hasty: transport.is_hasty() };
        discovered.asking = asking.answer.downgrade().map(|answer| (answer, asking.is_hasty));
        Err(asking)
    }

    /// Remembers the kinds, unless somebody knows newer ones.
    fn keep(&self, kinds: Kinds) -> Kinds {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).known.get_or_insert(kinds).clone()
    }

    /// Whoever asks next asks anew.
    fn forget(&self, asking: &Asking) {
        let mut discovered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let current = discovered.asking.as_ref().and_then(|(answer, _)| answer.upgrade());
        if current.is_some_and(|current| current.ptr_eq(&asking.answer)) {
            discovered.asking = None;
        }
    }
}

async fn discover(transport: Transport) -> Result<Kinds, ClusterError> {
    let ask = |path| {
        let call = Call { accept: AGGREGATED, ..Call::get(path) };
        let transport = &transport;
        async move { transport.call(&call).await?.json() }
    };
    let (core, groups) = tokio::join!(ask("/api"), ask("/apis"));
    let documents = [core?, groups?];
    if let Some(other) = documents.iter().find(|document| document["kind"] != "APIGroupDiscoveryList") {
        return Err(ClusterError::Other {
            code: 0,
            reason: "NotAcceptable".to_owned(),
            message: format!(
                "the server knows no aggregated discovery (it answered {}): Kubernetes 1.30 or newer is needed",
                other["kind"]
            ),
        });
    }
    Ok(Kinds::parse(&documents))
}

impl Cluster {
    /// All kinds that the cluster serves; asked once, then remembered. Whoever asks meanwhile waits for the same answer, and for
    /// nobody who waits for it too.
    ///
    /// # Errors
    /// Discovery failed: nothing is known then, least of all that a kind is absent.
    pub async fn kinds(&self) -> Result<Kinds, ClusterError> {
        loop {
            let asking = match self.kinds.known_or_asking(&self.transport) {
                Ok(known) => return Ok(known),
                Err(asking) => asking,
            };
            match asking.answer.clone().await {
                Ok(kinds) => return Ok(self.kinds.keep(kinds)),
                // Who gave up at once gave up for itself.
                Err(_) if asking.is_hasty && !self.transport.is_hasty() => self.kinds.forget(&asking),
                Err(error) => return Err(error),
            }
        }
    }

    /// Asks again: after a CRD was created or deleted.
    ///
    /// # Errors
    /// As [`Self::kinds`].
    pub async fn refresh(&self) -> Result<Kinds, ClusterError> {
        let kinds = discover(self.transport.clone()).await?;
        self.kinds.0.lock().unwrap_or_else(PoisonError::into_inner).known = Some(kinds.clone());
        Ok(kinds)
    }

    /// The kind that a key or an object is of; asks again once if it is unknown, for it may be new.
    pub(super) async fn kind_of(&self, group_kind: &GroupKind, version: Option<&str>) -> Result<Kind, ClusterError> {
        let find = |kinds: &Kinds| {
            let kind = kinds.get(group_kind)?;
            version.map_or_else(|| Some(kind.clone()), |version| kind.in_version(version))
        };
        if let Some(kind) = find(&self.kinds().await?) {
            return Ok(kind);
        }
        let kinds = self.refresh().await?;
        if let Some(kind) = find(&kinds) {
            return Ok(kind);
        }
        if let (Some(kind), Some(version)) = (kinds.get(group_kind), version) {
            let message = format!("the cluster serves {group_kind} in version {}, not in {version}", kind.versions.join(", "));
            let cause = Cause { field: "apiVersion".to_owned(), message: message.clone(), reason: "FieldValueNotSupported".to_owned() };
            return Err(ClusterError::Invalid { causes: vec![cause], message });
        }
        if kinds.is_stale(&group_kind.group) {
            let message = format!("the API server of the group {} is down, so nothing can be said of {group_kind}", group_kind.group);
            return Err(ClusterError::Unavailable { message, sent: false });
        }
        Err(ClusterError::NoSuchKind { kind: group_kind.clone() })
    }

    /// What a path that isn't served means: the kind went since it was discovered, or something between us and the server
    /// has its own idea of what there is.
    pub(super) async fn unserved(&self, group_kind: &GroupKind, error: ClusterError) -> ClusterError {
        if !matches!(error, ClusterError::Other { code: 404, .. }) {
            return error;
        }
        match self.refresh().await {
            Ok(kinds) if kinds.get(group_kind).is_none() && !kinds.is_stale(&group_kind.group) => {
                ClusterError::NoSuchKind { kind: group_kind.clone() }
            }
            _ => error,
        }
    }

    /// The kind of something that is about to be written. Its CRD may have been established a moment ago: discovery
    /// follows a little later.
    pub(super) async fn kind_soon(&self, group_kind: &GroupKind, version: &str) -> Result<Kind, ClusterError> {
        let deadline = tokio::time::Instant::now() + DISCOVERED_WITHIN;
        loop {
            match self.kind_of(group_kind, Some(version)).await {
                Err(ClusterError::NoSuchKind { .. } | ClusterError::Invalid { .. }) if tokio::time::Instant::now() < deadline => {
                    tokio::time::sleep(ASK_AGAIN).await;
                }
                other => return other,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use serde_json::json;

    fn resource(plural: &str, kind: &str, verbs: &[&str]) -> Value {
        json!({"resource": plural, "responseKind": {"kind": kind}, "scope": "Namespaced", "verbs": verbs, "subresources": [{"subresource": "status"}]})
    }

    fn kinds() -> Kinds {
        let document = json!({"kind": "APIGroupDiscoveryList", "items": [
            {"metadata": {"name": "autoscaling"}, "versions": [
                {"version": "v2", "freshness": "Current", "resources": [resource("horizontalpodautoscalers", "HorizontalPodAutoscaler", &["get", "list"])]},
                {"version": "v1", "freshness": "Current", "resources": [resource("horizontalpodautoscalers", "HorizontalPodAutoscaler", &["get", "list"])]}]},
            {"metadata": {"name": "authorization.k8s.io"}, "versions": [{"version": "v1", "resources": [resource("subjectaccessreviews", "SubjectAccessReview", &["create"])]}]},
            {"metadata": {"name": "metrics.k8s.io"}, "versions": [{"version": "v1beta1", "freshness": "Stale"}]}]});
        Kinds::parse(&[document])
    }

    #[test]
    fn the_servers_favourite_version_is_taken_and_the_others_can_be_asked_for() {
        let kinds = kinds();
        let hpa = kinds.get(&GroupKind::new("autoscaling", "HorizontalPodAutoscaler")).unwrap();
        assert_eq!(hpa.path(Some("a")), "/apis/autoscaling/v2/namespaces/a/horizontalpodautoscalers");
        assert_eq!(
            hpa.in_version("v1").unwrap().object_path(Some("a"), "x"),
            "/apis/autoscaling/v1/namespaces/a/horizontalpodautoscalers/x"
        );
        assert_eq!(hpa.in_version("v2beta2"), None);
    }

    #[test]
    fn what_cannot_be_read_is_no_kind_and_a_stale_group_is_not_absent() {
        let kinds = kinds();
        assert!(kinds.get(&GroupKind::new("authorization.k8s.io", "SubjectAccessReview")).is_none());
        assert!(kinds.is_stale("metrics.k8s.io") && !kinds.is_stale("autoscaling"));
    }

    /// A cluster that answers discovery after a while, and how often it was asked.
    fn slow() -> (Cluster, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = asked.clone();
        let service = tower::service_fn(move |_: http::Request<kube::client::Body>| {
            counted.fetch_add(1, Ordering::Relaxed);
            async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                let body = json!({"kind": "APIGroupDiscoveryList", "items": []}).to_string();
                Ok::<_, std::convert::Infallible>(http::Response::new(kube::client::Body::from(body.into_bytes())))
            }
        });
        (Cluster::over(kube::Client::new(service, "default"), "slow", Duration::from_secs(5)), asked)
    }

    #[tokio::test]
    async fn who_asks_for_the_kinds_waits_for_nobody_who_asks_too_and_all_ask_once() {
        let (cluster, asked) = slow();
        let mut first = Box::pin(cluster.kinds());
        assert!(futures::poll!(first.as_mut()).is_pending());
        // The first is not looked at any more.
        let others = futures::future::join_all((0..5).map(|_| cluster.kinds()));
        let others = tokio::time::timeout(Duration::from_secs(5), others).await.expect("nobody waits for the first");
        assert!(others.iter().all(Result::is_ok));
        assert_eq!(asked.load(Ordering::Relaxed), 2, "two documents, once");
        assert!(first.await.is_ok());
    }

    #[tokio::test]
    async fn a_question_that_everybody_has_left_is_asked_anew() {
        let (cluster, asked) = slow();
        assert!(futures::poll!(Box::pin(cluster.kinds())).is_pending());
        assert!(cluster.kinds().await.is_ok());
        let so_far = asked.load(Ordering::Relaxed);
        assert!(cluster.kinds().await.is_ok());
        assert_eq!(asked.load(Ordering::Relaxed), so_far, "it is known");
    }

    #[test]
    fn names_stay_in_their_segment() {
        assert_eq!(segment("system:node"), "system:node");
        assert_eq!(segment("../x?a"), "..%2Fx%3Fa");
        assert_eq!(segment(".."), "%2E%2E");
    }
}
