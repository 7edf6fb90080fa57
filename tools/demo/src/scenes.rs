//! The four scenes: what happens, what to look at, and what must be true at the end of each.
//!
//! A scene tells the cloud how to behave, applies objects of `examples/`, and waits until the API server and the cloud's
//! ledger show what was promised. It fails as soon as that cannot come any more, at the latest after [`PATIENCE`]. No
//! scene hopes for good timing: what has to happen before something else is held back until it did.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Error, Result, anyhow, bail, ensure};
use tencentdb_simulator::{Effect, Rule};

use crate::screen::Screen;
use crate::stage::{LISTING_LAG, Stage, WHOLE, example};
use crate::view::{Order, View};

/// How long a scene waits for one thing. What it waits for takes some seconds.
const PATIENCE: Duration = Duration::from_secs(40);
const TICK: Duration = Duration::from_millis(400);

struct Scene {
    title: &'static str,
    look_at: &'static str,
    /// Plays it; what was seen to be true at its end.
    play: fn(&mut Theatre<'_>) -> Result<String>,
}

const SCENES: [Scene; 4] = [
    Scene {
        title: "two orders, two copies",
        look_at: "A whole instance and two databases of another one. Watch STATUS: the cloud's receipt comes as FLOW, and \
                  READY turns True when the cloud, not the operator, says that the copy is complete.",
        play: two_copies,
    },
    Scene {
        title: "a database that does not exist",
        look_at: "One name is misspelt. The cloud refuses, nothing is backed up, and the object says so for good: only its \
                  author can mend it, with a new object.",
        play: a_mistyped_database,
    },
    Scene {
        title: "an instance that is busy",
        look_at: "The nightly backup runs, and the cloud takes no other meanwhile. The order waits its turn, knocks now and \
                  then, and is accepted by itself: nobody has to come back.",
        play: a_busy_instance,
    },
    Scene {
        title: "an answer that is lost, and a killed operator",
        look_at: "The cloud accepts, but its answer never arrives; then the operator is killed. A script that asks again \
                  makes a second backup here. Count the lines of this order in the ledger.",
        play: a_lost_answer,
    },
];

/// Everything that a scene plays with.
pub(crate) struct Theatre<'a> {
    stage: Stage,
    screen: &'a mut Screen,
    stop: &'a AtomicBool,
    begin: Instant,
    first_copy: Option<Duration>,
}

impl<'a> Theatre<'a> {
    /// `begin` is when the audience began to wait.
    pub(crate) fn new(stage: Stage, screen: &'a mut Screen, stop: &'a AtomicBool, begin: Instant) -> Self {
        Self { stage, screen, stop, begin, first_copy: None }
    }

    /// Plays all scenes, up to the first that fails.
    pub(crate) fn play(&mut self) -> Result<()> {
        let mut number = 0;
        for Scene { title, look_at, play } in &SCENES {
            number += 1;
            let begin = Instant::now();
            let (scene, of) = (format!("Scene {number}"), SCENES.len());
            self.screen.title(&format!("{scene} of {of}"), title)?;
            self.screen.say(look_at)?;
            let told = play(self).map_err(|error| self.failure(&format!("{scene} failed ({title})"), &error))?;
            self.screen.verdict(&format!("{told} ({:.0} s)", begin.elapsed().as_secs_f64()))?;
        }
        let first = self.first_copy.map_or(0.0, |first| first.as_secs_f64());
        self.screen.verdict(&format!(
            "Four scenes in {:.0} s, the first copy Ready after {first:.0} s. Every order that was accepted made exactly one \
             backup.",
            self.begin.elapsed().as_secs_f64()
        ))?;
        Ok(())
    }

    /// Leaves everything as it is, and on the screen, until somebody ends it.
    pub(crate) fn keep(&mut self) -> Result<()> {
        self.screen.title("Yours", "until Ctrl-C; in another terminal:")?;
        let invitation = self.stage.invitation();
        self.screen.verbatim(&invitation)?;
        while !self.stop.load(Ordering::Relaxed) {
            // A kubectl that dies by the same Ctrl-C is no failure.
            if let Err(error) = self.watch() {
                sleep(TICK);
                return if self.stop.load(Ordering::Relaxed) { Ok(()) } else { Err(error) };
            }
            sleep(TICK);
        }
        Ok(())
    }

    fn failure(&self, what: &str, error: &Error) -> Error {
        anyhow!("{what}: {error:#}\n\nthe operator's last words:\n{}", self.stage.last_words())
    }

