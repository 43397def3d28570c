//! The embedded types are the server's own.

use std::collections::BTreeSet;

use spai::schema::{Facts, Schema, archive, built_in};

use crate::server::{Server, file, writes};

/// Compares (or writes) all group versions of Kubernetes itself.
pub async fn check(server: &Server) -> Vec<String> {
    let index = server.get("/openapi/v3").await;
    let mut groups = Vec::new();
    for (path, entry) in index["paths"].as_object().unwrap() {
        let (_, hash) = entry["serverRelativeURL"].as_str().unwrap().split_once("hash=").unwrap();
        let Some(api_version) = path.strip_prefix("api/").or_else(|| path.strip_prefix("apis/")) else { continue };
        if path.starts_with("apis/") && !api_version.contains('/') {
            continue;
        }
        let schema = Schema::from_openapi(&server.get(&format!("/openapi/v3/{path}")).await).unwrap();
        if schema.kinds().next().is_some() {
            groups.push((api_version.to_owned(), hash.to_owned(), schema));
        }
    }
    if writes() {
        let name = format!("built_in/{}.bin", server.minor());
        let bytes = archive(&server.version, &groups);
        println!("{name}: {} group versions, {} bytes", groups.len(), bytes.len());
        std::fs::write(file(&name), bytes).unwrap();
        return Vec::new();
    }
    let (known, mut wrong) = (built_in(server.minor()), Vec::new());
    let names: BTreeSet<&str> = groups.iter().map(|(api_version, ..)| api_version.as_str()).collect();
    if known.minor() != server.minor() || known.api_versions().ne(names.iter().copied()) {
        wrong.push(format!("the archive of {} has {:?}, the server {names:?}", known.minor(), known.api_versions().collect::<Vec<_>>()));
    }
    for (api_version, hash, schema) in groups {
        if known.schema(&api_version) != Some(&schema.with_facts(Facts::of(known.minor()))) {
            wrong.push(format!("{api_version}: the embedded types are not the server's"));
        }
        if known.hash(&api_version) != Some(hash.as_str()) {
            wrong.push(format!("{api_version}: the embedded hash is not the server's"));
        }
    }
    wrong
}
