//! One of several operators in one world: its name, its process, its log, its figures.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::operator::{Operator, fetch, lines, tail};
use crate::world::World;

pub(super) struct Pod {
    pub(super) operator: Operator,
    log: PathBuf,
}

impl Pod {
    /// Starts a candidate of this name, with `settings` over the usual ones, and waits until it is ready.
    pub(super) async fn start(world: &World, name: &str, settings: &[(&'static str, String)]) -> Self {
        let mut environment = world.environment.clone();
        environment.extend([
            ("LEADER_ELECT", "true".to_owned()),
            ("POD_NAMESPACE", world.namespace.clone()),
            ("POD_NAME", name.to_owned()),
        ]);
        environment.extend(settings.iter().cloned());
        let log = world.folder.join(format!("{name}.log"));
        // One of the same name was here before: what it said is not of this one.
        append(&log, world);
        drop(std::fs::remove_file(&log));
        let mut operator = Operator::spawn(&environment, &log);
        operator.ready().await;
        Self { operator, log }
    }

    /// Whether its log has a line that begins like this.
    pub(super) fn says(&self, message: &str) -> bool {
        lines(&self.log).iter().any(|line| line["message"].as_str().is_some_and(|said| said.starts_with(message)))
    }

    pub(super) async fn leads(&mut self) -> bool {
        self.figures("sqlserver_backup_operator_leader ").await == 1
    }

    /// The calls that it sent to the cloud.
    pub(super) async fn calls(&mut self) -> u64 {
        self.figures("sqlserver_backup_operator_cloud_calls_total{").await
    }

    pub(super) async fn leads_within(&mut self, patience: Duration) {
        let begin = Instant::now();
        while !self.leads().await {
            assert!(begin.elapsed() < patience, "it does not lead after {patience:?}: {}", tail(&self.log, 12));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The sum of all figures of this name.
    async fn figures(&mut self, name: &str) -> u64 {
        let url = format!("{}/metrics", self.operator.admin().await);
        let (status, text) = fetch(&url).await.unwrap();
        assert_eq!(status, 200, "{text}");
        let values = text.lines().filter(|line| line.starts_with(name)).map(|line| line.rsplit(' ').next().unwrap());
        values.map(|value| value.parse::<u64>().unwrap()).sum()
    }
}

/// Ends them, with their words among those that are searched for secrets.
pub(super) fn close<const N: usize>(world: &World, pods: [Pod; N]) {
    for pod in pods {
        let Pod { operator, log } = pod;
        drop(operator);
        append(&log, world);
    }
}

fn append(log: &PathBuf, world: &World) {
    let words = std::fs::read(log).unwrap_or_default();
    let all = world.folder.join("earlier.log");
    let mut all = std::fs::File::options().create(true).append(true).open(all).unwrap();
    std::io::Write::write_all(&mut all, &words).unwrap();
}
