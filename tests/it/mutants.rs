//! Mutants: objects that somebody changed under the operator, one field at a time, on the real API server.
//!
//! `lies` corrupts statuses, `edits` changes specs. Whatever the schema lets pass is an input of the operator like any
//! other: never a second backup, no pass that fails for ever, and an end, or a status that says what was found.

mod edits;
mod lies;
