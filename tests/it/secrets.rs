//! A secret in every form in which a program could let it out: as it is, in base64 (at each of the three places where it may
//! begin within a longer text), in hexadecimal, URL-encoded, and as the list of numbers that bytes are printed as.

use k8s_openapi::ByteString;

/// The form in which `secret` stands in `text`, if it does.
pub(crate) fn find(secret: &str, text: &str) -> Option<String> {
    forms(secret).into_iter().find(|form| text.contains(form.as_str()))
}

/// Every form.
fn forms(secret: &str) -> Vec<String> {
    let bytes = secret.as_bytes();
    let each = |form: &dyn Fn(&u8) -> String, between: &str| bytes.iter().map(form).collect::<Vec<_>>().join(between);
    let mut forms = vec![secret.to_owned()];
    for before in 0..3 {
        let plain = base64(bytes, before);
        forms.push(plain.replace('+', "-").replace('/', "_"));
        forms.push(plain);
    }
    forms.push(each(&|byte| format!("{byte:02x}"), ""));
    forms.push(each(&|byte| format!("{byte:02X}"), ""));
    forms.push(each(&|byte| format!("{byte:02x}"), " "));
    forms.push(each(&|byte| format!("%{byte:02X}"), ""));
    forms.push(each(&|byte| format!("%{byte:02x}"), ""));
    // As a form field is encoded: what needs no escape stands as it is.
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    forms.push(each(&|byte| if is_plain(byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") }, ""));
    for between in [", ", ",", " "] {
        forms.push(each(&ToString::to_string, between));
    }
    forms
}

/// The characters that stand for `bytes` alone if so many others precede them, modulo three.
fn base64(bytes: &[u8], before: usize) -> String {
    let whole = [vec![0; before], bytes.to_vec()].concat();
    let is_ragged = whole.len() % 3 != 0;
    let text = serde_json::to_value(ByteString(whole)).unwrap();
    let text = text.as_str().unwrap().trim_end_matches('=');
    // The first characters hold bits of what precedes, the last one of what follows.
    let (first, last) = ([0, 2, 3][before], text.len() - usize::from(is_ragged));
    text[first..last].to_owned()
}

#[test]
fn a_secret_is_found_in_each_form_and_nothing_else_is() {
    let secret = "Ab+/c9~Secret%Key?";
    let encoded = |prefix: &str| {
        let text = format!("{prefix}{secret}&more=1");
        serde_json::to_value(ByteString(text.into_bytes())).unwrap().as_str().unwrap().to_owned()
    };
    let list = format!("{:?}", secret.as_bytes());
    let compact = serde_json::to_string(secret.as_bytes()).unwrap();
    let hex = secret.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    let told = [
        format!("key={secret};"),
        encoded(""),
        encoded("x"),
        encoded("xy"),
        encoded("xyz").replace('+', "-").replace('/', "_"),
        list,
        compact,
        hex.clone(),
        hex.to_uppercase(),
        "key=Ab%2B%2Fc9~Secret%25Key%3F&".to_owned(),
    ];
    for text in told {
        assert!(find(secret, &text).is_some(), "not found in {text}");
    }
    assert_eq!(find(secret, "Ab+/c9~Secret [65, 98, 43, 47] Secret%Key? 41622b2f"), None);
}
