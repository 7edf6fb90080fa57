//! What the cloud's answer says.
//!
//! The service answers every request that it looked at with status 200, refusals included; any other status is a
//! gateway's or a proxy's, and then nobody can say what the service did. The content type is not looked at: it varies
//! where the body does not.
//!
//! An answer is a refusal only if it says so and nothing contradicts it. An error beside a flow id is a doubt.

use reqwest::StatusCode;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::tencent::fault::{Doubt, Fault, Said, usable_request_id};
use crate::tencent::sqlserver::Call;

/// A success.
#[derive(Clone, Debug)]
pub struct Answer<T> {
    /// What was asked for.
    pub value: T,
    /// What the vendor's support asks for. Never missing in practice, and not worth failing for.
    pub request_id: Option<String>,
}

/// Reads an answer to `C`.
pub(super) fn read<C: Call>(status: StatusCode, body: &[u8]) -> Result<Answer<C::Answer>, Fault> {
    read_as(status, body, C::WITHOUT_RESULT)
}

/// Reads an answer whose result is a `T`; a success without one is a doubt, called `without_result`.
pub(in crate::tencent) fn read_as<T: DeserializeOwned>(
    status: StatusCode,
    body: &[u8],
    without_result: Doubt,
) -> Result<Answer<T>, Fault> {
    let envelope: Option<Envelope> = serde_json::from_slice(body).ok().filter(|_| is_made_of_objects(body));
    let verdict = envelope.as_ref().map(Envelope::verdict);
    if status != StatusCode::OK {
        let reason = Doubt::Status(status.as_u16());
        return Err(match verdict {
            Some(Verdict::Refused(error, id)) => Fault::in_doubt(reason, Some(error.said(id)), id),
            Some(Verdict::Success(id)) => Fault::in_doubt(reason, None, id),
            Some(Verdict::Neither) | None => Fault::in_doubt(reason, None, None),
        });
    }
    match verdict {
        Some(Verdict::Refused(error, id)) if envelope.as_ref().is_some_and(Envelope::has_flow_id) => {
            Err(Fault::in_doubt(Doubt::Code, Some(error.said(id)), id))
        }
        Some(Verdict::Refused(error, id)) => Err(Fault::from_code(error.code, error.message, id)),
        Some(Verdict::Success(id)) => match serde_json::from_slice::<Success<T>>(body) {
            Ok(Success { response }) => Ok(Answer { value: response, request_id: id.and_then(usable_request_id) }),
            Err(_) => Err(Fault::in_doubt(without_result, None, id)),
        },
        Some(Verdict::Neither) | None => Err(Fault::in_doubt(Doubt::Unreadable, None, None)),
    }
}

/// Whether the envelope, the response and the error are objects. Derived readers take a list of the fields' values as well,
/// and that is nothing the cloud is documented to say.
fn is_made_of_objects(body: &[u8]) -> bool {
    let fits = |value: Option<&Value>| value.is_none_or(|value| value.is_null() || value.is_object());
    serde_json::from_slice::<Value>(body)
        .is_ok_and(|whole| whole.is_object() && fits(whole.get("Response")) && fits(whole.pointer("/Response/Error")))
}

/// The envelope without the result: `{"Response":{…}}`, or the legacy error `{"code":…,"message":…,"codeDesc":…}`.
#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "Response")]
    response: Option<Head>,
    #[serde(rename = "codeDesc", default, deserialize_with = "text")]
    legacy_code: Option<String>,
    #[serde(default, deserialize_with = "text")]
    message: Option<String>,
    #[serde(rename = "FlowId")]
    legacy_flow_id: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Head {
    error: Option<WireError>,
    #[serde(default, deserialize_with = "text")]
    request_id: Option<String>,
    flow_id: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireError {
    code: String,
    #[serde(default, deserialize_with = "or_empty")]
    message: String,
}

#[derive(Deserialize)]
struct Success<T> {
    #[serde(rename = "Response")]
    response: T,
}

enum Verdict<'a> {
    Refused(WireErrorRef<'a>, Option<&'a str>),
    Success(Option<&'a str>),
    Neither,
}

/// An error in either form.
struct WireErrorRef<'a> {
    code: &'a str,
    message: &'a str,
}

impl WireErrorRef<'_> {
    fn said(&self, request_id: Option<&str>) -> Said {
        Said::new(self.code, self.message, request_id)
    }
}

impl Envelope {
    fn verdict(&self) -> Verdict<'_> {
        if let Some(head) = &self.response {
            let id = head.request_id.as_deref();
            return match &head.error {
                Some(WireError { code, message }) => Verdict::Refused(WireErrorRef { code, message }, id),
                None => Verdict::Success(id),
            };
        }
        match self.legacy_code.as_deref() {
            Some(code) if !code.is_empty() && code != "Success" => {
                let message = self.message.as_deref().unwrap_or_default();
                Verdict::Refused(WireErrorRef { code, message }, None)
            }
            _ => Verdict::Neither,
        }
    }

    fn has_flow_id(&self) -> bool {
        self.legacy_flow_id.is_some() || self.response.as_ref().is_some_and(|head| head.flow_id.is_some())
    }
}

/// A text, or nothing if the field is of another type: these fields only inform.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Value::deserialize(deserializer)?.as_str().map(str::to_owned))
}

