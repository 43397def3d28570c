//! Listing: page by page, several kinds at once. A page that fails fails the list: what wasn't read is not absent.

use futures::{StreamExt as _, TryStreamExt as _};
use tokio::sync::mpsc;

use super::kinds::segment;
use super::page::Page;
use super::protobuf::{self, Form};
use super::transport::{Call, JSON};
use super::{Cluster, ClusterError, Kind};
use crate::resource::Object;

/// Objects in one page: bounds the memory of an answer.
const PAGE: usize = 500;

/// Pages of one list that were read and wait for whoever asked: reading and comparing go on beside each other, and memory is bounded.
const WAITING: usize = 2;

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

/// The next of a list.
#[derive(Debug)]
pub enum Piece {
    /// A page.
    Page {
        /// What came.
        page: Box<Page>,
        /// The resourceVersion that the list is of.
        version: String,
        /// It is the list's last.
        last: bool,
    },
    /// What came is of no moment any more: the list begins anew.
    Anew,
}

/// A list under way: a task of its own reads it, as far ahead as [`WAITING`] has it.
#[derive(Debug)]
pub struct Pages {
    cluster: Cluster,
    kind: Kind,
    first: String,
    pieces: Pieces,
    /// The last page came.
    ended: bool,
    /// It was begun before anybody asked, by who gives up at once: should it fail, it is read as if it hadn't been begun.
    ahead: bool,
}

pub(super) type Pieces = mpsc::Receiver<Result<Piece, ClusterError>>;

impl Pages {
    /// The next piece; None at the list's end.
    ///
    /// # Errors
    /// A page that can't be had, after the server was waited for.
    pub async fn next(&mut self) -> Result<Option<Piece>, ClusterError> {
        match self.pieces.recv().await {
            Some(Err(_)) | None if self.ahead && !self.ended => {
                self.ahead = false;
                self.pieces = self.cluster.begin(&self.kind, &self.first);
                Ok(Some(Piece::Anew))
            }
            Some(Err(error)) => Err(self.cluster.unserved(&self.kind.group_kind(), error).await),
            Some(Ok(piece)) => {
                self.ended = matches!(piece, Piece::Page { last: true, .. });
                Ok(Some(piece))
            }
            None if self.ended => Ok(None),
            // Whoever read it is no more: what wasn't read is not absent.
            None => Err(ClusterError::list_broke_off(None)),
        }
    }

    /// All of it, sorted by identity, and the resourceVersion that it is of.
    async fn all(mut self) -> Result<(Vec<Object>, String), ClusterError> {
        let (mut objects, mut of) = (Vec::new(), String::new());
        while let Some(piece) = self.next().await? {
            match piece {
                Piece::Page { page, version, .. } => {
                    objects.extend(page.objects()?);
                    of = version;
                }
                Piece::Anew => objects.clear(),
            }
        }
        objects.sort_by_cached_key(Object::key);
        Ok((objects, of))
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
                list.await.unwrap_or_else(|error| Err(ClusterError::list_broke_off(Some(&error))))
            }
        };
        futures::stream::iter(kinds.iter().map(list).collect::<Vec<_>>()).buffered(parallel.max(1)).try_collect().await
    }

    /// The pages of a list, in every namespace, as they come: the one that was begun ahead, if there is one.
    pub fn pages(&self, kind: &Kind, selector: Option<&str>) -> Pages {
        self.pages_selected(kind, Selection { labels: selector, ..Selection::default() })
    }

    pub(super) async fn list_selected(&self, kind: &Kind, selection: Selection<'_>) -> Result<Vec<Object>, ClusterError> {
        Ok(self.list_at(kind, selection).await?.0)
    }

    /// The objects, and the resourceVersion that the list is of.
    pub(super) async fn list_at(&self, kind: &Kind, selection: Selection<'_>) -> Result<(Vec<Object>, String), ClusterError> {
        self.pages_selected(kind, selection).all().await
    }

    fn pages_selected(&self, kind: &Kind, selection: Selection<'_>) -> Pages {
        let first = first_page(kind, selection);
        let ahead = self.ahead.take(&first);
        let (is_ahead, pieces) = (ahead.is_some(), ahead.unwrap_or_else(|| self.begin(kind, &first)));
        Pages { cluster: self.clone(), kind: kind.clone(), first, pieces, ended: false, ahead: is_ahead }
    }

    /// Begins to read a list.
    pub(super) fn begin(&self, kind: &Kind, first: &str) -> Pieces {
        let (sender, pieces) = mpsc::channel(WAITING);
        let (cluster, kind, first) = (self.clone(), kind.clone(), first.to_owned());
        tokio::spawn(async move {
            if let Err(error) = cluster.send_pages(&kind, &first, &sender).await {
                // Nobody waits for it: nobody is to be told.
                let _ = sender.send(Err(error)).await;
            }
        });
        pieces
    }

    /// How lists of a kind are asked for, if not as JSON. Nobody asks for the server's version for that alone: who lists much
    /// has asked.
    fn form_of(&self, kind: &Kind) -> Option<Form> {
        Form::of(&kind.gvk, self.known_version()?.parse().ok()?)
    }

    async fn send_pages(&self, kind: &Kind, first: &str, to: &mpsc::Sender<Result<Piece, ClusterError>>) -> Result<(), ClusterError> {
        let (mut path, mut restarts) = (first.to_owned(), 0);
        let mut form = self.form_of(kind);
        loop {
            let accept = if form.is_some() { protobuf::ACCEPT } else { JSON };
            let piece = match self.transport.call(&Call { accept, ..Call::get(path.as_str()) }).await {
                // The pages' snapshot is too old: a half of it joined to a newer half would be of no moment at all.
                Err(ClusterError::Other { code: 410, .. }) if restarts < RESTARTS => {
                    restarts += 1;
                    first.clone_into(&mut path);
                    Piece::Anew
                }
                answer => {
                    // Laid out here: whoever asked is still busy with what it is to be compared with.
                    let Some(page) = Page::read(answer?, kind, form)? else {
                        // Something in it that the table doesn't have: the same page as JSON, and all that come after it.
                        form = None;
                        continue;
                    };
                    let place = page.place();
                    path = place.next.map(|token| format!("{first}&continue={}", segment(&token))).unwrap_or_default();
                    Piece::Page { page: Box::new(page), version: place.version.unwrap_or_default(), last: path.is_empty() }
                }
            };
            if to.send(Ok(piece)).await.is_err() || path.is_empty() {
                return Ok(());
            }
        }
    }
}

/// The path of a list's first page.
pub(super) fn first_page(kind: &Kind, selection: Selection<'_>) -> String {
    format!("{}?limit={PAGE}{}", kind.path(selection.namespace), selection.query())
}
