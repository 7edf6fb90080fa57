//! Why a pass could not be finished: the stage and its cause. What the cloud answers is never an error here, it is seen.

use super::cluster::Trouble;

/// A pass that has to be made again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The object could not be read.
    #[error("the object could not be read")]
    Look(#[source] Trouble),
    /// The status could not be written.
    #[error("the status could not be written")]
    Report(#[source] Trouble),
    /// The object has no identity.
    #[error("the object has no identity")]
    Anonymous(#[source] crate::core::order::Invalid),
}

impl Error {
    /// A word for metrics.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Look(_) => "look-failed",
            Self::Report(_) => "report-failed",
            Self::Anonymous(_) => "anonymous",
        }
    }
}
