//! The image as the last stage of a Dockerfile describes it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Config;

/// What the last stage of a Dockerfile puts together. It starts from nothing (`FROM scratch`), and only copies files:
/// that much can be done without a container engine, and is then the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinalStage {
    /// The files, in order.
    pub copies: Vec<Copy>,
    /// The environment, as `NAME=value`.
    pub env: Vec<String>,
    /// User and group.
    pub user: String,
    /// The command.
    pub entrypoint: Vec<String>,
}

/// One file of the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// The stage that has the file; None: the folder of the Dockerfile.
    pub stage: Option<String>,
    /// Its path there.
    pub source: String,
    /// Its path in the image.
    pub destination: String,
}

impl FinalStage {
    /// Reads it. An instruction of any other kind is an error: the image would not be what is put together here.
    pub fn read(dockerfile: &str) -> io::Result<Self> {
        let unknown = |line: &str| io::Error::other(format!("cannot follow `{line}`"));
        let mut stage = Self {
            copies: Vec::new(),
            env: Vec::new(),
            user: String::new(),
            entrypoint: Vec::new(),
        };
        let lines: Vec<&str> = dockerfile.lines().map(str::trim).collect();
        let last = lines.iter().rposition(|line| line.starts_with("FROM "));
        let last = last.ok_or_else(|| io::Error::other("no FROM"))?;
        if lines[last] != "FROM scratch" {
            return Err(unknown(lines[last]));
        }
        let rest = &lines[last + 1..];
        for line in rest.iter().filter(|l| !l.is_empty() && !l.starts_with('#')) {
            let (instruction, arguments) = line.split_once(' ').ok_or_else(|| unknown(line))?;
            match instruction {
                "COPY" => stage
                    .copies
                    .push(copy(arguments).ok_or_else(|| unknown(line))?),
                "ENV" => stage
                    .env
                    .push(variable(arguments).ok_or_else(|| unknown(line))?),
                "USER" => arguments.clone_into(&mut stage.user),
                "ENTRYPOINT" => stage.entrypoint = serde_json::from_str(arguments)?,
                // Says something, and does nothing.
                "EXPOSE" | "LABEL" => {}
                _ => return Err(unknown(line)),
            }
        }
        Ok(stage)
    }

    /// Makes the root folder. `find` returns this machine's path of a file of the image.
    pub fn assemble(&self, root: &Path, find: impl Fn(&Copy) -> PathBuf) -> io::Result<()> {
        for copy in &self.copies {
            let destination = root.join(copy.destination.trim_start_matches('/'));
            let source = find(copy);
            let named = |error: io::Error| {
                io::Error::new(error.kind(), format!("{}: {error}", source.display()))
            };
            fs::create_dir_all(destination.parent().unwrap_or(root))?;
            fs::copy(&source, destination).map_err(named)?;
        }
        Ok(())
    }

    /// How a container of it is run.
    pub fn config(&self) -> Config {
        Config {
            entrypoint: self.entrypoint.clone(),
            env: self.env.clone(),
            user: self.user.clone(),
            ..Config::default()
        }
    }
}

/// A single `NAME=value`, without quotes.
fn variable(arguments: &str) -> Option<String> {
    let is_plain = arguments.contains('=') && !arguments.contains(['"', '\'', '\\', '$', ' ']);
    is_plain.then(|| arguments.to_owned())
}

/// `[--from=STAGE] SOURCE DESTINATION`, of a single file with its whole name.
fn copy(arguments: &str) -> Option<Copy> {
    let mut words: Vec<&str> = arguments.split_whitespace().collect();
    let stage = words.first()?.strip_prefix("--from=").map(str::to_owned);
    if stage.is_some() {
        words.remove(0);
    }
    let [source, destination] = words[..] else {
        return None;
    };
    let plain =
        destination.starts_with('/') && !destination.ends_with('/') && !source.contains('*');
    plain.then(|| Copy {
        stage,
        source: source.to_owned(),
        destination: destination.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const DOCKERFILE: &str = "FROM rust AS build\nRUN make\n\n# Nothing else.\nFROM scratch\n\
        COPY --from=build /out/a /usr/bin/a\nCOPY LICENSE /LICENSE\nENV A=b\nUSER 1:2\nEXPOSE 8080\nENTRYPOINT [\"/usr/bin/a\"]\n";

    #[test]
    fn only_last_dockerfile_stage_is_read() {
        let stage = FinalStage::read(DOCKERFILE).unwrap();
        let copy = |stage: Option<&str>, source: &str, destination: &str| Copy {
            stage: stage.map(str::to_owned),
            source: source.to_owned(),
            destination: destination.to_owned(),
        };
        assert_eq!(
            stage.copies,
            [
                copy(Some("build"), "/out/a", "/usr/bin/a"),
                copy(None, "LICENSE", "/LICENSE"),
            ]
        );
        assert_eq!(stage.env, ["A=b"]);
        assert_eq!(stage.user, "1:2");
        assert_eq!(stage.entrypoint, ["/usr/bin/a"]);
    }

    #[test]
    fn unsupported_dockerfile_instruction_is_an_error() {
        for line in [
            "RUN adduser a",
            "ENV A b",
            "ENV A=b C=d",
            "COPY folder/ /folder/",
            "COPY a b /c",
            "COPY --chown=1:2 a /a",
            "WORKDIR /a",
        ] {
            let error = FinalStage::read(&format!("{DOCKERFILE}{line}\n")).unwrap_err();
            assert!(error.to_string().contains(line), "{error}");
        }
        let based = DOCKERFILE.replace("FROM scratch", "FROM debian");
        assert!(FinalStage::read(&based).is_err());
    }
}
