//! STS and the metadata service: keys for whoever may have them, which then end.

use std::io::Write;

use serde_json::{Value, json};
use tencentdb_simulator::{Cloud, Effect, Role, Rule};

use crate::client::{Call, cloud, connect, read_response};

const ARN: &str = "qcs::cam::uin/100000000001:roleName/backup";
const TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJwb2QifQ.c2lnbmF0dXJl";

async fn trusting() -> Cloud {
    let cloud = cloud().await;
    cloud.put_role(Role { arn: ARN.to_owned(), provider_id: "cls-1".to_owned(), token: TOKEN.to_owned() });
    cloud
}

/// The call as it should be, with `change` over its body; null removes a field.
fn assume(cloud: &Cloud, change: &Value) -> Call {
    let mut body = json!({
        "ProviderId": "cls-1", "WebIdentityToken": TOKEN, "RoleArn": ARN, "RoleSessionName": "s-1",
        "DurationSeconds": 7200,
    });
    body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    body.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    let call = Call::new(cloud, "AssumeRoleWithWebIdentity", &body);
    call.header("Authorization", "SKIP").header("X-TC-Version", "2018-08-13")
}

/// `DescribeDBInstances` with keys that were issued.
fn instances(cloud: &Cloud, keys: &Value) -> String {
    let text = |name: &str| keys[name].as_str().unwrap().to_owned();
    let call = Call::new(cloud, "DescribeDBInstances", &json!({})).key(&text("TmpSecretId"), &text("TmpSecretKey"));
    call.header("X-TC-Token", &text("Token")).code(cloud)
}

#[tokio::test]
async fn the_right_token_gets_keys_that_open_until_they_end() {
    let cloud = trusting().await;
    let answer = assume(&cloud, &json!({})).response(&cloud);
    let left = answer["ExpiredTime"].as_i64().unwrap() - cloud.now().as_second();
    assert!((7_195..=7_200).contains(&left), "{answer}");
    let keys = answer["Credentials"].clone();
    assert_eq!(instances(&cloud, &keys), "OK");
    let mut other = keys.clone();
    other["Token"] = json!("other");
    assert_eq!(instances(&cloud, &other), "AuthFailure.TokenFailure");
    cloud.end_issued_keys();
    assert_eq!(instances(&cloud, &keys), "AuthFailure.TokenFailure");
    cloud.switch(|switches| switches.issued_seconds = Some(0.0));
    let over = assume(&cloud, &json!({})).response(&cloud)["Credentials"].clone();
    assert_eq!(instances(&cloud, &over), "AuthFailure.TokenFailure");
}

#[tokio::test]
async fn whatever_is_not_exactly_right_gets_none() {
    let cloud = trusting().await;
    for (change, code) in [
        (json!({ "WebIdentityToken": format!("{TOKEN}x") }), "InvalidParameter.WebIdentityTokenError"),
        (json!({ "WebIdentityToken": null }), "MissingParameter"),
        (json!({ "ProviderId": "cls-2" }), "UnauthorizedOperation"),
        (json!({ "ProviderId": null }), "MissingParameter"),
        (json!({ "RoleArn": "qcs::cam::uin/1:roleName/other" }), "ResourceNotFound.RoleNotFound"),
        (json!({ "RoleSessionName": "s" }), "InvalidParameter.ParamError"),
        (json!({ "RoleSessionName": "a b" }), "InvalidParameter.ParamError"),
        (json!({ "RoleSessionName": "s".repeat(129) }), "InvalidParameter.ParamError"),
        (json!({ "DurationSeconds": 43_201 }), "InvalidParameter.InputIllegal"),
        (json!({ "DurationSeconds": 0 }), "InvalidParameter.InputIllegal"),
        (json!({ "DurationSeconds": "7200" }), "InvalidParameter"),
        (json!({ "Policy": "{}" }), "UnknownParameter"),
    ] {
        assert_eq!(assume(&cloud, &change).code(&cloud), code, "{change}");
    }
    for (header, value, code) in [
        ("Authorization", "skip", "AuthFailure.InvalidAuthorization"),
        ("Authorization", "", "AuthFailure.InvalidAuthorization"),
        ("X-TC-Token", "t", "AuthFailure.InvalidAuthorization"),
        ("X-TC-Version", "2018-03-28", "NoSuchVersion"),
        ("X-TC-Region", "", "MissingParameter"),
        ("X-TC-Region", "Guangzhou", "UnsupportedRegion"),
        ("X-TC-Timestamp", "1", "AuthFailure.SignatureExpire"),
        ("Content-Type", "text/plain", "InvalidRequest"),
    ] {
        assert_eq!(assume(&cloud, &json!({})).header(header, value).code(&cloud), code, "{header}: {value}");
    }
    assert!(cloud.keys().iter().all(|key| key.expires.is_none()), "none was issued");
    // The token is replaced: the old one is over.
    cloud.put_role(Role { arn: ARN.to_owned(), provider_id: "cls-1".to_owned(), token: "next.next.next".to_owned() });
    assert_eq!(assume(&cloud, &json!({})).code(&cloud), "InvalidParameter.WebIdentityTokenError");
    assert_eq!(assume(&cloud, &json!({ "WebIdentityToken": "next.next.next" })).code(&cloud), "OK");
}

/// Status and body of a GET at the metadata service.
fn ask(cloud: &Cloud, below: &str) -> std::io::Result<(u16, String)> {
    let mut stream = connect(cloud.metadata_url())?;
    let path = format!("/latest/meta-data/cam/security-credentials/{below}");
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: m\r\nConnection: close\r\n\r\n").as_bytes())?;
    read_response(stream).map(|response| (response.status, response.body))
}

#[tokio::test]
async fn a_node_has_keys_only_while_it_has_a_role() {
    let cloud = cloud().await;
    assert_eq!(ask(&cloud, "").unwrap().0, 404);
    cloud.set_node_role(Some("node"));
    assert_eq!(ask(&cloud, "").unwrap(), (200, "node".to_owned()));
    assert_eq!(ask(&cloud, "other").unwrap().0, 404);
    let keys: Value = serde_json::from_str(&ask(&cloud, "node").unwrap().1).unwrap();
    assert_eq!((&keys["Code"], instances(&cloud, &keys)), (&json!("Success"), "OK".to_owned()));
    let again: Value = serde_json::from_str(&ask(&cloud, "node").unwrap().1).unwrap();
    assert_eq!(again, keys, "the same while they are young");
    cloud.end_issued_keys();
    assert_eq!(instances(&cloud, &keys), "AuthFailure.TokenFailure");
    let new: Value = serde_json::from_str(&ask(&cloud, "node").unwrap().1).unwrap();
    assert_eq!(instances(&cloud, &new), "OK");

    let code = "InternalError".to_owned();
    cloud.add_fault(Rule::new("NodeRole", Effect::Error { code, message: String::new(), accept: false }).skip(1));
    assert_eq!(ask(&cloud, "").unwrap().0, 200);
    assert_eq!(ask(&cloud, "node").unwrap().1, r#"{"Code":"InternalError"}"#);
    cloud.add_fault(Rule::new("NodeRole", Effect::DropBefore { reset: false }));
    assert!(ask(&cloud, "").is_err());
}
