//! The documents' blocks of code.

use std::fs;
use std::path::{Path, PathBuf};

use crate::tools::ROOT;

/// What stands between two lines of three backticks.
#[derive(Debug)]
pub struct Block {
    /// The heading above.
    pub heading: String,
    /// File and line.
    pub place: String,
    pub language: String,
    pub text: String,
}

/// A file, by its path in the project.
#[derive(Debug)]
pub struct Document {
    pub name: String,
    pub blocks: Vec<Block>,
}

/// The README and what is in `docs/`.
pub fn documents() -> Vec<Document> {
    let entries = fs::read_dir(Path::new(ROOT).join("docs")).unwrap();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    files.push(Path::new(ROOT).join("README.md"));
    files.sort();
    let read = |file: PathBuf| {
        let name = file.strip_prefix(ROOT).unwrap().display().to_string();
        let blocks = blocks(&name, &fs::read_to_string(file).unwrap());
        Document { name, blocks }
    };
    files.into_iter().map(read).collect()
}

fn blocks(name: &str, markdown: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut heading = String::new();
    let mut lines = markdown.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        if line.starts_with('#') {
            line.trim_start_matches(['#', ' ']).clone_into(&mut heading);
        }
        let Some((indent, language)) = line.split_once("```") else {
            continue;
        };
        // In a list the whole block is indented.
        let inside = lines
            .by_ref()
            .map(|(_, line)| line.strip_prefix(indent).unwrap_or(line))
            .take_while(|line| *line != "```");
        let text: Vec<&str> = inside.collect();
        blocks.push(Block {
            heading: heading.clone(),
            place: format!("{name}:{}", number + 1),
            language: language.to_owned(),
            text: text.join("\n") + "\n",
        });
    }
    blocks
}

impl Block {
    /// The commands in it, if it is for a shell: in `console` after `$ `, otherwise a line each.
    pub fn commands(&self) -> Vec<String> {
        // Where a backslash is at the end of a line, the command goes on.
        let text = self.text.replace("\\\n", "");
        match self.language.as_str() {
            "console" => text.lines().map(|line| self.after_prompt(line)).collect(),
            "sh" | "bash" | "shell" => text.lines().map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    }

    fn after_prompt(&self, line: &str) -> String {
        let command = line.strip_prefix("$ ");
        let command = command.unwrap_or_else(|| {
            panic!(
                "{}: `{line}` does not begin with `$ `. Nobody compares what commands print, save in \
                 docs/command-line.md",
                self.place
            )
        });
        command.to_owned()
    }
}

#[test]
fn markdown_blocks_yield_their_commands() {
    let found = blocks(
        "a.md",
        "# One\n```console\n$ a \\\n    b   # c\n$ d\n```\n## Two\n- x\n\n  ```sh\n  e\n  ```\n\n```json\n{}\n```\n",
    );
    let commands: Vec<Vec<String>> = found.iter().map(Block::commands).collect();
    assert_eq!(
        commands,
        [vec!["a     b   # c", "d"], vec!["e"], Vec::<&str>::new()]
    );
    let headings: Vec<&str> = found.iter().map(|block| block.heading.as_str()).collect();
    assert_eq!(headings, ["One", "Two", "Two"]);
    assert_eq!(found[2].text, "{}\n");
    assert_eq!(found[2].place, "a.md:14");
}
