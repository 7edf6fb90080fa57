//! TC3-HMAC-SHA256, seen from the cloud's side: is this request signed by the key it names?
//!
//! Guarantees that a request passes only if its method, its `Host`, its `Content-Type` and its body are, to the byte, those
//! that were signed. Pure: no clock, no state. It shares no line and no library with the operator's signer, because two
//! programs that share a mistake agree on it.

use hyper::HeaderMap;
use ring::{digest, hmac};

/// The one signing algorithm.
const ALGORITHM: &str = "TC3-HMAC-SHA256";

/// What an `Authorization` header claims, after its syntax was checked and before anything was believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) secret_id: String,
    /// UTC day of the signature, `yyyy-MM-dd`.
    pub(crate) date: String,
    pub(crate) service: String,
    /// Lower-case, sorted, distinct.
    signed_headers: Vec<String>,
    /// 64 lower-case hexadecimal digits.
    pub(crate) signature: String,
}

impl Claim {
    /// Reads an `Authorization` value. The error says, in words for the caller of the API, what is wrong with it.
    pub(crate) fn parse(authorization: &str) -> Result<Self, String> {
        let rest = authorization
            .strip_prefix(ALGORITHM)
            .and_then(|rest| rest.strip_prefix(' '))
            .ok_or_else(|| format!("the algorithm must be {ALGORITHM}"))?;
        let mut parts = rest.split(',').map(str::trim_start);
        let mut part = |name: &str| {
            parts
                .next()
                .and_then(|part| part.strip_prefix(name))
                .and_then(|part| part.strip_prefix('='))
                .ok_or_else(|| format!("{name} is missing or not where it belongs"))
        };
        let (credential, signed_headers, signature) = (part("Credential")?, part("SignedHeaders")?, part("Signature")?);
        if parts.next().is_some() {
            return Err("something follows the Signature".to_owned());
        }
        let scope: Vec<&str> = credential.split('/').collect();
        let [secret_id, date, service, "tc3_request"] = scope.as_slice() else {
            return Err("Credential must read SecretId/Date/Service/tc3_request".to_owned());
        };
        if signature.len() != 64 || !signature.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            return Err("Signature must be 64 lower-case hexadecimal digits".to_owned());
        }
        Ok(Self {
            secret_id: (*secret_id).to_owned(),
            date: (*date).to_owned(),
            service: (*service).to_owned(),
            signed_headers: signed_headers.split(';').map(str::to_owned).collect(),
            signature: signature.to_owned(),
        })
    }

    /// Whether `secret_key` made this signature over this request. `timestamp` is the text of `X-TC-Timestamp`. The error
    /// says which rule the signed headers break; `Ok(false)` is a signature that does not fit.
    pub(crate) fn is_made_by(
        &self,
        secret_key: &str,
        timestamp: &str,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<bool, String> {
        let canonical = self.canonical_request(headers, body)?;
        let scope = format!("{}/{}/tc3_request", self.date, self.service);
        let to_sign = format!("{ALGORITHM}\n{timestamp}\n{scope}\n{}", sha256_hex(canonical.as_bytes()));
        let day = mac(format!("TC3{secret_key}").as_bytes(), &self.date);
        let service = mac(day.as_ref(), &self.service);
        let signing = mac(service.as_ref(), "tc3_request");
        let key = hmac::Key::new(hmac::HMAC_SHA256, signing.as_ref());
        // Compared in constant time by the library, on bytes: the syntax check above made the text unambiguous.
        Ok(hmac::verify(&key, to_sign.as_bytes(), &bytes_of(&self.signature)).is_ok())
    }

    fn canonical_request(&self, headers: &HeaderMap, body: &[u8]) -> Result<String, String> {
        for needed in ["content-type", "host"] {
            if !self.signed_headers.iter().any(|name| name == needed) {
                return Err(format!("{needed} must be among the signed headers"));
            }
        }
        if !self.signed_headers.is_sorted_by(|a, b| a < b) {
            return Err("the signed headers must be sorted and each named once".to_owned());
        }
        let mut lines = String::new();
        for name in &self.signed_headers {
            let value = single(headers, name).ok_or_else(|| format!("the signed header {name} is not sent once"))?;
            lines.extend([name, ":", &value.trim().to_lowercase(), "\n"]);
        }
        let payload = match single(headers, "x-tc-content-sha256") {
            Some("UNSIGNED-PAYLOAD") => sha256_hex(b"UNSIGNED-PAYLOAD"),
            _ => sha256_hex(body),
        };
        Ok(format!("POST\n/\n\n{lines}\n{}\n{payload}", self.signed_headers.join(";")))
    }
}

