//! How a backup is named in the cloud, and recognised again (I3).
//!
//! The name is the only thing that we can put into a backup when it is made, so it carries the identity of the order:
//! `<prefix>_<UID as 32 hex digits>_<attempt>`. Recognition ignores the prefix and the case, because the cloud promises
//! neither; a person who renames a backup that we already know by id or FlowId changes nothing.
//!
//! The documented set is letters, digits and underscore, at most 128 of them; the hyphen of Kubernetes names is not in it.

use super::order::Uid;

/// Longest name that is made without a prefix of the user's.
const SHORT: usize = 64;

/// The name for one attempt (from 1) of an order. A user's prefix is taken as it is (at most 64 characters, so the whole
/// stays within the documented 128); otherwise `k8s_` and the object's name, mapped and cut to stay within 64.
pub fn for_attempt(prefix: Option<&str>, object: &str, uid: &Uid, attempt: i64) -> String {
    let tail = format!("_{}_{attempt}", uid.as_str());
    let head = match prefix {
        Some(prefix) => prefix.to_owned(),
        None => "k8s_"
            .chars()
            .chain(object.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }))
            .take(SHORT.saturating_sub(tail.len()))
            .collect(),
    };
    head + &tail
}

/// The attempt that a name in the cloud stands for, if the backup is one of this order.
pub fn attempt_of(name: &str, uid: &Uid) -> Option<i64> {
    let name = name.to_ascii_lowercase();
    let (rest, digits) = name.rsplit_once('_')?;
    let (_, id) = rest.rsplit_once('_')?;
    let is_ours = id == uid.as_str() && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    is_ours.then(|| digits.parse().unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uid() -> Uid {
        Uid::new("0f8fad5b-d9cb-469f-a165-70867728950e").unwrap()
    }

    #[test]
    fn names_fit_the_documented_set_and_length() {
        let longest = "a-".repeat(126);
        for object in ["x", "orders.nightly-2026", longest.as_str(), "Ünïcode"] {
            for attempt in [1, 10, 99_999, i64::MAX] {
                let name = for_attempt(None, object, &uid(), attempt);
                assert!(name.len() <= 64, "{name}");
                assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{name}");
                assert_eq!(attempt_of(&name, &uid()), Some(attempt));
            }
        }
        let name = for_attempt(Some(&"P".repeat(64)), "x", &uid(), i64::MAX);
        assert!(name.len() <= 128 && attempt_of(&name, &uid()) == Some(i64::MAX));
    }

    #[test]
    fn names_differ_between_orders_and_attempts() {
        let other = Uid::new("1f8fad5b-d9cb-469f-a165-70867728950e").unwrap();
        assert_ne!(for_attempt(None, "x", &uid(), 1), for_attempt(None, "x", &uid(), 2));
        assert_ne!(for_attempt(None, "x", &uid(), 1), for_attempt(None, "x", &other, 1));
        assert_eq!(attempt_of(&for_attempt(None, "x", &uid(), 1), &other), None);
    }

    #[test]
    fn a_name_is_ours_by_its_end_alone() {
        let id = "0F8FAD5Bd9cb469fa16570867728950e";
        assert_eq!(attempt_of(&format!("anything_at_all_{id}_7"), &uid()), Some(7));
        for foreign in [
            String::new(),
            id.to_owned(),
            format!("{id}_1"),
            format!("k8s_{id}_"),
            format!("k8s_{id}_x1"),
            format!("k8s_{id}_1_copy"),
            format!("k8s_0{id}_1"),
        ] {
            assert_eq!(attempt_of(&foreign, &uid()), None, "{foreign:?}");
        }
    }
}
