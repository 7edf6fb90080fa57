//! The operator's own identity, from the environment: a key that was given, else the role of its pod, else, where that is
//! switched on, the role of its node.
//!
//! In this order because each is more on purpose than the next: whoever has given a key means it, and a node's role belongs
//! to everything that runs on the node. The vendor's clients take them in another order, and use a node's role unasked.
//!
//! Half a pair is refused and not ignored: with it the operator would run, and every order that counts on the shared
//! identity would wait for somebody to notice. A value with blanks or line breaks is refused for the same reason: the
//! cloud would call it an unknown key.

use std::ffi::OsString;
use std::path::PathBuf;

use secrecy::SecretString;

use super::{Environment, Wrong};

const SECRET_ID: &str = "TENCENTCLOUD_SECRET_ID";
const SECRET_KEY: &str = "TENCENTCLOUD_SECRET_KEY";
const TOKEN: &str = "TENCENTCLOUD_TOKEN";

const TKE_REGION: &str = "TKE_REGION";
const TKE_PROVIDER_ID: &str = "TKE_PROVIDER_ID";
const TKE_TOKEN_FILE: &str = "TKE_WEB_IDENTITY_TOKEN_FILE";
const TKE_ROLE_ARN: &str = "TKE_ROLE_ARN";
/// Longest provider or role.
const LONGEST: usize = 512;

/// Who the operator is towards the cloud.
#[derive(Clone, Debug)]
pub enum Identity {
    /// Nobody.
    Nobody,
    /// Whoever has this key.
    Given(StaticIdentity),
    /// The role of its pod.
    Pod(PodIdentity),
    /// The role of its node.
    Node {
        /// Where the node's metadata service is.
        metadata_endpoint: String,
    },
}

/// What TKE's webhook tells a pod of its role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodIdentity {
    /// Where STS is asked; looks like a region.
    pub region: String,
    /// The identity provider that the cluster is, for CAM.
    pub provider_id: String,
    /// Where the pod's token is; not read here, for it changes.
    pub token_file: PathBuf,
    /// The role.
    pub role_arn: String,
}

/// Reads the identity; `node_role` says whether and where the node may be asked.
pub(super) fn read(environment: Environment<'_>, node_role: Option<String>) -> Result<Identity, Wrong> {
    // Both are read whichever is used: half of one is a mistake in any case.
    let (given, pod) = (given(environment)?, pod(environment)?);
    Ok(match (given, pod, node_role) {
        (Some(given), _, _) => Identity::Given(given),
        (None, Some(pod), _) => Identity::Pod(pod),
        (None, None, Some(metadata_endpoint)) => Identity::Node { metadata_endpoint },
        (None, None, None) => Identity::Nobody,
    })
}

/// The four variables of pod identity: all of them, or none.
fn pod(environment: Environment<'_>) -> Result<Option<PodIdentity>, Wrong> {
    let names = [TKE_REGION, TKE_PROVIDER_ID, TKE_TOKEN_FILE, TKE_ROLE_ARN];
    let set = |name: &str| environment(name).filter(|value| !value.is_empty());
    let values = names.map(|name| (name, set(name)));
    if values.iter().all(|(_, value)| value.is_none()) {
        return Ok(None);
    }
    if let Some((missing, _)) = values.iter().find(|(_, value)| value.is_none()) {
        let all = names.join(", ");
        return Err(Wrong(format!("{missing} is not set and others of pod identity are: set all of {all}, or none")));
    }
    let [region, provider_id, token_file, role_arn] = values.map(|(name, value)| (name, value.unwrap_or_default()));
    let is_region = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let region = bare(region, is_region, "is no region: give one such as ap-guangzhou")?;
    let is_plain = |byte: u8| byte.is_ascii_graphic();
    let provider_id = bare(provider_id, is_plain, "holds a blank or a special character: give the bare value")?;
    let role_arn = bare(role_arn, is_plain, "holds a blank or a special character: give the bare value")?;
    if !role_arn.starts_with("qcs::cam::uin/") {
        return Err(Wrong(format!(
            "{TKE_ROLE_ARN} is no role: give one such as qcs::cam::uin/100000000001:roleName/backup"
        )));
    }
    Ok(Some(PodIdentity { region, provider_id, token_file: PathBuf::from(token_file.1), role_arn }))
}

fn bare((name, value): (&str, OsString), is_fit: impl Fn(u8) -> bool, cure: &str) -> Result<String, Wrong> {
    let text = value.into_string().ok().filter(|text| text.len() <= LONGEST && text.bytes().all(is_fit));
    text.ok_or_else(|| Wrong(format!("{name} {cure}")))
}

/// An access key that was given for the life of the process. No part is empty or holds white space.
#[derive(Clone, Debug)]
pub struct StaticIdentity {
    /// Names the key.
    pub secret_id: SecretString,
    /// Signs.
    pub secret_key: SecretString,
    /// Goes along with temporary keys.
    pub token: Option<SecretString>,
}

/// Reads the key: all of it, or none.
fn given(environment: Environment<'_>) -> Result<Option<StaticIdentity>, Wrong> {
    let id = part(SECRET_ID, environment(SECRET_ID))?;
    let key = part(SECRET_KEY, environment(SECRET_KEY))?;
    let token = part(TOKEN, environment(TOKEN))?;
    match (id, key, token) {
        (Some(secret_id), Some(secret_key), token) => Ok(Some(StaticIdentity { secret_id, secret_key, token })),
        (None, None, None) => Ok(None),
        (Some(_), None, _) => Err(lonely(SECRET_ID, SECRET_KEY)),
        (None, Some(_), _) => Err(lonely(SECRET_KEY, SECRET_ID)),
        (None, None, Some(_)) => Err(Wrong(format!(
            "{TOKEN} is set without a key pair: set {SECRET_ID} and {SECRET_KEY} as well, or unset it"
        ))),
    }
}

/// What this process calls itself in what it writes: the name of its pod, else of its host. It is only ever shown and
/// compared, so anything that is not text counts as unset.
pub(super) fn holder(environment: Environment<'_>) -> String {
    let name = pod_name(environment).or_else(|| name(environment, "HOSTNAME"));
    name.unwrap_or_else(|| env!("CARGO_PKG_NAME").to_owned())
}

/// The name of this pod, if it was told.
pub(super) fn pod_name(environment: Environment<'_>) -> Option<String> {
    name(environment, "POD_NAME")
}

fn name(environment: Environment<'_>, variable: &str) -> Option<String> {
    environment(variable)?.into_string().ok().filter(|name| !name.is_empty())
}

fn lonely(set: &str, missing: &str) -> Wrong {
    Wrong(format!("{set} is set and {missing} is not: set both, or neither"))
}

/// One variable. The sentence never repeats its value.
fn part(name: &str, value: Option<OsString>) -> Result<Option<SecretString>, Wrong> {
    let Some(value) = value.filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    match value.into_string() {
        Ok(text) if text.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(Some(SecretString::from(text))),
        Ok(text) => {
            drop(SecretString::from(text));
            Err(Wrong(format!("{name} holds a blank, a line break or a non-ASCII character: give the bare value")))
        }
        Err(_) => Err(Wrong(format!("{name} is not text: give the bare value"))),
    }
}
