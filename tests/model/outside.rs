//! What happens outside of the processes: time, clocks, requests on their way, backups, the user, and damage to the status.

use sqlserver_backup_operator::core::reason::Reason;
use sqlserver_backup_operator::core::record::Record;
use sqlserver_backup_operator::core::seen::Meaning;

use super::moves::Move;
use super::setting::Guard;
use super::shelf::{Answer, Shelf};
use super::steps::Next;
use super::world::{BACKUPS, Backup, DAMAGES, End, JUMPS, LIES, Late, NONE, Object, Phase, World};

pub(crate) fn steps(world: &World, shelf: &mut Shelf, next: &mut Next) {
    let setting = shelf.setting;
    if world.time < setting.end {
        let mut then = *world;
        pass(&mut then, 1);
        next.push((Move::Time, then));
    }
    for at in 0..setting.controllers {
        for to in setting.jumps.0.iter().filter(|to| world.left[JUMPS] > 0 && **to != world.offsets[at]) {
            let mut then = *world;
            then.spend(JUMPS);
            let it = &mut then.controllers[at];
            it.is_set_back |= matches!(it.phase, Phase::Clocked | Phase::Began) && *to < world.offsets[at];
            then.offsets[at] = *to;
            next.push((Move::Clock(at, *to), then));
        }
    }
    let mut before = None;
    for at in 0..world.requests.len() {
        let request = world.requests[at];
        if request.attempt > 0 && before != Some(request) {
            arrive(world, shelf, at, next);
        }
        before = Some(request);
    }
    for at in 0..BACKUPS {
        let backup = world.backups[at];
        if backup.attempt > 0 && backup.end == End::Running {
            for end in [End::Succeeded, End::Failed].into_iter().take(if setting.failures { 2 } else { 1 }) {
                let mut then = *world;
                then.backups[at].end = end;
                next.push((Move::Ends(backup.attempt, end == End::Succeeded), then));
            }
        }
    }
    if world.late.record != NONE {
        let then = land(world);
        next.push((Move::Lands, then));
    }
    if setting.damages > 0 {
        damage(world, shelf, next);
    }
    if setting.recreation {
        recreate(world, next);
    }
}

/// Time goes on. What lies in the past is forgotten where nothing depends on it any more.
pub(crate) fn pass(world: &mut World, by: i16) {
    world.time += by;
    for controller in &mut world.controllers {
        if controller.waits <= world.time {
            controller.waits = 0;
        }
    }
    for backup in &mut world.backups {
        if backup.listed_from <= world.time {
            backup.listed_from = 0;
        }
    }
    if world.quiet <= world.time {
        world.quiet = 0;
    }
}

/// A write that was held up lands if nothing was written since.
pub(crate) fn land(world: &World) -> World {
    let mut then = *world;
    let Late { record, is_fresh } = world.late;
    if is_fresh && world.object != Object::Gone {
        then.write(record);
    }
    then.late = Late { record: NONE, is_fresh: false };
    then
}

fn arrive(world: &World, shelf: &Shelf, at: usize, next: &mut Next) {
    let setting = &shelf.setting;
    let request = world.requests[at];
    let mut lost = *world;
    take(&mut lost, at);
    next.push((Move::Lost(request), lost));
    if is_stale(world, shelf, at) {
        next.push((Move::Refused(request, Meaning::ClockSkew), refused(world, at, Meaning::ClockSkew)));
        return;
    }
    let for_good = setting.is_refused_for_good.then_some(Meaning::DatabaseNotFound);
    for meaning in [Some(Meaning::Unavailable), for_good].into_iter().flatten() {
        next.push((Move::Refused(request, meaning), refused(world, at, meaning)));
    }
    let lag = if setting.lacks(Guard::CloudListsInTime) { 2 * setting.lag() + 1 } else { setting.lag() };
    for late in [0, lag] {
        let accept = |lied: bool, twice: bool| {
            let mut then = if lied { refused(world, at, Meaning::Unavailable) } else { *world };
            if lied {
                then.spend(LIES);
            }
            let flow = accepted(&mut then, request.attempt, request.of, late);
            if twice {
                accepted(&mut then, request.attempt, request.of, late);
            }
            if !lied {
                answer(&mut then, at, Answer::Accepted(flow));
            }
            (Move::Accepted { request, late: late > 0, lied, twice }, then)
        };
        next.push(accept(false, false));
        if world.left[LIES] > 0 {
            next.push(accept(true, false));
        }
        if setting.lacks(Guard::CloudExecutesOnce) {
            next.push(accept(false, true));
        }
    }
}

