//! Tokens of service accounts: JWTs that a key of the cluster's own signs, and that it knows again.

use std::fmt;
use std::io::Write as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use rcgen::{KeyPair, PublicKeyData as _, SigningKey as _};
use rustls::SignatureScheme;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::cluster::open_private;

use super::rights::User;
use super::world::State;

/// Who says that the tokens are good, and for whom they are if they don't say.
pub const ISSUER: &str = "https://kubernetes.default.svc";

/// How far clocks may be apart.
const LEEWAY: i64 = 60;

/// How many bytes each of a signature's two numbers has.
const HALF: usize = 32;

/// The key that signs.
pub struct Signer {
    key: KeyPair,
    /// What tokens call it.
    id: String,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Signer {
    /// A key that nobody had before.
    ///
    /// # Errors
    /// None can be made.
    pub fn fresh() -> std::io::Result<Self> {
        KeyPair::generate().map(Self::of).map_err(std::io::Error::other)
    }

    /// The key in a file; makes one, if there is no file.
    ///
    /// # Errors
    /// It can't be read or written.
    pub fn kept(file: &Path) -> std::io::Result<Self> {
        match std::fs::read_to_string(file) {
            Ok(text) => KeyPair::from_pem(&text).map(Self::of).map_err(std::io::Error::other),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let made = Self::fresh()?;
                let mut file = open_private(std::fs::OpenOptions::new().write(true).create_new(true), file)?;
                file.write_all(made.key.serialize_pem().as_bytes())?;
                file.sync_all()?;
                Ok(made)
            }
            Err(error) => Err(error),
        }
    }

    fn of(key: KeyPair) -> Self {
        let id = URL_SAFE_NO_PAD.encode(Sha256::digest(key.subject_public_key_info()));
        Self { key, id }
    }

    /// A signed token with these claims.
    ///
    /// # Errors
    /// The key can't sign.
    pub fn sign(&self, claims: &Value) -> Result<String, String> {
        let header = json!({"alg": "ES256", "kid": self.id});
        let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature = self.key.sign(text.as_bytes()).map_err(|error| error.to_string())?;
        let signature = flat(&signature).ok_or("the signature has a form that isn't known")?;
        Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    fn signed(&self, text: &str, signature: &[u8]) -> bool {
        let Some(signature) = der(signature) else { return false };
        let known = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms;
        let ours = known.mapping.iter().filter(|(scheme, _)| *scheme == SignatureScheme::ECDSA_NISTP256_SHA256);
        ours.flat_map(|(_, algorithms)| algorithms.iter())
            .any(|algorithm| algorithm.verify_signature(self.key.der_bytes(), text.as_bytes(), &signature).is_ok())
    }

    /// The key's public half, as whoever checks tokens elsewhere gets it.
    pub fn keys(&self) -> Value {
        // Uncompressed: a mark, and two numbers.
        let point = self.key.der_bytes().get(1..).unwrap_or_default();
        let (x, y) = point.split_at(point.len() / 2);
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        json!({"keys": [{"use": "sig", "kty": "EC", "kid": self.id, "crv": "P-256", "alg": "ES256", "x": x, "y": y}]})
    }
}

/// A signature's two numbers in a row, from ASN.1.
fn flat(signature: &[u8]) -> Option<Vec<u8>> {
    let [0x30, _, rest @ ..] = signature else { return None };
    let mut rest = rest;
    let mut out = Vec::with_capacity(2 * HALF);
    for _ in 0..2 {
        let [0x02, length, after @ ..] = rest else { return None };
        let (number, after) = after.split_at_checked(usize::from(*length))?;
        let number = &number[number.iter().take_while(|byte| **byte == 0).count()..];
        out.extend(std::iter::repeat_n(0, HALF.checked_sub(number.len())?));
        out.extend(number);
        rest = after;
    }
    Some(out)
}

/// The other way.
fn der(signature: &[u8]) -> Option<Vec<u8>> {
    let (one, two) = (signature.len() == 2 * HALF).then(|| signature.split_at(HALF))?;
    let mut body = Vec::new();
    for number in [one, two] {
        let mut number = number[number.iter().take_while(|byte| **byte == 0).count()..].to_vec();
        // Neither empty nor negative.
        if number.first().is_none_or(|first| first & 0x80 != 0) {
            number.insert(0, 0);
        }
        body.extend([0x02, u8::try_from(number.len()).ok()?]);
        body.extend(number);
    }
    Some([vec![0x30, u8::try_from(body.len()).ok()?], body].concat())
}

/// What a token is good for.
pub struct Bearer {
    /// Whose it is.
    pub user: User,
    /// For whom, of those that were asked about.
    pub audiences: Vec<String>,
}

/// Why a token is none.
pub enum Rejected {
    /// It isn't one of this cluster's.
    Foreign,
    /// It is, or says so, and isn't good.
    Bad(String),
}

/// Whose a token is. `audiences`: for whom it is to be; nobody: for the cluster.
///
/// # Errors
/// It is none, or no longer.
pub fn authenticate(state: &State, token: &str, audiences: &[String]) -> Result<Bearer, Rejected> {
    let own = [ISSUER.to_owned()];
    let wanted = if audiences.is_empty() { &own } else { audiences };
    let (claims, is_signed) = read(&state.signer, token).ok_or(Rejected::Foreign)?;
    is_signed.map_err(|why| Rejected::Bad(why.to_owned()))?;
    let said: Vec<String> = claims["aud"].as_array().into_iter().flatten().filter_map(|one| one.as_str().map(str::to_owned)).collect();
    let common: Vec<String> = said.iter().filter(|one| wanted.contains(one)).cloned().collect();
    let bad = |why: String| Err(Rejected::Bad(why));
    if common.is_empty() {
        let shown = |all: &[String]| format!("[{}]", all.iter().map(|one| format!("{one:?}")).collect::<Vec<_>>().join(" "));
        return bad(format!("token audiences {} is invalid for the target audiences {}", shown(&said), shown(wanted)));
    }
    let moment = |name: &str| claims[name].as_i64().and_then(|second| Timestamp::from_second(second).ok());
    let now = state.now.as_second();
    if moment("exp").is_some_and(|end| now - LEEWAY > end.as_second()) {
        return bad("service account token has expired".to_owned());
    }
    if moment("nbf").is_some_and(|begin| now + LEEWAY < begin.as_second()) {
        return bad("service account token is not valid yet".to_owned());
    }
    is_still_bound(state, &claims["kubernetes.io"]).map_err(Rejected::Bad)?;
    Ok(Bearer { user: user(&claims), audiences: common })
}

/// The claims of a token that names this issuer, and whether they are signed.
fn read(signer: &Signer, token: &str) -> Option<(Value, Result<(), &'static str>)> {
    let (text, signature) = token.rsplit_once('.')?;
    let (header, claims) = text.split_once('.')?;
    let part = |text: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(text).ok()?).ok();
    let claims = part(claims).filter(|claims| claims["iss"] == ISSUER)?;
    let header = part(header)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    if header["kid"].as_str().is_some_and(|id| !id.is_empty() && id != signer.id) {
        return Some((claims, Err("invalid signature, no keys found")));
    }
    let good = header["alg"] == "ES256" && signer.signed(text, &signature);
    Some((claims, good.then_some(()).ok_or("go-jose/go-jose: error in cryptographic primitive")))
}

