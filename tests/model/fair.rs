//! Never stuck: from every world, if no fault comes any more and time goes on, the order ends by itself, and in the truth.
//!
//! The rest of a world's story is played as it goes when everybody behaves: requests on their way arrive (or are lost, the
//! other play), processes go on, clocks are right within the skew, backups succeed. Plays meet, so each world is played once.

use std::collections::HashSet;

use sqlserver_backup_operator::core::backup::Aim;
use sqlserver_backup_operator::core::reason::Reason;

use super::outside::{self, accepted, answer, is_stale, land, pass, refused};
use super::setting::Guard;
use super::shelf::{Answer, Quick, Shelf};
use super::sight::good;
use super::steps::{announce, decided, read_again, read_live, record, record_answer, send};
use super::world::{Controller, End, NONE, Object, Phase, World, mix};

/// More steps than any play takes.
const MOST: usize = 600;

/// Worlds that are known to end well.
#[derive(Default)]
pub(crate) struct Plays(HashSet<u64, Quick>, Vec<u64>);

/// What becomes of an order.
enum Play {
    GoesOn,
    Over,
}

impl Plays {
    /// Plays `world` to its end; how it went wrong if it did.
    pub(crate) fn end_well(&mut self, world: &World, shelf: &mut Shelf, loses: bool) -> Result<(), String> {
        let mut world = *world;
        let skew = i8::try_from(shelf.setting.scale.1).unwrap();
        world.offsets = world.offsets.map(|offset| offset.clamp(-skew, skew));
        let mut looked = false;
        self.1.clear();
        for _ in 0..MOST {
            let mut key = world.key();
            mix(&mut key, u64::from(looked) | u64::from(loses) << 1);
            if self.0.contains(&key) {
                self.0.extend(self.1.drain(..));
                return Ok(());
            }
            self.1.push(key);
            if matches!(play(&mut world, shelf, &mut looked, loses), Play::Over) {
                is_true(&world, shelf)?;
                self.0.extend(self.1.drain(..));
                return Ok(());
            }
            if world.has_two() {
                return Err("two backups, with no further fault".to_owned());
            }
        }
        let says = shelf.says(world.record);
        Err(format!("stuck as {:?} after attempt {}, at {}", says.reason, says.attempts, world.time))
    }
}

/// One step of the play.
fn play(world: &mut World, shelf: &mut Shelf, looked: &mut bool, loses: bool) -> Play {
    if world.requests[0].attempt > 0 {
        arrive(world, shelf, loses);
        return Play::GoesOn;
    }
    if let Some(at) = world.controllers.iter().position(|controller| controller.phase != Phase::Idle) {
        go_on(world, shelf, at);
        return Play::GoesOn;
    }
    if world.late.record != NONE {
        *world = land(world);
        return Play::GoesOn;
    }
    (world.cache, world.snapshot) = ((NONE, 0), NONE);
    if world.object == Object::Gone {
        return Play::Over;
    }
    let deleting = world.object == Object::Deleting;
    let aim = shelf.aim(world.of, deleting, world.clock(0), world.record);
    let says = shelf.says(world.record);
    if matches!(aim, Aim::Nothing(_)) && (says.is_ended || deleting) {
        return Play::Over;
    }
    if matches!(aim, Aim::Nothing(_)) || *looked {
        for backup in world.backups.iter_mut().filter(|backup| backup.attempt > 0 && backup.end == End::Running) {
            backup.end = End::Succeeded;
        }
        pass(world, 1);
        *looked = false;
        return Play::GoesOn;
    }
    *looked = true;
    let Controller { knows, waits, .. } = world.controllers[0];
    let now = world.clock(0);
    let (of, record) = (world.of, world.record);
    world.controllers[0] = Controller {
        phase: Phase::Clocked,
        of,
        is_fresh: true,
        deleting,
        now,
        record,
        knows,
        waits,
        ..Controller::default()
    };
    if !matches!(aim, Aim::Before { .. }) {
        world.controllers[0].phase = Phase::Began;
    }
    Play::GoesOn
}

fn arrive(world: &mut World, shelf: &Shelf, loses: bool) {
    let (request, is_awaited) = (world.requests[0], world.requests[0].from > 0);
    if loses && !is_awaited {
        answer(world, 0, Answer::None);
    } else if is_stale(world, shelf, 0) {
        *world = refused(world, 0, sqlserver_backup_operator::core::seen::Meaning::ClockSkew);
    } else {
        let flow = accepted(world, request.attempt, request.of, 0);
        answer(world, 0, Answer::Accepted(flow));
    }
}

fn go_on(world: &mut World, shelf: &mut Shelf, at: usize) {
    let it = world.controllers[at];
    match it.phase {
        Phase::Idle => {}
        Phase::Clocked => *world = read_live(world, shelf, at).1,
        Phase::Began => {
            let aim = shelf.aim(it.of, it.deleting, it.now, it.record);
            let attempts = shelf.says(it.record).attempts;
            match good(world, &shelf.setting, aim, attempts) {
                Some(glance) => {
                    decided(world, shelf, at, glance);
                }
                None => world.rest(at),
            }
        }
        Phase::Looked => world.rest(at),
        Phase::Decided => {
            if shelf.submits(it.step).is_none() {
                *world = record(world, shelf, at).1;
            } else {
                let announced = shelf.announce(it.of, it.record, it.step, at);
                *world = announce(world, shelf, at, announced).1;
            }
        }
        Phase::Unclear => *world = read_again(world, shelf, at).1,
        Phase::Durable => {
            if shelf.setting.lacks(Guard::TokenBeforeIntent) {
                outside::pass(world, shelf.setting.validity() + 1);
            }
            *world = send(world, shelf, at).1;
        }
        Phase::Sent => {
            world.controllers[at].phase = Phase::Answered;
            world.controllers[at].outcome = Answer::InDoubt.number();
        }
        Phase::Answered => *world = record_answer(world, shelf, at).1,
    }
}

/// Whether the end agrees with what the cloud did.
fn is_true(world: &World, shelf: &Shelf) -> Result<(), String> {
    let says = shelf.says(world.record);
    if world.object != Object::There || world.is_forged {
        return Ok(());
    }
    let ours = || world.of_order(world.of);
    let is_right = match says.reason {
        Some(Reason::Completed) => ours().any(|backup| backup.end == End::Succeeded),
        Some(Reason::Failed) => ours().any(|backup| backup.end == End::Failed) && ours().count() == 1,
        Some(Reason::DatabaseNotFound) => shelf.setting.is_refused_for_good && ours().count() == 0,
        Some(Reason::DeadlineExceeded) => {
            world.time + shelf.setting.scale.1 >= shelf.setting.deadline && ours().count() == 0
        }
        _ => false,
    };
    if is_right { Ok(()) } else { Err(format!("the order ends as {:?} with {} backups", says.reason, ours().count())) }
}

/// What a status says at any time must be so: accepted means that there is a backup, complete that there is a copy.
pub(crate) fn lie(world: &World, shelf: &Shelf) -> Option<String> {
    let says = shelf.says(world.record);
    if world.object == Object::Gone || world.is_forged {
        return None;
    }
    let mut ours = world.of_order(world.of);
    let is_complete = says.reason == Some(Reason::Completed);
    let is_right =
        if is_complete { ours.any(|it| it.end == End::Succeeded) } else { !says.is_accepted || ours.next().is_some() };
    let flow = usize::from(says.flow);
    let is_its_flow = flow == 0 || world.backups[flow - 1].of == world.of;
    (!is_right || !is_its_flow).then(|| format!("the status says {:?}, and the cloud does not", says.reason))
}
