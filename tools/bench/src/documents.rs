//! Where the figures go: the page on performance, that on sizing, the README, and the plot.

use std::fs;
use std::path::Path;

use crate::error::Error;
use crate::plot::{self, Line, Plot};
use crate::report::{BEGIN, Section, between_marks, table};
use crate::sizing;

const PERFORMANCE: &str = "docs/performance.md";
const SIZING: &str = "docs/sizing.md";
const README: &str = "README.md";
const PLOT: &str = "docs/images/performance.svg";

/// The documents of a repository, and the sentence on what was measured where.
pub struct Documents<'a> {
    pub repository: &'a Path,
    pub facts: &'a str,
}

impl Documents<'_> {
    /// Replaces the figures of all documents. What was not measured keeps its last ones.
    pub fn write(&self, report: &str, sections: &[Section], lines: &[Line]) -> Result<(), Error> {
        self.replace(PERFORMANCE, report)?;
        let quotes = || sections.iter().map(Section::quotes);
        let sizes: Vec<_> = quotes().flat_map(|quotes| quotes.sizes.clone()).collect();
        if !sizes.is_empty() {
            let sizes = sizing::markdown(&sizes);
            self.replace(SIZING, &[sizes.as_str(), self.facts].join("\n\n"))?;
        }
        let ratios = quotes().flat_map(|quotes| quotes.ratios.clone());
        let ratios: Vec<Vec<String>> = ratios.map(Vec::from).collect();
        if !ratios.is_empty() && !lines.is_empty() {
            let image = format!("![time and memory over the number of resources]({PLOT})");
            let ratios = table(["what", "beside", "ratio of the times"], &ratios);
            let text = [image.as_str(), ratios.as_str(), self.facts].join("\n\n");
            self.replace(README, &text)?;
            fs::write(self.repository.join(PLOT), image_of(lines)).map_err(Error::io(PLOT))?;
        }
        Ok(())
    }

    fn replace(&self, file: &str, text: &str) -> Result<(), Error> {
        let path = self.repository.join(file);
        let document = fs::read_to_string(&path).map_err(Error::io(file))?;
        let document = between_marks(&document, text)
            .ok_or_else(|| Error::Failed(format!("{file} has no line {BEGIN}")))?;
        fs::write(&path, document).map_err(Error::io(file))
    }
}

/// The first line is that of the times, the others are of memory.
fn image_of(lines: &[Line]) -> String {
    let (times, memory) = lines.split_at(1.min(lines.len()));
    let plot = |title: &str, lines: &[Line]| Plot {
        title: title.to_owned(),
        lines: lines.to_vec(),
    };
    plot::svg(&[
        plot("Seconds until all are Ready, by resources", times),
        plot("Memory in MiB, by resources", memory),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_have_their_marks() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for file in [PERFORMANCE, SIZING, README] {
            let document = fs::read_to_string(root.join(file)).unwrap_or_default();
            assert!(between_marks(&document, "text").is_some(), "{file}");
        }
    }
}
