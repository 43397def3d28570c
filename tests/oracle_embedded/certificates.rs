//! Requests for certificates: whose they are, what they may say, and who decides about them.

use base64::Engine as _;
use rcgen::{CertificateParams, DnType, KeyPair};
use serde_json::{Value, json};

use super::sequences::{APPLY, JSON, JSON_PATCH, MERGE, STRATEGIC, step};
use super::{Sequence, Step};

const ALL: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";

/// One of the masters, by a name that is the same everywhere.
const JANE: &[&str] = &["jane", "system:masters"];

/// Somebody who may do what the sequence says.
const JOE: &[&str] = &["joe"];

/// Signed by RSA with a salt of 32 bytes.
const SALTED_32: &str = "MIIChTCCATkCAQAwDDEKMAgGA1UEAwwBeDCCASIwDQYJKoZIhvcNAQEBBQADggEPADCCAQoCggEBAJHRcxn8PKQwZoH2abxJsANnqMGR6Qhk1vSENCDtLM4XbfTwY9Pj4+tsTA0OJ43tNpgyHDKzG7th2XF6zdmlJqVXdNPBnYe+XwLneopDhj3KPTun7K8/OB54pvlcOigid47Q4Nwg4KPtkhhgiR/+RPejgWPRvU50pccicRxqq7r3odNECNdGyNJRvXcmn8uqNByUAbFE8TqOuEOg/OC/UFsPCuZSZ4gEE/9VDAqOSXhe8tA9KQtPj426AHnmeVQ0lUkC1hB+SwOzuHiNmvkWgLFZ4659x5HtrS1CRRKS2OX0cyNb/J9U1g2tL4XscwJtXzvLTGKAzdWonsHxfcp1mR8CAwEAAaAAMEEGCSqGSIb3DQEBCjA0oA8wDQYJYIZIAWUDBAIBBQChHDAaBgkqhkiG9w0BAQgwDQYJYIZIAWUDBAIBBQCiAwIBIAOCAQEANrmA9LMXYdCSDllgMzHz/UwMDVgEfiZSoDk9BNCOYlZp/qzuwVViRIiFOtPjvLeC3zegTtfd0fc5DAchx0dHPLKD0g4ilUM8l11w28UTqgBNbTF02f3pxy9p0PgOVjT2ZCLK9pF0gMExz2NrX0NPcEV8yoNHiN9j/2sC4lK3JT9P3dWYcpBFsVaZDHvu3Mv3c/2S/2FsJCzDkncREGSC+Yn391Wp9SXB3ubwUrpL/iXRhJfYbrcI+RE4ySzOFExdZojJIcFgq5vR2jCw9bQXcFkWWCvi0h0MhGZR0WWsP3S1CU5dOgMg3oPwF0qzBHwq2AL5SLyxvIvOvtRFkphPiQ==";

/// Signed by RSA with a salt of 20 bytes.
const SALTED_20: &str = "MIICgDCCATkCAQAwDDEKMAgGA1UEAwwBeDCCASIwDQYJKoZIhvcNAQEBBQADggEPADCCAQoCggEBAJHRcxn8PKQwZoH2abxJsANnqMGR6Qhk1vSENCDtLM4XbfTwY9Pj4+tsTA0OJ43tNpgyHDKzG7th2XF6zdmlJqVXdNPBnYe+XwLneopDhj3KPTun7K8/OB54pvlcOigid47Q4Nwg4KPtkhhgiR/+RPejgWPRvU50pccicRxqq7r3odNECNdGyNJRvXcmn8uqNByUAbFE8TqOuEOg/OC/UFsPCuZSZ4gEE/9VDAqOSXhe8tA9KQtPj426AHnmeVQ0lUkC1hB+SwOzuHiNmvkWgLFZ4659x5HtrS1CRRKS2OX0cyNb/J9U1g2tL4XscwJtXzvLTGKAzdWonsHxfcp1mR8CAwEAAaAAMDwGCSqGSIb3DQEBCjAvoA8wDQYJYIZIAWUDBAIBBQChHDAaBgkqhkiG9w0BAQgwDQYJYIZIAWUDBAIBBQADggEBAFLYTUM1pS4wN93VQ72xrCK/6/MUikYUt6SJ5Y0JpQzCrimFjsIqcdxTt/XHpnSeI07xMyiuj7BEJkIZH3QaFxlGA/oSiySrDHoX81fCc6SE5CMtvtvGolK5WZcn983mpo9vHNenlIoPtG1jMtBVVjWdUIY1eh8NrkgvPDjaN1oWsEgPigvFE5+NO5fC9N0qUHcXCSOh8HpuntPpXxhvqQSp5t1bNoaJCa5tMdVjM5xmFoSt9bfjhPmdsTooJA28LceRTcwuRhYEywf7Wf7Z2LEWa7RIVxRbTZu7qBM+0myzLHbQwxO92cZ5X3g3wYln5b6keFUf8Jx6XwTXjCgc/2E=";

