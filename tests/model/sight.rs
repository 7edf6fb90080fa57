//! What one look shows: a few bytes in a world's terms, made into the core's `Sight` only where it was never asked before.

use sqlserver_backup_operator::core::backup::Aim;
use sqlserver_backup_operator::core::name;
use sqlserver_backup_operator::core::order::Uid;
use sqlserver_backup_operator::core::record::Copy;
use sqlserver_backup_operator::core::seen::{InstanceStatus, Listing, Meaning, Progress, Row, Sight, Trouble};

use super::setting::{Guard, Setting, fault};
use super::shelf::trouble;
use super::world::{BACKUPS, Backup, End, World};

/// One row of a listing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Shown {
    /// 0 is no row.
    attempt: u8,
    of: u8,
    end: u8,
    /// Named, nameless, or named as somebody else's.
    name: u8,
}

/// How a read came out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum Read {
    #[default]
    Good,
    /// It says that it does not add up.
    Partial,
    Failed,
    /// The cloud refused the signature.
    Skewed,
    /// Nothing is shown: other credentials.
    Invisible,
}

/// What a pass looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum Kind {
    #[default]
    Before,
    BeforeAgain,
    Doubt,
    Flow,
    FlowAndListing,
    Listing,
}

/// One look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Glance {
    kind: Kind,
    listing: Read,
    instance: Read,
    is_at_work: bool,
    /// The FlowId that is asked for, and how far it is.
    flow: (u8, u8),
    rows: [Shown; BACKUPS],
}

impl Glance {
    pub(crate) fn key(self) -> u64 {
        let head = self.kind as u64
            | (self.listing as u64) << 3
            | (self.instance as u64) << 6
            | u64::from(self.is_at_work) << 9
            | u64::from(self.flow.0) << 10
            | u64::from(self.flow.1) << 13;
        self.rows.iter().fold(head, |key, row| {
            key << 9
                | u64::from(row.attempt)
                | u64::from(row.of) << 4
                | u64::from(row.end) << 5
                | u64::from(row.name) << 7
        })
    }

    pub(crate) fn words(self) -> &'static str {
        match (self.listing, self.instance) {
            (Read::Good, Read::Good) => "",
            (Read::Good, _) => ", not seeing the instance,",
            (Read::Partial, _) => " at half a listing",
            (Read::Failed, _) => " in vain",
            (Read::Skewed, _) => " with a clock that the cloud refuses",
            (Read::Invisible, _) => " with other credentials",
        }
    }
}

/// What the cloud may show `at` now: first what it shows without a fault.
pub(crate) fn glances(world: &World, setting: &Setting, at: usize, aim: Aim, attempts: u8, found: &mut Vec<Glance>) {
    found.clear();
    let Some(good) = good(world, setting, aim, attempts) else { return };
    if i16::from(world.offsets[at]).abs() > setting.validity() {
        found.push(Glance {
            listing: Read::Skewed,
            instance: Read::Skewed,
            flow: (good.flow.0, 4),
            rows: [Shown::default(); BACKUPS],
            ..good
        });
        return;
    }
    found.push(good);
    let nothing = [Shown::default(); BACKUPS];
    let lists = good.kind != Kind::Flow;
    if setting.faults & fault::HOLES != 0 && lists {
        let listing = if setting.lacks(Guard::CompleteListing) { Read::Good } else { Read::Partial };
        found.push(Glance { listing, rows: nothing, ..good });
    }
    if setting.faults & fault::UNREAD != 0 {
        found.push(Glance { listing: Read::Failed, flow: (good.flow.0, 3), rows: nothing, ..good });
    }
    let sees = matches!(good.kind, Kind::BeforeAgain | Kind::Doubt);
    if setting.faults & fault::INSTANCE != 0 && sees {
        let instance = if setting.lacks(Guard::InstanceRead) { Read::Invisible } else { Read::Failed };
        found.push(Glance { instance, ..good });
    }
    if setting.faults & fault::INVISIBLE != 0 && good.kind == Kind::Doubt {
        let hidden = Glance { listing: Read::Good, instance: Read::Invisible, rows: nothing, ..good };
        found.push(if setting.lacks(Guard::Visible) {
            Glance { instance: Read::Good, is_at_work: false, ..hidden }
        } else {
            hidden
        });
    }
}

