//! TC3-HMAC-SHA256, one pure function per stage.
//!
//! ```text
//! body bytes ──payload_hash──▶ canonical_request ──string_to_sign──▶ signature ──authorization──▶ header
//!                                        time ─┘      secret key ──signing_key─┘
//! ```
//!
//! The time is an argument because it is the fence of a submission (I2): a request is signed with the time its intent
//! carries, and the cloud refuses it five minutes later. Nothing here reads a clock, so nothing here can move the fence.
//!
//! Only `content-type` and `host` are signed, as the vendor's own clients do; action, region and token are not covered
//! by the signature. The content type and the body must therefore be sent byte for byte as they were signed.
//!
//! A signing crate was no alternative: the published ones know no session token or differ in the header's spelling, and
//! sixty lines over `hmac` and `sha2` can be checked against the vendor's vectors at each stage.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use jiff::tz::Offset;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// Name of the algorithm, first word of the string to sign and of the header.
pub const ALGORITHM: &str = "TC3-HMAC-SHA256";
/// The signed headers, in the order in which they are signed.
pub const SIGNED_HEADERS: &str = "content-type;host";
/// Last part of every scope.
const TERMINATOR: &str = "tc3_request";
/// Block size of SHA-256 in bytes, which HMAC pads its key to.
const BLOCK: usize = 64;

/// What the signature of one request is computed over, apart from the key.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The service in the scope: `sqlserver` for every host of it.
    pub service: &'a str,
    /// The `Host` header, port included if it is sent.
    pub host: &'a str,
    /// The `Content-Type` header, to the byte.
    pub content_type: &'a str,
    /// The body, to the byte.
    pub body: &'a [u8],
    /// When the request says it was made.
    pub at: Timestamp,
}

/// A key derived from the secret for one day and one service. Wiped when dropped, never printed.
pub struct SigningKey(Zeroizing<[u8; 32]>);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

/// The value of the `Authorization` header: all stages, one after the other.
pub fn sign(secret_id: &str, secret_key: &SecretString, subject: &Subject<'_>) -> String {
    let request = canonical_request(subject.content_type, subject.host, &payload_hash(subject.body));
    let date = utc_date(subject.at);
    let text = string_to_sign(subject.at, &scope(&date, subject.service), &request);
    let signature = signature(&signing_key(secret_key, &date, subject.service), &text);
    authorization(secret_id, &scope(&date, subject.service), &signature)
}

/// Lower-case hexadecimal SHA-256 of the body.
pub fn payload_hash(body: &[u8]) -> String {
    hex::encode(Sha256::digest(body))
}

/// The request in the form that is hashed: always `POST /` without a query.
pub fn canonical_request(content_type: &str, host: &str, payload_hash: &str) -> String {
    let (content_type, host) = (content_type.trim().to_lowercase(), host.trim().to_lowercase());
    format!("POST\n/\n\ncontent-type:{content_type}\nhost:{host}\n\n{SIGNED_HEADERS}\n{payload_hash}")
}

/// The UTC day of `at`, `yyyy-mm-dd`. A local day would fail around midnight.
pub fn utc_date(at: Timestamp) -> String {
    Offset::UTC.to_datetime(at).date().to_string()
}

/// `{date}/{service}/tc3_request`.
pub fn scope(date: &str, service: &str) -> String {
    format!("{date}/{service}/{TERMINATOR}")
}

/// What is signed: algorithm, time in whole seconds, scope, and the hash of the canonical request.
pub fn string_to_sign(at: Timestamp, scope: &str, canonical_request: &str) -> String {
    let hash = hex::encode(Sha256::digest(canonical_request));
    format!("{ALGORITHM}\n{}\n{scope}\n{hash}", at.as_second())
}

/// The key of one day and service.
pub fn signing_key(secret_key: &SecretString, date: &str, service: &str) -> SigningKey {
    let secret = Zeroizing::new(format!("TC3{}", secret_key.expose_secret()));
    let of_day = mac(secret.as_bytes(), date);
    let of_service = mac(&*of_day, service);
    SigningKey(mac(&*of_service, TERMINATOR))
}

/// Lower-case hexadecimal signature of the string to sign.
pub fn signature(key: &SigningKey, string_to_sign: &str) -> String {
    hex::encode(mac(&*key.0, string_to_sign).as_slice())
}

