//! A person uses up the limit of one key in one region: the operator is told so, goes at half its pace there, comes back,
//! and everything else goes on as if nothing had been.
//!
//! The person is another client of the same cloud with the same key. Its calls name no instance that exists: the cloud
//! counts a call before it reads what it is about.

use std::ops::Range;
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::json;
use sqlserver_backup_operator::tencent::client::{Client, ClientSettings};
use sqlserver_backup_operator::tencent::credential::Credential;
use sqlserver_backup_operator::tencent::endpoint::Endpoint;
use sqlserver_backup_operator::tencent::fault::Fault;
use sqlserver_backup_operator::tencent::region::Region;
use sqlserver_backup_operator::tencent::sqlserver::{CreateBackup, StorageStrategy, Strategy};
use tencentdb_simulator::{Entry, Instance, Key, PLAYGROUND_SECRET_ID, PLAYGROUND_SECRET_KEY};

use crate::world::{SECRET, World};

const OTHER_SECRET: &str = "other";
const OTHER_KEY: &str = "AKIDother";
const REGION: &str = "ap-guangzhou";
/// Key and region of three lanes; the person uses the first.
const LANES: [(&str, &str, &str); 3] = [
    (SECRET, PLAYGROUND_SECRET_ID, REGION),
    (SECRET, PLAYGROUND_SECRET_ID, "ap-shanghai"),
    (OTHER_SECRET, OTHER_KEY, REGION),
];
/// For each lane.
const ORDERS: usize = 90;
/// More calls than the cloud allows in a second.
const BURST: usize = 30;

/// What the operator asked for on a lane, by the ledger.
fn calls<'a>(ledger: &'a [Entry], (_, key, region): (&str, &str, &str)) -> Vec<&'a Entry> {
    let is_of = |entry: &&Entry| entry.secret_id == key && entry.region == region && entry.name.starts_with("k8s_");
    ledger.iter().filter(is_of).collect()
}

/// Those of them that the cloud refused as one too many.
fn throttled<'a>(ledger: &'a [Entry], lane: (&str, &str, &str)) -> Vec<&'a Entry> {
    calls(ledger, lane).into_iter().filter(|call| call.code.starts_with("RequestLimit")).collect()
}

/// Calls of the lane that arrived between so many seconds after `begin`.
fn count(ledger: &[Entry], lane: (&str, &str, &str), begin: Timestamp, seconds: &Range<i64>) -> f64 {
    let within = |entry: &&&Entry| seconds.contains(&entry.received.duration_since(begin).as_secs());
    f64::from(u32::try_from(calls(ledger, lane).iter().filter(within).count()).unwrap())
}

/// Calls until the cloud has said no; how often it did.
async fn hurry(world: &World) -> usize {
    let client = Client::new(&ClientSettings::new(Endpoint::parse(world.cloud.url()).unwrap())).unwrap();
    let credential = Credential::new(PLAYGROUND_SECRET_ID, SecretString::from(PLAYGROUND_SECRET_KEY), None).unwrap();
    let region = Region::new(REGION).unwrap();
    // At the beginning of one of the cloud's seconds, so that the rest of it is everybody else's.
    let fraction = u64::from(world.cloud.now().subsec_millisecond().unsigned_abs());
    tokio::time::sleep(Duration::from_millis(1_000 - fraction)).await;
    let one = |number: usize| {
        let call = CreateBackup {
            instance_id: "mssql-nowhere0".to_owned(),
            strategy: Strategy::Instance,
            db_names: vec![],
            backup_name: format!("by_hand_{number}"),
            storage_strategy: StorageStrategy::InstanceRetention,
        };
        let signed = client.sign(&credential, &region, &call, world.cloud.now()).unwrap();
        client.send(signed)
    };
    let answers = join_all((0..BURST).map(one)).await;
    // That second is over.
    tokio::time::sleep(Duration::from_secs(1)).await;
    answers.iter().filter(|answer| matches!(answer, Err(Fault::Throttled(_)))).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i8_a_throttle_halves_the_pace_of_its_key_region_and_action_alone() {
    let mut world = World::with(|plan| {
        plan.cloud.keys.push(Key::new(OTHER_KEY, PLAYGROUND_SECRET_KEY));
        for (lane, (_, _, region)) in LANES.iter().enumerate() {
            plan.cloud.instances.extend((0..ORDERS).map(|number| Instance {
                region: (*region).to_owned(),
                ..Instance::new(&format!("mssql-lane{lane}{number:03}"))
            }));
        }
        plan.environment.insert("API_SHARE", "0.25".to_owned());
        // All orders are there when it begins, however long that takes.
        plan.started = false;
    })
    .await;
    world.put_secret(OTHER_SECRET, &json!({ "secretId": OTHER_KEY, "secretKey": PLAYGROUND_SECRET_KEY })).await;
    for number in 0..ORDERS {
        let all = LANES.iter().enumerate().map(|(lane, (secret, _, region))| {
            let instance = format!("mssql-lane{lane}{number:03}");
            let spec = json!({ "instanceId": instance, "region": region, "credentialsRef": { "name": secret } });
            let name = format!("lane-{lane}-{number}");
            let world = &world;
            async move { world.order(&name, spec).await }
        });
        join_all(all).await;
    }
    world.start().await;
    world.wait_for("the pace is there", |world| calls(&world.cloud.ledger(), LANES[0]).len() >= 15).await;
    // Again, should no call of the operator's have fallen into the rest of that second.
    while throttled(&world.cloud.ledger(), LANES[0]).is_empty() {
        assert!(hurry(&world).await > 0, "the person is told as well");
    }
    world
        .wait_for("every order has called", |world| {
            let ledger = world.cloud.ledger();
            LANES.iter().all(|lane| calls(&ledger, *lane).iter().filter(|call| call.accepted).count() >= ORDERS)
        })
        .await;

    let ledger = world.cloud.ledger();
    let [here, region, key] = LANES.map(|lane| throttled(&ledger, lane));
    assert!(region.is_empty() && key.is_empty(), "{region:#?} {key:#?}");
    let begin = here[0].received;
    assert!(here.iter().all(|call| call.received.duration_since(begin).as_millis() < 1_000), "one event: {here:#?}");
    // Beside the others, which the machine slows down as much: half at first, and all of it again after ten seconds.
    let beside = |seconds: Range<i64>| {
        let [own, others @ ..] = LANES.map(|lane| count(&ledger, lane, begin, &seconds));
        2.0 * own / others.iter().sum::<f64>()
    };
    let (halved, recovered) = (beside(1..5), beside(10..14));
    assert!((0.4..=0.8).contains(&halved) && recovered >= 0.7, "{halved:.2}, {recovered:.2}");
}
