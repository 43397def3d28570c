//! Services that are alike in many places: what is made after a pattern is what would be made without one.

use super::*;

/// Services of every kind, with all that may differ from place to place.
const SERVICES: [(&str, &str); 6] = [
    (
        "services/web.toml",
        "image = { repository = 'web', tag = '1' }\nneeds = ['store']\nscaling.cpu = 70\nroutes.main = { host = '${tenant.name}.shop.test' }\n\
         config = { TENANT = '${tenant.name}', LEVEL = 'info', KEY = { secret = 'db', key = 'url' } }\nnetwork.data = { peer = { namespace = 'data' }, ports = [5432] }\n\
         [ports.http]\nport = 8080\nprobe = { path = '/healthz' }\n[[patch]]\nkind = 'Deployment'\nspec.replicas = 0",
    ),
    (
        "services/store.toml",
        "kind = 'StatefulSet'\nimage = { repository = 'store', tag = '1' }\nconfig.STORE = 'of ${tenant.namespace}'\nports.data.port = 5432\n\
         [volumes.data]\nsize = '1Gi'\nmount = '/data'\n[sidecars.proxy]\nimage = { repository = 'proxy', tag = '1' }",
    ),
    (
        "services/agent.toml",
        "kind = 'DaemonSet'\nreplicas.max = 3\nimage = { repository = 'agent', tag = '1' }\nvolumes.keys = { secret = 'db', mount = '/keys' }",
    ),
    (
        "services/task.toml",
        "kind = 'CronJob'\njob.schedule = '0 * * * *'\nimage = { repository = 'task', tag = '1' }\nconfig.TENANT = '${tenant.name}'",
    ),
    ("services/once.toml", "kind = 'Job'\nimage = { repository = 'once', tag = '1' }\nconfig.TENANT = '${tenant.name}'"),
    (
        "services/ops.toml",
        "image = { repository = 'ops', tag = '1' }\nrights = [{ resources = ['configmaps'], verbs = ['get'] }]\nports.http.port = 80\n\
         [hooks.before.first]\nimage = { repository = 'first', tag = '1' }\n[[patch]]\nkind = 'Service'\nmetadata.labels.\"shop.test/x\" = 'y'",
    ),
];

const SECRET: &str =
    "name = 'shop'\n[tiers.basic]\ncpu = '500m'\nmemory = '512Mi'\nreplicas = 3\n[secrets.db]\nvalues = { url = 'db://${tenant.name}' }";

/// Tenants: plain ones first, so that others could be made after these.
const TENANTS: [(&str, &str); 7] = [
    ("stack.toml", SECRET),
    ("tenants/acme.toml", "tier = 'basic'"),
    ("tenants/bell.toml", "tier = 'basic'"),
    ("tenants/labelled.toml", "tier = 'basic'\nlabels = { \"shop.test/team\" = 'blue' }"),
    ("tenants/noted.toml", "tier = 'basic'\nannotations = { \"shop.test/note\" = 'n' }"),
    ("tenants/patched.toml", "tier = 'basic'\n[[patch]]\nkind = 'Service'\nspec.publishNotReadyAddresses = true"),
    ("tenants/renamed.toml", "tier = 'basic'\n[secrets.db]\nname = 'another'"),
];

fn shown(resolved: &Resolved) -> (Vec<Value>, Diagnostics) {
    let (objects, diagnostics) = compile(resolved);
    (objects.iter().map(|desired| serde_json::to_value(desired).unwrap()).collect(), diagnostics)
}

/// Compiles a stack twice: as it is, and with nothing known to be alike.
fn both(texts: &[(&str, &str)]) -> [(Vec<Value>, Diagnostics); 2] {
    let mut resolved = resolve(texts);
    let with = shown(&resolved);
    for instance in resolved.places.iter_mut().flat_map(|place| place.services.values_mut()) {
        instance.alike = None;
    }
    [with, shown(&resolved)]
}

#[test]
fn objects_made_after_a_pattern_are_those_that_would_be_made() {
    let texts = [&SERVICES[..], &TENANTS[..]].concat();
    let alike = |resolved: &Resolved, service: &str| resolved.places.iter().map(|place| place.services[service].alike).collect::<Vec<_>>();
    let resolved = resolve(&texts);
    let store = alike(&resolved, "store");
    assert!(store.len() == 6 && store[0].is_some() && store.iter().all(|number| *number == store[0]), "{store:?}");
    assert_ne!(store[0], alike(&resolved, "agent")[0]);
    let [(with, diagnostics), (without, _)] = both(&texts);
    assert!(with.len() > 200 && !diagnostics.has_errors(), "{diagnostics:#?}");
    for (with, without) in with.iter().zip(&without) {
        assert_eq!(with, without);
    }
    assert_eq!(with.len(), without.len());
}

#[test]
fn what_is_wrong_is_told_of_in_each_place() {
    let late = ("services/late.toml", "image = { repository = 'late', tag = '1' }\npod.pre_stop = '40s'\nports.http.port = 80");
    let patch = "image = { repository = 'x', tag = '1' }\nports.http.port = 80\n[[patch]]\nkind = 'Service'\nmetadata.labels.\"spai.dev/tenant\" = 'acme'";
    let [(_, with), (_, without)] = both(&[&TENANTS[..3], &[late, ("services/patched.toml", patch)]].concat());
    assert_eq!(with, without);
    assert_eq!(with.0.iter().filter(|diagnostic| diagnostic.code == "compile::no_time_to_stop").count(), 2);
    assert_eq!(with.0.iter().filter(|diagnostic| diagnostic.code == "compile::patch_identity").count(), 1, "not of acme: it is acme's");
}
