//! What is wrong with stacks: the code, the place, and words that help.

use crate::resource::Severity;

use super::*;

const TIERS: &str = "name = 'shop'\n[tiers.free]\n[tiers.premium]\n";
const DEV: &str = "cluster = { context = '*' }\n";

/// The one thing that is wrong: its code, its places, and words that must be in its message, labels and help.
#[track_caller]
fn check(texts: &[(&str, &str)], code: &str, at: &[&str], words: &[&str]) {
    let diagnostic = wrong(texts);
    let all = format!("{diagnostic:#?}");
    assert_eq!(diagnostic.code, code, "{all}");
    assert_eq!(places(&diagnostic), at, "{all}");
    for word in words {
        assert!(all.contains(word), "{word} not in {all}");
    }
    assert!(!diagnostic.message.ends_with('.'), "{all}");
}

#[test]
fn a_stack_without_its_file_is_none() {
    let (stack, diagnostics) = Stack::load(Sources::of([("environments/dev.toml", DEV)]));
    assert!(stack.is_none());
    assert_eq!(diagnostics.0[0].code, "stack::not_found");
}

#[test]
fn syntax_errors_of_all_files_are_found_at_once() {
    let texts = [("services/a.toml", "x = \n"), ("tenants/b.toml", "\n[a\n"), ("manifests/c.yaml", "a: [\n"), ("manifests/d.json", "{")];
    let (_, diagnostics) = resolve_with(&texts, &options("dev"));
    let files: Vec<String> = diagnostics.0.iter().map(|d| format!("{} {}", d.code, places(d)[0])).collect();
    assert_eq!(
        files,
        [
            "stack::manifest_syntax manifests/c.yaml:1",
            "stack::manifest_syntax manifests/d.json:1",
            "stack::syntax services/a.toml:1",
            "stack::syntax tenants/b.toml:2"
        ]
    );
}

#[test]
fn a_file_that_cannot_be_parsed_causes_no_other_errors() {
    let texts = [
        ("services/web.toml", "needs = ['db']\nscope = 'environment'\nconfig.URL = '${service.db.url}'"),
        ("services/db.toml", "scope = environment"),
    ];
    check(&texts, "stack::syntax", &["services/db.toml:1"], &[]);
}

#[test]
fn unknown_names_get_the_nearest() {
    let web = ("services/web.toml", "scope = 'environment'");
    check(
        &[web, ("services/a.toml", "scope = 'environment'\nneeds = ['wbe']")],
        "stack::unknown_service",
        &["services/a.toml:2"],
        &["did you mean `web`?"],
    );
    check(
        &[("services/a.toml", "scope = 'environment'\nafter = ['service.b']")],
        "stack::unknown_service",
        &["services/a.toml:2"],
        &["`a`"],
    );
    check(&[("services/a.toml", "scope = 'environment'\nafter = ['b']")], "stack::after", &["services/a.toml:2"], &["KIND/NAMESPACE/NAME"]);
    let stack = ("stack.toml", TIERS);
    check(
        &[stack, ("services/a.toml", "scope = 'environment'\ntiers = ['fre']")],
        "stack::unknown_tier",
        &["services/a.toml:2"],
        &["did you mean `free`?"],
    );
    check(&[stack, ("tenants/a.toml", "tier = 'premum'")], "stack::unknown_tier", &["tenants/a.toml:1"], &["did you mean `premium`?"]);
    check(&[stack, ("tenants/a.toml", "")], "stack::no_tier", &["tenants/a.toml:1"], &["`free`, `premium`"]);
    check(
        &[stack, ("services/a.toml", "scope = 'environment'\n[when.environment.prod]\nreplicas.min = 1")],
        "stack::unknown_environment",
        &["services/a.toml:2"],
        &["there are: `dev`"],
    );
    check(
        &[stack, ("services/a.toml", "scope = 'environment'\nwhen.tier.gold.enabled = true")],
        "stack::unknown_tier",
        &["services/a.toml:2"],
        &["gold"],
    );
    check(
        &[("environments/dev.toml", &format!("{DEV}tenants = ['acme']"))],
        "stack::unknown_tenant",
        &["environments/dev.toml:2"],
        &["no tenant at all"],
    );
    check(
        &[web, ("environments/dev.toml", &format!("{DEV}services = ['web', 'webb']"))],
        "stack::unknown_service",
        &["environments/dev.toml:2"],
        &["webb"],
    );
    check(
        &[web, ("environments/dev.toml", &format!("{DEV}[service.wep]"))],
        "stack::unknown_service",
        &["environments/dev.toml:2"],
        &["did you mean `web`?"],
    );
    check(
        &[stack, ("environments/dev.toml", &format!("{DEV}[tiers.fee]"))],
        "stack::unknown_tier",
        &["environments/dev.toml:2"],
        &["did you mean `free`?"],
    );
    check(
        &[stack, ("tenants/a.toml", "tier = 'free'\nenvironments = ['def']")],
        "stack::unknown_environment",
        &["tenants/a.toml:2"],
        &["did you mean `dev`?"],
    );
    check(&[("services/a.toml", "scope = 'environment'\nslo = 'strict'")], "stack::unknown_slo", &["services/a.toml:2"], &[]);
    check(&[("services/a.toml", "scope = 'environment'\nimage.registry = 'hub'")], "stack::unknown_registry", &["services/a.toml:2"], &[]);
    let (_, diagnostics) = resolve_with(&[], &options("def"));
    assert_eq!(
        (diagnostics.0[0].code.as_str(), diagnostics.0[0].labels[0].text.as_str()),
        ("stack::unknown_environment", "did you mean `dev`?")
    );
}

