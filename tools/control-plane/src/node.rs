//! A node: containerd, the kubelet and the scheduler, so that Pods really run.

mod config;
mod requirements;

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::binaries::{self, ClusterBinaries};
use crate::certificates::Credentials;
use crate::image;
use crate::kubectl::Kubectl;
use crate::machine::{Machine, NODE_ADDRESS};
use crate::{ControlPlane, Error, Program, wait};

pub use config::BUSYBOX;
pub use requirements::{Missing, MissingProgram, check, missing_packages};

/// The node's name.
pub const NAME: &str = "node";

/// A running node. Its programs are killed when it is dropped; the containers go with the machine.
pub struct Node {
    containerd: Program,
    kubelet: Program,
    scheduler: Program,
    ctr: PathBuf,
}

impl Node {
    /// Starts the node of a control plane in the same machine and waits until it is ready for Pods. The images of these
    /// archives are there for Pods that do not pull, and so is [`BUSYBOX`].
    ///
    /// The first start on a machine may build programs, see [`binaries::locate_with_node`].
    pub async fn start(
        machine: &Machine,
        control_plane: &ControlPlane,
        images: &[PathBuf],
    ) -> Result<Self, Error> {
        let system = requirements::programs()?;
        let kubernetes = tokio::task::spawn_blocking(binaries::locate_with_node)
            .await
            .unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic()))?;
        let busybox = machine.file("busybox.tar");
        write_busybox(&system.busybox, machine, &busybox).map_err(|cause| Error::Io {
            action: format!("make the image {BUSYBOX}"),
            cause,
        })?;
        let node = Self::prepare(machine, control_plane, &system, &kubernetes)?;

        node.scheduler.start()?;
        node.containerd.start()?;
        let serves = async || node.ctr(&["version"]).await.is_ok();
        wait(&node.containerd, "containerd that serves", serves).await?;
        for archive in std::iter::once(&busybox).chain(images) {
            node.import(archive).await?;
        }
        node.kubelet.start()?;
        let kubectl = Kubectl::of(control_plane);
        let ready = async || is_ready(&kubectl).await;
        wait(&node.kubelet, "ready node", ready).await?;
        Ok(node)
    }

    /// An error if one of its programs has ended by itself.
    pub fn check(&self) -> Result<(), Error> {
        self.containerd.check()?;
        self.kubelet.check()?;
        self.scheduler.check()
    }

    /// The last lines that the kubelet wrote.
    pub fn log_tail(&self) -> String {
        self.kubelet.log_tail()
    }

    fn prepare(
        machine: &Machine,
        control_plane: &ControlPlane,
        system: &requirements::Programs,
        kubernetes: &ClusterBinaries,
    ) -> Result<Self, Error> {
        let files = Files::write(machine, control_plane, system)?;
        let program = |name, path: &Path, arguments| control_plane.program(name, path, arguments);
        Ok(Self {
            containerd: program(
                "containerd",
                &system.containerd,
                vec![option("--config", &files.containerd)],
            ),
            kubelet: program(
                "kubelet",
                &kubernetes.kubelet,
                vec![
                    option("--config", &files.kubelet),
                    option("--kubeconfig", &files.kubelet_kubeconfig),
                    format!("--hostname-override={NAME}"),
                    format!("--node-ip={NODE_ADDRESS}"),
                ],
            ),
            scheduler: program(
                "kube-scheduler",
                &kubernetes.kube_scheduler,
                vec![
                    option("--kubeconfig", &files.scheduler_kubeconfig),
                    "--secure-port=0".to_owned(),
                    "--leader-elect=false".to_owned(),
                ],
            ),
            ctr: system.ctr.clone(),
        })
    }

    async fn import(&self, archive: &Path) -> Result<(), Error> {
        let path = archive.display().to_string();
        let snapshotter = ["--snapshotter", config::SNAPSHOTTER];
        let import = ["--namespace", "k8s.io", "images", "import"];
        let arguments = [&import[..], &snapshotter[..], &[path.as_str()]].concat();
        self.ctr(&arguments).await.map_err(|cause| Error::Io {
            action: format!("import the image {path}"),
            cause,
        })
    }

    async fn ctr(&self, arguments: &[&str]) -> io::Result<()> {
        let output = Command::new(&self.ctr)
            .args(["--address", config::SOCKET])
            .args(arguments)
            .kill_on_drop(true)
            .output()
            .await?;
        if output.status.success() {
            return Ok(());
        }
        let message = String::from_utf8_lossy(&output.stderr);
        Err(io::Error::other(message.trim().to_owned()))
    }
}

