//! What stands in a table's cells, as kubectl's users know it.

use jiff::Timestamp;
use serde_json::Value;

use crate::embedded::catalog::Resource;

const NONE: &str = "<none>";
const UNSET: &str = "<unset>";

/// The cells of a built-in kind, in the order of its columns.
pub(super) fn built_in(resource: &Resource, object: &Value, columns: &[Value], now: Timestamp) -> Vec<Value> {
    columns.iter().map(|column| cell(resource, object, text(&column["name"]), now)).collect()
}

/// A cell of a definition's own column.
pub(super) fn by_path(object: &Value, column: &Value, now: Timestamp) -> Value {
    let found = path(object, text(&column["jsonPath"]));
    match (text(&column["type"]), found) {
        (_, None) => Value::Null,
        ("date", Some(value)) => age(&value, now).into(),
        ("string", Some(value)) if !value.is_string() => value.to_string().into(),
        (_, Some(value)) => value,
    }
}

/// The simple half of JSONPath, which is what columns use: fields, indices, `[?(@.type=="Ready")]`.
fn path(object: &Value, path: &str) -> Option<Value> {
    let mut at = object;
    let mut rest = path.trim_start_matches('.');
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let (index, more) = inner.split_once(']')?;
            at = if let Some(test) = index.strip_prefix("?(@.").and_then(|test| test.strip_suffix(')')) {
                let (field, wanted) = test.split_once("==")?;
                let wanted = wanted.trim().trim_matches(|c| c == '"' || c == '\'');
                at.as_array()?.iter().find(|item| item[field.trim()] == wanted)?
            } else if let Ok(index) = index.parse::<usize>() {
                at.get(index)?
            } else {
                at.get(index.trim_matches(|c| c == '"' || c == '\''))?
            };
            rest = more.trim_start_matches('.');
        } else {
            let mut end = rest.len();
            for (index, c) in rest.char_indices() {
                if c == '[' || (c == '.' && !rest[..index].ends_with('\\')) {
                    end = index;
                    break;
                }
            }
            at = at.get(rest[..end].replace("\\.", "."))?;
            rest = rest[end..].trim_start_matches('.');
        }
    }
    Some(at.clone())
}

