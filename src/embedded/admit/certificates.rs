//! Who may approve and sign requests for certificates, and that nobody becomes a master by one.

use serde_json::Value;

use crate::embedded::api::{Failure, Part};
use crate::embedded::catalog::Resource;
use crate::embedded::rights::{Request, User, may};
use crate::embedded::rules;
use crate::embedded::world::State;

const CLIENTS: &str = "kubernetes.io/kube-apiserver-client";

/// # Errors
/// The user may not decide about the signer's certificates, or the request is for a master.
pub fn check_request(
    state: &State,
    resource: &Resource,
    part: &Part,
    user: &User,
    object: &Value,
    old: Option<&Value>,
) -> Result<(), Failure> {
    if !rules::is_request(resource) {
        return Ok(());
    }
    let refuse = |why: String| Err(Failure::forbidden(resource, object["metadata"]["name"].as_str().unwrap_or_default(), &why));
    let signer = old.unwrap_or(object)["spec"]["signerName"].as_str().unwrap_or_default();
    let Some(old) = old else {
        let organizations = rules::organizations(&rules::bytes(&object["spec"]["request"])).unwrap_or_default();
        if signer == CLIENTS && organizations.iter().any(|name| name == "system:masters") {
            return refuse(format!("use of {CLIENTS} signer with system:masters group is not allowed"));
        }
        return Ok(());
    };
    match part {
        Part::Approval if !is_signers(state, user, "approve", signer) => {
            refuse(format!("user not permitted to approve requests with signerName {signer:?}"))
        }
        Part::Status if old["status"] != object["status"] && !is_signers(state, user, "sign", signer) => {
            refuse(format!("user not permitted to sign requests with signerName {signer:?}"))
        }
        _ => Ok(()),
    }
}

/// Whether somebody may do that for a signer, or for all of its domain.
fn is_signers(state: &State, user: &User, verb: &str, signer: &str) -> bool {
    let domain = signer.split('/').next().unwrap_or_default();
    let allowed = |name: &str| {
        let request = Request { verb, group: "certificates.k8s.io", resource: "signers", namespace: "", name };
        may(state, user, &request).is_some()
    };
    allowed(signer) || allowed(&format!("{domain}/*"))
}
