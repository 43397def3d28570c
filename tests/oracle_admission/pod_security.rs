//! Pod Security: the same pods in namespaces of every level and of the releases in which a check changed.

use serde_json::json;
use spai::admission::pod_of;
use spai::admission::pod_security::{Policy, Verdict, on_namespace};

use crate::ground::{Dice, Ground, Said, object};
use crate::{pods, support};

/// The minor version of the server that the tests run.
const SERVER: u32 = 36;
const PODS: u64 = 60;

#[tokio::test(flavor = "multi_thread")]
async fn every_standard_takes_and_refuses_what_the_server_does() {
    let Some(plane) = support::control_plane() else { return };
    let ground = Ground::new(&plane, "psa").await;
    let policies = [
        [("enforce", "restricted"), ("enforce-version", "latest")],
        [("enforce", "baseline"), ("warn", "restricted")],
        [("enforce", "baseline"), ("enforce-version", "v1.33")],
        [("enforce", "restricted"), ("enforce-version", "v1.34")],
        [("enforce", "restricted"), ("enforce-version", "v1.31")],
        [("enforce", "restricted"), ("enforce-version", "v1.28")],
        [("enforce", "restricted"), ("enforce-version", "v1.24")],
        [("enforce", "restricted"), ("enforce-version", "v1.21")],
        [("enforce", "restricted"), ("enforce-version", "v1.18")],
        [("enforce", "baseline"), ("enforce-version", "v1.18")],
        [("warn", "baseline"), ("warn-version", "v1.5")],
        [("enforce", "restricted"), ("enforce-version", "v1.99")],
    ];
    let (mut compared, mut refused, mut warned) = (0, 0, 0);
    for (number, labels) in policies.iter().enumerate() {
        let labels = labels.iter().map(|(mode, value)| (format!("pod-security.kubernetes.io/{mode}"), json!(value))).collect();
        let namespace = ground.namespace(&number.to_string(), serde_json::Value::Object(labels)).await;
        let (policy, errors) = Policy::of(&namespace);
        assert_eq!(errors, []);
        for seed in 0..PODS {
            let mut dice = Dice::new(seed);
            let is_pod = seed % 4 != 0;
            let make = if is_pod { pods::secured } else { pods::secured_deployment };
            let wanted = make(&mut dice, namespace.name(), "x");
            let ours = if is_pod { policy.on_pod(&pod_of(&wanted).unwrap(), None, SERVER) } else { policy.on_template(&wanted, SERVER) };
            let theirs = match ground.ask(&wanted).await {
                Said::Invalid(_) => continue,
                Said::No(words) => Verdict { refused: Some(words), ..Verdict::default() },
                Said::Yes { warnings, .. } => {
                    let warning = warnings.into_iter().find(|warning| warning.contains("PodSecurity"));
                    Verdict { warning, ..Verdict::default() }
                }
            };
            compared += 1;
            refused += u32::from(theirs.refused.is_some());
            warned += u32::from(theirs.warning.is_some());
            assert_eq!(Verdict { audited: None, ..ours }, theirs, "{namespace:?}, seed {seed}:\n{}", wanted.value());
        }
    }
    eprintln!("{compared} compared: {refused} refused, {warned} warned of");
    assert!(compared > 400 && refused > 200 && warned > 60, "the dice make pods that say little: {compared}, {refused}, {warned}");
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_that_say_nothing_are_refused_in_these_words() {
    let Some(plane) = support::control_plane() else { return };
    let ground = Ground::new(&plane, "psa-labels").await;
    for (mode, value) in [
        ("enforce", "x"),
        ("warn-version", "v1.01"),
        ("audit-version", "1.2"),
        ("audit", "Restricted"),
        ("enforce-version", "v1.36"),
        ("warn", "baseline"),
    ] {
        let label = format!("pod-security.kubernetes.io/{mode}");
        let namespace = object(
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": support::unique("psa-l"), "labels": {label: value}}}),
        );
        let errors = Policy::of(&namespace).1;
        match ground.ask(&namespace).await {
            Said::Yes { .. } => assert_eq!(errors, [], "{mode}={value}"),
            Said::Invalid(words) => {
                assert_eq!(errors.len(), 1, "{mode}={value}: {words}");
                assert!(words.ends_with(&errors[0].to_string()), "{words}\n{}", errors[0]);
            }
            Said::No(words) => panic!("{words}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_becomes_stricter_is_warned_of_the_pods_in_it() {
    let Some(plane) = support::control_plane() else { return };
    let ground = Ground::new(&plane, "psa-pods").await;
    let namespace = ground.namespace("a", json!({"pod-security.kubernetes.io/enforce-version": "v1.30"})).await;
    let mut there = Vec::new();
    for seed in 0..40 {
        let mut pod = pods::secured(&mut Dice::new(seed), namespace.name(), &format!("p{seed}"));
        pod.value_mut()["spec"]["schedulerName"] = "nobody".into();
        if matches!(ground.ask(&pod).await, Said::Yes { .. }) {
            there.push(ground.make(&pod).await);
        }
    }
    assert!(there.len() > 15, "{}", there.len());
    let mut warned = 0;
    for (level, version) in [
        ("restricted", "latest"),
        ("restricted", "v1.30"),
        ("restricted", "v1.20"),
        ("baseline", "latest"),
        ("baseline", "v1.30"),
        ("privileged", "latest"),
        ("restricted", "nonsense"),
    ] {
        let mut wanted = object(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace.name()}}));
        wanted.set_label("pod-security.kubernetes.io/enforce", level);
        wanted.set_label("pod-security.kubernetes.io/enforce-version", version);
        let live = ground.cluster.get(&namespace.key()).await.unwrap().unwrap();
        let ours = on_namespace(&wanted, Some(&live), &there, SERVER);
        match ground.ask_to_change(&wanted, Some(&live)).await {
            Said::Yes { warnings, .. } => {
                warned += warnings.len();
                assert_eq!(ours.unwrap(), warnings, "{level} {version}");
            }
            Said::Invalid(words) => assert!(words.ends_with(&ours.unwrap_err()[0].to_string()), "{words}"),
            Said::No(words) => panic!("{words}"),
        }
    }
    assert!(warned > 20, "{warned}");
}