/// Whether the cloud refuses the signature for its time.
pub(crate) fn is_stale(world: &World, shelf: &Shelf, at: usize) -> bool {
    let age = (world.time - world.requests[at].signed).abs();
    age > shelf.setting.validity() && !shelf.setting.lacks(Guard::CloudChecksTime)
}

/// The request is refused, and the refusal heard at once: a later hearing counts its waits from later.
pub(crate) fn refused(world: &World, at: usize, meaning: Meaning) -> World {
    let mut then = *world;
    let from = usize::from(world.requests[at].from);
    let heard = if from > 0 { world.clock(from - 1) } else { 0 };
    answer(&mut then, at, Answer::Refused(meaning, heard));
    then
}

/// A backup begins; its FlowId.
pub(crate) fn accepted(then: &mut World, attempt: u8, of: u8, late: i16) -> u8 {
    let free = then.backups.iter().position(|backup| backup.attempt == 0).unwrap_or(BACKUPS - 1);
    let listed_from = if late > 0 { then.time + late } else { 0 };
    then.backups[free] = Backup { attempt, of, end: End::Running, listed_from };
    u8::try_from(free + 1).unwrap()
}

/// The answer goes to whoever still waits for it.
pub(crate) fn answer(then: &mut World, at: usize, answer: Answer) {
    let from = usize::from(then.requests[at].from);
    if from > 0 {
        let it = &mut then.controllers[from - 1];
        (it.phase, it.outcome) = (Phase::Answered, answer.number());
    }
    take(then, at);
}

fn take(then: &mut World, at: usize) {
    then.requests[at] = super::world::Request::default();
    then.requests.sort_unstable_by(|one, other| other.cmp(one));
}

/// What the schema lets pass at any time; and once the fence has passed, everything.
fn damage(world: &World, shelf: &mut Shelf, next: &mut Next) {
    if world.object == Object::Gone || world.left[DAMAGES] == 0 {
        return;
    }
    let damaged = |record: u16| {
        let mut then = *world;
        then.spend(DAMAGES);
        then.write(record);
        then
    };
    let is_quiet = world.quiet <= world.time;
    if world.snapshot == NONE {
        let mut then = *world;
        then.snapshot = world.record;
        next.push((Move::Copies, then));
    } else if world.snapshot != world.record && (is_quiet || shelf.setting.lacks(Guard::NoEarlyRollback)) {
        next.push((Move::RollsBack, damaged(world.snapshot)));
    }
    let fresh = shelf.keep(Record::default());
    if is_quiet && world.record != fresh {
        next.push((Move::Wipes, damaged(fresh)));
    }
    let record = shelf.record(world.record).clone();
    let pending = Record { intent: None, reason: Some(Reason::Pending), ended: false, ..record.clone() };
    let over = Record { intent: None, reason: Some(Reason::DeadlineExceeded), ended: true, ..record };
    for (forged, words, ends) in [(pending, "pending", false), (over, "over", true)] {
        let forged = shelf.keep(forged);
        if forged != world.record {
            let mut then = damaged(forged);
            then.is_forged |= ends;
            next.push((Move::Forges(words), then));
        }
    }
}

/// A foreign finalizer holds the object for a while; what is created anew is another order.
fn recreate(world: &World, next: &mut Next) {
    let mut then = *world;
    let label = match world.object {
        Object::There if world.of == 0 => {
            then.object = Object::Deleting;
            Move::Deletes
        }
        Object::Deleting => {
            then.object = Object::Gone;
            then.cache = (world.record, world.of);
            (then.snapshot, then.late.record) = (NONE, NONE);
            Move::Goes
        }
        Object::Gone if world.of == 0 => {
            (then.object, then.of, then.record) = (Object::There, 1, 0);
            (then.quiet, then.is_forged) = (0, false);
            Move::IsCreatedAnew
        }
        Object::There | Object::Gone => return,
    };
    then.outdate();
    next.push((label, then));
}
