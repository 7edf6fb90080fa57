//! Anything that a pass may meet: records, sights, orders, steps, outcomes.
//!
//! Nothing here is kept plausible. What is kept is a bias: instants lie close together and names are often ours, because
//! two random instants never meet at a bound, and two random names never meet at all.

use jiff::{SignedDuration, Timestamp};
use proptest::option::of;
use proptest::prelude::*;
use sqlserver_backup_operator::core::backup::Limits;
use sqlserver_backup_operator::core::order::{Invalid, Order, Scope, Storage, Subject, Uid};
use sqlserver_backup_operator::core::reason::{Acceptance, Reason};
use sqlserver_backup_operator::core::record::{Copy, FlowId, Intent, Note, Record};
use sqlserver_backup_operator::core::seen::{
    InstanceStatus, Listing, Meaning, Outcome, Progress, Row, Seen, Sight, Trouble,
};

/// The order that everything here is about.
pub(crate) const UID: &str = "0f8fad5bd9cb469fa16570867728950e";
/// The documented numbers.
pub(crate) const LIMITS: Limits =
    Limits { signature_validity: 300, clock_skew: 300, listing_lag: 60, poll_min: 15, poll_max: 60 };

pub(crate) fn at(millisecond: i64) -> Timestamp {
    Timestamp::from_millisecond(1_700_000_000_000).unwrap() + SignedDuration::from_millis(millisecond)
}

/// Within some fences of each other, a few days apart, or at the ends of time.
pub(crate) fn instant() -> BoxedStrategy<Timestamp> {
    prop_oneof![
        12 => (-1_500_i64..1_500).prop_map(|second| at(second * 1_000)),
        6 => (-1_500_000_i64..1_500_000).prop_map(at),
        3 => (-200_000_i64..200_000).prop_map(|second| at(second * 1_000)),
        1 => prop_oneof![
            Just(Timestamp::MIN),
            Just(Timestamp::MAX),
            Just(Timestamp::UNIX_EPOCH),
            Just(at(300_000_000_000)),
        ],
    ]
    .boxed()
}

fn number() -> BoxedStrategy<i64> {
    prop_oneof![8 => 0_i64..6, 1 => Just(i64::MAX), 1 => Just(i64::MAX - 1), 1 => any::<i64>()].boxed()
}

pub(crate) fn name() -> BoxedStrategy<String> {
    prop_oneof![
        4 => (1_i64..5).prop_map(|attempt| format!("k8s_x_{UID}_{attempt}")),
        1 => (1_i64..5).prop_map(|attempt| format!("Renamed_{}_{attempt}", UID.to_uppercase())),
        2 => Just(String::new()),
        3 => Just("nightly".to_owned()),
        1 => Just(format!("k8s_x_{}_1", UID.replace('0', "1"))),
        1 => Just(format!("{UID}_1")),
        1 => ".{0,30}",
    ]
    .boxed()
}

fn copy() -> BoxedStrategy<Copy> {
    (
        prop_oneof![2 => Just(None), 1 => of(number())],
        prop_oneof![3 => Just(None), 1 => of("[0-9]{0,3}")],
        of("[a-z.]{0,8}"),
        of(0_i64..9_999_999),
        of(instant()),
        of(instant()),
    )
        .prop_map(|(backup_id, group_id, file_name, size_kb, start_time, completion_time)| Copy {
            backup_id,
            group_id,
            file_name,
            size_kb,
            start_time,
            completion_time,
        })
        .boxed()
}

pub(crate) fn note() -> BoxedStrategy<Note> {
    (".{0,12}", ".{0,12}", of("[a-z0-9-]{1,8}"), instant())
        .prop_map(|(code, message, request_id, time)| Note { code, message, request_id, time })
        .boxed()
}

fn intent() -> BoxedStrategy<Intent> {
    (name(), number(), instant(), "[a-z]{0,3}")
        .prop_map(|(backup_name, attempt, time, holder)| Intent { backup_name, attempt, time, holder })
        .boxed()
}

pub(crate) fn reason() -> BoxedStrategy<Reason> {
    prop::sample::select(Reason::ALL).boxed()
}

fn acceptance() -> BoxedStrategy<Acceptance> {
    prop::sample::select(&Acceptance::ALL[..]).boxed()
}

fn flow() -> BoxedStrategy<FlowId> {
    (1_i64..9).prop_map(|id| FlowId::new(id).unwrap()).boxed()
}

