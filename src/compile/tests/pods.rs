//! Workloads and their pods: safe by default, restarted when what they read changes.

use serde_json::json;

use super::*;

#[test]
fn pods_are_what_pod_security_restricted_asks_for_without_a_word() {
    let objects = objects(&[("services/web.toml", &format!("{WEB}probe = {{ path = '/healthz', startup = '60s' }}"))]);
    let namespace = find(&objects, "Namespace shop-acme");
    assert_eq!(namespace.object.label("pod-security.kubernetes.io/enforce"), Some("restricted"));
    let web = find(&objects, "Deployment shop-acme/web");
    let pod = at(web, "spec.template.spec");
    assert_eq!(pod["securityContext"], json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}}));
    assert_eq!(pod["automountServiceAccountToken"], false);
    let container = &pod["containers"][0];
    let security = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": true});
    assert_eq!(container["securityContext"], security);
    assert_eq!(container["lifecycle"]["preStop"]["sleep"]["seconds"], 5);
    assert_eq!(container["startupProbe"]["failureThreshold"], 6);
    assert_eq!(container["readinessProbe"]["httpGet"], json!({"path": "/healthz", "port": "http", "scheme": "HTTP"}));
    assert_eq!(container["volumeMounts"], json!([{"name": "tmp", "mountPath": "/tmp"}]), "somewhere to write");
    assert_eq!(pod["topologySpreadConstraints"][0]["topologyKey"], "topology.kubernetes.io/zone");
    assert_eq!(at(web, "spec.strategy.rollingUpdate.maxUnavailable"), &json!(0));
    assert_eq!(
        at(web, "spec.selector.matchLabels"),
        &json!({"spai.dev/stack": "shop", "spai.dev/service": "web", "spai.dev/track": "stable"})
    );
    assert_eq!(at(find(&objects, "ServiceAccount shop-acme/web"), "automountServiceAccountToken"), &json!(false));
}

#[test]
fn values_and_the_lines_that_they_come_from() {
    let service = "[config]\nA = 1\nB = 2.0\nC = true\nD = '$(A)'\n[image]\nrepository = 'web'\ntag = '1'\n";
    let objects = objects(&[("services/web.toml", service), ("tenants/acme.toml", "tier = 'basic'\n[service.web.config]\nA = 5")]);
    let map = find(&objects, "ConfigMap shop-acme/web");
    assert_eq!(at(map, "data"), &json!({"A": "5", "B": "2.0", "C": "true", "D": "$(A)"}));
    let line = |desired: &Desired, path: &str| desired.declared.origin_of(&path.parse().unwrap()).unwrap().to_string();
    assert_eq!((line(map, "data.A"), line(map, "data.C")), ("tenants/acme.toml:3".to_owned(), "services/web.toml:4".to_owned()));
    let web = find(&objects, "Deployment shop-acme/web");
    assert_eq!(line(web, "spec.template.spec.containers[web].image"), "services/web.toml:8");
    assert_eq!(line(web, "spec.template.spec.dnsPolicy"), "services/web.toml:1");
}

/// The digest annotation of each workload.
fn digests(config: &str, other: &str, secret: &str) -> Vec<String> {
    let stack = format!("{}\n[secrets.s]\nvalues = {{ k = '{secret}', unread = 'x' }}", LEAST[0].1);
    let reads = format!("{WEB}[config]\nA = '{config}'\nS = {{ secret = 's', key = 'k' }}");
    let objects = objects(&[
        ("stack.toml", &stack),
        ("services/reader.toml", &reads),
        ("services/other.toml", &format!("{WEB}[config]\nA = '{other}'")),
    ]);
    ["other", "reader"]
        .iter()
        .map(|name| {
            at(find(&objects, &format!("Deployment shop-acme/{name}")), "spec.template.metadata.annotations[\"spai.dev/config-digest\"]")
                .to_string()
        })
        .collect()
}

#[test]
fn a_changed_value_restarts_exactly_its_readers() {
    let base = digests("1", "1", "hunter2");
    let config = digests("2", "1", "hunter2");
    assert!(base[0] == config[0] && base[1] != config[1]);
    let secret = digests("1", "1", "hunter3");
    assert!(base[0] == secret[0] && base[1] != secret[1]);
}

