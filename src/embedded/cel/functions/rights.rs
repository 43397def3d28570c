//! Questions about rights (`authorizer.group('apps').resource('deployments').check('create')`), put together step by step. Who
//! answers them is whoever runs the expression.

use std::sync::Arc;

use super::super::value::Value;
use super::{Functions, no_overload};
use crate::embedded::rights::User;
use crate::embedded::rules::{dns_label, dns_subdomain};

/// A question, as far as it is put, or its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rights {
    /// Whose rights.
    Of(User),
    /// To a path that is no resource's.
    Path { user: User, path: String },
    /// In a group of resources.
    Group { user: User, group: String },
    /// To a resource.
    Resource(Wanted),
    /// The answer.
    Decision { allowed: bool, reason: String },
}

/// What is to be allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    pub user: User,
    pub group: String,
    pub resource: String,
    pub subresource: String,
    pub namespace: String,
    pub name: String,
}

/// Answers a question about a verb.
pub type Authority<'a> = &'a dyn Fn(&Rights, &str) -> Rights;

impl Rights {
    /// The name of its type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Of(_) => "kubernetes.authorization.Authorizer",
            Self::Path { .. } => "kubernetes.authorization.PathCheck",
            Self::Group { .. } => "kubernetes.authorization.GroupCheck",
            Self::Resource(_) => "kubernetes.authorization.ResourceCheck",
            Self::Decision { .. } => "kubernetes.authorization.Decision",
        }
    }

    /// As a value.
    pub fn value(self) -> Value {
        Value::Rights(Arc::new(self))
    }
}

pub(super) const ALL: Functions = &[
    ("kubernetes.authorization.Authorizer -> path(string): kubernetes.authorization.PathCheck", |args| {
        put(args, |rights, path| match rights {
            _ if path.trim().is_empty() => Err("path must not be empty".to_owned()),
            Rights::Of(user) => Ok(Rights::Path { user, path: path.to_owned() }),
            _ => Err(NONE.to_owned()),
        })
    }),
    ("kubernetes.authorization.Authorizer -> group(string): kubernetes.authorization.GroupCheck", |args| {
        put(args, |rights, group| match rights {
            Rights::Of(user) => Ok(Rights::Group { user, group: group.to_owned() }),
            _ => Err(NONE.to_owned()),
        })
    }),
    ("kubernetes.authorization.Authorizer -> serviceAccount(string, string): kubernetes.authorization.Authorizer", |args| match args {
        [_, Value::String(namespace), Value::String(name)] => {
            if !dns_subdomain(name).is_empty() {
                return Err("Invalid service account name".to_owned());
            }
            if !dns_label(namespace).is_empty() {
                return Err("Invalid service account namespace".to_owned());
            }
            let groups = vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")];
            Ok(Rights::Of(User { name: format!("system:serviceaccount:{namespace}:{name}"), groups, ..User::default() }).value())
        }
        _ => no_overload(),
    }),
    ("kubernetes.authorization.GroupCheck -> resource(string): kubernetes.authorization.ResourceCheck", |args| {
        put(args, |rights, resource| match rights {
            _ if resource.trim().is_empty() => Err("resource must not be empty".to_owned()),
            Rights::Group { user, group } => {
                Ok(Rights::Resource(Wanted { user, group, resource: resource.to_owned(), ..Wanted::default() }))
            }
            _ => Err(NONE.to_owned()),
        })
    }),
    ("kubernetes.authorization.ResourceCheck -> subresource(string): kubernetes.authorization.ResourceCheck", |args| {
        narrow(args, |wanted, text| wanted.subresource = text)
    }),
    ("kubernetes.authorization.ResourceCheck -> namespace(string): kubernetes.authorization.ResourceCheck", |args| {
        narrow(args, |wanted, text| wanted.namespace = text)
    }),
    ("kubernetes.authorization.ResourceCheck -> name(string): kubernetes.authorization.ResourceCheck", |args| {
        narrow(args, |wanted, text| wanted.name = text)
    }),
    // Roles know nothing of selectors, and allow what they allow whatever is selected.
    ("kubernetes.authorization.ResourceCheck -> fieldSelector(string): kubernetes.authorization.ResourceCheck", |args| {
        narrow(args, |_, _| {})
    }),
    ("kubernetes.authorization.ResourceCheck -> labelSelector(string): kubernetes.authorization.ResourceCheck", |args| {
        narrow(args, |_, _| {})
    }),
    // Nobody is there to answer: the interpreter asks itself.
    ("kubernetes.authorization.PathCheck -> check(string): kubernetes.authorization.Decision", |_| no_overload()),
    ("kubernetes.authorization.ResourceCheck -> check(string): kubernetes.authorization.Decision", |_| no_overload()),
    ("kubernetes.authorization.Decision -> allowed(): bool", |args| told(args, |allowed, _| Value::Bool(allowed))),
    ("kubernetes.authorization.Decision -> reason(): string", |args| told(args, |_, reason| Value::text(reason))),
    // No question is too hard for roles.
    ("kubernetes.authorization.Decision -> errored(): bool", |args| told(args, |_, _| Value::Bool(false))),
    ("kubernetes.authorization.Decision -> error(): string", |args| told(args, |_, _| Value::text(""))),
];

const NONE: &str = "no such overload";

fn put(args: &[Value], next: fn(Rights, &str) -> Result<Rights, String>) -> Result<Value, String> {
    match args {
        [Value::Rights(rights), Value::String(text)] => next(Rights::clone(rights), text).map(Rights::value),
        _ => no_overload(),
    }
}

fn narrow(args: &[Value], with: fn(&mut Wanted, String)) -> Result<Value, String> {
    match args {
        [Value::Rights(rights), Value::String(text)] => match Rights::clone(rights) {
            Rights::Resource(mut wanted) => {
                with(&mut wanted, text.to_string());
                Ok(Rights::Resource(wanted).value())
            }
            _ => no_overload(),
        },
        _ => no_overload(),
    }
}

fn told(args: &[Value], of: fn(bool, &str) -> Value) -> Result<Value, String> {
    match args {
        [Value::Rights(rights)] => match &**rights {
            Rights::Decision { allowed, reason } => Ok(of(*allowed, reason)),
            _ => no_overload(),
        },
        _ => no_overload(),
    }
}
