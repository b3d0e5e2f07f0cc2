//! A real control plane of Kubernetes, for tests, benchmarks and the demo: etcd, kube-apiserver and
//! kube-controller-manager on loopback.
//!
//! ```no_run
//! # async fn example() {
//! let control_plane = control_plane::ControlPlane::shared().await;
//! println!("export KUBECONFIG={}", control_plane.kubeconfig().display());
//! # }
//! ```
//!
//! There no Pod ever runs. As root one can have a [`Node`](node::Node) as well, on a [`Machine`] of
//! its own.
//!
//! However the process ends that started a control plane, the programs and their folder go with it.
//!
//! Two delays belong to Kubernetes, not to this crate: a namespace takes at least 5 s to be deleted, and the garbage
//! collector discovers new kinds of resources every 30 s.

mod certificates;
mod kubeconfig;
mod layout;
mod ports;
mod process_guard;
mod program;
mod readiness;

pub mod binaries;
pub mod image;
pub mod kubectl;
pub mod machine;
pub mod node;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;

use binaries::Binaries;
use certificates::{Authority, MAX_GROUPS};
use layout::{Layout, Site};
use machine::Machine;
use process_guard::Folder;
use readiness::ApiServer;

pub use program::Program;

/// For each stage of a start. It takes seconds; this is for a machine that is busy with other things.
const DEADLINE: Duration = Duration::from_secs(90);

/// Between two checks that a program is ready.
const INTERVAL: Duration = Duration::from_millis(50);

/// How often a start is tried while other processes take its ports.
const ATTEMPTS: usize = 5;

/// Why a control plane, or a part of it, is not available.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program was not found and could not be built.
    #[error(transparent)]
    Binaries(#[from] binaries::Error),
    /// No node can run here.
    #[error(transparent)]
    Missing(#[from] node::Missing),
    /// A key or a certificate could not be made.
    #[error("cannot make a certificate: {0}")]
    Certificate(rcgen::Error),
    /// A client certificate cannot name as many groups.
    #[error("{0} groups in a client certificate; there can be {MAX_GROUPS}")]
    TooManyGroups(usize),
    /// The client that watches the start could not be made.
    #[error("cannot make a client: {0}")]
    Client(String),
    /// A file, a port or a process could not be used.
    #[error("cannot {action}: {cause}")]
    Io {
        /// What was attempted.
        action: String,
        /// What the system said.
        cause: io::Error,
    },
    /// A program ended while it was waited for.
    #[error("{program} ended ({status}); the end of its log:\n{log}")]
    Ended {
        /// The program.
        program: &'static str,
        /// How it ended; 128 and the number of the signal, if by a signal.
        status: ExitStatus,
        /// The last lines that it wrote.
        log: String,
    },
    /// A program runs and is not ready in time.
    #[error("no {awaited} within {} s; the end of the log:\n{log}", DEADLINE.as_secs())]
    NotReady {
        /// What was waited for.
        awaited: &'static str,
        /// The last lines that the program wrote.
        log: String,
    },
}

impl Error {
    /// Whether a program wanted a port that another process has.
    fn is_port_clash(&self) -> bool {
        matches!(self, Self::Ended { log, .. } if log.contains("address already in use"))
    }
}

impl From<rcgen::Error> for Error {
    fn from(error: rcgen::Error) -> Self {
        Self::Certificate(error)
    }
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        Self::Client(error.to_string())
    }
}

impl From<kube::config::KubeconfigError> for Error {
    fn from(error: kube::config::KubeconfigError) -> Self {
        Self::Client(error.to_string())
    }
}

/// A running control plane. Its programs are killed and its folder removed when it is dropped, which waits for both,
/// or when the process ends.
///
/// It is not bound to the runtime in which it was started.
pub struct ControlPlane {
    etcd: Program,
    api_server: Program,
    controller_manager: Option<Program>,
    authority: Authority,
    layout: Layout,
    kubeconfig: PathBuf,
    kubectl: PathBuf,
    folder: Arc<Folder>,
}

impl ControlPlane {
    /// Starts a control plane of its own, with free ports and an empty store, and waits until it is ready: the API
    /// server says so, the namespace `default` exists, and the controllers have given it its service account.
    ///
    /// The first start on a machine may build the programs, see [`binaries::locate`].
    pub async fn start() -> Result<Self, Error> {
        Self::start_on(Site::Loopback, binaries::locate).await
    }

