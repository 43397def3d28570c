//! Containers: the main one, those that run first, those beside it, and a hook's.

use serde_json::{Value, json};

use crate::resource::{Diagnostic, Diagnostics, Origin};
use crate::stack::model::{Amounts, Container, Hook, Image, Port};
use crate::stack::node::join_path;

use super::context::ServiceContext;
use super::marked::Marked;
use super::volumes::pod_name;
use super::{config, names, probes, settings, sizing};

/// What a sidecar may use that doesn't say how much.
const SIDECAR_CPU: &str = "100m";
/// The same of memory.
const SIDECAR_MEMORY: &str = "128Mi";

/// The container that the service is about; it has the service's name.
pub(super) fn main(service: &ServiceContext<'_>, mounts: Vec<Marked>, diagnostics: &mut Diagnostics) -> Marked {
    let spec = service.spec();
    let mut container = Marked::default();
    container.set("name", service.name());
    put_image(service, &mut container, "image", &spec.image, diagnostics);
    put_command(service, &mut container, "", spec.command.as_ref(), spec.args.as_ref());
    put_shared_config(service, &mut container);
    container.put_list("env", "name", config::referenced(service, diagnostics));
    put_ports(service, &mut container, "ports", &spec.ports, diagnostics);
    put_resources(&mut container, sizing::main_resources(service, diagnostics));
    put_pre_stop(service, &mut container, diagnostics);
    harden(service, &mut container);
    put_mounts(&mut container, mounts);
    container
}

/// A container that runs first, to its end.
pub(super) fn init(service: &ServiceContext<'_>, name: &str, init: &Container, diagnostics: &mut Diagnostics) -> Marked {
    // It runs before the others, so as much as the main container may use costs nothing more.
    let tier = service.at.tier();
    let limits = &service.spec().resources.limits;
    let fallback = Amounts {
        cpu: limits.cpu.clone().or_else(|| tier.and_then(|tier| tier.cpu.clone())),
        memory: limits.memory.clone().or_else(|| tier.and_then(|tier| tier.memory.clone())),
        ..Amounts::default()
    };
    further(service, "init", name, init, &fallback, diagnostics)
}

/// A container beside the main one. It is an init container that never ends: it is there before the main one starts and
/// until after it has ended, and a Job is over when its main container is.
pub(super) fn sidecar(service: &ServiceContext<'_>, name: &str, sidecar: &Container, diagnostics: &mut Diagnostics) -> Marked {
    let fallback = Amounts { cpu: Some(SIDECAR_CPU.to_owned()), memory: Some(SIDECAR_MEMORY.to_owned()), ..Amounts::default() };
    let mut container = further(service, "sidecars", name, sidecar, &fallback, diagnostics);
    container.set("restartPolicy", "Always");
    container
}

fn further(
    service: &ServiceContext<'_>,
    table: &str,
    name: &str,
    own: &Container,
    fallback: &Amounts,
    diagnostics: &mut Diagnostics,
) -> Marked {
    let path = join_path(&[table, name]);
    let origin = service.origin(&path);
    let mut container = Marked::default();
    container.set_from("name", names::joined(&[name]), Some(origin));
    put_image(service, &mut container, &format!("{path}.image"), &image_or_services(&own.image, &service.spec().image), diagnostics);
    put_command(service, &mut container, &format!("{path}."), own.command.as_ref(), own.args.as_ref());
    container.put_list("env", "name", config::own(service, &[table, name], &own.config, diagnostics));
    put_ports(service, &mut container, &format!("{path}.ports"), &own.ports, diagnostics);
    put_resources(&mut container, sizing::further_resources(service, &format!("{path}.resources"), &own.resources, fallback, diagnostics));
    harden(service, &mut container);
    let mut mounts = Vec::new();
    for (volume, at) in &own.mounts {
        let origin = service.origin_at(&[table, name, "mounts", volume]);
        if !service.spec().volumes.contains_key(volume) {
            diagnostics.push(
                Diagnostic::error("compile::unknown_volume", format!("{} has no volume `{volume}`", service.title()))
                    .at(origin, "mounted here")
                    .help(format!("declare it: `[volumes.{volume}]`")),
            );
            continue;
        }
        let mut mount = Marked::default();
        mount.set("name", pod_name(volume));
        mount.set_from("mountPath", at.as_str(), Some(origin));
        mounts.push(mount);
    }
    put_mounts(&mut container, mounts);
    container
}