fn base64(bytes: impl AsRef<[u8]>) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn armored(tag: &str, der: &[u8]) -> String {
    format!("-----BEGIN {tag}-----\n{}\n-----END {tag}-----\n", base64(der))
}

fn signed(key: &KeyPair, organizations: &[&str]) -> Vec<u8> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "jane");
    for name in organizations {
        params.distinguished_name.push(DnType::OrganizationName, *name);
    }
    params.serialize_request(key).unwrap().der().to_vec()
}

fn request() -> Vec<u8> {
    signed(&KeyPair::generate().unwrap(), &["dev"])
}

fn pem(der: &[u8]) -> String {
    base64(armored("CERTIFICATE REQUEST", der))
}

fn object(spec: Value) -> Value {
    json!({"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": "{ns}"}, "spec": spec})
}

fn spec(der: &[u8]) -> Value {
    json!({"request": pem(der), "signerName": "example.com/signer", "usages": ["client auth"]})
}

fn by(whom: &'static [&'static str], step: Step) -> Step {
    Step { as_whom: whom, ..step }
}

/// What a request says, one thing at a time: name and spec.
fn said() -> Vec<(&'static str, Value)> {
    let der = request();
    let base = spec(&der);
    let with = |field: &str, value: Value| {
        let mut spec = base.clone();
        spec[field] = value;
        spec
    };
    let other = |algorithm| signed(&KeyPair::generate_for(algorithm).unwrap(), &[]);
    let mut forged = der.clone();
    *forged.last_mut().unwrap() ^= 1;
    let mut other_subject = der.clone();
    let at = other_subject.windows(4).position(|part| part == b"jane").unwrap();
    other_subject[at] = b'J';
    let text = |pem: String| json!(base64(pem));
    let mut masters = spec(&signed(&KeyPair::generate().unwrap(), &["a", "system:masters"]));
    let elsewhere = masters.clone();
    masters["signerName"] = "kubernetes.io/kube-apiserver-client".into();
    let mut client = base.clone();
    client["signerName"] = "kubernetes.io/kube-apiserver-client".into();
    let mut all = vec![
        ("plain", base.clone()),
        ("for a master", masters),
        ("for a master of another signer", elsewhere),
        ("for a client", client),
        ("no PEM", with("request", json!(base64("hello")))),
        ("no request", with("request", json!(null))),
        ("an empty request", with("request", json!(""))),
        ("no base64", with("request", json!("%%%"))),
        ("another PEM", with("request", text(armored("CERTIFICATE", &der)))),
        ("an old PEM", with("request", text(armored("NEW CERTIFICATE REQUEST", &der)))),
        ("PEM of nothing", with("request", json!(pem(b"hello")))),
        ("cut short", with("request", json!(pem(&der[..der.len() - 5])))),
        ("too long", with("request", json!(pem(&[&der[..], b"x"].concat())))),
        ("forged", with("request", json!(pem(&forged)))),
        ("another subject", with("request", json!(pem(&other_subject)))),
        ("words before", with("request", text(format!("words\n{}", armored("CERTIFICATE REQUEST", &der))))),
        ("two requests", with("request", text(armored("CERTIFICATE REQUEST", &der).repeat(2)))),
        ("Ed25519", with("request", json!(pem(&other(&rcgen::PKCS_ED25519))))),
        ("P-384", with("request", json!(pem(&other(&rcgen::PKCS_ECDSA_P384_SHA384))))),
        ("P-521", with("request", json!(pem(&other(&rcgen::PKCS_ECDSA_P521_SHA512))))),
        ("RSA", with("request", json!(pem(&other(&rcgen::PKCS_RSA_SHA256))))),
        (
            "RSA with a salt",
            with("request", text(format!("-----BEGIN CERTIFICATE REQUEST-----\n{SALTED_32}\n-----END CERTIFICATE REQUEST-----\n"))),
        ),
        (
            "RSA with another salt",
            with("request", text(format!("-----BEGIN CERTIFICATE REQUEST-----\n{SALTED_20}\n-----END CERTIFICATE REQUEST-----\n"))),
        ),
        ("for nothing", with("usages", json!([]))),
        ("for null", with("usages", json!(null))),
        ("for what isn't known", with("usages", json!(["nope", "client auth", "client auth"]))),
        ("for all", with("usages", json!(["any", "s/mime", "microsoft sgc"]))),
        ("of somebody else", with("username", json!("other"))),
        ("with extra", with("extra", json!({"a": ["b"]}))),
        ("in groups", with("groups", json!(["a"]))),
        ("with a uid", with("uid", json!("u"))),
    ];
    let signers =
        ["", "a", "a/b", "kubernetes.io/legacy-unknown", "kubernetes.io/other", "example.com/", "/x", "Ex_ample.com/x", "example.com/X"];
    all.extend(signers.map(|signer| ("signer", with("signerName", json!(signer)))));
    all.extend(["example.com/a b/c", "example.com/a.b"].map(|signer| ("signer", with("signerName", json!(signer)))));
    let times = [600, 599, 0, -1, 86_400, 2_147_483_647, 2_147_483_648_i64];
    all.extend(times.map(|seconds| ("seconds", with("expirationSeconds", json!(seconds)))));
    all
}

