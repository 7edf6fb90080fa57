//! Only what is signed by a known key, now, for this service and these bytes, is let in.

use serde_json::json;
use tencentdb_simulator::{Cloud, Key};

use crate::client::{Call, INSTANCE, cloud, create_all};

fn instances(cloud: &Cloud) -> Call {
    Call::new(cloud, "DescribeDBInstances", &json!({}))
}

#[tokio::test]
async fn a_right_signature_is_accepted_also_with_a_charset_and_more_signed_headers() {
    let cloud = cloud().await;
    assert_eq!(instances(&cloud).code(&cloud), "OK");
    assert_eq!(instances(&cloud).header("Content-Type", "application/json; charset=utf-8").code(&cloud), "OK");
    let more = Call { signed: "content-type;host;x-tc-action".to_owned(), ..instances(&cloud) };
    assert_eq!(more.code(&cloud), "OK");
}

#[tokio::test]
async fn a_signature_over_other_bytes_is_refused() {
    let cloud = cloud().await;
    let signed = create_all(&cloud, INSTANCE, "a");
    let authorization = signed.authorization();
    let replay = |call: Call| call.header("Authorization", &authorization).code(&cloud);
    assert_eq!(replay(signed.clone()), "OK");
    let body = Call { sent_body: Some(signed.body.replace("\"a\"", "\"b\"")), ..signed.clone() };
    assert_eq!(replay(body), "AuthFailure.SignatureFailure");
    let spaced = Call { sent_body: Some(signed.body.replace(',', ", ")), ..signed.clone() };
    assert_eq!(replay(spaced), "AuthFailure.SignatureFailure");
    let kind = signed.clone().header("Content-Type", "application/json; charset=utf-8");
    assert_eq!(replay(kind), "AuthFailure.SignatureFailure");
    assert_eq!(replay(signed.clone().header("Host", "localhost")), "AuthFailure.SignatureFailure");
    assert_eq!(replay(signed.clone().at(signed.timestamp + 1)), "AuthFailure.SignatureFailure");
    assert_eq!(cloud.ledger().iter().filter(|entry| entry.accepted).count(), 1);
}

#[tokio::test]
async fn key_scope_and_token_must_fit() {
    let cloud = cloud().await;
    let call = instances(&cloud);
    assert_eq!(call.clone().key("AKIDNOBODY", "x").code(&cloud), "AuthFailure.SecretIdNotFound");
    assert_eq!(call.clone().key(&call.secret_id, "x").code(&cloud), "AuthFailure.SignatureFailure");
    let other_day = Call { date: Some("2020-01-01".to_owned()), ..call.clone() };
    assert_eq!(other_day.code(&cloud), "AuthFailure.SignatureFailure");
    let other_service = Call { service: "cvm".to_owned(), ..call.clone() };
    assert_eq!(other_service.code(&cloud), "AuthFailure.SignatureFailure");
    let unsigned_host = Call { signed: "content-type".to_owned(), ..call.clone() };
    assert_eq!(unsigned_host.code(&cloud), "AuthFailure.SignatureFailure");
    assert_eq!(call.clone().header("Authorization", "Bearer x").code(&cloud), "AuthFailure.InvalidAuthorization");

    cloud.put_key(Key { token: Some("t/1+2==".to_owned()), ..Key::new("AKIDTEMPORARY", "k") });
    let temporary = call.clone().key("AKIDTEMPORARY", "k");
    assert_eq!(temporary.code(&cloud), "AuthFailure.TokenFailure");
    assert_eq!(temporary.clone().header("X-TC-Token", "other").code(&cloud), "AuthFailure.TokenFailure");
    assert_eq!(temporary.header("X-TC-Token", "t/1+2==").code(&cloud), "OK");
    assert_eq!(call.header("X-TC-Token", "t").code(&cloud), "AuthFailure.TokenFailure");
}

#[tokio::test]
async fn a_signature_lives_for_the_window_of_the_clouds_own_clock() {
    let cloud = cloud().await;
    let now = cloud.now().as_second();
    let at = |second: i64| instances(&cloud).at(second).code(&cloud);
    assert_eq!(at(now - 290), "OK");
    assert_eq!(at(now + 290), "OK");
    assert_eq!(at(now - 310), "AuthFailure.SignatureExpire");
    assert_eq!(at(now + 310), "AuthFailure.SignatureExpire");
    cloud.switch(|switches| switches.signature_window_seconds = 2);
    assert_eq!(at(now - 10), "AuthFailure.SignatureExpire");
    cloud.switch(|switches| switches.clock_offset_seconds = -10);
    assert_eq!(at(now - 10), "OK");
    assert_eq!(at(now), "AuthFailure.SignatureExpire");
}

#[tokio::test]
async fn what_is_missing_or_unknown_in_the_headers_is_named() {
    let cloud = cloud().await;
    for (header, value, code) in [
        ("X-TC-Action", "", "MissingParameter"),
        ("X-TC-Version", "", "MissingParameter"),
        ("X-TC-Region", "", "MissingParameter"),
        ("X-TC-Timestamp", "", "MissingParameter"),
        ("X-TC-Timestamp", "+17", "InvalidParameter"),
        ("X-TC-Action", "RemoveBackups", "InvalidAction"),
        ("X-TC-Version", "2018-03-29", "NoSuchVersion"),
        ("X-TC-Region", "Guangzhou", "UnsupportedRegion"),
        ("Content-Type", "text/plain", "InvalidRequest"),
    ] {
        assert_eq!(instances(&cloud).header(header, value).code(&cloud), code, "{header}: {value}");
    }
    let elsewhere = Call { target: "/v3".to_owned(), ..instances(&cloud) };
    assert_eq!(elsewhere.code(&cloud), "InvalidRequest");
    let put = Call { method: "PUT".to_owned(), ..instances(&cloud) };
    assert_eq!(put.code(&cloud), "UnsupportedProtocol");
}