/// A hook's container: the service's configuration and image, unless it has its own.
pub(super) fn hook(
    service: &ServiceContext<'_>,
    path: &[&str],
    name: &str,
    hook: &Hook,
    mounts: Vec<Marked>,
    diagnostics: &mut Diagnostics,
) -> Marked {
    let shown = join_path(path);
    let mut container = Marked::default();
    container.set("name", names::joined(&[name]));
    put_image(service, &mut container, &format!("{shown}.image"), &image_or_services(&hook.image, &service.spec().image), diagnostics);
    put_command(service, &mut container, &format!("{shown}."), hook.command.as_ref(), hook.args.as_ref());
    put_shared_config(service, &mut container);
    let own = config::own(service, path, &hook.config, diagnostics);
    let shadowed = |variable: &Marked| own.iter().any(|other| other.get("name") == variable.get("name"));
    let mut env: Vec<Marked> = config::referenced(service, diagnostics).into_iter().filter(|variable| !shadowed(variable)).collect();
    env.extend(own);
    container.put_list("env", "name", env);
    put_resources(&mut container, sizing::hook_resources(service, diagnostics));
    harden(service, &mut container);
    put_mounts(&mut container, mounts);
    container
}

/// What an image says, completed by the service's where it gives no repository.
fn image_or_services(own: &Image, services: &Image) -> Image {
    if own.repository.is_some() {
        return own.clone();
    }
    let says_version = own.tag.is_some() || own.digest.is_some();
    Image {
        repository: services.repository.clone(),
        registry: own.registry.clone().or_else(|| services.registry.clone()),
        tag: if says_version { own.tag.clone() } else { services.tag.clone() },
        digest: if says_version { own.digest.clone() } else { services.digest.clone() },
        pull: own.pull.or(services.pull),
    }
}

fn put_image(service: &ServiceContext<'_>, container: &mut Marked, path: &str, image: &Image, diagnostics: &mut Diagnostics) {
    let Some(repository) = &image.repository else {
        let message = format!("{} has no image", service.title());
        service.error(
            diagnostics,
            "compile::no_image",
            path,
            message,
            "say which: `image = { repository = \"registry.example/name\", tag = \"1.0.0\" }`",
        );
        return;
    };
    let registry = image.registry.as_ref().map(|name| {
        let found = service.at.resolved.registries.get(name);
        if found.is_none() {
            let message = format!("there is no registry `{name}`");
            service.error(
                diagnostics,
                "compile::unknown_registry",
                &format!("{path}.registry"),
                message,
                format!("declare it in stack.toml: `[registries.{name}]` with its `url`"),
            );
        }
        found.map_or("", |registry| registry.url.trim_end_matches('/'))
    });
    let mut text = registry.map_or_else(|| repository.clone(), |url| format!("{url}/{repository}"));
    let mut origin_path = format!("{path}.repository");
    if let Some(digest) = &image.digest {
        text = format!("{text}@{digest}");
        origin_path = format!("{path}.digest");
    } else if let Some(tag) = &image.tag {
        text = format!("{text}:{tag}");
        origin_path = format!("{path}.tag");
    }
    container.set_from("image", text, Some(service.origin(&origin_path)));
    container.set_maybe("imagePullPolicy", image.pull.map(|pull| format!("{pull:?}")), Some(service.origin(&format!("{path}.pull"))));
}

fn put_command(
    service: &ServiceContext<'_>,
    container: &mut Marked,
    prefix: &str,
    command: Option<&Vec<String>>,
    args: Option<&Vec<String>>,
) {
    for (name, words) in [("command", command), ("args", args)] {
        if let Some(words) = words.filter(|words| !words.is_empty()) {
            container.set_from(name, json!(words), Some(service.origin(&format!("{prefix}{name}"))));
        }
    }
}

