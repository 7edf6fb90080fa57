//! The start: which flags each program gets, in which order they come up, and when they are ready.
//!
//! The API server makes its own certificate at its first start, and signs tokens with the same key: so there is no
//! certificate code here. Everything else is as a cluster has it: RBAC, the default admission plugins (Pod Security among
//! them), the default controllers. These share the administrator's token: an identity for each costs a second and more.

use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::binaries::Binaries;
use crate::child::Child;
use crate::kubeconfig::{self, Access, write_secret};
use crate::{ControlPlane, Options, folder};

/// The administrator's kubeconfig, below the folder, as all paths here: each program runs there.
pub(crate) const KUBECONFIG: &str = "admin.kubeconfig";
/// The API server's own certificate, together with the authority that signed it.
pub(crate) const CERTIFICATE: &str = "certificates/apiserver.crt";
const CERTIFICATES: &str = "certificates";
const KEY: &str = "certificates/apiserver.key";
const TOKENS: &str = "tokens.csv";
pub(crate) const AUDIT_LOG: &str = "audit.log";
const AUDIT_POLICY: &str = "audit-policy.json";
/// Who, what and how it ended, of service accounts alone; of a watch at its start, for its end may never come.
const AUDITED: &str = r#"{
  "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
  "rules": [{ "level": "Metadata", "userGroups": ["system:serviceaccounts"] }, { "level": "None" }]
}
"#;

/// What all three programs log at their end if somebody else listens on their port; the error shows the end of the log.
const PORT_TAKEN: &str = "address already in use";
const TRIES: u32 = 5;
const KNOCK_EVERY: Duration = Duration::from_millis(50);

/// Sweeps, then tries until no port is taken by somebody else meanwhile.
pub(crate) fn start(options: &Options, binaries: &Binaries) -> Result<ControlPlane> {
    folder::sweep(&options.directory)?;
    let mut tries = 1;
    loop {
        match Boot::new(options, binaries)?.run() {
            Err(error) if tries < TRIES && error.to_string().contains(PORT_TAKEN) => tries += 1,
            outcome => return outcome,
        }
    }
}

/// One try. Children that already run end with it when it fails.
struct Boot<'a> {
    binaries: &'a Binaries,
    folder: PathBuf,
    token: String,
    ports: Ports,
    deadline: Instant,
    children: Vec<Child>,
    audit: bool,
}

struct Ports {
    etcd: u16,
    etcd_peers: u16,
    apiserver: u16,
    controllers: u16,
}

impl<'a> Boot<'a> {
    fn new(options: &Options, binaries: &'a Binaries) -> Result<Self> {
        let folder = folder::make(&options.directory)?;
        let [etcd, etcd_peers, apiserver, controllers] = folder::free_ports()?;
        Ok(Self {
            binaries,
            folder,
            token: folder::secret()?,
            ports: Ports { etcd, etcd_peers, apiserver, controllers },
            deadline: Instant::now() + options.patience,
            children: Vec::new(),
            audit: options.audit,
        })
    }

    fn run(mut self) -> Result<ControlPlane> {
        let etcd_pid = self.launch("etcd", &self.binaries.etcd, &self.etcd_flags())?;
        // The API server would wait a second after a refused connection.
        self.wait_until("does not listen", |boot| is_open(boot.ports.etcd))?;

        write_secret(&self.folder.join(TOKENS), &format!("{},admin,admin,\"system:masters\"\n", self.token))?;
        write_secret(&self.folder.join(AUDIT_POLICY), AUDITED)?;
        let apiserver_pid = self.launch("kube-apiserver", &self.binaries.apiserver, &self.apiserver_flags())?;
        self.wait_until("does not listen", |boot| is_open(boot.ports.apiserver))?;
        self.wait_until("is not ready", |boot| boot.is_well(boot.ports.apiserver, "/readyz"))?;

        let server_url = url(self.ports.apiserver);
        let kubeconfig = self.folder.join(KUBECONFIG);
        let ca_file = &self.folder.join(CERTIFICATE);
        kubeconfig::write(
            &Access { server: &server_url, ca_file, token: &self.token, namespace: "default" },
            &kubeconfig,
        )?;
        self.launch("kube-controller-manager", &self.binaries.controllers, &self.controllers_flags(&kubeconfig))?;
        self.wait_until("does not listen", |boot| is_open(boot.ports.controllers))?;
        self.wait_until("is not healthy", |boot| boot.is_well(boot.ports.controllers, "/healthz"))?;
        self.wait_until("made no ServiceAccount", |boot| {
            boot.is_well(boot.ports.apiserver, "/api/v1/namespaces/default/serviceaccounts/default")
        })?;

        Ok(ControlPlane {
            children: self.children,
            apiserver_pid,
            etcd_pid,
            kubectl: self.binaries.kubectl.clone(),
            folder: self.folder,
            server_url,
            etcd_url: http(self.ports.etcd),
            admin_token: self.token,
        })
    }

    fn launch(&mut self, name: &'static str, program: &Path, flags: &[String]) -> Result<u32> {
        let child = Child::start(name, program, flags, &self.folder)?;
        let pid = child.pid();
        self.children.push(child);
        Ok(pid)
    }

