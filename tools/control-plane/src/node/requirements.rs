//! What a machine must have before a node can run on it.

use std::env;
use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The programs that a node is made of, beyond Kubernetes' own.
pub(crate) struct Programs {
    pub(crate) containerd: PathBuf,
    pub(crate) ctr: PathBuf,
    /// Statically linked, so that it is an image by itself.
    pub(crate) busybox: PathBuf,
    /// The folder of the network plugins.
    pub(crate) network_plugins: PathBuf,
}

/// Each program, and Debian's package that has it.
const PROGRAMS: [(&str, &str); 8] = [
    ("containerd", "containerd"),
    ("ctr", "containerd"),
    ("containerd-shim-runc-v2", "containerd"),
    ("runc", "runc"),
    ("busybox", "busybox-static"),
    ("ip", "iproute2"),
    ("unshare", "util-linux"),
    ("mount", "mount"),
];

/// Where the network plugins are: Debian's place, and that of their authors.
const NETWORK_PLUGINS: [&str; 2] = ["/usr/lib/cni", "/opt/cni/bin"];
const NETWORK_PLUGINS_PACKAGE: &str = "containernetworking-plugins";

/// Why no node can run on this machine.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum Missing {
    /// Namespaces, mounts and cgroups are root's.
    #[error("a node needs root; run this again as root")]
    Root,
    /// Root is not all-powerful, as in most containers.
    #[error("a node needs namespaces of its own, and root may not make them here")]
    Namespaces,
    /// Programs are not installed.
    #[error("a node needs {}", explain(.0))]
    Programs(Vec<MissingProgram>),
}

/// A program that is not installed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MissingProgram {
    /// The program or file.
    pub program: &'static str,
    /// Debian's package that has it.
    pub package: &'static str,
}

/// Debian's packages that would have to be installed; none if all is there.
pub fn missing_packages() -> Vec<&'static str> {
    packages(&missing_programs())
}

/// Checks that a node can run on this machine.
pub fn check() -> Result<(), Missing> {
    let missing = missing_programs();
    if !missing.is_empty() {
        return Err(Missing::Programs(missing));
    }
    // This process's folder in /proc belongs to the process's user.
    let is_root = Path::new("/proc/self")
        .metadata()
        .is_ok_and(|process| process.uid() == 0);
    if !is_root {
        return Err(Missing::Root);
    }
    let namespaces = Command::new("unshare")
        .args(["--net", "--mount", "--pid", "--fork", "true"])
        .stderr(Stdio::null())
        .status();
    if namespaces.is_ok_and(|status| status.success()) {
        Ok(())
    } else {
        Err(Missing::Namespaces)
    }
}

/// Finds what a node is made of.
pub(crate) fn programs() -> Result<Programs, Missing> {
    check()?;
    let path = |program| find(program).ok_or_else(|| Missing::Programs(missing_programs()));
    Ok(Programs {
        containerd: path("containerd")?,
        ctr: path("ctr")?,
        busybox: path("busybox")?,
        network_plugins: network_plugins().ok_or_else(|| Missing::Programs(missing_programs()))?,
    })
}

fn missing_programs() -> Vec<MissingProgram> {
    let programs = PROGRAMS.into_iter();
    let mut missing: Vec<_> = programs
        .filter(|(program, _)| find(program).is_none())
        .map(|(program, package)| MissingProgram { program, package })
        .collect();
    if network_plugins().is_none() {
        missing.push(MissingProgram {
            program: "the network plugin `bridge`",
            package: NETWORK_PLUGINS_PACKAGE,
        });
    }
    missing
}

fn network_plugins() -> Option<PathBuf> {
    let folders = NETWORK_PLUGINS.into_iter().map(PathBuf::from);
    folders.into_iter().find(|folder| {
        let plugins = ["bridge", "host-local", "loopback"];
        plugins.iter().all(|plugin| folder.join(plugin).is_file())
    })
}

/// A program on `PATH`, or where Debian keeps the administrator's.
fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let admin = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    env::split_paths(&path)
        .chain(admin)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

fn packages(missing: &[MissingProgram]) -> Vec<&'static str> {
    let mut packages: Vec<_> = missing.iter().map(|missing| missing.package).collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

fn explain(missing: &[MissingProgram]) -> String {
    let names: Vec<_> = missing.iter().map(|missing| missing.program).collect();
    let mut text = names.join(", ");
    let _ = write!(
        text,
        "; on Debian or Ubuntu: apt-get install --no-install-recommends {}",
        packages(missing).join(" ")
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_programs_are_named_with_the_command_that_installs_them() {
        let missing = Missing::Programs(vec![
            MissingProgram {
                program: "ctr",
                package: "containerd",
            },
            MissingProgram {
                program: "containerd",
                package: "containerd",
            },
            MissingProgram {
                program: "busybox",
                package: "busybox-static",
            },
        ]);
        assert_eq!(
            missing.to_string(),
            "a node needs ctr, containerd, busybox; on Debian or Ubuntu: \
             apt-get install --no-install-recommends busybox-static containerd",
        );
    }
}
