//! What is served: `/api`, `/apis`, their aggregated forms, and the OpenAPI documents.

use serde_json::{Value, json};

use super::answer::Reply;
use super::{Call, Failure};
use crate::embedded::data;
use crate::embedded::world::State;

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const OPENAPI: &str = "application/json";

/// `/api` and `/apis`.
pub(super) fn root(state: &State, call: &Call, core: bool) -> Reply {
    let aggregated = call.accepts().find(|kind| kind.parameter("as") == Some("APIGroupDiscoveryList"));
    if let Some(version) = aggregated.as_ref().and_then(|kind| kind.parameter("v")) {
        let mut document = state.catalog.aggregated(core);
        document["apiVersion"] = format!("apidiscovery.k8s.io/{version}").into();
        // Both versions have the same fields.
        let kind = if version == "v2" { AGGREGATED } else { "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList" };
        return Reply::bytes(document.to_string().into_bytes(), kind);
    }
    if core {
        return Reply::json(json!({
            "kind": "APIVersions",
            "versions": ["v1"],
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1"}],
        }));
    }
    Reply::json(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": state.catalog.groups()}))
}

/// `/apis/apps`.
pub(super) fn group(state: &State, name: &str) -> Result<Reply, Failure> {
    let mut groups = state.catalog.groups();
    let index = groups.iter().position(|group| group["name"] == name).ok_or_else(Failure::no_such_path)?;
    let mut group = groups.swap_remove(index);
    group["kind"] = "APIGroup".into();
    group["apiVersion"] = "v1".into();
    Ok(Reply::json(group))
}

/// `/api/v1`, `/apis/apps/v1`.
pub(super) fn version(state: &State, group: &str, version: &str) -> Result<Reply, Failure> {
    state.catalog.list(group, version).map(Reply::json).ok_or_else(Failure::no_such_path)
}

/// `/openapi/v3` and what is below it.
pub(super) fn openapi(state: &State, path: &[&str]) -> Result<Reply, Failure> {
    if path.is_empty() {
        let mut paths = serde_json::Map::new();
        for (name, bytes) in data::OPENAPI {
            paths.insert((*name).to_owned(), link(name, crc32fast::hash(bytes)));
        }
        for (name, hash) in state.definitions.documents() {
            paths.insert(name.clone(), link(&name, hash));
        }
        return Ok(Reply::json(json!({"paths": paths})));
    }
    let path = path.join("/");
    if let Some((_, bytes)) = data::OPENAPI.iter().find(|(name, _)| *name == path) {
        let bytes = data::unpack(bytes).map_err(|error| Failure::internal(error.to_string()))?;
        return Ok(Reply::bytes(bytes, OPENAPI));
    }
    state.definitions.document(&path).map(Reply::json).ok_or_else(Failure::no_such_path)
}

fn link(name: &str, hash: u32) -> Value {
    json!({"serverRelativeURL": format!("/openapi/v3/{name}?hash={hash:08X}")})
}

/// `/version`.
pub(super) fn server_version() -> Value {
    json!({
        "major": "1", "minor": "36", "emulationMajor": "1", "emulationMinor": "36",
        "minCompatibilityMajor": "1", "minCompatibilityMinor": "35",
        "gitVersion": concat!("v1.36.3+spai-", env!("CARGO_PKG_VERSION")),
        "gitCommit": "", "gitTreeState": "", "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "", "compiler": "rustc", "platform": concat!("linux/", "amd64"),
    })
}

/// Whose tokens these are, and where the key is by which they are known.
pub(super) fn issuer(call: &Call) -> Value {
    let host = call.header(http::header::HOST);
    let host = if host.is_empty() { "kubernetes.default.svc" } else { host };
    json!({
        "issuer": crate::embedded::tokens::ISSUER, "jwks_uri": format!("https://{host}/openid/v1/jwks"),
        "response_types_supported": ["id_token"], "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["ES256"],
    })
}
