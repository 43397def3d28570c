//! What stacks mean.

use crate::stack::model::{ConfigValue, Replicas, SecretKey};
use crate::stack::{Instance, Place, PlaceKind};

use super::*;

const TIERS: &str =
    "name = 'shop'\n[tiers.free]\ncpu = '200m'\nreplicas = 1\nbest_effort = true\n[tiers.premium]\ncpu = '1'\nreplicas = 3\n";

fn place<'r>(resolved: &'r Resolved, namespace: &str) -> &'r Place {
    resolved
        .places
        .iter()
        .find(|place| place.namespace == namespace)
        .unwrap_or_else(|| panic!("no {namespace}: {:?}", namespaces(resolved)))
}

fn namespaces(resolved: &Resolved) -> Vec<&str> {
    resolved.places.iter().map(|place| place.namespace.as_str()).collect()
}

fn instance<'r>(resolved: &'r Resolved, namespace: &str, service: &str) -> &'r Instance {
    &place(resolved, namespace).services[service]
}

fn config(instance: &Instance, key: &str) -> ConfigValue {
    instance.config[key].clone()
}

fn text(text: &str) -> ConfigValue {
    ConfigValue::Text(text.to_owned())
}

#[test]
fn the_least_stack_is_a_name_and_a_cluster() {
    let resolved = resolve(&[]);
    assert_eq!(resolved.root_namespace, "shop-dev");
    assert_eq!(resolved.cluster.context.as_deref(), Some("*"));
    assert!(resolved.places.is_empty());
    assert!(resolved.tiers.is_empty());
}

#[test]
fn a_tenant_without_services_still_has_its_place() {
    let resolved = resolve(&[("stack.toml", TIERS), ("tenants/acme_corp.toml", "tier = 'free'\nregion = 'eu'")]);
    assert_eq!(namespaces(&resolved), ["shop-dev-acme-corp"]);
    let PlaceKind::Tenant { name, tier, tenant } = &resolved.places[0].kind else { panic!() };
    assert_eq!((name.as_str(), tier.as_str(), tenant.region.as_deref()), ("acme_corp", "free", Some("eu")));
}

/// Every layer says something of its own and of what all say.
#[test]
fn layers_win_in_the_order_of_the_language() {
    let texts = [
        (
            "stack.toml",
            "name = 'shop'\n[tiers.free]\nreplicas = 1\n[tiers.free.defaults.config]\nALL = 'tier'\nTIER = 'tier'\nFROM_TIER = 'tier'\n\
             [defaults.config]\nALL = 'stack'\nTIER = 'stack'\nSTACK = 'stack'\n\
             [when.tier.free.defaults.config]\nSTACK_TIER = 'stack when tier'\nTIER = 'stack when tier'\n\
             [when.environment.dev.defaults.config]\nSTACK_ENV = 'stack when environment'",
        ),
        (
            "services/web.toml",
            "[config]\nALL = 'service'\nSERVICE = 'service'\nTIER = 'service'\nENV = 'service'\n\
             [when.tier.free.config]\nALL = 'service when tier'\nTIER = 'service when tier'\nENV = 'service when tier'\n\
             [when.environment.dev.config]\nALL = 'service when environment'\nLATE = 'service when environment'",
        ),
        (
            "environments/dev.toml",
            "cluster = { context = '*' }\n[defaults.config]\nALL = 'environment'\nENV = 'environment'\nLATE = 'environment'",
        ),
        (
            "tenants/acme.toml",
            "tier = 'free'\n[defaults.config]\nALL = 'tenant'\nTENANT = 'tenant'\n[service.web.config]\nTENANT = 'tenant service'",
        ),
    ];
    let resolved = resolve(&texts);
    let web = instance(&resolved, "shop-dev-acme", "web");
    let expected = [
        ("ALL", "tenant"),
        ("ENV", "environment"),
        ("FROM_TIER", "tier"),
        ("LATE", "service when environment"),
        ("SERVICE", "service"),
        ("STACK", "stack"),
        ("STACK_ENV", "stack when environment"),
        ("STACK_TIER", "stack when tier"),
        ("TENANT", "tenant service"),
        ("TIER", "service when tier"),
    ];
    for (key, value) in expected {
        assert_eq!(config(web, key), text(value), "{key}");
    }
    assert_eq!(web.config.len(), expected.len());

    let spoken = |path: &str| web.provenance.0[path].iter().map(|s| format!("{} {}", s.layer, s.origin)).collect::<Vec<_>>();
    assert_eq!(
        spoken("config.ALL"),
        [
            "stack defaults stack.toml:9",
            "tier free stack.toml:5",
            "service services/web.toml:2",
            "service when tier free services/web.toml:7",
            "environment dev environments/dev.toml:3",
            "service when environment dev services/web.toml:11",
            "tenant acme tenants/acme.toml:3",
        ]
    );
    assert_eq!(spoken("scope"), ["built-in defaults built-in defaults"]);
    assert_eq!(web.provenance.winner("config.TENANT").unwrap().to_string(), "tenants/acme.toml:6");
}

