//! The way to the cloud: extra certificate authorities and proxies.
//!
//! Both are tried here as far as that is possible without the network. A file that is not PEM would otherwise show as a
//! failed handshake hours later, in the words of a TLS library.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use hyper::http::Uri;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use secrecy::SecretString;

use super::flags::EXTRA_CA_FILE;
use super::{Environment, Wrong};

/// More than any bundle of authorities; a wrong path such as a device must not be read for ever.
const MAX_BUNDLE: u64 = 4 << 20;

/// How the cloud is reached if not directly.
#[derive(Clone, Debug, Default)]
pub struct Proxy {
    /// Address of the proxy; may hold a password.
    pub https: Option<SecretString>,
    /// Hosts that are reached without it, separated by commas.
    pub no_proxy: Option<String>,
}

/// Reads a bundle and returns its bytes, once every certificate in it can be used.
pub(super) fn read_authorities(path: &Path) -> Result<Vec<u8>, Wrong> {
    let shown = path.to_string_lossy();
    let wrong = |reason: &str| EXTRA_CA_FILE.wrong(&shown, reason);
    let mut pem = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_BUNDLE + 1).read_to_end(&mut pem));
    read.map_err(|error| wrong(&format!("it cannot be read ({error}), give a readable PEM file")))?;
    if u64::try_from(pem.len()).is_ok_and(|length| length > MAX_BUNDLE) {
        return Err(wrong("it is larger than 4 MiB, give a PEM file with certificate authorities only"));
    }
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|_| wrong("it is not PEM, give certificates in PEM form"))?;
        let added = roots.add(certificate);
        added.map_err(|_| wrong("it holds a block that is no certificate, give certificates in PEM form"))?;
    }
    if roots.is_empty() {
        return Err(wrong("it holds no certificate in PEM form, give a file that does"));
    }
    Ok(pem)
}

/// Reads the proxy variables, also by the lower-case names that some tools prefer.
pub(super) fn read_proxy(environment: Environment<'_>) -> Result<Proxy, Wrong> {
    let https = variable(environment, "HTTPS_PROXY", "https_proxy")?;
    if let Some((name, address)) = &https
        && !is_proxy_address(address)
    {
        // The address may hold a password: it is not repeated.
        return Err(Wrong(format!("{name} is no proxy address: give one such as http://proxy.example:3128")));
    }
    Ok(Proxy {
        https: https.map(|(_, address)| SecretString::from(address)),
        no_proxy: variable(environment, "NO_PROXY", "no_proxy")?.map(|(_, hosts)| hosts),
    })
}

/// The first of two names that is set, with its value.
fn variable(
    environment: Environment<'_>,
    name: &'static str,
    lower: &'static str,
) -> Result<Option<(&'static str, String)>, Wrong> {
    let set = |name| environment(name).filter(|value| !value.is_empty()).map(|value| (name, value));
    let Some((name, value)) = set(name).or_else(|| set(lower)) else {
        return Ok(None);
    };
    let text = value.into_string().map_err(|_| Wrong(format!("{name} is not text: give an address")))?;
    Ok(Some((name, text)))
}

/// `http` or `https`, a host, no path. A bare `host:port` means `http`, as it does for other tools.
fn is_proxy_address(address: &str) -> bool {
    let full = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
    let Ok(uri) = full.parse::<Uri>() else { return false };
    let scheme = uri.scheme_str().is_some_and(|scheme| scheme == "http" || scheme == "https");
    scheme && uri.host().is_some_and(|host| !host.is_empty()) && uri.path() == "/" && uri.query().is_none()
}
