//! The real client against the simulated cloud, which verifies with code of its own: every code of the table, TLS, the
//! proxy, the cap on answers, and nothing sent twice.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use secrecy::SecretString;
use sqlserver_backup_operator::tencent::client::{Client, ClientSettings};
use sqlserver_backup_operator::tencent::codes::{Class, ROWS};
use sqlserver_backup_operator::tencent::credential::Credential;
use sqlserver_backup_operator::tencent::endpoint::Endpoint;
use sqlserver_backup_operator::tencent::fault::{Doubt, Fault, NotSent};
use sqlserver_backup_operator::tencent::region::Region;
use sqlserver_backup_operator::tencent::sqlserver::{
    BackupWay, Call, CreateBackup, DescribeBackups, DescribeDBInstances, StorageStrategy, Strategy,
};
use tencentdb_simulator::{Cloud, Effect, PLAYGROUND_SECRET_ID, PLAYGROUND_SECRET_KEY, Rule, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::world::INSTANCE;

/// A cloud and a client for it, changed before it is built.
async fn connected(change: impl FnOnce(&Cloud, &mut ClientSettings)) -> (Cloud, Client) {
    cloud_and_client(Settings::default(), change).await
}

async fn cloud_and_client(settings: Settings, change: impl FnOnce(&Cloud, &mut ClientSettings)) -> (Cloud, Client) {
    let cloud = Cloud::start(settings).await.unwrap();
    let mut settings = ClientSettings::new(Endpoint::parse(cloud.url()).unwrap());
    change(&cloud, &mut settings);
    let client = Client::new(&settings).unwrap();
    (cloud, client)
}

async fn call<C: Call>(cloud: &Cloud, client: &Client, call: &C) -> Result<C::Answer, Fault> {
    let credential = Credential::new(PLAYGROUND_SECRET_ID, SecretString::from(PLAYGROUND_SECRET_KEY), None).unwrap();
    let region = Region::new("ap-guangzhou").unwrap();
    let signed = client.sign(&credential, &region, call, cloud.now()).unwrap();
    client.send(signed).await.map(|answer| answer.value)
}

fn create(name: &str) -> CreateBackup {
    CreateBackup {
        instance_id: INSTANCE.to_owned(),
        strategy: Strategy::Instance,
        db_names: vec![],
        backup_name: name.to_owned(),
        storage_strategy: StorageStrategy::InstanceRetention,
    }
}

fn list(cloud: &Cloud) -> DescribeBackups {
    let day = Duration::from_hours(24);
    DescribeBackups {
        instance_id: INSTANCE.to_owned(),
        start_time: cloud.now().checked_sub(day).unwrap().into(),
        end_time: cloud.now().checked_add(day).unwrap().into(),
        backup_way: BackupWay::Manual,
        storage_strategy: StorageStrategy::InstanceRetention,
        limit: DescribeBackups::PAGE,
        page: 0,
    }
}

fn instances() -> DescribeDBInstances {
    DescribeDBInstances { instance_id_set: vec![INSTANCE.to_owned()] }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_code_of_the_table_means_what_the_table_says() {
    let (cloud, client) = connected(|cloud, _| cloud.switch(|switches| switches.enforce_rates = false)).await;
    for row in ROWS {
        let code = row.code.label().replace('*', "SomethingNew");
        let effect = Effect::Error { code: code.clone(), message: "It says\nso.".to_owned(), accept: false };
        for action in ["CreateBackup", "DescribeBackups"] {
            cloud.add_fault(Rule::new(action, effect.clone()));
        }
        let submitted = call(&cloud, &client, &create("n")).await.unwrap_err();
        let class = match &submitted {
            Fault::Refused(_) => Class::NotDone,
            Fault::Throttled(_) => Class::Throttled,
            Fault::InDoubt { .. } => Class::Doubt,
            Fault::NotSent { .. } => panic!("{code} was sent"),
        };
        assert_eq!(class, row.class, "{code}");
        let read = call(&cloud, &client, &list(&cloud)).await.unwrap_err();
        for fault in [submitted, read] {
            assert_eq!(fault.meaning(), row.meaning, "{code}");
            assert_eq!((fault.sentence(), fault.label()), (row.sentence, row.code.label()), "{code}");
            let said = fault.said().unwrap();
            assert_eq!((said.code.as_str(), said.message.as_str()), (code.as_str(), "It says so."), "{code}");
            assert!(fault.request_id().is_some(), "{code}");
        }
    }
    assert_eq!(cloud.ledger().len(), ROWS.len(), "each was sent once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_that_is_not_in_the_table_is_in_doubt() {
    let (cloud, client) = connected(|_, _| {}).await;
    let effect = Effect::Error { code: "Unheard.Of".to_owned(), message: "?".to_owned(), accept: false };
    cloud.add_fault(Rule::new("CreateBackup", effect));
    let fault = call(&cloud, &client, &create("n")).await.unwrap_err();
    assert!(matches!(fault, Fault::InDoubt { reason: Doubt::Code, .. }), "{fault:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_additional_authority_is_trusted_and_nobody_elses() {
    let tls = || Settings { tls: true, ..Settings::default() };
    let trusting = |cloud: &Cloud, settings: &mut ClientSettings| {
        settings.extra_ca_pem = cloud.ca_pem().map(|pem| pem.as_bytes().to_vec());
    };
    let (cloud, client) = cloud_and_client(tls(), trusting).await;
    assert!(call(&cloud, &client, &create("n")).await.is_ok());
    assert!(call(&cloud, &client, &instances()).await.is_ok());

    let (other, _) = cloud_and_client(tls(), |_, _| {}).await;
    let foreign = |_: &Cloud, settings: &mut ClientSettings| {
        settings.extra_ca_pem = other.ca_pem().map(|pem| pem.as_bytes().to_vec());
    };
    let (cloud, client) = cloud_and_client(tls(), foreign).await;
    let fault = call(&cloud, &client, &create("n")).await.unwrap_err();
    assert!(matches!(fault, Fault::NotSent { reason: NotSent::Tls, .. }), "{fault:?}");
    assert!(cloud.ledger().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_1_1_is_refused_before_anything_is_sent() {
    // A server hello that settles on 1.1: version, random, no session, a cipher, no compression.
    let mut hello = vec![0x03, 0x02];
    hello.extend([7; 32]);
    hello.extend([0, 0xc0, 0x13, 0]);
    let handshake = [&[2, 0, 0, u8::try_from(hello.len()).unwrap()][..], &hello].concat();
    let record = [&[0x16, 0x03, 0x02, 0, u8::try_from(handshake.len()).unwrap()][..], &handshake].concat();
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", socket.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut connection, _) = socket.accept().await.unwrap();
        let mut offer = [0; 5];
        connection.read_exact(&mut offer).await.unwrap();
        let mut rest = vec![0; usize::from(u16::from_be_bytes([offer[3], offer[4]]))];
        connection.read_exact(&mut rest).await.unwrap();
        connection.write_all(&record).await.unwrap();
        let mut said = vec![];
        drop(connection.read_to_end(&mut said).await);
        said
    });
    let ca = Cloud::start(Settings { tls: true, ..Settings::default() }).await.unwrap();
    let (cloud, client) = connected(|_, settings| {
        settings.extra_ca_pem = ca.ca_pem().map(|pem| pem.as_bytes().to_vec());
        settings.endpoint = Endpoint::parse(&url).unwrap();
    })
    .await;
    let fault = call(&cloud, &client, &create("n")).await.unwrap_err();
    assert!(matches!(fault, Fault::NotSent { reason: NotSent::Tls, .. }), "{fault:?}");
    // An alert, fatal, protocol_version.
    assert_eq!(server.await.unwrap(), [0x15, 3, 3, 0, 2, 2, 70]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_of_more_than_a_mebibyte_is_not_read() {
    let (cloud, client) = connected(|_, _| {}).await;
    cloud.add_fault(Rule::new("DescribeDBInstances", Effect::Big { mebibytes: 2 }));
    let fault = call(&cloud, &client, &instances()).await.unwrap_err();
    assert!(matches!(fault, Fault::InDoubt { reason: Doubt::TooLarge, .. }), "{fault:?}");
    assert!(call(&cloud, &client, &instances()).await.is_ok(), "the next one is");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i2_nothing_is_sent_twice() {
    let (cloud, client) = connected(|cloud, _| cloud.switch(|switches| switches.idle_seconds = 0.4)).await;
    for reset in [false, true] {
        for effect in [Effect::DropBefore { reset }, Effect::DropAfter { reset }] {
            let before = cloud.ledger().len();
            cloud.add_fault(Rule::new("CreateBackup", effect));
            assert!(call(&cloud, &client, &create("n")).await.unwrap_err().may_have_taken_effect());
            assert_eq!(cloud.ledger().len(), before + 1);
        }
    }
    cloud.add_fault(Rule::new("DescribeDBInstances", Effect::DropBefore { reset: false }));
    assert!(call(&cloud, &client, &instances()).await.is_err());
    let asked = &cloud.counts()["DescribeDBInstances"];
    assert_eq!(asked.values().sum::<u64>(), 1, "a read neither: {asked:?}");
    // A connection that the cloud has closed meanwhile is not used for a submission.
    assert!(call(&cloud, &client, &instances()).await.is_ok());
    tokio::time::sleep(Duration::from_millis(395)).await;
    let before = cloud.ledger().len();
    for _ in 0..5 {
        cloud.finish(
            cloud.ledger().last().unwrap().flow_ids.first().copied().unwrap_or(0),
            tencentdb_simulator::End::Success,
        );
        let outcome = call(&cloud, &client, &create("n")).await;
        assert!(!outcome.is_err_and(|fault| fault.may_have_taken_effect()));
    }
    assert_eq!(cloud.ledger().len(), before + 5);
}

/// A proxy that knows `CONNECT`, and behind it the vendor's own host name, in front of `cloud`; what it was asked for, and
/// the authority that vouches for the name.
async fn proxy(cloud: &Cloud) -> (String, Arc<Mutex<Vec<String>>>, String) {
    let name = "sqlserver.tencentcloudapi.com";
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new([name.to_owned()]).unwrap().self_signed(&key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = tokio_rustls::rustls::ServerConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let private = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = builder.with_single_cert(vec![certificate.der().clone()], private).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", socket.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(vec![]));
    let (log, cloud) = (asked.clone(), cloud.url().trim_start_matches("http://").to_owned());
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = socket.accept().await {
            let mut head = vec![];
            while !head.ends_with(b"\r\n\r\n") {
                head.push(connection.read_u8().await.unwrap());
            }
            log.lock().unwrap().push(String::from_utf8(head).unwrap().lines().next().unwrap().to_owned());
            connection.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            let (acceptor, cloud) = (acceptor.clone(), cloud.clone());
            tokio::spawn(async move {
                let mut inside = acceptor.accept(connection).await.unwrap();
                let mut outside = TcpStream::connect(cloud).await.unwrap();
                drop(tokio::io::copy_bidirectional(&mut inside, &mut outside).await);
            });
        }
    });
    (address, asked, certificate.pem())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_proxy_is_used_and_the_hosts_that_need_none_are_not() {
    let cloud = Cloud::start(Settings::default()).await.unwrap();
    let (address, asked, authority) = proxy(&cloud).await;
    let settings = |no_proxy: Option<&str>| ClientSettings {
        extra_ca_pem: Some(authority.clone().into_bytes()),
        https_proxy: Some(address.clone()),
        no_proxy: no_proxy.map(str::to_owned),
        connect_timeout: Duration::from_secs(2),
        ..ClientSettings::new(Endpoint::parse("https://sqlserver.tencentcloudapi.com").unwrap())
    };
    let client = Client::new(&settings(None)).unwrap();
    assert!(call(&cloud, &client, &create("through_the_proxy")).await.is_ok());
    assert_eq!(*asked.lock().unwrap(), ["CONNECT sqlserver.tencentcloudapi.com:443 HTTP/1.1"]);
    assert!(cloud.ledger()[0].accepted, "signed for the host that was meant");

    // A name that nobody resolves stands for the one that is reached without the proxy: nothing leaves this machine.
    let direct = ClientSettings {
        endpoint: Endpoint::parse("https://sqlserver.invalid").unwrap(),
        ..settings(Some("example.com,.invalid"))
    };
    let fault = call(&cloud, &Client::new(&direct).unwrap(), &create("n")).await.unwrap_err();
    assert!(matches!(fault, Fault::NotSent { .. }), "{fault:?}");
    assert_eq!(asked.lock().unwrap().len(), 1, "the proxy was not asked");

    let local = ClientSettings { endpoint: Endpoint::parse(cloud.url()).unwrap(), ..settings(None) };
    assert!(call(&cloud, &Client::new(&local).unwrap(), &instances()).await.is_ok());
    assert_eq!(asked.lock().unwrap().len(), 1, "never for loopback");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirection_leads_nowhere() {
    let (cloud, client) = connected(|_, _| {}).await;
    let visits = Arc::new(AtomicUsize::new(0));
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let location = format!("http://{}/", socket.local_addr().unwrap());
    let count = visits.clone();
    tokio::spawn(async move {
        while socket.accept().await.is_ok() {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    for status in [301, 302, 303, 307, 308] {
        cloud.add_fault(Rule::new("CreateBackup", Effect::Redirect { location: location.clone(), status }));
        let fault = call(&cloud, &client, &create("n")).await.unwrap_err();
        assert!(matches!(fault, Fault::InDoubt { reason: Doubt::Status(it), .. } if it == status), "{fault:?}");
    }
    assert_eq!((visits.load(Ordering::SeqCst), cloud.ledger().len()), (0, 5));
}
