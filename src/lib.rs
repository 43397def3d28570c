//! spai: a declarative plan/apply engine for Kubernetes platforms.
//!
//! TOML stacks become Kubernetes objects, are compared with what runs, printed as a plan that reviewers can
//! trust, and applied in dependency order, or the cluster is left as it was. The modules form one direction:
//! a module uses only those above it in this list (a test checks that from the sources).
//!
//! | layer | modules |
//! |---|---|
//! | the core, pure | [`resource`], [`schema`], [`merge`], [`admission`], [`stack`], [`compile`], [`graph`], [`strategy`], [`plan`] |
//! | the shell, I/O | [`cluster`], [`embedded`], [`state`], [`apply`], [`engine`] |
//! | the surface | [`report`], [`cli`] |

pub mod resource;

pub mod schema;

pub mod merge;

pub mod admission;

pub mod stack;

pub mod compile;

pub mod graph;

pub mod strategy;

pub mod plan;

pub mod cluster;

pub mod embedded;

pub mod state;

pub mod apply;

pub mod engine;

pub mod report;

pub mod cli;
