//! The gateway: what is checked of a request before the service sees it.
//!
//! In the order of the cloud: form, action and version, signature, token, region, rate, permission. Whatever is refused here
//! has certainly not taken effect.

use jiff::Timestamp;

use crate::actions::ACTIONS;
use crate::intake::Arrival;
use crate::sign::{Claim, single};
use crate::state::{Caller, State};
use crate::sts;
use crate::wire::Refusal;

const VERSION: &str = "2018-03-28";
const SERVICE: &str = "sqlserver";
/// Largest body, in bytes, that the API takes with this signature method.
pub(crate) const MAX_BODY: usize = 10 * 1024 * 1024;

/// Believes a request, or says why not.
pub(crate) fn admit(state: &mut State, arrival: &Arrival, now: Timestamp) -> Result<Caller, Refusal> {
    check_form(arrival)?;
    let action = required(arrival, "X-TC-Action", "Action")?;
    if action == sts::ACTION {
        return sts::admit(state, arrival, now);
    }
    let version = required(arrival, "X-TC-Version", "Version")?;
    if !ACTIONS.contains(&action) {
        return Err(Refusal::new("InvalidAction", format!("The action `{action}` is invalid or not found.")));
    }
    if version != VERSION {
        return Err(Refusal::new("NoSuchVersion", format!("The version `{version}` does not exist.")));
    }
    let secret_id = verify(state, arrival, now)?;
    let region = required(arrival, "X-TC-Region", "Region")?;
    if !is_region(region) {
        return Err(Refusal::new("UnsupportedRegion", format!("The region `{region}` is not supported.")));
    }
    let caller = Caller { action: action.to_owned(), secret_id, region: region.to_owned() };
    check_rate(state, &caller, now)?;
    check_permission(state, &caller, &arrival.sketch.instance)?;
    Ok(caller)
}

fn check_form(arrival: &Arrival) -> Result<(), Refusal> {
    if arrival.body.len() > MAX_BODY {
        return Err(Refusal::new("RequestSizeLimitExceeded", "The request body is larger than 10 MB."));
    }
    if arrival.method != "POST" {
        return Err(Refusal::new(
            "UnsupportedProtocol",
            format!("The HTTP method {} is not supported.", arrival.method),
        ));
    }
    if arrival.target != "/" {
        return Err(Refusal::new("InvalidRequest", format!("The path must be `/` and is `{}`.", arrival.target)));
    }
    let kind = required(arrival, "Content-Type", "Content-Type")?;
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if essence != "application/json" {
        return Err(Refusal::new("InvalidRequest", format!("The content type `{kind}` is not supported.")));
    }
    Ok(())
}

/// Checks key, time, signature and token; yields the secret id.
fn verify(state: &State, arrival: &Arrival, now: Timestamp) -> Result<String, Refusal> {
    let refuse = |code: &str, message: String| Err(Refusal::new(format!("AuthFailure.{code}"), message));
    let authorization = required(arrival, "Authorization", "Authorization")?;
    let claim = match Claim::parse(authorization) {
        Ok(claim) => claim,
        Err(reason) => {
            return refuse("InvalidAuthorization", format!("The Authorization header is malformed: {reason}."));
        }
    };
    let timestamp = required(arrival, "X-TC-Timestamp", "Timestamp")?;
    let signed = timestamp.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    let Some(signed) = signed.filter(|_| timestamp.bytes().all(|byte| byte.is_ascii_digit())) else {
        return Err(Refusal::new("InvalidParameter", "X-TC-Timestamp must be a number of seconds."));
    };
    let off = now.as_second().abs_diff(signed.as_second());
    if off > u64::from(state.switches.signature_window_seconds) {
        return refuse(
            "SignatureExpire",
            format!(
                "Signature expired.\nX-TC-Timestamp is {off} seconds away from the server time {}.",
                now.as_second()
            ),
        );
    }
    let Some(key) = state.keys.get(&claim.secret_id) else {
        return refuse("SecretIdNotFound", "The SecretId is not found, please ensure that it is correct.".to_owned());
    };
    if claim.service != SERVICE || claim.date != signed.strftime("%Y-%m-%d").to_string() {
        let scope = format!("{}/{}", claim.date, claim.service);
        return refuse("SignatureFailure", format!("The credential scope `{scope}` does not fit the request."));
    }
    match claim.is_made_by(&key.secret_key, timestamp, &arrival.headers, &arrival.body) {
        Ok(true) => {}
        Ok(false) => {
            let message = "The provided credentials could not be validated. Please check your signature is correct.";
            return refuse("SignatureFailure", message.to_owned());
        }
        Err(reason) => return refuse("SignatureFailure", format!("The signature cannot be right: {reason}.")),
    }
    let is_over = key.expires.is_some_and(|end| end <= now);
    if is_over || key.token.as_deref() != single(&arrival.headers, "X-TC-Token") {
        return refuse("TokenFailure", "The token is invalid or expired.".to_owned());
    }
    Ok(claim.secret_id)
}

fn check_rate(state: &mut State, caller: &Caller, now: Timestamp) -> Result<(), Refusal> {
    let limit = state.switches.rates.get(&caller.action).copied().filter(|_| state.switches.enforce_rates);
    match limit {
        Some(limit) if !state.rates.admits(caller, limit, now) => Err(throttled(&caller.action, limit)),
        _ => Ok(()),
    }
}

/// `RequestLimitExceeded`, as the gateway words it.
pub(crate) fn throttled(action: &str, limit: u32) -> Refusal {
    let text = format!(
        "Your current request times equals to `{}` in a second, which exceeds the frequency limit `{limit}` \
        for a second of {action}. Please reduce the frequency of calls.",
        u64::from(limit) + 1
    );
    Refusal::new("RequestLimitExceeded", text)
}

fn check_permission(state: &State, caller: &Caller, instance: &str) -> Result<(), Refusal> {
    let Caller { action, secret_id, region } = caller;
    if state.keys.get(secret_id).is_some_and(|key| key.may(action)) {
        return Ok(());
    }
    let resource = if instance.is_empty() { "*" } else { instance };
    Err(Refusal::new(
        "UnauthorizedOperation.PermissionDenied",
        format!(
            "you are not authorized to perform operation (sqlserver:{action})\n\
             resource (qcs::sqlserver:{region}:uin/100000000001:instance/{resource}) has no permission\n"
        ),
    ))
}

pub(crate) fn required<'a>(arrival: &'a Arrival, header: &str, parameter: &str) -> Result<&'a str, Refusal> {
    single(&arrival.headers, header).ok_or_else(|| {
        let text = format!("The request is missing a required parameter `{parameter}` (header {header}).");
        Refusal::new("MissingParameter", text)
    })
}

/// Two letters, then at least one more word: the form all regions share. The list itself is open.
pub(crate) fn is_region(text: &str) -> bool {
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let mut words = text.split('-');
    words.next().is_some_and(|first| first.len() == 2 && is_word(first)) && text.contains('-') && words.all(is_word)
}
