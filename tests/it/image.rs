//! The image that would be pushed: what is in it, how large it is, and the program at work in it.
//!
//! `make image` builds it and then runs these tests; without it they fail and say so. The program of the
//! other architecture runs under qemu, as the same user, in the same files. Whatever is said of the image is read from the
//! OCI layout, whatever is said of the program is what the kernel says of its process.

mod bill;
mod container;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::operator::{Operator, tail};
use crate::world::{PATIENCE, World};
use container::{Container, Layout, PROGRAM};

const ARCHITECTURES: [&str; 2] = ["amd64", "arm64"];
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";
/// What a node may have to pull, in bytes.
const LARGEST_IMAGE: u64 = 4_000_000;
/// The user and the group that the image names.
const NOBODY: u32 = 65_532;

#[test]
fn the_image_holds_the_program_the_authorities_and_nothing_else() {
    for architecture in ARCHITECTURES {
        let layout = Layout::read(architecture);
        let wanted = [
            "-rw-r--r-- 0/0 etc/ssl/certs/ca-certificates.crt",
            "-rwxr-xr-x 0/0 sqlserver-backup-operator",
            "drwxr-xr-x 0/0 etc/",
            "drwxr-xr-x 0/0 etc/ssl/",
            "drwxr-xr-x 0/0 etc/ssl/certs/",
        ];
        assert_eq!(layout.files(), BTreeSet::from(wanted.map(str::to_owned)), "{architecture}");
        assert!(layout.pulled() <= LARGEST_IMAGE, "{architecture}: {} bytes are pulled", layout.pulled());
    }
}

#[test]
fn the_image_says_what_it_is_and_that_it_is_not_root() {
    for architecture in ARCHITECTURES {
        let image = Layout::read(architecture).config();
        assert_eq!((&image["architecture"], &image["os"]), (&json!(architecture), &json!("linux")));
        let config = &image["config"];
        assert_eq!(config["User"], json!(format!("{NOBODY}:{NOBODY}")));
        assert_eq!(config["Entrypoint"], json!([PROGRAM]));
        assert_eq!(config["Cmd"], json!(["run"]));
        for label in ["title", "description", "licenses"] {
            let name = format!("org.opencontainers.image.{label}");
            assert!(config["Labels"][&name].is_string(), "{architecture} has no label {name}");
        }
    }
}

