//! What `schema` claims, held against a real API server: the embedded types are the server's own, its tables are what
//! probing finds, and what it makes of an object is what the server makes of it.
//!
//! With `SPAI_SCHEMA_TABLES=write` the archive and the table of the server's minor version are written first;
//! `tests/schema-tables` does so for all supported ones.

#![allow(clippy::large_futures, reason = "held once by a test, not by the thousand")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking; lints know only test functions as tests")]

mod archive;
mod catalog;
mod custom;
mod normal;
mod oracle;
mod probe;
mod samples;
mod server;
#[path = "../support/mod.rs"]
mod support;
mod tables;
mod variants;

/// Admission that adds to objects: it isn't defaulting, and would hide what is.
const ADDING: &str = "--disable-admission-plugins=ServiceAccount,DefaultTolerationSeconds,Priority,RuntimeClass,DefaultStorageClass,StorageObjectInUseProtection,DefaultIngressClass,TaintNodesByCondition,LimitRanger,PodTopologyLabels,ResourceQuota";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_known_of_built_in_kinds_is_what_the_server_does() {
    let Some(plane) = support::own_control_plane(&["--no-controllers", "--audit", "None", "--apiserver-arg", ADDING]) else { return };
    let server = server::Server::of(&plane).await;
    let mut wrong = archive::check(&server).await;
    // What is written here is compiled in only the next time. And before anything is created for the tables' sake.
    if !server::writes() {
        wrong.extend(oracle::check(&server).await);
        wrong.extend(custom::check(&server).await);
        catalog::check(&plane, &server).await;
    }
    wrong.extend(tables::check(&server).await);
    assert!(wrong.is_empty(), "{} differences\n{}", wrong.len(), wrong.join("\n"));
}
