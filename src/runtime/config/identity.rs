//! The operator's own access key, from the environment.
//!
//! Half a pair is refused and not ignored: with it the operator would run, and every order that counts on the shared
//! identity would wait for somebody to notice. A value with blanks or line breaks is refused for the same reason: the
//! cloud would call it an unknown key.

use std::ffi::OsString;

use secrecy::SecretString;

use super::{Environment, Wrong};

const SECRET_ID: &str = "TENCENTCLOUD_SECRET_ID";
const SECRET_KEY: &str = "TENCENTCLOUD_SECRET_KEY";
const TOKEN: &str = "TENCENTCLOUD_TOKEN";

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
pub(super) fn read(environment: Environment<'_>) -> Result<Option<StaticIdentity>, Wrong> {
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
    let name = pod(environment).or_else(|| name(environment, "HOSTNAME"));
    name.unwrap_or_else(|| env!("CARGO_PKG_NAME").to_owned())
}

/// The name of this pod, if it was told.
pub(super) fn pod(environment: Environment<'_>) -> Option<String> {
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
