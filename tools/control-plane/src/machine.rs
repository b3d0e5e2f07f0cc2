//! A machine within this one: a network, processes and mounts of its own, for a node that must not touch ours.
//!
//! A process cannot move into other namespaces as a whole, so the program that wants a node runs itself again: outside
//! it calls [`Machine::run`], inside [`Machine::of_this_process`] gives what a node needs.
//!
//! Nothing in it reaches another network, and nothing outside reaches into it. It ends when its program does, or when
//! the process outside ends, however that happens: then no process, mount, network, cgroup or file of it is left.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use crate::Error;
use crate::process_guard::{Folder, ProcessGuard, RUN};

/// Where Pods find the API server: the first address of the services' range is that of the service `kubernetes`. No
/// kube-proxy forwards it, the machine itself has it.
pub(crate) const SERVICE_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 254, 0, 1);

/// The node's own.
pub(crate) const NODE_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 253, 0, 1);

const BOUNDARY: &str = include_str!("machine/boundary.sh");
const INIT: &str = include_str!("machine/init.sh");

/// Set for a process in a machine: the machine's folder.
const FOLDER: &str = "CONTROL_PLANE_MACHINE";

/// The machine that this process runs in.
pub struct Machine {
    folder: PathBuf,
}

impl Machine {
    /// Runs a program in a new machine until it ends. Both its outputs are this process's stderr. Needs root.
    pub fn run(program: &Path, arguments: &[OsString]) -> Result<Ended, Error> {
        let failed = |cause| Error::Io {
            action: "start a machine of its own".to_owned(),
            cause,
        };
        let folder = Folder::create().map_err(failed)?;
        let stderr = io::stderr().as_fd().try_clone_to_owned().map_err(failed)?;
        let mut command = Command::new("sh");
        command
            .args(["-c", BOUNDARY, "sh", INIT, RUN])
            .arg(folder.path())
            .arg(program)
            .args(arguments)
            .env("PATH", path_with_sbin())
            // Also the folders of control planes go with the machine.
            .env("TMPDIR", folder.path())
            .env(FOLDER, folder.path())
            .env("MACHINE_SERVICE_ADDRESS", SERVICE_ADDRESS.to_string())
            .env("MACHINE_NODE_ADDRESS", NODE_ADDRESS.to_string())
            .process_group(0);
        let status = ProcessGuard::spawn(command, &folder, File::from(stderr))
            .and_then(ProcessGuard::wait)
            .map_err(failed)?;
        Ok(Ended {
            status,
            folder: folder.path().to_owned(),
        })
    }

    /// The machine in which this process was started, if it was started by [`Machine::run`].
    pub fn of_this_process() -> Option<Self> {
        let folder = PathBuf::from(env::var_os(FOLDER)?);
        Some(Self { folder })
    }

    /// A path for a file that goes with the machine.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Under which all containers are; removed with the machine.
    pub(crate) fn cgroup(&self) -> String {
        let name = self.folder.file_name().unwrap_or_default();
        format!("/{}", name.to_string_lossy())
    }
}

/// A machine that was.
#[derive(Debug)]
pub struct Ended {
    /// How its program ended.
    pub status: ExitStatus,
    /// Where its files were.
    pub folder: PathBuf,
}

/// What is left of a machine that had this folder, one line for each thing: processes with their mounts and namespaces,
/// cgroups, files.
pub fn traces(folder: &Path) -> io::Result<Vec<String>> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let mut traces = Vec::new();
    for process in fs::read_dir("/proc")? {
        let process = process?.path();
        // Everything in the machine has mounts that lead into the folder, and everything around it names the folder. A
        // process that has ended by now, or never was one, has neither file.
        let of_machine = ["mountinfo", "cmdline"].iter().any(|file| {
            fs::read(process.join(file))
                .is_ok_and(|content| String::from_utf8_lossy(&content).contains(&*name))
        });
        if of_machine {
            let command = fs::read(process.join("cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command).replace('\0', " ");
            traces.push(format!("process {}: {command}", process.display()));
        }
    }
    let hierarchies = fs::read_dir("/sys/fs/cgroup").into_iter().flatten();
    let hierarchies = hierarchies.flatten().map(|hierarchy| hierarchy.path());
    let cgroups = hierarchies.chain([PathBuf::from("/sys/fs/cgroup")]);
    for path in cgroups
        .map(|hierarchy| hierarchy.join(&*name))
        .chain([folder.to_owned()])
    {
        if path.exists() {
            traces.push(path.display().to_string());
        }
    }
    Ok(traces)
}

/// Debian keeps `runc` and `ip` where a user's `PATH` need not lead.
fn path_with_sbin() -> OsString {
    let mut path = env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/local/sbin:/usr/sbin:/sbin");
    path
}
