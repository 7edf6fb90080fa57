//! The tables: which worlds are explored, and which guard falls in which of them.

use super::setting::{Guard, Setting, fault};

/// One controller, for long.
fn one() -> Setting {
    Setting::default()
}

/// A refusal is one, and the process dies once at most.
fn honest() -> Setting {
    Setting { lies: 0, deaths: 1, ..one() }
}

/// Two controllers.
fn two() -> Setting {
    Setting { controllers: 2, end: 6, scale: (1, 1, 1), ..Setting::default() }
}

/// Two controllers for a short while, in which nobody dies.
fn brief() -> Setting {
    Setting { end: 3, lies: 0, deaths: 0, ..two() }
}

/// Three controllers; each may die once, and the cloud lies once, so that the search gets further.
fn three() -> Setting {
    Setting { controllers: 3, end: 5, scale: (1, 1, 1), deaths: 1, lies: 1, ..Setting::default() }
}

/// Worlds in which all guards stand.
pub(crate) fn settings() -> Vec<(String, Setting)> {
    let few = |setting: Setting| Setting { deaths: 1, lies: 1, ..setting };
    let bad_reads = fault::HOLES | fault::UNREAD | fault::INSTANCE | fault::INVISIBLE;
    let all: Vec<(&str, Setting)> = vec![
        ("one controller", one()),
        (
            "one, reads slow and failing, writes late",
            Setting { slow_reads: true, late_writes: true, faults: bad_reads, ..few(one()) },
        ),
        ("one, rows without a name while running", Setting { nameless: true, faults: bad_reads, ..few(one()) }),
        ("one, rows not listed while running", Setting { unlisted: true, faults: bad_reads, ..few(one()) }),
        ("one, rows with defaults while running", Setting { defaults: true, ..one() }),
        ("one, refused for good, backups that fail", Setting { is_refused_for_good: true, failures: true, ..one() }),
        ("one, with an early deadline", Setting { deadline: 3, ..one() }),
        ("one, its clock stepped", Setting { jumps: (&[-4, -1, 0, 1, 9], 2), slow_reads: true, ..few(one()) }),
        ("one, its status damaged", Setting { damages: 2, nameless: true, scale: (1, 1, 1), ..few(one()) }),
        ("one, deleted and created anew", Setting { recreation: true, scale: (1, 1, 1), ..few(one()) }),
        ("two controllers", two()),
        ("two, a few faults", Setting { late_writes: true, slow_reads: true, ..few(two()) }),
        ("two, clocks apart", Setting { offsets: [1, -1, 0], ..few(two()) }),
        ("two, clocks apart the other way", Setting { offsets: [-1, 1, 0], ..few(two()) }),
        ("two, clocks apart, with an early deadline", Setting { offsets: [-1, 1, 0], deadline: 2, ..few(two()) }),
        ("two, clocks stepped", Setting { jumps: (&[-1, 0, 1, 9], 2), ..few(two()) }),
        ("two, reads failing", Setting { faults: bad_reads, ..few(two()) }),
        ("two, rows without a name while running", Setting { nameless: true, ..few(two()) }),
        ("two, the status damaged", Setting { damages: 1, end: 8, ..few(two()) }),
        ("two, deleted and created anew", Setting { recreation: true, ..few(two()) }),
        ("three controllers", three()),
        ("three, clocks apart", Setting { offsets: [1, 0, -1], ..three() }),
        ("three, reads failing, rows without a name", Setting { nameless: true, faults: bad_reads, ..three() }),
        ("three, deleted and created anew, the status damaged", Setting { recreation: true, damages: 1, ..three() }),
    ];
    all.into_iter().map(|(name, setting)| (name.to_owned(), setting)).collect()
}

/// A guard, and the world in which it falls.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) without: &'static [Guard],
    pub(crate) setting: fn() -> Setting,
    /// Whether it falls by an untrue end, and not by two backups.
    pub(crate) is_played: bool,
    /// Guards of the row of which each alone can be spared in that world: they cover one another.
    pub(crate) harmless_alone: &'static [Guard],
}

