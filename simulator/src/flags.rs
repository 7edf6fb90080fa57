//! The flags of the program, and what its help tells somebody who has no account.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Parser;
use tencentdb_simulator::{CONTROL_HELP, End, Instance, Key, Settings, Switches};

const TRY: &str = "\
TRY THE OPERATOR AGAINST IT
  Start the simulator without any flag; it has two instances and one key:

    cargo run -p tencentdb-simulator --bin simulator

  In a second terminal, with KUBECONFIG pointing to a cluster to play with (the key is the one it printed):

    kubectl apply -f crds/
    export TENCENTCLOUD_SECRET_ID=AKIDSIMULATEDPLAYGROUND0000000000000
    export TENCENTCLOUD_SECRET_KEY=SimulatedSecretKeyNotReal0000000
    cargo run -- run --tencent-endpoint http://127.0.0.1:7180 --shared-identity-namespaces default \\
      --leader-elect false

  In a third:

    kubectl create -n default -f - <<'END'
    apiVersion: tencentdb.dev/v1alpha1
    kind: SqlServerBackup
    metadata:
      generateName: try-
    spec:
      instanceId: mssql-sim00001
      region: ap-guangzhou
      strategy: Instance
    END
    kubectl get -n default ssb --watch
    curl -s http://127.0.0.1:7181/ledger

  With --tls --ca-out ca.pem the operator needs https://127.0.0.1:7180 and --extra-ca-file ca.pem.
";

