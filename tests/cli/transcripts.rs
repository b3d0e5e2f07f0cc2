//! The transcripts in `docs/command-line.md` are what the commands print.
//!
//! A block of `console` has commands after `$ ` and what they print below; a line of `...` stands
//! for any lines. `UPDATE_TRANSCRIPTS=1 cargo test --test cli transcripts` writes down what is
//! printed, where no `...` stands. `<!-- meanwhile: remove REGION MODEL -->` before a block changes
//! what Bedrock answers.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use crate::cluster::Stage;
use crate::support::path;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/command-line.md");

/// A command, and what is said to be printed.
#[derive(Debug)]
struct Step {
    command: String,
    printed: Vec<String>,
}

#[derive(Debug)]
enum Part {
    Text(String),
    Meanwhile { region: String, model: String },
    Block(Vec<Step>),
}

fn parts(document: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        if let Some(what) = line.strip_prefix("<!-- meanwhile: remove ") {
            let (region, model) = what.trim_end_matches(" -->").split_once(' ').unwrap();
            let (region, model) = (region.to_owned(), model.to_owned());
            parts.push(Part::Meanwhile { region, model });
        } else if line == "```console" {
            let mut steps: Vec<Step> = Vec::new();
            for line in lines.by_ref().take_while(|line| *line != "```") {
                match line.strip_prefix("$ ") {
                    Some(command) => steps.push(Step {
                        command: command.to_owned(),
                        printed: Vec::new(),
                    }),
                    None => steps.last_mut().unwrap().printed.push(line.to_owned()),
                }
            }
            parts.push(Part::Block(steps));
        } else {
            parts.push(Part::Text(line.to_owned()));
        }
    }
    parts
}

fn written(parts: &[Part]) -> String {
    let mut lines = Vec::new();
    for part in parts {
        match part {
            Part::Text(line) => lines.push(line.clone()),
            Part::Meanwhile { region, model } => {
                lines.push(format!("<!-- meanwhile: remove {region} {model} -->"));
            }
            Part::Block(steps) => {
                lines.push("```console".to_owned());
                for step in steps {
                    lines.push(format!("$ {}", step.command));
                    lines.extend(step.printed.iter().cloned());
                }
                lines.push("```".to_owned());
            }
        }
    }
    lines.join("\n") + "\n"
}

/// Whether the lines are those expected, `...` being any lines.
fn fits(expected: &[String], printed: &[String]) -> bool {
    match expected.split_first() {
        None => printed.is_empty(),
        Some((any, rest)) if any == "..." => (0..=printed.len()).any(|n| fits(rest, &printed[n..])),
        Some((line, rest)) => printed.first() == Some(line) && fits(rest, &printed[1..]),
    }
}

struct Shell<'a> {
    stage: &'a Stage,
    folder: tempfile::TempDir,
}

impl<'a> Shell<'a> {
    /// In a folder with the samples, and with the program and kubectl in its path.
    fn new(stage: &'a Stage) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let programs = folder.path().join("bin");
        std::fs::create_dir(&programs).unwrap();
        let program = env!("CARGO_BIN_EXE_bedrock-model-map");
        symlink(program, programs.join("bedrock-model-map")).unwrap();
        symlink(program, programs.join("kubectl-bmm")).unwrap();
        symlink(stage.control_plane.kubectl(), programs.join("kubectl")).unwrap();
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        symlink(repository.join("config"), folder.path().join("config")).unwrap();
        Self { stage, folder }
    }

    async fn run(&self, command: &str) -> Vec<String> {
        let bin = self.folder.path().join("bin");
        let path_variable = format!("{}:{}", path(&bin), std::env::var("PATH").unwrap());
        let output = Command::new("bash")
            .args(["-c", &format!("exec 2>&1; {command}")])
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", path_variable)
            .env("HOME", self.folder.path())
            .env("KUBECONFIG", self.stage.control_plane.kubeconfig())
            .env("AWS_ENDPOINT_URL", self.stage.simulator.url())
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        printed.lines().map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn transcripts_match_the_commands() {
    let document = std::fs::read_to_string(DOCUMENT).unwrap();
    let mut parts = parts(&document);
    assert_eq!(written(&parts), document);
    let stage = Stage::start().await;
    stage.install().await;
    let shell = Shell::new(&stage);
    let mut wrong = Vec::new();
    for part in &mut parts {
        let steps = match part {
            Part::Text(_) => continue,
            Part::Meanwhile { region, model } => {
                stage.simulator.edit_catalog(|catalog| {
                    catalog.remove_model(region, model);
                });
                continue;
            }
            Part::Block(steps) => steps,
        };
        for step in steps {
            let printed = shell.run(&step.command).await;
            if !fits(&step.printed, &printed) {
                wrong.push(format!("$ {}\n{}", step.command, printed.join("\n")));
                if !step.printed.iter().any(|line| line == "...") {
                    step.printed = printed;
                }
            }
        }
    }
    if std::env::var_os("UPDATE_TRANSCRIPTS").is_some() {
        std::fs::write(DOCUMENT, written(&parts)).unwrap();
        return;
    }
    assert!(wrong.is_empty(), "printed instead:\n{}", wrong.join("\n"));
}

#[test]
fn dots_match_any_lines() {
    let lines = |text: &str| -> Vec<String> { text.lines().map(str::to_owned).collect() };
    let cases = [
        ("a\nb", "a\nb", true),
        ("a", "a\nb", false),
        ("a\n...", "a\nb\nc", true),
        ("...\nc", "a\nb\nc", true),
        ("a\n...\nc", "a\nc", true),
        ("a\n...\nb", "a\nc", false),
        ("", "", true),
    ];
    for (expected, printed, does) in cases {
        assert_eq!(
            fits(&lines(expected), &lines(printed)),
            does,
            "{expected:?}"
        );
    }
}
