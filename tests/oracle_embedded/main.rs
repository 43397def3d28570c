//! The embedded cluster held against a real API server: the same requests to both, answers compared: status code, headers' warnings
//! and the whole body, less what differs from one moment to the next.
//!
//! What may differ is in `docs/reference/embedded-differences.md`, and in `known.rs` as code.
#![recursion_limit = "256"]
#![allow(
    missing_docs,
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking; lints know only test functions as tests"
)]

#[path = "../support/mod.rs"]
mod support;

mod certificates;
mod compare;
mod conversions;
mod costs;
mod kinds;
mod known;
mod mutations;
mod policies;
mod rules;
mod scalers;
mod sequences;
mod settled;
mod tokens;
mod wrong;

use serde_json::Value;
use spai::embedded::{EmbeddedCluster, Options};

/// A request: `{ns}` in its path and body is the sequence's namespace.
#[derive(Clone, Debug)]
pub struct Step {
    pub method: &'static str,
    pub path: String,
    pub content: &'static str,
    pub body: Value,
    /// Whom the client stands in for: a user, and their groups. Empty: itself.
    pub as_whom: &'static [&'static str],
}

/// Requests that belong together, in a namespace of their own.
pub struct Sequence {
    pub name: String,
    pub steps: Vec<Step>,
}

struct Answer {
    code: u16,
    warnings: Vec<String>,
    body: Value,
}

async fn ask(client: &kube::Client, step: &Step, namespace: &str) -> Answer {
    let text = if step.body.is_null() { String::new() } else { step.body.to_string().replace("{ns}", namespace) };
    let path = step.path.replace("{ns}", namespace);
    let mut request =
        http::Request::builder().method(step.method).uri(&path).header("user-agent", "oracle/1.0").header("accept", "application/json");
    if !step.content.is_empty() {
        request = request.header("content-type", step.content);
    }
    for (index, whom) in step.as_whom.iter().enumerate() {
        request = request.header(if index == 0 { "impersonate-user" } else { "impersonate-group" }, *whom);
    }
    let sent = client.send(request.body(kube::client::Body::from(text.into_bytes())).unwrap()).await;
    let response = sent.unwrap_or_else(|error| panic!("{} {path} isn't answered: {error:?}; {}", step.method, step.body));
    let code = response.status().as_u16();
    let mut warnings: Vec<String> =
        response.headers().get_all("warning").iter().map(|one| one.to_str().unwrap_or("?").to_owned()).collect();
    // A real one goes through fields in no order.
    warnings.sort();
    let bytes = response.into_body().collect_bytes().await.unwrap();
    let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&bytes).into_owned()));
    Answer { code, warnings, body }
}

