//! What a Secret must hold, who may use the operator's identity, and how long what was read is believed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use k8s_openapi::ByteString;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

fn secret(pairs: &[(&str, &[u8])]) -> Secret {
    let data: BTreeMap<_, _> =
        pairs.iter().map(|(key, value)| ((*key).to_owned(), ByteString(value.to_vec()))).collect();
    Secret { data: Some(data), ..Secret::default() }
}

#[test]
fn a_good_secret_is_a_credential() {
    let good = credential("s", &secret(&[("secretId", b"id"), ("secretKey", b"key"), ("token", b"t")])).unwrap();
    assert_eq!(good.secret_id(), "id");
    assert!(good.token().is_some());
}

#[test]
fn a_bad_secret_names_the_key_and_the_cure_and_never_the_value() {
    let (id, key) = (("secretId", b"id".as_slice()), ("secretKey", b"hidden".as_slice()));
    for (pairs, names) in [
        (vec![key], "secretId"),
        (vec![id, ("secretKey", b"")], "secretKey"),
        (vec![id, ("secretKey", b"hidden\n")], "secretKey"),
        (vec![("secretId", b" id"), key], "secretId"),
        (vec![id, ("secretKey", b"\xffhidden")], "secretKey"),
        (vec![id, key, ("token", b"")], "token"),
    ] {
        let problem = credential("the-secret", &secret(&pairs)).unwrap_err();
        assert!(problem.contains(names) && problem.contains("the-secret"), "{problem}");
        assert!(!problem.contains("hidden"), "{problem}");
    }
}

/// Credentials in front of an API server that nobody runs.
fn credentials(own: Source, sharing: Namespaces) -> Credentials {
    drop(rustls::crypto::ring::default_provider().install_default());
    let config = kube::Config::new("http://127.0.0.1:1".parse().unwrap());
    let cluster = Cluster::new(cluster::connect(config).unwrap(), "tests");
    Credentials::new(cluster, own, sharing, Arc::new(Metrics::new("0")))
}

fn at(millisecond: i64) -> Timestamp {
    Timestamp::from_millisecond(1_700_000_000_000 + millisecond).unwrap()
}

#[tokio::test]
async fn the_operators_own_identity_is_lent_by_namespace_alone() {
    let own = Credential::new("id", SecretString::from("key".to_owned()), None).unwrap();
    let sharing = || Namespaces::Only(["team".to_owned()].into());
    let with = credentials(Source::Given(own), sharing());
    assert!(matches!(with.resolve("team", None, at(0)).await, Ok(Found::Key(_))));
    let without = credentials(Source::Nobody, sharing());
    let refusal = async |credentials: &Credentials, namespace: &str| {
        let found = credentials.resolve(namespace, None, at(0)).await.unwrap();
        let Found::Not(trouble) = found else { panic!("lent: {found:?}") };
        trouble
    };
    assert_eq!(refusal(&with, "other").await, refusal(&without, "team").await);
}

#[tokio::test]
async fn what_a_secret_held_is_stale_when_the_order_tries_again() {
    let credentials = credentials(Source::Nobody, Namespaces::All);
    let wrong: Read = Err("wrong".to_owned());
    let key = || ("n".to_owned(), "s".to_owned());
    for (asked, is_fresh) in [(0, true), (59_999, true), (60_000, false), (-60_000, true), (-60_001, false)] {
        credentials.cache().insert(key(), (at(0), wrong.clone()));
        assert_eq!(credentials.remembered("n", "s", at(asked)).is_some(), is_fresh, "{asked}");
    }
}

/// An API server that has one Secret and takes its time; how often it was asked.
async fn server() -> (kube::Config, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = kube::Config::new(format!("http://{}", listener.local_addr().unwrap()).parse().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let counted = Arc::clone(&counted);
            tokio::spawn(async move {
                let mut request = [0_u8; 4_096];
                while connection.read(&mut request).await.is_ok_and(|read| read > 0) {
                    counted.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    let body = r#"{"metadata":{"name":"s"},"data":{"secretId":"aWQ=","secretKey":"a2V5"}}"#;
                    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length";
                    let answer = format!("{head}: {}\r\n\r\n{body}", body.len());
                    connection.write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    });
    (config, asked)
}

#[tokio::test]
async fn of_many_passes_that_need_a_secret_at_once_one_reads_it() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let (config, asked) = server().await;
    let cluster = Cluster::new(cluster::connect(config).unwrap(), "tests");
    let credentials = Credentials::new(cluster, Source::Nobody, Namespaces::All, Arc::new(Metrics::new("0")));
    for (minute, reads) in [(0, 1), (1, 2)] {
        let passes = (0..20).map(|pass| credentials.resolve("n", Some("s"), at(minute * 60_000 + pass)));
        for found in futures::future::join_all(passes).await {
            assert!(matches!(found, Ok(Found::Key(_))), "{found:?}");
        }
        assert_eq!(asked.load(Ordering::Relaxed), reads);
    }
}

#[tokio::test]
async fn a_rejected_key_is_held_back_and_the_next_one_is_not() {
    let credentials = credentials(Source::Nobody, Namespaces::All);
    let hold = |id: &str, version: &str| {
        let key = Credential::new(id, SecretString::from("key".to_owned()), None).unwrap();
        credentials.cache().insert(("n".to_owned(), "s".to_owned()), (at(0), Ok((key, version.to_owned()))));
    };
    hold("old", "1");
    let Ok(Found::Key(key)) = credentials.resolve("n", Some("s"), at(0)).await else { panic!("no key") };
    let said = Fault::from_code("AuthFailure.SecretIdNotFound", "m", Some("r-1"));
    credentials.rejected(&key, said.clone());
    assert!(credentials.objection(&key).is_some());
    let found = credentials.resolve("n", Some("s"), at(1)).await.unwrap();
    let Found::Rejected(fault) = found else { panic!("{found:?}") };
    assert_eq!(fault.to_string(), said.to_string());
    hold("new", "2");
    assert!(matches!(credentials.resolve("n", Some("s"), at(2)).await, Ok(Found::Key(_))));
}

#[test]
fn a_version_changes_with_whatever_is_stored() {
    let of = |uid: &str, version: &str| {
        let mut secret = secret(&[]);
        secret.metadata.uid = Some(uid.to_owned());
        secret.metadata.resource_version = Some(version.to_owned());
        super::version(&secret)
    };
    assert_eq!(of("a", "1"), of("a", "1"));
    assert!(of("a", "1") != of("a", "2") && of("a", "1") != of("b", "1"));
}

#[test]
fn a_role_without_keys_says_whose_turn_it_is() {
    let of = |cure| not_issued(&NotIssued::new(cure, "label", "A sentence."), at(0));
    assert_eq!(of(Cure::Wait).meaning, Meaning::Unavailable);
    assert_eq!(of(Cure::Role).meaning, Meaning::NoCredentials);
    assert_eq!(of(Cure::Clock).meaning, Meaning::ClockSkew);
    assert_eq!(of(Cure::Role).sentence, "A sentence.");
    let said = crate::tencent::fault::Said::new("UnauthorizedOperation", "no", Some("r-1"));
    let why = NotIssued { said: Some(said), ..NotIssued::new(Cure::Role, "label", "A sentence.") };
    let trouble = not_issued(&why, at(0));
    assert_eq!(trouble.sentence, "A sentence (UnauthorizedOperation, RequestId r-1).");
    assert_eq!((trouble.note.code.as_str(), trouble.note.message.as_str()), ("UnauthorizedOperation", "no"));
}