async fn is_ready(kubectl: &Kubectl) -> bool {
    let path = r#"jsonpath={.status.conditions[?(@.type=="Ready")].status}"#;
    let status = kubectl.run(&["get", "node", NAME, "-o", path]).await;
    status.is_ok_and(|status| status == "True")
}

fn option(name: &str, path: &Path) -> String {
    format!("{name}={}", path.display())
}

/// What the node's programs read.
struct Files {
    containerd: PathBuf,
    kubelet: PathBuf,
    kubelet_kubeconfig: PathBuf,
    scheduler_kubeconfig: PathBuf,
}

impl Files {
    fn write(
        machine: &Machine,
        control_plane: &ControlPlane,
        system: &requirements::Programs,
    ) -> Result<Self, Error> {
        let node = format!("system:node:{NAME}");
        let kubelet_kubeconfig = control_plane.kubeconfig_for(&node, &["system:nodes"])?;
        let scheduler_kubeconfig = control_plane.kubeconfig_for("system:kube-scheduler", &[])?;
        let server = control_plane.authority.server(NAME, &[NODE_ADDRESS])?;
        let write = || Self::write_config(machine, control_plane, system, &server);
        let (containerd, kubelet) = write().map_err(|cause| Error::Io {
            action: "write the node's configuration".to_owned(),
            cause,
        })?;
        Ok(Self {
            containerd,
            kubelet,
            kubelet_kubeconfig,
            scheduler_kubeconfig,
        })
    }

    fn write_config(
        machine: &Machine,
        control_plane: &ControlPlane,
        system: &requirements::Programs,
        server: &Credentials,
    ) -> io::Result<(PathBuf, PathBuf)> {
        let network = machine.file("network");
        fs::create_dir_all(&network)?;
        fs::write(network.join("pods.conflist"), config::NETWORK)?;
        let containerd = machine.file("containerd.toml");
        fs::write(
            &containerd,
            config::containerd(&network, &system.network_plugins),
        )?;
        let [certificate, key, kubelet] =
            ["kubelet.crt", "kubelet.key", "kubelet.yaml"].map(|name| machine.file(name));
        fs::write(&certificate, &server.certificate)?;
        fs::write(&key, &server.key)?;
        let content = config::Kubelet {
            address: NODE_ADDRESS,
            cgroup: &machine.cgroup(),
            certificate: &certificate,
            key: &key,
            authority: &control_plane.layout.file("ca.crt"),
        };
        fs::write(&kubelet, content.render())?;
        Ok((containerd, kubelet))
    }
}

/// An image with nothing but busybox, under the names of all its programs. Left alone, it sleeps.
fn write_busybox(busybox: &Path, machine: &Machine, archive: &Path) -> io::Result<()> {
    let root = machine.file("busybox");
    let bin = root.join("bin");
    fs::create_dir_all(&bin)?;
    fs::copy(busybox, bin.join("busybox"))?;
    let list = std::process::Command::new(busybox).arg("--list").output()?;
    for name in String::from_utf8_lossy(&list.stdout).lines() {
        if name != "busybox" {
            symlink("busybox", bin.join(name))?;
        }
    }
    let config = image::Config {
        entrypoint: ["sleep", "2147483647"].map(str::to_owned).to_vec(),
        env: vec!["PATH=/bin".to_owned()],
        ..image::Config::default()
    };
    image::write(BUSYBOX, &root, &config, archive)
}
