//! One bounded line out of a text from outside, fit for a status.
//!
//! The cloud's messages embed the request id and line breaks, so a message copied as it is differs at every attempt,
//! and a status that differs at every attempt wakes its own controller. They may also quote pre-signed download
//! addresses, which are credentials. Both are taken out; what remains is the same for the same cause.

/// Longest line, in characters.
pub const LONGEST: usize = 512;

/// The text on one line of at most [`LONGEST`] characters: runs of blanks and control characters become one blank;
/// request ids and whatever looks like an address are left out.
pub fn one_line(text: &str, request_id: Option<&str>) -> String {
    let text = match request_id.filter(|id| !id.is_empty()) {
        Some(id) => text.replace(id, ""),
        None => text.to_owned(),
    };
    let blank = |c: char| if c.is_control() || c.is_whitespace() { ' ' } else { c };
    let text = without_brackets(&text.chars().map(blank).collect::<String>());
    let words: Vec<&str> =
        text.split(' ').filter(|word| !word.is_empty()).map(|word| if is_address(word) { "…" } else { word }).collect();
    let words: Vec<&str> = words.into_iter().filter(|word| !is_uuid(word)).collect();
    cut(&words.join(" "))
}

/// Takes out `[request id:…]` in the spellings that were seen.
fn without_brackets(text: &str) -> String {
    let mut rest = text;
    let mut kept = String::with_capacity(text.len());
    while let Some((before, after)) = rest.split_once('[') {
        kept.push_str(before);
        match after.split_once(']') {
            Some((inside, behind)) if names_a_request(inside) => rest = behind,
            _ => {
                kept.push('[');
                rest = after;
            }
        }
    }
    kept.push_str(rest);
    kept
}

fn names_a_request(inside: &str) -> bool {
    let letters: String = inside.chars().filter(char::is_ascii_alphabetic).take(9).collect();
    letters.eq_ignore_ascii_case("requestid")
}

fn is_address(word: &str) -> bool {
    word.contains("://") || word.contains("q-sign") || word.contains("sign=") || word.contains("Signature=")
}

/// 8-4-4-4-12 hexadecimal digits, with punctuation around them allowed: the shape of every request id.
fn is_uuid(word: &str) -> bool {
    let word = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let groups: Vec<&str> = word.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn cut(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_documented_sample_becomes_the_same_line_at_every_attempt() {
        let of = |id: &str| {
            let text = format!(
                "[request id:{id}]you are not authorized to perform operation (x)\nresource (y) has no permission"
            );
            one_line(&text, Some(id))
        };
        let first = of("4be5990d-0000-4000-8000-000000000001");
        assert_eq!(first, "you are not authorized to perform operation (x) resource (y) has no permission");
        assert_eq!(first, of("ffffffff-0000-4000-8000-000000000002"));
    }

    #[test]
    fn a_request_id_goes_in_every_spelling() {
        for text in [
            "busy [RequestId: abc]",
            "busy [request_id=4be5990d-0000-4000-8000-000000000001]",
            "busy (4be5990d-0000-4000-8000-000000000001)",
            "busy 4BE5990D-0000-4000-8000-000000000001.",
            "busy",
        ] {
            assert_eq!(one_line(text, None), "busy", "{text}");
        }
        assert_eq!(one_line("busy xyz-1", Some("xyz-1")), "busy");
        assert_eq!(one_line("[db1] is [bad", None), "[db1] is [bad");
    }

    #[test]
    fn pre_signed_addresses_do_not_survive() {
        let line =
            one_line("see https://cos.example/x.bak?q-signature=abc or cos/x?q-sign-algorithm=sha1&k=v now", None);
        assert_eq!(line, "see … or … now");
    }

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        let line = one_line(&"é".repeat(2_000), None);
        assert_eq!(line.chars().count(), LONGEST);
        assert!(line.ends_with('…'));
    }

    proptest! {
        #[test]
        fn any_text_becomes_one_bounded_line_and_stays_it(text in "\\PC*|[\\s\\S]*", id in ".{0,8}") {
            let line = one_line(&text, Some(&id));
            prop_assert!(line.chars().count() <= LONGEST);
            prop_assert!(!line.chars().any(char::is_control));
            prop_assert!(!line.contains("://"));
        }
    }
}
