//! `CreateBackup`: the one call that changes something, and the one that cannot be repeated safely.
//!
//! There is no idempotency token and no notion of a name already taken: the same request twice is two backups, exactly as
//! in the real cloud.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

use super::Done;
use crate::instance::{Instance, RUNNING};
use crate::state::{Caller, Plan, State};
use crate::wire::{Body, Fields, Refusal};

const FIELDS: [&str; 5] = ["InstanceId", "Strategy", "DBNames", "BackupName", "StorageStrategy"];

pub(super) fn perform(
    state: &mut State,
    caller: &Caller,
    body: &[u8],
    now: Timestamp,
    twice: bool,
) -> Result<Done, Refusal> {
    let plan = plan(state, caller, &Body::parse(body, &FIELDS)?)?;
    check_name(state, &plan)?;
    check_busy(state, state.instance(caller, &plan.instance)?, &plan)?;
    let mut flow_ids = Vec::new();
    for _ in 0..if twice { 2 } else { 1 } {
        flow_ids.extend(state.begin(plan.clone(), now));
    }
    let flow_id = flow_ids.first().copied().map_or(Value::Null, Value::from);
    Ok(Done { fields: Fields::from_iter([("FlowId".to_owned(), flow_id)]), flow_ids })
}

/// What the request asks for, with every value legal and everything it names existing.
fn plan(state: &State, caller: &Caller, body: &Body) -> Result<Plan, Refusal> {
    let id = body.text("InstanceId")?.filter(|id| !id.is_empty());
    let id = id.ok_or_else(|| Refusal::illegal("InstanceId must be given."))?;
    let strategy = body.integer_within("Strategy", 0, 0, 1)?;
    let storage_strategy = body.integer_within("StorageStrategy", 0, 0, 1)?;
    let name = body.text("BackupName")?.map(str::to_owned);
    let named = body.texts("DBNames")?;
    let instance = state.instance(caller, id)?;
    let databases = match (strategy, named) {
        (0, None) => instance.databases.clone(),
        (0, Some(_)) => return Err(Refusal::illegal("DBNames is only for Strategy 1.")),
        (_, None) => return Err(Refusal::illegal("Strategy 1 needs DBNames.")),
        (_, Some(named)) => check_databases(state, instance, named)?,
    };
    if databases.is_empty() {
        return Err(Refusal::new("ResourceNotFound.DBNotFound", "The instance has no user database."));
    }
    if let Some(bad) = databases.iter().find(|name| instance.bad_databases.contains(name)) {
        let text = format!("The status of the database {bad} does not allow this.\nPlease try again later.");
        return Err(Refusal::new("ResourceUnavailable.DBInvalidStatus", text));
    }
    Ok(Plan { instance: id.to_owned(), name, strategy, databases, storage_strategy, way: 1, seconds: None })
}

fn check_databases(state: &State, instance: &Instance, named: Vec<String>) -> Result<Vec<String>, Refusal> {
    if named.is_empty() {
        return Err(Refusal::illegal("DBNames must not be empty."));
    }
    if named.len() > state.switches.max_databases {
        let text = format!("{} databases, at most {} are allowed.", named.len(), state.switches.max_databases);
        return Err(Refusal::new("LimitExceeded.TooManyDB", text));
    }
    if named.iter().collect::<BTreeSet<_>>().len() != named.len() {
        return Err(Refusal::illegal("DBNames names a database twice."));
    }
    match named.iter().find(|name| !instance.databases.contains(name)) {
        Some(missing) => {
            let text = format!("The database {missing} was not found.\ninstance ({})", instance.id);
            Err(Refusal::new("ResourceNotFound.DBNotFound", text))
        }
        None => Ok(named),
    }
}

fn check_name(state: &State, plan: &Plan) -> Result<(), Refusal> {
    let Some(name) = plan.name.as_deref() else {
        return Ok(());
    };
    let refuse = |text: &str| Err(Refusal::new("InvalidParameterValue.BackupNameIsIllegal", text));
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || name.len() > 128 || !name.bytes().all(is_legal) {
        return refuse("The backup name must be 1 to 128 letters, digits and underscores.");
    }
    let is_taken = || state.backups.iter().any(|it| it.instance == plan.instance && it.name == name);
    if !state.switches.repeated_names && is_taken() {
        return refuse("The backup name is already in use.");
    }
    Ok(())
}

/// Up to so many backups at once, on different databases; a whole instance goes with nothing else.
fn check_busy(state: &State, instance: &Instance, plan: &Plan) -> Result<(), Refusal> {
    if instance.status != RUNNING {
        let text = format!(
            "The status of the instance {} is {}.\nThe operation is not allowed.",
            instance.id, instance.status
        );
        return Err(Refusal::new("ResourceUnavailable.InstanceStatusInvalid", text));
    }
    let mut others = 0;
    for other in state.running_on(&instance.id) {
        others += 1;
        let collides = other.databases.iter().any(|name| plan.databases.contains(name));
        if collides || other.strategy == 0 || plan.strategy == 0 || others >= instance.parallel {
            let text = format!("The instance {} is running another backup task.\nPlease try again later.", instance.id);
            return Err(Refusal::new(&state.switches.busy_code, text));
        }
    }
    Ok(())
}
