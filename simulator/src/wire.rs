//! The words of the API: refusals, the envelope around every answer, and a strict reader of request fields.
//!
//! The reader believes nothing: a field that the action does not know, a number written as a string, a null in place of a
//! value are each refused with the code the cloud has for them, so that a client which is only nearly right is found here.

use serde_json::{Map, Value, json};

/// The fields of an answer, before the envelope.
pub(crate) type Fields = Map<String, Value>;

/// A request that was understood and refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: String,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into() }
    }

    /// The service's own word for a value it does not take.
    pub(crate) fn illegal(message: impl Into<String>) -> Self {
        Self::new("InvalidParameter.InputIllegal", message)
    }
}

/// `{"Response":{…,"RequestId":…}}`
pub(crate) fn success(mut fields: Fields, request_id: &str) -> Value {
    fields.insert("RequestId".to_owned(), request_id.into());
    json!({ "Response": fields })
}

/// `{"Response":{"Error":…,"RequestId":…}}`. The message carries the request id, as the cloud's own do: a client that copies
/// it verbatim shows a new text at every attempt.
pub(crate) fn failure(refusal: &Refusal, request_id: &str) -> Value {
    let message = format!("[request id:{request_id}]{}", refusal.message);
    json!({ "Response": { "Error": { "Code": refusal.code, "Message": message }, "RequestId": request_id } })
}

/// The body of a request.
#[derive(Clone, Debug)]
pub(crate) struct Body(Fields);

impl Body {
    /// Reads a JSON object that has only `known` fields.
    pub(crate) fn parse(bytes: &[u8], known: &[&str]) -> Result<Self, Refusal> {
        let value: Value = serde_json::from_slice(bytes)
            .map_err(|error| Refusal::new("InvalidParameter", format!("The request body is not JSON: {error}")))?;
        let Value::Object(fields) = value else {
            return Err(Refusal::new("InvalidParameter", "The request body is not a JSON object."));
        };
        match fields.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => {
                Err(Refusal::new("UnknownParameter", format!("The parameter `{name}` is not defined for this action.")))
            }
            None => Ok(Self(fields)),
        }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, Refusal> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(mistyped(name, "a string", other)),
        }
    }

    pub(crate) fn required_text(&self, name: &str) -> Result<&str, Refusal> {
        self.text(name)?.ok_or_else(|| {
            Refusal::new("MissingParameter", format!("The request is missing a required parameter `{name}`."))
        })
    }

    pub(crate) fn integer(&self, name: &str) -> Result<Option<i64>, Refusal> {
        match self.0.get(name) {
            None => Ok(None),
            Some(value) => value.as_i64().map(Some).ok_or_else(|| mistyped(name, "an integer", value)),
        }
    }

    /// An integer that must lie within bounds, both included; `default` if it is absent.
    pub(crate) fn integer_within(&self, name: &str, default: i64, low: i64, high: i64) -> Result<i64, Refusal> {
        let value = self.integer(name)?.unwrap_or(default);
        if (low..=high).contains(&value) {
            return Ok(value);
        }
        Err(Refusal::illegal(format!("{name} is {value}, and must be within [{low},{high}].")))
    }

    pub(crate) fn texts(&self, name: &str) -> Result<Option<Vec<String>>, Refusal> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let texts =
            value.as_array().and_then(|items| items.iter().map(|item| item.as_str().map(str::to_owned)).collect());
        texts.map(Some).ok_or_else(|| mistyped(name, "a list of strings", value))
    }
}

fn mistyped(name: &str, wanted: &str, found: &Value) -> Refusal {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    Refusal::new("InvalidParameter", format!("The type of parameter `{name}` must be {wanted}, and is {found}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &str) -> Result<Body, Refusal> {
        Body::parse(text.as_bytes(), &["A", "B"])
    }

    #[test]
    fn a_body_is_an_object_of_known_fields() {
        assert_eq!(body("").unwrap_err().code, "InvalidParameter");
        assert_eq!(body("[]").unwrap_err().code, "InvalidParameter");
        assert_eq!(body(r#"{"C":1}"#).unwrap_err().code, "UnknownParameter");
        assert!(body("{}").is_ok());
    }

    #[test]
    fn a_value_of_another_type_is_refused_and_null_is_no_value() {
        let body = body(r#"{"A":"1","B":null}"#).unwrap();
        assert_eq!(body.text("A").unwrap(), Some("1"));
        assert_eq!(body.integer("A").unwrap_err().code, "InvalidParameter");
        assert_eq!(body.texts("A").unwrap_err().code, "InvalidParameter");
        assert_eq!(body.texts("B").unwrap_err().code, "InvalidParameter");
        assert_eq!(body.required_text("C").unwrap_err().code, "MissingParameter");
    }

    #[test]
    fn a_refusal_names_its_request_in_the_message() {
        let failure = failure(&Refusal::illegal("no"), "r-1");
        assert_eq!(failure["Response"]["Error"]["Message"], "[request id:r-1]no");
        assert_eq!(failure["Response"]["RequestId"], "r-1");
    }
}