    /// Waits for the youngest child, and sees to it that none ends meanwhile.
    fn wait_until(&mut self, complaint: &str, is_so: impl Fn(&Self) -> bool) -> Result<()> {
        loop {
            let so = is_so(self);
            // After the look: an answer may have come from a stranger on a port that our child did not get.
            self.children.iter_mut().try_for_each(Child::must_run)?;
            if so {
                return Ok(());
            }
            if let Some(youngest) = self.children.last().filter(|_| Instant::now() > self.deadline) {
                return Err(youngest.complaint(complaint));
            }
            thread::sleep(KNOCK_EVERY);
        }
    }

    /// Whether `path` answers 200. The certificate is not looked at: the controllers' is made up at each start, and who
    /// answers in place of our child is found out by its end.
    fn is_well(&self, port: u16, path: &str) -> bool {
        Command::new(&self.binaries.kubectl)
            .args(["--server", &url(port), "--insecure-skip-tls-verify", "--token", &self.token])
            .args(["--kubeconfig", "/dev/null", "--request-timeout", "5s", "get", "--raw", path])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }

    fn etcd_flags(&self) -> Vec<String> {
        let (clients, peers) = (http(self.ports.etcd), http(self.ports.etcd_peers));
        flags(&[
            ("data-dir", "etcd"),
            // Nothing here has to survive a power cut.
            ("unsafe-no-fsync", "true"),
            ("listen-client-urls", &clients),
            ("advertise-client-urls", &clients),
            ("listen-peer-urls", &peers),
            ("initial-advertise-peer-urls", &peers),
            ("initial-cluster", &format!("default={peers}")),
        ])
    }

    fn apiserver_flags(&self) -> Vec<String> {
        // Without a size of its own, the log begins anew after 100 MB, which thirty thousand orders exceed.
        let audit: &[(&str, &str)] = if self.audit {
            &[("audit-policy-file", AUDIT_POLICY), ("audit-log-path", AUDIT_LOG), ("audit-log-maxsize", "100000")]
        } else {
            &[]
        };
        let usual = flags(&[
            ("bind-address", "127.0.0.1"),
            ("advertise-address", "127.0.0.1"),
            ("secure-port", &self.ports.apiserver.to_string()),
            ("cert-dir", CERTIFICATES),
            ("etcd-servers", &http(self.ports.etcd)),
            // Were it somebody else's etcd on a port that ours did not get, nothing of theirs would be touched.
            ("etcd-prefix", &prefix(&self.token)),
            ("authorization-mode", "RBAC"),
            ("token-auth-file", TOKENS),
            ("service-account-issuer", "https://kubernetes.default.svc"),
            ("service-account-signing-key-file", KEY),
            ("service-account-key-file", KEY),
            ("service-cluster-ip-range", "10.0.0.0/24"),
            // A loopback address is refused as an endpoint of the service `kubernetes`, again and again.
            ("endpoint-reconciler-type", "none"),
        ]);
        [usual, flags(audit)].concat()
    }

    fn controllers_flags(&self, kubeconfig: &Path) -> Vec<String> {
        flags(&[
            ("bind-address", "127.0.0.1"),
            ("secure-port", &self.ports.controllers.to_string()),
            ("cert-dir", "controllers"),
            ("kubeconfig", &kubeconfig.to_string_lossy()),
            ("leader-elect", "false"),
            // The usual 20 requests a second would draw out the start, and every deletion of a namespace.
            ("kube-api-qps", "1000"),
            ("kube-api-burst", "1000"),
            // A quota over a kind that was defined a moment ago is counted at the next round; the usual one is in five minutes.
            ("resource-quota-sync-period", "5s"),
            ("service-account-private-key-file", KEY),
            ("root-ca-file", CERTIFICATE),
        ])
    }
}

fn flags(pairs: &[(&str, &str)]) -> Vec<String> {
    pairs.iter().map(|(name, value)| format!("--{name}={value}")).collect()
}

/// Of the keys of a control plane with this token.
pub(crate) fn prefix(token: &str) -> String {
    format!("/{token}")
}

fn url(port: u16) -> String {
    format!("https://127.0.0.1:{port}")
}

fn http(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

fn is_open(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_port_that_somebody_took_is_known_from_the_log_of_each_program() {
        let directory = std::env::temp_dir().join(format!("control-plane-ports-{}", std::process::id()));
        let options = Options::new(&directory);
        let binaries = crate::binaries::find().unwrap();
        for name in ["etcd", "kube-apiserver", "kube-controller-manager"] {
            let boot = Boot::new(&options, &binaries).unwrap();
            let port = match name {
                "etcd" => boot.ports.etcd,
                "kube-apiserver" => boot.ports.apiserver,
                _ => boot.ports.controllers,
            };
            let _stranger = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
            let error = boot.run().unwrap_err().to_string();
            assert!(error.starts_with(name) && error.contains(PORT_TAKEN), "{name}: {error}");
        }
        std::fs::remove_dir_all(directory).unwrap();
    }
}
