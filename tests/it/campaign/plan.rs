//! What a plan is: a story, a place in its recorded trace, and a fault there. Two plans are distinct only if they differ in
//! one of the three, and the list of plans is a product, not a choice: every place of a trace by every fault that fits the
//! kind of place ([`super::faults`]).
//!
//! A place is a label and a number: `status after#2` is the second answer to a status write that the operator is about to
//! hear. Labels are counted apart from each other, so a place keeps its meaning when two requests change their order.

use std::fmt;

use tencentdb_simulator::Effect;

use super::story::Story;
use super::version::Shape;

/// Where in a run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) label: String,
    /// From 1.
    pub(super) nth: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.label, self.nth)
    }
}

/// What an answer of the API server becomes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Api {
    /// The connection closes.
    Lose,
    /// An answer with this HTTP status.
    Status(u16),
    /// Half of the true answer.
    Truncate,
    /// Seconds later.
    Slow(u64),
    /// Never, on a connection that stays open.
    Silent,
}

/// What becomes of one event of a watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watch {
    Delayed,
    Doubled,
    Missing,
    /// Error 410 in its place.
    Gone,
    /// The stream breaks in the middle of it.
    Cut,
    /// The stream stays open and brings nothing any more.
    Silent,
}

/// A process of the control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Server {
    ApiServer,
    Etcd,
}

/// What happens at a place.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Fault {
    /// SIGKILL, and a start.
    Kill,
    /// SIGKILL, and the write arrives afterwards.
    KillLate,
    /// SIGSTOP for this many seconds.
    Stop(u64),
    /// SIGKILL, and the cloud carries the request out twice: the one class in which two backups are expected.
    Twice,
    Api(Api),
    Watch(Watch),
    /// The cloud's answer; with the word that names it.
    Cloud(String, Effect),
    /// The cloud's answer comes so many milliseconds later.
    CloudSlow(u64),
    /// The clocks are so many seconds apart, for three seconds.
    Clock(i64),
    /// No call shows any backup, for three seconds.
    Vanish,
    /// The backup fails.
    Fail,
    /// Running rows show defaults, no name, or are not listed: the bits of the three.
    Rows(u8),
    /// An accepted backup is listed only after so many milliseconds.
    Lag(u32),
    /// SIGSTOP of a process of the control plane for this many seconds.
    Halt(Server, u64),
    /// SIGKILL, another version of the program has the order for a moment, and a start.
    Version(Shape),
    /// The same fault, with the limits as they are shipped instead of scaled down: 300 s, 300 s, 60 s.
    Real(Box<Self>),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Api(fault) => write!(f, "api {}", spelled(fault)),
            Self::Watch(fault) => write!(f, "event {}", spelled(fault)),
            Self::Cloud(name, _) => write!(f, "cloud {name}"),
            Self::CloudSlow(by) => write!(f, "cloud slow {by}"),
            Self::Stop(seconds) => write!(f, "stop {seconds}"),
            Self::Clock(seconds) => write!(f, "clock {seconds:+}"),
            Self::Rows(bits) => write!(f, "rows {bits}"),
            Self::Lag(by) => write!(f, "lag {by}"),
            Self::Halt(server, seconds) => write!(f, "halt {} {seconds}", spelled(server)),
            Self::Version(shape) => write!(f, "version {}", spelled(shape)),
            Self::Real(fault) => write!(f, "real {fault}"),
            Self::Kill | Self::KillLate | Self::Twice | Self::Vanish | Self::Fail => write!(f, "{}", spelled(self)),
        }
    }
}

/// `Status(500)` as `status 500`.
fn spelled(fault: &impl fmt::Debug) -> String {
    format!("{fault:?}").to_lowercase().replace('(', " ").replace(')', "")
}