/// The look without a fault.
pub(crate) fn good(world: &World, setting: &Setting, aim: Aim, attempts: u8) -> Option<Glance> {
    let (kind, flow) = match aim {
        Aim::Nothing(_) => return None,
        Aim::Before { instance: false } => (Kind::Before, None),
        Aim::Before { instance: true } => (Kind::BeforeAgain, None),
        Aim::Doubt => (Kind::Doubt, None),
        Aim::Flow { flow: None, .. } => (Kind::Listing, None),
        Aim::Flow { flow: Some(flow), listing: false } => (Kind::Flow, Some(flow)),
        Aim::Flow { flow: Some(flow), listing: true } => (Kind::FlowAndListing, Some(flow)),
    };
    let is_blind = matches!(aim, Aim::Before { .. })
        && setting.lacks(if attempts == 0 { Guard::LookBeforeFirst } else { Guard::LookBeforeLater });
    let mut glance = Glance { kind, ..Glance::default() };
    if let Some(flow) = flow {
        let place = u8::try_from(flow.value()).unwrap();
        glance.flow = (place, world.backups[usize::from(place) - 1].end as u8);
    }
    if kind == Kind::Flow || is_blind {
        return Some(glance);
    }
    for (row, backup) in glance.rows.iter_mut().zip(&world.backups) {
        *row = shown(world, setting, *backup);
    }
    let works = world.backups.iter().any(|backup| backup.attempt > 0 && backup.end == End::Running);
    glance.is_at_work = works && matches!(kind, Kind::BeforeAgain | Kind::Doubt) && !setting.lacks(Guard::Unexplained);
    Some(glance)
}

fn shown(world: &World, setting: &Setting, backup: Backup) -> Shown {
    let is_running = backup.end == End::Running;
    let is_hidden = is_running && (setting.unlisted || (setting.defaults && setting.lacks(Guard::AllQueries)));
    if backup.attempt == 0 || backup.listed_from > world.time || is_hidden {
        return Shown::default();
    }
    let name = if setting.lacks(Guard::CloudKeepsName) {
        2
    } else if !(setting.nameless && is_running) {
        0
    } else if setting.lacks(Guard::Unattributed) {
        2
    } else {
        1
    };
    Shown { attempt: backup.attempt, of: backup.of, end: backup.end as u8, name }
}

/// The same in the core's terms.
pub(crate) fn sight(glance: Glance, uids: [&Uid; 2]) -> Sight {
    let failed = |read: Read| trouble(if read == Read::Skewed { Meaning::ClockSkew } else { Meaning::Unavailable }, 0);
    let listing = || match glance.listing {
        Read::Good | Read::Invisible => Ok(Listing { rows: rows(glance, uids), complete: true }),
        Read::Partial => Ok(Listing { rows: vec![], complete: false }),
        Read::Failed | Read::Skewed => Err(failed(glance.listing)),
    };
    let instance = || match glance.instance {
        Read::Good | Read::Partial => Ok(Some(InstanceStatus(if glance.is_at_work { 7 } else { 2 }))),
        Read::Invisible => Ok(None),
        Read::Failed | Read::Skewed => Err(failed(glance.instance)),
    };
    let flow = || -> Result<Row, Trouble> {
        match glance.flow.1 {
            3 => Err(trouble(Meaning::Unavailable, 0)),
            4 => Err(trouble(Meaning::ClockSkew, 0)),
            end => Ok(Row { name: String::new(), progress: progress(end), copy: copy(glance.flow.0, end) }),
        }
    };
    match glance.kind {
        Kind::Before => Sight::Before { listing: listing(), instance: Ok(None) },
        Kind::BeforeAgain => Sight::Before { listing: listing(), instance: instance() },
        Kind::Doubt => Sight::Doubt { listing: listing(), instance: instance() },
        Kind::Flow => Sight::Flow { flow: Some(flow()), listing: None },
        Kind::FlowAndListing if glance.flow.1 < 3 => Sight::Flow { flow: Some(flow()), listing: None },
        Kind::FlowAndListing => Sight::Flow { flow: Some(flow()), listing: Some(listing()) },
        Kind::Listing => Sight::Flow { flow: None, listing: Some(listing()) },
    }
}

fn rows(glance: Glance, uids: [&Uid; 2]) -> Vec<Row> {
    let places = (1..).zip(glance.rows);
    let shown = places.filter(|(_, row)| row.attempt > 0);
    shown
        .map(|(place, row)| {
            let name = match row.name {
                0 => name::for_attempt(None, "x", uids[usize::from(row.of)], row.attempt.into()),
                1 => String::new(),
                _ => "somebody's".to_owned(),
            };
            Row { name, progress: progress(row.end), copy: copy(place, row.end) }
        })
        .collect()
}

/// A backup has an id when it is complete.
fn copy(place: u8, end: u8) -> Copy {
    Copy { backup_id: (end == End::Succeeded as u8).then_some(place.into()), ..Copy::default() }
}

fn progress(end: u8) -> Progress {
    match end {
        0 => Progress::Running,
        1 => Progress::Succeeded,
        _ => Progress::Failed,
    }
}
