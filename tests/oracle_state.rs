//! What state keeps in the cluster, held against a real API server: root namespace, inventory, lease.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that can't go on fails")]

mod support;

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use spai::cluster::inventory::{self, Inventory, InventoryError};
use spai::cluster::lease::{self, Claim, LeaseError, LeaseStatus};
use spai::cluster::{Cluster, ClusterError, ROOT_LABEL, ensure_root};
use spai::resource::{Digest, GroupKind, ObjectKey, StackIdentity};
use spai::state::{Holder, LockError, Locks, RunLock};

fn identity() -> StackIdentity {
    StackIdentity::new("orchard", "test")
}

fn holder(command: &str) -> Holder {
    Holder::this_process("ana", "laptop", command, "2026-11-24T02:30:33Z".parse().unwrap())
}

async fn take(cluster: &Cluster, root: &str, name: &str) -> Result<lease::Lease, LeaseError> {
    let is_dead = |token: &serde_json::Value| token == "dead";
    lease::acquire(cluster, &identity(), root, &Claim { text: name.to_owned(), token: json!(name), is_dead: &is_dead }).await
}

#[tokio::test]
async fn the_root_namespace_is_made_once_and_marked_as_spais_own() {
    let Some(plane) = support::control_plane() else { return };
    let cluster = plane.cluster().await;
    let root = support::unique("root");
    let _gone_after = plane.namespaces_of(&root);
    assert!(ensure_root(&cluster, &identity(), &root).await.unwrap());
    assert!(!ensure_root(&cluster, &identity(), &root).await.unwrap());
    let live = cluster.get(&ObjectKey::new("", "Namespace", None, &root)).await.unwrap().unwrap();
    assert_eq!(live.label(ROOT_LABEL), Some("orchard"));
    assert_eq!(StackIdentity::of(&live), None, "it is no object of the stack");
    plane.kubectl_out(&["delete", "namespace", &root, "--wait=false"]);
    let refused = ensure_root(&cluster, &identity(), &root).await;
    assert!(matches!(refused, Err(ClusterError::Stale { .. }) | Ok(true)), "{refused:?}");
}

#[tokio::test]
async fn an_inventory_is_read_as_written_and_of_two_writers_one_wins() {
    let Some(plane) = support::control_plane() else { return };
    let (cluster, root) = (plane.cluster().await, plane.namespace("inventory"));
    assert!(inventory::read(&cluster, &identity(), &root).await.unwrap().is_none());
    assert!(inventory::read(&cluster, &identity(), "no-such-namespace").await.unwrap().is_none());
    let fresh = Inventory { kinds: [GroupKind::new("apps", "Deployment")].into(), ..Inventory::new(identity()) };
    let first = inventory::write(&cluster, &root, &fresh, None).await.unwrap();
    let again = inventory::write(&cluster, &root, &fresh, None).await;
    assert!(matches!(again, Err(InventoryError::Cluster(ClusterError::AlreadyExists { .. }))), "{again:?}");
    let next = Inventory { revision: 1, digest: Some(Digest("ab".to_owned())), by: "ana@laptop".to_owned(), ..fresh.clone() };
    inventory::write(&cluster, &root, &next, Some(&first)).await.unwrap();
    let stale = inventory::write(&cluster, &root, &Inventory { revision: 2, ..next.clone() }, Some(&first)).await;
    assert!(matches!(stale, Err(InventoryError::Cluster(ClusterError::Stale { .. }))), "{stale:?}");
    assert_eq!(inventory::read(&cluster, &identity(), &root).await.unwrap().unwrap().inventory, next);
}

#[tokio::test]
async fn a_damaged_inventory_is_an_error_until_it_is_written_anew_and_another_ones_is_left_alone() {
    let Some(plane) = support::control_plane() else { return };
    let (cluster, root) = (plane.cluster().await, plane.namespace("inventory"));
    let mine = Inventory::new(identity());
    inventory::write(&cluster, &root, &mine, None).await.unwrap();
    plane.kubectl_out(&[
        "-n",
        &root,
        "patch",
        "configmap",
        "spai-inventory-orchard",
        "--type=json",
        "-p",
        r#"[{"op":"remove","path":"/data/kinds"}]"#,
    ]);
    let damaged = inventory::read(&cluster, &identity(), &root).await;
    assert!(matches!(damaged, Err(InventoryError::Damaged(..))), "{damaged:?}");
    inventory::overwrite(&cluster, &root, &mine).await.unwrap();
    assert_eq!(inventory::read(&cluster, &identity(), &root).await.unwrap().unwrap().inventory, mine);
    let other = StackIdentity::new("orchard", "production");
    assert!(matches!(inventory::read(&cluster, &other, &root).await, Err(InventoryError::Foreign(..))));
    assert!(matches!(inventory::overwrite(&cluster, &root, &Inventory::new(other)).await, Err(InventoryError::Foreign(..))));
}

