//! Pods as dice make them: most are valid, and each does something that some admission looks at.

use serde_json::{Map, Value, json};
use spai::resource::Object;

use crate::ground::{Dice, object};

/// A pod that says much about security.
pub fn secured(dice: &mut Dice, namespace: &str, name: &str) -> Object {
    let spec = secured_spec(dice);
    let annotations = dice
        .one_in(6)
        .then(|| json!({"seccomp.security.alpha.kubernetes.io/pod": dice.pick(&["unconfined", "runtime/default", "localhost/x"])}));
    pod(namespace, name, annotations, spec)
}

/// A Deployment of such pods.
pub fn secured_deployment(dice: &mut Dice, namespace: &str, name: &str) -> Object {
    let spec = secured_spec(dice);
    object(json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": {"matchLabels": {"app": "x"}}, "template": {"metadata": {"labels": {"app": "x"}}, "spec": spec}}}))
}

fn pod(namespace: &str, name: &str, annotations: Option<Value>, spec: Value) -> Object {
    let mut metadata = json!({"name": name, "namespace": namespace});
    if let Some(annotations) = annotations {
        metadata["annotations"] = annotations;
    }
    object(json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}))
}

fn secured_spec(dice: &mut Dice) -> Value {
    // Most pods are hardened and do one or two things wrong; some are wild.
    let wild = dice.below(4);
    let mut spec = Map::new();
    let windows = dice.one_in(15);
    let containers: Vec<Value> = (0..=dice.below(3)).map(|n| secured_container(dice, &format!("c{n}"), wild, windows)).collect();
    spec.insert("containers".into(), containers.into());
    if dice.one_in(3) {
        let first: Vec<Value> = (0..=dice.below(2)).map(|n| secured_container(dice, &format!("i{n}"), wild, windows)).collect();
        spec.insert("initContainers".into(), first.into());
    }
    if windows {
        spec.insert("os".into(), json!({"name": "windows"}));
    }
    let mut set = |dice: &mut Dice, odds: usize, name: &str, value: Value| {
        if dice.one_in(odds) {
            spec.insert(name.to_owned(), value);
        }
    };
    if !windows {
        set(dice, 10, "hostNetwork", json!(true));
        set(dice, 10, "hostPID", json!(true));
        set(dice, 10, "hostIPC", json!(true));
        set(dice, 8, "hostUsers", json!(false));
    }
    let context = secured_context(dice, wild, windows, true);
    set(dice, 1, "securityContext", context);
    let mut volumes = Vec::new();
    let sources = [
        json!({"emptyDir": {}}),
        json!({"configMap": {"name": "c"}}),
        json!({"secret": {"secretName": "s"}}),
        json!({"downwardAPI": {}}),
        json!({"projected": {"sources": []}}),
        json!({"persistentVolumeClaim": {"claimName": "p"}}),
        json!({"csi": {"driver": "d.example"}}),
        json!({"hostPath": {"path": "/x"}}),
        json!({"nfs": {"server": "s", "path": "/x"}}),
        json!({"iscsi": {"targetPortal": "t", "iqn": "iqn.2001-04.com.example:x", "lun": 1}}),
        json!({"glusterfs": {"endpoints": "e", "path": "p"}}),
        json!({"rbd": {"monitors": ["m"], "image": "i"}}),
        json!({"cephfs": {"monitors": ["m"]}}),
        json!({"fc": {"targetWWNs": ["w"], "lun": 1}}),
        json!({"azureFile": {"secretName": "s", "shareName": "n"}}),
        json!({"gitRepo": {"repository": "r"}}),
        json!({"awsElasticBlockStore": {"volumeID": "v"}}),
        json!({"gcePersistentDisk": {"pdName": "p"}}),
        json!({"quobyte": {"registry": "r:1", "volume": "v"}}),
        json!({"flexVolume": {"driver": "d/e"}}),
        json!({"portworxVolume": {"volumeID": "v"}}),
        json!({"scaleIO": {"gateway": "g", "system": "s", "secretRef": {"name": "x"}, "volumeName": "v"}}),
        json!({"storageos": {"volumeName": "v"}}),
        json!({"cinder": {"volumeID": "v"}}),
        json!({"flocker": {"datasetName": "d"}}),
        json!({"vsphereVolume": {"volumePath": "p"}}),
        json!({"photonPersistentDisk": {"pdID": "p"}}),
        json!({"azureDisk": {"diskName": "d", "diskURI": "https://x.blob.core.windows.net/y/z.vhd"}}),
    ];
    for n in 0..dice.below(4) {
        let mut volume = if dice.one_in(2) { dice.pick(&sources[..7]) } else { dice.pick(&sources) };
        volume["name"] = format!("v{n}").into();
        volumes.push(volume);
    }
    set(dice, 1, "volumes", volumes.into());
    Value::Object(spec)
}

