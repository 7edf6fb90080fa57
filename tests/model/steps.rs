//! Every step that can come next: of the processes, one for each instant at which they can die or be overtaken.

use sqlserver_backup_operator::core::backup::Aim;

use super::moves::Move;
use super::outside;
use super::setting::Guard;
use super::shelf::{Answer, Shelf};
use super::sight::{Glance, glances};
use super::world::{Controller, DEATHS, Late, NONE, Object, Phase, Request, World};

/// Worlds that can come next, with how.
pub(crate) type Next = Vec<(Move, World)>;

/// One exploration's tools, so that nothing is allocated twice.
pub(crate) struct Scratch {
    pub(crate) next: Next,
    glances: Vec<Glance>,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        Self { next: vec![], glances: vec![] }
    }
}

/// Fills `scratch.next`.
pub(crate) fn steps(world: &World, shelf: &mut Shelf, scratch: &mut Scratch) {
    scratch.next.clear();
    for at in 0..shelf.setting.controllers {
        let phase = world.controllers[at].phase;
        if phase != Phase::Idle && world.left[DEATHS] > 0 {
            let mut next = *world;
            next.spend(DEATHS);
            next.rest(at);
            (next.controllers[at].knows, next.controllers[at].waits) = (0, 0);
            scratch.next.push((Move::Dies(at), next));
        }
        go_on(world, shelf, at, scratch);
    }
    outside::steps(world, shelf, &mut scratch.next);
}

fn go_on(world: &World, shelf: &mut Shelf, at: usize, scratch: &mut Scratch) {
    match world.controllers[at].phase {
        Phase::Idle => begin(world, shelf, at, &mut scratch.next),
        Phase::Clocked => scratch.next.push(read_live(world, shelf, at)),
        Phase::Began => look(world, shelf, at, scratch),
        Phase::Looked => scratch.next.push(decide_late(world, shelf, at)),
        Phase::Decided => act(world, shelf, at, &mut scratch.next),
        Phase::Unclear => scratch.next.push(read_again(world, shelf, at)),
        Phase::Durable => scratch.next.push(send(world, shelf, at)),
        Phase::Sent => {
            let mut next = *world;
            next.abandon(at);
            (next.controllers[at].phase, next.controllers[at].outcome) = (Phase::Answered, Answer::InDoubt.number());
            scratch.next.push((Move::HearsNothing(at), next));
        }
        Phase::Answered => scratch.next.push(record_answer(world, shelf, at)),
    }
}

/// A pass begins on what the watch's cache holds, which may be behind.
fn begin(world: &World, shelf: &mut Shelf, at: usize, next: &mut Next) {
    let now = world.clock(at);
    for is_cache in [false, true] {
        let (record, of) = if is_cache { world.cache } else { (world.record, world.of) };
        if record == NONE || (!is_cache && world.object == Object::Gone) {
            continue;
        }
        let deleting = !is_cache && world.object == Object::Deleting;
        let aim = shelf.aim(of, deleting, now, record);
        let (phase, label) = match aim {
            Aim::Nothing(_) => continue,
            Aim::Before { .. } if shelf.setting.slow_reads => (Phase::Clocked, Move::ReadsClock(at)),
            _ => (Phase::Began, Move::BeginsOn { at, is_cache }),
        };
        let mut then = *world;
        let Controller { knows, waits, .. } = world.controllers[at];
        then.controllers[at] =
            Controller { phase, of, is_fresh: !is_cache, deleting, now, record, knows, waits, ..Controller::default() };
        if phase == Phase::Began && matches!(aim, Aim::Before { .. }) {
            let (label, then) = read_live(&then, shelf, at);
            // Nothing is worth a step in which nothing happened.
            if then != *world {
                next.push((label, then));
            }
        } else {
            next.push((label, then));
        }
    }
}

