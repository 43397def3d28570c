//! The second promise, measured: a plan of an unchanged platform beside a raw parallel LIST of the same kinds, by a bare
//! client that throws the bytes away. Both in one run and taken in turns: read the ratio, not the seconds.
//!
//! `benches/run` starts a control plane, and this. `SPAI_BENCH_TENANTS` says how large the stack is (about 13 objects each).

#![allow(clippy::expect_used, clippy::cast_precision_loss, reason = "a measurement that cannot be made ends at once")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs};

use futures::future::try_join_all;
use serde_json::Value;

const ROUNDS: usize = 9;

fn main() {
    // `cargo test --benches` and `cargo bench -- --list` ask for nothing to be measured.
    if !env::args().any(|argument| argument == "--bench") {
        return;
    }
    let Some(kubeconfig) = env::var_os("SPAI_TEST_KUBECONFIG") else {
        eprintln!("no control plane: run benches/run");
        std::process::exit(1);
    };
    let tenants: usize = env::var("SPAI_BENCH_TENANTS").ok().and_then(|text| text.parse().ok()).unwrap_or(80);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let name = format!("bench-{}", std::process::id());
    let stack = folder.path().join("stacks").join(&name);
    write_stack(&stack, &name, tenants);
    let spai = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_spai"))
            .args(arguments)
            .args(["-e", "development"])
            .current_dir(&stack)
            .env("KUBECONFIG", &kubeconfig)
            .env("XDG_CONFIG_HOME", folder.path().join("config"))
            .stdin(Stdio::null())
            .output()
            .expect("spai runs");
        assert!(
            output.status.success(),
            "spai {arguments:?}\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        output.stdout
    };
    eprintln!("applying {tenants} tenants …");
    let begun = Instant::now();
    spai(&["apply", "--yes", "--parallel", "16", "--timeout", "10m"]);
    eprintln!("applied and ready after {:.1} s", begun.elapsed().as_secs_f64());
    let plan: Value = serde_json::from_slice(&spai(&["plan", "--output", "json"])).expect("JSON");
    let unchanged = plan["summary"]["unchanged"].as_u64().unwrap_or_default();
    assert_eq!(plan["changes"].as_array().map(Vec::len), Some(0), "the plan isn't empty");

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let client = runtime.block_on(client(&kubeconfig));
    let paths = lists(&format!("spai.dev/stack={name}"));
    let (mut planned, mut listed, mut bytes) = (Vec::new(), Vec::new(), 0);
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        bytes = runtime.block_on(list(&client, &paths));
        listed.push(begun.elapsed());
        let begun = Instant::now();
        spai(&["plan"]);
        planned.push(begun.elapsed());
    }
    let (plan, list) = (median(planned), median(listed));
    println!("{unchanged} unchanged objects, {:.1} MB, median of {ROUNDS} rounds in turns", bytes as f64 / 1e6);
    println!("  raw parallel LIST of {} kinds   {:7.1} ms", paths.len(), list.as_secs_f64() * 1e3);
    println!("  spai plan, the whole process    {:7.1} ms", plan.as_secs_f64() * 1e3);
    println!("  ratio                           {:7.2}", plan.as_secs_f64() / list.as_secs_f64());
    spai(&["destroy", "--yes", "--allow-deletes", "--allow-irreversible", "--parallel", "16", "--timeout", "10m"]);
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// One service for so many tenants: 13 objects and one pod each.
fn write_stack(folder: &Path, name: &str, tenants: usize) {
    let write = |file: &str, text: &str| {
        let path = folder.join(file);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    };
    write(
        "stack.toml",
        &format!("name = \"{name}\"\n[tiers.standard]\ncpu = \"100m\"\nmemory = \"64Mi\"\nreplicas = 1\n[deletes]\nmax = \"100%\"\n"),
    );
    write("environments/development.toml", "cluster = { context = \"*\" }\n");
    write(
        "services/web.toml",
        "tiers = \"all\"\nimage = { repository = \"registry.example/web\", tag = \"1\" }\n[ports.http]\nport = 8080\nprobe = { path = \"/\" }\n[config]\nA = \"a\"\n",
    );
    for tenant in 0..tenants {
        write(&format!("tenants/t{tenant:04}.toml"), "tier = \"standard\"\n");
    }
}

async fn client(kubeconfig: &std::ffi::OsStr) -> kube::Client {
    let kubeconfig = kube::config::Kubeconfig::read_from(kubeconfig).expect("a kubeconfig");
    let config =
        kube::Config::from_custom_kubeconfig(kubeconfig, &kube::config::KubeConfigOptions::default()).await.expect("a configuration");
    kube::Client::try_from(config).expect("a client")
}

/// The kinds that such a stack has.
fn lists(selector: &str) -> Vec<String> {
    [
        "api/v1/namespaces",
        "api/v1/configmaps",
        "api/v1/services",
        "api/v1/serviceaccounts",
        "api/v1/resourcequotas",
        "api/v1/limitranges",
        "apis/apps/v1/deployments",
        "apis/networking.k8s.io/v1/networkpolicies",
        "apis/policy/v1/poddisruptionbudgets",
        "apis/autoscaling/v2/horizontalpodautoscalers",
    ]
    .iter()
    .map(|path| format!("/{path}?labelSelector={}&limit=500", selector.replace('=', "%3D")))
    .collect()
}

/// All pages of all kinds, side by side; the number of bytes.
async fn list(client: &kube::Client, paths: &[String]) -> usize {
    let one = |path: String| async move {
        let (mut bytes, mut token) = (0, String::new());
        loop {
            let uri = if token.is_empty() { path.clone() } else { format!("{path}&continue={token}") };
            let text = client.request_text(http::Request::get(uri).body(Vec::new()).expect("a request")).await?;
            bytes += text.len();
            // The token stands near the front: `"metadata":{"resourceVersion":"…","continue":"…"`.
            token = text
                .get(..400.min(text.len()))
                .and_then(|head| head.split_once("\"continue\":\""))
                .and_then(|(_, rest)| rest.split_once('"'))
                .map(|(token, _)| token.to_owned())
                .unwrap_or_default();
            if token.is_empty() {
                return Ok::<usize, kube::Error>(bytes);
            }
        }
    };
    try_join_all(paths.iter().cloned().map(one)).await.expect("LIST works").iter().sum()
}