fn conditions(conditions: Value) -> Value {
    json!({"status": {"conditions": conditions}})
}

fn condition(kind: &str, status: &str) -> Value {
    json!([{"type": kind, "status": status, "reason": "R", "message": "m"}])
}

pub fn all() -> Vec<Sequence> {
    let one = format!("{ALL}/{{ns}}");
    let create = |spec: Value| by(JANE, step("POST", ALL, JSON, object(spec)));
    let delete = || step("DELETE", one.clone(), "", Value::Null);
    let mut found = Vec::new();
    for (name, spec) in said() {
        let shown = json!([spec["signerName"], spec["usages"], spec["expirationSeconds"]]);
        let get = step("GET", one.clone(), "", Value::Null);
        found.push(Sequence { name: format!("request for a certificate: {name} {shown}"), steps: vec![create(spec), get, delete()] });
    }
    let to = |sub: &str, kind: &'static str, body: Value| by(JANE, step("PATCH", format!("{one}{sub}"), kind, body));
    let put = |sub: &str, spec: Value, status: Value| {
        let mut body = object(spec);
        body["status"] = status;
        by(JANE, step("PUT", format!("{one}{sub}"), JSON, body))
    };
    let base = spec(&request());
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap().pem();
    let certified = |text: &str| json!({"status": {"certificate": base64(text)}});
    let mut add = |name: &str, steps: Vec<Step>| {
        let steps = [vec![create(base.clone())], steps, vec![delete()]].concat();
        found.push(Sequence { name: format!("request for a certificate: {name}"), steps });
    };
    let mut changed = base.clone();
    changed["usages"] = json!(["server auth"]);
    changed["signerName"] = "no signer".into();
    changed["username"] = "other".into();
    add(
        "changes",
        vec![
            to("", MERGE, json!({"spec": {"usages": ["server auth"], "username": "other"}})),
            to("", MERGE, json!({"metadata": {"labels": {"a": "b"}}, "spec": {"signerName": "no signer"}})),
            to("", MERGE, conditions(condition("Approved", "True"))),
            put("", changed.clone(), json!({})),
            by(JANE, step("PATCH", format!("{one}?fieldManager=a"), APPLY, object(changed.clone()))),
            to("/status", MERGE, json!({"metadata": {"labels": {"c": "d"}}, "spec": {"usages": []}})),
            to("/approval", MERGE, json!({"metadata": {"labels": {"e": "f"}}, "spec": {"usages": []}})),
            to("", JSON_PATCH, json!([{"op": "remove", "path": "/spec/request"}])),
        ],
    );
    add(
        "applied",
        vec![
            by(JANE, step("PATCH", format!("{one}?fieldManager=a"), APPLY, object(base.clone()))),
            by(
                JANE,
                step("PATCH", format!("{one}/approval?fieldManager=a"), APPLY, {
                    let mut body =
                        json!({"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": "{ns}"}});
                    body["status"] = json!({"conditions": condition("Approved", "True")});
                    body
                }),
            ),
        ],
    );
    for kind in ["Approved", "Denied", "Failed", "Other", ""] {
        for status in ["True", "False", "Unknown", "Perhaps", ""] {
            let said = || conditions(condition(kind, status));
            add(
                &format!("condition {kind:?} {status:?}"),
                vec![
                    to("/status", MERGE, said()),
                    to("/approval", MERGE, said()),
                    to("/approval", MERGE, said()),
                    to("/approval", STRATEGIC, conditions(json!([{"type": kind, "status": status, "message": "other"}]))),
                    to("/status", MERGE, said()),
                    to("/status", STRATEGIC, conditions(json!([{"type": kind, "status": status, "message": "another"}]))),
                    to("/approval", MERGE, conditions(json!([]))),
                    to("/status", MERGE, conditions(json!(null))),
                    put("/approval", base.clone(), json!({"conditions": condition(kind, status)})),
                    put("/status", base.clone(), json!({})),
                ],
            );
        }
    }
    let pair = |one: &str, two: &str| {
        conditions(json!([{"type": one, "status": "True"}, {"type": two, "status": "True", "lastUpdateTime": "2024-01-01T00:00:00Z"}]))
    };
    for (one, two) in
        [("Approved", "Denied"), ("Denied", "Approved"), ("Approved", "Approved"), ("Approved", "Failed"), ("A", "A"), ("A", "B")]
    {
        add(&format!("conditions {one} {two}"), vec![to("/approval", MERGE, pair(one, two)), to("/status", MERGE, pair(one, two))]);
    }
    add(
        "times",
        vec![
            to(
                "/approval",
                MERGE,
                conditions(
                    json!([{"type": "Approved", "status": "True", "lastUpdateTime": null, "lastTransitionTime": "2024-01-01T00:00:00Z"}]),
                ),
            ),
            to("/approval", MERGE, conditions(json!([{"type": "Approved", "status": "True", "message": "later"}]))),
            to(
                "/approval",
                MERGE,
                conditions(
                    json!([{"type": "Approved", "status": "True", "lastUpdateTime": "2024-01-02T00:00:00Z"}, {"type": "X", "status": "True", "lastTransitionTime": "2024-01-03T00:00:00Z"}]),
                ),
            ),
            to(
                "/status",
                MERGE,
                conditions(
                    json!([{"type": "Approved", "status": "True"}, {"type": "X", "status": "False", "lastTransitionTime": "2024-01-04T00:00:00Z"}]),
                ),
            ),
        ],
    );
    for (name, text) in [
        ("one", certificate.clone()),
        ("two", certificate.repeat(2)),
        ("words", "hello".to_owned()),
        ("another PEM", armored("CERTIFICATE REQUEST", &request())),
        ("headers", "-----BEGIN CERTIFICATE-----\nA: b\n\naGVsbG8=\n-----END CERTIFICATE-----\n".to_owned()),
        ("nothing", armored("CERTIFICATE", b"")),
        ("no certificate", armored("CERTIFICATE", b"hello")),
        ("cut short", armored("CERTIFICATE", &request())),
    ] {
        add(
            &format!("certificate: {name}"),
            vec![
                to("/approval", MERGE, certified(&text)),
                to("", MERGE, certified(&text)),
                to("/status", MERGE, certified(&text)),
                to("/status", MERGE, certified(&certificate)),
                to("/status", MERGE, certified("")),
                to("/status", MERGE, conditions(condition("Ready", "True"))),
            ],
        );
    }
    add(
        "elsewhere",
        vec![
            by(JANE, step("POST", format!("{one}/approval"), JSON, object(base.clone()))),
            step("GET", format!("{one}/approval"), "", Value::Null),
            step("DELETE", format!("{one}/approval"), "", Value::Null),
            step("GET", format!("{ALL}?fieldSelector=spec.signerName%3Dexample.com%2Fnone"), "", Value::Null),
            step("PUT", format!("{ALL}/none-of-{{ns}}/approval"), JSON, object(base.clone())),
            step("PATCH", format!("{ALL}/none-of-{{ns}}/approval"), MERGE, conditions(condition("Approved", "True"))),
        ],
    );
    for signers in ["example.com/signer", "example.com/*", "example.com/other", "other.com/*"] {
        let role = json!({"metadata": {"name": "{ns}"}, "rules": [
            {"apiGroups": ["certificates.k8s.io"], "resources": ["certificatesigningrequests", "certificatesigningrequests/approval", "certificatesigningrequests/status"], "verbs": ["*"]},
            {"apiGroups": ["certificates.k8s.io"], "resources": ["signers"], "resourceNames": [signers], "verbs": ["approve", "sign"]}]});
        let binding = json!({"metadata": {"name": "{ns}"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "{ns}"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "joe"}]});
        let rights = "/apis/rbac.authorization.k8s.io/v1";
        let joe = |sub: &str, body: Value| by(JOE, step("PATCH", format!("{one}{sub}"), MERGE, body));
        add(
            &format!("whoever may for {signers}"),
            vec![
                joe("", json!({"metadata": {"labels": {"a": "b"}}})),
                step("POST", format!("{rights}/clusterroles"), JSON, role),
                step("POST", format!("{rights}/clusterrolebindings"), JSON, binding),
                joe("/approval", conditions(condition("Approved", "True"))),
                joe("/approval", conditions(condition("Denied", "Perhaps"))),
                joe("/status", json!({"metadata": {"labels": {"a": "c"}}})),
                joe("/status", certified(&certificate)),
                joe("", json!({"metadata": {"labels": {"a": "d"}}})),
                step("DELETE", format!("{rights}/clusterrolebindings/{{ns}}"), "", Value::Null),
                step("DELETE", format!("{rights}/clusterroles/{{ns}}"), "", Value::Null),
            ],
        );
    }
    found
}