#[test]
fn equal_ranks_that_disagree_name_both_lines() {
    check(
        &[
            ("services/a.toml", "scope = 'environment'\n[when.environment.dev]\nreplicas.min = 2"),
            ("environments/dev.toml", &format!("{DEV}[service.a]\nreplicas.min = 3")),
        ],
        "stack::disagreement",
        &["environments/dev.toml:3", "services/a.toml:3"],
        &["replicas.min", "says 2", "says 3"],
    );
}

#[test]
fn needs_must_be_deployed_where_they_are_needed() {
    let tenants = [("stack.toml", TIERS), ("tenants/a.toml", "tier = 'free'"), ("tenants/b.toml", "tier = 'premium'")];
    let with =
        |more: &[(&'static str, &'static str)]| -> Vec<(&'static str, &'static str)> { tenants.iter().chain(more).copied().collect() };
    check(
        &with(&[("services/web.toml", "needs = ['ml']"), ("services/ml.toml", "tiers = ['premium']")]),
        "stack::service_absent",
        &["services/web.toml:1", "services/ml.toml:1"],
        &["service `web` of tier `free` needs `ml`, which is not for tier `free`"],
    );
    check(
        &with(&[("services/web.toml", "needs = ['ml']"), ("services/ml.toml", "enabled = false")]),
        "stack::service_absent",
        &["services/web.toml:1", "services/ml.toml:1"],
        &["is not enabled here"],
    );
    check(
        &with(&[("services/web.toml", "needs = ['mail']"), ("services/mail.toml", "scope = 'environment'\ntiers = ['premium']")]),
        "stack::service_absent",
        &["services/web.toml:1", "services/mail.toml:2"],
        &["is not for tier `free`"],
    );
    check(
        &with(&[("services/mail.toml", "scope = 'environment'\nneeds = ['web']"), ("services/web.toml", "")]),
        "stack::service_absent",
        &["services/mail.toml:2", "services/web.toml:1"],
        &["has an instance for each tenant"],
    );
    check(
        &with(&[
            ("environments/dev.toml", "cluster = { context = '*' }\nservices = ['web']"),
            ("services/web.toml", "needs = ['ml']"),
            ("services/ml.toml", ""),
        ]),
        "stack::service_absent",
        &["services/web.toml:1", "environments/dev.toml:2"],
        &["isn't among the services"],
    );
    check(&with(&[("services/web.toml", "needs = ['web']")]), "stack::needs_itself", &["services/web.toml:1"], &[]);
}

