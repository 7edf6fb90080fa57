//! Where the requests go: the rules of `--tencent-endpoint`.
//!
//! The address is checked once, at the start, and every host and `Host` header is a function of it and of the region.
//! Plain HTTP is refused except towards this machine: a signed request read on the way can be sent by whoever read it,
//! within five minutes. A path is refused because the signature covers `POST /` and nothing else.

use std::net::IpAddr;

use reqwest::Url;
use thiserror::Error;

use super::region::Region;

/// What `--tencent-endpoint` is when nobody sets it.
pub const DEFAULT_ENDPOINT: &str = "https://sqlserver.tencentcloudapi.com";
/// Where regions of the financial zone are served: the default host does not know them.
const FINANCIAL_ENDPOINT: &str = "https://sqlserver.{region}.tencentcloudapi.com";
/// Where a node asks for what belongs to it, the keys of its role among it.
pub const METADATA_ENDPOINT: &str = "http://metadata.tencentyun.com";
/// Stands for the region in an endpoint.
const PLACEHOLDER: &str = "{region}";
/// Takes the placeholder's place while the shape is checked. No region can change what this one shows: regions are
/// single labels with a hyphen in them.
const SAMPLE_REGION: &str = "ap-guangzhou";

/// Why an endpoint was refused: a sentence with the cure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EndpointError {
    /// No URL at all.
    #[error("the endpoint is not a URL; write it as https://host or https://host:port")]
    NotAUrl,
    /// Neither https nor http.
    #[error("the endpoint's scheme must be https")]
    Scheme,
    /// Plain HTTP to another machine.
    #[error("the endpoint must use https; http is only allowed towards 127.0.0.0/8, ::1 and localhost")]
    Plaintext,
    /// User or password in it.
    #[error("the endpoint must not hold a user or a password; credentials come from a Secret or the environment")]
    UserInfo,
    /// A path, query or fragment.
    #[error("the endpoint must end after the host or port; a path, query or fragment cannot be signed")]
    Path,
    /// `{region}` outside the host name, or another brace.
    #[error("the endpoint may hold {{region}} in its host name, and no other braces")]
    Placeholder,
    /// A metadata service that is neither the vendor's nor on this machine.
    #[error("the metadata service is {METADATA_ENDPOINT}, or an address on loopback")]
    Metadata,
}

/// A checked endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// As given, with `{region}` still in it.
    template: String,
    /// With the sample region in place of `{region}`.
    sample: Url,
    is_default: bool,
}

impl Endpoint {
    /// Checks a setting. `{region}` may stand in the host name, once or more.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let filled = text.replace(PLACEHOLDER, SAMPLE_REGION);
        if filled.contains(['{', '}']) {
            return Err(EndpointError::Placeholder);
        }
        let sample = Url::parse(&filled).map_err(|_| EndpointError::NotAUrl)?;
        if filled.contains(char::is_whitespace) || sample.host_str().is_none() {
            return Err(EndpointError::NotAUrl);
        }
        if !matches!(sample.scheme(), "https" | "http") {
            return Err(EndpointError::Scheme);
        }
        if !sample.username().is_empty() || sample.password().is_some() {
            return Err(EndpointError::UserInfo);
        }
        if sample.path() != "/" || sample.query().is_some() || sample.fragment().is_some() {
            return Err(EndpointError::Path);
        }
        if sample.scheme() == "http" && !is_loopback(&sample) {
            return Err(EndpointError::Plaintext);
        }
        let is_default = Url::parse(DEFAULT_ENDPOINT).is_ok_and(|default| default == sample);
        Ok(Self { template: text.to_owned(), sample, is_default })
    }

    /// The metadata service of a node, which speaks plain HTTP to the machine that it is asked from: its fixed address, or
    /// a stand-in on loopback.
    pub fn metadata(text: &str) -> Result<Self, EndpointError> {
        let sample = Url::parse(text).map_err(|_| EndpointError::NotAUrl)?;
        if text == METADATA_ENDPOINT {
            return Ok(Self { template: text.to_owned(), sample, is_default: false });
        }
        Self::parse(text).and_then(|it| if it.is_loopback() { Ok(it) } else { Err(EndpointError::Metadata) })
    }

    /// Where a request for `region` is sent.
    pub fn url_for(&self, region: &Region) -> Url {
        let is_elsewhere = self.is_default && region.is_financial();
        if !is_elsewhere && !self.template.contains(PLACEHOLDER) {
            return self.sample.clone();
        }
        let template = if is_elsewhere { FINANCIAL_ENDPOINT } else { &self.template };
        // A region is one label of a host name, so what parsed with the sample parses with every region.
        Url::parse(&template.replace(PLACEHOLDER, region.as_str())).unwrap_or_else(|_| self.sample.clone())
    }

    /// Whether the requests stay on this machine: then there is no proxy, and the limits of the fence may be shortened.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.sample)
    }

    /// Whether requests are encrypted.
    pub fn is_https(&self) -> bool {
        self.sample.scheme() == "https"
    }

    /// The setting as it was given.
    pub fn as_str(&self) -> &str {
        &self.template
    }
}

