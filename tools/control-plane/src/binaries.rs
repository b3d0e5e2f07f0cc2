//! Where the programs of Kubernetes come from: `KUBEBUILDER_ASSETS`, `setup-envtest`, a download, or a build that is kept.

mod cache;
mod envtest;

use std::cell::LazyCell;
use std::env;
use std::fmt::Display;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use cache::{Cache, Version};

/// Where each program of a control plane is on this machine.
#[derive(Clone, Debug)]
pub struct Binaries {
    /// The key-value store behind the API server.
    pub etcd: PathBuf,
    /// The Kubernetes API server.
    pub kube_apiserver: PathBuf,
    /// The Kubernetes controllers, for garbage collection and the deletion of namespaces. Only [`locate_for_demo`] does
    /// without them.
    pub kube_controller_manager: Option<PathBuf>,
    /// The command line client.
    pub kubectl: PathBuf,
}

/// Where each program of a control plane and its node is, beyond what the system's packages bring.
#[derive(Clone, Debug)]
pub struct ClusterBinaries {
    /// Those of the control plane.
    pub control_plane: Binaries,
    /// Decides on which node a Pod runs.
    pub kube_scheduler: PathBuf,
    /// Runs a node's Pods.
    pub kubelet: PathBuf,
}

/// Why a program could not be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A build is needed and there is no Go toolchain.
    #[error(
        "{program} must be built, and `go` is not on PATH: install Go 1.26 or newer (https://go.dev/dl), \
         or set KUBEBUILDER_ASSETS to a folder that has {program}"
    )]
    GoMissing {
        /// The program to be built.
        program: &'static str,
    },
    /// `go build` failed; what it said is on stderr.
    #[error("`go build` of {program} failed ({status}); its messages are above")]
    Build {
        /// The program to be built.
        program: &'static str,
        /// How `go` ended.
        status: ExitStatus,
    },
    /// Neither `XDG_CACHE_HOME` nor a home folder is known, so there is no place to keep a build.
    #[error("no place to keep the programs: set XDG_CACHE_HOME or HOME")]
    NoCacheFolder,
    /// `KUBERNETES_VERSION` names a version that is not built here.
    #[error(
        "KUBERNETES_VERSION={named}: {} can be built; for another version, set KUBEBUILDER_ASSETS to a folder with its \
         programs",
        Version::ALL.map(Version::minor).join(" and ")
    )]
    UnknownVersion {
        /// The version that was named.
        named: String,
    },
    /// A `go.mod` of this crate does not require the module that it is there to pin.
    #[error("go.mod does not require {module}")]
    NotPinned {
        /// The Go module.
        module: &'static str,
    },
    /// A file or a process of the build could not be used.
    #[error("cannot {action}: {cause}")]
    Io {
        /// What was attempted.
        action: String,
        /// What the system said.
        cause: io::Error,
    },
}

/// Finds each program of a control plane: in the folder `KUBEBUILDER_ASSETS`, then where `setup-envtest use -p path`
/// says, then in the user's cache folder, into which it is built first where it is missing. A folder that lacks a program
/// (envtest has no kube-controller-manager) passes only the search for that program on.
///
/// With `KUBERNETES_VERSION=1.32`, the oldest supported version, kube-apiserver and kube-controller-manager are those of
/// that version, always built here.
///
/// Says on stderr what it builds and how long that takes: minutes, once per machine. Blocks that long. Processes that
/// need a build at the same time wait for the one that does it.
pub fn locate() -> Result<Binaries, Error> {
    let version = Version::from_environment()?;
    let installed = installed(version);
    let cache = Cache::of_this_user(version)?;
    let missing: Vec<_> = Program::CONTROL_PLANE
        .into_iter()
        .filter(|&program| installed(program).is_none())
        .collect();
    cache.provide(&missing)?;
    let path = |program| installed(program).unwrap_or_else(|| cache.path(program));
    Ok(Binaries::from(path))
}

