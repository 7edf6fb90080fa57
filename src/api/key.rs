//! Where an object is, in one piece of text for all that refer to it: thousands of objects have several who do.

use std::fmt;
use std::sync::Arc;

use kube::Resource;

/// Namespace and name, `shop/nightly`; neither can hold a slash. Another object of the same name has the same key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Arc<str>);

impl Key {
    /// Of the object `name` in `namespace`.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self(format!("{namespace}/{name}").into())
    }

    /// Of `object`.
    pub fn of(object: &impl Resource) -> Self {
        let (namespace, name) = (&object.meta().namespace, &object.meta().name);
        Self::new(namespace.as_deref().unwrap_or_default(), name.as_deref().unwrap_or_default())
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        self.parts().0
    }

    /// The name.
    pub fn name(&self) -> &str {
        self.parts().1
    }

    fn parts(&self) -> (&str, &str) {
        self.0.split_once('/').unwrap_or_default()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
