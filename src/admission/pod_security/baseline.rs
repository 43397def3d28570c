//! What `baseline` forbids.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Check, Violation, bad_values, containers, items, named, names, plural, quoted, said, setters, text, uses, violation};

/// In the server's order: by the names that it has for them.
pub(super) const CHECKS: [Check; 12] = [
    ("appArmorProfile", app_armor),
    ("capabilities_baseline", capabilities),
    ("hostNamespaces", host_namespaces),
    ("hostPathVolumes", host_paths),
    ("hostPorts", host_ports),
    ("hostProbesAndHostLifecycle", host_probes),
    ("privileged", privileged),
    ("procMount", |pod, minor| if minor >= 35 && in_user_namespace(pod) { None } else { proc_mount(pod, minor) }),
    ("seLinuxOptions", selinux),
    ("seccompProfile_baseline", seccomp),
    ("sysctls", sysctls),
    ("windowsHostProcess", host_process),
];

const CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// Each with the release since which it is allowed.
const SYSCTLS: [(&str, u32); 12] = [
    ("kernel.shm_rmid_forced", 0),
    ("net.ipv4.ip_local_port_range", 0),
    ("net.ipv4.tcp_syncookies", 0),
    ("net.ipv4.ping_group_range", 0),
    ("net.ipv4.ip_unprivileged_port_start", 0),
    ("net.ipv4.ip_local_reserved_ports", 27),
    ("net.ipv4.tcp_keepalive_time", 29),
    ("net.ipv4.tcp_fin_timeout", 29),
    ("net.ipv4.tcp_keepalive_intvl", 29),
    ("net.ipv4.tcp_keepalive_probes", 29),
    ("net.ipv4.tcp_rmem", 32),
    ("net.ipv4.tcp_wmem", 32),
];

/// Whether its root is nobody on the node.
pub(super) fn in_user_namespace(pod: &Value) -> bool {
    pod["spec"]["hostUsers"] == false
}

fn app_armor(pod: &Value, _: u32) -> Option<Violation> {
    let (pod_is_bad, bad, values) = bad_values(pod, "appArmorProfile", "type", |kind| matches!(kind, "RuntimeDefault" | "Localhost"));
    let allowed = |profile: &str| profile.is_empty() || profile == "runtime/default" || profile.starts_with("localhost/");
    let annotations: BTreeSet<String> = annotations(pod)
        .filter(|(key, profile)| key.starts_with("container.apparmor.security.beta.kubernetes.io/") && !allowed(profile))
        .map(|(key, profile)| format!("{key}={profile:?}"))
        .collect();
    let mut by: Vec<String> = setters(pod_is_bad, &bad).into_iter().collect();
    by.extend((!annotations.is_empty()).then(|| plural("annotation", annotations.len())));
    if by.is_empty() {
        return None;
    }
    let all: Vec<&String> = values.iter().chain(&annotations).collect();
    Some(violation(
        plural("forbidden AppArmor profile", all.len()),
        format!("{} must not set AppArmor profile type to {}", by.join(" and "), quoted(all)),
    ))
}

fn capabilities(pod: &Value, _: u32) -> Option<Violation> {
    let (bad, added) = adding(pod, |capability| CAPABILITIES.contains(&capability));
    let detail = || format!("{} must not include {} in securityContext.capabilities.add", named("container", &bad), quoted(&added));
    if bad.is_empty() { None } else { Some(violation("non-default capabilities", detail())) }
}

/// The containers that add capabilities which aren't allowed, and those.
pub(super) fn adding(pod: &Value, allowed: impl Fn(&str) -> bool) -> (Vec<String>, BTreeSet<String>) {
    let mut added = BTreeSet::new();
    let mut bad = Vec::new();
    for container in containers(pod) {
        let more: Vec<String> = items(&container["securityContext"]["capabilities"]["add"])
            .map(text)
            .filter(|added| !allowed(added))
            .map(str::to_owned)
            .collect();
        if !more.is_empty() {
            bad.push(text(&container["name"]).to_owned());
            added.extend(more);
        }
    }
    (bad, added)
}