/// Finds etcd, kube-apiserver and kubectl like [`locate`], and downloads the archive of envtest before anything is built:
/// seconds instead of minutes. The controllers are used if they are there, and so is any kubectl on PATH.
pub fn locate_for_demo() -> Result<Binaries, Error> {
    let version = Version::from_environment()?;
    let installed = installed(version);
    let cache = Cache::of_this_user(version)?;
    let found = |program: Program| {
        installed(program)
            .or_else(|| program.within(Some(cache.folder(program))))
            .or_else(|| (program == Program::Kubectl).then(|| program.on_path())?)
    };
    let missing: Vec<_> = Program::API
        .into_iter()
        .filter(|&program| found(program).is_none())
        .collect();
    if !missing.is_empty()
        && version == Version::Newest
        && let Some(folder) = envtest::fetch(cache.root())
    {
        return Ok(Binaries {
            kube_controller_manager: None,
            ..Binaries::from(|program| folder.join(program.name()))
        });
    }
    cache.provide(&missing)?;
    let path = |program| found(program).unwrap_or_else(|| cache.path(program));
    Ok(Binaries {
        kube_controller_manager: found(Program::ControllerManager),
        ..Binaries::from(path)
    })
}

/// Finds a program in `KUBEBUILDER_ASSETS`, or in the folder of `setup-envtest`. Both have a version of their own, so that
/// they are not searched for the oldest.
fn installed(version: Version) -> impl Fn(Program) -> Option<PathBuf> {
    let assets = env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from);
    let envtest = LazyCell::new(setup_envtest);
    move |program| {
        if version == Version::Oldest {
            return None;
        }
        program
            .within(assets.as_deref())
            .or_else(|| program.within(envtest.as_deref()))
    }
}

/// Finds each program of a control plane and a node in the user's cache folder, into which it is built first where it is
/// missing, as [`locate`] does. All are of the newest version: a kubelet may not be newer than its API server.
pub fn locate_with_node() -> Result<ClusterBinaries, Error> {
    let cache = Cache::of_this_user(Version::Newest)?;
    let node = [Program::Scheduler, Program::Kubelet];
    cache.provide(&[&Program::CONTROL_PLANE[..], &node].concat())?;
    Ok(ClusterBinaries {
        control_plane: Binaries::from(|program| cache.path(program)),
        kube_scheduler: cache.path(Program::Scheduler),
        kubelet: cache.path(Program::Kubelet),
    })
}

impl Binaries {
    fn from(path: impl Fn(Program) -> PathBuf) -> Self {
        Self {
            etcd: path(Program::Etcd),
            kube_apiserver: path(Program::ApiServer),
            kube_controller_manager: Some(path(Program::ControllerManager)),
            kubectl: path(Program::Kubectl),
        }
    }
}

/// The folder that `setup-envtest` offers, if it is installed.
fn setup_envtest() -> Option<PathBuf> {
    let output = Command::new("setup-envtest")
        .args(["use", "-p", "path"])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .ok()?;
    if !output.status.success() {
        say(format_args!(
            "`setup-envtest use` failed ({}); going on without it",
            output.status
        ));
        return None;
    }
    Some(PathBuf::from(
        String::from_utf8_lossy(&output.stdout).trim_end(),
    ))
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Program {
    Etcd,
    ApiServer,
    ControllerManager,
    Kubectl,
    Scheduler,
    Kubelet,
}

impl Program {
    const CONTROL_PLANE: [Self; 4] = [
        Self::Etcd,
        Self::ApiServer,
        Self::ControllerManager,
        Self::Kubectl,
    ];

    const API: [Self; 3] = [Self::Etcd, Self::ApiServer, Self::Kubectl];

    const fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::ApiServer => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
            Self::Kubectl => "kubectl",
            Self::Scheduler => "kube-scheduler",
            Self::Kubelet => "kubelet",
        }
    }

    fn on_path(self) -> Option<PathBuf> {
        env::split_paths(&env::var_os("PATH")?).find_map(|folder| self.within(Some(&folder)))
    }

    fn within(self, folder: Option<&Path>) -> Option<PathBuf> {
        Some(folder?.join(self.name())).filter(|path| path.is_file())
    }
}

/// Past the test harness, which would hold back an `eprintln!` until the test has failed.
fn say(message: impl Display) {
    let _ = writeln!(io::stderr(), "control-plane: {message}");
}
