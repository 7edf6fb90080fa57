//! How numbers and times are written on the wire.
//!
//! Numbers come as numbers or as strings of digits, sometimes the same one in both forms in two calls. Times come as
//! `yyyy-MM-dd HH:mm:ss` without a zone and are read as UTC+8, in which the cloud records backups; a moment that has not
//! come yet is written as zeros. Fixed offset and no zone database: Beijing has no clock change to look up.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

const FORMAT: &str = "%Y-%m-%d %H:%M:%S";
const ZONE: Offset = Offset::constant(8);

/// A moment as the cloud wants to read it: whole seconds, UTC+8, no zone written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WireTime(String);

impl From<Timestamp> for WireTime {
    fn from(at: Timestamp) -> Self {
        Self(ZONE.to_datetime(at).strftime(FORMAT).to_string())
    }
}

impl fmt::Display for WireTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for WireTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// A time of the cloud's as a moment. `None` for "not yet" (zeros, or empty) and for what is no time: times inform, they
/// never identify, so one that cannot be read is left out.
pub fn read_time(text: &str) -> Option<Timestamp> {
    let civil = DateTime::strptime(FORMAT, text.trim()).ok()?;
    if civil.year() < 1970 {
        return None;
    }
    ZONE.to_timestamp(civil).ok()
}

/// A field that holds a time, read by [`read_time`]. Any other type is left out as well.
pub(super) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(value.as_str().and_then(read_time))
}

/// A field that holds an integer, as a number or as digits. Absent, null and empty are `None`; anything else, and a
/// number that does not fit, is an error.
pub(super) fn integer<'de, D: Deserializer<'de>, T: TryFrom<i128>>(deserializer: D) -> Result<Option<T>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    if value.is_null() || value.as_str() == Some("") {
        return Ok(None);
    }
    whole(&value).map(Some).ok_or_else(|| D::Error::custom("neither an integer in range nor digits"))
}

/// As [`integer`], for a field that only informs: what cannot be read is left out.
pub(super) fn integer_or_none<'de, D: Deserializer<'de>, T: TryFrom<i128>>(d: D) -> Result<Option<T>, D::Error> {
    Ok(whole(&Value::deserialize(d)?))
}

fn whole<T: TryFrom<i128>>(value: &Value) -> Option<T> {
    let number = match value {
        Value::Number(number) => number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))?,
        Value::String(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().ok()?
        }
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    T::try_from(number).ok()
}

/// A field that holds a text; null is `None`, and so is the empty text if `Some("")` would mean nothing.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty()))
}

/// Texts of a field that only informs: what is none is left out.
pub(super) fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let texts = match Value::deserialize(deserializer)? {
        Value::Array(texts) => texts,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => vec![],
    };
    Ok(texts.into_iter().filter_map(|text| text.as_str().map(str::to_owned)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_time_is_beijing_time() {
        let at: Timestamp = "2021-09-14T06:43:12Z".parse().unwrap();
        assert_eq!(read_time("2021-09-14 14:43:12"), Some(at));
        assert_eq!(WireTime::from(at).to_string(), "2021-09-14 14:43:12");
        let late: Timestamp = "2021-12-31T16:00:00.999Z".parse().unwrap();
        assert_eq!(WireTime::from(late).to_string(), "2022-01-01 00:00:00");
    }

    #[test]
    fn what_has_not_happened_has_no_time() {
        for text in ["0000-00-00 00:00:00", "", " ", "0001-01-01 00:00:00", "2021-09-14", "2021-13-01 00:00:00", "soon"]
        {
            assert_eq!(read_time(text), None, "{text:?}");
        }
    }

    #[test]
    fn an_integer_is_a_number_or_digits_and_nothing_else() {
        #[derive(Debug, Deserialize, PartialEq)]
        struct Row {
            #[serde(default, deserialize_with = "integer")]
            n: Option<i64>,
        }
        let read = |json: &str| serde_json::from_str::<Row>(json).ok().map(|row| row.n);
        for (json, expected) in [
            (r#"{"n":5293}"#, Some(Some(5293))),
            (r#"{"n":"5293"}"#, Some(Some(5293))),
            (r#"{"n":-1}"#, Some(Some(-1))),
            (r#"{"n":9223372036854775807}"#, Some(Some(i64::MAX))),
            (r#"{"n":"9223372036854775807"}"#, Some(Some(i64::MAX))),
            (r#"{"n":null}"#, Some(None)),
            (r#"{"n":""}"#, Some(None)),
            ("{}", Some(None)),
            (r#"{"n":9223372036854775808}"#, None),
            (r#"{"n":"9223372036854775808"}"#, None),
            (r#"{"n":"999999999999999999999999999999999999999999"}"#, None),
            (r#"{"n":1.5}"#, None),
            (r#"{"n":1e3}"#, None),
            (r#"{"n":" 1"}"#, None),
            (r#"{"n":"+1"}"#, None),
            (r#"{"n":true}"#, None),
            (r#"{"n":[1]}"#, None),
        ] {
            assert_eq!(read(json), expected, "{json}");
        }
    }

    proptest! {
        #[test]
        fn a_time_survives_the_wire(second in 0_i64..4_102_444_800) {
            let at = Timestamp::from_second(second).unwrap();
            prop_assert_eq!(read_time(&WireTime::from(at).to_string()), Some(at));
        }

        #[test]
        fn no_text_makes_reading_a_time_panic(text in ".*") {
            let _ = read_time(&text);
        }
    }
}
