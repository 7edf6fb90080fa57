//! The whole world of one simulated cloud, behind one lock.
//!
//! Every look at it goes through [`State::now`], which first ends the backups whose time has come: so nothing here runs by
//! itself, and an answer never depends on when a timer got its turn.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::backup::{Backup, End};
use crate::clock;
use crate::fault::Faults;
use crate::instance::{AT_WORK, Instance, RUNNING};
use crate::ledger::Ledger;
use crate::rate::Rates;
use crate::settings::{Key, Role, Settings};
use crate::switches::Switches;
use crate::wire::Refusal;

/// Name and region under which a request is served, once it was believed.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) action: String,
    pub(crate) secret_id: String,
    pub(crate) region: String,
}

/// What a backup is made of, before it has ids and times.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) instance: String,
    pub(crate) name: Option<String>,
    pub(crate) strategy: i64,
    pub(crate) databases: Vec<String>,
    pub(crate) storage_strategy: i64,
    pub(crate) way: i64,
    /// Instead of what the instance and the switches say.
    pub(crate) seconds: Option<f64>,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) switches: Switches,
    pub(crate) keys: BTreeMap<String, Key>,
    /// Keys that were issued so far.
    pub(crate) issued: u64,
    pub(crate) roles: Vec<Role>,
    pub(crate) node_role: Option<String>,
    /// What the metadata service gives, and since when.
    pub(crate) node_key: Option<(Key, Timestamp)>,
    pub(crate) instances: BTreeMap<String, Instance>,
    pub(crate) backups: Vec<Backup>,
    pub(crate) faults: Faults,
    pub(crate) ledger: Ledger,
    pub(crate) rates: Rates,
}

impl State {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            switches: settings.switches.clone(),
            keys: settings.keys.iter().map(|key| (key.secret_id.clone(), key.clone())).collect(),
            issued: 0,
            roles: settings.roles.clone(),
            node_role: settings.node_role.clone(),
            node_key: None,
            instances: settings.instances.iter().map(|it| (it.id.clone(), it.clone())).collect(),
            backups: Vec::new(),
            faults: Faults::default(),
            ledger: Ledger::default(),
            rates: Rates::default(),
        }
    }

    /// The cloud's time, with every backup ended that is due by it.
    pub(crate) fn now(&mut self) -> Timestamp {
        let now = clock::now(self.switches.clock_offset_seconds);
        for backup in self.backups.iter_mut().filter(|backup| backup.is_running()) {
            backup.ended = backup.due.filter(|(due, _)| *due <= now);
        }
        now
    }

    /// The instance, if it exists in the caller's region and belongs to the caller.
    pub(crate) fn instance(&self, caller: &Caller, id: &str) -> Result<&Instance, Refusal> {
        let found = self.instances.get(id).filter(|it| it.is_visible_to(&caller.secret_id, &caller.region));
        found.ok_or_else(|| {
            Refusal::new(
                "ResourceNotFound.InstanceNotFound",
                format!("The instance {id} was not found.\nregion ({})", caller.region),
            )
        })
    }

    pub(crate) fn put_role(&mut self, role: Role) {
        self.roles.retain(|other| other.arn != role.arn);
        self.roles.push(role);
    }

    pub(crate) fn running_on<'a>(&'a self, instance: &'a str) -> impl Iterator<Item = &'a Backup> {
        self.backups.iter().filter(move |backup| backup.instance == instance && backup.is_running())
    }

    /// The status that `DescribeDBInstances` shows.
    pub(crate) fn status_of(&self, instance: &Instance) -> i64 {
        let is_at_work = self.running_on(&instance.id).next().is_some();
        if instance.status == RUNNING && is_at_work { AT_WORK } else { instance.status }
    }

    /// Begins a backup, whatever else is running. None if there is no such instance.
    pub(crate) fn begin(&mut self, plan: Plan, now: Timestamp) -> Option<i64> {
        let instance = self.instances.get(&plan.instance)?;
        let serial = 58_001 + u64::try_from(self.backups.len()).unwrap_or(0);
        let flow_id = 5_293 + i64::try_from(self.backups.len()).unwrap_or(0);
        let written = instance.offset().to_datetime(now).strftime("%Y%m%d%H%M%S");
        let name = plan.name.unwrap_or_else(|| format!("{}_{written}", instance.id));
        let seconds = plan.seconds.or(instance.backup_seconds).or(self.switches.backup_seconds);
        let due = seconds.map(|seconds| {
            let runs = SignedDuration::try_from(clock::seconds(seconds)).unwrap_or(SignedDuration::MAX);
            (clock::later(now, runs), instance.backups_end)
        });
        self.backups.push(Backup {
            flow_id,
            // Larger than 32 bits, as the documented examples are.
            id: 10_000_000_000 + serial,
            serial,
            instance: plan.instance,
            name,
            strategy: plan.strategy,
            size_kb: 204_800 * u64::try_from(plan.databases.len().max(1)).unwrap_or(1),
            databases: plan.databases,
            storage_strategy: plan.storage_strategy,
            way: plan.way,
            unpackaged: instance.is_unpackaged(),
            started: now,
            due,
            ended: None,
            hidden: false,
        });
        Some(flow_id)
    }

    /// Begins the scheduled backup of a whole instance.
    pub(crate) fn begin_nightly(&mut self, instance: &str, seconds: Option<f64>) -> Option<i64> {
        let now = self.now();
        let databases = self.instances.get(instance)?.databases.clone();
        let plan = Plan {
            instance: instance.to_owned(),
            name: None,
            strategy: 0,
            databases,
            storage_strategy: 0,
            way: 0,
            seconds,
        };
        self.begin(plan, now)
    }

    /// Ends a running backup now. False if there is none by this flow that still runs.
    pub(crate) fn finish(&mut self, flow_id: i64, end: End, size_kb: Option<u64>) -> bool {
        let now = self.now();
        let Some(backup) = self.backups.iter_mut().find(|it| it.flow_id == flow_id && it.is_running()) else {
            return false;
        };
        backup.ended = Some((now, end));
        backup.size_kb = size_kb.unwrap_or(backup.size_kb);
        true
    }
}