/// A service that runs once, with one environment variable.
fn variable(value: &str) -> String {
    format!("scope = 'environment'\n[config]\nX = '{value}'")
}

#[test]
fn references_that_lead_nowhere_say_where_they_could() {
    let one = |value: &str, code: &str, words: &[&str]| {
        let stack = "name = 'shop'\n[tiers.free]\n[inputs.size]\ndefault = 's'\n[inputs.key]\nsensitive = true\ndefault = 'k'\n[secrets.db]\nexternal = true";
        let texts = [
            ("stack.toml", stack),
            ("environments/dev.toml", "cluster = { context = '*' }\nvalues = { list = ['a'] }"),
            ("services/a.toml", &variable(value)),
            ("services/b.toml", "scope = 'environment'"),
            ("services/c.toml", "scope = 'environment'\nports = { x.port = 1, y.port = 2 }"),
        ];
        check(&texts, code, &["services/a.toml:3"], words);
    };
    one("${environment.nmae}", "stack::unknown_reference", &["did you mean `name`?"]);
    one("${environment.domain}", "stack::unset_reference", &["isn't set"]);
    one("${environment}", "stack::unknown_reference", &["${environment.name}"]);
    one("${environment.name.x}", "stack::unknown_reference", &["no such value"]);
    one("${environmnt.name}", "stack::unknown_reference", &["did you mean `environment`?"]);
    one("a ${HOME} b", "stack::unknown_reference", &["$${"]);
    one("${tenant.name}", "stack::no_such_scope", &["no tenant here", "whole environment"]);
    one("${tier.name}", "stack::no_such_scope", &["no tier here"]);
    one("${input.siez}", "stack::unknown_input", &["did you mean `size`?"]);
    one("${input.key}", "stack::sensitive_input", &["[secrets.x]"]);
    one("a${secret.db.url}", "stack::secret_in_text", &["secret ="]);
    one("${secret.bd.url}", "stack::unknown_secret", &["did you mean `db`?"]);
    one("${secret.bd}", "stack::unknown_secret", &["did you mean `db`?"]);
    one("${service.bb.url}", "stack::unknown_service", &["did you mean `b`?"]);
    one("${service.b.ulr}", "stack::unknown_reference", &["did you mean `url`?"]);
    one("${service.c.url}", "stack::which_port", &["`x`, `y`"]);
    one("${service.c.ports.z}", "stack::unknown_port", &["`x`, `y`"]);
    one("${service}", "stack::unknown_reference", &["which service?"]);
    one("${environment.list} x", "stack::reference_type", &["a list"]);
    one("${", "stack::reference", &["isn't closed"]);
    one("${a..b}", "stack::reference", &["a key is missing"]);
}

#[test]
fn a_reference_to_a_service_without_ports_names_both_places() {
    let texts = [("services/a.toml", &variable("${service.b.url}") as &str), ("services/b.toml", "scope = 'environment'")];
    check(&texts, "stack::no_port", &["services/a.toml:3", "services/b.toml:1"], &[]);
}

#[test]
fn a_reference_points_at_itself_within_its_text() {
    let diagnostic = wrong(&[("services/a.toml", &variable("x${input.y}z"))]);
    assert_eq!((diagnostic.labels[0].origin.column, diagnostic.labels[0].origin.end - diagnostic.labels[0].origin.start), (7, 10));
}

#[test]
fn references_that_go_in_circles_are_shown_whole() {
    let dev = "cluster = { context = '*' }\n[values]\na = '${environment.b}'\nb = 'x${environment.c}'\nc = '${environment.a}'";
    check(
        &[("environments/dev.toml", dev), ("services/a.toml", &variable("${environment.a}"))],
        "stack::reference_cycle",
        &["environments/dev.toml:3", "environments/dev.toml:4", "environments/dev.toml:5"],
        &["environment.a → environment.b → environment.c → environment.a"],
    );
    let texts = [
        ("services/a.toml", "scope = 'environment'\nports.http.port = '${service.b.port}'"),
        ("services/b.toml", "scope = 'environment'\nports.http.port = '${service.a.port}'"),
    ];
    let (_, diagnostics) = resolve_with(&texts, &options("dev"));
    assert!(diagnostics.0.iter().all(|d| d.code == "stack::reference_cycle") && !diagnostics.0.is_empty(), "{diagnostics:#?}");
}