fn cell(resource: &Resource, object: &Value, column: &str, now: Timestamp) -> Value {
    let (spec, status, meta) = (&object["spec"], &object["status"], &object["metadata"]);
    match column {
        "Name" => return meta["name"].clone(),
        "Age" => return age(&meta["creationTimestamp"], now).into(),
        "Created At" => return meta["creationTimestamp"].clone(),
        _ => {}
    }
    match (resource.kind.as_str(), column) {
        ("Namespace", "Status") => status["phase"].clone(),
        ("ConfigMap", "Data") => (size(&object["data"]) + size(&object["binaryData"])).into(),
        ("Secret", "Data") => size(&object["data"]).into(),
        ("Secret", "Type") => object["type"].clone(),
        ("Pod", "Ready") => {
            format!("{}/{}", count(&status["containerStatuses"], |one| one["ready"] == true), size(&spec["containers"])).into()
        }
        ("Pod", "Status") => pod_status(object).into(),
        ("Pod", "Restarts") => sum(&status["containerStatuses"], "restartCount").to_string().into(),
        ("Pod", "IP") => or_none(&status["podIP"]),
        ("Pod", "Node") => or_none(&spec["nodeName"]),
        ("Pod", "Nominated Node") => or_none(&status["nominatedNodeName"]),
        ("Pod", "Readiness Gates") => NONE.into(),
        (_, "Containers") => joined(containers(object), "name").into(),
        (_, "Images") => joined(containers(object), "image").into(),
        ("Deployment" | "StatefulSet", "Ready") => {
            format!("{}/{}", int(status, "readyReplicas"), spec["replicas"].as_i64().unwrap_or(1)).into()
        }
        ("Deployment", "Up-to-date") => int(status, "updatedReplicas").to_string().into(),
        ("Deployment", "Available") => int(status, "availableReplicas").to_string().into(),
        ("ReplicaSet" | "ReplicationController", "Desired") => spec["replicas"].as_i64().unwrap_or(1).into(),
        ("ReplicaSet" | "ReplicationController", "Current") => int(status, "replicas").into(),
        ("ReplicaSet" | "ReplicationController", "Ready") => int(status, "readyReplicas").into(),
        ("DaemonSet", "Desired") => int(status, "desiredNumberScheduled").into(),
        ("DaemonSet", "Current") => int(status, "currentNumberScheduled").into(),
        ("DaemonSet", "Ready") => int(status, "numberReady").into(),
        ("DaemonSet", "Up-to-date") => int(status, "updatedNumberScheduled").into(),
        ("DaemonSet", "Available") => int(status, "numberAvailable").into(),
        ("DaemonSet", "Node Selector") => labels(&spec["template"]["spec"]["nodeSelector"]).into(),
        ("Service" | "ReplicationController", "Selector") => labels(&spec["selector"]).into(),
        ("NetworkPolicy", "Pod-Selector") => selector(&spec["podSelector"]).into(),
        (_, "Selector") => selector(&spec["selector"]).into(),
        ("Service", "Type") => spec["type"].clone(),
        ("Service", "Cluster-IP") => or_none(&spec["clusterIP"]),
        ("Service", "External-IP") => external_ip(object).into(),
        ("Service", "Port(s)") => ports(&spec["ports"]).into(),
        ("Job", "Status") => job_status(object).into(),
        ("Job", "Completions") => match spec["completions"].as_i64() {
            Some(wanted) => format!("{}/{wanted}", int(status, "succeeded")).into(),
            None => format!("{}/1 of {}", int(status, "succeeded"), spec["parallelism"].as_i64().unwrap_or(1)).into(),
        },
        ("Job", "Duration") => match (time(&status["startTime"]), time(&status["completionTime"])) {
            (Some(start), end) => short(end.unwrap_or(now).as_second() - start.as_second()).into(),
            (None, _) => "".into(),
        },
        ("CronJob", "Schedule") => spec["schedule"].clone(),
        ("CronJob", "Timezone") => or_none(&spec["timeZone"]),
        ("CronJob", "Suspend") => if spec["suspend"] == true { "True" } else { "False" }.into(),
        ("CronJob", "Active") => size(&status["active"]).into(),
        ("CronJob", "Last Schedule") => {
            if status["lastScheduleTime"].is_null() {
                NONE.into()
            } else {
                age(&status["lastScheduleTime"], now).into()
            }
        }
        ("HorizontalPodAutoscaler", "Reference") => {
            format!("{}/{}", text(&spec["scaleTargetRef"]["kind"]), text(&spec["scaleTargetRef"]["name"])).into()
        }
        ("HorizontalPodAutoscaler", "Targets") => targets(object).into(),
        ("HorizontalPodAutoscaler", "MinPods") => spec["minReplicas"].as_i64().map_or(UNSET.to_owned(), |min| min.to_string()).into(),
        ("HorizontalPodAutoscaler", "MaxPods") => int(spec, "maxReplicas").into(),
        ("HorizontalPodAutoscaler", "Replicas") => int(status, "currentReplicas").into(),
        ("PodDisruptionBudget", "Min Available") => or_na(&spec["minAvailable"]).into(),
        ("PodDisruptionBudget", "Max Unavailable") => or_na(&spec["maxUnavailable"]).into(),
        ("PodDisruptionBudget", "Allowed Disruptions") => int(status, "disruptionsAllowed").into(),
        ("Ingress", "Class") => or_none(&spec["ingressClassName"]),
        ("Ingress", "Hosts") => hosts(&spec["rules"]).into(),
        ("Ingress", "Address") => "".into(),
        ("Ingress", "Ports") => if size(&spec["tls"]) > 0 { "80, 443" } else { "80" }.into(),
        ("PersistentVolumeClaim" | "PersistentVolume", "Status") => status["phase"].clone(),
        ("PersistentVolumeClaim", "Volume") => spec["volumeName"].as_str().unwrap_or_default().into(),
        ("PersistentVolumeClaim", "Capacity") => text(&status["capacity"]["storage"]).into(),
        ("PersistentVolumeClaim", "Access Modes") => access_modes(&status["accessModes"]).into(),
        ("PersistentVolume", "Access Modes") => access_modes(&spec["accessModes"]).into(),
        ("PersistentVolume", "Capacity") => text(&spec["capacity"]["storage"]).into(),
        ("PersistentVolume", "Reclaim Policy") => spec["persistentVolumeReclaimPolicy"].clone(),
        ("PersistentVolume", "Claim") => {
            let claim = &spec["claimRef"];
            if claim.is_null() { "".into() } else { format!("{}/{}", text(&claim["namespace"]), text(&claim["name"])).into() }
        }
        ("PersistentVolumeClaim" | "PersistentVolume", "StorageClass") => text(&spec["storageClassName"]).into(),
        ("PersistentVolumeClaim" | "PersistentVolume", "VolumeAttributesClass") => UNSET.into(),
        ("PersistentVolumeClaim" | "PersistentVolume", "VolumeMode") => or_none(&spec["volumeMode"]),
        ("ResourceQuota", "Request") => quota(object, false).into(),
        ("ResourceQuota", "Limit") => quota(object, true).into(),
        ("RoleBinding" | "ClusterRoleBinding", "Role") => {
            format!("{}/{}", text(&object["roleRef"]["kind"]), text(&object["roleRef"]["name"])).into()
        }
        ("RoleBinding" | "ClusterRoleBinding", "Users") => subjects(object, "User").into(),
        ("RoleBinding" | "ClusterRoleBinding", "Groups") => subjects(object, "Group").into(),
        ("RoleBinding" | "ClusterRoleBinding", "ServiceAccounts") => subjects(object, "ServiceAccount").into(),
        ("StorageClass", "Provisioner") => object["provisioner"].clone(),
        ("StorageClass", "ReclaimPolicy") => object["reclaimPolicy"].clone(),
        ("StorageClass", "VolumeBindingMode") => object["volumeBindingMode"].clone(),
        ("StorageClass", "AllowVolumeExpansion") => (object["allowVolumeExpansion"] == true).to_string().into(),
        ("PriorityClass", "Value") => object["value"].clone(),
        ("PriorityClass", "Global-Default") => (object["globalDefault"] == true).into(),
        ("PriorityClass", "PreemptionPolicy") => object["preemptionPolicy"].clone(),
        ("IngressClass", "Controller") => spec["controller"].clone(),
        ("Lease", "Holder") => text(&spec["holderIdentity"]).into(),
        ("EndpointSlice", "AddressType") => object["addressType"].clone(),
        ("EndpointSlice", "Ports") => list(&object["ports"], |port| shown(&port["port"])).into(),
        ("EndpointSlice", "Endpoints") => list(&object["endpoints"], |endpoint| text(&endpoint["addresses"][0]).to_owned()).into(),
        ("Endpoints", "Endpoints") => NONE.into(),
        ("ControllerRevision", "Controller") => {
            let owner = &meta["ownerReferences"][0];
            format!("{}.apps/{}", text(&owner["kind"]).to_lowercase(), text(&owner["name"])).into()
        }
        ("ControllerRevision", "Revision") => shown(&object["revision"]).into(),
        ("Node", "Status") => "Ready".into(),
        ("Node", "Roles") => NONE.into(),
        ("Node", "Version") => status["nodeInfo"]["kubeletVersion"].clone(),
        ("Event", "Last Seen") => age(first_set(object, &["lastTimestamp", "eventTime", "firstTimestamp"]), now).into(),
        ("Event", "First Seen") => age(first_set(object, &["firstTimestamp", "eventTime"]), now).into(),
        ("Event", "Type") => object["type"].clone(),
        ("Event", "Reason") => object["reason"].clone(),
        ("Event", "Object") => {
            let about = &object["involvedObject"];
            format!("{}/{}", text(&about["kind"]).to_lowercase(), text(&about["name"])).into()
        }
        ("Event", "Source") => text(&object["source"]["component"]).into(),
        ("Event", "Message") => text(&object["message"]).trim().into(),
        ("Event", "Count") => object["count"].as_i64().unwrap_or(1).to_string().into(),
        ("CertificateSigningRequest", "SignerName") => text(&spec["signerName"]).into(),
        ("CertificateSigningRequest", "Requestor") => text(&spec["username"]).into(),
        ("CertificateSigningRequest", "RequestedDuration") => spec["expirationSeconds"].as_i64().map_or(NONE.to_owned(), short).into(),
        ("CertificateSigningRequest", "Condition") => decided(object).into(),
        ("MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration", "Webhooks") => size(&object["webhooks"]).into(),
        _ => NONE.into(),
    }
}

