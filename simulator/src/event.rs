//! Positions in the life of a request, told to whoever asked to hear of them.
//!
//! The listener is called synchronously and outside every lock: while it runs, that request stands still at exactly that
//! position, so that a test can kill its client there. It may use the cloud freely.

/// Where the request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It arrived whole; nothing was checked or done.
    Received,
    /// It took effect or was refused; no byte of an answer was sent.
    Decided,
    /// The last byte of the answer was handed to the connection.
    Answered,
}

/// One position of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// See [`Stage`].
    pub stage: Stage,
    /// Its `RequestId`.
    pub request_id: String,
    /// `X-TC-Action`.
    pub action: String,
    /// The key it names.
    pub secret_id: String,
    /// `X-TC-Region`.
    pub region: String,
    /// The instance it is about, if it could be read.
    pub instance: String,
    /// `BackupName`, if it could be read.
    pub name: String,
    /// `OK` or why it was refused; empty when [`Stage::Received`].
    pub code: String,
    /// The backup that began, if one did.
    pub flow_id: Option<i64>,
}
