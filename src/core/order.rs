//! The order: one validated wish for one backup.
//!
//! An order is known by its UID. Everything that the cloud is asked comes from here, so a value of this type is always
//! fit to be sent. What cannot be made into an order is [`Invalid`]: an input of the decision like any other, never an
//! early return, because something may already be in flight for it.

use jiff::Timestamp;

/// The UID of an object, as 32 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uid(String);

impl Uid {
    /// Takes a UUID with or without hyphens; anything else is an [`Invalid`] order.
    pub fn new(uid: &str) -> Result<Self, Invalid> {
        let mut digits: String = uid.split('-').collect();
        digits.make_ascii_lowercase();
        if digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            Ok(Self(digits))
        } else {
            Err(Invalid::new("metadata.uid", "is not a UUID", "create the object through the API server"))
        }
    }

    /// The 32 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What the object is, whether or not its spec can be read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subject {
    /// Identity of the order: a new UID is a new order.
    pub uid: Uid,
    /// Name of the object, the readable part of the backup's name.
    pub name: String,
    /// When the API server stored it; the deadline counts from here.
    pub created: Timestamp,
    /// `metadata.generation`, echoed into every condition.
    pub generation: i64,
    /// Whether a deletion timestamp is set: such an order is never submitted.
    pub deleting: bool,
}

/// What is backed up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// `Strategy` 0: all user databases of the instance.
    Instance,
    /// `Strategy` 1: these databases.
    Databases(Vec<String>),
}

/// How long the cloud keeps the copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// `StorageStrategy` 0: as long as the instance's backup retention says.
    InstanceRetention,
    /// `StorageStrategy` 1: as long as the instance lives.
    InstanceLifetime,
}

/// A wish that can be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The instance, `mssql-…`.
    pub instance: String,
    /// The region, `X-TC-Region`.
    pub region: String,
    /// What is backed up.
    pub scope: Scope,
    /// How long it is kept.
    pub storage: Storage,
    /// First part of the backup's name, if the user chose one.
    pub prefix: Option<String>,
    /// After this instant an order that is not accepted stops trying.
    pub deadline: Timestamp,
}

/// A mistake in the object that only its author can mend: the field, what is wrong, and the cure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {problem}: {cure}")]
pub struct Invalid {
    /// Path of the field, such as `spec.databases`.
    pub field: String,
    /// What is wrong with it.
    pub problem: String,
    /// What to do about it.
    pub cure: String,
}

impl Invalid {
    /// Names field, problem and cure.
    pub fn new(field: impl Into<String>, problem: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into(), cure: cure.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_is_32_lower_case_digits_however_it_is_written() {
        let uid = Uid::new("0F8FAD5B-d9cb-469f-a165-70867728950e").unwrap();
        assert_eq!(uid.as_str(), "0f8fad5bd9cb469fa16570867728950e");
        for wrong in ["", "0f8fad5b", "0f8fad5bd9cb469fa16570867728950g", "0f8fad5bd9cb469fa16570867728950e0"] {
            assert!(Uid::new(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_mistake_names_the_field_and_the_cure() {
        let invalid = Invalid::new("spec.databases", "is empty", "name at least one database");
        assert_eq!(invalid.to_string(), "spec.databases is empty: name at least one database");
    }
}
