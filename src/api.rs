//! The resource kinds that users write: types, schema, validation rules, and the words of their status.
//!
//! # What it guarantees
//! - What the API server accepts is what these types say: the definitions in `crds/`, which the program prints, are generated
//!   from them, and compared with them in the tests.
//! - A rule that a user can break is in the schema and answers with the field and the cure. It stands on `spec` or on
//!   `status`, never at the root: a root rule would refuse status writes on objects that were stored before it.
//! - Within a version the schema is only loosened.
//! - [`StoredBackup`] reads whatever is stored. One malformed object cannot hide the others from a watch.
//!
//! It may use kube's derives, schemars, serde and the Kubernetes types, and the core, into whose words [`conversion`]
//! translates.
//!
//! # Why not a webhook
//! A webhook has a certificate, a service and an outage of its own. Every rule that is needed fits into the schema.

mod backup;
mod condition;
pub mod conversion;
mod definition;
pub mod gist;
pub mod key;
mod quantity;
mod rules;
pub mod schedule;
mod status;
mod stored;

pub use backup::{CredentialsRef, SqlServerBackup, SqlServerBackupSpec, StorageStrategy, Strategy};
pub use condition::Condition;
pub use definition::{YAML, all, documents};
pub use schedule::{SqlServerBackupSchedule, SqlServerBackupScheduleSpec, SqlServerBackupScheduleStatus};
pub use status::{CloudError, Intent, SqlServerBackupStatus};
pub use stored::{Lenient, ReadStatus, StoredBackup, StoredSchedule};
