//! An access key of Tencent Cloud, checked when it is built and never printed.
//!
//! A value that holds white space is refused and not trimmed: a key that works only because somebody trimmed it fails
//! in the next tool, and the cloud's own answer (`AuthFailure.SecretIdNotFound`) does not say what is wrong. So the
//! refusal names the key, what is wrong with it, and the cure.
//!
//! Two credentials with one secret id share the cloud's rate limits, whatever their secrets or tokens: [`KeyIdentity`]
//! is that identity (I8). The temporary keys of a role are counted under the role: its secret ids change with every
//! renewal, and a budget that began anew with each would be none.

use std::fmt;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;

/// Longest value taken for any part; the cloud's longest, a session token, is documented as at most 4 096 bytes.
const LONGEST: usize = 8_192;

/// A part of a credential, by the name it has in a Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// `secretId`: public, names the key.
    SecretId,
    /// `secretKey`: signs.
    SecretKey,
    /// `token`: makes a temporary key valid.
    Token,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SecretId => "secretId",
            Self::SecretKey => "secretKey",
            Self::Token => "token",
        })
    }
}

/// Why a credential was refused. The text names the part and the cure and never holds the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CredentialError {
    /// Absent, or of length zero.
    #[error("{0} is missing or empty; set it to the value that the console shows for this access key")]
    Missing(Part),
    /// Ends in line breaks and has no other white space: the trace of `echo` or of an editor.
    #[error("{0} ends in a line break; store it again without one, for instance with printf '%s' in place of echo")]
    TrailingNewline(Part),
    /// White space elsewhere.
    #[error("{0} holds white space; store it again without blanks, tabs and line breaks around or inside it")]
    WhiteSpace(Part),
    /// A byte that no HTTP header may carry.
    #[error("{0} holds a character that is not printable ASCII; copy it again from the console")]
    NotAscii(Part),
    /// Longer than any key or token of the cloud.
    #[error("{0} is longer than {LONGEST} bytes; it is not an access key of Tencent Cloud")]
    TooLong(Part),
}

/// A key pair, with a session token if it is temporary.
#[derive(Clone)]
pub struct Credential {
    secret_id: Arc<str>,
    identity: KeyIdentity,
    secret_key: SecretString,
    token: Option<SecretString>,
}

impl Credential {
    /// Takes the parts as they are. Nothing is trimmed; an empty `token` is refused as well, since who stores one means it.
    pub fn new(
        secret_id: &str,
        secret_key: SecretString,
        token: Option<SecretString>,
    ) -> Result<Self, CredentialError> {
        check(Part::SecretId, secret_id)?;
        check(Part::SecretKey, secret_key.expose_secret())?;
        if let Some(token) = &token {
            check(Part::Token, token.expose_secret())?;
        }
        let secret_id: Arc<str> = Arc::from(secret_id);
        Ok(Self { identity: KeyIdentity(secret_id.clone()), secret_id, secret_key, token })
    }

    /// The same key, counted under `role`. No secret id holds a blank, so none is ever taken for a role.
    #[must_use]
    pub fn of_role(self, role: &str) -> Self {
        Self { identity: KeyIdentity(Arc::from(format!("role {role}"))), ..self }
    }

    /// The public half, as it stands in the `Authorization` header.
    pub fn secret_id(&self) -> &str {
        &self.secret_id
    }

    /// The signing half.
    pub fn secret_key(&self) -> &SecretString {
        &self.secret_key
    }

    /// The session token of a temporary key.
    pub fn token(&self) -> Option<&SecretString> {
        self.token.as_ref()
    }

    /// What the cloud counts this key's calls under.
    pub fn identity(&self) -> KeyIdentity {
        self.identity.clone()
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("secret_id", &format_args!("{}", shortened(&self.secret_id)))
            .field("token", &self.token.is_some())
            .finish_non_exhaustive()
    }
}

/// What calls are counted under: a secret id, or the role that temporary keys belong to. Its `Debug` is shortened.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct KeyIdentity(Arc<str>);