/// A submission is planned on the object as the server has it, if that still leads to the same look.
pub(crate) fn read_live(world: &World, shelf: &mut Shelf, at: usize) -> (Move, World) {
    let mut next = *world;
    let it = world.controllers[at];
    let deleting = world.object == Object::Deleting;
    let plans_on_cache = shelf.setting.lacks(Guard::LiveRead);
    let record = if plans_on_cache { it.record } else { world.record };
    let is_there = world.object != Object::Gone && world.of == it.of;
    let leads_on = is_there
        && matches!(shelf.aim(it.of, deleting, it.now, record), Aim::Before { .. })
        && shelf.aim(it.of, deleting, it.now, record) == shelf.aim(it.of, it.deleting, it.now, it.record);
    if !leads_on {
        next.rest(at);
        return (Move::ReadsLive(at), next);
    }
    let says = shelf.says(record);
    if says.is_refused && !shelf.setting.lacks(Guard::Settle) {
        if it.knows != says.attempts {
            next.rest(at);
            next.controllers[at].knows = says.attempts;
            next.controllers[at].waits = world.time + shelf.setting.lag();
            return (Move::Learns(at), next);
        }
        if it.waits > world.time {
            next.rest(at);
            return (Move::ReadsLive(at), next);
        }
    }
    let is_fresh = if plans_on_cache { it.is_fresh } else { true };
    next.controllers[at] = Controller { phase: Phase::Began, deleting, record, is_fresh, ..it };
    (Move::BeginsOn { at, is_cache: plans_on_cache && !it.is_fresh }, next)
}

fn look(world: &World, shelf: &mut Shelf, at: usize, scratch: &mut Scratch) {
    let it = world.controllers[at];
    if it.is_set_back && !shelf.setting.lacks(Guard::ClockSteady) {
        let mut next = *world;
        next.rest(at);
        scratch.next.push((Move::LooksAgain(at), next));
        return;
    }
    let aim = shelf.aim(it.of, it.deleting, it.now, it.record);
    let attempts = shelf.says(it.record).attempts;
    glances(world, &shelf.setting, at, aim, attempts, &mut scratch.glances);
    for glance in &scratch.glances {
        let mut next = *world;
        if shelf.setting.lacks(Guard::ClockFirst) {
            let sight = shelf.glances.number(*glance);
            next.controllers[at] = Controller { phase: Phase::Looked, step: sight, is_set_back: false, ..it };
            scratch.next.push((Move::LooksOnly(at, *glance), next));
        } else {
            let step = decided(&mut next, shelf, at, *glance);
            scratch.next.push((Move::Looks { at, glance: *glance, step }, next));
        }
    }
}

pub(crate) fn decided(next: &mut World, shelf: &mut Shelf, at: usize, glance: Glance) -> u16 {
    let it = next.controllers[at];
    let step = shelf.decide(it.of, it.deleting, it.now, it.record, glance);
    next.controllers[at] = Controller { phase: Phase::Decided, step, is_set_back: false, ..it };
    step
}

/// The clock is read after the look.
fn decide_late(world: &World, shelf: &mut Shelf, at: usize) -> (Move, World) {
    let mut next = *world;
    let glance = *shelf.glances.of(world.controllers[at].step);
    next.controllers[at].now = world.clock(at);
    let step = decided(&mut next, shelf, at, glance);
    (Move::Decides(at, step), next)
}

fn act(world: &World, shelf: &mut Shelf, at: usize, next: &mut Next) {
    let it = world.controllers[at];
    let Some((_, time)) = shelf.submits(it.step) else {
        next.push(record(world, shelf, at));
        return;
    };
    if shelf.setting.lacks(Guard::WriteAhead) {
        let mut then = *world;
        then.controllers[at] = Controller { phase: Phase::Durable, record: NONE, ..it };
        next.push((Move::AnnouncesNothing(at), then));
        return;
    }
    // A look that took longer than a signature is good for has seen too little to send on.
    if world.clock(at) - time >= shelf.setting.validity() && !shelf.setting.lacks(Guard::SignedForIntent) {
        let mut then = *world;
        then.rest(at);
        next.push((Move::IsTooLate(at), then));
        return;
    }
    let announced = shelf.announce(it.of, it.record, it.step, at);
    next.push(announce(world, shelf, at, announced));
    if shelf.setting.late_writes && it.is_fresh && world.late.record == NONE {
        let mut then = *world;
        then.late = Late { record: announced, is_fresh: true };
        then.controllers[at] = Controller { phase: Phase::Unclear, record: announced, is_fresh: false, ..it };
        next.push((Move::Writes(at), then));
    }
    if shelf.setting.lacks(Guard::ReadAgain) {
        let mut then = *world;
        then.controllers[at] = Controller { phase: Phase::Durable, record: NONE, ..it };
        next.push((Move::LosesItsWrite(at), then));
    }
}

