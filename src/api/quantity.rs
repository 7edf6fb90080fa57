//! Sizes as Kubernetes writes them. The cloud counts in KB of 1 024 bytes, so every size is a binary quantity.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

const SUFFIXES: [&str; 5] = ["Ki", "Mi", "Gi", "Ti", "Pi"];

/// The canonical form: the largest suffix that loses nothing, such as `2560Ki` or `5Gi`.
pub(super) fn from_kb(kb: i64) -> Quantity {
    let mut number = kb.max(0);
    let mut suffixes = SUFFIXES.iter();
    let mut suffix = suffixes.next();
    while number > 0 && number % 1_024 == 0 && suffixes.len() > 0 {
        number /= 1_024;
        suffix = suffixes.next();
    }
    Quantity(format!("{number}{}", suffix.unwrap_or(&"Ki")))
}

/// The size in KB, if it is one that [`from_kb`] writes.
pub(super) fn to_kb(quantity: &Quantity) -> Option<i64> {
    SUFFIXES.iter().zip(0_u32..).find_map(|(suffix, power)| {
        let number: i64 = quantity.0.strip_suffix(suffix)?.parse().ok()?;
        number.checked_mul(1_024_i64.checked_pow(power)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_canonical_and_read_back() {
        for (kb, text) in
            [(0, "0Ki"), (1, "1Ki"), (1_023, "1023Ki"), (1_024, "1Mi"), (2_560, "2560Ki"), (5_242_880, "5Gi")]
        {
            assert_eq!(from_kb(kb).0, text);
            assert_eq!(to_kb(&from_kb(kb)), Some(kb));
        }
        assert_eq!(to_kb(&from_kb(i64::MAX)), Some(i64::MAX));
        assert_eq!(to_kb(&Quantity("1.5Gi".into())), None);
    }
}