#[test]
fn the_program_says_its_version_and_there_is_no_shell() {
    for architecture in ARCHITECTURES {
        let container = Container::of(architecture);
        let version = format!("sqlserver-backup-operator {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!(container.output(&[PROGRAM, "--version"], &version), Ok(version.clone()), "{architecture}");
        let definitions = sqlserver_backup_operator::api::YAML;
        assert_eq!(container.output(&[PROGRAM, "crd"], definitions), Ok(definitions.to_owned()), "{architecture}");
        for shell in ["/bin/sh", "/bin/bash", "/bin/busybox", "sh"] {
            assert!(container.output(&[shell, "-c", "exit 0"], "").is_err(), "{architecture} has {shell}");
        }
    }
}

/// Each crate that cargo links into one of the two binaries, with the hash of the archive that it came from.
#[test]
fn the_bill_of_materials_names_each_crate_that_is_linked() {
    let bill = bill::read();
    let crates = bill["components"].as_array().unwrap().iter();
    let named: BTreeSet<String> = crates
        .map(|one| {
            let hash = one["hashes"][0]["content"].as_str().unwrap_or_default();
            format!("{} v{} {hash}", one["name"].as_str().unwrap(), one["version"].as_str().unwrap())
        })
        .collect();
    let locked = bill::locked();
    for architecture in ARCHITECTURES {
        for linked in bill::linked(architecture) {
            let hash = &locked[&linked];
            assert!(named.contains(&format!("{linked} {hash}")), "{architecture}: {linked} {hash} is not in the bill");
        }
    }
    assert_eq!(bill["metadata"]["component"]["name"], "sqlserver-backup-operator");
    assert_eq!(bill.get("serialNumber"), None, "it differs each time");
}

/// In the place of the program, because the program has nothing that it would write to.
#[test]
fn whoever_runs_in_it_is_nobody_and_can_write_nowhere() {
    for architecture in ARCHITECTURES {
        let mut container = Container::of(architecture);
        container.mount(&container::probe(architecture), "/probe");
        let told = container.output(&["/probe"], "done\n").unwrap();
        let told: Vec<&str> = told.lines().collect();
        assert_eq!(told[0], format!("user {NOBODY} {NOBODY}"));
        assert!(told.contains(&"seen /etc/ssl/certs"), "{told:?}");
        let written: Vec<_> = told.iter().filter(|line| line.starts_with("wrote ")).collect();
        assert!(written.is_empty(), "{architecture}: {written:?}");
    }
}

/// A world whose cloud speaks TLS under an authority that nobody else knows.
async fn world() -> World {
    World::with(|plan| {
        plan.started = false;
        plan.cloud.tls = true;
    })
    .await
}

/// A container of the image with the operator of `world` in it.
fn container(world: &World, architecture: &str) -> Container {
    let mut container = Container::of(architecture);
    container.mount(&world.kubeconfig(), "/kubeconfig");
    container.mount(&crate::cluster::get().control_plane.ca_file(), "/cluster.pem");
    let kubeconfig = std::fs::read_to_string(world.kubeconfig()).unwrap();
    let ca = crate::cluster::get().control_plane.ca_file().display().to_string();
    std::fs::write(world.kubeconfig(), kubeconfig.replace(&ca, "/cluster.pem")).unwrap();
    container.environment(&world.environment);
    container.environment(&[("KUBECONFIG", "/kubeconfig".to_owned())].into());
    container
}

fn start(world: &mut World, container: &Container) {
    world.operator = None;
    let words = container.words(&[PROGRAM]);
    world.operator = Some(Operator::spawn_as(&words, &container::environment(), &world.log()));
}

/// The image's own authorities are read (an authority that they do not name is refused, and not the lack of any), and they
/// are read from the file of the image: with another file in its place that authority is known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_is_made_over_tls_that_the_authorities_of_the_image_vouch_for() {
    for architecture in ARCHITECTURES {
        let mut world = world().await;
        let mut container = container(&world, architecture);
        start(&mut world, &container);
        world.operator.as_mut().unwrap().ready().await;
        let order = world.order("over-tls", json!({})).await;
        let object = world.reaches(&order, "CloudUnreachable").await;
        let message = object["status"]["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert!(message.contains("UnknownIssuer"), "{architecture}: {message}: {}", object["status"]);

        let process = container::Process::below(world.operator.as_ref().unwrap().pid());
        assert_eq!(process.ids("Uid:"), [NOBODY; 4], "{architecture}");
        assert_eq!(process.ids("Gid:"), [NOBODY; 4], "{architecture}");
        assert!(process.ids("Groups:").iter().all(|group| *group == NOBODY), "{}", process.says("Groups:"));
        for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
            assert_eq!(process.says(set), "0000000000000000", "{architecture}: {set}");
        }

        let ca = world.folder.join("cloud.pem");
        std::fs::write(&ca, world.cloud.ca_pem().unwrap()).unwrap();
        container.mount(&ca, AUTHORITIES);
        start(&mut world, &container);
        world.reaches(&order, "Completed").await;
        assert_eq!(world.accepted(&order), 1);
        world.operator = None;
        world.finish(&[(&order, 1)]).await;
    }
}

/// Also where the trace of an error is asked for: there is nothing in the program to read one from, and it must not die of
/// that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_authorities_it_says_so_and_ends() {
    for architecture in ARCHITECTURES {
        let mut world = world().await;
        let mut container = container(&world, architecture);
        let nothing = world.folder.join("nothing.pem");
        std::fs::write(&nothing, "").unwrap();
        container.mount(&nothing, AUTHORITIES);
        container.environment(&[("RUST_BACKTRACE", "full".to_owned())].into());
        start(&mut world, &container);
        let ended = world.operator.as_mut().unwrap().ended(PATIENCE).await.expect("ends");
        assert_eq!(ended.code(), Some(1), "{architecture}: {ended:?}");
        let said = |line: &Value| line.to_string().contains("no CA certificates were found");
        assert!(world.lines().iter().any(said), "{architecture}: {}", tail(&world.log(), 5));
    }
}
