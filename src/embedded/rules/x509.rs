//! What certificates and requests for them say, and whether requests are signed by whoever they are for.

use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use x509_parser::asn1_rs::Any;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::signature_algorithm::RsaSsaPssParams;

/// Organisations that a request is for.
///
/// # Errors
/// It is none, or isn't signed with the key that it is about; in the server's words, but for what is inside the PEM, of which
/// Go's decoder has words of its own.
pub fn organizations(pem: &[u8]) -> Result<Vec<String>, String> {
    let block = pem::parse(pem).ok().filter(|block| block.tag() == "CERTIFICATE REQUEST");
    let block = block.ok_or("PEM block type must be CERTIFICATE REQUEST")?;
    let (rest, request) =
        X509CertificationRequest::from_der(block.contents()).map_err(|_| "asn1: structure error: no certificate request".to_owned())?;
    if !rest.is_empty() {
        return Err("asn1: syntax error: trailing data".to_owned());
    }
    let info = &request.certification_request_info;
    let key = &info.subject_pki;
    let curve = key.algorithm.parameters.as_ref().and_then(|parameters| parameters.as_oid().ok()).map(|curve| curve.to_id_string());
    let signed = &request.signature_algorithm;
    let (algorithm, failure) = match signed.algorithm.to_id_string().as_str() {
        PSS => padded(signed.parameters.as_ref()).ok_or(UNKNOWN)?,
        of => algorithm(of, curve.as_deref())?,
    };
    UnparsedPublicKey::new(algorithm, &key.subject_public_key.data)
        .verify(info.raw, &request.signature_value.data)
        .map_err(|_| failure.to_owned())?;
    Ok(info.subject.iter_organization().filter_map(|name| name.as_str().ok().map(str::to_owned)).collect())
}

const PSS: &str = "1.2.840.113549.1.1.10";
const UNKNOWN: &str = "x509: cannot verify signature: algorithm unimplemented";
const RSA: &str = "crypto/rsa: verification error";

/// RSA with a salt: as long as the hash, and with that hash throughout, or it isn't known.
fn padded(parameters: Option<&Any<'_>>) -> Option<Algorithm> {
    let parameters = RsaSsaPssParams::try_from(parameters?).ok()?;
    let hash = parameters.hash_algorithm_oid().to_id_string();
    let mask = parameters.mask_gen_algorithm().ok()?;
    if mask.mgf.to_id_string() != "1.2.840.113549.1.1.8" || mask.hash.to_id_string() != hash || parameters.trailer_field() != 1 {
        return None;
    }
    Some(match (hash.as_str(), parameters.salt_length()) {
        ("2.16.840.1.101.3.4.2.1", 32) => (&signature::RSA_PSS_2048_8192_SHA256, RSA),
        ("2.16.840.1.101.3.4.2.2", 48) => (&signature::RSA_PSS_2048_8192_SHA384, RSA),
        ("2.16.840.1.101.3.4.2.3", 64) => (&signature::RSA_PSS_2048_8192_SHA512, RSA),
        _ => return None,
    })
}

type Algorithm = (&'static dyn VerificationAlgorithm, &'static str);

/// How a signature is checked, and what is said when it isn't good: by the signature's algorithm, and the key's curve.
fn algorithm(of: &str, curve: Option<&str>) -> Result<Algorithm, String> {
    const ECDSA: &str = "x509: ECDSA verification failure";
    const P256: Option<&str> = Some("1.2.840.10045.3.1.7");
    const P384: Option<&str> = Some("1.3.132.0.34");
    const P521: Option<&str> = Some("1.3.132.0.35");
    Ok(match (of, curve) {
        ("1.2.840.113549.1.1.5", _) => (&signature::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA),
        ("1.2.840.113549.1.1.11", _) => (&signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, RSA),
        ("1.2.840.113549.1.1.12", _) => (&signature::RSA_PKCS1_2048_8192_SHA384, RSA),
        ("1.2.840.113549.1.1.13", _) => (&signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY, RSA),
        ("1.2.840.10045.4.1", P256) => (&signature::ECDSA_P256_SHA1_ASN1, ECDSA),
        ("1.2.840.10045.4.3.2", P256) => (&signature::ECDSA_P256_SHA256_ASN1, ECDSA),
        ("1.2.840.10045.4.3.3", P256) => (&signature::ECDSA_P256_SHA384_ASN1, ECDSA),
        ("1.2.840.10045.4.3.4", P256) => (&signature::ECDSA_P256_SHA512_ASN1, ECDSA),
        ("1.2.840.10045.4.3.2", P384) => (&signature::ECDSA_P384_SHA256_ASN1, ECDSA),
        ("1.2.840.10045.4.3.3", P384) => (&signature::ECDSA_P384_SHA384_ASN1, ECDSA),
        ("1.2.840.10045.4.3.4", P384) => (&signature::ECDSA_P384_SHA512_ASN1, ECDSA),
        ("1.2.840.10045.4.1", P521) => (&signature::ECDSA_P521_SHA1_ASN1, ECDSA),
        ("1.2.840.10045.4.3.2", P521) => (&signature::ECDSA_P521_SHA256_ASN1, ECDSA),
        ("1.2.840.10045.4.3.3", P521) => (&signature::ECDSA_P521_SHA384_ASN1, ECDSA),
        ("1.2.840.10045.4.3.4", P521) => (&signature::ECDSA_P521_SHA512_ASN1, ECDSA),
        ("1.3.101.112", _) => (&signature::ED25519, "x509: Ed25519 verification failure"),
        ("1.2.840.113549.1.1.4", _) => return Err("x509: cannot verify signature: insecure algorithm MD5-RSA".to_owned()),
        _ => return Err(UNKNOWN.to_owned()),
    })
}

/// Whether there are certificates, and nothing else.
///
/// # Errors
/// In the server's words.
pub fn certificates(pem: &[u8]) -> Result<(), String> {
    let blocks = pem::parse_many(pem).unwrap_or_default();
    if blocks.is_empty() {
        return Err("must contain at least one CERTIFICATE PEM block".to_owned());
    }
    for block in blocks {
        if block.tag() != "CERTIFICATE" {
            return Err(format!("only CERTIFICATE PEM blocks are allowed, found {:?}", block.tag()));
        }
        if block.headers().iter().next().is_some() {
            return Err("no PEM block headers are permitted".to_owned());
        }
        let mut rest = block.contents();
        if rest.is_empty() {
            return Err("found CERTIFICATE PEM block containing 0 certificates".to_owned());
        }
        while !rest.is_empty() {
            let (more, _) = X509Certificate::from_der(rest).map_err(|_| "x509: malformed certificate".to_owned())?;
            rest = more;
        }
    }
    Ok(())
}
