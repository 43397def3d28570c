//! The objects that are probed with: at least one of every built-in kind, with each form of each union.

use serde_json::Value;

const FILES: [&str; 4] = [
    include_str!("samples/core.yaml"),
    include_str!("samples/workloads.yaml"),
    include_str!("samples/network.yaml"),
    include_str!("samples/rest.yaml"),
];

/// All samples.
pub fn samples() -> Vec<Value> {
    let documents = FILES.iter().flat_map(|text| text.split("\n---\n"));
    documents.map(|text| serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))).collect()
}

/// `apps/v1 Deployment full`: what a sample is called.
pub fn label(sample: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    format!("{} {} {}", text(&sample["apiVersion"]), text(&sample["kind"]), text(&sample["metadata"]["name"]))
}