const fn row(name: &'static str, without: &'static [Guard], setting: fn() -> Setting) -> Row {
    Row { name, without, setting, is_played: false, harmless_alone: &[] }
}

/// Each guard taken away, and each assumption that a guard leans on.
pub(crate) const GUARDS: &[Row] = &[
    row("ResourceVersion", &[Guard::ResourceVersion], brief),
    // A plan on a stale object conflicts; read again, the intent of an earlier plan for the same second and attempt can be
    // taken for its own, by a process that came back under its name.
    row("LiveRead", &[Guard::LiveRead], one),
    row("LookBeforeFirst", &[Guard::LookBeforeFirst], || Setting { damages: 1, ..one() }),
    row("LookBeforeLater", &[Guard::LookBeforeLater], one),
    row("Fence", &[Guard::Fence], one),
    row("SignedForIntent", &[Guard::SignedForIntent], one),
    // A doubt that ended too early is followed by another look, and a second backup takes that look away as well. Where
    // the deadline has passed there is no other look, and the order ends in an untruth.
    Row { is_played: true, ..row("ClockFirst", &[Guard::ClockFirst], || Setting { deadline: 3, lies: 0, ..one() }) },
    Row {
        harmless_alone: &[Guard::ClockFirst, Guard::LookBeforeLater],
        ..row("ClockFirst, and LookBeforeLater with it", &[Guard::ClockFirst, Guard::LookBeforeLater], honest)
    },
    Row {
        harmless_alone: &[Guard::ClockSteady, Guard::LookBeforeLater],
        ..row("ClockSteady, and LookBeforeLater with it", &[Guard::ClockSteady, Guard::LookBeforeLater], || Setting {
            jumps: (&[0, 20], 2),
            ..honest()
        })
    },
    row("CompleteListing", &[Guard::CompleteListing], || Setting { faults: fault::HOLES, ..one() }),
    row("AllQueries", &[Guard::AllQueries], || Setting { defaults: true, damages: 1, ..one() }),
    row("Unattributed", &[Guard::Unattributed], || Setting { nameless: true, ..one() }),
    row("Unexplained", &[Guard::Unexplained], || Setting { unlisted: true, ..one() }),
    row("InstanceRead", &[Guard::InstanceRead], || Setting { unlisted: true, faults: fault::INSTANCE, ..one() }),
    Row {
        is_played: true,
        ..row("Visible", &[Guard::Visible], || Setting { faults: fault::INVISIBLE, deadline: 3, ..honest() })
    },
    Row {
        harmless_alone: &[Guard::Visible, Guard::LookBeforeLater],
        ..row("Visible, and LookBeforeLater with it", &[Guard::Visible, Guard::LookBeforeLater], || Setting {
            faults: fault::INVISIBLE,
            ..honest()
        })
    },
    row("ReadAgain", &[Guard::ReadAgain], one),
    row("Holder", &[Guard::Holder], brief),
    row("WriteAhead", &[Guard::WriteAhead], one),
    row("Settle", &[Guard::Settle], || Setting { offsets: [0, 1, 0], ..two() }),
    row("CloudChecksTime", &[Guard::CloudChecksTime], one),
    row("CloudListsInTime", &[Guard::CloudListsInTime], one),
    row("CloudKeepsName", &[Guard::CloudKeepsName], one),
];

/// Worlds in which two backups cannot be prevented.
pub(crate) fn outside_of_the_assumptions() -> Vec<(String, Setting)> {
    let one = Setting { failures: true, ..one() };
    let twice = one.lacking(&[Guard::CloudExecutesOnce]);
    let early = Setting { damages: 1, end: 1, ..brief() }.lacking(&[Guard::NoEarlyRollback]);
    vec![
        ("the cloud executes a request twice".to_owned(), twice),
        ("etcd is rolled back inside the fence".to_owned(), early),
    ]
}