/// The header's value from its parts.
pub fn authorization(secret_id: &str, scope: &str, signature: &str) -> String {
    format!("{ALGORITHM} Credential={secret_id}/{scope}, SignedHeaders={SIGNED_HEADERS}, Signature={signature}")
}

/// HMAC-SHA256. The key is brought to one block as RFC 2104 says, since the constructor for a block cannot fail.
fn mac(key: &[u8], text: &str) -> Zeroizing<[u8; 32]> {
    let mut block = Zeroizing::new([0_u8; BLOCK]);
    if let Some(slot) = block.get_mut(..key.len()) {
        slot.copy_from_slice(key);
    } else {
        let hashed = Zeroizing::new(<[u8; 32]>::from(Sha256::digest(key)));
        block.iter_mut().zip(hashed.iter()).for_each(|(slot, byte)| *slot = *byte);
    }
    let mac = Hmac::<Sha256>::new((&*block).into()).chain_update(text);
    Zeroizing::new(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn vectors() -> Vec<Value> {
        let text = include_str!("../../tests/fixtures/tc3-vectors.json");
        let file: Value = serde_json::from_str(text).unwrap();
        let of = |key: &str| file[key].as_array().unwrap().clone();
        [of("vectors"), of("extra")].concat()
    }

    #[test]
    fn every_vector_agrees_at_every_stage() {
        let all = vectors();
        assert_eq!(all.len(), 10);
        for vector in &all {
            let name = vector["name"].as_str().unwrap();
            let given = |key: &str| vector["input"][key].as_str().unwrap();
            let wanted = |key: &str| vector["output"][key].as_str().unwrap();
            let at = Timestamp::from_second(vector["input"]["timestamp"].as_i64().unwrap()).unwrap();
            let secret_key = SecretString::from(given("secretKey"));

            let payload = payload_hash(given("payload").as_bytes());
            assert_eq!(payload, wanted("payloadSha256"), "{name}: payload");
            let request = canonical_request(given("contentType"), given("host"), &payload);
            assert_eq!(request, wanted("canonicalRequest"), "{name}: canonical request");
            assert_eq!(payload_hash(request.as_bytes()), wanted("canonicalRequestSha256"), "{name}: request hash");
            let date = utc_date(at);
            assert_eq!(date, wanted("utcDate"), "{name}: date");
            let scope = scope(&date, given("service"));
            let text = string_to_sign(at, &scope, &request);
            assert_eq!(text, wanted("stringToSign"), "{name}: string to sign");
            let signature = signature(&signing_key(&secret_key, &date, given("service")), &text);
            assert_eq!(signature, wanted("signature"), "{name}: signature");
            assert_eq!(SIGNED_HEADERS, wanted("signedHeaders"), "{name}: signed headers");
            let header = authorization(given("secretId"), &scope, &signature);
            assert_eq!(header, wanted("authorization"), "{name}: authorization");

            let subject = Subject {
                service: given("service"),
                host: given("host"),
                content_type: given("contentType"),
                body: given("payload").as_bytes(),
                at,
            };
            assert_eq!(sign(given("secretId"), &secret_key, &subject), header, "{name}: all stages");
        }
    }

    #[test]
    fn hmac_follows_rfc_4231_on_both_sides_of_the_block() {
        let long = mac(&[0xaa; 131], "Test Using Larger Than Block-Size Key - Hash Key First");
        assert_eq!(hex::encode(&long[..4]), "60e43159");
        assert_eq!(hex::encode(&mac(b"Jefe", "what do ya want for nothing?")[..4]), "5bdcc146");
    }

    #[test]
    fn a_fraction_of_a_second_does_not_reach_the_signature() {
        let whole = Timestamp::from_second(1_700_000_000).unwrap();
        let later = Timestamp::new(1_700_000_000, 999_999_999).unwrap();
        assert_eq!(string_to_sign(whole, "s", "r"), string_to_sign(later, "s", "r"));
    }

    #[test]
    fn the_derived_key_is_not_printed() {
        let key = signing_key(&SecretString::from("k"), "2023-11-14", "sqlserver");
        assert_eq!(format!("{key:?}"), "SigningKey(…)");
    }
}