#[test]
fn inputs_must_be_declared_given_and_of_their_type() {
    let stack = "name = 'shop'\n[inputs.size]\ntype = 'integer'";
    check(&[("stack.toml", stack)], "stack::missing_input", &["stack.toml:2"], &["--input size=…", "SPAI_INPUT_SIZE"]);
    check(
        &[("stack.toml", &format!("{stack}\ndefault = 'x'"))],
        "stack::input_type",
        &["stack.toml:4", "stack.toml:2"],
        &["a whole number"],
    );
    check(&[("environments/dev.toml", &format!("{DEV}inputs.x = 1"))], "stack::unknown_input", &["environments/dev.toml:2"], &[]);
    let given = |name: &str, value: &str| {
        let inputs = [(name.to_owned(), value.to_owned())].into();
        let (_, diagnostics) = resolve_with(&[("stack.toml", stack)], &ResolveOptions { inputs, ..options("dev") });
        diagnostics.0.iter().map(|d| d.code.clone()).collect::<Vec<_>>()
    };
    assert_eq!(given("size", "hunter2"), ["stack::input_type"]);
    assert_eq!(given("sise", "1"), ["stack::unknown_input", "stack::missing_input"]);
    assert!(given("size", "1").is_empty());
}

#[test]
fn names_that_kubernetes_would_refuse_or_confuse() {
    check(&[("stack.toml", "name = 'Shop'")], "stack::bad_name", &["stack.toml:1"], &["lower-case"]);
    check(&[("stack.toml", "")], "stack::no_name", &["stack.toml:1"], &["name ="]);
    check(&[("services/a b.toml", "scope = 'environment'")], "stack::bad_name", &["services/a b.toml:1"], &[]);
    let long = format!("services/{}.toml", "x".repeat(60));
    check(&[(&long, "scope = 'environment'")], "stack::bad_name", &[&format!("{long}:1")], &["at most 52", "60 characters"]);
    let stack = ("stack.toml", TIERS);
    check(&[stack, ("tenants/shared.toml", "tier = 'free'")], "stack::reserved_name", &["tenants/shared.toml:1"], &[]);
    check(&[stack, ("tenants/tier-x.toml", "tier = 'free'")], "stack::reserved_name", &["tenants/tier-x.toml:1"], &[]);
    let both = [("services/a_b.toml", "scope = 'environment'"), ("services/a-b.toml", "scope = 'environment'")];
    check(&both, "stack::same_name", &["services/a_b.toml:1", "services/a-b.toml:1"], &["`a-b`"]);
    let long = format!("tenants/{}.toml", "x".repeat(60));
    check(
        &[stack, (&long, "tier = 'free'")],
        "stack::bad_namespace",
        &[&format!("{long}:1"), "environments/dev.toml:1"],
        &["69 characters"],
    );
    check(&[("environments/dev.toml", &format!("{DEV}namespace = 'A'"))], "stack::bad_namespace", &["environments/dev.toml:2"], &[]);
}

#[test]
fn an_environment_says_where_it_runs() {
    check(&[("environments/dev.toml", "")], "stack::missing_key", &["environments/dev.toml:1"], &["in_cluster"]);
    check(&[("environments/dev.toml", "cluster = {}")], "stack::which_cluster", &["environments/dev.toml:1"], &["says nothing"]);
    check(
        &[("environments/dev.toml", "cluster = { context = 'a', embedded = true }")],
        "stack::which_cluster",
        &["environments/dev.toml:1"],
        &["several"],
    );
    let (_, diagnostics) = Stack::load(Sources::of([("stack.toml", "name = 'x'")]));
    assert_eq!(diagnostics.0[0].code, "stack::no_environment");
}

