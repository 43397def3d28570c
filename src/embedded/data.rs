//! What a real API server of the same version tells of itself, embedded; made by `tests/embedded-data`.

use std::io::Read as _;

/// Aggregated discovery of `/api` and `/apis`.
pub(super) const DISCOVERY: &[u8] = include_bytes!("data/discovery.json.gz");

/// The columns of tables, by path.
pub(super) const COLUMNS: &[u8] = include_bytes!("data/columns.json.gz");

/// OpenAPI v3 documents by path.
pub(super) const OPENAPI: &[(&str, &[u8])] = &[
    ("api/v1", include_bytes!("data/openapi/api_v1.json.gz")),
    ("apis/admissionregistration.k8s.io/v1", include_bytes!("data/openapi/apis_admissionregistration.k8s.io_v1.json.gz")),
    ("apis/apiextensions.k8s.io/v1", include_bytes!("data/openapi/apis_apiextensions.k8s.io_v1.json.gz")),
    ("apis/apiregistration.k8s.io/v1", include_bytes!("data/openapi/apis_apiregistration.k8s.io_v1.json.gz")),
    ("apis/apps/v1", include_bytes!("data/openapi/apis_apps_v1.json.gz")),
    ("apis/authentication.k8s.io/v1", include_bytes!("data/openapi/apis_authentication.k8s.io_v1.json.gz")),
    ("apis/authorization.k8s.io/v1", include_bytes!("data/openapi/apis_authorization.k8s.io_v1.json.gz")),
    ("apis/autoscaling/v1", include_bytes!("data/openapi/apis_autoscaling_v1.json.gz")),
    ("apis/autoscaling/v2", include_bytes!("data/openapi/apis_autoscaling_v2.json.gz")),
    ("apis/batch/v1", include_bytes!("data/openapi/apis_batch_v1.json.gz")),
    ("apis/certificates.k8s.io/v1", include_bytes!("data/openapi/apis_certificates.k8s.io_v1.json.gz")),
    ("apis/coordination.k8s.io/v1", include_bytes!("data/openapi/apis_coordination.k8s.io_v1.json.gz")),
    ("apis/discovery.k8s.io/v1", include_bytes!("data/openapi/apis_discovery.k8s.io_v1.json.gz")),
    ("apis/events.k8s.io/v1", include_bytes!("data/openapi/apis_events.k8s.io_v1.json.gz")),
    ("apis/flowcontrol.apiserver.k8s.io/v1", include_bytes!("data/openapi/apis_flowcontrol.apiserver.k8s.io_v1.json.gz")),
    ("apis/networking.k8s.io/v1", include_bytes!("data/openapi/apis_networking.k8s.io_v1.json.gz")),
    ("apis/node.k8s.io/v1", include_bytes!("data/openapi/apis_node.k8s.io_v1.json.gz")),
    ("apis/policy/v1", include_bytes!("data/openapi/apis_policy_v1.json.gz")),
    ("apis/rbac.authorization.k8s.io/v1", include_bytes!("data/openapi/apis_rbac.authorization.k8s.io_v1.json.gz")),
    ("apis/resource.k8s.io/v1", include_bytes!("data/openapi/apis_resource.k8s.io_v1.json.gz")),
    ("apis/scheduling.k8s.io/v1", include_bytes!("data/openapi/apis_scheduling.k8s.io_v1.json.gz")),
    ("apis/storage.k8s.io/v1", include_bytes!("data/openapi/apis_storage.k8s.io_v1.json.gz")),
    ("api", include_bytes!("data/openapi/api.json.gz")),
    ("version", include_bytes!("data/openapi/version.json.gz")),
];

/// What it unpacks to.
///
/// # Errors
/// It is broken: a fault of the build.
pub(super) fn unpack(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut out = Vec::new();
    flate2::read::GzDecoder::new(bytes).read_to_end(&mut out)?;
    Ok(out)
}