impl fmt::Debug for KeyIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shortened(&self.0))
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(6).chain(['…']).collect()
}

fn check(part: Part, value: &str) -> Result<(), CredentialError> {
    if value.is_empty() {
        return Err(CredentialError::Missing(part));
    }
    if value.len() > LONGEST {
        return Err(CredentialError::TooLong(part));
    }
    let bare = value.trim_end_matches(['\n', '\r']);
    if bare.trim().is_empty() {
        return Err(CredentialError::Missing(part));
    }
    if bare.contains(char::is_whitespace) {
        return Err(CredentialError::WhiteSpace(part));
    }
    if bare.len() != value.len() {
        return Err(CredentialError::TrailingNewline(part));
    }
    if !value.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(CredentialError::NotAscii(part));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(id: &str, key: &str, token: Option<&str>) -> Result<Credential, CredentialError> {
        Credential::new(id, SecretString::from(key), token.map(SecretString::from))
    }

    #[test]
    fn each_blemish_is_named_and_nothing_is_trimmed() {
        use CredentialError::{Missing, NotAscii, TooLong, TrailingNewline, WhiteSpace};
        use Part::{SecretId, SecretKey, Token};
        let long = "x".repeat(LONGEST + 1);
        for (id, key, token, expected) in [
            ("", "k", None, Missing(SecretId)),
            ("i", "", None, Missing(SecretKey)),
            ("i", "k", Some(""), Missing(Token)),
            ("\n", "k", None, Missing(SecretId)),
            (" \t ", "k", None, Missing(SecretId)),
            ("i\n", "k", None, TrailingNewline(SecretId)),
            ("i", "k\r\n", None, TrailingNewline(SecretKey)),
            (" i", "k", None, WhiteSpace(SecretId)),
            ("i", "k k", None, WhiteSpace(SecretKey)),
            ("i", "\nk", None, WhiteSpace(SecretKey)),
            ("i", "k", Some("t \n"), WhiteSpace(Token)),
            ("i\u{a0}", "k", None, WhiteSpace(SecretId)),
            ("é", "k", None, NotAscii(SecretId)),
            ("i", "k\0", None, NotAscii(SecretKey)),
            ("i", long.as_str(), None, TooLong(SecretKey)),
        ] {
            assert_eq!(build(id, key, token).unwrap_err(), expected, "{id:?} {key:?} {token:?}");
        }
        assert_eq!(build("i", "k", Some("t")).unwrap().secret_id(), "i");
    }

    #[test]
    fn a_refusal_names_the_key_and_holds_no_value() {
        let text = build("AKIDEXAMPLE", "hunter2\n", None).unwrap_err().to_string();
        assert!(text.starts_with("secretKey ") && text.contains("line break"), "{text}");
        assert!(!text.contains("hunter2"));
    }

    #[test]
    fn debug_shows_neither_secret_nor_the_whole_id() {
        let text = format!("{:?}", build("AKIDEXAMPLEEXAMPLE", "hunter2", Some("tok3n")).unwrap());
        assert!(text.contains("AKIDEX…"), "{text}");
        assert!(!text.contains("hunter2") && !text.contains("tok3n") && !text.contains("AKIDEXAMPLE"), "{text}");
    }

    #[test]
    fn i8_the_identity_is_the_secret_id_alone() {
        let one = build("id", "first", None).unwrap().identity();
        assert_eq!(one, build("id", "second", Some("t")).unwrap().identity());
        assert_ne!(one, build("other", "first", None).unwrap().identity());
    }

    #[test]
    fn i8_the_keys_of_a_role_share_its_identity() {
        let key = |id: &str, role: &str| build(id, "k", Some("t")).unwrap().of_role(role);
        assert_eq!(key("first", "backup").identity(), key("second", "backup").identity());
        assert_ne!(key("first", "backup").identity(), key("first", "restore").identity());
        assert_ne!(key("backup", "backup").identity(), build("backup", "k", None).unwrap().identity());
        assert_eq!(key("first", "backup").secret_id(), "first", "signed with its own");
    }
}