fn containers(object: &Value) -> &Value {
    let spec = &object["spec"];
    let nested = &spec["jobTemplate"]["spec"]["template"]["spec"]["containers"];
    if nested.is_null() { &spec["template"]["spec"]["containers"] } else { nested }
}

fn pod_status(pod: &Value) -> String {
    let status = &pod["status"];
    let mut said = text(&status["phase"]).to_owned();
    if !text(&status["reason"]).is_empty() {
        text(&status["reason"]).clone_into(&mut said);
    }
    for container in status["containerStatuses"].as_array().into_iter().flatten() {
        let (waiting, terminated) = (text(&container["state"]["waiting"]["reason"]), text(&container["state"]["terminated"]["reason"]));
        if !waiting.is_empty() {
            waiting.clone_into(&mut said);
        } else if !terminated.is_empty() {
            terminated.clone_into(&mut said);
        }
    }
    if pod["metadata"]["deletionTimestamp"].is_string() { "Terminating".to_owned() } else { said }
}

/// What became of a request for a certificate.
fn decided(request: &Value) -> String {
    let holds = |kind: &str| request["status"]["conditions"].as_array().is_some_and(|all| all.iter().any(|one| one["type"] == kind));
    let mut said = if holds("Denied") {
        "Denied"
    } else if holds("Approved") {
        "Approved"
    } else {
        "Pending"
    }
    .to_owned();
    if holds("Failed") {
        said.push_str(",Failed");
    }
    if !text(&request["status"]["certificate"]).is_empty() {
        said.push_str(",Issued");
    }
    said
}

