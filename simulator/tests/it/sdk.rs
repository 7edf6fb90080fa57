//! The vendor's own Python SDK uses the simulator unchanged.

use std::path::Path;
use std::process::Command;

use tencentdb_simulator::{PLAYGROUND_SECRET_ID, PLAYGROUND_SECRET_KEY};

use crate::client::{INSTANCE, cloud};

/// A Python that has the SDK.
#[expect(clippy::disallowed_methods, reason = "where the SDK is, is a matter of the machine that runs the tests")]
fn python() -> String {
    if let Ok(python) = std::env::var("PYTHON_SDK") {
        return python;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/python-sdk.sh");
    let made = Command::new(&script).output().unwrap_or_else(|error| panic!("{}: {error}", script.display()));
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn the_vendors_sdk_creates_lists_follows_and_is_refused() {
    let cloud = cloud().await;
    let endpoint = cloud.url().strip_prefix("http://").unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sdk.py");
    let arguments = [script, endpoint, PLAYGROUND_SECRET_ID, PLAYGROUND_SECRET_KEY, INSTANCE];
    let run = Command::new(python()).args(arguments).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let flow: i64 = String::from_utf8(run.stdout).unwrap().trim().parse().unwrap();

    let told: Vec<_> = cloud.ledger().into_iter().map(|entry| (entry.name, entry.code, entry.flow_ids)).collect();
    let expected = [
        ("by_sdk", "OK", vec![flow]),
        ("with-hyphen", "InvalidParameterValue.BackupNameIsIllegal", vec![]),
        ("never", "AuthFailure.SignatureFailure", vec![]),
    ];
    assert_eq!(told, expected.map(|(name, code, flows)| (name.to_owned(), code.to_owned(), flows)));
}
