//! A strict simulated TencentDB for SQL Server: the backup API over HTTP, with a ledger and with faults.
//!
//! It refuses what the real cloud refuses, by the same code, and is stricter where the documentation leaves room: a client
//! that works here should not be surprised there. What the documentation leaves open is a switch ([`Switches`]); what can go
//! wrong on the way is a rule ([`Rule`]). The [`Entry`]s of the ledger say what truly happened.
//!
//! It shares no code with the operator: its signature check, its JSON and its notion of time are its own.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use tencentdb_simulator::{Cloud, Effect, Rule, Settings};
//!
//! let cloud = Cloud::start(Settings::default()).await?;
//! cloud.add_fault(Rule::new("CreateBackup", Effect::DropAfter { reset: false }));
//! // … point a client at cloud.url() …
//! assert_eq!(cloud.ledger().iter().filter(|entry| entry.accepted).count(), 1);
//! # Ok(())
//! # }
//! ```

mod actions;
mod backup;
mod clock;
mod cloud;
mod control;
mod event;
mod fault;
mod gate;
mod instance;
mod intake;
mod ledger;
mod line;
mod metadata;
mod rate;
mod reply;
mod server;
mod settings;
mod sign;
mod state;
mod sts;
mod switches;
mod tls;
mod wire;

pub use actions::DOWNLOAD_SECRET;
pub use backup::{Backup, End};
pub use cloud::Cloud;
pub use control::CONTROL_HELP;
pub use event::{Event, Stage};
pub use fault::{Effect, Rule, Standing, Times, Verify};
pub use instance::{AT_WORK, Instance, RUNNING};
pub use ledger::{Call, Counts, Entry};
pub use settings::{Key, PLAYGROUND_SECRET_ID, PLAYGROUND_SECRET_KEY, Role, Settings};
pub use switches::{AbsentBackupWay, NameFilter, OffsetMeaning, RunningRows, StringsZone, Switches, WindowBy};
