//! Volumes: what they are, where they are mounted, and the claims they need.

use serde_json::{Value, json};

use crate::resource::{Desired, Diagnostic, Diagnostics, Quantity};
use crate::stack::model::{File, Volume, WorkloadKind};
use crate::stack::naming::kubernetes_name;

use super::config;
use super::context::ServiceContext;
use super::marked::Marked;
use super::names;

/// An application may write here though its root file system is read-only; more than this much evicts the pod.
const SCRATCH: &str = "128Mi";

/// The volumes of a pod.
#[derive(Default)]
pub(super) struct Volumes {
    /// The pod's.
    pub pod: Vec<Marked>,
    /// The main container's mounts.
    pub mounts: Vec<Marked>,
    /// A StatefulSet's claim templates.
    pub templates: Vec<Value>,
    /// Claims that all replicas share.
    pub claims: Vec<Desired>,
}

/// Which of a service's volumes a pod gets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// The service itself: all.
    Service,
    /// A hook: what is only read, and scratch; a claim may be bound to a node or held by a replica.
    Hook,
}

/// The volumes of a service's pods, or of its hooks'.
pub(super) fn of(service: &ServiceContext<'_>, reader: Reader, diagnostics: &mut Diagnostics) -> Volumes {
    let mut volumes = Volumes::default();
    for (name, volume) in &service.spec().volumes {
        if reader == Reader::Service || (volume.config.is_some() || volume.secret.is_some()) {
            add_declared(service, name, volume, &mut volumes, diagnostics);
        }
    }
    add_files(service, &mut volumes, diagnostics);
    add_scratch(service, &mut volumes);
    volumes
}

/// The name of a volume in the pod.
pub(super) fn pod_name(name: &str) -> String {
    names::limited(&kubernetes_name(name), names::MAX)
}

fn add_declared(service: &ServiceContext<'_>, name: &str, volume: &Volume, volumes: &mut Volumes, diagnostics: &mut Diagnostics) {
    let path = format!("volumes.{}", crate::stack::node::join_path(&[name]));
    let origin = service.origin(&path);
    let mut piece = Marked::default();
    piece.set("name", pod_name(name));
    piece.mark("name", Some(origin));
    let said = [&volume.size, &volume.empty, &volume.config, &volume.secret, &volume.claim].iter().filter(|said| said.is_some()).count();
    if said != 1 {
        let message =
            format!("volume `{name}` of {} says {} it is", service.title(), if said == 0 { "not what" } else { "more than once what" });
        service.error(diagnostics, "compile::volume", &path, message, "say exactly one of `size`, `empty`, `config`, `secret`, `claim`");
        return;
    }
    if let Some(size) = &volume.size {
        let Some(size) = quantity(service, &format!("{path}.size"), size, diagnostics) else { return };
        if service.kind() == WorkloadKind::StatefulSet {
            volumes.templates.push(json!({"metadata": {"name": pod_name(name)}, "spec": claim_spec(volume, &size).into_value()}));
            volumes.mounts.push(mount(service, &path, name, volume));
            return;
        }
        let claim = names::joined(&[&service.instance.service, name]);
        let mut body = Marked::default();
        let mut spec = claim_spec(volume, &size);
        spec.mark("resources.requests.storage", Some(service.origin(&format!("{path}.size"))));
        body.put("spec", spec);
        if let Some(mut object) = service.object("v1", "PersistentVolumeClaim", &claim, body) {
            object.declared.object = Some(origin.clone());
            volumes.claims.push(object);
        }
        warn_shared(service, &path, name, volume, diagnostics);
        piece.set("persistentVolumeClaim", json!({"claimName": claim}));
    } else if let Some(limit) = &volume.empty {
        let mut empty = Marked::default();
        if !limit.is_empty() {
            let Some(limit) = quantity(service, &format!("{path}.empty"), limit, diagnostics) else { return };
            empty.set_from("sizeLimit", limit.to_string(), Some(service.origin(&format!("{path}.empty"))));
        }
        if volume.memory == Some(true) {
            empty.set_from("medium", "Memory", Some(service.origin(&format!("{path}.memory"))));
        }
        piece.put("emptyDir", empty);
    } else if let Some(config) = &volume.config {
        piece.set("configMap", json!({"name": config}));
    } else if let Some(secret) = &volume.secret {
        let Some(object) = config::secret_name(service, secret, service.origin(&format!("{path}.secret")), diagnostics) else { return };
        piece.set("secret", json!({"secretName": object}));
    } else if let Some(claim) = &volume.claim {
        piece.set("persistentVolumeClaim", json!({"claimName": claim}));
    }
    volumes.pod.push(piece);
    volumes.mounts.push(mount(service, &path, name, volume));
}

fn claim_spec(volume: &Volume, size: &Quantity) -> Marked {
    let mut spec = Marked::default();
    spec.set("accessModes", json!([volume.access.as_deref().unwrap_or("ReadWriteOnce")]));
    spec.set_maybe("storageClassName", volume.class.as_deref(), None);
    spec.set("resources", json!({"requests": {"storage": size.in_resource_list().to_string()}}));
    spec
}