#[test]
fn no_secret_is_in_anything_that_prints() {
    let stack = format!("{}\n[secrets.s]\nvalues = {{ k = 'hunter2' }}", LEAST[0].1);
    let objects = objects(&[("stack.toml", &stack), ("services/web.toml", &format!("{WEB}[config]\nS = {{ secret = 's', key = 'k' }}"))]);
    assert_eq!(at(find(&objects, "Secret shop-acme/s"), "data.k"), "aHVudGVyMg==");
    let rest: Vec<&Desired> = objects.iter().filter(|desired| desired.object.kind() != "Secret").collect();
    assert!(!format!("{objects:?}").contains("hunter2"));
    assert!(rest.iter().all(|desired| !desired.object.value().to_string().contains("hunter2")));
}

#[test]
fn a_stateful_set_has_claims_and_a_name_for_each_replica() {
    let service = "kind = 'StatefulSet'\nimage = { repository = 'db', tag = '1' }\n[ports.db]\nport = 5432\n[volumes.data]\nmount = '/data'\nsize = '10240Mi'";
    let objects = objects(&[("services/db.toml", service)]);
    let db = find(&objects, "StatefulSet shop-acme/db");
    assert_eq!(at(db, "spec.serviceName"), "db-peers");
    assert_eq!(at(db, "spec.volumeClaimTemplates")[0]["spec"]["resources"]["requests"]["storage"], "10Gi");
    assert_eq!(at(find(&objects, "Service shop-acme/db-peers"), "spec.clusterIP"), "None");
    assert_eq!(at(find(&objects, "ResourceQuota shop-acme/quota"), "spec.hard[\"requests.storage\"]"), "30Gi");
}

#[test]
fn sidecars_end_after_the_main_container_and_init_containers_come_first() {
    let service = format!(
        "{WEB}[init.prepare]\ncommand = ['x']\n[sidecars.proxy]\nimage = {{ repository = 'proxy', tag = '2' }}\nconfig = {{ A = '$(B)' }}"
    );
    let objects = objects(&[("services/web.toml", &service)]);
    let first = at(find(&objects, "Deployment shop-acme/web"), "spec.template.spec.initContainers");
    assert_eq!((&first[0]["name"], &first[0]["image"], &first[0]["restartPolicy"]), (&json!("prepare"), &json!("web:1"), &Value::Null));
    assert_eq!((&first[1]["name"], &first[1]["restartPolicy"]), (&json!("proxy"), &json!("Always")));
    assert_eq!(first[1]["env"], json!([{"name": "A", "value": "$$(B)"}]), "a text is meant as it stands");
}

#[test]
fn hooks_run_again_when_what_they_run_or_read_changes() {
    let stack = |value: &str| {
        let service = format!(
            "{WEB}[config]\nA = '{value}'\n[hooks.before.migrate]\ncommand = ['m']\n[hooks.before.seed]\n[hooks.after.smoke]\ncommand = ['s']"
        );
        objects(&[("services/web.toml", &service)])
    };
    let (one, two) = (stack("1"), stack("2"));
    let job = |objects: &[Desired], hook: &str| {
        objects.iter().find(|desired| desired.object.name().starts_with(&format!("web-{hook}-"))).unwrap().clone()
    };
    let (migrate, seed, smoke) = (job(&one, "migrate"), job(&one, "seed"), job(&one, "smoke"));
    assert_ne!(migrate.object.name(), job(&two, "migrate").object.name());
    let web = find(&one, "Deployment shop-acme/web");
    assert_eq!((after(web), after(&seed), after(&smoke)), (vec![seed.key()], vec![migrate.key()], vec![web.key()]));
    assert!(migrate.object.annotation("spai.dev/name-wants-digest").is_none());
    let labels = at(&migrate, "spec.template.metadata.labels");
    assert!(labels.get("spai.dev/track").is_none(), "the service's selector must not find it");
}

#[test]
fn jobs_and_cron_jobs() {
    let objects = objects(&[
        ("services/seed.toml", "kind = 'Job'\nimage = { repository = 'seed', tag = '1' }\nneeds = ['web']"),
        ("services/report.toml", "kind = 'CronJob'\nimage = { repository = 'report', tag = '1' }\njob.schedule = '0 3 * * *'"),
        ("services/web.toml", WEB),
    ]);
    let seed = objects.iter().find(|desired| desired.object.kind() == "Job").unwrap();
    assert!(seed.object.name().starts_with("seed-"), "{}", seed.key());
    assert_eq!(after(seed), [find(&objects, "Deployment shop-acme/web").key()]);
    assert_eq!(at(find(&objects, "CronJob shop-acme/report"), "spec.concurrencyPolicy"), "Forbid");
}
