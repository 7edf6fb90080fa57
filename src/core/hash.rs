//! FNV-1a, for what must be the same in every version and replica: names, offsets, jitter.
//!
//! The standard library promises that of none of its hashes. It guards nothing against an adversary.

/// The hash of `bytes`.
pub fn fnv1a(bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors of draft-eastlake-fnv.
    #[test]
    fn it_is_the_published_function() {
        let hash = |text: &str| fnv1a(text.bytes());
        assert_eq!(
            [hash(""), hash("a"), hash("foobar")],
            [0xcbf2_9ce4_8422_2325, 0xaf63_dc4c_8601_ec8c, 0x8594_4171_f739_67e8]
        );
    }
}