/// Fills in what answers before told: `{uid}`, `{rv}`, and `{token}`.
fn follow(step: &Step, last: &Value, token: &str) -> Step {
    let meta = &last["metadata"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (uid, version) = (text(&meta["uid"]), text(&meta["resourceVersion"]));
    let fill = |text: String| text.replace("{uid}", &uid).replace("{rv}", &version).replace("{token}", token);
    Step { path: fill(step.path.clone()), body: serde_json::from_str(&fill(step.body.to_string())).unwrap(), ..step.clone() }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_cluster_answers_as_a_real_one() {
    // Without controllers, which would answer in between.
    let Some(plane) = support::own_control_plane(&["--no-controllers"]) else { return };
    let config = kube::config::Kubeconfig::read_from(plane.kubeconfig()).unwrap();
    let config = kube::Config::from_custom_kubeconfig(config, &kube::config::KubeConfigOptions::default()).await.unwrap();
    let real = kube::Client::try_from(config).unwrap();
    // Its controllers stand still too.
    let embedded = EmbeddedCluster::open(&Options { driven: false, ..Options::default() }).unwrap();
    let ours = embedded.client();

    let run = support::unique("o");
    let later = rules::ratcheting(&run);
    let definitions = [
        sequences::prepare(&run),
        rules::prepare(&run),
        vec![later.definition.clone()],
        policies::prepare(&run),
        conversions::prepare(&run),
        mutations::prepare(&run),
        costs::prepare(&run),
    ]
    .concat();
    let mut refused = Vec::new();
    for step in &definitions {
        for (whose, client) in [("real", &real), ("ours", &ours)] {
            let answer = ask(client, step, "").await;
            if answer.code != 201 {
                refused.push(format!("{whose}: {}", answer.body["message"]));
            }
        }
    }
    assert!(refused.is_empty(), "what everything rests on is refused:\n{}", refused.join("\n"));
    embedded.settle();
    support::eventually("the definitions are served", || {
        let path = format!("/apis/{run}.example.com/v1");
        let served = plane.kubectl().args(["get", "--raw", &path]).output().unwrap();
        let served = String::from_utf8_lossy(&served.stdout);
        ["widgets", "ruleds", "changes", "stricts", "turneds", "costly0s", "costly18s"]
            .iter()
            .all(|plural| served.contains(&format!("\"{plural}\"")))
    });
    for step in &later.before {
        ask(&real, step, "").await;
        ask(&ours, step, "").await;
    }
    embedded.settle();
    for probe in std::iter::once(later.probe).chain(policies::probes()).chain(mutations::probes()) {
        while ask(&real, &probe, "").await.code < 400 {
            tokio::task::yield_now().await;
        }
    }

    let mut all = sequences::all(&run);
    all.extend(rules::all(&run));
    all.extend(policies::all());
    all.extend(tokens::all());
    all.extend(mutations::all());
    all.extend(scalers::all());
    all.extend(certificates::all());
    all.extend(costs::all(&run));
    all.extend(conversions::all(&run));
    all.push(later.after);
    assert!(all.len() >= 400, "only {} sequences", all.len());
    let only = std::env::var("SPAI_ORACLE_ONLY").ok();
    let (mut differences, mut requests, mut excused) = (Vec::new(), 0, std::collections::BTreeMap::<&str, usize>::new());
    for (number, sequence) in all.iter().enumerate() {
        if only.as_ref().is_some_and(|only| !sequence.name.contains(only.as_str())) {
            continue;
        }
        let namespace = format!("{run}-{number}");
        for step in sequences::namespace() {
            ask(&real, &step, &namespace).await;
            ask(&ours, &step, &namespace).await;
        }
        let (mut theirs_last, mut ours_last) = (Value::Null, Value::Null);
        let (mut theirs_token, mut ours_token) = (String::new(), String::new());
        for (index, step) in sequence.steps.iter().enumerate() {
            if step.as_whom.len() == 1 {
                // Whose rights are in roles that were just made: a real server hears of them a moment later.
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
            let theirs = ask(&real, &follow(step, &theirs_last, &theirs_token), &namespace).await;
            let mine = ask(&ours, &follow(step, &ours_last, &ours_token), &namespace).await;
            requests += 1;
            if let Some(difference) = compare::differ(&theirs, &mine) {
                match known::excuse(step, &difference) {
                    Some(why) => *excused.entry(why).or_default() += 1,
                    None => {
                        differences.push(format!("{} #{index} {} {}\n    {difference}", sequence.name, step.method, step.path));
                        break;
                    }
                }
            }
            for (answer, token) in [(&theirs, &mut theirs_token), (&mine, &mut ours_token)] {
                if let Some(given) = answer.body["status"]["token"].as_str() {
                    given.clone_into(token);
                }
            }
            if theirs.code < 300 && theirs.body["metadata"]["uid"].is_string() {
                theirs_last = theirs.body;
            }
            if mine.code < 300 && mine.body["metadata"]["uid"].is_string() {
                ours_last = mine.body;
            }
        }
        ask(&real, &sequences::end(), &namespace).await;
    }
    for step in [
        costs::clean(&run),
        conversions::clean(&run),
        mutations::clean(&run),
        policies::clean(&run),
        sequences::clean(&run),
        rules::clean(&run),
    ]
    .concat()
    {
        ask(&real, &step, "").await;
    }
    println!("{} sequences, {requests} requests, {} differences; excused: {excused:?}", all.len(), differences.len());
    assert!(differences.is_empty(), "{} sequences differ:\n{}", differences.len(), differences.join("\n"));
}
