//! Counts the places that a run passes, and lets the plan's fault happen at its place.
//!
//! It is told of every place by the two proxies: the one before the API server ([`super::wire`]) and the simulated cloud,
//! which tells its own. What happens to a process happens here, while the request stands still; what happens to an answer
//! is handed back to who asked.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use rustix::process::{Pid, Signal, kill_process};
use tencentdb_simulator::{Cloud, Effect, End, Event, Rule, RunningRows, Stage};

use super::plan::{Cue, Fault, Place, Server};
use super::version::Shape;
use crate::cluster;

/// How long clocks stay apart and backups away.
const PASSING: Duration = Duration::from_secs(3);

#[derive(Default)]
struct Notes {
    passed: BTreeMap<String, usize>,
    /// The same, since the first fault.
    since: BTreeMap<String, usize>,
    trace: Vec<String>,
    struck: usize,
    /// What lasts for a while only, and until when: of a pair there may be two.
    heal: Vec<(Instant, Fault)>,
    rewrite: Option<Shape>,
}

/// One run's director.
pub(super) struct Director {
    plan: Option<Cue>,
    /// Whether nothing comes through to the API server.
    away: AtomicBool,
    cloud: Cloud,
    notes: Mutex<Notes>,
    /// The operators by number; 0 is none.
    victims: [AtomicUsize; 2],
}

impl Director {
    /// Directs a run in `cloud`; without a plan it only records.
    pub(super) fn new(plan: Option<Cue>, cloud: &Cloud) -> Arc<Self> {
        let (notes, victims) = (Mutex::default(), Default::default());
        let director = Arc::new(Self { plan, away: AtomicBool::new(false), cloud: cloud.clone(), notes, victims });
        // Not a clone of the cloud within its own listener: it would never end.
        let own = Arc::downgrade(&director);
        cloud.on_event(move |event| {
            if let Some(director) = own.upgrade() {
                director.hear(event);
            }
        });
        if let Some(plan) = &director.plan {
            director.prepare(&plan.place, &plan.fault);
        }
        director
    }

    /// What can only be told to the cloud beforehand.
    fn prepare(&self, place: &Place, fault: &Fault) {
        let Some(action) = place.label.split(' ').next().filter(|_| place.label.ends_with("received")) else { return };
        let rule = |effect| Rule::new(action, effect).skip(u64::try_from(place.nth).unwrap() - 1);
        let rule = match fault.inner() {
            Fault::Cloud(_, effect) => rule(effect.clone()),
            Fault::CloudSlow(by) => rule(Effect::None).answer_delay(*by),
            Fault::Twice => rule(Effect::AcceptTwice),
            Fault::Kill
            | Fault::KillLate
            | Fault::Stop(_)
            | Fault::Api(_)
            | Fault::Watch(_)
            | Fault::Clock(_)
            | Fault::Vanish
            | Fault::Fail
            | Fault::Rows(_)
            | Fault::Lag(_)
            | Fault::Halt(..)
            | Fault::Version(_)
            | Fault::Real(_) => return,
        };
        self.cloud.add_fault(rule);
    }

    /// Operator `number` has this process now.
    pub(super) fn runs(&self, number: usize, pid: Pid) {
        self.victims[number].store(usize::try_from(pid.as_raw_nonzero().get()).unwrap(), Ordering::SeqCst);
    }

    /// From now on nothing comes through to the API server, or everything does.
    pub(super) fn part(&self, is_away: bool) {
        self.away.store(is_away, Ordering::SeqCst);
    }

    /// Whether nothing comes through.
    pub(super) fn is_away(&self) -> bool {
        self.away.load(Ordering::SeqCst)
    }

    fn hear(&self, event: &Event) {
        let stage = match event.stage {
            Stage::Received => "received",
            Stage::Decided => "decided",
            Stage::Answered => "answered",
        };
        let named = |label: &str| self.passes(&format!("{} {label}", event.action), None);
        named(stage);
        // The request must be carried out before the operator dies of it.
        if event.stage == Stage::Decided && matches!(self.plan.as_ref().map(|plan| &plan.fault), Some(Fault::Twice)) {
            let due = event.action == "CreateBackup" && self.notes.lock().unwrap().struck == 1;
            if due {
                self.notes.lock().unwrap().struck += 1;
                self.signal(None, Signal::KILL);
            }
        }
    }

    /// A run comes by a place, by the hand of operator `number` if that is known; what is to happen there.
    pub(super) fn passes(&self, label: &str, number: Option<usize>) -> Option<Fault> {
        let fault = {
            let mut notes = self.notes.lock().unwrap();
            let nth = count(&mut notes.passed, label);
            notes.trace.push(format!("{label}#{nth}"));
            let plan = self.plan.as_ref()?;
            let here = |place: &Place, nth| place.label == label && place.nth == nth;
            if notes.struck == 0 {
                if !here(&plan.place, nth) {
                    return None;
                }
                notes.struck = 1;
                notes.trace.push(format!("--- {}", plan.fault));
                plan.fault.inner().clone()
            } else {
                let nth = count(&mut notes.since, label);
                let (place, fault) = plan.second.as_ref()?;
                if notes.struck > 1 || !here(place, nth) {
                    return None;
                }
                notes.struck = 2;
                notes.trace.push(format!("--- {fault}"));
                fault.clone()
            }
        };
        self.happens(&fault, number);
        if let (Some((place, second)), 1) = (self.plan.as_ref()?.second.as_ref(), self.struck()) {
            self.prepare(place, second);
        }
        Some(fault)
    }

