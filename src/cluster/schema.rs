//! The server's own types: one request for its index, then only the group versions in use that are neither embedded nor
//! cached, in parallel.
//!
//! The index has a hash of each document. One that the embedded archive has too is the same document. Others are parsed once
//! and kept, in their compact form, by their hash, in the user's cache folder; a cache that can't be read or written costs time alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::Value;

use super::{Cluster, ClusterError};
use crate::schema::{Catalog, Facts, Minor, Schema, built_in};

/// Documents fetched at once. They are large: more would only make each of them later.
const PARALLEL: usize = 4;

/// Where the types come from, beside the server.
#[derive(Clone, Debug, Default)]
pub struct SchemaCache {
    folder: Option<PathBuf>,
}

impl SchemaCache {
    /// The user's: `$XDG_CACHE_HOME/spai/schema`, or below `~/.cache`.
    pub fn of_user() -> Self {
        let named = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = named("XDG_CACHE_HOME").or_else(|| named("HOME").map(|home| home.join(".cache")));
        Self { folder: base.map(|base| base.join("spai").join("schema")) }
    }

    /// A folder.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: Some(folder.into()) }
    }

    /// None at all.
    pub fn none() -> Self {
        Self::default()
    }

    fn read(&self, hash: &str) -> Option<Schema> {
        Schema::unpack(&std::fs::read(self.path(hash)?).ok()?)
    }

    /// Writes under another name first: whoever reads meanwhile finds all of it or nothing.
    fn write(&self, hash: &str, schema: &Schema) {
        let Some(path) = self.path(hash) else { return };
        let written = path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| write_whole(&path, &schema.pack()));
        if let Err(error) = written {
            tracing::debug!("{} can't be written: {error}", path.display());
        }
    }

    /// Hashes are the server's words: only plain ones become file names.
    fn path(&self, hash: &str) -> Option<PathBuf> {
        let plain = (16..=256).contains(&hash.len()) && hash.bytes().all(|byte| byte.is_ascii_alphanumeric());
        self.folder.as_ref().filter(|_| plain).map(|folder| folder.join(hash))
    }
}

fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let beside = path.with_extension(format!("{}.new", std::process::id()));
    let written = std::fs::write(&beside, bytes).and_then(|()| std::fs::rename(&beside, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written
}

impl Cluster {
    /// The types of these group versions (`apps/v1`, `v1`), as this server has them. One that it doesn't serve is left out; one
    /// that it won't tell, or not in a form that can be read, is missed by the catalog alone.
    ///
    /// # Errors
    /// The server doesn't answer, or refuses to say what it has at all.
    pub async fn schema(
        &self,
        api_versions: &BTreeSet<String>,
        server_version: &str,
        cache: &SchemaCache,
    ) -> Result<Catalog, ClusterError> {
        let index = self.transport.read_json("/openapi/v3").await?;
        // A server that doesn't say what it is can still be asked for everything.
        let minor: Minor = server_version.parse().unwrap_or(Minor::new(u16::MAX));
        let known = built_in(minor);
        let mut catalog = Catalog::of(known);
        let mut missing = Vec::new();
        for api_version in api_versions {
            let path = if api_version.contains('/') { format!("apis/{api_version}") } else { format!("api/{api_version}") };
            let Some(address) = index["paths"][&path]["serverRelativeURL"].as_str() else {
                catalog.remove(api_version);
                continue;
            };
            let hash = address.split_once("hash=").map_or("", |(_, hash)| hash.split('&').next().unwrap_or(hash));
            if !hash.is_empty() && known.hash(api_version) == Some(hash) {
                continue;
            }
            missing.push((api_version.clone(), address.to_owned(), hash.to_owned()));
        }
        let facts = Facts::of(minor);
        let fetched = missing.into_iter().map(|(api_version, address, hash)| async move {
            match self.fetch_schema(&address, &hash, cache).await {
                Ok(schema) => Ok((api_version, Ok(schema.with_facts(facts)))),
                Err(error @ ClusterError::Unavailable { .. }) => Err(error),
                Err(error) => Ok((api_version, Err(error.to_string()))),
            }
        });
        let fetched: BTreeMap<String, Result<Schema, String>> =
            futures::stream::iter(fetched).buffer_unordered(PARALLEL).try_collect().await?;
        for (api_version, schema) in fetched {
            match schema {
                Ok(schema) => catalog.add(api_version, Arc::new(schema)),
                Err(why) => catalog.miss(api_version, why),
            }
        }
        Ok(catalog)
    }

    /// The same for who doesn't know which version the server has.
    ///
    /// # Errors
    /// As [`Self::schema`].
    pub async fn catalog(&self, api_versions: &BTreeSet<String>, cache: &SchemaCache) -> Result<Catalog, ClusterError> {
        let version = self.version().await?;
        self.schema(api_versions, &version, cache).await
    }

    async fn fetch_schema(&self, address: &str, hash: &str, cache: &SchemaCache) -> Result<Schema, ClusterError> {
        if let Some(schema) = cache.read(hash) {
            return Ok(schema);
        }
        let document: Value = self.transport.read_json(address).await?;
        let schema = Schema::from_openapi(&document).map_err(|error| ClusterError::Other {
            code: 200,
            reason: String::new(),
            message: format!("the server's description of its types at {address} can't be used: {error}"),
        })?;
        cache.write(hash, &schema);
        Ok(schema)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "0123456789ABCDEF";

    #[test]
    fn a_damaged_or_unwritable_cache_is_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        let cache = SchemaCache::at(folder.path().join("a/b"));
        assert_eq!(cache.read(HASH), None);
        cache.write(HASH, &Schema::default());
        assert_eq!(cache.read(HASH), Some(Schema::default()));
        std::fs::write(folder.path().join("a/b").join(HASH), b"\x01damaged").unwrap();
        assert_eq!(cache.read(HASH), None);

        std::fs::write(folder.path().join("file"), b"").unwrap();
        let nowhere = SchemaCache::at(folder.path().join("file/below"));
        nowhere.write(HASH, &Schema::default());
        assert_eq!(nowhere.read(HASH), None);
        assert_eq!(std::fs::read_dir(folder.path().join("a/b")).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_hash_is_no_way_out_of_the_folder() {
        let cache = SchemaCache::at("/nowhere");
        for bad in ["", "short", "../../../../etc/passwd", "0123456789abcdef/../x", "0123456789abcdef.new"] {
            assert_eq!(cache.path(bad), None, "{bad}");
        }
    }
}
