//! The order of the measurements, and what becomes of their results.

use std::env;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use control_plane::binaries;
use tokio::time::timeout;

use crate::Arguments;
use crate::documents::Documents;
use crate::error::Error;
use crate::machine::{self, Machine};
use crate::measure::growth::{self, ALL_MODELS, FEW_MODELS};
use crate::measure::{association, churn, many, page, routine, single, stages};
use crate::plot::Line;
use crate::report::Section;

/// A section that takes longer is given up.
const DEADLINE: Duration = Duration::from_mins(90);

/// Numbers of resources with all models, and with a few.
const QUICK: [&[usize]; 2] = [&[1, 10, 25], &[30, 100]];
const LONG: [&[usize]; 2] = [&[1, 10, 25, 40, 100], &[100, 300, 1000, 2000, 5000]];

/// Measures what the arguments name, prints it, and writes it. A section that fails is reported, and the others go on.
pub async fn run(arguments: &Arguments) -> Result<(), Error> {
    let program = program(arguments)?;
    // May build for minutes.
    tokio::task::spawn_blocking(binaries::locate)
        .await
        .map_err(|cause| Error::Failed(cause.to_string()))?
        .map_err(control_plane::Error::from)?;
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let facts = facts(&program, &repository)?;
    let (started, load) = (Instant::now(), machine::load());

    let mut bench = Bench {
        only: arguments.only.iter().map(|o| o.to_lowercase()).collect(),
        sections: Vec::new(),
        failures: 0,
    };
    let lines = bench.all(arguments, &program, &repository).await;
    let minutes = started.elapsed().as_secs().div_ceil(60);
    let load = format!(
        "Load averages before: {load}; after: {}. The run took {minutes} min.",
        machine::load()
    );
    let sections = bench.sections.iter().map(Section::markdown);
    let parts: Vec<String> = [facts.clone(), load].into_iter().chain(sections).collect();
    let text = parts.join("\n\n");
    writeln!(io::stdout(), "{text}").map_err(Error::io("cannot print"))?;
    if arguments.write {
        let documents = Documents {
            repository: &repository,
            facts: &facts,
        };
        documents.write(&text, &bench.sections, &lines)?;
    }
    match bench.failures {
        0 => Ok(()),
        failures => Err(Error::Failed(format!(
            "{failures} sections were not measured"
        ))),
    }
}

struct Bench {
    only: Vec<String>,
    sections: Vec<Section>,
    failures: usize,
}

impl Bench {
    /// The lines of the plots.
    async fn all(&mut self, arguments: &Arguments, program: &Path, repository: &Path) -> Vec<Line> {
        let quick = arguments.quick;
        let count = arguments
            .resources
            .unwrap_or(if quick { 100 } else { 1000 });
        let ([all_models, few_models], idle) = if quick {
            (QUICK, Duration::from_secs(15))
        } else {
            (LONG, Duration::from_mins(1))
        };
        self.section(single::TITLE, single::measure(program, repository))
            .await;
        let many = many::title(count);
        self.section(&many, many::measure(program, count, idle))
            .await;
        let many = async {
            let (section, _) = growth::measure(&FEW_MODELS, program, few_models).await?;
            Ok(section)
        };
        self.section(FEW_MODELS.title, many).await;
        let mut lines = Vec::new();
        let whole = async {
            let (section, measured) = growth::measure(&ALL_MODELS, program, all_models).await?;
            lines = measured;
            Ok(section)
        };
        self.section(ALL_MODELS.title, whole).await;
        let rounds = if quick { 4 } else { 30 };
        self.section(churn::TITLE, churn::measure(program, rounds))
            .await;
        self.section(routine::TITLE, routine::measure(program))
            .await;
        let page = page::measure(program, repository);
        self.section(page::TITLE, page).await;
        self.section(stages::TITLE, async { stages::measure() })
            .await;
        self.section(association::TITLE, async { association::measure(quick) })
            .await;
        lines
    }

    async fn section(
        &mut self,
        title: &str,
        measure: impl Future<Output = Result<Section, Error>>,
    ) {
        let title_lower = title.to_lowercase();
        if !self.only.is_empty() && !self.only.iter().any(|only| title_lower.contains(only)) {
            return;
        }
        let started = Instant::now();
        progress(&format!("{title} …"));
        let measured = timeout(DEADLINE, measure).await.unwrap_or_else(|_| {
            let minutes = DEADLINE.as_secs() / 60;
            Err(Error::Late(format!("it took more than {minutes} min")))
        });
        let section = measured.unwrap_or_else(|error| {
            self.failures += 1;
            progress(&format!("{title}: {error}"));
            Section::failed(title, &error.to_string())
        });
        progress(&format!("{title}: {} s", started.elapsed().as_secs()));
        self.sections.push(section);
    }
}

fn progress(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

fn program(arguments: &Arguments) -> Result<PathBuf, Error> {
    let beside = || Ok(env::current_exe()?.with_file_name("bedrock-model-map"));
    let path = arguments.program.clone().map_or_else(beside, Ok);
    path.and_then(|path| path.canonicalize()).map_err(Error::io(
        "there is no program to measure: name it with --program, or run `make bench`",
    ))
}

/// What was measured, where, and how to do it again.
fn facts(program: &Path, repository: &Path) -> Result<String, Error> {
    let size = fs::metadata(program)
        .map_err(Error::io("cannot read the program"))?
        .len();
    let arguments: Vec<String> = env::args().skip(1).collect();
    let command = format!("make bench ARGS='{}'", arguments.join(" "));
    Ok(format!(
        "Measured on {}: {}. Program: {}.{} MB, commit {}. Command: `{}`.",
        machine::date(),
        Machine::read().describe(),
        size / 1_000_000,
        size / 100_000 % 10,
        machine::commit(repository),
        command.replace(" ARGS=''", ""),
    ))
}
