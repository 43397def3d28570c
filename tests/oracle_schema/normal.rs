//! What the server adds that is no default: its own metadata, status, and what it allots.

use serde_json::Value;
use spai::resource::SERVER_METADATA;

/// Takes it out of an object of either side.
pub fn strip(object: &mut Value) {
    let root = object.as_object_mut().unwrap();
    root.remove("status");
    let kind = root["kind"].as_str().unwrap().to_owned();
    let metadata = root["metadata"].as_object_mut().unwrap();
    for name in SERVER_METADATA {
        metadata.remove(*name);
    }
    metadata.remove("namespace");
    match kind.as_str() {
        "Service" => {
            let spec = object["spec"].as_object_mut().unwrap();
            for name in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "healthCheckNodePort"] {
                spec.remove(name);
            }
            for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
                port.as_object_mut().unwrap().remove("nodePort");
            }
        }
        // The labels that tell a Job's pods apart are made of its uid.
        "Job" if object["spec"]["manualSelector"] != true => {
            object["spec"].as_object_mut().unwrap().remove("selector");
            for path in ["/metadata/labels", "/spec/template/metadata/labels"] {
                let Some(labels) = object.pointer_mut(path).and_then(Value::as_object_mut) else { continue };
                labels.retain(|name, _| !name.ends_with("controller-uid") && !name.ends_with("job-name"));
                if labels.is_empty() {
                    let metadata = object.pointer_mut(path.trim_end_matches("/labels")).and_then(Value::as_object_mut);
                    metadata.unwrap().remove("labels");
                }
            }
        }
        // Counts the templates, as another field did before.
        "DaemonSet" => {
            let metadata = object["metadata"].as_object_mut().unwrap();
            if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
                annotations.remove("deprecated.daemonset.template.generation");
                if annotations.is_empty() {
                    metadata.remove("annotations");
                }
            }
        }
        "CertificateSigningRequest" => {
            for name in ["username", "groups", "extra", "uid"] {
                object["spec"].as_object_mut().unwrap().remove(name);
            }
        }
        _ => {}
    }
}
