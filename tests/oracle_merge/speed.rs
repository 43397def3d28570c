//! How fast the two functions are that a plan lives on, on an object that a real server has made. Ignored unless asked for:
//! `cargo test --release --test oracle_merge -- --ignored --nocapture speed`.

use std::hint::black_box;
use std::time::Instant;

use http::Method;
use serde_json::{Value, json};
use spai::merge::{self, FieldSet, Verdict};
use spai::resource::{GroupVersionKind, Tape};

use crate::model::writer;
use crate::server::{Content, Server};

/// Measures, and says so.
pub async fn of_unchanged_and_apply(server: &Server) -> Result<(), String> {
    let container = |name: &str| {
        let env: Vec<Value> = (0..12).map(|index| json!({"name": format!("NAME_{index}"), "value": format!("value {index}")})).collect();
        json!({"name": name, "image": "registry.example/a/b:1.2.3", "env": env, "imagePullPolicy": "IfNotPresent",
            "ports": [{"containerPort": 8080, "name": "http", "protocol": "TCP"}, {"containerPort": 9090, "name": "metrics", "protocol": "TCP"}],
            "resources": {"requests": {"cpu": "250m", "memory": "256Mi"}, "limits": {"memory": "256Mi"}},
            "livenessProbe": {"httpGet": {"path": "/live", "port": "http"}, "periodSeconds": 10}})
    };
    let labels = json!({"app": "x", "app.kubernetes.io/name": "x", "app.kubernetes.io/part-of": "y", "tier": "standard"});
    let wanted = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "speed", "namespace": "m0", "labels": labels},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "x"}}, "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {"metadata": {"labels": labels, "annotations": {"checksum": "0123456789"}}, "spec": {"containers": [container("app"), container("side")],
                "securityContext": {"runAsNonRoot": true}, "terminationGracePeriodSeconds": 30}}}});
    let path = "/apis/apps/v1/namespaces/m0/deployments/speed?fieldManager=spai&force=true";
    let live = server.send(Method::PATCH, path, Content::Apply, &wanted).await.body;
    let of = server.type_of(&GroupVersionKind::from_api_version("apps/v1", "Deployment"));
    let verdict = merge::unchanged(Tape::from(&live).tree(), Tape::from(&wanted).tree(), &[], "spai", of);
    if verdict != Verdict::Unchanged {
        return Err(format!("{verdict:?}"));
    }
    let bytes = live.to_string().len();
    let none = FieldSet::default();
    let mut changed = wanted.clone();
    changed["spec"]["replicas"] = json!(4);
    let timed = |name: &str, times: u32, run: &dyn Fn()| {
        (0..times / 10).for_each(|_| run());
        let start = Instant::now();
        (0..times).for_each(|_| run());
        let each = start.elapsed() / times;
        let per_kilobyte = each.as_nanos() * 1024 / u128::try_from(bytes).unwrap_or(1);
        eprintln!("{name}: {each:?} for an object of {bytes} bytes, {per_kilobyte} ns per KB");
    };
    let bytes_of_it = live.to_string();
    timed("laying out", 20_000, &|| {
        black_box(Tape::read(black_box(&bytes_of_it))).ok();
    });
    let (tape, wanted_tape) = (Tape::from(&live), Tape::from(&wanted));
    timed("unchanged", 20_000, &|| {
        black_box(merge::unchanged(black_box(tape.tree()), black_box(wanted_tape.tree()), &[], "spai", of));
    });
    timed("apply, one field changed", 1_000, &|| {
        black_box(merge::apply(black_box(Some(&live)), black_box(&changed), &writer(of, "spai", None, &none), true)).ok();
    });
    timed("reading the object's JSON (for comparison)", 1_000, &|| {
        let text = live.to_string();
        black_box(serde_json::from_str::<Value>(black_box(&text))).ok();
    });
    Ok(())
}
