//! Listing: page by page, several kinds at once. A page that fails fails the list: what wasn't read is not absent.

use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::Value;

use super::kinds::segment;
use super::page::Page;
use super::transport::Call;
use super::{Cluster, ClusterError, Kind};
use crate::resource::{GroupVersionKind, Object};

/// Objects in one page: bounds the memory of an answer.
const PAGE: usize = 500;

/// How often a list whose pages became too old is begun again.
const RESTARTS: usize = 3;

/// What is listed of a kind.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Selection<'s> {
    pub namespace: Option<&'s str>,
    pub labels: Option<&'s str>,
    pub fields: Option<&'s str>,
}

impl Selection<'_> {
    /// The query's selectors, each with an `&` before it.
    pub fn query(&self) -> String {
        let part = |name: &str, value: Option<&str>| value.map_or_else(String::new, |value| format!("&{name}={}", segment(value)));
        part("labelSelector", self.labels) + &part("fieldSelector", self.fields)
    }
}

impl Cluster {
    /// All objects of a kind that match a label selector, in every namespace, sorted by identity.
    ///
    /// # Errors
    /// Any page that can't be had, after the server was waited for.
    pub async fn list(&self, kind: &Kind, selector: Option<&str>) -> Result<Vec<Object>, ClusterError> {
        self.list_selected(kind, Selection { labels: selector, ..Selection::default() }).await
    }

    /// The same in one namespace.
    ///
    /// # Errors
    /// As [`Self::list`].
    pub async fn list_in(&self, kind: &Kind, namespace: &str, selector: Option<&str>) -> Result<Vec<Object>, ClusterError> {
        self.list_selected(kind, Selection { namespace: Some(namespace), labels: selector, ..Selection::default() }).await
    }

    /// Several kinds, `parallel` at once; the answers stand in the order of the kinds.
    ///
    /// # Errors
    /// The first list that fails.
    pub async fn list_many(&self, kinds: &[Kind], selector: Option<&str>, parallel: usize) -> Result<Vec<Vec<Object>>, ClusterError> {
        // Each in a task of its own: what one reads is parsed while others still come in.
        let list = |kind: &Kind| {
            let (cluster, kind, selector) = (self.clone(), kind.clone(), selector.map(str::to_owned));
            async move {
                let list = tokio::spawn(async move { cluster.list(&kind, selector.as_deref()).await });
                list.await
                    .unwrap_or_else(|error| Err(ClusterError::Unavailable { message: format!("the list broke off: {error}"), sent: false }))
            }
        };
        futures::stream::iter(kinds.iter().map(list).collect::<Vec<_>>()).buffered(parallel.max(1)).try_collect().await
    }

    pub(super) async fn list_selected(&self, kind: &Kind, selection: Selection<'_>) -> Result<Vec<Object>, ClusterError> {
        Ok(self.list_at(kind, selection).await?.0)
    }

    /// The objects, and the resourceVersion that the list is of.
    pub(super) async fn list_at(&self, kind: &Kind, selection: Selection<'_>) -> Result<(Vec<Object>, String), ClusterError> {
        let first = first_page(kind, selection);
        if let Some(list) = self.ahead.take(&first).await {
            return Ok(list);
        }
        match self.pages(&first, &kind.gvk, &kind.plural).await {
            Ok(list) => Ok(list),
            Err(error) => Err(self.unserved(&kind.group_kind(), error).await),
        }
    }

    /// All pages of a list.
    pub(super) async fn pages(&self, first: &str, gvk: &GroupVersionKind, plural: &str) -> Result<(Vec<Object>, String), ClusterError> {
        let (api_version, mut path) = (gvk.api_version(), first.to_owned());
        let (mut objects, mut restarts) = (Vec::new(), 0);
        loop {
            let page = match self.transport.call(&Call::get(path.as_str())).await {
                // The pages' snapshot is too old: a half of it joined to a newer half would be of no moment at all.
                Err(ClusterError::Other { code: 410, .. }) if restarts < RESTARTS => {
                    restarts += 1;
                    objects.clear();
                    first.clone_into(&mut path);
                    continue;
                }
                answer => Page::read(&answer?.body, &api_version, &gvk.kind, plural)?,
            };
            objects.extend(page.objects);
            let Some(token) = page.next else {
                objects.sort_by_cached_key(Object::key);
                return Ok((objects, page.version));
            };
            path = format!("{first}&continue={}", segment(&token));
        }
    }
}

/// The path of a list's first page.
pub(super) fn first_page(kind: &Kind, selection: Selection<'_>) -> String {
    format!("{}?limit={PAGE}{}", kind.path(selection.namespace), selection.query())
}

/// Items of a list don't say what they are: the list does.
pub(super) fn typed(mut item: Value, api_version: &str, kind: &str) -> Option<Object> {
    let map = item.as_object_mut()?;
    map.entry("apiVersion").or_insert_with(|| api_version.into());
    map.entry("kind").or_insert_with(|| kind.into());
    Object::try_from(item).ok()
}
