//! The rows of the table of codes, from the most specific subject to the most general.
//!
//! Sources: the error lists of the four calls, the common list, and the wording of the vendor's clients. A subject's
//! family row says what an undocumented member of it means; where there is none, such a member is in doubt.
//!
//! A sentence says what is wrong and what to do, to somebody who was woken by it.

use super::Class::{Doubt, NotDone, Throttled};
use super::Meaning::{
    self, AccessDenied, BackupNotFound, ClockSkew, Credentials, DatabaseBusy, DatabaseNotFound, InstanceBusy,
    InstanceNotFound, InvalidRequest, Unavailable,
};
use super::Turn::{CallVendor, FixClock, FixCredentials, FixPermissions, FixSpec, Wait};
use super::{Class, Code, Row, Turn};

const fn row(code: &'static str, class: Class, meaning: Meaning, turn: Turn, sentence: &'static str) -> Row {
    Row { code: Code(code), class, meaning, turn, sentence }
}

const TOO_MANY: &str = "Too many calls were made to the cloud, so this program slows down and tries again.";
const REJECTED_KEY: &str =
    "The cloud rejects the access key; check secretId and secretKey, and that the key is enabled.";
const DENIED: &str = "The access key may not make this call; grant it the sqlserver actions of this operator in CAM.";
const BAD_ADDRESS: &str = "The cloud does not take calls from this network address; check the key's IP policy in CAM.";
const BAD_REQUEST: &str = "The cloud does not accept a parameter; compare the object's spec with the instance.";
const OUTDATED: &str = "The cloud no longer offers this call; a newer version of the operator is needed.";
const BUSY: &str = "The instance is busy or in no state for a backup, so it is tried again.";
const OPERATION_FAILED: &str =
    "The cloud says that the operation failed but not whether a backup began, so it is looked for.";
const INTERNAL: &str = "The cloud had an internal error and does not say whether the call took effect.";
const QUOTA: &str = "A quota of the cloud account is used up; raise it or remove what is no longer needed.";
const NO_CAPACITY: &str = "The cloud has no capacity for it now, so it is tried again.";
const NOT_THERE: &str = "Something that the request names does not exist; check the object's spec.";
const NOT_SUPPORTED: &str = "The instance does not support this; check its edition and recovery mode.";
const OTHER_PARAMETERS: &str = "The cloud expects other parameters; a newer version of the operator may be needed.";
const AWAY: &str = "The cloud's service is not available for the moment.";