#[test]
fn a_tenant_and_its_environment_agree() {
    check(
        &[
            ("stack.toml", TIERS),
            ("environments/dev.toml", &format!("{DEV}tenants = ['a']")),
            ("environments/prod.toml", DEV),
            ("tenants/a.toml", "tier = 'free'\nenvironments = ['prod']"),
        ],
        "stack::tenant_environment",
        &["environments/dev.toml:2", "tenants/a.toml:2"],
        &[],
    );
}

#[test]
fn a_scope_is_the_same_for_all() {
    check(
        &[("stack.toml", TIERS), ("services/a.toml", "[when.tier.free]\nscope = 'environment'"), ("tenants/a.toml", "tier = 'free'")],
        "stack::scope_differs",
        &["services/a.toml:2"],
        &["elsewhere it is `tenant`"],
    );
}

#[test]
fn secrets_must_be_there_with_their_keys() {
    let web = ("services/a.toml", "scope = 'environment'\nconfig.X = { secret = 'db', key = 'ulr' }");
    check(&[web], "stack::unknown_secret", &["services/a.toml:2"], &["external = true"]);
    check(&[web, ("stack.toml", "name = 'x'\n[secrets.db]")], "stack::empty_secret", &["stack.toml:2"], &[]);
    check(
        &[web, ("stack.toml", "name = 'x'\n[secrets.db]\nvalues.url = 'x'")],
        "stack::unknown_secret_key",
        &["services/a.toml:2"],
        &["did you mean `url`?"],
    );
}

#[test]
fn files_must_be_there_and_inside() {
    let file = |path: &str| format!("scope = 'environment'\n[files]\n'/a' = {{ source = '{path}' }}");
    check(
        &[("services/a.toml", &file("services/b.conf")), ("services/b.cnf", "")],
        "stack::missing_file",
        &["services/a.toml:3"],
        &["did you mean `services/b.cnf`?"],
    );
    for path in ["../x", "/etc/passwd", "a/../../x"] {
        check(&[("services/a.toml", &file(path))], "stack::outside", &["services/a.toml:3"], &[]);
    }
}

#[test]
fn manifests_hold_objects_each_once() {
    let object = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: x\n";
    check(
        &[("manifests/a.yaml", &format!("{object}---\n{object}"))],
        "stack::duplicate_object",
        &["manifests/a.yaml:6", "manifests/a.yaml:1"],
        &["Namespace x"],
    );
    check(&[("manifests/a.yaml", "hello")], "stack::no_object", &["manifests/a.yaml:1"], &["a string"]);
    check(&[("manifests/a.yaml", "\n---\nkind: X")], "stack::no_object", &["manifests/a.yaml:3"], &["apiVersion"]);
    check(
        &[("manifests/a.yaml", "apiVersion: v1\nkind: Pod\nmetadata: { generateName: x- }")],
        "stack::no_object",
        &["manifests/a.yaml:1"],
        &["generateName"],
    );
    check(&[("manifests/a.yaml", "a: 1\na: 2")], "stack::manifest_syntax", &["manifests/a.yaml:2"], &["duplicate"]);
    check(&[("manifests/a.yaml", "a: 1\n")], "stack::no_object", &["manifests/a.yaml:1"], &[]);
}

#[test]
fn hostile_yaml_is_refused() {
    let deep = "[".repeat(100_000);
    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..10 {
        let previous = format!("*a{},", level - 1).repeat(10);
        bomb = format!("{bomb}a{level}: &a{level} [{previous}]\n");
    }
    for text in [deep, bomb] {
        let (_, diagnostics) = resolve_with(&[("manifests/a.yaml", &text)], &options("dev"));
        assert_eq!(diagnostics.0[0].code, "stack::manifest_syntax");
    }
}

#[test]
fn moves_lead_from_what_is_gone_to_what_is_there() {
    let web = ("services/web.toml", "scope = 'environment'");
    let moved = |from: &str, to: &str| format!("name = 'shop'\n[[moved]]\nfrom = '{from}'\nto = '{to}'");
    check(&[web, ("stack.toml", &moved("service.web", "service.web"))], "stack::moved", &["stack.toml:3"], &["still there"]);
    check(
        &[web, ("stack.toml", &moved("service.old", "service.wbe"))],
        "stack::unknown_service",
        &["stack.toml:4"],
        &["did you mean `web`?"],
    );
    check(&[web, ("stack.toml", &moved("service.old", "tenant.web"))], "stack::moved", &["stack.toml:3", "stack.toml:4"], &[]);
    check(&[web, ("stack.toml", &moved("old", "Deployment/a/b"))], "stack::moved", &["stack.toml:3"], &["KIND/NAMESPACE/NAME"]);
    check(&[("stack.toml", "name = 'shop'\n[[moved]]\nfrom = 'Deployment/a/b'")], "stack::moved", &["stack.toml:2"], &["missing"]);
}