/// The write of the intent reaches the server: it lands, or meets a newer version and is read again.
pub(crate) fn announce(world: &World, shelf: &mut Shelf, at: usize, announced: u16) -> (Move, World) {
    let mut next = *world;
    let it = world.controllers[at];
    let is_there = world.object != Object::Gone && world.of == it.of;
    if is_there && (it.is_fresh || shelf.setting.lacks(Guard::ResourceVersion)) {
        next.write(announced);
        next.quiet = next.quiet.max(world.time + shelf.setting.fence());
        if let Some((_, time)) = shelf.submits(it.step) {
            next.quiet = next.quiet.max(time + shelf.setting.fence());
        }
        durable(&mut next, at);
        return (Move::Announces(at), next);
    }
    if is_there && is_ours(shelf, world.record, announced) {
        durable(&mut next, at);
    } else {
        next.rest(at);
    }
    (Move::Conflicts(at), next)
}

fn durable(next: &mut World, at: usize) {
    let it = next.controllers[at];
    next.controllers[at] =
        Controller { phase: Phase::Durable, record: NONE, is_fresh: false, deleting: false, now: 0, ..it };
}

fn is_ours(shelf: &Shelf, live: u16, announced: u16) -> bool {
    let (live, ours) = (shelf.says(live).intent, shelf.says(announced).intent);
    if shelf.setting.lacks(Guard::Holder) { live.1 == ours.1 } else { live.0 == ours.0 }
}

pub(crate) fn read_again(world: &World, shelf: &mut Shelf, at: usize) -> (Move, World) {
    let mut next = *world;
    let it = world.controllers[at];
    let is_there = world.object != Object::Gone && world.of == it.of;
    if shelf.setting.lacks(Guard::ReadAgain) || (is_there && is_ours(shelf, world.record, it.record)) {
        durable(&mut next, at);
    } else {
        next.rest(at);
    }
    (Move::ReadsAgain(at), next)
}

/// Everything but a submission: one write under the version that was read.
pub(crate) fn record(world: &World, shelf: &mut Shelf, at: usize) -> (Move, World) {
    let mut next = *world;
    let it = world.controllers[at];
    let folded = shelf.fold(it.of, it.record, it.step, Answer::None, world.clock(at));
    next.rest(at);
    if it.is_fresh && world.object != Object::Gone && world.of == it.of {
        if folded.record != it.record {
            next.write(folded.record);
        }
        next.is_told |= folded.is_told;
    }
    (Move::Records(at, it.step), next)
}

pub(crate) fn send(world: &World, shelf: &mut Shelf, at: usize) -> (Move, World) {
    let mut next = *world;
    let it = world.controllers[at];
    let (attempt, time) = shelf.submits(it.step).unwrap();
    let signed = if shelf.setting.lacks(Guard::SignedForIntent) { world.clock(at) } else { time };
    let request = Request { attempt, of: it.of, from: u8::try_from(at + 1).unwrap(), signed };
    let Some(free) = next.requests.iter().position(|request| request.attempt == 0) else {
        next.rest(at);
        return (Move::Lost(request), next);
    };
    next.requests[free] = request;
    next.requests.sort_unstable_by(|one, other| other.cmp(one));
    next.quiet = next.quiet.max(signed.max(world.time) + shelf.setting.fence());
    next.controllers[at] =
        Controller { phase: Phase::Sent, is_fresh: false, deleting: false, now: 0, record: NONE, ..it };
    (Move::Sends(at, request), next)
}

/// Retried against live reads until it lands or the object is gone.
pub(crate) fn record_answer(world: &World, shelf: &mut Shelf, at: usize) -> (Move, World) {
    let mut next = *world;
    let it = world.controllers[at];
    next.rest(at);
    if world.object != Object::Gone && world.of == it.of {
        let folded = shelf.fold(it.of, world.record, it.step, Answer::of(it.outcome), world.clock(at));
        if folded.record != world.record {
            next.write(folded.record);
        }
        next.is_told |= folded.is_told;
        if let (Answer::Refused(..), Some((attempt, _))) = (Answer::of(it.outcome), shelf.submits(it.step)) {
            next.controllers[at].knows = attempt;
            next.controllers[at].waits = world.time + shelf.setting.lag();
        }
    }
    (Move::RecordsAnswer(at), next)
}
