//! Every error code the four calls are documented to answer with, and every common one: may the call have taken effect,
//! what it means for an order, whose turn it is, and what the user reads at three in the morning.
//!
//! The rows stand in `codes/table.rs`. A code that ends in `*` is a family: it stands for every code that begins with
//! what precedes the star. [`lookup`] takes the exact row first, then the longest family; a code with neither is in
//! doubt (I4), see `fault`.
//!
//! # Why a table and not a match
//! The table is walked: by tests, by the documentation that is generated from it, and by the simulated cloud's tests,
//! which let every row happen once.

mod table;

pub use table::ROWS;

/// May a call that was answered with this code have taken effect?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// No.
    NotDone,
    /// No; and too many calls were made.
    Throttled,
    /// Nobody can say.
    Doubt,
}

/// What a code means for an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Meaning {
    /// The instance is at work or in no state for a backup now.
    InstanceBusy,
    /// One database is in no state for a backup now.
    DatabaseBusy,
    /// Too many calls.
    Throttled,
    /// The access key is rejected.
    Credentials,
    /// The access key is good and may not do this.
    AccessDenied,
    /// The clocks differ by more than the signature allows.
    ClockSkew,
    /// No such instance, for these credentials, in this region.
    InstanceNotFound,
    /// No such database in the instance.
    DatabaseNotFound,
    /// No such backup.
    BackupNotFound,
    /// The request will never be accepted as it is.
    InvalidRequest,
    /// A transient trouble of the cloud, or no answer at all.
    Unavailable,
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nobody's: it is tried again.
    Wait,
    /// The author of the object.
    FixSpec,
    /// Who keeps the Secret or the key.
    FixCredentials,
    /// Who grants permissions.
    FixPermissions,
    /// Who runs the nodes.
    FixClock,
    /// The vendor of the cloud, or of this program.
    CallVendor,
}

/// A code, or a family of codes if it ends in `*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(&'static str);

impl Code {
    /// The spelling in the table, also the label in metrics.
    pub const fn label(self) -> &'static str {
        self.0
    }

    /// What every code of the family begins with; `None` for a single code.
    pub fn family(self) -> Option<&'static str> {
        self.0.strip_suffix('*')
    }
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The code or family.
    pub code: Code,
    /// May it have taken effect?
    pub class: Class,
    /// What it means for an order.
    pub meaning: Meaning,
    /// Whose turn it is.
    pub turn: Turn,
    /// One sentence for the user.
    pub sentence: &'static str,
}

/// The row of a code: the exact one, else that of the longest family it belongs to.
pub fn lookup(code: &str) -> Option<&'static Row> {
    let exact = ROWS.iter().find(|row| row.code.label() == code && row.code.family().is_none());
    exact.or_else(|| {
        let families = ROWS.iter().filter_map(|row| Some((row.code.family()?, row)));
        let fitting = families.filter(|(prefix, _)| code.starts_with(prefix));
        fitting.max_by_key(|(prefix, _)| prefix.len()).map(|(_, row)| row)
    })
}

impl Class {
    /// The word in the documentation.
    pub const fn label(self) -> &'static str {
        match self {
            Self::NotDone => "not done",
            Self::Throttled => "not done, throttled",
            Self::Doubt => "in doubt",
        }
    }
}

impl Turn {
    /// The words in the documentation.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Wait => "nobody: it is tried again",
            Self::FixSpec => "the author of the object",
            Self::FixCredentials => "who keeps the access key",
            Self::FixPermissions => "who grants permissions",
            Self::FixClock => "who runs the nodes",
            Self::CallVendor => "support",
        }
    }
}

