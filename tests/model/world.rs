//! A world: small, copied without an allocation, hashed in one go. Records and steps are numbers of the [shelf](super::shelf).

/// Most controllers, requests on their way and backups.
pub(crate) const CONTROLLERS: usize = 3;
pub(crate) const REQUESTS: usize = 4;
pub(crate) const BACKUPS: usize = 4;

/// No record.
pub(crate) const NONE: u16 = u16::MAX;

/// Where a controller is in its pass. Every instant at which it can die, or be overtaken, is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    #[default]
    Idle,
    /// Read the clock and the cache; wants to read the object live.
    Clocked,
    /// Read the object; wants to look.
    Began,
    /// Looked, and has not read the clock: only without `ClockFirst`.
    Looked,
    /// Decided.
    Decided,
    /// The write of the intent got no clear answer.
    Unclear,
    /// The intent is durable, nothing is sent.
    Durable,
    /// Sent.
    Sent,
    /// Answered, not yet recorded.
    Answered,
}

/// One process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Controller {
    pub(crate) phase: Phase,
    /// Which object it works on.
    pub(crate) of: u8,
    /// Whether what it read is what the server still holds.
    pub(crate) is_fresh: bool,
    /// Whether the object was being deleted.
    pub(crate) deleting: bool,
    /// Whether its clock was set back since it was read.
    pub(crate) is_set_back: bool,
    /// The clock that it read.
    pub(crate) now: i16,
    /// What it read; in `Unclear`, what it wrote.
    pub(crate) record: u16,
    /// What it decided; in `Looked`, what it saw.
    pub(crate) step: u16,
    /// What it was answered.
    pub(crate) outcome: u16,
    /// The refused attempt that it knows of, and until when it waits because of it.
    pub(crate) knows: u8,
    pub(crate) waits: i16,
}

/// A request on its way. An attempt of 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Request {
    pub(crate) attempt: u8,
    pub(crate) of: u8,
    /// Who waits for the answer, from 1; 0 if nobody does.
    pub(crate) from: u8,
    pub(crate) signed: i16,
}

/// How far a backup is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum End {
    #[default]
    Running,
    Succeeded,
    Failed,
}

/// A backup that the cloud accepted; its FlowId is its place, from 1. An attempt of 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Backup {
    pub(crate) attempt: u8,
    pub(crate) of: u8,
    pub(crate) end: End,
    /// When it is listed, 0 if it is.
    pub(crate) listed_from: i16,
}

/// Whether the object is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Object {
    #[default]
    There,
    Deleting,
    Gone,
}

/// A write of an intent that has not reached the server. No record is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Late {
    pub(crate) record: u16,
    pub(crate) is_fresh: bool,
}

/// Everything at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct World {
    pub(crate) time: i16,
    pub(crate) object: Object,
    /// Which object, from 0: a new one is a new order.
    pub(crate) of: u8,
    /// What the server holds.
    pub(crate) record: u16,
    /// What a cache that is behind holds, and of which object.
    pub(crate) cache: (u16, u8),
    /// What a copy of etcd holds.
    pub(crate) snapshot: u16,
    pub(crate) late: Late,
    /// From when on the last call is too old to be taken in or unlisted.
    pub(crate) quiet: i16,
    /// Deaths, jumps of clocks, damages and lies that are left.
    pub(crate) left: [u8; 4],
    /// Whether an end was forged.
    pub(crate) is_forged: bool,
    /// Whether a second backup was reported.
    pub(crate) is_told: bool,
    pub(crate) offsets: [i8; CONTROLLERS],
    pub(crate) controllers: [Controller; CONTROLLERS],
    pub(crate) requests: [Request; REQUESTS],
    pub(crate) backups: [Backup; BACKUPS],
}

/// Places of `World::left`.
pub(crate) const DEATHS: usize = 0;
pub(crate) const JUMPS: usize = 1;
pub(crate) const DAMAGES: usize = 2;
pub(crate) const LIES: usize = 3;

impl World {
    /// The clock of a controller.
    pub(crate) fn clock(&self, at: usize) -> i16 {
        self.time + i16::from(self.offsets[at])
    }

    /// Spends one of a budget, if there is any.
    pub(crate) fn spend(&mut self, budget: usize) {
        if self.left[budget] < u8::MAX {
            self.left[budget] -= 1;
        }
    }

    /// A write that lands. The record before stays in a cache that is behind; whoever read it writes in vain.
    pub(crate) fn write(&mut self, record: u16) {
        self.cache = (self.record, self.of);
        self.record = record;
        self.outdate();
    }