#[tokio::test]
async fn a_lease_is_held_by_one_and_free_again_when_released() {
    let Some(plane) = support::control_plane() else { return };
    let (cluster, root) = (plane.cluster().await, plane.namespace("lease"));
    let (one, two) = tokio::join!(take(&cluster, &root, "one"), take(&cluster, &root, "two"));
    let (winner, loser) = if one.is_ok() { (one, two) } else { (two, one) };
    let winner = winner.unwrap();
    let Err(LeaseError::Held(held)) = loser else { panic!("both have it, or neither") };
    assert_eq!(lease::holder(&cluster, &identity(), &root).await.unwrap().unwrap(), *held);
    winner.check(Duration::ZERO).await.unwrap();
    winner.release().await.unwrap();
    assert_eq!(lease::holder(&cluster, &identity(), &root).await.unwrap(), None);
    take(&cluster, &root, "three").await.unwrap().release().await.unwrap();
}

#[tokio::test]
async fn a_dead_holders_lease_is_taken_at_once_an_expired_one_after_a_look_and_a_renewed_one_never() {
    let Some(plane) = support::control_plane() else { return };
    let (cluster, root) = (plane.cluster().await, plane.namespace("lease"));
    drop(take(&cluster, &root, "dead").await.unwrap());
    let next = take(&cluster, &root, "next").await.unwrap();
    drop(next);
    assert!(matches!(take(&cluster, &root, "other").await, Err(LeaseError::Held(_))), "its holder may live");
    let renewed = |seconds: i64| {
        let at = Timestamp::from_second(Timestamp::now().as_second() - seconds).unwrap();
        let patch = json!({"spec": {"renewTime": format!("{at:.6}")}}).to_string();
        plane.kubectl_out(&["-n", &root, "patch", "lease", "spai-orchard", "--type=merge", "-p", &patch]);
    };
    renewed(60);
    // Its holder's clock is wrong, but it does renew.
    let (taken, ()) = tokio::join!(take(&cluster, &root, "other"), async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        renewed(60);
    });
    assert!(matches!(taken, Err(LeaseError::Held(_))), "{taken:?}");
    let taken = take(&cluster, &root, "other").await.unwrap();
    assert_eq!(lease::holder(&cluster, &identity(), &root).await.unwrap().unwrap().text, "other");
    taken.release().await.unwrap();
}

#[tokio::test]
async fn a_lease_is_renewed_and_its_loss_is_noticed() {
    let Some(plane) = support::control_plane() else { return };
    let (cluster, root) = (plane.cluster().await, plane.namespace("lease"));
    let held = take(&cluster, &root, "one").await.unwrap();
    let before = lease::holder(&cluster, &identity(), &root).await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_secs(6)).await;
    let after = lease::holder(&cluster, &identity(), &root).await.unwrap().unwrap();
    assert!(after.renewed > before.renewed && after.since == before.since);
    held.check(Duration::ZERO).await.unwrap();
    lease::break_(&cluster, &identity(), &root).await.unwrap().unwrap();
    let other = take(&cluster, &root, "two").await.unwrap();
    let mut status = held.status();
    let lost = tokio::time::timeout(Duration::from_secs(20), status.wait_for(|s| matches!(s, LeaseStatus::Lost(_)))).await;
    assert!(lost.is_ok(), "the loss goes unnoticed");
    drop(lost);
    let error = held.check(Duration::ZERO).await.unwrap_err();
    assert!(error.to_string().contains("two has it now"), "{error}");
    held.release().await.unwrap();
    other.check(Duration::ZERO).await.unwrap();
    other.release().await.unwrap();
}

#[tokio::test]
async fn a_second_run_is_stopped_by_the_lock_here_and_by_the_lease_elsewhere() {
    let Some(plane) = support::control_plane() else { return };
    let cluster = plane.cluster().await;
    let root = support::unique("run");
    let _gone_after = plane.namespaces_of(&root);
    let (here, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = RunLock::acquire(here.path(), &cluster, &identity(), &root, &holder("first")).await.unwrap();
    first.check(Duration::ZERO).await.unwrap();
    for dir in [here.path(), elsewhere.path()] {
        let second = RunLock::acquire(dir, &cluster, &identity(), &root, &holder("second")).await;
        let Err(LockError::Held(other)) = second else { panic!("{second:?}") };
        assert_eq!(*other, holder("first"));
    }
    let locks = Locks::show(here.path(), &cluster, &identity(), &root).await.unwrap();
    assert_eq!(locks.local, Some(holder("first")));
    assert!(locks.lease.unwrap().text.contains("first"));
    first.release().await.unwrap();
    // One that was killed: its process can be seen to be over.
    let killed = Holder { pid_started: Some(1), ..holder("killed") };
    let dead = RunLock::acquire(here.path(), &cluster, &identity(), &root, &killed).await.unwrap();
    drop(dead);
    RunLock::acquire(elsewhere.path(), &cluster, &identity(), &root, &holder("next")).await.unwrap().release().await.unwrap();
    // A broken one is noticed.
    let broken = RunLock::acquire(here.path(), &cluster, &identity(), &root, &holder("broken")).await.unwrap();
    Locks::break_(here.path(), &cluster, &identity(), &root).await.unwrap();
    assert_eq!(broken.check(Duration::ZERO).await.unwrap_err().code, "state::lock_lost");
}