fn job_status(job: &Value) -> &'static str {
    let holds = |kind: &str| {
        job["status"]["conditions"].as_array().is_some_and(|all| all.iter().any(|one| one["type"] == kind && one["status"] == "True"))
    };
    if holds("Complete") {
        "Complete"
    } else if holds("Failed") {
        "Failed"
    } else if job["metadata"]["deletionTimestamp"].is_string() {
        "Terminating"
    } else if holds("Suspended") {
        "Suspended"
    } else {
        "Running"
    }
}

fn external_ip(service: &Value) -> String {
    let spec = &service["spec"];
    match text(&spec["type"]) {
        "ExternalName" => text(&spec["externalName"]).to_owned(),
        "LoadBalancer" => {
            let ingress = &service["status"]["loadBalancer"]["ingress"];
            if size(ingress) == 0 { "<pending>".to_owned() } else { list(ingress, |one| text(&one["ip"]).to_owned()) }
        }
        _ => list(&spec["externalIPs"], |one| text(one).to_owned()),
    }
}

fn ports(ports: &Value) -> String {
    list(ports, |port| {
        let protocol = port["protocol"].as_str().unwrap_or("TCP");
        match port["nodePort"].as_i64() {
            Some(node) if node > 0 => format!("{}:{node}/{protocol}", shown(&port["port"])),
            _ => format!("{}/{protocol}", shown(&port["port"])),
        }
    })
}

fn targets(scaler: &Value) -> String {
    let metrics = scaler["spec"]["metrics"].as_array().map_or(&[][..], Vec::as_slice);
    if metrics.is_empty() {
        return NONE.to_owned();
    }
    let shown = metrics.iter().map(|metric| {
        let target = &metric["resource"]["target"];
        match target["averageUtilization"].as_i64() {
            Some(percent) => format!("{}: <unknown>/{percent}%", text(&metric["resource"]["name"])),
            None => format!("<unknown>/{}", target["averageValue"].as_str().unwrap_or("<auto>")),
        }
    });
    shown.collect::<Vec<_>>().join(", ")
}

fn quota(quota: &Value, limits: bool) -> String {
    let hard = quota["status"]["hard"].as_object().or(quota["spec"]["hard"].as_object());
    let parts = hard
        .into_iter()
        .flatten()
        .filter(|(name, _)| name.starts_with("limits") == limits)
        .map(|(name, hard)| format!("{name}: {}/{}", quota["status"]["used"][name].as_str().unwrap_or("0"), text(hard)));
    parts.collect::<Vec<_>>().join(", ")
}

fn subjects(binding: &Value, kind: &str) -> String {
    let all = binding["subjects"].as_array().into_iter().flatten().filter(|subject| subject["kind"] == kind);
    let named = all.map(|subject| match kind {
        "ServiceAccount" => format!("{}/{}", text(&subject["namespace"]), text(&subject["name"])),
        _ => text(&subject["name"]).to_owned(),
    });
    named.collect::<Vec<_>>().join(", ")
}

fn hosts(rules: &Value) -> String {
    let hosts: Vec<&str> = rules.as_array().into_iter().flatten().map(|rule| rule["host"].as_str().unwrap_or("*")).collect();
    if hosts.is_empty() { "*".to_owned() } else { hosts.join(",") }
}