const FAULTS: &str = "\
FAULT RULES
  curl -s http://127.0.0.1:7181/faults -d '{\"action\": \"CreateBackup\", \"effect\": {\"kind\": \"drop_after\"}}'

  action, instance, name (a part of BackupName)   what it matches; absent: everything
  skip, times (a number or \"forever\"; default 1)   which of the matching requests
  delay_milliseconds, answer_delay_milliseconds   waits before the effect, between effect and answer
  effect                                          what happens:
    {\"kind\": \"none\"}                              only the waits
    {\"kind\": \"drop_before\", \"reset\": false}       the connection is closed, nothing happens
    {\"kind\": \"drop_after\", \"reset\": false}        accepted, then closed: the answer is lost
    {\"kind\": \"hold\", \"seconds\": 30, \"verify\": \"arrival\", \"hang_up\": true}
                                                  accepted later, whether the client waits or not;
                                                  verify \"acceptance\" checks the signature only then
    {\"kind\": \"status\", \"status\": 502, \"body\": \"\", \"accept\": false}
    {\"kind\": \"garbage\", \"accept\": false}          HTTP 200 with an HTML page
    {\"kind\": \"half_body\"}                         accepted, and half of the answer
    {\"kind\": \"content_type\", \"value\": \"application/json; charset=utf-8\"}
    {\"kind\": \"throttle\"}
    {\"kind\": \"error\", \"code\": \"InternalError\", \"message\": \"\", \"accept\": true}
                                                  with accept: a refusal that was none
    {\"kind\": \"drip\", \"bytes\": 8, \"every_milliseconds\": 200}
    {\"kind\": \"big\", \"mebibytes\": 2}
    {\"kind\": \"redirect\", \"location\": \"http://…\", \"status\": 307}
    {\"kind\": \"answer\", \"text\": [\"FlowId\"], \"set\": {\"FlowId\": 0}, \"remove\": [\"FlowId\"]}
    {\"kind\": \"accept_twice\"}                      one request, two backups
";

/// A strict simulated TencentDB for SQL Server: the backup API over HTTP, a ledger, and faults that can be switched on.
#[derive(Debug, Parser)]
#[command(version, after_help = "--help shows how to try the operator against it, the control and the fault rules.",
    after_long_help = format!("{TRY}\nCONTROL (JSON over HTTP, on the address of --control)\n{CONTROL_HELP}\n{FAULTS}"))]
pub(crate) struct Flags {
    /// Where the API listens; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:7180")]
    listen: SocketAddr,
    /// Where the control listens, on loopback; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:7181")]
    control: SocketAddr,
    /// Speak TLS, under a certificate authority made at the start.
    #[arg(long)]
    tls: bool,
    /// Write the authority's certificate to this file.
    #[arg(long, value_name = "FILE", requires = "tls")]
    pub(crate) ca_out: Option<PathBuf>,
    /// An access key, instead of the playground's; may be repeated.
    #[arg(long = "key", value_name = "ID:KEY[:TOKEN]", value_parser = key)]
    keys: Vec<Key>,
    /// An instance, instead of the playground's; may be repeated. Its attributes: region=, databases=a+b, bad=a+b,
    /// owners=ID+ID, model= (as `BackupModel`), parallel=, zone=, offset-minutes=, status=, seconds= (of its backups),
    /// end=failed, and nightly=30s for a scheduled backup that runs from the start.
    #[arg(long = "instance", value_name = "ID[,ATTRIBUTE=VALUE...]")]
    pub(crate) instances: Vec<InstanceFlag>,
    /// How long a backup runs.
    #[arg(long, value_name = "SECONDS", default_value_t = 20.0)]
    backup_seconds: f64,
    /// How long an accepted backup stays out of the listing.
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0)]
    listing_lag_seconds: f64,
    /// How far a signature's time may lie from the cloud's clock.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    signature_window_seconds: u32,
    /// How far the cloud's clock is ahead of the machine's.
    #[arg(long, value_name = "SECONDS", default_value_t = 0, allow_negative_numbers = true)]
    clock_offset_seconds: i64,
    /// What is logged, to standard error.
    #[arg(long, value_name = "FILTER", default_value = "info")]
    pub(crate) log_filter: String,
}

impl Flags {
    /// What the flags ask for; the playground where they say nothing.
    pub(crate) fn settings(&self) -> Settings {
        let Self {
            listen,
            control,
            tls,
            ca_out: _,
            keys,
            instances,
            backup_seconds,
            listing_lag_seconds,
            signature_window_seconds,
            clock_offset_seconds,
            log_filter: _,
        } = self;
        let playground = Settings::default();
        let or = |given: Vec<_>, default| if given.is_empty() { default } else { given };
        Settings {
            roles: playground.roles,
            node_role: playground.node_role,
            listen: *listen,
            control: *control,
            tls: *tls,
            keys: if keys.is_empty() { playground.keys } else { keys.clone() },
            instances: or(instances.iter().map(|flag| flag.instance.clone()).collect(), playground.instances),
            switches: Switches {
                signature_window_seconds: *signature_window_seconds,
                clock_offset_seconds: *clock_offset_seconds,
                backup_seconds: Some(*backup_seconds),
                listing_lag_seconds: *listing_lag_seconds,
                ..playground.switches
            },
        }
    }
}

/// One `--instance`.
#[derive(Clone, Debug)]
pub(crate) struct InstanceFlag {
    pub(crate) instance: Instance,
    pub(crate) nightly_seconds: Option<f64>,
}

impl FromStr for InstanceFlag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(',');
        let id = parts.next().filter(|id| id.starts_with("mssql-")).ok_or("an instance id begins with mssql-")?;
        let mut flag = Self { instance: Instance::new(id), nightly_seconds: None };
        for part in parts {
            let (name, value) = part.split_once('=').ok_or_else(|| format!("`{part}` is no ATTRIBUTE=VALUE"))?;
            flag.set(name, value).map_err(|reason| format!("{name}: {reason}"))?;
        }
        Ok(flag)
    }
}

impl InstanceFlag {
    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let list = || value.split('+').filter(|word| !word.is_empty()).map(str::to_owned).collect();
        let it = &mut self.instance;
        match name {
            "region" => value.clone_into(&mut it.region),
            "databases" => it.databases = list(),
            "bad" => it.bad_databases = list(),
            "owners" => it.owners = list(),
            "model" => value.clone_into(&mut it.backup_model),
            "parallel" => it.parallel = number(value)?,
            "zone" => value.clone_into(&mut it.time_zone),
            "offset-minutes" => it.utc_offset_minutes = number(value)?,
            "status" => it.status = number(value)?,
            "seconds" => it.backup_seconds = Some(number(value.trim_end_matches('s'))?),
            "nightly" => self.nightly_seconds = Some(number(value.trim_end_matches('s'))?),
            "end" => {
                it.backups_end = match value {
                    "success" => End::Success,
                    "failed" => End::Failed,
                    _ => return Err("must be success or failed".to_owned()),
                }
            }
            _ => return Err("no such attribute".to_owned()),
        }
        Ok(())
    }
}

fn number<T: FromStr>(value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("`{value}` is not a number that fits"))
}

/// `ID:KEY` or `ID:KEY:TOKEN`; a token may hold colons.
fn key(text: &str) -> Result<Key, String> {
    let mut parts = text.splitn(3, ':').map(str::to_owned);
    let mut part =
        |name: &str| parts.next().filter(|part| !part.is_empty()).ok_or_else(|| format!("{name} is missing"));
    let (secret_id, secret_key) = (part("the id")?, part("the key")?);
    Ok(Key { token: parts.next(), ..Key::new(&secret_id, &secret_key) })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_flags_are_well_formed() {
        Flags::command().debug_assert();
    }

    #[test]
    fn an_instance_is_described_in_one_word() {
        let text = "mssql-a,region=ap-x,databases=a+b,nightly=30s,model=master_no_pkg,end=failed,seconds=1.5";
        let flag: InstanceFlag = text.parse().unwrap();
        assert_eq!((flag.instance.id.as_str(), flag.instance.region.as_str()), ("mssql-a", "ap-x"));
        assert_eq!(flag.instance.databases, ["a", "b"]);
        assert_eq!((flag.nightly_seconds, flag.instance.backup_seconds), (Some(30.0), Some(1.5)));
        assert_eq!(flag.instance.backups_end, End::Failed);
        for wrong in ["", "cdb-a", "mssql-a,region", "mssql-a,colour=red", "mssql-a,nightly=soon", "mssql-a,end=no"] {
            assert!(wrong.parse::<InstanceFlag>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_key_may_have_a_token() {
        assert_eq!(key("id:key"), Ok(Key::new("id", "key")));
        assert_eq!(key("id:key:a:b").unwrap().token.as_deref(), Some("a:b"));
        assert!(key("id").is_err() && key("id:").is_err());
    }

    #[test]
    fn without_flags_it_is_the_playground() {
        let settings = Flags::parse_from(["simulator"]).settings();
        assert_eq!(settings.keys, Settings::default().keys);
        assert_eq!(settings.instances.len(), 2);
        assert_eq!(settings.switches, Switches::default());
    }
}