fn put_shared_config(service: &ServiceContext<'_>, container: &mut Marked) {
    if config::has_config_map(service) {
        container.set_from("envFrom", json!([{"configMapRef": {"name": service.name()}}]), Some(service.origin("config")));
    }
}

fn put_ports(
    service: &ServiceContext<'_>,
    container: &mut Marked,
    path: &str,
    ports: &std::collections::BTreeMap<String, Port>,
    diagnostics: &mut Diagnostics,
) {
    let mut list = Vec::new();
    let mut probed: Option<(&String, &Origin)> = None;
    for (name, port) in ports {
        let port_path = format!("{path}.{}", join_path(&[name]));
        let origin = service.origin(&port_path);
        let protocol = format!("{:?}", port.protocol.unwrap_or_default());
        container.mark(format!("ports[containerPort={},protocol={protocol}]", port.port), Some(origin));
        list.push(json!({"name": name, "containerPort": port.port, "protocol": protocol}));
        if port.probe.is_some() {
            let origin = service.origin(&format!("{port_path}.probe"));
            if let Some((first, first_origin)) = probed {
                diagnostics.push(
                    Diagnostic::error(
                        "compile::two_probes",
                        format!("ports `{first}` and `{name}` of {} both have a probe", service.title()),
                    )
                    .at(origin, "the second")
                    .at(first_origin, "the first")
                    .help("Kubernetes asks a container at one port: leave the probe at the port that tells whether the service is well"),
                );
                continue;
            }
            probed = Some((name, origin));
            probes::put(service, container, path, name, port, diagnostics);
        }
    }
    container.set_list("ports", list);
}

fn put_resources(container: &mut Marked, resources: Marked) {
    if !resources.is_empty() {
        container.put("resources", resources);
    }
}

/// Time to leave the load balancers before SIGTERM: the kubelet itself sleeps, no shell is needed in the image.
fn put_pre_stop(service: &ServiceContext<'_>, container: &mut Marked, diagnostics: &mut Diagnostics) {
    let pod = &service.spec().pod;
    let Some(pause) = settings::seconds(service, "pod.pre_stop", pod.pre_stop.as_deref(), diagnostics) else { return };
    if pause == 0 || !service.is_serving() {
        return;
    }
    let grace = settings::seconds(service, "pod.termination_grace", pod.termination_grace.as_deref(), diagnostics).unwrap_or(30);
    if pause >= grace {
        diagnostics.push(
            Diagnostic::error("compile::no_time_to_stop", format!("{} is killed before it hears that it shall stop", service.title()))
                .at(service.origin("pod.pre_stop"), format!("waits {pause} s first"))
                .at(service.origin("pod.termination_grace"), format!("has {grace} s for everything"))
                .help("let `pod.termination_grace` be longer than `pod.pre_stop` by the time that the service needs to stop"),
        );
    }
    let mut sleep = Marked::default();
    sleep.set("preStop", json!({"sleep": {"seconds": pause}}));
    sleep.mark("preStop.sleep.seconds", Some(service.origin("pod.pre_stop")));
    container.put("lifecycle", sleep);
}

/// What Pod Security `restricted` asks of a container, whatever level is enforced; what it wrote last before it failed is
/// kept as its message.
fn harden(service: &ServiceContext<'_>, container: &mut Marked) {
    let read_only = service.spec().pod.read_only_root.unwrap_or(true);
    let security: Value = json!({
        "allowPrivilegeEscalation": false,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": read_only,
    });
    container.set("securityContext", security);
    container.mark("securityContext.readOnlyRootFilesystem", Some(service.origin("pod.read_only_root")));
    container.set("terminationMessagePolicy", "FallbackToLogsOnError");
}

fn put_mounts(container: &mut Marked, mounts: Vec<Marked>) {
    container.put_list("volumeMounts", "mountPath", mounts);
}
