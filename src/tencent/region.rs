//! A region of the cloud, by its API name.
//!
//! The value goes into a host name and into a header, so its shape is checked here and cannot be skipped; whether such a
//! region exists is the cloud's to say (`UnsupportedRegion`), since it opens new ones without asking us.

use std::fmt;

use thiserror::Error;

/// A region name such as `ap-guangzhou`: lower-case letters, digits and single hyphens, at most 63 bytes, so that it is
/// always one label of a host name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Region(Box<str>);

/// The text is no region name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "a region is a name such as ap-guangzhou: lower-case letters, digits and single hyphens, at most 63 characters"
)]
pub struct RegionError;

impl Region {
    /// Checks the shape and nothing else.
    pub fn new(name: &str) -> Result<Self, RegionError> {
        let plain = |part: &str| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        let starts_with_letter = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
        if name.len() <= 63 && starts_with_letter && name.contains('-') && name.split('-').all(plain) {
            Ok(Self(Box::from(name)))
        } else {
            Err(RegionError)
        }
    }

    /// The name, as the cloud spells it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the region belongs to the financial zone, which only its own host serves.
    pub fn is_financial(&self) -> bool {
        self.0.ends_with("-fsi")
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_pass_and_whatever_could_change_a_host_does_not() {
        for good in ["ap-guangzhou", "ap-shanghai-fsi", "na-siliconvalley", "ap-guangzhou-open", "eu-2"] {
            assert_eq!(Region::new(good).unwrap().as_str(), good);
        }
        let long = format!("ap-{}", "x".repeat(61));
        for bad in [
            "",
            "ap",
            "localhost",
            "ap-",
            "-ap",
            "ap--x",
            "AP-Guangzhou",
            "ap-gz.evil",
            "ap-gz/",
            "ap-gz:1",
            "ap-gz@e",
            "ap-gz\n",
            " ap-gz",
            "ap_gz-1",
            "1-ap",
            "ap-é",
            "127.0.0.1",
            long.as_str(),
        ] {
            assert_eq!(Region::new(bad), Err(RegionError), "{bad:?}");
        }
    }

    #[test]
    fn the_financial_zone_is_known_by_its_suffix() {
        assert!(Region::new("ap-shanghai-fsi").unwrap().is_financial());
        assert!(!Region::new("ap-shanghai").unwrap().is_financial());
        assert!(!Region::new("ap-fsi-shanghai").unwrap().is_financial());
    }
}
