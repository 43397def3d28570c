//! The server's own types by way of the cluster: what is embedded isn't fetched, a CRD's group is, once.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;
use spai::cluster::SchemaCache;
use spai::resource::GroupVersionKind;
use spai::schema::built_in;

use crate::server::Server;
use crate::support::ControlPlane;

/// After `custom`, whose definition it needs.
pub async fn check(plane: &ControlPlane, server: &Server) {
    let folder = tempfile::tempdir().unwrap();
    let cache = SchemaCache::at(folder.path());
    let cluster = plane.cluster().await;
    let thing = GroupVersionKind::from_api_version("oracle.example.dev/v1", "Thing");
    let deployment = GroupVersionKind::from_api_version("apps/v1", "Deployment");
    let wanted: BTreeSet<String> = ["apps/v1", "v1", "oracle.example.dev/v1", "gone.example.dev/v1"].map(str::to_owned).into();
    let files = || fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();

    let catalog = cluster.schema(&wanted, &server.version, &cache).await.unwrap();
    assert_eq!(files().len(), 1, "built-in types of a server like the embedded one are not fetched");
    assert!(catalog.kind(&thing).and_then(|kind| kind.field("spec")?.field("defaulted")).is_some());
    let (ours, embedded) = (catalog.kind(&deployment).unwrap(), built_in(server.minor()).kind(&deployment).unwrap());
    assert_eq!(ours.shape(), embedded.shape());
    assert!(catalog.kind(&GroupVersionKind::from_api_version("gone.example.dev/v1", "X")).is_none());

    // A damaged cache is fetched again, and mended.
    let path = files().pop().unwrap();
    let good = fs::read(&path).unwrap();
    fs::write(&path, &good[..good.len() / 2]).unwrap();
    assert!(cluster.schema(&wanted, &server.version, &cache).await.unwrap().kind(&thing).is_some());
    assert_eq!(fs::read(&path).unwrap(), good);

    // A server of a version that isn't embedded is asked for everything, and answers with the same types.
    let fetched = cluster.schema(&wanted, "unknown", &SchemaCache::none()).await.unwrap();
    let facts =
        |of: &spai::schema::Catalog| of.kind(&deployment).unwrap().field("spec").unwrap().known_field("replicas").unwrap().default.clone();
    assert_eq!((facts(&fetched), facts(&catalog)), (Some(Value::from(1)), Some(Value::from(1))));
}
