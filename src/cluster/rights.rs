//! What we may do: the server's own word on it, so that nothing has to be tried.

use http::Method;
use serde_json::{Value, json};

use super::transport::Call;
use super::{Cluster, ClusterError};
use crate::admission::rbac::{Action, Rules};

impl Cluster {
    /// All that we may do in a namespace: one request.
    ///
    /// # Errors
    /// The server doesn't answer, or doesn't tell.
    pub async fn rights_in(&self, namespace: &str) -> Result<Rules, ClusterError> {
        let review = self.review("selfsubjectrulesreviews", "SelfSubjectRulesReview", &json!({"namespace": namespace})).await?;
        Ok(Rules::of_review(&review))
    }

    /// Whether we may do one thing, in a namespace or in the whole cluster.
    ///
    /// # Errors
    /// As [`Self::rights_in`].
    pub async fn may(&self, action: &Action, namespace: Option<&str>) -> Result<bool, ClusterError> {
        let (resource, subresource) = action.resource.split_once('/').unwrap_or((&action.resource, ""));
        let attributes = json!({
            "namespace": namespace.unwrap_or_default(),
            "verb": action.verb,
            "group": action.group,
            "resource": resource,
            "subresource": subresource,
            "name": action.name.as_deref().unwrap_or_default(),
        });
        let spec = json!({"resourceAttributes": attributes});
        let review = self.review("selfsubjectaccessreviews", "SelfSubjectAccessReview", &spec).await?;
        Ok(review["status"]["allowed"] == true)
    }

    async fn review(&self, plural: &str, kind: &str, spec: &Value) -> Result<Value, ClusterError> {
        let body = json!({"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec});
        let call = Call {
            method: Method::POST,
            path: format!("/apis/authorization.k8s.io/v1/{plural}"),
            accept: "application/json",
            content_type: "application/json",
            body: body.to_string().into_bytes(),
        };
        self.transport.call(&call).await?.json()
    }
}
