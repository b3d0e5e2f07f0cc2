//! The programs as built on this machine.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::time::Instant;

use super::{Error, Program, say};

/// The versions of Kubernetes that this crate pins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Version {
    /// The one that all tests run against.
    Newest,
    /// The oldest that the charts accept.
    Oldest,
}

impl Version {
    pub(super) const ALL: [Self; 2] = [Self::Oldest, Self::Newest];

    /// The version that `KUBERNETES_VERSION` names, the newest if it is not set.
    pub(super) fn from_environment() -> Result<Self, Error> {
        env::var_os("KUBERNETES_VERSION").map_or(Ok(Self::Newest), |named| Self::from_name(&named))
    }

    fn from_name(named: &OsStr) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|version| named == version.minor())
            .ok_or_else(|| Error::UnknownVersion {
                named: named.to_string_lossy().into_owned(),
            })
    }

    pub(super) const fn minor(self) -> &'static str {
        match self {
            Self::Newest => "1.37",
            Self::Oldest => "1.32",
        }
    }

    fn module(self) -> Result<GoModule, Error> {
        let (name, go_mod) = match self {
            Self::Newest => (
                "kubernetes",
                include_str!("../../modules/kubernetes/go.mod"),
            ),
            Self::Oldest => (
                "kubernetes-1.32",
                include_str!("../../modules/kubernetes-1.32/go.mod"),
            ),
        };
        GoModule::pinned(name, "k8s.io/kubernetes", go_mod)
    }
}

/// The programs as built on this machine, in a folder for each combination of versions.
pub(super) struct Cache {
    root: PathBuf,
    etcd: GoModule,
    newest: Kubernetes,
    oldest: Option<Kubernetes>,
}

/// One version of Kubernetes, and the folder of its programs.
struct Kubernetes {
    module: GoModule,
    folder: PathBuf,
}

impl Cache {
    /// With etcd and kubectl of the newest version in any case: tests use of kubectl what all versions have.
    pub(super) fn of_this_user(version: Version) -> Result<Self, Error> {
        let etcd = GoModule::pinned(
            "etcd",
            "go.etcd.io/etcd/server/v3",
            include_str!("../../modules/etcd/go.mod"),
        )?;
        let root = user_cache()
            .ok_or(Error::NoCacheFolder)?
            .join("bedrock-model-map/control-plane");
        let kubernetes = |version: Version, and_etcd: &str| {
            let module = version.module()?;
            let folder = root.join(format!("kubernetes-{}{and_etcd}", module.version));
            Ok(Kubernetes { module, folder })
        };
        let newest = kubernetes(Version::Newest, &format!("-etcd-{}", etcd.version))?;
        let oldest = (version == Version::Oldest)
            .then(|| kubernetes(Version::Oldest, ""))
            .transpose()?;
        Ok(Self {
            root,
            etcd,
            newest,
            oldest,
        })
    }

    /// The parent of the folders.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn path(&self, program: Program) -> PathBuf {
        self.folder(program).join(program.name())
    }

    pub(super) fn folder(&self, program: Program) -> &Path {
        &self.kubernetes(program).folder
    }

    /// The version of Kubernetes that a program belongs to; etcd is kept beside the newest.
    fn kubernetes(&self, program: Program) -> &Kubernetes {
        match (program, &self.oldest) {
            (Program::ApiServer | Program::ControllerManager, Some(oldest)) => oldest,
            _ => &self.newest,
        }
    }

    /// Builds those of the programs that are not there yet.
    pub(super) fn provide(&self, programs: &[Program]) -> Result<(), Error> {
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
            "building {} with Go. A control plane takes roughly 5 to 12 minutes on 2 cores, a node 2 to 5 more, once per \
             machine; they are kept in {}",
            lacking
                .iter()
                .map(|program| program.name())
                .collect::<Vec<_>>()
                .join(", "),
            self.root.display(),
        ));
        lacking
            .into_iter()
            .try_for_each(|program| self.build(program))
    }

    fn lacking(&self, programs: &[Program]) -> Vec<Program> {
        let lacks = |program: &Program| program.within(Some(self.folder(*program))).is_none();
        programs.iter().copied().filter(lacks).collect()
    }

    fn lock(&self) -> Result<File, Error> {
        let path = self.root.join(".lock");
        let failed = |cause| Error::Io {
            action: format!("lock {}", path.display()),
            cause,
        };
        fs::create_dir_all(&self.root).map_err(failed)?;
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
        let folder = self.folder(program);
        fs::create_dir_all(folder).map_err(|cause| Error::Io {
            action: format!("make the folder {}", folder.display()),
            cause,
        })?;
        let partial = folder.join(format!(".{name}.{}", process::id()));
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
        let (module, package, flags) = if program == Program::Etcd {
            (&self.etcd, self.etcd.path.to_owned(), "-s -w".to_owned())
        } else {
            let module = &self.kubernetes(program).module;
            let package = format!("{}/cmd/{}", module.path, program.name());
            (module, package, kubernetes_linker_flags(&module.version))
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn versions_are_named_by_their_minor() {
        for version in Version::ALL {
            assert_eq!(
                Version::from_name(OsStr::new(version.minor())).unwrap(),
                version
            );
            let pinned = version.module().unwrap().version;
            assert!(
                pinned.starts_with(&format!("{}.", version.minor())),
                "{pinned}"
            );
        }
        let error = Version::from_name(OsStr::new("1.20")).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("KUBERNETES_VERSION=1.20: 1.32 and 1.37 can be built; "),
            "{error}"
        );
    }

    #[test]
    fn oldest_version_brings_its_own_server_and_controllers_only() {
        let of = |version, program| {
            Cache::of_this_user(version)
                .unwrap()
                .folder(program)
                .to_owned()
        };
        for program in [Program::Etcd, Program::Kubectl, Program::Kubelet] {
            assert_eq!(of(Version::Oldest, program), of(Version::Newest, program));
        }
        for program in [Program::ApiServer, Program::ControllerManager] {
            let folder = of(Version::Oldest, program);
            assert!(
                folder.to_string_lossy().contains("/kubernetes-1.32."),
                "{folder:?}"
            );
        }
    }

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