#[test]
fn what_cannot_differ_is_refused() {
    check(&[("stack.toml", "name = 'shop'\n[when.environment.dev]\nname = 'x'")], "stack::unknown_key", &["stack.toml:3"], &["`name`"]);
    check(&[("stack.toml", &format!("{TIERS}[when.tier.free.deletes]\nmax = 1"))], "stack::unknown_key", &["stack.toml:4"], &["`deletes`"]);
    check(&[("environments/dev.toml", &format!("{DEV}values.name = 'x'"))], "stack::reserved_value", &["environments/dev.toml:2"], &[]);
    check(&[("stack.toml", "name = 'shop'\nspai = '>=99'")], "stack::version", &["stack.toml:2"], &[]);
}

#[test]
fn warnings_are_apart_from_errors() {
    let warning = |texts: &[(&str, &str)], code: &str| {
        let diagnostic = wrong(texts);
        assert_eq!((diagnostic.severity, diagnostic.code.as_str()), (Severity::Warning, code));
    };
    warning(&[("services/a.toml", "")], "stack::runs_nowhere");
    warning(&[("services/a.toml", "scope = 'environment'\nunset = ['config.X']")], "stack::idle_unset");
    warning(
        &[
            ("stack.toml", "name = 'x'\n[tiers.free]\nisolation = 'pooled'"),
            ("tenants/a.toml", "tier = 'free'\n[defaults]\nreplicas.min = 1"),
        ],
        "stack::pooled_tenant",
    );
    check(&[("services/a.toml", "scope = 'environment'\nunset = ['config.']")], "stack::unset_path", &["services/a.toml:2"], &[]);
}

#[test]
fn nonsense_is_refused_in_bounded_space() {
    for unit in ["=", "[", "a\n", "\u{1}", "\"", "a=[\n", "]\n", "[a]\n"] {
        let text = unit.repeat((300 << 10) / unit.len());
        let (_, diagnostics) = resolve_with(&[("services/a.toml", &text)], &options("dev"));
        assert!((1..=21).contains(&diagnostics.0.len()), "{unit:?}: {}", diagnostics.0.len());
    }
    let (_, diagnostics) = resolve_with(&[("services/a.toml", &"=\n".repeat(1000))], &options("dev"));
    assert_eq!(diagnostics.0.len(), 20);
    assert!(diagnostics.0.iter().any(|d| d.help.as_deref().is_some_and(|help| help.contains("more errors"))), "{diagnostics:#?}");
}

#[test]
fn a_strategy_for_all_services_that_is_not_there_is_told_once() {
    let (stack, _) = Stack::load(Sources::of([
        ("stack.toml", "name = 's'\n[tiers.t]\ncpu = '1'\nmemory = '1Gi'\nreplicas = 1\n"),
        ("environments/e.toml", "cluster = { context = '*' }\n"),
        ("services/a.toml", "tiers = 'all'\nimage = { repository = 'a', tag = '1' }\n"),
        ("services/b.toml", "tiers = 'all'\nimage = { repository = 'b', tag = '1' }\n"),
        ("tenants/x.toml", "tier = 't'\n"),
    ]));
    let options =
        ResolveOptions { environment: "e".into(), strategy: Some(crate::stack::model::Strategy::Canary), ..ResolveOptions::default() };
    let (resolved, diagnostics) = stack.unwrap().resolve(&options);
    assert!(resolved.is_none());
    assert_eq!(diagnostics.0.iter().map(|d| d.code.as_str()).collect::<Vec<_>>(), ["stack::strategy"]);
}