#[test]
fn the_command_line_wins_over_all() {
    let texts = [("services/web.toml", "scope = 'environment'\nstrategy = 'canary'")];
    let options = ResolveOptions {
        strategy: Some(crate::stack::model::Strategy::Rolling),
        root_namespace: Some("elsewhere".to_owned()),
        ..options("dev")
    };
    let (resolved, diagnostics) = resolve_with(&texts, &options);
    assert_eq!(diagnostics, Diagnostics::default());
    let resolved = resolved.unwrap();
    let web = instance(&resolved, "elsewhere-shared", "web");
    assert_eq!(web.spec.strategy, Some(crate::stack::model::Strategy::Rolling));
    assert_eq!(web.provenance.0["strategy"].last().unwrap().origin.to_string(), "command line");
}

#[test]
fn both_conditions_together_are_the_most_specific() {
    let service = "scope = 'tenant'\n[when.tier.free]\nreplicas.min = 2\n[when.environment.dev]\nreplicas.min = 3\n\
                   [when.environment.dev.when.tier.free]\nreplicas.min = 4";
    let resolved = resolve(&[
        ("stack.toml", TIERS),
        ("services/web.toml", service),
        ("tenants/a.toml", "tier = 'free'"),
        ("tenants/b.toml", "tier = 'premium'"),
    ]);
    assert_eq!(instance(&resolved, "shop-dev-a", "web").spec.replicas, Replicas { min: Some(4), max: None });
    assert_eq!(instance(&resolved, "shop-dev-b", "web").spec.replicas, Replicas { min: Some(3), max: None });
}

#[test]
fn unset_takes_away_what_lower_layers_and_defaults_say() {
    let texts = [
        ("stack.toml", "name = 'shop'\n[defaults.config]\nA = '1'\nB = '2'"),
        ("services/web.toml", "scope = 'environment'\nunset = ['config.A', 'pod.pre_stop']"),
    ];
    let resolved = resolve(&texts);
    let web = instance(&resolved, "shop-dev-shared", "web");
    assert_eq!(web.config.keys().collect::<Vec<_>>(), ["B"]);
    assert_eq!(web.spec.pod.pre_stop, None);
    assert_eq!(web.provenance.0["config.A"].last().unwrap().value, None);
}

#[test]
fn defaults_of_parts_come_with_the_part() {
    let resolved =
        resolve(&[("services/web.toml", "scope = 'environment'\n[ports.http]\nport = 80\nprobe = { path = '/' }\n[scaling]\ncpu = 70")]);
    let web = &instance(&resolved, "shop-dev-shared", "web").spec;
    assert_eq!(web.ports["http"].probe.as_ref().unwrap().period.as_deref(), Some("10s"));
    assert_eq!(web.scaling.as_ref().unwrap().headroom, Some(2.0));
    assert_eq!(web.metrics, None);
    let resolved = resolve(&[("services/nightly.toml", "scope = 'environment'\nkind = 'CronJob'\njob.schedule = '0 3 * * *'")]);
    assert_eq!(instance(&resolved, "shop-dev-shared", "nightly").spec.job.retries, Some(3));
}

