//! What this program knows of Tencent Cloud: how a call is signed, sent and answered, and how often it may be made.
//!
//! ```text
//! credential, region, endpoint     what a call needs beside its parameters
//!   sign                           TC3, one pure function per stage
//!   action, sqlserver              the four calls, typed
//!   client                         sign, and later send, once
//!   role                           temporary keys: of a pod from STS, of a node from its metadata
//!   codes, fault, line             what an answer without a result means: may it have taken effect?
//!   budget                         when the next call may be made (I8)
//! ```
//!
//! The layer knows neither Kubernetes nor what an order is. It reads no clock and no environment: the time and every
//! setting are arguments. Signing and sending are two steps with nothing shared but the signed bytes, because the intent
//! is written between them (I1) and carries the signature's time (I2).
//!
//! # Why not a client from the shelf
//! There is no official one for this language. The community's know no session token, or resend what must not be resent.

pub mod action;
pub mod budget;
pub mod client;
pub mod codes;
pub mod credential;
pub mod endpoint;
pub mod fault;
pub mod line;
pub mod region;
pub mod role;
pub mod sign;
pub mod sqlserver;
