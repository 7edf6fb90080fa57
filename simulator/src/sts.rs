//! The part of STS that pods use: `AssumeRoleWithWebIdentity`, and keys that end.
//!
//! As strict as the rest: the call is not signed and must say so, and the token must be, to the byte, the one that the role
//! trusts now. A refusal quotes the token that it was shown: whoever logs messages as they come is found out here.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, json};

use crate::clock;
use crate::gate::{is_region, required};
use crate::intake::Arrival;
use crate::settings::Key;
use crate::sign::single;
use crate::state::{Caller, State};
use crate::wire::{Body, Fields, Refusal};

pub(crate) const ACTION: &str = "AssumeRoleWithWebIdentity";
const VERSION: &str = "2018-08-13";
/// Longest lifetime, in seconds.
const LONGEST: i64 = 43_200;

/// Believes a call that nobody signed, or says why not.
pub(crate) fn admit(state: &State, arrival: &Arrival, now: Timestamp) -> Result<Caller, Refusal> {
    let version = required(arrival, "X-TC-Version", "Version")?;
    if version != VERSION {
        return Err(Refusal::new("NoSuchVersion", format!("The version `{version}` does not exist.")));
    }
    let authorization = required(arrival, "Authorization", "Authorization")?;
    if authorization != "SKIP" || single(&arrival.headers, "X-TC-Token").is_some() {
        return Err(Refusal::new(
            "AuthFailure.InvalidAuthorization",
            "This call is not signed: Authorization is SKIP.",
        ));
    }
    let timestamp = required(arrival, "X-TC-Timestamp", "Timestamp")?;
    let sent = timestamp.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    let away = sent.map(|sent| now.duration_since(sent).as_secs().unsigned_abs());
    if away.is_none_or(|away| away > u64::from(state.switches.signature_window_seconds)) {
        return Err(Refusal::new("AuthFailure.SignatureExpire", "X-TC-Timestamp is too far from the server's clock."));
    }
    let region = required(arrival, "X-TC-Region", "Region")?;
    if !is_region(region) {
        return Err(Refusal::new("UnsupportedRegion", format!("The region `{region}` is not supported.")));
    }
    Ok(Caller { action: ACTION.to_owned(), secret_id: String::new(), region: region.to_owned() })
}

/// Issues keys for a role to whoever shows its token.
pub(crate) fn perform(state: &mut State, body: &[u8], now: Timestamp) -> Result<Fields, Refusal> {
    let known = ["ProviderId", "WebIdentityToken", "RoleArn", "RoleSessionName", "DurationSeconds"];
    let body = Body::parse(body, &known)?;
    let (provider, token) = (body.required_text("ProviderId")?, body.required_text("WebIdentityToken")?);
    let (arn, session) = (body.required_text("RoleArn")?, body.required_text("RoleSessionName")?);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
    if !(2..=128).contains(&session.len()) || !session.bytes().all(is_plain) {
        return Err(Refusal::new("InvalidParameter.ParamError", format!("RoleSessionName is `{session}`.")));
    }
    let seconds = body.integer_within("DurationSeconds", 7_200, 1, LONGEST)?;
    let Some(role) = state.roles.iter().find(|role| role.arn == arn) else {
        return Err(Refusal::new("ResourceNotFound.RoleNotFound", format!("The role {arn} was not found.")));
    };
    if role.provider_id != provider {
        let text = format!("The role {arn} does not trust the provider {provider}.");
        return Err(Refusal::new("UnauthorizedOperation", text));
    }
    if role.token != token {
        let text = format!("The token {token} is not valid, or has expired.");
        return Err(Refusal::new("InvalidParameter.WebIdentityTokenError", text));
    }
    let key = issue(state, now, seconds);
    let end = key.expires.unwrap_or(now);
    let credentials = json!({ "Token": key.token, "TmpSecretId": key.secret_id, "TmpSecretKey": key.secret_key });
    let mut fields = Map::new();
    fields.insert("Credentials".to_owned(), credentials);
    fields.insert("ExpiredTime".to_owned(), end.as_second().into());
    fields.insert("Expiration".to_owned(), end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into());
    Ok(fields)
}

/// A new key that ends after `seconds`, or as the switch says.
pub(crate) fn issue(state: &mut State, now: Timestamp, seconds: i64) -> Key {
    state.issued += 1;
    let (number, mark) = (state.issued, now.as_nanosecond());
    let lives = state.switches.issued_seconds.map(|seconds| SignedDuration::try_from(clock::seconds(seconds)));
    let lives = lives.and_then(Result::ok).unwrap_or_else(|| SignedDuration::from_secs(seconds));
    let key = Key {
        token: Some(format!("IssuedTokenNotReal{number}x{mark}{}", "Padding0".repeat(120))),
        expires: Some(clock::later(now, lives)),
        ..Key::new(&format!("AKIDISSUED{number:04}"), &format!("IssuedSecretKeyNotReal{number}x{mark}"))
    };
    state.keys.insert(key.secret_id.clone(), key.clone());
    key
}