    /// Shows what there is now.
    fn watch(&mut self) -> Result<View> {
        ensure!(!self.stop.load(Ordering::Relaxed), "interrupted");
        self.stage.must_run()?;
        let view = View::take(&self.stage)?;
        self.screen.frame(&view.boards())?;
        if self.first_copy.is_none() && view.orders().any(|order| order.is("Ready")) {
            self.first_copy = Some(self.begin.elapsed());
        }
        Ok(view)
    }

    /// Shows what happens until `look` has seen what it looks for.
    fn until<T>(&mut self, what: &str, look: impl Fn(&View) -> Result<Option<T>>) -> Result<T> {
        let begin = Instant::now();
        loop {
            let view = self.watch()?;
            if let Some(seen) = look(&view)? {
                return Ok(seen);
            }
            ensure!(begin.elapsed() < PATIENCE, "{what}: not seen within {} s", PATIENCE.as_secs());
            sleep(TICK);
        }
    }

    /// Until the order stands in this row of the state table.
    fn until_reason(&mut self, name: &str, reason: &str) -> Result<()> {
        self.until(&format!("{name} is {reason}"), |view| {
            let Some(order) = view.order(name) else { return Ok(None) };
            ensure!(!order.is("Ready"), "{name} is Ready, and was never seen as {reason}");
            ensure!(!order.is("Stalled") || order.reason() == reason, "{}", ended(order));
            Ok((order.reason() == reason).then_some(()))
        })
    }

    /// Until the copy is complete: what the status says about it.
    fn until_ready(&mut self, name: &str) -> Result<Told> {
        self.until(&format!("{name} is Ready"), |view| {
            let Some(order) = view.order(name) else { return Ok(None) };
            ensure!(!order.is("Stalled"), "{}", ended(order));
            if order.is("Ready") { told(view, order).map(Some) } else { Ok(None) }
        })
    }

    /// `kubectl apply` or `create` of these examples: the names of the orders among them.
    fn order(&mut self, verb: &str, files: &[&str]) -> Result<Vec<String>> {
        let paths: Vec<_> = files.iter().map(|file| example(file)).collect::<Result<_>>()?;
        let flags = paths.iter().flat_map(|path| ["--filename", path]);
        let args: Vec<_> = [verb, "--output", "name"].into_iter().chain(flags).collect();
        let printed = self.stage.kubectl(&args)?;
        let typed: Vec<_> = files.iter().map(|file| format!("-f examples/{file}")).collect();
        self.screen.command(&format!("kubectl {verb} {}", typed.join(" ")), &printed)?;
        Ok(printed.lines().filter_map(|line| line.strip_prefix("sqlserverbackup.tencentdb.dev/")).map(str::to_owned).collect())
    }

    fn order_one(&mut self, verb: &str, file: &str) -> Result<String> {
        self.order(verb, &[file])?.pop().with_context(|| format!("{file} holds no SqlServerBackup"))
    }
}

/// What is known about a copy that is complete.
struct Told {
    size: String,
    from: String,
    to: String,
    flow_id: Option<i64>,
    acceptance: String,
    refusals: usize,
}

/// Reads it, and holds it against the ledger.
fn told(view: &View, order: Order<'_>) -> Result<Told> {
    let name = order.name();
    let (asked, made) = (view.asked(order), view.made(order));
    let accepted = asked.iter().filter(|entry| entry.accepted).count();
    ensure!(accepted == 1, "{name} was accepted {accepted} times by the cloud");
    let [backup] = made.as_slice() else { bail!("the cloud made {} backups for {name}", made.len()) };
    let status = order.status().context("no status")?;
    let size = status.size.as_ref().with_context(|| format!("{name} is Ready and has no size"))?;
    let from = status.start_time.as_ref().with_context(|| format!("{name} is Ready and has no startTime"))?;
    let to = status.completion_time.as_ref().with_context(|| format!("{name} is Ready and has no completionTime"))?;
    if let Some(flow_id) = status.flow_id {
        ensure!(flow_id == backup.flow_id, "{name} shows FlowId {flow_id}, the ledger {}", backup.flow_id);
    }
    let [_, acceptance, _] = order.condition("Submitted");
    Ok(Told {
        size: size.0.clone(),
        from: from.0.strftime("%H:%M:%S").to_string(),
        to: to.0.strftime("%H:%M:%S").to_string(),
        flow_id: status.flow_id,
        acceptance: acceptance.to_owned(),
        refusals: asked.len() - accepted,
    })
}

fn ended(order: Order<'_>) -> String {
    let [_, reason, message] = order.condition("Ready");
    format!("{} ended as {reason}: {message}", order.name())
}