fn or_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    text(deserializer).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod fuzz;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tencent::codes::Meaning;
    use crate::tencent::sqlserver::{CreateBackup, DescribeBackups};
    use proptest::prelude::*;

    fn submit(status: u16, body: &str) -> Result<i64, Fault> {
        let status = StatusCode::from_u16(status).unwrap();
        read::<CreateBackup>(status, body.as_bytes()).map(|answer| answer.value.flow_id.value())
    }

    fn doubt(status: u16, body: &str) -> Doubt {
        match submit(status, body) {
            Err(Fault::InDoubt { reason, .. }) => reason,
            other => panic!("not in doubt: {other:?}"),
        }
    }

    #[test]
    fn a_success_carries_flow_and_request() {
        let body = br#"{"Response":{"FlowId":5293,"RequestId":"4be5990d-1","DeprecatedWarning":"x","New":[1]}}"#;
        let answer = read::<CreateBackup>(StatusCode::OK, body).unwrap();
        assert_eq!(answer.value.flow_id.value(), 5293);
        assert_eq!(answer.request_id.as_deref(), Some("4be5990d-1"));
        assert_eq!(submit(200, r#"{"Response":{"Error":null,"FlowId":"7"}}"#).unwrap(), 7);
    }

    #[test]
    fn i4_a_success_without_a_usable_flow_is_a_doubt() {
        for flow in ["", r#","FlowId":0"#, r#","FlowId":null"#, r#","FlowId":-3"#, r#","FlowId":9223372036854775808"#] {
            let body = format!(r#"{{"Response":{{"RequestId":"r"{flow}}}}}"#);
            assert_eq!(doubt(200, &body), Doubt::NoFlowId, "{flow}");
        }
    }

    #[test]
    fn i4_what_is_not_the_envelope_is_a_doubt() {
        for body in [
            "",
            "<html><body>502</body></html>",
            r#"{"Response":{"FlowId":52"#,
            r#"{"Response":{"FlowId":5293}} trailing"#,
            r#"{"Response":[]}"#,
            r#"{"Response":null}"#,
            "{}",
            "null",
            r#"{"Response":{"Error":"InvalidParameter"}}"#,
            r#"{"Response":{"Error":{"Message":"no code"}}}"#,
            r#"{"Response":{"Error":{"Code":"InvalidParameter"},"Error":null,"FlowId":1}}"#,
            r#"{"code":0,"message":"","codeDesc":"Success"}"#,
        ] {
            assert_eq!(doubt(200, body), Doubt::Unreadable, "{body}");
        }
        assert_eq!(doubt(200, &"[".repeat(100_000)), Doubt::Unreadable);
    }

    #[test]
    fn i4_only_status_200_is_the_services_own() {
        let refusal = r#"{"Response":{"Error":{"Code":"InvalidParameter","Message":"m"},"RequestId":"r-1"}}"#;
        for status in [201, 204, 302, 400, 403, 429, 500, 502, 503, 504] {
            assert_eq!(doubt(status, r#"{"Response":{"FlowId":5293}}"#), Doubt::Status(status));
            assert_eq!(doubt(status, refusal), Doubt::Status(status));
            assert_eq!(doubt(status, "<html>"), Doubt::Status(status));
        }
        let fault = submit(500, refusal).unwrap_err();
        assert_eq!(fault.said().map(|said| said.code.as_str()), Some("InvalidParameter"));
        assert_eq!(fault.request_id(), Some("r-1"));
    }

    #[test]
    fn an_error_beside_a_flow_is_a_contradiction_and_so_a_doubt() {
        let body = r#"{"Response":{"Error":{"Code":"InvalidParameter","Message":"m"},"FlowId":5293}}"#;
        assert_eq!(doubt(200, body), Doubt::Code);
    }

    #[test]
    fn a_refusal_is_read_in_both_forms() {
        for body in [
            r#"{"Response":{"Error":{"Code":"ResourceNotFound.InstanceNotFound","Message":"m"},"RequestId":"r"}}"#,
            r#"{"Response":{"Error":{"Code":"ResourceNotFound.InstanceNotFound"}}}"#,
            r#"{"Response":{"Error":{"Code":"ResourceNotFound.InstanceNotFound","Message":7},"RequestId":7}}"#,
            r#"{"code":4000,"message":"(4000)m","codeDesc":"ResourceNotFound.InstanceNotFound"}"#,
        ] {
            let fault = submit(200, body).unwrap_err();
            assert!(!fault.may_have_taken_effect(), "{body}");
            assert_eq!(fault.meaning(), Meaning::InstanceNotFound, "{body}");
        }
    }

    #[test]
    fn a_read_without_its_result_is_unreadable() {
        let fault = read::<DescribeBackups>(StatusCode::OK, br#"{"Response":{"RequestId":"r"}}"#).unwrap_err();
        assert!(matches!(&fault, Fault::InDoubt { reason: Doubt::Unreadable, .. }), "{fault}");
        assert_eq!(fault.meaning(), Meaning::Unavailable);
    }

    proptest! {
        #[test]
        fn no_body_makes_reading_panic(status in 100_u16..600, body in prop::collection::vec(any::<u8>(), 0..200)) {
            let status = StatusCode::from_u16(status).unwrap();
            prop_assert!(read::<CreateBackup>(status, &body).is_err());
        }

        #[test]
        fn cutting_a_success_short_never_makes_a_refusal(cut in 0_usize..44) {
            let whole = br#"{"Response":{"FlowId":5293,"RequestId":"r"}}"#;
            let fault = read::<CreateBackup>(StatusCode::OK, &whole[..cut]).unwrap_err();
            prop_assert!(fault.may_have_taken_effect());
        }
    }
}
