//! What every scene needs: to show what happens, to wait for what was promised, and to hold it against the ledger.
//!
//! - Each look checks that the operator still lives and that nobody asked to stop, and shows what it saw: the audience
//!   sees all that a scene judges by.
//! - A copy counts as told truly only if the cloud accepted its order once, made one backup for it, and names the same
//!   FlowId.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Error, Result, anyhow, bail, ensure};

use crate::scenes::{SCENES, Scene};
use crate::screen::Screen;
use crate::stage::{SCHEDULE, Stage, example, schedule_file};
use crate::view::{Order, View};

/// How long a scene waits for one thing. What it waits for takes some seconds.
const PATIENCE: Duration = Duration::from_secs(40);
/// The same for a time of the schedule: a minute, its spread, and the backup.
const A_MINUTE: Duration = Duration::from_secs(130);
const TICK: Duration = Duration::from_millis(400);
/// For reading what is going on, before something else happens.
pub(crate) const BREATH: Duration = Duration::from_secs(2);

/// Everything that a scene plays with.
pub(crate) struct Theatre<'a> {
    pub(crate) stage: Stage,
    pub(crate) screen: &'a mut Screen,
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
            // The audience has waited long enough for the first.
            let breath = if number > 1 { BREATH } else { Duration::ZERO };
            let told = self.linger(breath).and_then(|()| play(self));
            let told = told.map_err(|error| self.failure(&format!("{scene} failed ({title})"), &error))?;
            self.screen.verdict(&format!("{told} ({:.0}s)", begin.elapsed().as_secs_f64()))?;
        }
        let backups = self.tally()?;
        let (first, all) = (self.first_copy.unwrap_or_default().as_secs(), self.begin.elapsed().as_secs());
        self.screen.verdict(&format!(
            "All {number} scenes kept their promise in {all}s, the first copy was Ready after {first}s, and the cloud made \
             {backups} backups: one for each order that it accepted."
        ))?;
        Ok(())
    }

    /// How many backups the cloud made for the orders, after a look at each of them.
    fn tally(&mut self) -> Result<usize> {
        let view = View::take(&self.stage)?;
        self.screen.whole(&view.boards())?;
        let mut backups = 0;
        for order in view.orders() {
            let (made, name) = (view.made(order).len(), order.name());
            ensure!(made <= 1, "the cloud made {made} backups for {name}");
            ensure!(
                order.is("Submitted") == (made == 1),
                "the cloud made {made} backups for {name}, whose status differs"
            );
            backups += made;
        }
        Ok(backups)
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

    fn failure(&mut self, what: &str, error: &Error) -> Error {
        if self.stage.must_run().is_err() {
            // Then the error is the end of the operator, told with its last words.
            return anyhow!("{what}: {error:#}");
        }
        anyhow!("{what}: {error:#}\n\nthe operator's last words:\n{}", self.stage.last_words())
    }

    /// Shows what there is now.
    pub(crate) fn watch(&mut self) -> Result<View> {
        ensure!(!self.stop.load(Ordering::Relaxed), "interrupted");
        self.stage.must_run()?;
        let view = View::take(&self.stage)?;
        self.screen.frame(&view.boards())?;
        if self.first_copy.is_none() && view.orders().any(|order| order.is("Ready")) {
            self.first_copy = Some(self.begin.elapsed());
        }
        Ok(view)
    }

    /// Shows what happens for a while.
    pub(crate) fn linger(&mut self, time: Duration) -> Result<()> {
        let begin = Instant::now();
        while begin.elapsed() < time {
            self.watch()?;
            sleep(TICK);
        }
        Ok(())
    }

    /// Shows what happens until `look` has seen what it looks for.
    fn until<T>(&mut self, what: &str, look: impl Fn(&View) -> Result<Option<T>>) -> Result<T> {
        self.within(PATIENCE, what, look)
    }

    fn within<T>(&mut self, patience: Duration, what: &str, look: impl Fn(&View) -> Result<Option<T>>) -> Result<T> {
        let begin = Instant::now();
        loop {
            let view = self.watch()?;
            if let Some(seen) = look(&view)? {
                return Ok(seen);
            }
            ensure!(begin.elapsed() < patience, "{what}: not seen within {} s", patience.as_secs());
            sleep(TICK);
        }
    }

    /// Until the order stands in this row of the state table.
    pub(crate) fn until_reason(&mut self, name: &str, reason: &str) -> Result<()> {
        self.until(&format!("{name} is {reason}"), |view| {
            let Some(order) = view.order(name) else { return Ok(None) };
            ensure!(!order.is("Ready"), "{name} is Ready, and was never seen as {reason}");
            ensure!(!order.is("Stalled") || order.reason() == reason, "{}", ended(order));
            Ok((order.reason() == reason).then_some(()))
        })
    }

    /// Until the copy is complete: what the status says about it.
    pub(crate) fn until_ready(&mut self, name: &str) -> Result<Told> {
        self.until(&format!("{name} is Ready"), |view| {
            let Some(order) = view.order(name) else { return Ok(None) };
            ensure!(!order.is("Stalled"), "{}", ended(order));
            if order.is("Ready") { told(view, order).map(Some) } else { Ok(None) }
        })
    }

    /// Applies the schedule; its name.
    pub(crate) fn schedule(&mut self) -> Result<String> {
        let printed = self.stage.kubectl(&["apply", "--output", "name", "--filename", &schedule_file()])?;
        self.screen.command(&format!("kubectl apply -f {SCHEDULE}"), &printed)?;
        let name = printed.trim().strip_prefix("sqlserverbackupschedule.tencentdb.dev/");
        name.map(str::to_owned).context("no schedule was applied")
    }

    /// `kubectl annotate` of a schedule.
    pub(crate) fn annotate(&mut self, name: &str, annotation: &str) -> Result<()> {
        let printed = self.stage.kubectl(&["annotate", "ssbs", name, annotation])?;
        self.screen.command(&format!("kubectl annotate ssbs {name} {annotation}"), &printed)?;
        Ok(())
    }

    /// The last of a schedule, so that it does not go on for ever.
    pub(crate) fn suspend(&mut self, name: &str) -> Result<()> {
        let patch = r#"{"spec":{"suspend":true}}"#;
        let printed = self.stage.kubectl(&["patch", "ssbs", name, "--type=merge", "--patch", patch])?;
        self.screen.command(&format!("kubectl patch ssbs {name} --type=merge --patch '{patch}'"), &printed)?;
        Ok(())
    }

    /// Until its condition `Protected` has this reason.
    pub(crate) fn until_protected(&mut self, name: &str, reason: &str) -> Result<()> {
        self.until(&format!("{name} is {reason}"), |view| {
            Ok(view.schedule(name).filter(|it| it.reason("Protected") == reason).map(drop))
        })
    }

    /// Until a backup of the schedule stands in this row; its name.
    pub(crate) fn until_child(&mut self, schedule: &str, reason: &str) -> Result<String> {
        let of_it = format!("{schedule}-");
        self.within(A_MINUTE, &format!("a backup of {schedule} is {reason}"), |view| {
            let mut its = view.orders().filter(|order| order.name().starts_with(&of_it) && order.reason() == reason);
            Ok(its.next().map(|order| order.name().to_owned()))
        })
    }

    /// Until it is suspended, and none of its backups is at work.
    pub(crate) fn until_rest(&mut self, name: &str) -> Result<()> {
        self.until(&format!("{name} rests"), |view| {
            let is_suspended = view.schedule(name).is_some_and(|it| it.reason("Ready") == "Suspended");
            Ok((is_suspended && !view.orders().any(|order| order.is("Reconciling"))).then_some(()))
        })
    }

    /// `kubectl apply` or `create` of these examples: the names of the orders among them.
    pub(crate) fn order(&mut self, verb: &str, files: &[&str]) -> Result<Vec<String>> {
        let paths: Vec<_> = files.iter().map(|file| example(file)).collect::<Result<_>>()?;
        let flags = paths.iter().flat_map(|path| ["--filename", path]);
        let args: Vec<_> = [verb, "--output", "name"].into_iter().chain(flags).collect();
        let printed = self.stage.kubectl(&args)?;
        let typed: Vec<_> = files.iter().map(|file| format!("-f examples/{file}")).collect();
        self.screen.command(&format!("kubectl {verb} {}", typed.join(" \\\n        ")), &printed)?;
        let orders = printed.lines().filter_map(|line| line.strip_prefix("sqlserverbackup.tencentdb.dev/"));
        Ok(orders.map(str::to_owned).collect())
    }

    pub(crate) fn order_one(&mut self, verb: &str, file: &str) -> Result<String> {
        self.order(verb, &[file])?.pop().with_context(|| format!("{file} holds no SqlServerBackup"))
    }
}

/// What is known about a copy that is complete.
pub(crate) struct Told {
    pub(crate) size: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) flow_id: Option<i64>,
    pub(crate) acceptance: String,
    pub(crate) refusals: usize,
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
