//! The built-in kinds of each supported minor version, embedded: one archive each, of which only the group versions that are
//! asked for are unpacked.
//!
//! The archives are made from real servers by `tests/schema-tables`, and a test holds them to these.

use std::collections::BTreeMap;
use std::sync::{LazyLock, OnceLock};

use serde::{Deserialize, Serialize};

use super::facts::Facts;
use super::minor::Minor;
use super::types::{Schema, TypeRef};
use crate::resource::GroupVersionKind;

/// The supported minor versions, oldest first.
pub const MINORS: [Minor; 3] = [Minor::new(35), Minor::new(36), Minor::new(37)];

static ARCHIVES: [LazyLock<BuiltIn>; MINORS.len()] = [
    LazyLock::new(|| BuiltIn::open(MINORS[0], include_bytes!("built_in/1.35.bin"))),
    LazyLock::new(|| BuiltIn::open(MINORS[1], include_bytes!("built_in/1.36.bin"))),
    LazyLock::new(|| BuiltIn::open(MINORS[2], include_bytes!("built_in/1.37.bin"))),
];

/// What is known of the built-in kinds of one minor version.
#[derive(Debug)]
pub struct BuiltIn {
    minor: Minor,
    server_version: String,
    groups: BTreeMap<String, Packed>,
}

/// One group version.
#[derive(Debug)]
struct Packed {
    hash: String,
    bytes: &'static [u8],
    schema: OnceLock<Schema>,
}

/// What an archive begins with: a line of JSON. The schemas follow one another in the same order.
#[derive(Serialize, Deserialize)]
struct Head {
    server_version: String,
    groups: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    api_version: String,
    hash: String,
    length: usize,
}

/// The built-in kinds of a minor version; of the nearest one that is known, if it isn't (see [`BuiltIn::minor`]).
pub fn built_in(minor: Minor) -> &'static BuiltIn {
    &ARCHIVES[nearest(minor)]
}

/// The place of a minor version among the supported ones, or that of the nearest: the newer of two.
pub(super) fn nearest(minor: Minor) -> usize {
    (0..MINORS.len()).rev().min_by_key(|index| MINORS[*index].distance(minor)).unwrap_or_default()
}

impl BuiltIn {
    /// Which minor version this is.
    pub fn minor(&self) -> Minor {
        self.minor
    }

    /// The version of the server that it was taken from: `v1.36.3`.
    pub fn server_version(&self) -> &str {
        &self.server_version
    }

    /// The group versions, sorted: `apps/v1`, `v1`.
    pub fn api_versions(&self) -> impl Iterator<Item = &str> {
        self.groups.keys().map(String::as_str)
    }

    /// The hash that the server gave its document of a group version.
    pub fn hash(&self, api_version: &str) -> Option<&str> {
        self.groups.get(api_version).map(|packed| packed.hash.as_str())
    }

    /// The types of one group version: `apps/v1`.
    pub fn schema(&self, api_version: &str) -> Option<&Schema> {
        let packed = self.groups.get(api_version)?;
        // An archive that can't be read would be a mistake of ours, and a test reads them all.
        Some(packed.schema.get_or_init(|| {
            let schema = Schema::unpack(packed.bytes).unwrap_or_default();
            schema.with_facts(Facts::of(self.minor))
        }))
    }

    /// The type of a kind.
    pub fn kind(&self, gvk: &GroupVersionKind) -> Option<TypeRef<'_>> {
        self.schema(&gvk.api_version())?.kind(gvk)
    }

    fn open(minor: Minor, bytes: &'static [u8]) -> Self {
        let read = || {
            let end = bytes.iter().position(|byte| *byte == b'\n')?;
            let (head, mut rest) = (serde_json::from_slice::<Head>(&bytes[..end]).ok()?, &bytes[end + 1..]);
            let mut groups = BTreeMap::new();
            for entry in head.groups {
                let (packed, next) = rest.split_at_checked(entry.length)?;
                groups.insert(entry.api_version, Packed { hash: entry.hash, bytes: packed, schema: OnceLock::new() });
                rest = next;
            }
            Some((head.server_version, groups))
        };
        let (server_version, groups) = read().unwrap_or_default();
        Self { minor, server_version, groups }
    }
}

/// Writes an archive from (group version, the server's hash, its schema).
pub fn archive(server_version: &str, groups: &[(String, String, Schema)]) -> Vec<u8> {
    let packed: Vec<Vec<u8>> = groups.iter().map(|(_, _, schema)| schema.pack()).collect();
    let entries = groups.iter().zip(&packed).map(|((api_version, hash, _), packed)| Entry {
        api_version: api_version.clone(),
        hash: hash.clone(),
        length: packed.len(),
    });
    let head = Head { server_version: server_version.to_owned(), groups: entries.collect() };
    // Plain texts and numbers: that can't fail.
    let mut bytes = serde_json::to_vec(&head).unwrap_or_default();
    bytes.push(b'\n');
    for schema in &packed {
        bytes.extend_from_slice(schema);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{ListKind, Scalar, Shape};

    #[test]
    fn every_archive_can_be_read_whole() {
        for minor in MINORS {
            let known = built_in(minor);
            assert!(known.server_version().starts_with(&format!("v{minor}.")), "{minor}: {}", known.server_version());
            let kinds: usize = known.api_versions().map(|api_version| known.schema(api_version).unwrap().kinds().count()).sum();
            assert!(known.groups.len() > 20 && kinds > 70, "{minor}: {kinds} kinds of {} group versions", known.groups.len());
        }
    }

    #[test]
    fn an_unknown_minor_version_takes_the_nearest() {
        for (asked, taken) in [(20, 35), (35, 35), (36, 36), (37, 37), (50, 37)] {
            assert_eq!(built_in(Minor::new(asked)).minor(), Minor::new(taken));
        }
    }

    #[test]
    fn a_deployment_is_known() {
        let gvk = GroupVersionKind::from_api_version("apps/v1", "Deployment");
        let pod = built_in(Minor::new(36)).kind(&gvk).and_then(|kind| kind.field("spec")?.field("template")?.field("spec")).unwrap();
        let container = pod.field("containers").unwrap().item().unwrap();
        let Shape::List { kind: ListKind::Map(keys), .. } = container.field("ports").unwrap().shape() else { panic!() };
        assert_eq!(keys.iter().map(|key| key.name.as_str()).collect::<Vec<_>>(), ["containerPort", "protocol"]);
        let limits = container.field("resources").unwrap().field("limits").unwrap();
        assert_eq!(limits.field("cpu").unwrap().shape(), &Shape::Scalar(Scalar::Quantity));
        assert!(built_in(Minor::new(36)).kind(&GroupVersionKind::from_api_version("apps/v1", "Pod")).is_none());
    }
}
