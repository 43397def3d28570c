//! What is asked of admission, as its rules and expressions see it.

use serde_json::{Value as Json, json};

use crate::embedded::catalog::Resource;
use crate::embedded::cel::{Rights, Type, Value, Wanted};
use crate::embedded::rights::{self, User};
use crate::embedded::world::State;

/// A write that is to be admitted.
pub struct Asked<'a> {
    /// Of which resource.
    pub resource: &'a Resource,
    /// Of which part; empty: the object itself.
    pub subresource: &'a str,
    /// `CREATE`, `UPDATE`, `DELETE`.
    pub operation: &'static str,
    /// Empty: of the cluster.
    pub namespace: &'a str,
    /// The object's name.
    pub name: &'a str,
    /// How it is to be; None: gone.
    pub object: Option<&'a Json>,
    /// How it is; None: it isn't.
    pub old: Option<&'a Json>,
    /// Who asks.
    pub user: &'a User,
    /// Whether only what would happen is asked.
    pub dry: bool,
}

impl Asked<'_> {
    /// The `request` of expressions.
    pub fn request(&self) -> Value {
        let resource = self.resource;
        let kind = json!({"group": resource.group, "version": resource.version, "kind": resource.kind});
        let plural = json!({"group": resource.group, "version": resource.version, "resource": resource.plural});
        let options = match self.operation {
            "CREATE" => "CreateOptions",
            "UPDATE" => "UpdateOptions",
            _ => "DeleteOptions",
        };
        let request = json!({
            "kind": kind, "resource": plural, "subResource": self.subresource, "requestKind": kind, "requestResource": plural,
            "requestSubResource": self.subresource, "name": self.name, "namespace": self.namespace, "operation": self.operation,
            "userInfo": self.user.shown(), "dryRun": self.dry,
            "options": {"kind": options, "apiVersion": "meta.k8s.io/v1"},
        });
        Value::read(&request, &request_type())
    }

    /// Whoever asks, as expressions may ask about their rights; and about those to what is asked.
    pub fn authorizers(&self) -> [(&'static str, Value); 2] {
        let wanted = Wanted {
            user: self.user.clone(),
            group: self.resource.group.clone(),
            resource: self.resource.plural.clone(),
            subresource: self.subresource.to_owned(),
            namespace: self.namespace.to_owned(),
            name: self.name.to_owned(),
        };
        [(AUTHORIZER, Rights::Of(self.user.clone()).value()), (REQUEST_AUTHORIZER, Rights::Resource(wanted).value())]
    }

    /// The namespace that it happens in, as expressions see it.
    pub fn namespace_object(&self, state: &State) -> Value {
        // A namespace isn't in itself.
        if self.namespace.is_empty() || self.resource.is("", "Namespace") {
            return Value::Null;
        }
        state.store.find("namespaces", "", self.namespace).map_or(Value::Null, |found| Value::read(found, &namespace_type()))
    }
}

/// What expressions call the rights of whoever asks.
const AUTHORIZER: &str = "authorizer";
const REQUEST_AUTHORIZER: &str = "authorizer.requestResource";

/// Whether a name is of rights.
pub fn is_authorizer(name: &str) -> bool {
    name == AUTHORIZER || name == REQUEST_AUTHORIZER
}

/// The types of what expressions ask about rights with.
pub fn authorizer_types() -> [(String, Type); 2] {
    [
        (AUTHORIZER.to_owned(), Type::Opaque("kubernetes.authorization.Authorizer")),
        (REQUEST_AUTHORIZER.to_owned(), Type::Opaque("kubernetes.authorization.ResourceCheck")),
    ]
}

/// The answer to a question about rights.
pub fn decide(state: &State, question: &Rights, verb: &str) -> Rights {
    let found = match question {
        Rights::Path { user, path } => rights::may_path(state, user, verb, path),
        Rights::Resource(wanted) => {
            let resource = match wanted.subresource.as_str() {
                "" => wanted.resource.clone(),
                sub => format!("{}/{sub}", wanted.resource),
            };
            let request =
                rights::Request { verb, group: &wanted.group, resource: &resource, namespace: &wanted.namespace, name: &wanted.name };
            rights::may(state, &wanted.user, &request)
        }
        _ => None,
    };
    Rights::Decision { allowed: found.is_some(), reason: found.unwrap_or_default() }
}

fn object<const N: usize>(name: &str, fields: [(&str, Type); N]) -> Type {
    Type::object(name, fields.map(|(name, of)| (name.to_owned(), of)))
}

/// The type of `request`.
pub fn request_type() -> Type {
    let text = || Type::String;
    let kind = object("kubernetes.GroupVersionKind", [("group", text()), ("version", text()), ("kind", text())]);
    let resource = object("kubernetes.GroupVersionResource", [("group", text()), ("version", text()), ("resource", text())]);
    let user = object(
        "kubernetes.UserInfo",
        [("username", text()), ("uid", text()), ("groups", Type::list(text())), ("extra", Type::map(Type::list(text())))],
    );
    object(
        "kubernetes.AdmissionRequest",
        [
            ("uid", text()),
            ("kind", kind.clone()),
            ("resource", resource.clone()),
            ("subResource", text()),
            ("requestKind", kind),
            ("requestResource", resource),
            ("requestSubResource", text()),
            ("name", text()),
            ("namespace", text()),
            ("operation", text()),
            ("userInfo", user),
            ("dryRun", Type::Bool),
            ("options", Type::Dyn),
        ],
    )
}

/// The type of `namespaceObject`.
pub fn namespace_type() -> Type {
    let text = || Type::String;
    let meta = object(
        "kubernetes.NamespaceMetadata",
        [
            ("name", text()),
            ("generateName", text()),
            ("namespace", text()),
            ("labels", Type::map(text())),
            ("annotations", Type::map(text())),
            ("UID", text()),
            ("creationTimestamp", Type::Timestamp),
            ("deletionGracePeriodSeconds", Type::Int),
            ("deletionTimestamp", Type::Timestamp),
            ("generation", Type::Int),
            ("resourceVersion", text()),
            ("finalizers", Type::list(text())),
        ],
    );
    let condition = object(
        "kubernetes.NamespaceCondition",
        [("status", text()), ("type", text()), ("lastTransitionTime", Type::Timestamp), ("message", text()), ("reason", text())],
    );
    let spec = object("kubernetes.NamespaceSpec", [("finalizers", Type::list(text()))]);
    let status = object("kubernetes.NamespaceStatus", [("conditions", Type::list(condition)), ("phase", text())]);
    object("kubernetes.Namespace", [("metadata", meta), ("spec", spec), ("status", status)])
}
