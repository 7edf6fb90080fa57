//! Whether, where and as whom this process runs for the lease.
//!
//! Switched off, nothing else here matters, and outside of a cluster it need not be set. Switched on, a namespace that
//! nobody named ends the program: a lease in a guessed one would let two of them work and neither see the other.

use std::path::Path;

use super::flags::{LEADER_ELECT, LEASE_NAME, LEASE_NAMESPACE};
use super::{Environment, Wrong, checks, identity};

/// Where a pod reads the name of its namespace.
const OWN_NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";
/// The longest name of an object.
const MAX_NAME: usize = 253;

/// What a candidate needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidacy {
    /// The namespace of the lease.
    pub namespace: String,
    /// The name of the lease.
    pub name: String,
    /// The pod's name. It is unique while the pod lives, and a container that is restarted in it is the same candidate.
    pub pod: Option<String>,
}

/// Reads the candidacy, if there is to be one.
pub(super) fn read(
    elect: &str,
    namespace: Option<String>,
    name: String,
    environment: Environment<'_>,
) -> Result<Option<Candidacy>, Wrong> {
    match elect {
        "true" => {}
        "false" => return Ok(None),
        _ => return Err(LEADER_ELECT.wrong(elect, "give true or false")),
    }
    if !is_name(&name) {
        return Err(LEASE_NAME.wrong(&name, "give the name of an object: a-z, 0-9, - and ., at most 253"));
    }
    let namespace = match namespace.or_else(|| mounted(OWN_NAMESPACE.as_ref())) {
        Some(namespace) if checks::is_namespace(&namespace) => namespace,
        Some(namespace) => return Err(LEASE_NAMESPACE.wrong(&namespace, "give the name of a namespace")),
        None => {
            let cure = format!(
                "not set, and this is no pod that knows its namespace: set it, or set {LEADER_ELECT} to false if this \
                 process runs alone"
            );
            return Err(LEASE_NAMESPACE.refuse(&cure));
        }
    };
    Ok(Some(Candidacy { namespace, name, pod: identity::pod_name(environment) }))
}

fn mounted(file: &Path) -> Option<String> {
    std::fs::read_to_string(file).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn is_name(name: &str) -> bool {
    name.len() <= MAX_NAME && name.split('.').all(checks::is_namespace)
}
