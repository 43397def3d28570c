//! Listing: page by page, several kinds at once. A page that fails fails the list: what wasn't read is not absent.

use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::Value;

use super::kinds::segment;
use super::{Cluster, ClusterError, Kind};
use crate::resource::Object;

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
        let lists = kinds.iter().map(|kind| self.list(kind, selector)).collect::<Vec<_>>();
        futures::stream::iter(lists).buffered(parallel.max(1)).try_collect().await
    }

    pub(super) async fn list_selected(&self, kind: &Kind, selection: Selection<'_>) -> Result<Vec<Object>, ClusterError> {
        Ok(self.list_at(kind, selection).await?.0)
    }

    /// The objects, and the resourceVersion that the list is of.
    pub(super) async fn list_at(&self, kind: &Kind, selection: Selection<'_>) -> Result<(Vec<Object>, String), ClusterError> {
        let first = format!("{}?limit={PAGE}{}", kind.path(selection.namespace), selection.query());
        let (mut objects, mut restarts) = (Vec::new(), 0);
        let mut path = first.clone();
        loop {
            let page = match self.transport.read_json(&path).await {
                // The pages' snapshot is too old: a half of it joined to a newer half would be of no moment at all.
                Err(ClusterError::Other { code: 410, .. }) if restarts < RESTARTS => {
                    restarts += 1;
                    objects.clear();
                    path.clone_from(&first);
                    continue;
                }
                Ok(page) => page,
                Err(error) => return Err(self.unserved(&kind.group_kind(), error).await),
            };
            let (next, version) = read_page(kind, page, &mut objects)?;
            let Some(token) = next else {
                objects.sort_by_cached_key(Object::key);
                return Ok((objects, version));
            };
            path = format!("{first}&continue={}", segment(&token));
        }
    }
}

/// Takes the objects out of a page; gives the token of the next one, and the list's resourceVersion.
fn read_page(kind: &Kind, mut page: Value, objects: &mut Vec<Object>) -> Result<(Option<String>, String), ClusterError> {
    let broken = |what: String| ClusterError::Other { code: 200, reason: String::new(), message: what };
    let Some(Value::Array(items)) = page.get_mut("items").map(Value::take) else {
        // An empty list of some aggregated servers is null.
        return if page["kind"].as_str().is_some_and(|k| k.ends_with("List")) {
            Ok((None, page["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned()))
        } else {
            Err(broken(format!("the server's answer to a list of {} is no list", kind.plural)))
        };
    };
    let api_version = kind.gvk.api_version();
    for item in items {
        objects.push(
            typed(item, &api_version, &kind.gvk.kind)
                .ok_or_else(|| broken(format!("the list of {} holds something that is no object", kind.plural)))?,
        );
    }
    let token = page["metadata"]["continue"].as_str().filter(|token| !token.is_empty()).map(str::to_owned);
    Ok((token, page["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned()))
}

/// Items of a list don't say what they are: the list does.
pub(super) fn typed(mut item: Value, api_version: &str, kind: &str) -> Option<Object> {
    let map = item.as_object_mut()?;
    map.entry("apiVersion").or_insert_with(|| api_version.into());
    map.entry("kind").or_insert_with(|| kind.into());
    Object::try_from(item).ok()
}