/// Every field on its own, so that most records contradict themselves.
pub(crate) fn record() -> BoxedStrategy<Record> {
    let rare = |likely: f64| prop::option::weighted(likely, flow());
    let first = (of(0_i64..9), prop::option::weighted(0.9, reason()), prop::bool::weighted(0.1), of(instant()));
    let second = (prop::option::weighted(0.1, acceptance()), of(name()), number(), of(instant()));
    let third = (prop::option::weighted(0.3, intent()), rare(0.05), of("[a-z]{1,4}"), copy(), of(note()));
    let bare = prop::bool::weighted(0.5);
    (first, second, third, bare, ".{0,8}")
        .prop_map(|(first, second, third, bare, message)| {
            let (observed_generation, reason, ended, since) = first;
            let (acceptance, backup_name, attempts, submit_time) = second;
            let (intent, flow_id, request_id, copy, error) = third;
            let copy = if bare { Copy::default() } else { copy };
            Record {
                observed_generation,
                reason,
                ended,
                since,
                message,
                acceptance,
                backup_name,
                attempts,
                submit_time,
                intent,
                flow_id,
                request_id,
                copy,
                error,
            }
        })
        .boxed()
}

fn row() -> BoxedStrategy<Row> {
    let progress =
        prop::sample::select(vec![Progress::Running, Progress::Succeeded, Progress::Failed, Progress::Unheard]);
    (name(), progress, copy()).prop_map(|(name, progress, copy)| Row { name, progress, copy }).boxed()
}

fn trouble() -> BoxedStrategy<Trouble> {
    let meaning = prop::sample::select(vec![
        Meaning::InstanceBusy,
        Meaning::DatabaseBusy,
        Meaning::Throttled,
        Meaning::NoCredentials,
        Meaning::Credentials,
        Meaning::AccessDenied,
        Meaning::ClockSkew,
        Meaning::InstanceNotFound,
        Meaning::DatabaseNotFound,
        Meaning::BackupNotFound,
        Meaning::InvalidRequest,
        Meaning::Unavailable,
    ]);
    (meaning, ".{0,8}", note()).prop_map(|(meaning, sentence, note)| Trouble { meaning, sentence, note }).boxed()
}

fn listing() -> BoxedStrategy<Result<Listing, Trouble>> {
    let rows = prop_oneof![4 => Just(vec![]), 2 => prop::collection::vec(row(), 0..4)];
    let listing = (rows, prop::bool::weighted(0.8)).prop_map(|(rows, complete)| Ok(Listing { rows, complete }));
    prop_oneof![5 => listing, 1 => trouble().prop_map(Err)].boxed()
}

fn instance() -> BoxedStrategy<Option<InstanceStatus>> {
    prop_oneof![1 => Just(None), 3 => Just(Some(InstanceStatus(2))), 3 => (0_i64..19).prop_map(|it| Some(InstanceStatus(it)))].boxed()
}

pub(crate) fn sight() -> BoxedStrategy<Sight> {
    let doubtful = || prop_oneof![5 => instance().prop_map(Ok), 1 => trouble().prop_map(Err)];
    let flow = of(prop_oneof![row().prop_map(Ok), trouble().prop_map(Err)]);
    prop_oneof![
        1 => of(instant()).prop_map(|until| Sight::Nothing { until }),
        1 => instant().prop_map(|until| Sight::NoRoom { until }),
        6 => (listing(), doubtful()).prop_map(|(listing, instance)| Sight::Before { listing, instance }),
        6 => (listing(), doubtful()).prop_map(|(listing, instance)| Sight::Doubt { listing, instance }),
        4 => (flow, of(listing())).prop_map(|(flow, listing)| Sight::Flow { flow, listing }),
    ]
    .boxed()
}

pub(crate) fn order() -> BoxedStrategy<Result<Order, Invalid>> {
    let deadline = prop_oneof![2 => Just(at(86_400_000)), 1 => instant()];
    let good = (of("[A-Za-z0-9_]{1,64}"), deadline).prop_map(|(prefix, deadline)| {
        Ok(Order {
            instance: "mssql-a1".to_owned(),
            region: "ap-guangzhou".to_owned(),
            scope: Scope::Instance,
            storage: Storage::InstanceRetention,
            prefix,
            deadline,
        })
    });
    prop_oneof![9 => good, 1 => Just(Err(Invalid::new("spec", "is odd", "mend it")))].boxed()
}

pub(crate) fn seen() -> BoxedStrategy<Seen> {
    let deleting = prop::bool::weighted(0.1);
    let subject =
        (instant(), 0_i64..9, deleting, "[a-z0-9.-]{1,70}").prop_map(|(created, generation, deleting, name)| Subject {
            uid: Uid::new(UID).unwrap(),
            name,
            created,
            generation,
            deleting,
        });
    (instant(), subject, record(), prop::bool::weighted(0.8), of(instant()), sight())
        .prop_map(|(now, subject, record, is_its_turn, failing_since, sight)| Seen {
            now,
            subject,
            record,
            is_its_turn,
            failing_since,
            sight,
        })
        .boxed()
}

/// What a submission may come to.
pub(crate) fn outcome() -> BoxedStrategy<Outcome> {
    prop_oneof![
        Just(Outcome::None),
        Just(Outcome::NotDurable),
        (flow(), of("[a-z]{1,4}")).prop_map(|(flow_id, request_id)| Outcome::Accepted { flow_id, request_id }),
        trouble().prop_map(Outcome::Refused),
        ".{0,8}".prop_map(|why| Outcome::InDoubt { why }),
    ]
    .boxed()
}
