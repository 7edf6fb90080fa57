//! The classifier and the signer over anything that a cloud, a Secret or a clock may hold.

use jiff::Timestamp;
use proptest::prelude::*;
use secrecy::SecretString;
use sqlserver_backup_operator::tencent::codes::ROWS;
use sqlserver_backup_operator::tencent::credential::Credential;
use sqlserver_backup_operator::tencent::fault::Fault;
use sqlserver_backup_operator::tencent::sign::{self, Subject};

use crate::protocol::cases;
use crate::strategy::instant;

/// The first words of the codes that are documented as refusals before anything happened. A code counts only if it is
/// such a word, or goes on with a dot.
const REFUSALS: [&str; 23] = [
    "ActionOffline",
    "AuthFailure",
    "DryRunOperation",
    "InvalidAction",
    "InvalidParameter",
    "InvalidParameterValue",
    "InvalidRequest",
    "IpInBlacklist",
    "IpNotInWhitelist",
    "LimitExceeded",
    "MissingParameter",
    "NoSuchProduct",
    "NoSuchVersion",
    "RequestLimitExceeded",
    "RequestSizeLimitExceeded",
    "ResourceInUse",
    "ResourceInsufficient",
    "ResourceNotFound",
    "ResourceUnavailable",
    "UnauthorizedOperation",
    "UnknownParameter",
    "UnsupportedOperation",
    "UnsupportedProtocol",
];

fn is_documented_refusal(code: &str) -> bool {
    let word = code.split('.').next().unwrap_or_default();
    // Two families are documented by a prefix alone.
    let by_prefix = code.starts_with("NoSuch") || code.starts_with("Ip") || code == "UnsupportedRegion";
    code != "UnsupportedOperation.NotSupportRepeat" && (by_prefix || REFUSALS.contains(&word))
}

/// Codes of the table, changed a little, and anything.
fn code() -> BoxedStrategy<String> {
    let known: Vec<&str> = ROWS.iter().map(|row| row.code.label()).collect();
    let changed = (prop::sample::select(known), 0_usize..40, ".{0,3}", 0_u8..5).prop_map(|(code, place, odd, how)| {
        let (start, end) = code.split_at(place.min(code.len()));
        match how {
            0 => code.replace('*', "New"),
            1 => format!("{start}{odd}{end}"),
            2 => start.to_owned(),
            3 => format!("{start}{odd}{}", end.get(1..).unwrap_or_default()),
            _ => code.to_lowercase(),
        }
    });
    prop_oneof![9 => changed, 1 => ".*"].boxed()
}

fn is_one_line(text: &str, longest: usize) -> bool {
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    text.chars().count() <= longest && !text.contains(breaks)
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn i4_only_a_documented_refusal_is_taken_for_one(code in code(), message in "(?s).{0,700}", id in ".{0,40}") {
        let fault = Fault::from_code(&code, &message, Some(&id));
        prop_assert!(fault.may_have_taken_effect() || is_documented_refusal(&code), "{}", code);
        let said = fault.said().unwrap();
        prop_assert!(is_one_line(&said.message, 512), "{:?}", said.message);
        prop_assert!(is_one_line(&said.code, 128), "{:?}", said.code);
        prop_assert!(fault.request_id().is_none_or(|id| is_one_line(id, 128)));
        prop_assert!(is_one_line(fault.sentence(), 200) && is_one_line(&fault.to_string(), 800));
        let known = ROWS.iter().any(|row| row.code.label() == fault.label());
        prop_assert!(known || fault.label() == "other");
    }

    #[test]
    fn signing_is_total_and_covers_every_byte(
        body in prop::collection::vec(any::<u8>(), 0..300),
        place in any::<prop::sample::Index>(),
        key in ".{0,200}",
        host in ".{0,40}",
        at in instant(),
    ) {
        let subject = Subject { service: "sqlserver", host: &host, content_type: "application/json", body: &body, at };
        let key = SecretString::from(key);
        let header = sign::sign("AKID", &key, &subject);
        prop_assert_eq!(&header, &sign::sign("AKID", &key, &subject));
        let signature = header.rsplit_once("Signature=").unwrap().1;
        prop_assert!(signature.len() == 64 && signature.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let mut changed = body.clone();
        match changed.len() {
            0 => changed.push(0),
            long => changed[place.index(long)] ^= 1,
        }
        prop_assert_ne!(&header, &sign::sign("AKID", &key, &Subject { body: &changed, ..subject }));
        let other = if at == Timestamp::MAX { Timestamp::MIN } else { Timestamp::MAX };
        prop_assert_ne!(&header, &sign::sign("AKID", &key, &Subject { at: other, ..subject }));
    }

    #[test]
    fn a_credential_that_is_taken_fits_into_a_header(
        id in "[!-~]{0,9}[ -~é\\n\\t]{0,3}[!-~]{0,9}",
        key in "[!-~]{0,9}[ -~é\\n\\t]{0,3}[!-~]{0,9}",
        token in prop::option::of("[ -~é\\n]{0,4}"),
    ) {
        let taken = Credential::new(&id, SecretString::from(key.clone()), token.clone().map(SecretString::from));
        match taken {
            Ok(credential) => {
                let all = [Some(&id), Some(&key), token.as_ref()];
                prop_assert!(all.into_iter().flatten().all(|part| part.bytes().all(|byte| byte.is_ascii_graphic())));
                let shown = format!("{credential:?}");
                prop_assert!(key.len() < 12 || !shown.contains(&key));
            }
            Err(error) => prop_assert!(key.len() < 12 || !error.to_string().contains(&key)),
        }
    }
}
