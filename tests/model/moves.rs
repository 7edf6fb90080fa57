//! What can happen in a step: in words, for a trace, and whether it is a surprise.

use sqlserver_backup_operator::core::seen::Meaning;

use super::shelf::Shelf;
use super::sight::Glance;
use super::world::{Phase, Request, World};

/// What happened in a step; its words are made for a trace alone.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Move {
    Time,
    Dies(usize),
    Clock(usize, i8),
    ReadsClock(usize),
    BeginsOn { at: usize, is_cache: bool },
    Learns(usize),
    ReadsLive(usize),
    Looks { at: usize, glance: Glance, step: u16 },
    LooksOnly(usize, Glance),
    LooksAgain(usize),
    Decides(usize, u16),
    Records(usize, u16),
    Conflicts(usize),
    IsTooLate(usize),
    Announces(usize),
    AnnouncesNothing(usize),
    LosesItsWrite(usize),
    Writes(usize),
    ReadsAgain(usize),
    Lands,
    Sends(usize, Request),
    HearsNothing(usize),
    RecordsAnswer(usize),
    Lost(Request),
    Refused(Request, Meaning),
    Accepted { request: Request, late: bool, lied: bool, twice: bool },
    Ends(u8, bool),
    Copies,
    RollsBack,
    Wipes,
    Forges(&'static str),
    Deletes,
    Goes,
    IsCreatedAnew,
}

impl Move {
    /// Whether a fault, a switch to another process or a pause brought it about.
    pub(crate) fn is_surprise(self, before: &World) -> bool {
        let is_amid = |at: usize| !matches!(before.controllers[at].phase, Phase::Idle | Phase::Sent);
        let others = |at: usize| (0..before.controllers.len()).any(|other| other != at && is_amid(other));
        match self {
            Self::ReadsClock(at)
            | Self::Learns(at)
            | Self::ReadsLive(at)
            | Self::LooksOnly(at, _)
            | Self::LooksAgain(at)
            | Self::Decides(at, _)
            | Self::Records(at, _)
            | Self::Conflicts(at)
            | Self::IsTooLate(at)
            | Self::Announces(at)
            | Self::AnnouncesNothing(at)
            | Self::ReadsAgain(at)
            | Self::Sends(at, _)
            | Self::RecordsAnswer(at)
            | Self::BeginsOn { at, is_cache: false } => others(at),
            Self::Looks { at, glance, .. } => !glance.words().is_empty() || others(at),
            Self::Time => (0..before.controllers.len()).any(is_amid),
            Self::Accepted { late, lied, twice, .. } => late || lied || twice,
            Self::Ends(..) | Self::Lands | Self::Goes | Self::IsCreatedAnew => false,
            _ => true,
        }
    }

    /// In words, with the names of the steps that `shelf` knows.
    pub(crate) fn words(self, shelf: &Shelf, world: &World) -> String {
        let name = |step: u16| shelf.step(step).name();
        match self {
            Self::Time => format!("time becomes {}", world.time),
            Self::Dies(at) => format!("{at} dies"),
            Self::Clock(at, to) => format!("{at}'s clock is set: now {to} off"),
            Self::ReadsClock(at) => format!("{at} reads its clock and the cache"),
            Self::BeginsOn { at, is_cache } => {
                let which = if is_cache { "a stale object" } else { "the object" };
                format!("{at} begins a pass on {which}, its clock at {}", world.controllers[at].now)
            }
            Self::Learns(at) => format!("{at} learns of a refusal, and waits"),
            Self::ReadsLive(at) => format!("{at} reads the object live, and rests"),
            Self::Looks { at, glance, step } => format!("{at} looks{} and decides to {}", glance.words(), name(step)),
            Self::LooksOnly(at, glance) => format!("{at} looks{}", glance.words()),
            Self::LooksAgain(at) => format!("{at} finds its clock set back, and will look again"),
            Self::Decides(at, step) => {
                format!("{at} reads its clock, {}, and decides to {}", world.controllers[at].now, name(step))
            }
            Self::Records(at, step) => format!("{at} records {}", name(step)),
            Self::Conflicts(at) => format!("{at} meets a newer version"),
            Self::IsTooLate(at) => format!("{at} looked for too long to send"),
            Self::Announces(at) => format!("{at} writes the intent"),
            Self::AnnouncesNothing(at) => format!("{at} announces nothing"),
            Self::LosesItsWrite(at) => format!("{at}'s write of the intent is lost"),
            Self::Writes(at) => format!("{at}'s write of the intent is held up"),
            Self::ReadsAgain(at) => format!("{at} reads what became of its write"),
            Self::Lands => "the write that was held up arrives".to_owned(),
            Self::Sends(at, request) => {
                format!("{at} sends attempt {}, signed for {}", request.attempt, request.signed)
            }
            Self::HearsNothing(at) => format!("{at} gets no answer"),
            Self::RecordsAnswer(at) => format!("{at} records the answer"),
            Self::Lost(request) => format!("the request of attempt {} is lost", request.attempt),
            Self::Refused(request, why) => format!("the request of attempt {} is refused: {why:?}", request.attempt),
            Self::Accepted { request, late, lied, twice } => format!(
                "the request of attempt {} is accepted{}{}{}",
                request.attempt,
                if twice { " and executed twice" } else { "" },
                if lied { " and refused all the same" } else { "" },
                if late { ", not listed yet" } else { "" },
            ),
            Self::Ends(attempt, well) => {
                format!("the backup of attempt {attempt} {}", if well { "succeeds" } else { "fails" })
            }
            Self::Copies => "etcd is copied".to_owned(),
            Self::RollsBack => "etcd is rolled back to the copy".to_owned(),
            Self::Wipes => "somebody wipes the status".to_owned(),
            Self::Forges(what) => format!("somebody forges the status: {what}"),
            Self::Deletes => "the user deletes the object".to_owned(),
            Self::Goes => "the object is gone".to_owned(),
            Self::IsCreatedAnew => "the user creates it anew".to_owned(),
        }
    }
}
