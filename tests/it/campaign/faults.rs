//! Which faults fit which places: the second factor of the list of plans.
//!
//! A kill and a stop fit every place of a write and of a cloud call. A fault of an answer fits every request of its kind.
//! The documented codes are many and mean little by themselves, so each of them meets each cloud call of one story, and
//! every other story meets one code of each meaning.

use std::collections::BTreeSet;

use serde_json::{Map, json};
use sqlserver_backup_operator::tencent::codes::{Class, Meaning, ROWS};
use tencentdb_simulator::{Effect, Verify};

use super::plan::{Api, Fault, Place, Plan, Server, Watch};
use super::story::Story;
use super::version::Shape;

/// How far clocks are apart: within what is assumed, at its edge, and beyond.
const CLOCKS: [i64; 8] = [10, -10, 299, -299, 301, -301, 3_600, -3_600];

/// Every plan of a story whose recorded trace passed these labels so often.
pub(super) fn plans(story: Story, passed: impl IntoIterator<Item = (String, usize)>) -> Vec<Plan> {
    let mut plans = vec![];
    for (label, times) in passed {
        for nth in 1..=times {
            let place = Place { label: label.clone(), nth };
            for fault in fitting(story, &place) {
                plans.push(Plan { story, place: place.clone(), fault, second: None });
            }
        }
    }
    plans
}

fn fitting(story: Story, place: &Place) -> Vec<Fault> {
    let label = place.label.strip_prefix("other's ").unwrap_or(&place.label);
    let (subject, when) = label.split_once(' ').unwrap_or((label, ""));
    let mut faults = match (subject, when) {
        ("list" | "watch" | "read" | "secret", "before") => reads(subject),
        ("list" | "watch" | "read" | "secret", _) => vec![Fault::Api(Api::Truncate), Fault::Api(Api::Lose)],
        ("status" | "event", "before") => before_a_write(),
        ("status" | "event", _) => after_a_write(),
        ("watched", _) => watched(),
        (_, "received") => {
            let mut faults = vec![Fault::Kill, Fault::Stop(5)];
            faults.extend(answers(subject));
            faults.extend(codes(story));
            faults.extend([1, -1].into_iter().chain(CLOCKS).map(Fault::Clock));
            faults
        }
        (_, "decided") => vec![Fault::Kill, Fault::Stop(5)],
        _ => vec![Fault::Kill],
    };
    match label {
        "CreateBackup received" => faults.extend(submissions(story, place.nth)),
        "DescribeBackupByFlowId received" => faults.extend([Fault::Vanish, Fault::Fail]),
        _ => {}
    }
    faults.extend(versions(story, subject, when));
    faults.extend(halts(story, label));
    faults.extend(real(story, label, place.nth));
    if story == Story::TwoOperators && faults.contains(&Fault::Stop(5)) {
        // Long enough for the other operator to prove absence and to see its own backup through, so that a request
        // signed too late would be taken in.
        faults.push(Fault::Stop(12));
    }
    if story.is_large() {
        faults.retain(|fault| matches!(fault, Fault::Kill | Fault::Api(Api::Status(500 | 504)) | Fault::Cloud(..)));
        faults.retain(|fault| !matches!(fault, Fault::Cloud(_, Effect::Error { .. })));
    }
    faults
}

/// Another version has the order, wherever its own call is under way or may be.
fn versions(story: Story, subject: &str, when: &str) -> Vec<Fault> {
    let has_doubts = matches!(
        story,
        Story::Success | Story::Failed | Story::Busy | Story::Adoption | Story::Doubt | Story::Recreated
    );
    let is_place = match subject {
        "status" => when == "after",
        "CreateBackup" => true,
        "DescribeBackups" | "DescribeDBInstances" | "DescribeBackupByFlowId" => when == "decided",
        _ => false,
    };
    if has_doubts && is_place { Shape::ALL.map(Fault::Version).into() } else { vec![] }
}

/// The processes of the control plane stand still: for longer than a signature is valid, and than the program waits.
fn halts(story: Story, label: &str) -> Vec<Fault> {
    let (subject, _) = label.split_once(' ').unwrap_or((label, ""));
    if !matches!(story, Story::Success | Story::Busy | Story::Doubt) {
        return vec![];
    }
    match subject {
        "list" | "watch" | "read" | "secret" | "event" | "watched" => vec![Fault::Halt(Server::ApiServer, 5)],
        "status" | "CreateBackup" => {
            let servers = [Server::ApiServer, Server::Etcd];
            servers.into_iter().flat_map(|server| [5, 12].map(|seconds| Fault::Halt(server, seconds))).collect()
        }
        _ => vec![],
    }
}

/// With the limits as they are shipped. A clock that is off needs no patience; a request that comes late needs 11 minutes,
/// and there is one place where it can.
fn real(story: Story, label: &str, nth: usize) -> Vec<Fault> {
    let mut faults = vec![];
    let is_short = matches!(
        story,
        Story::Success | Story::Databases | Story::Failed | Story::Busy | Story::Rotated | Story::NoDatabase
    );
    if is_short && label.ends_with(" received") {
        faults.extend(CLOCKS.map(Fault::Clock));
    }
    if story == Story::Success && nth == 1 && label == "CreateBackup received" {
        let held = |seconds, verify, hang_up| Effect::Hold { seconds, verify, hang_up };
        let late = [
            ("held 310, hung up", held(310.0, Verify::Arrival, true)),
            ("held 310", held(310.0, Verify::Arrival, false)),
            ("held 297, verified late", held(297.0, Verify::Acceptance, true)),
            ("held 310, verified late", held(310.0, Verify::Acceptance, true)),
            ("reset before", Effect::DropBefore { reset: true }),
        ];
        faults.extend(late.map(|(name, effect)| Fault::Cloud(name.to_owned(), effect)));
    }
    if story == Story::Success && nth == 1 && label == "status after" {
        faults.push(Fault::Stop(310));
    }
    faults.into_iter().map(|fault| Fault::Real(Box::new(fault))).collect()
}

