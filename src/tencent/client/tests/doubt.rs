//! What fails once the connection stands is in doubt, and is never sent again (I2, I4).

use super::server::{Reply, response, start};
use super::{ACCEPTED, submit_to};
use crate::tencent::client::LARGEST_ANSWER;
use crate::tencent::fault::{Doubt, Fault};

async fn doubt_of(reply: Reply) -> Doubt {
    let (outcome, seen) = submit_to(reply).await;
    assert_eq!(seen.requests().len(), 1, "sent once");
    match outcome {
        Err(Fault::InDoubt { reason, .. }) => reason,
        other => panic!("not in doubt: {other:?}"),
    }
}

#[tokio::test]
async fn i4_a_connection_that_breaks_is_a_doubt_and_nothing_is_sent_again() {
    let half = response("200 OK", "", ACCEPTED)[..80].to_vec();
    for reply in [Reply::Reset, Reply::Close(vec![]), Reply::Close(half), Reply::Close(b"garbage\r\n\r\n".to_vec())] {
        assert_eq!(doubt_of(reply).await, Doubt::Broken);
    }
}

#[tokio::test]
async fn i4_an_answer_that_ends_early_without_saying_so_is_a_doubt() {
    let half = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{}", &ACCEPTED[..30]);
    assert_eq!(doubt_of(Reply::Close(half.into_bytes())).await, Doubt::Unreadable);
}

#[tokio::test]
async fn i4_silence_and_dripping_are_a_doubt() {
    assert_eq!(doubt_of(Reply::Silence).await, Doubt::Timeout);
    assert_eq!(doubt_of(Reply::Drip(response("200 OK", "", ACCEPTED))).await, Doubt::Timeout);
    let head = response("200 OK", "content-type: application/json\r\n", "");
    let head = String::from_utf8(head).unwrap().replace("length: 0", "length: 50");
    assert_eq!(doubt_of(Reply::Keep(head.into_bytes())).await, Doubt::Timeout, "the head alone, then nothing");
}

#[tokio::test]
async fn i4_a_gateways_answer_is_a_doubt() {
    for (status, code) in
        [("500 Internal Server Error", 500), ("503 Service Unavailable", 503), ("204 No Content", 204)]
    {
        let body = if code == 204 { "" } else { ACCEPTED };
        assert_eq!(doubt_of(Reply::Close(response(status, "retry-after: 0\r\n", body))).await, Doubt::Status(code));
    }
    let html = response("200 OK", "content-type: text/html\r\n", "<html>maintenance</html>");
    assert_eq!(doubt_of(Reply::Close(html)).await, Doubt::Unreadable);
}

#[tokio::test]
async fn i2_a_redirect_is_not_followed() {
    let (port, elsewhere) = start(Reply::Keep(response("200 OK", "", ACCEPTED))).await;
    for status in ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let to = format!("location: http://127.0.0.1:{port}/\r\n");
        let reason = doubt_of(Reply::Close(response(status, &to, ""))).await;
        assert!(matches!(reason, Doubt::Status(301..=308)), "{reason}");
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn an_answer_is_read_up_to_a_mebibyte() {
    let filler = |size: usize| format!(r#"{{"Response":{{"FlowId":7,"New":"{}"}}}}"#, "x".repeat(size - 35));
    let fits = filler(LARGEST_ANSWER);
    assert!(fits.len() <= LARGEST_ANSWER && fits.len() > LARGEST_ANSWER - 10);
    let (outcome, _) = submit_to(Reply::Keep(response("200 OK", "", &fits))).await;
    assert_eq!(outcome.unwrap().value(), 7);

    let large = filler(LARGEST_ANSWER + 100);
    assert_eq!(doubt_of(Reply::Keep(response("200 OK", "", &large))).await, Doubt::TooLarge);
    let chunked =
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{large}\r\n0\r\n\r\n", large.len());
    assert_eq!(doubt_of(Reply::Keep(chunked.into_bytes())).await, Doubt::TooLarge);
}

#[tokio::test]
async fn flow_ids_are_read_strictly() {
    for (flow, expected) in
        [("5293", Some(5293)), (r#""5293""#, Some(5293)), ("0", None), ("9223372036854775808", None)]
    {
        let body = format!(r#"{{"Response":{{"FlowId":{flow},"RequestId":"r"}}}}"#);
        let (outcome, _) = submit_to(Reply::Keep(response("200 OK", "", &body))).await;
        assert_eq!(outcome.as_ref().ok().map(|flow| flow.value()), expected, "{flow}");
        if let Err(fault) = outcome {
            assert!(matches!(&fault, Fault::InDoubt { reason: Doubt::NoFlowId, .. }), "{fault}");
        }
    }
}