fn mount(service: &ServiceContext<'_>, path: &str, name: &str, volume: &Volume) -> Marked {
    let mut mount = Marked::default();
    mount.set("name", pod_name(name));
    mount.set_from("mountPath", volume.mount.as_str(), Some(service.origin(&format!("{path}.mount"))));
    if volume.read_only == Some(true) {
        mount.set("readOnly", true);
    }
    mount
}

/// A claim that one node alone can mount, for replicas that may be on several, or overlap in a roll-out.
fn warn_shared(service: &ServiceContext<'_>, path: &str, name: &str, volume: &Volume, diagnostics: &mut Diagnostics) {
    let one_node = volume.access.as_deref().unwrap_or("ReadWriteOnce").starts_with("ReadWriteOnce");
    let overlaps = match service.kind() {
        WorkloadKind::Deployment => service.spec().rollout.recreate != Some(true) || super::sizing::replicas(service).ceiling > 1,
        WorkloadKind::DaemonSet => true,
        WorkloadKind::StatefulSet | WorkloadKind::Job | WorkloadKind::CronJob => false,
    };
    if one_node && overlaps {
        let message = format!("the replicas of {} share volume `{name}`, which one node alone can mount at a time", service.title());
        diagnostics.push(
            Diagnostic::warning("compile::shared_volume", message)
                .at(service.origin(path), "")
                .help("with `kind = \"StatefulSet\"` each replica has its own; else say `access = \"ReadWriteMany\"`, or one replica and `rollout.recreate = true`"),
        );
    }
}

/// One mount for each file: the folders around it stay the image's.
fn add_files(service: &ServiceContext<'_>, volumes: &mut Volumes, diagnostics: &mut Diagnostics) {
    let mut from_map = false;
    let mut secrets: Vec<String> = Vec::new();
    for (path, file) in &service.spec().files {
        let origin = service.origin_at(&["files", path]);
        let mut mount = Marked::default();
        mount.set_from("mountPath", path.as_str(), Some(origin));
        mount.set("readOnly", true);
        if let File::Secret(key) = file {
            let Some(object) = config::secret_name(service, &key.secret, origin, diagnostics) else { continue };
            let name = free_name(service, &names::limited(&format!("secret-{}", object.replace('.', "-")), names::MAX - 5));
            mount.set("name", name.as_str());
            mount.set("subPath", key.key.as_str());
            if !secrets.contains(&name) {
                let mut piece = Marked::default();
                piece.set_from("name", name.as_str(), Some(origin));
                let mut source = json!({"secretName": object});
                if key.optional {
                    source["optional"] = Value::from(true);
                }
                piece.set("secret", source);
                volumes.pod.push(piece);
                secrets.push(name);
            }
        } else {
            mount.set("name", free_name(service, "files"));
            mount.set("subPath", config::file_key(path));
            from_map = true;
        }
        volumes.mounts.push(mount);
    }
    if from_map {
        let mut piece = Marked::default();
        piece.set_from("name", free_name(service, "files"), Some(service.origin("files")));
        piece.set("configMap", json!({"name": config::files_name(service)}));
        volumes.pod.push(piece);
    }
}

/// `/tmp`, where the root file system may not be written to and the service says nothing else of it.
fn add_scratch(service: &ServiceContext<'_>, volumes: &mut Volumes) {
    let taken = service.spec().volumes.values().any(|volume| volume.mount.trim_end_matches('/') == "/tmp");
    if service.spec().pod.read_only_root == Some(false) || taken {
        return;
    }
    let name = free_name(service, "tmp");
    let mut piece = Marked::default();
    piece.set("name", name.as_str());
    piece.set("emptyDir", json!({"sizeLimit": SCRATCH}));
    piece.mark("emptyDir", Some(service.origin("pod.read_only_root")));
    volumes.pod.push(piece);
    volumes.mounts.push(scratch_mount(&name));
}

/// A name for a volume of spai's own that no volume of the service has.
fn free_name(service: &ServiceContext<'_>, name: &str) -> String {
    let taken = service.spec().volumes.keys().any(|volume| pod_name(volume) == name);
    if taken { format!("spai-{name}") } else { name.to_owned() }
}

fn scratch_mount(name: &str) -> Marked {
    let mut mount = Marked::default();
    mount.set("name", name);
    mount.set("mountPath", "/tmp");
    mount
}

fn quantity(service: &ServiceContext<'_>, path: &str, text: &str, diagnostics: &mut Diagnostics) -> Option<Quantity> {
    match text.parse::<Quantity>() {
        Ok(quantity) if !quantity.is_negative() => Some(quantity),
        Ok(_) => {
            service.error(diagnostics, "compile::quantity", path, format!("`{text}` is less than nothing"), "give a size like `10Gi`");
            None
        }
        Err(error) => {
            service.error(diagnostics, "compile::quantity", path, error.to_string(), "give a size like `10Gi`");
            None
        }
    }
}