/// The `Host` header of a request to `url`, which is also what is signed: with the port, unless it is the scheme's own.
pub(super) fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(name: &str) -> Region {
        Region::new(name).unwrap()
    }

    #[test]
    fn the_signed_host_has_the_port_exactly_if_it_is_sent() {
        for (endpoint, host) in [
            (DEFAULT_ENDPOINT, "sqlserver.tencentcloudapi.com"),
            ("https://sqlserver.tencentcloudapi.com:443/", "sqlserver.tencentcloudapi.com"),
            ("https://SQLserver.INTL.tencentcloudapi.com", "sqlserver.intl.tencentcloudapi.com"),
            ("https://sqlserver.{region}.tencentcloudapi.com", "sqlserver.ap-tokyo.tencentcloudapi.com"),
            ("https://cloud.example:8443", "cloud.example:8443"),
            ("http://127.0.0.1:8080", "127.0.0.1:8080"),
            ("http://127.9.9.9", "127.9.9.9"),
            ("http://[::1]:8080", "[::1]:8080"),
            ("http://localhost:80", "localhost"),
        ] {
            assert_eq!(host_of(&Endpoint::parse(endpoint).unwrap().url_for(&region("ap-tokyo"))), host, "{endpoint}");
        }
    }

    #[test]
    fn what_cannot_be_signed_or_would_be_readable_is_refused() {
        use EndpointError::{NotAUrl, Path, Placeholder, Plaintext, Scheme, UserInfo};
        for (endpoint, expected) in [
            ("", NotAUrl),
            ("sqlserver.tencentcloudapi.com", NotAUrl),
            ("https://", NotAUrl),
            (" https://cloud.example", NotAUrl),
            ("https://cloud.example\n", NotAUrl),
            ("https://cloud.example:x{region}", NotAUrl),
            ("ftp://cloud.example", Scheme),
            ("localhost:8080", NotAUrl),
            ("http://sqlserver.tencentcloudapi.com", Plaintext),
            ("http://10.0.0.1", Plaintext),
            ("http://128.0.0.1", Plaintext),
            ("http://localhost.example", Plaintext),
            ("http://127.0.0.1.example", Plaintext),
            ("http://{region}", Plaintext),
            ("http://[::2]", Plaintext),
            ("http://[::ffff:127.0.0.1]", Plaintext),
            ("https://user@cloud.example", UserInfo),
            ("https://:word@cloud.example", UserInfo),
            ("https://{region}@cloud.example", UserInfo),
            ("https://cloud.example/v1", Path),
            ("https://cloud.example/{region}", Path),
            ("https://cloud.example?x=1", Path),
            ("https://cloud.example#x", Path),
            ("https://{zone}.cloud.example", Placeholder),
            ("https://{region.cloud.example", Placeholder),
        ] {
            let seen = Endpoint::parse(endpoint);
            let fits = seen == Err(expected) || (endpoint == "localhost:8080" && seen == Err(Scheme));
            assert!(fits, "{endpoint}: {seen:?}");
        }
    }

    #[test]
    fn a_financial_region_has_its_own_host_only_while_the_endpoint_is_the_default() {
        let fsi = region("ap-shanghai-fsi");
        let own = "https://sqlserver.ap-shanghai-fsi.tencentcloudapi.com/";
        for default in
            [DEFAULT_ENDPOINT, "https://sqlserver.tencentcloudapi.com/", "https://SQLSERVER.tencentcloudapi.com:443"]
        {
            let endpoint = Endpoint::parse(default).unwrap();
            assert_eq!(endpoint.url_for(&fsi).as_str(), own);
            assert_eq!(host_of(&endpoint.url_for(&region("ap-shanghai"))), "sqlserver.tencentcloudapi.com");
        }
        let chosen = Endpoint::parse("https://cloud.example").unwrap();
        assert_eq!(chosen.url_for(&fsi).as_str(), "https://cloud.example/");
    }

    #[test]
    fn keys_of_a_node_are_asked_for_at_one_address_or_on_this_machine() {
        for good in [METADATA_ENDPOINT, "http://127.0.0.1:80", "http://[::1]:1"] {
            assert!(Endpoint::metadata(good).is_ok(), "{good}");
        }
        for bad in ["http://metadata.tencentyun.com.example", "https://cloud.example", "http://169.254.0.23", "x"] {
            assert!(Endpoint::metadata(bad).is_err(), "{bad}");
        }
        assert!(!Endpoint::metadata(METADATA_ENDPOINT).unwrap().is_loopback());
    }

    #[test]
    fn loopback_is_a_matter_of_the_host_and_not_of_the_scheme() {
        for (endpoint, loopback) in [
            ("https://127.0.0.1:8443", true),
            ("https://localhost", true),
            ("http://127.1", true),
            ("https://[::1]", true),
            ("https://cloud.example", false),
            (DEFAULT_ENDPOINT, false),
        ] {
            assert_eq!(Endpoint::parse(endpoint).unwrap().is_loopback(), loopback, "{endpoint}");
        }
    }
}