/// The value of a header that is sent exactly once, as text.
pub(crate) fn single<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = std::str::from_utf8(values.next()?.as_bytes()).ok()?;
    values.next().is_none().then_some(value)
}

fn mac(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

fn sha256_hex(bytes: &[u8]) -> String {
    let digits = |byte: &u8| [byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap_or('0'));
    digest::digest(&digest::SHA256, bytes).as_ref().iter().flat_map(digits).collect()
}

fn bytes_of(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks(2)
        .filter_map(|pair| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The worked example that the vendor publishes with its signature page (another service; the rules are the same).
    const PUBLISHED: &str = "TC3-HMAC-SHA256 Credential=AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE/2019-02-25/cvm/tc3_request, \
        SignedHeaders=content-type;host, Signature=72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168";
    const BODY: &[u8] = br#"{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}"#;

    fn headers(content_type: &str, host: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", content_type.parse().unwrap());
        headers.insert("host", host.parse().unwrap());
        headers
    }

    fn published(content_type: &str, host: &str, key: &str, timestamp: &str, body: &[u8]) -> bool {
        let claim = Claim::parse(PUBLISHED).unwrap();
        claim.is_made_by(key, timestamp, &headers(content_type, host), body).unwrap()
    }

    #[test]
    fn the_published_example_passes_and_every_changed_byte_of_it_fails() {
        let (kind, host) = ("application/json; charset=utf-8", "cvm.tencentcloudapi.com");
        let (key, time) = ("Gu5t9xGARNpq86cd98joQYCN3EXAMPLE", "1551113065");
        assert!(published(kind, host, key, time, BODY));
        assert!(!published("application/json", host, key, time, BODY));
        assert!(!published(kind, "cvm.tencentcloudapi.com:443", key, time, BODY));
        assert!(!published(kind, host, "Gu5t9xGARNpq86cd98joQYCN3EXAMPLF", time, BODY));
        assert!(!published(kind, host, key, "1551113066", BODY));
        assert!(!published(kind, host, key, time, b"{}"));
    }

    #[test]
    fn an_authorization_of_another_shape_is_refused_with_its_reason() {
        for (from, to, reason) in [
            ("TC3-HMAC-SHA256 ", "TC3-HMAC-SHA1 ", "algorithm"),
            ("Credential", "Credentials", "Credential is missing"),
            ("/cvm/", "/", "SecretId/Date/Service"),
            ("tc3_request", "tc4_request", "SecretId/Date/Service"),
            ("SignedHeaders", "Headers", "SignedHeaders is missing"),
            ("72e4", "72E4", "64 lower-case"),
            ("72e4", "72e", "64 lower-case"),
        ] {
            let error = Claim::parse(&PUBLISHED.replace(from, to)).unwrap_err();
            assert!(error.contains(reason), "{to}: {error}");
        }
    }

    #[test]
    fn signed_headers_must_be_whole_sorted_and_sent() {
        let headers = headers("application/json", "h");
        for (signed, reason) in [
            ("host", "content-type must"),
            ("content-type", "host must"),
            ("host;content-type", "sorted"),
            ("content-type;host;host", "sorted"),
            ("content-type;host;x-tc-action", "x-tc-action is not sent"),
        ] {
            let claim = Claim::parse(&PUBLISHED.replace("content-type;host", signed)).unwrap();
            let error = claim.is_made_by("k", "1", &headers, b"").unwrap_err();
            assert!(error.contains(reason), "{signed}: {error}");
        }
    }
}