#[test]
fn references_are_typed_and_see_their_place() {
    let texts = [
        (
            "stack.toml",
            "name = 'shop'\n[tiers.free]\nreplicas = 2\nvalues = { colour = 'blue' }\n[inputs.batch]\ntype = 'integer'\ndefault = 7\n[secrets.db]\nexternal = true\nname = 'the-db'",
        ),
        (
            "environments/dev.toml",
            "cluster = { context = '*' }\ndomain = 'dev.test'\nvalues = { base = '${environment.domain}:${input.batch}' }",
        ),
        (
            "services/web.toml",
            "replicas.min = '${tier.replicas}'\n[config]\nBATCH = '${input.batch}'\nTEXT = 'n=${input.batch}'\nHOST = '${tenant.name}.${environment.base}'\n\
             COLOUR = '${tier.colour}'\nLITERAL = '$${HOME}'\nAPI = '${service.api.url}'\nPORT = '${service.api.port}'\nADMIN = '${service.api.ports.admin}'\n\
             DB = '${secret.db.url}'\nDB_NAME = '${secret.db}'\nWHO = '${tenant.display_name}, ${stack.name}, ${environment.name}, ${environment.production}'",
        ),
        ("services/api.toml", "[ports.http]\nport = 8080\n[ports.admin]\nport = 9000\nservice_port = 90"),
        ("tenants/acme.toml", "tier = 'free'"),
    ];
    let resolved = resolve(&texts);
    let web = instance(&resolved, "shop-dev-acme", "web");
    assert_eq!(web.spec.replicas.min, Some(2));
    let expected = [
        ("BATCH", ConfigValue::Integer(7)),
        ("TEXT", text("n=7")),
        ("HOST", text("acme.dev.test:7")),
        ("COLOUR", text("blue")),
        ("LITERAL", text("${HOME}")),
        ("API", text("http://api.shop-dev-acme.svc:8080")),
        ("PORT", ConfigValue::Integer(8080)),
        ("ADMIN", ConfigValue::Integer(90)),
        ("DB", ConfigValue::Secret(SecretKey { secret: "db".to_owned(), key: "url".to_owned(), optional: false })),
        ("DB_NAME", text("the-db")),
        ("WHO", text("acme, shop, dev, false")),
    ];
    for (key, value) in expected {
        assert_eq!(config(web, key), value, "{key}");
    }
    let references: Vec<String> = web.references.iter().map(|(service, origin)| format!("{service} {origin}")).collect();
    assert_eq!(references, ["api services/web.toml:10", "api services/web.toml:8", "api services/web.toml:9"]);
    assert_eq!(place(&resolved, "shop-dev-acme").secrets["db"].object_name, "the-db");
}

#[test]
fn services_are_found_across_scopes() {
    let texts = [
        ("stack.toml", "name = 'shop'\n[tiers.free]\nisolation = 'pooled'\n[tiers.premium]\n"),
        (
            "services/web.toml",
            "needs = ['queue', 'mail']\nconfig = { Q = '${service.queue.host}', M = '${service.mail.host}', N = '${tier.name}' }\nports.http.port = 80",
        ),
        ("services/queue.toml", "scope = 'tier'"),
        ("services/mail.toml", "scope = 'environment'\nconfig.ME = '${service.mail.host}'"),
        ("tenants/a.toml", "tier = 'free'"),
        ("tenants/b.toml", "tier = 'free'"),
        ("tenants/c.toml", "tier = 'premium'"),
    ];
    let resolved = resolve(&texts);
    assert_eq!(namespaces(&resolved), ["shop-dev-c", "shop-dev-shared", "shop-dev-tier-free", "shop-dev-tier-premium"]);
    let PlaceKind::Tier { tenants, .. } = &place(&resolved, "shop-dev-tier-free").kind else { panic!() };
    assert_eq!(tenants, &["a", "b"]);
    let pooled = instance(&resolved, "shop-dev-tier-free", "web");
    assert_eq!((config(pooled, "Q"), config(pooled, "N")), (text("queue.shop-dev-tier-free.svc"), text("free")));
    let dedicated = instance(&resolved, "shop-dev-c", "web");
    assert_eq!(
        (config(dedicated, "Q"), config(dedicated, "M")),
        (text("queue.shop-dev-tier-premium.svc"), text("mail.shop-dev-shared.svc"))
    );
    assert_eq!(place(&resolved, "shop-dev-tier-premium").services.keys().collect::<Vec<_>>(), ["queue"]);
    let provider =
        |from: &str, service: &str| resolved.provider(place(&resolved, from), service).map(|(place, _)| place.namespace.as_str());
    assert_eq!(provider("shop-dev-c", "queue"), Some("shop-dev-tier-premium"));
    assert_eq!(provider("shop-dev-c", "web"), Some("shop-dev-c"));
    assert_eq!(provider("shop-dev-shared", "mail"), Some("shop-dev-shared"));
    assert_eq!(provider("shop-dev-shared", "web"), None);
    let mail = instance(&resolved, "shop-dev-shared", "mail");
    assert_eq!((config(mail, "ME"), mail.references.len()), (text("mail.shop-dev-shared.svc"), 0));
}