fn two_copies(it: &mut Theatre<'_>) -> Result<String> {
    let names = it.order("apply", &["01-secret.yaml", "02-whole-instance.yaml", "03-two-databases.yaml"])?;
    ensure!(names.len() == 2, "expected two orders, found {names:?}");
    let mut sentences = Vec::new();
    for name in &names {
        let Told { size, from, to, flow_id, .. } = it.until_ready(name)?;
        let flow_id = flow_id.with_context(|| format!("{name} is Ready and has no FlowId"))?;
        sentences.push(format!("{name} is Ready: FlowId {flow_id}, {size}, from {from} to {to} UTC."));
    }
    Ok(sentences.join(" "))
}

fn a_mistyped_database(it: &mut Theatre<'_>) -> Result<String> {
    let name = it.order_one("apply", "05-mistyped-database.yaml")?;
    it.until_reason(&name, "DatabaseNotFound")?;
    let view = it.watch()?;
    let order = view.order(&name).context("the order is gone")?;
    let error = order.status().and_then(|status| status.error.as_ref()).context("the status has no error")?;
    let (code, request_id) = (error.code.as_deref(), error.request_id.as_deref());
    let [entry] = view.asked(order)[..] else { bail!("the cloud was asked {} times", view.asked(order).len()) };
    ensure!(code == Some("ResourceNotFound.DBNotFound"), "the code is {code:?}");
    ensure!(request_id == Some(&entry.request_id), "the RequestId is {request_id:?}, in the ledger {}", entry.request_id);
    ensure!(view.made(order).is_empty(), "the cloud made a backup");
    ensure!(order.is("Stalled"), "the order is not Stalled");
    let [_, reason, message] = order.condition("Ready");
    ensure!(!message.is_empty() && !message.contains('\n'), "the message is {message:?}");
    let code = &entry.code;
    Ok(format!("{name} is {reason}: “{message}” The cloud's code is {code}, its RequestId {}.", entry.request_id))
}

fn a_busy_instance(it: &mut Theatre<'_>) -> Result<String> {
    let flow = it.stage.cloud().begin_nightly(WHOLE, None).context("there is no such instance")?;
    // It ends once the order has been seen waiting.
    it.stage.cloud().change_backup(flow, |backup| backup.due = None);
    let name = it.order_one("create", "04-generate-name.yaml")?;
    it.until_reason(&name, "InstanceBusy")?;
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(4) {
        it.watch()?;
        sleep(TICK);
    }
    ensure!(it.stage.cloud().finish(flow, tencentdb_simulator::End::Success), "the nightly backup ended too early");
    it.screen.say("The nightly backup has ended.")?;
    let Told { flow_id, refusals, .. } = it.until_ready(&name)?;
    let flow_id = flow_id.context("no FlowId")?;
    ensure!(refusals > 0, "the cloud never refused it");
    Ok(format!("{name} was refused {refusals} times, then accepted by itself: FlowId {flow_id}, one backup."))
}

fn a_lost_answer(it: &mut Theatre<'_>) -> Result<String> {
    // Until the operator is dead, the listing does not help it either.
    it.stage.cloud().switch(|switches| switches.listing_lag_seconds = 3600.0);
    let lost = Rule::new("CreateBackup", Effect::DropAfter { reset: true }).instance(WHOLE);
    it.stage.cloud().add_fault(lost);
    let name = it.order_one("create", "04-generate-name.yaml")?;
    it.until_reason(&name, "OutcomeUnknown")?;
    let pid = it.stage.kill_operator()?;
    it.screen.command(&format!("kill -KILL {pid}"), "")?;
    it.screen.say("The operator is gone. The cloud goes on with a backup that nobody waits for.")?;
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(3) {
        it.watch()?;
        sleep(TICK);
    }
    it.stage.cloud().switch(|switches| switches.listing_lag_seconds = LISTING_LAG);
    let pid = it.stage.start_operator()?;
    it.screen.say(&format!(
        "A new operator starts, process {pid}. It finds an intent without an answer, and looks before it asks."
    ))?;
    let Told { acceptance, refusals, size, .. } = it.until_ready(&name)?;
    ensure!(acceptance == "Adopted", "Submitted says {acceptance:?}, not Adopted");
    ensure!(refusals == 0, "the cloud was asked {} times", refusals + 1);
    let view = it.watch()?;
    let order = view.order(&name).context("the order is gone")?;
    ensure!(view.asked(order).iter().all(|entry| !entry.delivered), "the answer was not lost");
    Ok(format!("{name} was adopted and is Ready, {size}. The cloud was asked once and made one backup."))
}
