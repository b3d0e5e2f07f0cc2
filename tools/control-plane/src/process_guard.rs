//! Processes and a folder that are gone when this process is, in whatever way it ends.
//!
//! A destructor does not run for a static, nor when the process is killed. But the system closes a pipe whose last
//! holder is gone, and a small shell at its other end sees that and cleans up.

use std::env;
use std::fs::{File, Permissions};
use std::io::{self, PipeWriter};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

/// Runs its arguments as a command with both outputs to its own stderr; ends as the command ends, and kills it when its
/// stdin closes. (A command in the background has no stdin of the shell's, hence 3.)
pub(crate) const RUN: &str = r#"
exec 3<&0
"$@" </dev/null >&2 3<&- &
program=$!
(read -r _ <&3; kill -KILL "$program") &
keeper=$!
wait "$program"
status=$?
kill -KILL "$keeper" 2>/dev/null
exit "$status"
"#;

/// Removes the folder that is its argument when its stdin closes.
const REMOVE: &str = r#"read -r _; exec rm -rf -- "$1""#;

/// A folder that is removed once neither this value nor a process started in it exists any more.
pub(crate) struct Folder {
    path: PathBuf,
    /// The folder stays while this or a copy of it exists. Dropped before `_remover`, which waits for that.
    hold: PipeWriter,
    _remover: ProcessGuard,
}

impl Folder {
    pub(crate) fn create() -> io::Result<Self> {
        let (stdin, hold) = io::pipe()?;
        let path = tempfile::Builder::new()
            .prefix("control-plane-")
            .permissions(Permissions::from_mode(0o700)) // there are keys in it
            .tempdir()?
            .keep();
        let remover = shell(REMOVE)
            .arg(&path)
            .stdin(stdin)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self {
            path,
            hold,
            _remover: ProcessGuard(remover),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// A process that ends, and is seen to be gone, when this value is dropped.
pub(crate) struct ProcessGuard(Child);

impl ProcessGuard {
    /// Starts a program in a folder, which stays at least until the program is gone.
    pub(crate) fn start(
        program: &Path,
        arguments: &[String],
        folder: &Folder,
        log: File,
    ) -> io::Result<Self> {
        let mut shell = shell(RUN);
        shell
            .arg(program)
            .args(arguments)
            .current_dir(folder.path());
        Self::spawn(shell, folder, log)
    }

    /// Starts a command that ends when its stdin closes. The folder stays while the command has its stdout open.
    pub(crate) fn spawn(mut command: Command, folder: &Folder, log: File) -> io::Result<Self> {
        let child = command
            .stdin(Stdio::piped())
            .stdout(folder.hold.try_clone()?)
            .stderr(log)
            .spawn()?;
        Ok(Self(child))
    }

    /// Until it ends by itself.
    pub(crate) fn wait(mut self) -> io::Result<ExitStatus> {
        // `wait` would close it.
        let _stdin = self.0.stdin.take();
        self.0.wait()
    }

    /// How the program ended, if it has.
    pub(crate) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.0.try_wait()
    }
}

impl Drop for ProcessGuard {
    fn drop(&mut self) {
        // `wait` closes the stdin that we hold, at which the shell kills the program and ends.
        let _ = self.0.wait();
    }
}

/// In a process group of its own, so that Ctrl-C ends this process and leaves the cleaning up to the shell. Without
/// our environment: etcd takes settings from there.
fn shell(script: &str) -> Command {
    let mut shell = Command::new("sh");
    shell
        .env_clear()
        .envs(env::var_os("PATH").map(|path| ("PATH", path)));
    shell.args(["-c", script, "sh"]).process_group(0);
    shell
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn folder_is_kept_until_last_program_exits() {
        let folder = Folder::create().unwrap();
        let path = folder.path().to_owned();
        let log = File::create(path.join("log")).unwrap();
        let wait_long = ["-c".to_owned(), "exec sleep 600".to_owned()];
        let guard = ProcessGuard::start(Path::new("/bin/sh"), &wait_long, &folder, log).unwrap();
        let remover = std::thread::spawn(|| drop(folder));
        assert!(!remover.is_finished());
        assert!(path.exists());
        drop(guard);
        remover.join().unwrap();
        assert!(!path.exists());
    }
}