#[test]
fn tiers_lists_environments_and_enabled_choose() {
    let texts = [
        ("stack.toml", TIERS),
        ("environments/dev.toml", "cluster = { context = '*' }\ntenants = ['a', 'b']\nservices = ['web', 'ml', 'old']"),
        ("environments/prod.toml", "cluster = { context = '*' }"),
        ("services/web.toml", ""),
        ("services/ml.toml", "tiers = ['premium']"),
        ("services/old.toml", "enabled = '${environment.production}'"),
        ("services/other.toml", ""),
        ("tenants/a.toml", "tier = 'free'"),
        ("tenants/b.toml", "tier = 'premium'"),
        ("tenants/c.toml", "tier = 'premium'"),
        ("tenants/d.toml", "tier = 'premium'\nenvironments = ['dev']"),
    ];
    let resolved = resolve(&texts);
    let services: Vec<(&str, Vec<&String>)> =
        resolved.places.iter().map(|place| (place.namespace.as_str(), place.services.keys().collect())).collect();
    assert_eq!(format!("{services:?}"), "[(\"shop-dev-a\", [\"web\"]), (\"shop-dev-b\", [\"ml\", \"web\"])]");
    let (resolved, _) = resolve_with(&texts, &options("prod"));
    assert_eq!(namespaces(&resolved.unwrap()), ["shop-prod-a", "shop-prod-b", "shop-prod-c"]);
}

#[test]
fn inputs_come_from_the_nearest_source() {
    let stack = "name = 'shop'\n[inputs.size]\ntype = 'integer'\ndefault = 1\n[inputs.api-key]\ndefault = 'd'\n[inputs.other]\nenv = 'OTHER'\nfile = 'other.txt'";
    let service = "scope = 'environment'\nconfig = { SIZE = '${input.size}', KEY = '${input.api-key}', OTHER = '${input.other}' }";
    let mut texts = vec![("stack.toml", stack), ("services/web.toml", service), ("other.txt", "from the file\n")];
    let seen = |texts: &[(&str, &str)], options: &ResolveOptions| {
        let (resolved, diagnostics) = resolve_with(texts, options);
        assert_eq!(diagnostics, Diagnostics::default());
        let resolved = resolved.unwrap();
        let web = instance(&resolved, "shop-dev-shared", "web");
        [config(web, "SIZE"), config(web, "KEY"), config(web, "OTHER")]
    };
    let mut options = options("dev");
    assert_eq!(seen(&texts, &options), [ConfigValue::Integer(1), text("d"), text("from the file")]);
    texts.push(("environments/dev.toml", "cluster = { context = '*' }\ninputs = { size = 2, api-key = 'e' }"));
    assert_eq!(seen(&texts, &options), [ConfigValue::Integer(2), text("e"), text("from the file")]);
    for (name, value) in [("SPAI_INPUT_SIZE", "3"), ("SPAI_INPUT_API_KEY", "v"), ("OTHER", "o"), ("SPAI_INPUT_OTHER", "not asked")] {
        options.variables.insert(name.to_owned(), value.to_owned());
    }
    assert_eq!(seen(&texts, &options), [ConfigValue::Integer(3), text("v"), text("o")]);
    options.inputs.insert("size".to_owned(), "4".to_owned());
    assert_eq!(seen(&texts, &options)[0], ConfigValue::Integer(4));
    let origins = resolve_with(&texts, &options).0.unwrap().inputs;
    let origins: Vec<String> = origins.values().map(ToString::to_string).collect();
    assert_eq!(origins, ["environment SPAI_INPUT_API_KEY", "environment OTHER", "command line"]);
}