fn secured_container(dice: &mut Dice, name: &str, wild: usize, windows: bool) -> Value {
    let mut container = json!({"name": name, "image": "r/app:1", "securityContext": secured_context(dice, wild, windows, false)});
    if dice.one_in(5) {
        let host_port = if dice.one_in(2) { dice.pick(&[8080, 9090, 100, 20]) } else { 0 };
        container["ports"] = json!([{"containerPort": if host_port == 0 { 8080 } else { host_port }, "hostPort": host_port}]);
    }
    if name.starts_with('c') && dice.one_in(5) {
        let probe = dice.pick(&["livenessProbe", "readinessProbe", "startupProbe"]);
        let handler = dice.pick(&["httpGet", "tcpSocket"]);
        container[probe] = json!({handler: {"port": 8080, "host": dice.pick(&["10.0.0.1", "example.com", ""])}});
        if dice.one_in(2) {
            container["lifecycle"] =
                json!({dice.pick(&["postStart", "preStop"]): {"httpGet": {"port": 80, "host": dice.pick(&["a.example", ""])}}});
        }
    }
    container
}

fn secured_context(dice: &mut Dice, wild: usize, windows: bool, of_pod: bool) -> Value {
    let mut context = Map::new();
    let wild = 12 - 3 * wild;
    if windows {
        if dice.one_in(3) {
            context.insert("runAsNonRoot".into(), json!(true));
        }
        return Value::Object(context);
    }
    if of_pod {
        let keep = dice.below(4) > 0;
        if keep {
            context.insert("runAsNonRoot".into(), json!(true));
            context.insert("seccompProfile".into(), json!({"type": "RuntimeDefault"}));
        }
        if dice.one_in(wild) {
            let names = [
                "net.ipv4.tcp_rmem",
                "kernel.shm_rmid_forced",
                "net.ipv4.tcp_fin_timeout",
                "net.core.somaxconn",
                "net.ipv4.ip_local_reserved_ports",
            ];
            context.insert("sysctls".into(), json!([{"name": dice.pick(&names), "value": "1"}]));
        }
    } else if dice.below(5) > 0 {
        context.insert("allowPrivilegeEscalation".into(), json!(false));
        context.insert("capabilities".into(), json!({"drop": ["ALL"]}));
    }
    let mut set = |dice: &mut Dice, name: &str, value: Value| {
        if dice.one_in(wild) {
            context.insert(name.to_owned(), value);
        }
    };
    set(dice, "runAsNonRoot", json!(false));
    set(dice, "runAsUser", json!(0));
    set(dice, "runAsUser", json!(1000));
    let profile = dice.pick(&[
        json!({"type": "Unconfined"}),
        json!({"type": "RuntimeDefault"}),
        json!({"type": "Localhost", "localhostProfile": "x"}),
    ]);
    set(dice, "seccompProfile", profile.clone());
    set(dice, "appArmorProfile", profile);
    let selinux = dice.pick(&[
        json!({"type": "container_t"}),
        json!({"type": "container_engine_t"}),
        json!({"type": "spc_t"}),
        json!({"user": "u", "type": "bad_t"}),
        json!({"role": "r", "level": "s0"}),
    ]);
    set(dice, "seLinuxOptions", selinux);
    if !of_pod {
        let added = dice.pick(&[json!(["NET_BIND_SERVICE"]), json!(["CHOWN", "SYS_ADMIN"]), json!(["NET_RAW"]), json!(["KILL"])]);
        set(dice, "capabilities", json!({"drop": dice_drop(&added), "add": added}));
        let mount = dice.pick(&["Default", "Unmasked"]);
        set(dice, "procMount", json!(mount));
        if dice.one_in(wild * 2) {
            context.insert("privileged".into(), json!(true));
            context.remove("allowPrivilegeEscalation");
        }
    }
    Value::Object(context)
}