/// Where and how a run is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lane {
    /// As long as the real fence: it sleeps, and takes nobody's room.
    Long,
    /// On a control plane whose processes are stopped: one at a time.
    Halting,
    /// Beside the others, on the control plane of all tests.
    Shared,
    /// Beside the others, on a control plane with newer definitions.
    Newer,
}

impl Fault {
    /// The fault itself, whatever the limits.
    pub(super) fn inner(&self) -> &Self {
        if let Self::Real(fault) = self { fault } else { self }
    }

    /// The class that the table counts it in.
    pub(super) fn class(&self) -> &'static str {
        match self {
            Self::Kill | Self::KillLate => "killed (SIGKILL)",
            Self::Stop(_) => "stopped and resumed (SIGSTOP)",
            Self::Twice => "one request, two backups (I6)",
            Self::Api(Api::Status(_)) => "API server: refusals and errors",
            Self::Api(_) => "API server: lost, cut, slow, silent",
            Self::Watch(_) => "watch events",
            Self::Cloud(_, Effect::Error { accept: false, .. } | Effect::Throttle) => "cloud: documented codes",
            Self::Cloud(_, Effect::Error { accept: true, .. }) => "cloud: refusals that were none",
            Self::Cloud(..) | Self::CloudSlow(_) => "cloud: lost, late, broken answers",
            Self::Clock(_) => "clocks apart",
            Self::Halt(..) => "control plane stopped (SIGSTOP)",
            Self::Version(_) => "upgrade and rollback in doubt",
            Self::Real(fault) if matches!(**fault, Self::Clock(_)) => "clocks apart, real limits",
            Self::Real(_) => "late requests, real fence (660 s)",
            Self::Vanish | Self::Fail | Self::Rows(_) | Self::Lag(_) => "backups that vanish, fail, hide",
        }
    }
}

/// What a director is given: what happens, and where.
#[derive(Clone, Debug)]
pub(super) struct Cue {
    pub(super) place: Place,
    pub(super) fault: Fault,
    /// What happens after that.
    pub(super) second: Option<(Place, Fault)>,
}

/// One run.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    pub(super) story: Story,
    pub(super) place: Place,
    pub(super) fault: Fault,
    /// A second fault, at the so-manieth place of its kind that is passed once the first has struck.
    pub(super) second: Option<(Place, Fault)>,
}

impl Plan {
    /// Where it is played.
    pub(super) fn lane(&self) -> Lane {
        match &self.fault {
            Fault::Real(fault) if !matches!(**fault, Fault::Clock(_)) => Lane::Long,
            Fault::Halt(..) => Lane::Halting,
            Fault::Version(_) => Lane::Newer,
            Fault::Kill
            | Fault::KillLate
            | Fault::Stop(_)
            | Fault::Twice
            | Fault::Api(_)
            | Fault::Watch(_)
            | Fault::Cloud(..)
            | Fault::CloudSlow(_)
            | Fault::Clock(_)
            | Fault::Vanish
            | Fault::Fail
            | Fault::Rows(_)
            | Fault::Lag(_)
            | Fault::Real(_) => Lane::Shared,
        }
    }

    /// What of it the director has to know.
    pub(super) fn cue(&self) -> Cue {
        Cue { place: self.place.clone(), fault: self.fault.clone(), second: self.second.clone() }
    }

    /// Its fault, or both, whatever the limits.
    pub(super) fn faults(&self) -> impl Iterator<Item = &Fault> {
        std::iter::once(&self.fault).chain(self.second.iter().map(|(_, fault)| fault)).map(Fault::inner)
    }

    /// Whether the limits are those that are shipped.
    pub(super) fn is_real(&self) -> bool {
        matches!(self.fault, Fault::Real(_))
    }

    pub(super) fn class(&self) -> &'static str {
        if self.second.is_some() { "pairs of faults" } else { self.fault.class() }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}/{}/{}", self.story, self.place, self.fault)?;
        self.second.iter().try_for_each(|(place, fault)| write!(f, " then {place}/{fault}"))
    }
}