fn access_modes(modes: &Value) -> String {
    let short = |mode: &str| match mode {
        "ReadWriteOnce" => "RWO",
        "ReadOnlyMany" => "ROX",
        "ReadWriteMany" => "RWX",
        _ => "RWOP",
    };
    modes.as_array().into_iter().flatten().filter_map(Value::as_str).map(short).collect::<Vec<_>>().join(",")
}

fn labels(map: &Value) -> String {
    let pairs: Vec<String> = map.as_object().into_iter().flatten().map(|(key, value)| format!("{key}={}", text(value))).collect();
    if pairs.is_empty() { NONE.to_owned() } else { pairs.join(",") }
}

fn selector(selector: &Value) -> String {
    let mut parts: Vec<String> =
        selector["matchLabels"].as_object().into_iter().flatten().map(|(key, value)| format!("{key}={}", text(value))).collect();
    for expression in selector["matchExpressions"].as_array().into_iter().flatten() {
        let key = text(&expression["key"]);
        let values: Vec<&str> = expression["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        parts.push(match text(&expression["operator"]) {
            "Exists" => key.to_owned(),
            "DoesNotExist" => format!("!{key}"),
            operator => format!("{key} {} ({})", operator.to_lowercase(), values.join(",")),
        });
    }
    if parts.is_empty() { NONE.to_owned() } else { parts.join(",") }
}

fn list(items: &Value, show: impl Fn(&Value) -> String) -> String {
    let shown: Vec<String> = items.as_array().into_iter().flatten().map(show).collect();
    if shown.is_empty() { NONE.to_owned() } else { shown.join(",") }
}

fn joined(items: &Value, field: &str) -> String {
    items.as_array().into_iter().flatten().map(|item| text(&item[field])).collect::<Vec<_>>().join(",")
}

fn first_set<'v>(object: &'v Value, fields: &[&str]) -> &'v Value {
    fields.iter().map(|field| &object[*field]).find(|value| value.is_string()).unwrap_or(&Value::Null)
}

fn size(value: &Value) -> usize {
    value.as_array().map_or_else(|| value.as_object().map_or(0, serde_json::Map::len), Vec::len)
}

fn count(items: &Value, holds: impl Fn(&Value) -> bool) -> usize {
    items.as_array().into_iter().flatten().filter(|item| holds(item)).count()
}

fn sum(items: &Value, field: &str) -> i64 {
    items.as_array().into_iter().flatten().filter_map(|item| item[field].as_i64()).sum()
}

fn int(value: &Value, field: &str) -> i64 {
    value[field].as_i64().unwrap_or(0)
}

fn or_none(value: &Value) -> Value {
    match value.as_str() {
        Some("") | None => NONE.into(),
        Some(text) => text.into(),
    }
}

fn or_na(value: &Value) -> String {
    if value.is_null() { "N/A".to_owned() } else { shown(value) }
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

fn age(since: &Value, now: Timestamp) -> String {
    time(since).map_or_else(|| "<unknown>".to_owned(), |since| short(now.as_second() - since.as_second()))
}

/// A duration in at most two units, as kubectl shortens it.
fn short(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two = |large: i64, unit: &str, rest: i64, small: &str| {
        if rest == 0 { format!("{large}{unit}") } else { format!("{large}{unit}{rest}{small}") }
    };
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, "d", hours % 24, "h"),
        691_200..63_072_000 => format!("{days}d"),
        _ => two(days / 365, "y", days % 365, "d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ages_are_short() {
        for (seconds, expected) in
            [(0, "0s"), (119, "119s"), (125, "2m5s"), (660, "11m"), (10_800, "3h"), (11_000, "3h3m"), (90_000, "25h"), (180_000, "2d2h")]
        {
            assert_eq!(short(seconds), expected);
        }
    }

    #[test]
    fn columns_of_definitions_find_their_values() {
        let object = json!({"spec": {"size": 3}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}, "metadata": {"labels": {"a.b/c": "d"}}});
        assert_eq!(path(&object, ".spec.size"), Some(json!(3)));
        assert_eq!(path(&object, ".status.conditions[?(@.type==\"Ready\")].status"), Some(json!("True")));
        assert_eq!(path(&object, ".metadata.labels.a\\.b/c"), Some(json!("d")));
        assert_eq!(path(&object, ".spec.other"), None);
    }
}