fn dice_drop(added: &Value) -> Value {
    if added[0] == "KILL" { json!(["CHOWN"]) } else { json!(["ALL"]) }
}

/// A pod that says much about what it needs.
pub fn sized(dice: &mut Dice, namespace: &str, name: &str) -> Object {
    let mut spec = json!({"containers": (0..=dice.below(3)).map(|n| sized_container(dice, &format!("c{n}"), None)).collect::<Vec<_>>()});
    if dice.one_in(2) {
        let first: Vec<Value> = (0..=dice.below(3))
            .map(|n| {
                let policy = dice.one_in(2).then_some("Always");
                sized_container(dice, &format!("i{n}"), policy)
            })
            .collect();
        spec["initContainers"] = first.into();
    }
    if dice.one_in(4) {
        let mut whole = json!({});
        if dice.one_in(2) {
            whole["limits"] = json!({"cpu": "8", "memory": "8Gi"});
        }
        if dice.one_in(2) {
            whole["requests"] = json!({"cpu": dice.pick(&["4", "6500m"])});
        }
        spec["resources"] = whole;
    }
    if dice.one_in(5) {
        spec["activeDeadlineSeconds"] = json!(100);
    }
    if dice.one_in(5) {
        let term = dice.pick(&[
            json!({"topologyKey": "z", "labelSelector": {}}),
            json!({"topologyKey": "z", "namespaces": ["other"]}),
            json!({"topologyKey": "z", "namespaceSelector": {}}),
        ]);
        let kind = dice.pick(&["podAffinity", "podAntiAffinity"]);
        spec["affinity"] = if dice.one_in(2) {
            json!({kind: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}})
        } else {
            json!({kind: {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": term}]}})
        };
    }
    pod(namespace, name, None, spec)
}

fn sized_container(dice: &mut Dice, name: &str, policy: Option<&str>) -> Value {
    let mut container = json!({"name": name, "image": "r/app:1"});
    if let Some(policy) = policy {
        container["restartPolicy"] = policy.into();
    }
    let (mut requests, mut limits) = (Map::new(), Map::new());
    let table: [(&str, [&str; 4], [&str; 4]); 3] = [
        ("cpu", ["100m", "0.25", "50m", "500m"], ["500m", "1", "1500m", "2"]),
        ("memory", ["64Mi", "100M", "128Mi", "256Mi"], ["256Mi", "512Mi", "1Gi", "1.5Gi"]),
        ("ephemeral-storage", ["1Gi", "100Mi", "1Gi", "1Gi"], ["2Gi", "1Gi", "3Gi", "1Gi"]),
    ];
    for (resource, asked, allowed) in table {
        let odds = if resource == "ephemeral-storage" { 4 } else { 2 };
        if dice.one_in(odds) {
            requests.insert(resource.to_owned(), dice.pick(&asked).into());
        }
        if dice.one_in(odds) {
            limits.insert(resource.to_owned(), dice.pick(&allowed).into());
        }
    }
    if dice.one_in(8) {
        limits.insert("example.com/gpu".to_owned(), dice.pick(&["1", "2"]).into());
    }
    if dice.one_in(10) {
        limits.insert("hugepages-2Mi".to_owned(), "4Mi".into());
        requests.insert("cpu".to_owned(), "100m".into());
    }
    container["resources"] = json!({"requests": requests, "limits": limits});
    container
}
