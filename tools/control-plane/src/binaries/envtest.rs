//! The archive of envtest, as the Kubernetes project builds it: etcd, kube-apiserver and kubectl, ready to run.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest as _, Sha512};

use super::say;

const VERSION: &str = "1.36.2";
/// By system and architecture, from `envtest-releases.yaml` of kubernetes-sigs/controller-tools.
const SHA512: [(&str, &str); 4] = [
    (
        "darwin-amd64",
        "b4fe9f973cd1992e3880f8b230ed32c0c243b83371591e3e3315f4404df2cdbef8ee94eeb9bb245b7e5feb987d5c4a76c43e0877654ab73f00d7bbc2b9984514",
    ),
    (
        "darwin-arm64",
        "9278f9e5af556b2f1f2d139769c1f0d717c7b4426917fdebdba898bcb725a916e4910d6160886194ff9be9589ea7c5c32c2b8ae0754703874b7c8ba8ddfc41ce",
    ),
    (
        "linux-amd64",
        "ea743186c8a799f5cf8faf16969f86189d003cb7d130e0ac4b58789f1e5748dcf30ebe91c837a10d5ac415383da3e10b9e64d65785c938c23e739781cfb76f08",
    ),
    (
        "linux-arm64",
        "2d72ee985a8e262a3c57dc9f7f0fd891f6a8c7bf7ebaa2db6dc6d8eac8ae28181afe51c1f368b67756cdb40b10de9b205609e1726e5f27f7c6d824dd9c6649ac",
    ),
];
/// Seconds until a network that does not answer counts as absent.
const CONNECT_TIMEOUT: &str = "5";
/// Seconds of the whole download, of about 70 MB.
const DOWNLOAD_TIMEOUT: &str = "600";

/// Why the archive cannot be used. The caller goes on without it.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{program} failed: {cause}")]
    Command {
        program: &'static str,
        cause: String,
    },
    #[error("the archive has SHA-512 {found}, not {expected}")]
    Checksum { found: String, expected: String },
    #[error("cannot keep the archive's programs: {0}")]
    Io(#[from] io::Error),
}

/// An archive to download.
struct Archive {
    url: String,
    sha512: &'static str,
}

/// The folder with the archive's programs, downloaded into the cache if it is missing. None: this machine has no such
/// archive, or cannot download it, which stderr says.
pub(super) fn fetch(cache: &Path) -> Option<PathBuf> {
    let folder = cache.join(format!("envtest-{VERSION}"));
    if folder.is_dir() {
        return Some(folder);
    }
    let archive = Archive::of_platform(std::env::consts::OS, std::env::consts::ARCH)?;
    say(format_args!("downloading {} (about 70 MB)", archive.url));
    match archive.unpack_into(&folder) {
        Ok(()) => Some(folder),
        Err(error) => {
            say(format_args!("no download: {error}"));
            None
        }
    }
}

impl Archive {
    fn of_platform(os: &str, architecture: &str) -> Option<Self> {
        let os = match os {
            "macos" => "darwin",
            other => other,
        };
        let architecture = match architecture {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let platform = format!("{os}-{architecture}");
        let (_, sha512) = SHA512.into_iter().find(|(known, _)| *known == platform)?;
        let releases = "https://github.com/kubernetes-sigs/controller-tools/releases/download";
        Some(Self {
            url: format!("{releases}/envtest-v{VERSION}/envtest-v{VERSION}-{platform}.tar.gz"),
            sha512,
        })
    }

    /// Downloads and unpacks the archive, under another name until it is complete.
    fn unpack_into(&self, folder: &Path) -> Result<(), Error> {
        let parent = folder.parent().unwrap_or(folder);
        fs::create_dir_all(parent)?;
        let partial = tempfile::tempdir_in(parent)?;
        let file = partial.path().join("archive.tar.gz");
        run(Command::new("curl")
            .args(["--fail", "--location", "--silent", "--show-error"])
            .args(["--connect-timeout", CONNECT_TIMEOUT])
            .args(["--max-time", DOWNLOAD_TIMEOUT, "--output"])
            .arg(&file)
            .arg(&self.url))?;
        let found = sha512(&file)?;
        if found != self.sha512 {
            let expected = self.sha512.to_owned();
            return Err(Error::Checksum { found, expected });
        }
        let programs = partial.path().join("programs");
        fs::create_dir(&programs)?;
        // The archive has them in controller-tools/envtest/.
        run(Command::new("tar")
            .args(["-x", "-z", "--strip-components", "2", "-f"])
            .arg(&file)
            .arg("-C")
            .arg(&programs))?;
        match fs::rename(&programs, folder) {
            // Another process was faster.
            Err(_) if folder.is_dir() => Ok(()),
            renamed => Ok(renamed?),
        }
    }
}

fn sha512(file: &Path) -> io::Result<String> {
    let digest = Sha512::digest(fs::read(file)?);
    Ok(digest
        .iter()
        .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}")))
}

fn run(command: &mut Command) -> Result<(), Error> {
    let program = match command.get_program().to_str() {
        Some("curl") => "curl",
        _ => "tar",
    };
    let failed = |cause| Error::Command { program, cause };
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|cause| failed(cause.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(failed(said.trim_end().to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// An archive like envtest's on this machine, and its checksum.
    fn archive(folder: &Path) -> (String, &'static str) {
        let programs = folder.join("controller-tools/envtest");
        fs::create_dir_all(&programs).unwrap();
        fs::write(programs.join("etcd"), "etcd").unwrap();
        let file = folder.join("envtest.tar.gz");
        run(Command::new("tar")
            .args(["-c", "-z", "-f"])
            .arg(&file)
            .arg("-C")
            .arg(folder)
            .arg("controller-tools"))
        .unwrap();
        let sha512 = sha512(&file).unwrap().leak();
        (format!("file://{}", file.display()), sha512)
    }

    #[test]
    fn archive_with_its_checksum_is_unpacked() {
        let folder = tempfile::tempdir().unwrap();
        let (url, sha512) = archive(folder.path());
        let target = folder.path().join("cache/envtest");
        Archive { url, sha512 }.unpack_into(&target).unwrap();
        assert_eq!(fs::read(target.join("etcd")).unwrap(), b"etcd");
    }

    #[test]
    fn other_or_absent_archive_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (url, sha512) = archive(folder.path());
        let cache = folder.path().join("cache");
        for (url, sha512, expected) in [
            (url, SHA512[0].1, "the archive has SHA-512 "),
            ("file:///nothing/here".to_owned(), sha512, "curl failed: "),
        ] {
            let archive = Archive { url, sha512 };
            let error = archive.unpack_into(&cache.join("envtest")).unwrap_err();
            assert!(error.to_string().starts_with(expected), "{error}");
            assert_eq!(fs::read_dir(&cache).unwrap().count(), 0);
        }
    }

    #[test]
    fn archives_exist_for_linux_and_macos() {
        let url = |os, architecture| Archive::of_platform(os, architecture).map(|a| a.url);
        let linux = url("linux", "x86_64").unwrap();
        assert!(linux.ends_with("/envtest-v1.36.2/envtest-v1.36.2-linux-amd64.tar.gz"));
        let mac = url("macos", "aarch64").unwrap();
        assert!(mac.ends_with("-darwin-arm64.tar.gz"), "{mac}");
        assert_eq!(url("freebsd", "x86_64"), None);
    }
}