#[test]
fn secrets_take_sensitive_inputs_and_no_one_sees_them() {
    let texts = [
        (
            "stack.toml",
            "name = 'shop'\n[tiers.free]\n[inputs.password]\nsensitive = true\n[secrets.db]\nvalues = { url = 'db://x:${input.password}@${tenant.name}' }\n[secrets.unused]\nvalues = { x = 'y' }",
        ),
        ("services/web.toml", "config.DB = { secret = 'db', key = 'url' }"),
        ("tenants/acme.toml", "tier = 'free'"),
    ];
    let mut options = options("dev");
    options.inputs.insert("password".to_owned(), "hunter2".to_owned());
    let (resolved, diagnostics) = resolve_with(&texts, &options);
    assert_eq!(diagnostics, Diagnostics::default());
    let resolved = resolved.unwrap();
    let secrets = &place(&resolved, "shop-dev-acme").secrets;
    assert_eq!(secrets.keys().collect::<Vec<_>>(), ["db"]);
    assert_eq!(secrets["db"].values.as_ref().unwrap()["url"].reveal(), "db://x:hunter2@acme");
    assert!(!format!("{resolved:?}").contains("hunter2"));
    assert!(!format!("{options:?}").contains("hunter2"));
}

#[test]
fn labels_of_stack_environment_and_tenant_merge() {
    let texts = [
        ("stack.toml", "name = 'shop'\n[tiers.free]\n[labels]\nteam = 'core'\nkeep = 'stack'"),
        ("environments/dev.toml", "cluster = { context = '*' }\nlabels = { team = 'dev', stage = '${environment.name}' }"),
        ("tenants/acme.toml", "tier = 'free'\nlabels = { team = '${tenant.name}' }"),
    ];
    let resolved = resolve(&texts);
    let acme = place(&resolved, "shop-dev-acme");
    let labels: Vec<(&str, &str)> = acme.labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(labels, [("keep", "stack"), ("stage", "dev"), ("team", "acme")]);
    assert_eq!(acme.provenance.winner("labels.stage").unwrap().to_string(), "environments/dev.toml:2");
    assert_eq!(resolved.environment.labels["stage"], "dev");
}

#[test]
fn tiers_tenancy_limits_and_deletes_differ_by_environment() {
    let texts = [
        (
            "stack.toml",
            "name = 'shop'\n[tiers.free]\ncpu = '1'\nlimits = { pods = 10, cpu = '4' }\n[deletes]\nmax = 3\n[tenancy]\nquota = false",
        ),
        (
            "environments/dev.toml",
            "cluster = { context = '*' }\ndeletes.max = '50%'\ntenancy.pod_security = 'baseline'\n[tiers.free]\ncpu = '2'",
        ),
        ("tenants/acme.toml", "tier = 'free'\nlimits.pods = 20"),
    ];
    let resolved = resolve(&texts);
    assert_eq!(resolved.tiers["free"].cpu.as_deref(), Some("2"));
    assert_eq!(serde_json::to_value(&resolved.deletes).unwrap(), serde_json::json!({"max": "50%"}));
    let acme = place(&resolved, "shop-dev-acme");
    assert!(!acme.tenancy.quota && acme.tenancy.network_policies && acme.tenancy.dns.is_some());
    assert_eq!(acme.tenancy.pod_security, crate::stack::model::PodSecurity::Baseline);
    let PlaceKind::Tenant { tenant, .. } = &acme.kind else { panic!() };
    assert_eq!((tenant.limits.pods, tenant.limits.cpu.as_deref()), (Some(20), Some("4")));
    assert_eq!(acme.provenance.winner("limits.pods").unwrap().to_string(), "tenants/acme.toml:2");
}