    fn happens(&self, fault: &Fault, number: Option<usize>) {
        match fault {
            Fault::Kill | Fault::KillLate => self.signal(number, Signal::KILL),
            Fault::Stop(_) => self.signal(number, Signal::STOP),
            Fault::Clock(seconds) => self.cloud.switch(|switches| switches.clock_offset_seconds = *seconds),
            Fault::Vanish => self.hide(true),
            Fault::Fail => {
                for backup in self.cloud.backups() {
                    self.cloud.finish(backup.flow_id, End::Failed);
                }
            }
            Fault::Rows(bits) => self.cloud.switch(|switches| {
                let bit = |at: u8| bits & (1 << at) != 0;
                switches.running_rows = RunningRows { defaults: bit(0), nameless: bit(1), unlisted: bit(2) };
            }),
            Fault::Lag(by) => {
                self.cloud.switch(|switches| switches.listing_lag_seconds = f64::from(*by) / 1_000.0);
            }
            Fault::Halt(server, seconds) => halt(*server, Duration::from_secs(*seconds)),
            Fault::Version(shape) => {
                // Before the death: who finds the dead asks for it.
                self.notes.lock().unwrap().rewrite = Some(*shape);
                self.signal(number, Signal::KILL);
            }
            Fault::Twice
            | Fault::Api(_)
            | Fault::Watch(_)
            | Fault::Cloud(..)
            | Fault::CloudSlow(_)
            | Fault::Real(_) => {}
        }
        let passing = if let Fault::Stop(seconds) | Fault::Halt(_, seconds) = fault {
            Duration::from_secs(*seconds)
        } else {
            PASSING
        };
        if matches!(fault, Fault::Stop(_) | Fault::Halt(..) | Fault::Clock(_) | Fault::Vanish) {
            self.notes.lock().unwrap().heal.push((Instant::now() + passing, fault.clone()));
        }
    }

    /// Ends what was to last for a while only. Called often.
    pub(super) fn tend(&self) {
        let due: Vec<(Instant, Fault)> =
            self.notes.lock().unwrap().heal.extract_if(.., |(when, _)| *when <= Instant::now()).collect();
        for (_, fault) in due {
            if let Fault::Clock(seconds) = fault {
                self.right(seconds);
            } else if fault == Fault::Vanish {
                self.hide(false);
            } else if matches!(fault, Fault::Stop(_)) {
                self.signal(None, Signal::CONT);
            }
        }
    }

    /// What another version is to write before the next start, if it is due.
    pub(super) fn rewrite(&self) -> Option<Shape> {
        self.notes.lock().unwrap().rewrite.take()
    }

    /// Brings the clocks together. It is the operator's that was wrong: what the cloud began meanwhile is dated as if the
    /// cloud's had been right all along, or it would stay unlisted until its own start.
    fn right(&self, seconds: i64) {
        let offset = SignedDuration::from_secs(seconds);
        self.cloud.switch(|switches| switches.clock_offset_seconds = 0);
        let now = self.cloud.now();
        for backup in self.cloud.backups().into_iter().filter(|backup| backup.started > now) {
            self.cloud.change_backup(backup.flow_id, |backup| {
                backup.started -= offset;
                backup.due = backup.due.map(|(due, end)| (due - offset, end));
            });
        }
    }

    /// Whether something still lasts.
    pub(super) fn is_under_way(&self) -> bool {
        !self.notes.lock().unwrap().heal.is_empty()
    }

    fn hide(&self, hidden: bool) {
        for backup in self.cloud.backups() {
            self.cloud.change_backup(backup.flow_id, |backup| backup.hidden = hidden);
        }
    }

    /// To one operator, or to all; of a killed one nothing is left when this returns.
    pub(super) fn signal(&self, number: Option<usize>, signal: Signal) {
        for (at, victim) in self.victims.iter().enumerate().filter(|(at, _)| number.is_none_or(|number| number == *at))
        {
            let raw = i32::try_from(victim.load(Ordering::SeqCst)).unwrap();
            let Some(pid) = Pid::from_raw(raw) else { continue };
            // It may have ended before.
            kill_process(pid, signal).ok();
            if signal == Signal::KILL {
                let stat = format!("/proc/{raw}/stat");
                while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
                    std::thread::sleep(Duration::from_millis(1));
                }
                self.victims[at].store(0, Ordering::SeqCst);
            }
        }
    }

    /// How many faults have happened.
    pub(super) fn struck(&self) -> usize {
        self.notes.lock().unwrap().struck
    }

    /// All places that were passed, in order.
    pub(super) fn trace(&self) -> Vec<String> {
        self.notes.lock().unwrap().trace.clone()
    }

    /// How many calls the cloud received.
    pub(super) fn calls(&self) -> usize {
        let notes = self.notes.lock().unwrap();
        notes.passed.iter().filter(|(label, _)| label.ends_with(" received")).map(|(_, times)| times).sum()
    }

    /// How often each label was passed.
    pub(super) fn passed(&self) -> BTreeMap<String, usize> {
        self.notes.lock().unwrap().passed.clone()
    }
}

/// A thread of its own lets the server go on: whoever would do it may be waiting for that server.
fn halt(server: Server, time: Duration) {
    let control_plane = &cluster::halting().control_plane;
    let pid = match server {
        Server::ApiServer => control_plane.apiserver_pid(),
        Server::Etcd => control_plane.etcd_pid(),
    };
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    std::thread::spawn(move || {
        std::thread::sleep(time);
        kill_process(pid, Signal::CONT).unwrap();
    });
}

fn count(counts: &mut BTreeMap<String, usize>, label: &str) -> usize {
    let count = counts.entry(label.to_owned()).or_default();
    *count += 1;
    *count
}
