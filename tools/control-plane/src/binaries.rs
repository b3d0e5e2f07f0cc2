//! Where the programs of Kubernetes come from: `KUBEBUILDER_ASSETS`, `setup-envtest`, a download, or a build that is kept.

mod envtest;

use std::cell::LazyCell;
use std::env;
use std::ffi::OsString;
use std::fmt::Display;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{self, Command, ExitStatus, Stdio};
use std::time::Instant;

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
/// Says on stderr what it builds and how long that takes: minutes, once per machine. Blocks that long. Processes that
/// need a build at the same time wait for the one that does it.
pub fn locate() -> Result<Binaries, Error> {
    let installed = installed();
    let cache = Cache::of_this_user()?;
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
    let installed = installed();
    let cache = Cache::of_this_user()?;
    let found = |program: Program| {
        installed(program)
            .or_else(|| program.within(Some(&cache.folder)))
            .or_else(|| (program == Program::Kubectl).then(|| program.on_path())?)
    };
    let missing: Vec<_> = Program::API
        .into_iter()
        .filter(|&program| found(program).is_none())
        .collect();
    let root = cache.folder.parent().unwrap_or(&cache.folder);
    if !missing.is_empty()
        && let Some(folder) = envtest::fetch(root)
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

/// Finds a program in `KUBEBUILDER_ASSETS`, or in the folder of `setup-envtest`.
fn installed() -> impl Fn(Program) -> Option<PathBuf> {
    let assets = env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from);
    let envtest = LazyCell::new(setup_envtest);
    move |program| {
        program
            .within(assets.as_deref())
            .or_else(|| program.within(envtest.as_deref()))
    }
}

/// Finds each program of a control plane and a node in the user's cache folder, into which it is built first where it is
/// missing, as [`locate`] does. All are of one version: a kubelet may not be newer than its API server.
pub fn locate_with_node() -> Result<ClusterBinaries, Error> {
    let cache = Cache::of_this_user()?;
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

/// The programs as built on this machine, in a folder for each combination of versions.
struct Cache {
    folder: PathBuf,
    etcd: GoModule,
    kubernetes: GoModule,
}

impl Cache {
    fn of_this_user() -> Result<Self, Error> {
        let etcd = GoModule::pinned(
            "etcd",
            "go.etcd.io/etcd/server/v3",
            include_str!("../modules/etcd/go.mod"),
        )?;
        let kubernetes = GoModule::pinned(
            "kubernetes",
            "k8s.io/kubernetes",
            include_str!("../modules/kubernetes/go.mod"),
        )?;
        let folder = user_cache()
            .ok_or(Error::NoCacheFolder)?
            .join("bedrock-model-map/control-plane")
            .join(format!(
                "kubernetes-{}-etcd-{}",
                kubernetes.version, etcd.version
            ));
        Ok(Self {
            folder,
            etcd,
            kubernetes,
        })
    }

    fn path(&self, program: Program) -> PathBuf {
        self.folder.join(program.name())
    }

    /// Builds those of the programs that are not there yet.
    fn provide(&self, programs: &[Program]) -> Result<(), Error> {
        if self.lacking(programs).is_empty() {
            return Ok(());
        }
        // Held until the end of the function; the system takes it back if this process is killed.
        let _lock = self.lock()?;
        let lacking = self.lacking(programs);
        if lacking.is_empty() {
            return Ok(());
        }
        say(format_args!(
            "building {} with Go. A control plane takes roughly 7 to 12 minutes on 2 cores, a node 2 to 5 more, once per \
             machine; they are kept in {}",
            lacking
                .iter()
                .map(|program| program.name())
                .collect::<Vec<_>>()
                .join(", "),
            self.folder.display(),
        ));
        lacking
            .into_iter()
            .try_for_each(|program| self.build(program))
    }

    fn lacking(&self, programs: &[Program]) -> Vec<Program> {
        let lacks = |program: &Program| program.within(Some(&self.folder)).is_none();
        programs.iter().copied().filter(lacks).collect()
    }

    fn lock(&self) -> Result<File, Error> {
        let path = self.folder.join(".lock");
        let failed = |cause| Error::Io {
            action: format!("lock {}", path.display()),
            cause,
        };
        fs::create_dir_all(&self.folder).map_err(failed)?;
        let file = File::create(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                say("another process builds the control plane's programs; waiting for it");
                file.lock().map_err(failed)?;
            }
            Err(TryLockError::Error(cause)) => return Err(failed(cause)),
        }
        Ok(file)
    }

    fn build(&self, program: Program) -> Result<(), Error> {
        let name = program.name();
        say(format_args!("building {name} ..."));
        let started = Instant::now();
        // Under a name of its own until complete: a program under the final name is complete.
        let partial = self.folder.join(format!(".{name}.{}", process::id()));
        let status =
            self.go_build(program, &partial)
                .status()
                .map_err(|cause| match cause.kind() {
                    io::ErrorKind::NotFound => Error::GoMissing { program: name },
                    _ => Error::Io {
                        action: "run `go`".to_owned(),
                        cause,
                    },
                })?;
        if !status.success() {
            return Err(Error::Build {
                program: name,
                status,
            });
        }
        fs::rename(&partial, self.path(program)).map_err(|cause| Error::Io {
            action: format!("keep {name}"),
            cause,
        })?;
        say(format_args!(
            "built {name} in {} s",
            started.elapsed().as_secs()
        ));
        Ok(())
    }

    fn go_build(&self, program: Program, output: &Path) -> Command {
        let (module, package, flags) = match program {
            Program::Etcd => (&self.etcd, self.etcd.path.to_owned(), "-s -w".to_owned()),
            Program::ApiServer
            | Program::ControllerManager
            | Program::Kubectl
            | Program::Scheduler
            | Program::Kubelet => (
                &self.kubernetes,
                format!("{}/cmd/{}", self.kubernetes.path, program.name()),
                kubernetes_linker_flags(&self.kubernetes.version),
            ),
        };
        let mut go = Command::new("go");
        // Nobody debugs these programs: a tenth of the compiler's time is for DWARF.
        go.args(["build", "-trimpath", "-gcflags=all=-dwarf=false"])
            .args(["-ldflags", &flags, "-o"])
            .arg(output)
            .arg(package)
            .current_dir(module.folder())
            .env("CGO_ENABLED", "0")
            .env("GOFLAGS", "-mod=readonly -buildvcs=false")
            .env("GOWORK", "off")
            .stdin(Stdio::null());
        go
    }
}

