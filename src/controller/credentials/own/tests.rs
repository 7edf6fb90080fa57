//! Renewal against the simulated STS: who asks, who waits, and what is used meanwhile.

use std::time::Instant;

use futures::future::join_all;
use tencentdb_simulator::{Cloud, Effect, Role, Rule, Settings};

use super::*;
use crate::tencent::client::ClientSettings;
use crate::tencent::endpoint::Endpoint;
use crate::tencent::region::Region;

const ARN: &str = "qcs::cam::uin/100000000001:roleName/backup";
const TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJwb2QifQ.c2lnbmF0dXJl";

/// A file for the time of a test.
struct Temporary(PathBuf);

impl Temporary {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("token-{name}-{}", std::process::id())))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

/// A cloud, the identity of a pod that it trusts, and the file of its token, which is named for the test.
async fn pod(name: &str) -> (Cloud, Arc<Own>, Temporary) {
    let role = Role { arn: ARN.to_owned(), provider_id: "cls-1".to_owned(), token: TOKEN.to_owned() };
    let cloud = Cloud::start(Settings { roles: vec![role], ..Settings::default() }).await.unwrap();
    let file = Temporary::new(name);
    let token_file = file.0.clone();
    std::fs::write(&token_file, format!("{TOKEN}\n")).unwrap();
    let settings = ClientSettings::new(Endpoint::parse(cloud.url()).unwrap());
    let region = Region::new("ap-guangzhou").unwrap();
    let wish = Wish { region, provider_id: "cls-1".to_owned(), role_arn: ARN.to_owned() };
    let source = Source::Pod { sts: Sts::new(&settings).unwrap(), wish, token_file };
    (cloud, Arc::new(Own::new(source, Arc::new(Metrics::new("0")))), file)
}

fn asked(cloud: &Cloud) -> u64 {
    cloud.counts().get(sts::ACTION).map_or(0, |codes| codes.values().sum())
}

fn id(lent: Lent) -> String {
    let Lent::Key(credential) = lent else { panic!("no key: {lent:?}") };
    credential.secret_id().to_owned()
}

async fn lend(own: &Own) -> Lent {
    own.lend(clock::now()).await
}

fn refusal() -> Effect {
    Effect::Error { code: "UnauthorizedOperation".to_owned(), message: String::new(), accept: false }
}

#[tokio::test]
async fn a_hundred_passes_share_one_renewal_and_none_waits_for_it() {
    let (cloud, own, _file) = pod("shared").await;
    let first = join_all((0..100).map(|_| lend(&own))).await;
    let told_to_come_back = first.iter().filter(|lent| matches!(lent, Lent::Later(_))).count();
    assert_eq!(told_to_come_back, 99, "{first:?}");
    let ids: Vec<_> = join_all((0..100).map(|_| lend(&own))).await.into_iter().map(id).collect();
    assert!(ids.iter().all(|id| id == "AKIDISSUED0001"), "{ids:?}");
    assert_eq!(asked(&cloud), 1);
}

#[tokio::test]
async fn keys_that_are_good_are_used_while_their_renewal_fails() {
    let (cloud, own, _file) = pod("failing").await;
    cloud.switch(|switches| switches.issued_seconds = Some(6.0));
    let first = id(lend(&own).await);
    cloud.add_fault(Rule::new(sts::ACTION, refusal()).forever());
    // The lifetime is told in whole seconds.
    let renew = own.held().issued.as_ref().unwrap().renew;
    while clock::now() < renew {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(id(lend(&own).await), first, "they are good for a tenth of their life");
    assert_eq!(id(lend(&own).await), first);
    assert_eq!(asked(&cloud), 2, "a renewal that failed is not tried again at once");
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert!(matches!(lend(&own).await, Lent::Not(NotIssued { cure: Cure::Role, .. })), "they are over");
    assert_eq!(asked(&cloud), 2);
}

#[tokio::test]
async fn without_a_key_a_slow_service_holds_up_one_pass() {
    let (cloud, own, _file) = pod("slow").await;
    cloud.add_fault(Rule::new(sts::ACTION, Effect::None).delay(2_500));
    let asking = tokio::spawn({
        let own = own.clone();
        async move { lend(&own).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let began = Instant::now();
    assert!(matches!(lend(&own).await, Lent::Later(_)));
    assert!(began.elapsed() < Duration::from_millis(1_800), "{:?}", began.elapsed());
    assert_eq!(id(asking.await.unwrap()), "AKIDISSUED0001");
    assert_eq!(id(lend(&own).await), "AKIDISSUED0001");
}

#[tokio::test]
async fn a_rejected_key_is_replaced_once_whoever_meets_it() {
    let (cloud, own, _file) = pod("rejected").await;
    let Lent::Key(old) = lend(&own).await else { panic!("no key") };
    let fresh = join_all((0..10).map(|_| own.replace(&old))).await;
    assert!(fresh.iter().all(|fresh| fresh.as_ref().unwrap().secret_id() == "AKIDISSUED0002"), "{fresh:?}");
    assert_eq!(asked(&cloud), 2);
    assert_eq!(fresh[0].as_ref().unwrap().identity(), old.identity(), "one budget for all keys of a role");
    cloud.add_fault(Rule::new(sts::ACTION, refusal()).forever());
    assert!(own.replace(fresh[0].as_ref().unwrap()).await.is_none());
    assert_eq!(id(lend(&own).await), "AKIDISSUED0002", "kept, for there is no other");
}

#[tokio::test]
async fn a_key_that_was_given_is_never_replaced() {
    let given = Credential::new("id", SecretString::from("key"), None).unwrap();
    let own = Own::new(Source::Given(given.clone()), Arc::new(Metrics::new("0")));
    assert_eq!(id(lend(&own).await), "id");
    assert!(own.replace(&given).await.is_none());
}

#[test]
fn a_token_is_bare_and_bounded() {
    let file = Temporary::new("bare");
    let path = &file.0;
    let held = |bytes: &[u8]| {
        std::fs::write(path, bytes).unwrap();
        token(path).map(|token| secrecy::ExposeSecret::expose_secret(&token).to_owned())
    };
    assert_eq!(held(b"a.b.c\n").unwrap(), "a.b.c");
    assert_eq!(held(&vec![b'a'; 16_384]).unwrap().len(), 16_384);
    for bad in [&b""[..], b"\n", b"a b", b"a\nb", b"\xff", &vec![b'a'; 16_385]] {
        assert!(held(bad).is_err(), "{bad:?}");
    }
    std::fs::remove_file(path).unwrap();
    assert_eq!(token(path).unwrap_err().cure, Cure::Role);
}