fn host_namespaces(pod: &Value, _: u32) -> Option<Violation> {
    let shared: Vec<String> = ["hostNetwork", "hostPID", "hostIPC"]
        .into_iter()
        .filter(|field| pod["spec"][*field] == true)
        .map(|field| format!("{field}=true"))
        .collect();
    if shared.is_empty() { None } else { Some(violation("host namespaces", shared.join(", "))) }
}

fn host_paths(pod: &Value, _: u32) -> Option<Violation> {
    let volumes: Vec<String> = items(&pod["spec"]["volumes"])
        .filter(|volume| volume["hostPath"].is_object())
        .map(|volume| text(&volume["name"]).to_owned())
        .collect();
    if volumes.is_empty() { None } else { Some(violation("hostPath volumes", named("volume", &volumes))) }
}

fn host_ports(pod: &Value, _: u32) -> Option<Violation> {
    let of = |container: &Value| -> Vec<String> {
        items(&container["ports"])
            .filter_map(|port| port["hostPort"].as_u64())
            .filter(|port| *port != 0)
            .map(|port| port.to_string())
            .collect()
    };
    let bad = names(pod, |container| !of(container).is_empty());
    // In the order of their digits, as the server has them.
    let ports: BTreeSet<String> = containers(pod).flat_map(of).collect();
    let detail = || {
        let listed: Vec<&str> = ports.iter().map(String::as_str).collect();
        format!("{} {} {} {}", named("container", &bad), uses(bad.len()), plural("hostPort", ports.len()), listed.join(", "))
    };
    if bad.is_empty() { None } else { Some(violation("hostPort", detail())) }
}

fn host_probes(pod: &Value, minor: u32) -> Option<Violation> {
    if minor < 34 {
        return None;
    }
    let of = |container: &Value| -> Vec<String> {
        let probes = ["livenessProbe", "readinessProbe", "startupProbe"].map(|probe| &container[probe]);
        let hooks = ["postStart", "preStop"].map(|hook| &container["lifecycle"][hook]);
        let handlers = probes.into_iter().chain(hooks);
        let hosts = handlers.flat_map(|handler| [text(&handler["httpGet"]["host"]), text(&handler["tcpSocket"]["host"])]);
        hosts.filter(|host| !host.is_empty()).map(str::to_owned).collect()
    };
    let bad: BTreeSet<String> = names(pod, |container| !of(container).is_empty()).into_iter().collect();
    let hosts: BTreeSet<String> = containers(pod).flat_map(of).collect();
    if bad.is_empty() {
        return None;
    }
    let bad: Vec<String> = bad.into_iter().collect();
    let what = plural("probe or lifecycle host", hosts.len());
    Some(violation("probe or lifecycle host", format!("{} {} {what} {}", named("container", &bad), uses(bad.len()), quoted(&hosts))))
}

fn privileged(pod: &Value, _: u32) -> Option<Violation> {
    let bad = names(pod, |container| container["securityContext"]["privileged"] == true);
    let detail = || format!("{} must not set securityContext.privileged=true", named("container", &bad));
    if bad.is_empty() { None } else { Some(violation("privileged", detail())) }
}

/// Also what `restricted` forbids, whatever user namespace the pod is in.
pub(super) fn proc_mount(pod: &Value, _: u32) -> Option<Violation> {
    let mounts: Vec<(&str, &str)> = said(pod, "procMount")
        .1
        .into_iter()
        .filter_map(|(name, mount)| Some((name, mount.as_str()?)))
        .filter(|(_, mount)| *mount != "Default")
        .collect();
    if mounts.is_empty() {
        return None;
    }
    let bad: Vec<String> = mounts.iter().map(|(name, _)| (*name).to_owned()).collect();
    let kinds: BTreeSet<&str> = mounts.iter().map(|(_, mount)| *mount).collect();
    Some(violation("procMount", format!("{} must not set securityContext.procMount to {}", named("container", &bad), quoted(kinds))))
}

