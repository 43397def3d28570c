//! Whatever a folder holds: an answer, never a panic.

use proptest::prelude::*;

use super::*;

/// Bits of stacks, to be put together in ways that make no sense.
fn fragment() -> impl Strategy<Value = String> {
    let words = [
        "name",
        "tier",
        "tiers",
        "scope",
        "needs",
        "config",
        "unset",
        "when",
        "environment",
        "dev",
        "free",
        "service",
        "web",
        "defaults",
        "replicas",
        "min",
        "secrets",
        "db",
        "values",
        "inputs",
        "x",
        "moved",
        "from",
        "to",
        "patch",
        "kind",
        "cluster",
        "files",
        "source",
        "ports",
        "http",
        "port",
        "labels",
        "tenants",
        "services",
        "isolation",
        "enabled",
        "type",
        "default",
        "sensitive",
        "namespace",
    ];
    let values = [
        "1",
        "-9223372036854775808",
        "'x'",
        "'${environment.name}'",
        "'${service.web.url}'",
        "'${secret.db.url}'",
        "'${'",
        "'$${x}'",
        "['web']",
        "[[]]",
        "{}",
        "{ secret = 'db', key = 'url' }",
        "true",
        "1.5",
        "1979-05-27",
        "'pooled'",
        "'environment'",
        "\"\\u0000\"",
        "'${tier.name}${tenant.name}'",
        "{ source = '../x' }",
        "'${input.x}'",
        "'config.x'",
        "'free'",
        "'service.web'",
    ];
    let key = proptest::collection::vec(proptest::sample::select(words.to_vec()), 1..4).prop_map(|keys| keys.join("."));
    let line = (key.clone(), proptest::sample::select(values.to_vec())).prop_map(|(key, value)| format!("{key} = {value}\n"));
    let header = key.clone().prop_map(|key| format!("[{key}]\n"));
    let headers = key.prop_map(|key| format!("[[{key}]]\n"));
    prop_oneof![6 => line, 2 => header, 1 => headers]
}

fn toml() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => proptest::collection::vec(fragment(), 0..12).prop_map(|lines| lines.concat()),
        1 => any::<String>(),
        1 => proptest::collection::vec(any::<u8>(), 0..200).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_a_stack_panic(stack in toml(), environment in toml(), service in toml(), other in toml(), tenant in toml(), manifest in any::<String>()) {
        let (stack, environment) = (format!("name = 'shop'\n{stack}"), format!("cluster = {{ context = '*' }}\n{environment}"));
        let texts = [
            ("stack.toml", stack.as_str()),
            ("environments/dev.toml", &environment),
            ("services/web.toml", &service),
            ("services/db.toml", &other),
            ("tenants/acme.toml", &tenant),
            ("manifests/a.yaml", &manifest),
            ("manifests/b.json", &manifest),
        ];
        let (resolved, diagnostics) = resolve_with(&texts, &options("dev"));
        prop_assert!(resolved.is_some() || diagnostics.has_errors());
        // Every place that is told is in the file that it names.
        for label in diagnostics.0.iter().flat_map(|d| &d.labels) {
            if let Some((_, text)) = texts.iter().find(|(path, _)| **path == *label.origin.file) {
                prop_assert!(text.get(label.origin.start..label.origin.end).is_some(), "{label:?}");
            }
        }
    }
}