/// Without these the programs believe to be version 0.0.0 and the API server refuses to start.
fn kubernetes_linker_flags(version: &str) -> String {
    let mut parts = version.split('.');
    let major = parts.next().unwrap_or_default();
    let minor = parts.next().unwrap_or_default();
    let set = "-X k8s.io/component-base/version";
    format!("-s -w {set}.gitVersion=v{version} {set}.gitMajor={major} {set}.gitMinor={minor}")
}

/// One of the Go modules under `modules/`, each of which pins the version of another.
struct GoModule {
    name: &'static str,
    path: &'static str,
    version: String,
}

impl GoModule {
    fn pinned(name: &'static str, path: &'static str, go_mod: &str) -> Result<Self, Error> {
        let version = required_version(go_mod, path).ok_or(Error::NotPinned { module: path })?;
        Ok(Self {
            name,
            path,
            version: version.to_owned(),
        })
    }

    fn folder(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("modules")
            .join(self.name)
    }
}

/// The version, without its `v`, that a `go.mod` requires of a module.
fn required_version<'a>(go_mod: &'a str, module: &str) -> Option<&'a str> {
    go_mod.lines().find_map(|line| {
        let line = line.trim_start();
        let mut words = line
            .strip_prefix("require ")
            .unwrap_or(line)
            .split_whitespace();
        (words.next()? == module).then(|| words.next()?.strip_prefix('v'))?
    })
}

/// The folder for what can be made again, as the XDG convention has it.
fn user_cache() -> Option<PathBuf> {
    let named =
        env::var_os("XDG_CACHE_HOME").filter(|folder: &OsString| Path::new(folder).is_absolute());
    named
        .map(PathBuf::from)
        .or_else(|| Some(env::home_dir()?.join(".cache")))
}

/// Past the test harness, which would hold back an `eprintln!` until the test has failed.
fn say(message: impl Display) {
    let _ = writeln!(io::stderr(), "control-plane: {message}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_is_read_from_single_and_block_requirement() {
        let go_mod = "module m\n\ngo 1.26.0\n\nrequire example.org/a v1.2.3\n\nrequire (\n\texample.org/a/b v0.4.0 // indirect\n)\n";
        assert_eq!(required_version(go_mod, "example.org/a"), Some("1.2.3"));
        assert_eq!(required_version(go_mod, "example.org/a/b"), Some("0.4.0"));
        assert_eq!(required_version(go_mod, "example.org"), None);
    }

    #[test]
    fn linker_flags_contain_major_and_minor_version() {
        let flags = kubernetes_linker_flags("1.37.2");
        assert!(flags.contains(".gitVersion=v1.37.2 "), "{flags}");
        assert!(flags.contains(".gitMajor=1 "), "{flags}");
        assert!(flags.ends_with(".gitMinor=37"), "{flags}");
    }
}