/// The table as lines of Markdown, for the documentation and the test that keeps it true.
pub fn markdown() -> impl Iterator<Item = String> {
    let head = ["| code | took effect? | meaning | whose turn | what you read |", "|---|---|---|---|---|"];
    let line = |row: &Row| {
        let (code, class, turn) = (row.code.label(), row.class.label(), row.turn.label());
        format!("| `{code}` | {class} | {:?} | {turn} | {} |", row.meaning, row.sentence)
    };
    head.into_iter().map(str::to_owned).chain(ROWS.iter().map(line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// What the vendor's pages list for the four calls, and the common codes.
    const DOCUMENTED: &str = "
        FailedOperation.DBError FailedOperation.GcsError InternalError InternalError.DBError InternalError.GcsError
        InternalError.SystemError InternalError.UnknownError InvalidParameter InvalidParameter.InputIllegal
        InvalidParameter.ParamsAssertFailed InvalidParameterValue.BackupNameIsIllegal LimitExceeded.TooManyDB
        ResourceNotFound.DBNotFound ResourceNotFound.InstanceNotFound ResourceUnavailable.DBInvalidStatus
        ResourceUnavailable.InstanceStatusInvalid UnauthorizedOperation.PermissionDenied InternalError.CreateFlowFailed
        InternalError.CosError ResourceNotFound.BackupNotFound FailedOperation.CosError ResourceNotFound.VpcNotExist
        ResourceUnavailable.VpcNotExist RequestLimitExceeded RequestLimitExceeded.UinLimitExceeded
        RequestLimitExceeded.GlobalRegionUinLimitExceeded RequestLimitExceeded.IPLimitExceeded ServiceUnavailable
        AuthFailure AuthFailure.SignatureExpire AuthFailure.SignatureFailure AuthFailure.TokenFailure
        AuthFailure.SecretIdNotFound AuthFailure.InvalidSecretId AuthFailure.InvalidAuthorization AuthFailure.MFAFailure
        AuthFailure.UnauthorizedOperation UnauthorizedOperation UnauthorizedOperation.CamNoAuth IpInBlacklist
        IpNotInWhitelist InvalidAction NoSuchVersion NoSuchProduct ActionOffline UnsupportedProtocol InvalidRequest
        UnsupportedRegion InvalidParameterValue MissingParameter UnknownParameter RequestSizeLimitExceeded
        ResponseSizeLimitExceeded LimitExceeded ResourceNotFound ResourceInUse ResourceUnavailable ResourceInsufficient
        FailedOperation UnsupportedOperation UnsupportedOperation.NotSupportRepeat DryRunOperation";

    #[test]
    fn no_row_stands_twice() {
        let mut seen = HashSet::new();
        for row in ROWS {
            assert!(seen.insert(row.code.label()), "{}", row.code.label());
        }
    }

    #[test]
    fn every_documented_code_has_a_row_of_its_own() {
        for code in DOCUMENTED.split_whitespace() {
            assert_eq!(lookup(code).map(|row| row.code.label()), Some(code), "{code}");
        }
    }

    #[test]
    fn every_row_is_found_by_its_own_code() {
        for row in ROWS {
            let code = row.code.label().replace('*', "SomethingNew");
            assert_eq!(lookup(&code).map(|found| found.code), Some(row.code), "{code}");
        }
    }

    #[test]
    fn a_sentence_is_one_sentence_and_fits_a_status() {
        for row in ROWS {
            let text = row.sentence;
            let ends = text.matches(['.', '!', '?']).count();
            assert!(text.ends_with('.') && ends == 1, "{}: {text}", row.code.label());
            assert!(text.starts_with(|c: char| c.is_uppercase()) && text.len() <= 160, "{}: {text}", row.code.label());
            assert!(!text.contains(['\n', '|']), "{}: {text}", row.code.label());
        }
    }

    #[test]
    fn class_and_meaning_never_contradict_each_other() {
        for row in ROWS {
            let code = row.code.label();
            assert_eq!(row.class == Class::Throttled, row.meaning == Meaning::Throttled, "{code}");
            assert_eq!(row.class == Class::Doubt, row.meaning == Meaning::Unavailable, "{code}");
            assert!(row.class != Class::Doubt || matches!(row.turn, Turn::Wait | Turn::CallVendor), "{code}");
        }
    }

    #[test]
    fn i4_what_may_hide_an_accepted_call_is_in_doubt() {
        for code in [
            "InternalError",
            "InternalError.Whatever",
            "FailedOperation.GcsError",
            "FailedOperation.Whatever",
            "ServiceUnavailable",
            "ResponseSizeLimitExceeded",
            "UnsupportedOperation.NotSupportRepeat",
        ] {
            assert_eq!(lookup(code).map(|row| row.class), Some(Class::Doubt), "{code}");
        }
        assert!(lookup("Unheard.Of").is_none() && lookup("").is_none());
    }

    #[test]
    fn the_documentation_has_a_line_for_each_row() {
        let lines: Vec<String> = markdown().collect();
        assert_eq!(lines.len(), ROWS.len() + 2);
        assert!(lines.iter().all(|line| line.matches('|').count() == 6));
    }
}