    /// Starts a control plane that needs nothing to be built where a download will do, see
    /// [`binaries::locate_for_demo`]. It may have no controllers.
    pub async fn start_for_demo() -> Result<Self, Error> {
        Self::start_on(Site::Loopback, binaries::locate_for_demo).await
    }

    /// Starts the control plane of a machine of its own, on which [`node::Node`] can run Pods: with all controllers and
    /// admission, serving where Pods expect it.
    pub async fn start_in(_machine: &Machine) -> Result<Self, Error> {
        let locate = || Ok(binaries::locate_with_node()?.control_plane);
        Self::start_on(Site::Machine, locate).await
    }

    async fn start_on(
        site: Site,
        locate: impl FnOnce() -> Result<Binaries, binaries::Error> + Send + 'static,
    ) -> Result<Self, Error> {
        let binaries = tokio::task::spawn_blocking(locate)
            .await
            .unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic()))?;
        for _ in 1..ATTEMPTS {
            match Self::start_once(&binaries, site).await {
                Err(error) if error.is_port_clash() => {}
                outcome => return outcome,
            }
        }
        Self::start_once(&binaries, site).await
    }

    /// The control plane that all tests of this process share; the first that asks starts it.
    ///
    /// # Panics
    ///
    /// If it does not start: then no test that needs it can say anything.
    #[expect(clippy::panic, reason = "a test has no better use for the error")]
    pub async fn shared() -> &'static Self {
        // Keeps a failure too, so that not every test waits for its own.
        static SHARED: OnceCell<Result<ControlPlane, Error>> = OnceCell::const_new();
        match SHARED.get_or_init(Self::start).await {
            Ok(control_plane) => control_plane,
            Err(error) => panic!("no control plane: {error}"),
        }
    }

    async fn start_once(binaries: &Binaries, site: Site) -> Result<Self, Error> {
        let control_plane = Self::prepare(binaries, site)?;
        // The API server gets to the point where it needs etcd later than etcd gets ready.
        control_plane.etcd.start()?;
        control_plane.api_server.start()?;
        control_plane.etcd_ready().await?;
        control_plane.api_server_ready().await?;
        if let Some(controller_manager) = &control_plane.controller_manager {
            controller_manager.start()?;
            control_plane.controllers_ready(controller_manager).await?;
        }
        Ok(control_plane)
    }

    fn prepare(binaries: &Binaries, site: Site) -> Result<Self, Error> {
        let folder = Folder::create().map(Arc::new).map_err(|cause| Error::Io {
            action: "make a temporary folder".to_owned(),
            cause,
        })?;
        let authority = Authority::new()?;
        let layout = Layout::prepare(folder.path(), &authority, site)?;
        let program =
            |name, path: &Path, arguments| Program::new(name, path.to_owned(), arguments, &folder);
        Ok(Self {
            etcd: program("etcd", &binaries.etcd, layout.etcd_arguments()),
            api_server: program(
                "kube-apiserver",
                &binaries.kube_apiserver,
                layout.api_server_arguments(),
            ),
            controller_manager: binaries.kube_controller_manager.as_ref().map(|path| {
                program(
                    "kube-controller-manager",
                    path,
                    layout.controller_manager_arguments(),
                )
            }),
            authority,
            kubeconfig: layout.kubeconfig(),
            layout,
            kubectl: binaries.kubectl.clone(),
            folder,
        })
    }

    /// The kubeconfig of an administrator, a member of `system:masters`; it refers to no other file.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// A new kubeconfig for a user with these groups, of which there can be two (a service account has two). The user
    /// may do nothing but what RBAC allows it; `system:authenticated` is added by the API server.
    pub fn kubeconfig_for(&self, user: &str, groups: &[&str]) -> Result<PathBuf, Error> {
        if groups.len() > MAX_GROUPS {
            return Err(Error::TooManyGroups(groups.len()));
        }
        let content = self.layout.kubeconfig_for(&self.authority, user, groups)?;
        let write = || {
            let mut file = tempfile::Builder::new()
                .prefix("kubeconfig-")
                .tempfile_in(self.folder())?;
            file.write_all(content.as_bytes())?;
            Ok(file.into_temp_path().keep()?)
        };
        write().map_err(|cause| Error::Io {
            action: format!("write a kubeconfig for {user}"),
            cause,
        })
    }

    /// Whether the controllers run: they collect garbage and delete namespaces.
    pub fn has_controllers(&self) -> bool {
        self.controller_manager.is_some()
    }

    /// The command line client of the API server's version.
    pub fn kubectl(&self) -> &Path {
        &self.kubectl
    }

    /// The folder with the data and, as `<program>.log`, the logs. It is gone when the control plane is.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A program that belongs to this control plane, such as a controller: it goes however this process ends, and the
    /// folder stays until it is gone. Not started yet.
    pub fn program(&self, name: &'static str, path: &Path, arguments: Vec<String>) -> Program {
        Program::new(name, path.to_owned(), arguments, &self.folder)
    }

    /// Kills the API server, as a crash would, and waits until it is gone.
    pub fn stop_api_server(&self) {
        self.api_server.stop();
    }

    /// Restarts the API server on the same port, and waits until it is ready. Needs etcd.
    pub async fn start_api_server(&self) -> Result<(), Error> {
        self.api_server.start()?;
        self.api_server_ready().await
    }

    /// Kills etcd, as a crash would, and waits until it is gone. What it had acknowledged is kept.
    pub fn stop_etcd(&self) {
        self.etcd.stop();
    }

    /// Restarts etcd on the same port and with the same data, and waits until it is healthy. The API server needs
    /// a moment more to find it again.
    pub async fn start_etcd(&self) -> Result<(), Error> {
        self.etcd.start()?;
        self.etcd_ready().await
    }

    /// Backs up etcd's data, and waits until etcd is healthy again.
    pub async fn back_up_etcd(&self) -> Result<(), Error> {
        self.stop_etcd();
        self.layout.back_up_etcd()?;
        self.start_etcd().await
    }

    /// Puts the backup in the place of etcd's data, as after a disaster: all programs are killed, and started
    /// again with what was there. Waits until they are ready.
    pub async fn restore_etcd(&self) -> Result<(), Error> {
        if let Some(controller_manager) = &self.controller_manager {
            controller_manager.stop();
        }
        self.stop_api_server();
        self.stop_etcd();
        self.layout.restore_etcd()?;
        self.start_etcd().await?;
        self.start_api_server().await?;
        match &self.controller_manager {
            Some(controller_manager) => controller_manager.start(),
            None => Ok(()),
        }
    }

    async fn etcd_ready(&self) -> Result<(), Error> {
        let ready = async || readiness::etcd_is_healthy(self.layout.etcd_port).await;
        wait(&self.etcd, "healthy etcd", ready).await
    }

    async fn api_server_ready(&self) -> Result<(), Error> {
        let api_server = ApiServer::new(&self.kubeconfig).await?;
        let ready = async || {
            api_server.has("/readyz").await && api_server.has("/api/v1/namespaces/default").await
        };
        wait(
            &self.api_server,
            "ready API server with a namespace `default`",
            ready,
        )
        .await
    }

    async fn controllers_ready(&self, controller_manager: &Program) -> Result<(), Error> {
        let api_server = ApiServer::new(&self.kubeconfig).await?;
        let ready = async || {
            api_server
                .has("/api/v1/namespaces/default/serviceaccounts/default")
                .await
        };
        wait(
            controller_manager,
            "service account from the controller manager",
            ready,
        )
        .await
    }
}

/// Until the program is ready, has ended, or is late.
async fn wait(
    program: &Program,
    awaited: &'static str,
    ready: impl AsyncFn() -> bool,
) -> Result<(), Error> {
    let deadline = Instant::now() + DEADLINE;
    loop {
        program.check()?;
        if ready().await {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(Error::NotReady {
                awaited,
                log: program.log_tail(),
            });
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    #[tokio::test]
    async fn taken_port_is_recognized() {
        let control_plane =
            ControlPlane::prepare(&binaries::locate().unwrap(), Site::Loopback).unwrap();
        let Layout {
            etcd_port,
            api_server_port,
            ..
        } = control_plane.layout;
        let _others = [etcd_port, api_server_port]
            .map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap());
        control_plane.etcd.start().unwrap();
        control_plane.api_server.start().unwrap();
        let (etcd, api_server) =
            tokio::join!(control_plane.etcd_ready(), control_plane.api_server_ready());
        for error in [etcd.unwrap_err(), api_server.unwrap_err()] {
            assert!(error.is_port_clash(), "{error}");
        }
    }
}
