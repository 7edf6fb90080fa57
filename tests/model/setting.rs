//! What a world may do: how many controllers, which faults, which clocks, and which guard is taken away.

use sqlserver_backup_operator::core::backup::Limits;

/// A guard of the protocol, or an assumption about the cloud, to be taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Guard {
    /// The intent is written under the version that was read.
    ResourceVersion,
    /// A submission is planned on the object as the server has it.
    LiveRead,
    /// The listing is read before the first submission.
    LookBeforeFirst,
    /// The listing is read before each later submission.
    LookBeforeLater,
    /// Absence waits for the fence.
    Fence,
    /// The request is signed for the intent's time, not for the instant at which it leaves.
    SignedForIntent,
    /// The clock is read before the look.
    ClockFirst,
    /// A clock that was set back during the look spoils it.
    ClockSteady,
    /// Only a complete listing proves absence.
    CompleteListing,
    /// Both ways and both storages are asked for: a running row may show defaults.
    AllQueries,
    /// A running row without a name keeps the doubt.
    Unattributed,
    /// An instance at work without a running row keeps the doubt.
    Unexplained,
    /// The instance is seen before a later submission, not only asked for.
    InstanceRead,
    /// An instance that these credentials do not see keeps the doubt.
    Visible,
    /// The token is there before the intent: after it, nothing waits without bound.
    TokenBeforeIntent,
    /// A write that did not clearly succeed is read again.
    ReadAgain,
    /// What is read again must name this process as its author.
    Holder,
    /// The intent is durable before the call.
    WriteAhead,
    /// After a refusal, a process counts the listing lag by itself, from when it learnt of it.
    Settle,
    /// Assumed: the cloud checks the time of a signature.
    CloudChecksTime,
    /// Assumed: the cloud lists what it accepted within the listing lag.
    CloudListsInTime,
    /// Assumed: the cloud shows the name at the latest when the backup ends.
    CloudKeepsName,
    /// Assumed: the cloud executes a request once.
    CloudExecutesOnce,
    /// Assumed: nobody rolls etcd back inside the fence.
    NoEarlyRollback,
}

/// What a look may meet besides a good answer.
pub(crate) mod fault {
    /// A listing with holes, which says so.
    pub(crate) const HOLES: u8 = 1;
    /// The listing, or the look by FlowId, cannot be read.
    pub(crate) const UNREAD: u8 = 2;
    /// The instance cannot be read.
    pub(crate) const INSTANCE: u8 = 4;
    /// The instance is invisible to the key, and nothing of it is listed.
    pub(crate) const INVISIBLE: u8 = 8;
}

/// What a world is made of. A budget of 255 is as good as none.
#[expect(clippy::struct_excessive_bools, reason = "each is one freedom of the world, and all are combined")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    /// One to three.
    pub(crate) controllers: usize,
    /// When time ends; what may still come of a world then is played to its end all the same.
    pub(crate) end: i16,
    /// Seconds that a signature is good for, that clocks may be apart, and that a listing may lag, scaled down.
    pub(crate) scale: (i16, i16, i16),
    /// How far each controller's clock is off.
    pub(crate) offsets: [i8; 3],
    /// What a clock may be set to, and how often.
    pub(crate) jumps: (&'static [i8], u8),
    /// How many controllers may die.
    pub(crate) deaths: u8,
    /// Whether time may pass, and others act, between the clock and the live read.
    pub(crate) slow_reads: bool,
    /// Whether the write of an intent may land late.
    pub(crate) late_writes: bool,
    /// What looks may meet.
    pub(crate) faults: u8,
    /// Running rows show no name.
    pub(crate) nameless: bool,
    /// Running rows are not listed.
    pub(crate) unlisted: bool,
    /// Running rows show the default way and storage.
    pub(crate) defaults: bool,
    /// Refusals of a call that was accepted.
    pub(crate) lies: u8,
    /// Refusals by which an order ends.
    pub(crate) is_refused_for_good: bool,
    /// Whether backups may fail.
    pub(crate) failures: bool,
    /// How often somebody forges, wipes or rolls back the status.
    pub(crate) damages: u8,
    /// Whether the user deletes the object and creates it anew.
    pub(crate) recreation: bool,
    /// When the order is too old to be submitted.
    pub(crate) deadline: i16,
    /// The guards that are taken away, as bits.
    pub(crate) without: u32,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            controllers: 1,
            end: 8,
            scale: (2, 1, 1),
            offsets: [0; 3],
            jumps: (&[], 0),
            deaths: u8::MAX,
            slow_reads: false,
            late_writes: false,
            faults: 0,
            nameless: false,
            unlisted: false,
            defaults: false,
            lies: u8::MAX,
            is_refused_for_good: false,
            failures: false,
            damages: 0,
            recreation: false,
            deadline: 10_000,
            without: 0,
        }
    }
}

impl Setting {
    /// The same world without a guard.
    pub(crate) fn lacking(self, guards: &[Guard]) -> Self {
        Self { without: guards.iter().fold(self.without, |bits, guard| bits | bit(*guard)), ..self }
    }

    /// Whether nothing is taken away but assumptions about the cloud.
    pub(crate) const fn has_all_guards(&self) -> bool {
        self.without.is_multiple_of(bit(Guard::CloudChecksTime))
    }

    pub(crate) fn lacks(&self, guard: Guard) -> bool {
        self.without & bit(guard) != 0
    }

    /// What the core is told of the times.
    pub(crate) fn limits(&self) -> Limits {
        let (validity, skew, lag) = if self.lacks(Guard::Fence) { (0, 0, self.scale.2) } else { self.scale };
        Limits {
            signature_validity: validity.into(),
            clock_skew: skew.into(),
            listing_lag: if self.lacks(Guard::Fence) { 0 } else { lag.into() },
            poll_min: 1,
            poll_max: 1,
        }
    }

    pub(crate) const fn validity(&self) -> i16 {
        self.scale.0
    }

    pub(crate) const fn lag(&self) -> i16 {
        self.scale.2
    }

    pub(crate) const fn fence(&self) -> i16 {
        self.scale.0 + self.scale.1 + self.scale.2
    }
}

const fn bit(guard: Guard) -> u32 {
    1 << guard as u8
}