fn reads(subject: &str) -> Vec<Fault> {
    let mut faults: Vec<Fault> = [403, 429, 500, 503, 504].map(|status| Fault::Api(Api::Status(status))).into();
    if subject == "watch" || subject == "list" {
        faults.push(Fault::Api(Api::Status(410)));
    }
    faults.extend([Fault::Api(Api::Slow(3)), Fault::Api(Api::Silent)]);
    faults
}

fn before_a_write() -> Vec<Fault> {
    let mut faults = vec![Fault::Kill, Fault::KillLate, Fault::Stop(5)];
    faults.extend([403, 409, 429, 500, 503].map(|status| Fault::Api(Api::Status(status))));
    faults.extend([Api::Lose, Api::Slow(3), Api::Silent].map(Fault::Api));
    faults
}

fn after_a_write() -> Vec<Fault> {
    let mut faults = vec![Fault::Kill, Fault::Stop(5)];
    faults.extend([Api::Status(409), Api::Status(504), Api::Lose, Api::Truncate, Api::Silent].map(Fault::Api));
    faults
}

fn watched() -> Vec<Fault> {
    [Watch::Delayed, Watch::Doubled, Watch::Missing, Watch::Gone, Watch::Cut, Watch::Silent].map(Fault::Watch).into()
}

/// Of any cloud call.
fn answers(action: &str) -> Vec<Fault> {
    let plain = |status: u16| Effect::Status { status, body: "<html>".to_owned(), accept: true };
    let mut faults: Vec<Fault> = [
        ("closed before", Effect::DropBefore { reset: false }),
        ("reset before", Effect::DropBefore { reset: true }),
        ("closed after", Effect::DropAfter { reset: false }),
        ("reset after", Effect::DropAfter { reset: true }),
        ("http 500", plain(500)),
        ("http 503", plain(503)),
        ("garbage", Effect::Garbage { accept: true }),
        ("half body", Effect::HalfBody),
        ("html type", Effect::ContentType { value: "text/html".to_owned() }),
    ]
    .map(|(name, effect)| Fault::Cloud(name.to_owned(), effect))
    .into();
    faults.push(Fault::CloudSlow(3_000));
    if action == "DescribeBackups" {
        let altered = |name: &str, field: &str, value| {
            let set = Map::from_iter([(field.to_owned(), value)]);
            Fault::Cloud(name.to_owned(), Effect::Answer { text: vec![], set, remove: vec![] })
        };
        faults.push(altered("total too large", "TotalCount", json!(7)));
    }
    faults
}

fn error(code: &str, accept: bool) -> Effect {
    Effect::Error { code: code.to_owned(), message: "It did not work.\nrequest id: none".to_owned(), accept }
}

/// Documented codes; of a family, a member that is documented nowhere.
fn codes(story: Story) -> Vec<Fault> {
    let mut met: BTreeSet<String> = BTreeSet::new();
    let mut faults = vec![];
    for row in ROWS {
        let code = row.code.label().replace('*', "OfTheFamily");
        let kind = format!("{:?} {:?}", row.class, row.meaning);
        if story == Story::Success || met.insert(kind) {
            faults.push(Fault::Cloud(code.clone(), error(&code, false)));
        }
    }
    faults.push(Fault::Cloud("Unheard.OfBefore".to_owned(), error("Unheard.OfBefore", false)));
    faults
}

/// What only a submission can suffer.
fn submissions(story: Story, nth: usize) -> Vec<Fault> {
    let held = |seconds, verify, hang_up| Effect::Hold { seconds, verify, hang_up };
    let flow =
        |value| Effect::Answer { text: vec![], set: Map::from_iter([("FlowId".to_owned(), value)]), remove: vec![] };
    let without = Effect::Answer { text: vec![], set: Map::new(), remove: vec!["FlowId".to_owned()] };
    let mut faults: Vec<Fault> = [
        ("held 1.5, hung up", held(1.5, Verify::Arrival, true)),
        ("held 1.5", held(1.5, Verify::Arrival, false)),
        ("held 2, verified late", held(2.0, Verify::Acceptance, true)),
        ("without a flow", without),
        ("flow 0", flow(json!(0))),
        ("flow 2^63", flow(json!(9_223_372_036_854_775_808_u64))),
        ("http 500, not done", Effect::Status { status: 500, body: String::new(), accept: false }),
        ("garbage, not done", Effect::Garbage { accept: false }),
    ]
    .map(|(name, effect)| Fault::Cloud(name.to_owned(), effect))
    .into();
    // A refusal that ends the order and was none is outside the assumptions: nothing would look again.
    let heals = |meaning| {
        !matches!(
            meaning,
            Meaning::InstanceNotFound | Meaning::DatabaseNotFound | Meaning::InvalidRequest | Meaning::BackupNotFound
        )
    };
    for row in ROWS.iter().filter(|row| heals(row.meaning) && (row.class == Class::Doubt || story == Story::Success)) {
        let code = row.code.label().replace('*', "OfTheFamily");
        faults.push(Fault::Cloud(format!("{code}, done"), error(&code, true)));
    }
    faults.extend([Fault::Rows(1), Fault::Rows(2), Fault::Rows(4), Fault::Rows(7), Fault::Lag(900)]);
    if nth == 1 {
        faults.push(Fault::Twice);
    }
    faults
}