#[test]
fn files_are_taken_from_the_stack() {
    let texts = [
        (
            "services/web.toml",
            "scope = 'environment'\n[files]\n'/etc/a' = { source = 'services/files/a.conf' }\n'/etc/b' = 'x ${environment.name}'",
        ),
        ("services/files/a.conf", "a ${not.a.reference}"),
    ];
    let resolved = resolve(&texts);
    let files = serde_json::to_value(&instance(&resolved, "shop-dev-shared", "web").spec.files).unwrap();
    assert_eq!(files, serde_json::json!({"/etc/a": "a ${not.a.reference}", "/etc/b": "x dev"}));
}

#[test]
fn manifests_are_layered_by_environment() {
    let common = "# a comment\n---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  namespace: x\ndata:\n  k: common\n  gone: x\n  list: |\n    ---\n    no document\n---\n{\"apiVersion\": \"v1\", \"kind\": \"Namespace\", \"metadata\": {\"name\": \"x\"}}\n---\n";
    let own = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  namespace: x\ndata:\n  k: own\n  gone: null\n";
    let json = "{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [{\"apiVersion\": \"v1\", \"kind\": \"Secret\", \"metadata\": {\"name\": \"s\"}}]}";
    let texts = [
        ("manifests/all.yaml", common),
        ("manifests/deep/er/more.json", json),
        ("manifests/dev/a.yaml", own),
        ("manifests/prod/a.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: { name: prod }"),
        ("environments/prod.toml", "cluster = { context = '*' }"),
        ("environments/dev.toml", "cluster = { context = '*' }"),
    ];
    let resolved = resolve(&texts);
    let shown: Vec<String> = resolved.manifests.iter().map(|m| format!("{} {}", m.object.key(), m.origin)).collect();
    assert_eq!(
        shown,
        ["ConfigMap x/a manifests/dev/a.yaml:1", "Namespace x manifests/all.yaml:15", "Secret s manifests/deep/er/more.json:1"]
    );
    assert_eq!(resolved.manifests[0].object.value()["data"], serde_json::json!({"k": "own", "list": "---\nno document\n"}));
    let (prod, _) = resolve_with(&texts, &options("prod"));
    assert_eq!(prod.unwrap().manifests.len(), 4);
}

#[test]
fn patches_and_moves_are_kept_with_their_places() {
    let texts = [
        (
            "stack.toml",
            "name = 'shop'\n[[moved]]\nfrom = 'service.old'\nto = 'service.web'\n[[patch]]\nkind = 'Deployment'\nspec.paused = true",
        ),
        (
            "environments/dev.toml",
            "cluster = { context = '*' }\n[[patch]]\nkind = 'Service'\nmetadata.annotations.'a/b' = '${environment.name}'",
        ),
        ("services/web.toml", "scope = 'environment'"),
    ];
    let resolved = resolve(&texts);
    assert_eq!(resolved.moved[0].2.to_string(), "stack.toml:2");
    assert_eq!(resolved.patches.iter().map(|p| p.origin.to_string()).collect::<Vec<_>>(), ["stack.toml:5", "environments/dev.toml:2"]);
    assert_eq!(resolved.patches[1].patch.fields["metadata"]["annotations"]["a/b"], "dev");
}

#[test]
fn when_and_unset_are_names_like_others_where_names_stand() {
    let texts = [("stack.toml", "name = 'shop'\n[tiers.unset]\n[labels]\nwhen = 'now'\nunset = 'x'"), ("tenants/a.toml", "tier = 'unset'")];
    let resolved = resolve(&texts);
    assert_eq!(place(&resolved, "shop-dev-a").labels.keys().collect::<Vec<_>>(), ["unset", "when"]);
}

#[test]
fn what_decides_about_instances_may_be_a_reference() {
    let texts = [
        ("stack.toml", "name = 'shop'\n[tiers.free]\nisolation = '${environment.isolation}'\n[inputs.scope]\ndefault = 'tier'"),
        ("environments/dev.toml", "cluster = { context = '*' }\nvalues.isolation = 'pooled'"),
        ("services/web.toml", "scope = '${input.scope}'\ntiers = ['${tier.name}']"),
        ("tenants/a.toml", "tier = 'free'"),
    ];
    let resolved = resolve(&texts);
    assert_eq!(namespaces(&resolved), ["shop-dev-tier-free"]);
    assert_eq!(instance(&resolved, "shop-dev-tier-free", "web").spec.scope, Some(crate::stack::model::InstanceScope::Tier));
}