/// Whether the account, and what the token is bound to, are still those that it was made for.
fn is_still_bound(state: &State, private: &Value) -> Result<(), String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let namespace = text(&private["namespace"]);
    let account = &private["serviceaccount"];
    let Some(found) = state.store.find("serviceaccounts", &namespace, &text(&account["name"])) else {
        return Err(format!("serviceaccounts \"{}\" not found", text(&account["name"])));
    };
    if found["metadata"]["uid"] != account["uid"] {
        return Err(format!("service account UID ({}) does not match claim ({})", text(&found["metadata"]["uid"]), text(&account["uid"])));
    }
    for (field, plural) in [("secret", "secrets"), ("pod", "pods"), ("node", "nodes")] {
        let bound = &private[field];
        // A pod's node is told, and no more.
        if bound.is_null() || (field == "node" && !private["pod"].is_null()) {
            continue;
        }
        let within = if field == "node" { "" } else { namespace.as_str() };
        let Some(found) = state.store.find(plural, within, &text(&bound["name"])) else {
            return Err("service account token has been invalidated".to_owned());
        };
        if found["metadata"]["uid"] != bound["uid"] {
            let (live, said) = (text(&found["metadata"]["uid"]), text(&bound["uid"]));
            return Err(format!("{field} UID ({live}) does not match service account {field} ref claim ({said})"));
        }
    }
    Ok(())
}

fn user(claims: &Value) -> User {
    let private = &claims["kubernetes.io"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let namespace = text(&private["namespace"]);
    let mut extra = vec![("credential-id", format!("JTI={}", text(&claims["jti"])))];
    for (kind, of) in [("node", &private["node"]), ("pod", &private["pod"])] {
        if of.is_object() {
            let names = if kind == "node" { ["node-name", "node-uid"] } else { ["pod-name", "pod-uid"] };
            extra.extend([(names[0], text(&of["name"])), (names[1], text(&of["uid"]))].into_iter().filter(|(_, value)| !value.is_empty()));
        }
    }
    User {
        name: text(&claims["sub"]),
        uid: text(&private["serviceaccount"]["uid"]),
        groups: vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}"), "system:authenticated".to_owned()],
        extra: extra.into_iter().map(|(key, value)| (format!("authentication.kubernetes.io/{key}"), vec![value])).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_the_key_that_signed_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        let signer = Signer::kept(&file).unwrap();
        let claims = json!({"iss": ISSUER, "sub": "x"});
        // Numbers of signatures are of any length.
        for _ in 0..300 {
            let token = signer.sign(&claims).unwrap();
            assert!(matches!(read(&signer, &token), Some((_, Ok(())))), "{token}");
        }
        let token = signer.sign(&claims).unwrap();
        assert!(matches!(read(&Signer::kept(&file).unwrap(), &token), Some((_, Ok(())))), "the key is kept");
        assert!(matches!(read(&Signer::fresh().unwrap(), &token), Some((_, Err(_)))), "another key");
        let forged =
            format!("{}.{}", token.split('.').next().unwrap(), URL_SAFE_NO_PAD.encode(json!({"iss": ISSUER, "sub": "y"}).to_string()));
        let forged = format!("{forged}.{}", token.rsplit('.').next().unwrap());
        assert!(matches!(read(&signer, &forged), Some((_, Err(_)))), "other claims");
        assert!(read(&signer, &signer.sign(&json!({"iss": "other"})).unwrap()).is_none());
        assert!(read(&signer, "a.b.c").is_none());
    }
}
