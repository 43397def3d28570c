//! Claims get a volume at once: a name, nothing that could be written to.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::status::{MANAGER, create, over, write};
use crate::embedded::api::{Failure, Part, remove_now};
use crate::embedded::store::Place;
use crate::embedded::world::State;

/// Binds a claim, if its class makes volumes.
pub(super) fn look(state: &mut State, claim: &Arc<Value>) -> Result<Option<SignedDuration>, Failure> {
    if claim["status"]["phase"] == "Bound" {
        return Ok(None);
    }
    let meta = &claim["metadata"];
    let class = claim["spec"]["storageClassName"].as_str().unwrap_or_default().to_owned();
    let Some(provisioner) = state.store.find("storageclasses.storage.k8s.io", "", &class).map(|class| class["provisioner"].clone()) else {
        return Ok(None);
    };
    let name = format!("pvc-{}", meta["uid"].as_str().unwrap_or_default());
    if state.store.find("persistentvolumes", "", &name).is_none() {
        let volume = json!({
            "apiVersion": "v1", "kind": "PersistentVolume",
            "metadata": {"name": name, "annotations": {"pv.kubernetes.io/provisioned-by": provisioner}},
            "spec": {
                "capacity": {"storage": claim["spec"]["resources"]["requests"]["storage"]}, "accessModes": claim["spec"]["accessModes"],
                "persistentVolumeReclaimPolicy": "Delete", "storageClassName": class, "volumeMode": "Filesystem",
                "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": meta["namespace"], "name": meta["name"], "uid": meta["uid"]},
                "csi": {"driver": provisioner, "volumeHandle": name},
            },
        });
        let volume = create(state, volume, false)?;
        let mut bound = Value::clone(&volume);
        bound["status"] = json!({"phase": "Bound"});
        write(state, &volume, bound, MANAGER)?;
    }
    let mut next = Value::clone(claim);
    next["spec"]["volumeName"] = name.as_str().into();
    let bound = over(state, claim, next, Part::Main, MANAGER)?;
    let mut next = Value::clone(&bound);
    next["status"] = json!({"phase": "Bound", "accessModes": claim["spec"]["accessModes"], "capacity": {"storage": claim["spec"]["resources"]["requests"]["storage"]}});
    write(state, &bound, next, MANAGER)?;
    Ok(None)
}

/// A claim that no pod uses any more is let go, and its volume with it.
pub(super) fn ends(state: &mut State, claim: &Arc<Value>) -> Result<Option<SignedDuration>, Failure> {
    let (namespace, name) = (claim["metadata"]["namespace"].as_str().unwrap_or_default(), claim["metadata"]["name"].clone());
    let uses = |pod: &&Arc<Value>| {
        pod["spec"]["volumes"].as_array().is_some_and(|all| all.iter().any(|volume| volume["persistentVolumeClaim"]["claimName"] == name))
    };
    if state.store.within("pods", namespace).any(|pod| uses(&pod)) {
        return Ok(Some(SignedDuration::from_secs(1)));
    }
    let volume = claim["spec"]["volumeName"].as_str().unwrap_or_default().to_owned();
    let released = state.store.find("persistentvolumes", "", &volume).cloned();
    release(state, claim, "kubernetes.io/pvc-protection")?;
    if let Some(volume) = released.filter(|volume| volume["spec"]["persistentVolumeReclaimPolicy"] == "Delete") {
        let place = Place {
            resource: "persistentvolumes".into(),
            namespace: String::new(),
            name: volume["metadata"]["name"].as_str().unwrap_or_default().to_owned(),
        };
        remove_now(state, &place, None)?;
    }
    Ok(None)
}

fn release(state: &mut State, object: &Arc<Value>, finalizer: &str) -> Result<(), Failure> {
    let mut next = Value::clone(object);
    if let Some(all) = next["metadata"]["finalizers"].as_array_mut() {
        all.retain(|one| one != finalizer);
    }
    over(state, object, next, Part::Main, MANAGER)?;
    Ok(())
}