    /// The object changed: nobody's version is the server's any more.
    pub(crate) fn outdate(&mut self) {
        for controller in &mut self.controllers {
            controller.is_fresh = false;
        }
        self.late.is_fresh = false;
    }

    /// Forgets a pass and keeps what the process knows.
    pub(crate) fn rest(&mut self, at: usize) {
        let Controller { knows, waits, .. } = self.controllers[at];
        self.controllers[at] = Controller { knows, waits, ..Controller::default() };
        self.abandon(at);
    }

    /// Nobody waits for the answer any more.
    pub(crate) fn abandon(&mut self, at: usize) {
        for request in &mut self.requests {
            if usize::from(request.from) == at + 1 {
                request.from = 0;
            }
        }
        self.requests.sort_unstable_by(|one, other| other.cmp(one));
    }

    pub(crate) fn of_order(&self, of: u8) -> impl Iterator<Item = &Backup> {
        self.backups.iter().filter(move |backup| backup.attempt > 0 && backup.of == of)
    }

    /// Whether an order has two backups.
    pub(crate) fn has_two(&self) -> bool {
        self.backups[1].attempt > 0 && (self.of_order(0).count() > 1 || self.of_order(1).count() > 1)
    }

    /// A number for the whole, of 64 bits: among ten million worlds two share one with a chance of 1 in 400 000.
    pub(crate) fn key(&self) -> u64 {
        let mut hash = 0;
        let pack = |bytes: [u8; 8]| u64::from_le_bytes(bytes);
        let time = self.time.to_le_bytes();
        let (record, cache, snapshot) =
            (self.record.to_le_bytes(), self.cache.0.to_le_bytes(), self.snapshot.to_le_bytes());
        let (late, quiet) = (self.late.record.to_le_bytes(), self.quiet.to_le_bytes());
        let flags = self.object as u8
            | self.of << 2
            | self.cache.1 << 3
            | u8::from(self.late.is_fresh) << 4
            | u8::from(self.is_forged) << 5
            | u8::from(self.is_told) << 6;
        mix(&mut hash, pack([time[0], time[1], record[0], record[1], cache[0], cache[1], snapshot[0], snapshot[1]]));
        mix(&mut hash, pack([late[0], late[1], quiet[0], quiet[1], flags, 0, 0, 0]));
        let [deaths, jumps, damages, lies] = self.left;
        let [a, b, c] = self.offsets.map(|offset| offset.to_le_bytes()[0]);
        mix(&mut hash, pack([deaths, jumps, damages, lies, a, b, c, 0]));
        for it in &self.controllers {
            let flags = u8::from(it.is_fresh) | u8::from(it.deleting) << 1 | u8::from(it.is_set_back) << 2 | it.of << 3;
            let (now, record, step) = (it.now.to_le_bytes(), it.record.to_le_bytes(), it.step.to_le_bytes());
            let (outcome, waits) = (it.outcome.to_le_bytes(), it.waits.to_le_bytes());
            mix(&mut hash, pack([it.phase as u8, flags, now[0], now[1], record[0], record[1], step[0], step[1]]));
            mix(&mut hash, pack([outcome[0], outcome[1], waits[0], waits[1], it.knows, 0, 0, 0]));
        }
        for [one, two] in [[0, 1], [2, 3]] {
            let [one, two] = [self.requests[one], self.requests[two]].map(|it| {
                let signed = it.signed.to_le_bytes();
                [it.attempt, it.of | it.from << 1, signed[0], signed[1]]
            });
            mix(&mut hash, pack([one[0], one[1], one[2], one[3], two[0], two[1], two[2], two[3]]));
        }
        for [one, two] in [[0, 1], [2, 3]] {
            let [one, two] = [self.backups[one], self.backups[two]].map(|it| {
                let listed = it.listed_from.to_le_bytes();
                [it.attempt, it.of | (it.end as u8) << 1, listed[0], listed[1]]
            });
            mix(&mut hash, pack([one[0], one[1], one[2], one[3], two[0], two[1], two[2], two[3]]));
        }
        hash
    }
}

/// Spreads a word over the whole hash: multiply and fold.
pub(crate) fn mix(hash: &mut u64, word: u64) {
    let product = u128::from((*hash ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15)) * 0xd6e8_feb8_6659_fd93_u128;
    *hash = product as u64 ^ ((product >> 64) as u64).rotate_left(23);
}
