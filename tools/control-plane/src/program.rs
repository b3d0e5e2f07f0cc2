//! A program in the control plane's folder, which can be stopped and started again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Error;
use crate::process_guard::{Folder, ProcessGuard};

/// How much of the end of a log an error carries, in bytes.
const TAIL: u64 = 4096;

/// One program with its arguments, running or not. Killed when dropped, or when this process ends.
///
/// It runs in the control plane's folder and writes its log there. Of the environment it gets only `PATH`.
pub struct Program {
    name: &'static str,
    path: PathBuf,
    arguments: Vec<String>,
    running: Mutex<Option<ProcessGuard>>,
    folder: Arc<Folder>,
}

impl Program {
    pub(crate) fn new(
        name: &'static str,
        path: PathBuf,
        arguments: Vec<String>,
        folder: &Arc<Folder>,
    ) -> Self {
        Self {
            name,
            path,
            arguments,
            running: Mutex::new(None),
            folder: Arc::clone(folder),
        }
    }

    /// Starts the program, which is not ready then; if it runs already, it is killed first.
    pub fn start(&self) -> Result<(), Error> {
        let failed = |cause| Error::Io {
            action: format!("start {}", self.name),
            cause,
        };
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log())
            .map_err(failed)?;
        let mut running = self.running();
        *running = None;
        *running = Some(
            ProcessGuard::start(&self.path, &self.arguments, &self.folder, log).map_err(failed)?,
        );
        Ok(())
    }

    /// Kills the program and waits until it is gone.
    pub fn stop(&self) {
        *self.running() = None;
    }

    /// An error if the program was started and has ended by itself.
    pub fn check(&self) -> Result<(), Error> {
        let Some(guard) = &mut *self.running() else {
            return Ok(());
        };
        let failed = |cause| Error::Io {
            action: format!("watch {}", self.name),
            cause,
        };
        match guard.ended().map_err(failed)? {
            None => Ok(()),
            Some(status) => Err(Error::Ended {
                program: self.name,
                status,
                log: self.log_tail(),
            }),
        }
    }

    /// The last lines that the program wrote.
    pub fn log_tail(&self) -> String {
        let read = || -> io::Result<Vec<u8>> {
            let mut file = File::open(self.log())?;
            file.seek(SeekFrom::Start(
                fs::metadata(self.log())?.len().saturating_sub(TAIL),
            ))?;
            let mut tail = Vec::new();
            file.read_to_end(&mut tail)?;
            Ok(tail)
        };
        read().map_or_else(
            |cause| format!("(no log: {cause})"),
            |tail| String::from_utf8_lossy(&tail).into_owned(),
        )
    }

    /// Where the program writes; there once it was started.
    pub fn log(&self) -> PathBuf {
        self.folder.path().join(format!("{}.log", self.name))
    }

    fn running(&self) -> MutexGuard<'_, Option<ProcessGuard>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn shell(script: &str) -> Program {
        let folder = Arc::new(Folder::create().unwrap());
        Program::new(
            "shell",
            "/bin/sh".into(),
            vec!["-c".to_owned(), script.to_owned()],
            &folder,
        )
    }

    /// The error of a program that ends.
    fn end_of(program: &Program) -> Error {
        loop {
            match program.check() {
                Ok(()) => std::thread::yield_now(),
                Err(error) => return error,
            }
        }
    }

    #[test]
    fn program_exit_is_reported_with_status_and_log() {
        let program = shell("echo first; echo second >&2; exit 3");
        program.start().unwrap();
        let error = end_of(&program);
        assert!(
            matches!(&error, Error::Ended { program: "shell", status, log }
                if status.code() == Some(3) && log == "first\nsecond\n"),
            "{error}",
        );
    }

    #[test]
    fn error_carries_only_tail_of_long_log() {
        let program = shell("i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done");
        program.start().unwrap();
        end_of(&program);
        let tail = program.log_tail();
        assert_eq!(tail.len() as u64, TAIL);
        assert!(tail.ends_with("line 1999\n"), "{tail}");
    }

    #[test]
    fn stopped_program_is_no_error_and_can_restart() {
        let program = shell("exec sleep 600");
        program.start().unwrap();
        program.stop();
        program.check().unwrap();
        program.start().unwrap();
        program.check().unwrap();
    }
}
