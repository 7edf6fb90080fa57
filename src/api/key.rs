//! Where an object is: its namespace and its name, stored once for all that refer to it.

use std::fmt;
use std::sync::Arc;

use kube::Resource;

/// Namespace and name. Another object of the same name has the same key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Arc<(Box<str>, Box<str>)>);

impl Key {
    /// Of the object `name` in `namespace`.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self(Arc::new((namespace.into(), name.into())))
    }

    /// Of `object`.
    pub fn of(object: &impl Resource) -> Self {
        let part = |part: &Option<String>| part.as_deref().unwrap_or_default().into();
        Self(Arc::new((part(&object.meta().namespace), part(&object.meta().name))))
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.0.0
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.0.1
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace(), self.name())
    }
}