/// Every row, one a line: the table is read down its columns.
#[rustfmt::skip]
pub static ROWS: &[Row] = &[
    // The instance and its databases.
    row("ResourceUnavailable.InstanceStatusInvalid", NotDone, InstanceBusy, Wait, "The instance is at work, for instance on its nightly backup, so it is tried again."),
    row("ResourceUnavailable.DBInvalidStatus", NotDone, DatabaseBusy, Wait, "A database is not in a state to be backed up, so it is tried again."),
    row("ResourceUnavailable.VpcNotExist", NotDone, InstanceBusy, Wait, "The instance's network is not available, so it is tried again."),
    row("ResourceUnavailable", NotDone, InstanceBusy, Wait, BUSY),
    row("ResourceUnavailable.*", NotDone, InstanceBusy, Wait, BUSY),
    row("ResourceInUse", NotDone, InstanceBusy, Wait, BUSY),
    row("ResourceInUse.*", NotDone, InstanceBusy, Wait, BUSY),
    row("ResourceInsufficient", NotDone, InstanceBusy, Wait, NO_CAPACITY),
    row("ResourceInsufficient.*", NotDone, InstanceBusy, Wait, NO_CAPACITY),
    row("ResourceNotFound.InstanceNotFound", NotDone, InstanceNotFound, FixSpec, "There is no such instance in this region for this access key; check instanceId, region and the account."),
    row("ResourceNotFound.DBNotFound", NotDone, DatabaseNotFound, FixSpec, "A database of the list does not exist in the instance; check the names, also upper and lower case."),
    row("ResourceNotFound.BackupNotFound", NotDone, BackupNotFound, Wait, "The cloud does not know this backup."),
    row("ResourceNotFound.VpcNotExist", NotDone, InvalidRequest, FixSpec, "The instance's network does not exist; check the instance in the console."),
    row("ResourceNotFound", NotDone, InvalidRequest, FixSpec, NOT_THERE),
    row("ResourceNotFound.*", NotDone, InvalidRequest, FixSpec, NOT_THERE),
    row("LimitExceeded.TooManyDB", NotDone, InvalidRequest, FixSpec, "More databases are listed than one backup takes; spread them over several objects."),
    row("LimitExceeded", NotDone, InvalidRequest, CallVendor, QUOTA),
    row("LimitExceeded.*", NotDone, InvalidRequest, CallVendor, QUOTA),
    // What the request says.
    row("InvalidParameterValue.BackupNameIsIllegal", NotDone, InvalidRequest, FixSpec, "The cloud does not accept the backup's name; choose another backupNamePrefix."),
    row("InvalidParameterValue", NotDone, InvalidRequest, FixSpec, BAD_REQUEST),
    row("InvalidParameterValue.*", NotDone, InvalidRequest, FixSpec, BAD_REQUEST),
    row("InvalidParameter.InputIllegal", NotDone, InvalidRequest, FixSpec, BAD_REQUEST),
    row("InvalidParameter.ParamsAssertFailed", NotDone, InvalidRequest, FixSpec, BAD_REQUEST),
    row("InvalidParameter", NotDone, InvalidRequest, FixSpec, BAD_REQUEST),
    row("InvalidParameter.*", NotDone, InvalidRequest, FixSpec, BAD_REQUEST),
    row("MissingParameter", NotDone, InvalidRequest, CallVendor, OTHER_PARAMETERS),
    row("MissingParameter.*", NotDone, InvalidRequest, CallVendor, OTHER_PARAMETERS),
    row("UnknownParameter", NotDone, InvalidRequest, CallVendor, OTHER_PARAMETERS),
    row("UnknownParameter.*", NotDone, InvalidRequest, CallVendor, OTHER_PARAMETERS),
    row("UnsupportedRegion", NotDone, InvalidRequest, FixSpec, "The cloud does not offer SQL Server in this region at this endpoint; check region and --tencent-endpoint."),
    row("RequestSizeLimitExceeded", NotDone, InvalidRequest, FixSpec, "The request is too large; list fewer databases."),
    row("UnsupportedOperation.NotSupportRepeat", Doubt, Unavailable, Wait, "The cloud says that this was asked for before, so the backup is looked for."),
    row("UnsupportedOperation", NotDone, InvalidRequest, FixSpec, NOT_SUPPORTED),
    row("UnsupportedOperation.*", NotDone, InvalidRequest, FixSpec, NOT_SUPPORTED),
    // The call itself.
    row("InvalidAction", NotDone, InvalidRequest, CallVendor, OUTDATED),
    row("NoSuchVersion", NotDone, InvalidRequest, CallVendor, OUTDATED),
    row("NoSuchProduct", NotDone, InvalidRequest, CallVendor, OUTDATED),
    row("NoSuch*", NotDone, InvalidRequest, CallVendor, OUTDATED),
    row("ActionOffline", NotDone, InvalidRequest, CallVendor, OUTDATED),
    row("UnsupportedProtocol", NotDone, InvalidRequest, CallVendor, "The cloud does not take this protocol; check --tencent-endpoint and proxies."),
    row("InvalidRequest", NotDone, InvalidRequest, CallVendor, "The cloud cannot read the request; check --tencent-endpoint and proxies."),
    row("DryRunOperation", NotDone, InvalidRequest, CallVendor, "The cloud took the call for a rehearsal; report this as a defect."),
    // The access key.
    row("AuthFailure.SignatureExpire", NotDone, ClockSkew, FixClock, "This node's clock is more than five minutes away from the cloud's; repair its time synchronisation."),
    row("AuthFailure.SignatureFailure", NotDone, Credentials, FixCredentials, "The cloud rejects the signature; check that secretKey belongs to secretId."),
    row("AuthFailure.TokenFailure", NotDone, Credentials, FixCredentials, "The session token is wrong or has expired; store a fresh temporary key."),
    row("AuthFailure.SecretIdNotFound", NotDone, Credentials, FixCredentials, "The cloud does not know this secretId; check for a deleted key and for the other site's account."),
    row("AuthFailure.InvalidSecretId", NotDone, Credentials, FixCredentials, "The secretId is not one of a cloud API key; copy it again from the console."),
    row("AuthFailure.InvalidAuthorization", NotDone, Credentials, FixCredentials, REJECTED_KEY),
    row("AuthFailure.MFAFailure", NotDone, Credentials, FixCredentials, "The cloud asks for a second factor; use a key of an account without MFA for API calls."),
    row("AuthFailure.UnauthorizedOperation", NotDone, AccessDenied, FixPermissions, DENIED),
    row("AuthFailure", NotDone, AccessDenied, FixPermissions, DENIED),
    row("AuthFailure.*", NotDone, Credentials, FixCredentials, REJECTED_KEY),
    row("UnauthorizedOperation.PermissionDenied", NotDone, AccessDenied, FixPermissions, DENIED),
    row("UnauthorizedOperation.CamNoAuth", NotDone, AccessDenied, FixPermissions, DENIED),
    row("UnauthorizedOperation", NotDone, AccessDenied, FixPermissions, DENIED),
    row("UnauthorizedOperation.*", NotDone, AccessDenied, FixPermissions, DENIED),
    row("IpInBlacklist", NotDone, AccessDenied, FixPermissions, BAD_ADDRESS),
    row("IpNotInWhitelist", NotDone, AccessDenied, FixPermissions, BAD_ADDRESS),
    row("Ip*", NotDone, AccessDenied, FixPermissions, BAD_ADDRESS),
    // The pace.
    row("RequestLimitExceeded", Throttled, Meaning::Throttled, Wait, TOO_MANY),
    row("RequestLimitExceeded.UinLimitExceeded", Throttled, Meaning::Throttled, Wait, TOO_MANY),
    row("RequestLimitExceeded.GlobalRegionUinLimitExceeded", Throttled, Meaning::Throttled, Wait, TOO_MANY),
    row("RequestLimitExceeded.IPLimitExceeded", Throttled, Meaning::Throttled, Wait, TOO_MANY),
    row("RequestLimitExceeded.*", Throttled, Meaning::Throttled, Wait, TOO_MANY),
    // Nobody can say whether these took effect.
    row("FailedOperation.DBError", Doubt, Unavailable, Wait, OPERATION_FAILED),
    row("FailedOperation.GcsError", Doubt, Unavailable, Wait, OPERATION_FAILED),
    row("FailedOperation.CosError", Doubt, Unavailable, Wait, OPERATION_FAILED),
    row("FailedOperation", Doubt, Unavailable, Wait, OPERATION_FAILED),
    row("FailedOperation.*", Doubt, Unavailable, Wait, OPERATION_FAILED),
    row("InternalError.DBError", Doubt, Unavailable, Wait, INTERNAL),
    row("InternalError.GcsError", Doubt, Unavailable, Wait, INTERNAL),
    row("InternalError.CosError", Doubt, Unavailable, Wait, INTERNAL),
    row("InternalError.SystemError", Doubt, Unavailable, Wait, INTERNAL),
    row("InternalError.UnknownError", Doubt, Unavailable, Wait, INTERNAL),
    row("InternalError.CreateFlowFailed", Doubt, Unavailable, Wait, "The cloud says that it could not begin the backup, which is checked before another attempt."),
    row("InternalError", Doubt, Unavailable, Wait, INTERNAL),
    row("InternalError.*", Doubt, Unavailable, Wait, INTERNAL),
    row("ServiceUnavailable", Doubt, Unavailable, Wait, AWAY),
    row("ServiceUnavailable.*", Doubt, Unavailable, Wait, AWAY),
    row("ResponseSizeLimitExceeded", Doubt, Unavailable, Wait, "The cloud's answer was too large to be sent."),
];