fn selinux(pod: &Value, minor: u32) -> Option<Violation> {
    let allowed = |kind: &str| {
        matches!(kind, "" | "container_t" | "container_init_t" | "container_kvm_t") || minor >= 31 && kind == "container_engine_t"
    };
    let (of_pod, of_containers) = said(pod, "seLinuxOptions");
    let mut types = BTreeSet::new();
    let (mut user, mut role) = (false, false);
    let mut bad = |options: &Value| {
        if !options.is_object() {
            return false;
        }
        let kind = text(&options["type"]);
        let (bad_type, sets_user, sets_role) = (!allowed(kind), !text(&options["user"]).is_empty(), !text(&options["role"]).is_empty());
        types.extend(bad_type.then(|| kind.to_owned()));
        user |= sets_user;
        role |= sets_role;
        bad_type || sets_user || sets_role
    };
    let pod_is_bad = bad(of_pod);
    let bad: Vec<String> = of_containers.into_iter().filter(|(_, options)| bad(options)).map(|(name, _)| name.to_owned()).collect();
    let by = setters(pod_is_bad, &bad)?;
    let mut what = Vec::new();
    what.extend((!types.is_empty()).then(|| format!("{} {}", plural("type", types.len()), quoted(&types))));
    what.extend(user.then(|| "user may not be set".to_owned()));
    what.extend(role.then(|| "role may not be set".to_owned()));
    Some(violation("seLinuxOptions", format!("{by} set forbidden securityContext.seLinuxOptions: {}", what.join("; "))))
}

pub(super) fn seccomp(pod: &Value, minor: u32) -> Option<Violation> {
    if minor < 19 {
        return seccomp_annotations(pod);
    }
    let (pod_is_bad, bad, values) = bad_values(pod, "seccompProfile", "type", is_seccomp_profile);
    let by = setters(pod_is_bad, &bad)?;
    Some(violation("seccompProfile", format!("{by} must not set securityContext.seccompProfile.type to {}", quoted(&values))))
}

pub(super) fn is_seccomp_profile(kind: &str) -> bool {
    matches!(kind, "Localhost" | "RuntimeDefault")
}

/// Before there was a field for it.
fn seccomp_annotations(pod: &Value) -> Option<Violation> {
    let valid = |profile: &str| matches!(profile, "runtime/default" | "docker/default") || profile.starts_with("localhost/");
    let containers: BTreeSet<String> =
        containers(pod).map(|container| format!("container.seccomp.security.alpha.kubernetes.io/{}", text(&container["name"]))).collect();
    let bad: BTreeSet<String> = annotations(pod)
        .filter(|(key, _)| *key == "seccomp.security.alpha.kubernetes.io/pod" || containers.contains(*key))
        .filter(|(_, profile)| !valid(profile))
        .map(|(key, profile)| format!("{key}={profile:?}"))
        .collect();
    if bad.is_empty() {
        return None;
    }
    let listed: Vec<&str> = bad.iter().map(String::as_str).collect();
    Some(violation("seccompProfile", format!("forbidden {} {}", plural("annotation", bad.len()), listed.join(", "))))
}

fn sysctls(pod: &Value, minor: u32) -> Option<Violation> {
    let allowed = |name: &str| SYSCTLS.iter().any(|(known, since)| *known == name && *since <= minor);
    let bad: Vec<&str> =
        items(&pod["spec"]["securityContext"]["sysctls"]).map(|sysctl| text(&sysctl["name"])).filter(|name| !allowed(name)).collect();
    if bad.is_empty() { None } else { Some(violation("forbidden sysctls", bad.join(", "))) }
}

fn host_process(pod: &Value, _: u32) -> Option<Violation> {
    let sets = |options: &Value| options["hostProcess"] == true;
    let (of_pod, of_containers) = said(pod, "windowsOptions");
    let bad: Vec<String> = of_containers.into_iter().filter(|(_, options)| sets(options)).map(|(name, _)| name.to_owned()).collect();
    let by = setters(sets(of_pod), &bad)?;
    Some(violation("hostProcess", format!("{by} must not set securityContext.windowsOptions.hostProcess=true")))
}

fn annotations(pod: &Value) -> impl Iterator<Item = (&str, &str)> {
    pod["metadata"]["annotations"].as_object().into_iter().flatten().filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
}
