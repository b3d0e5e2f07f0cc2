//! The HTML page of many regions and models, in Chromium.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;

use crate::error::Error;
use crate::report::Section;

pub const TITLE: &str = "The HTML page";

const NOTE: &str = "What `-o html` writes of 35 regions that have 150 models each, opened in Chromium without a window. \
    The page can be used when it is loaded and painted; a keystroke in the filter lasts until its paint (median, and the \
    slowest of 17).";

/// With the installation of the browser's driver.
const DEADLINE: Duration = Duration::from_mins(3);

pub async fn measure(program: &Path, repository: &Path) -> Result<Section, Error> {
    let folder = program.parent().unwrap_or(program);
    let mut command = Command::new(repository.join("tests/browser/run.sh"));
    command
        .arg(folder)
        .arg("measure.js")
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let output = timeout(DEADLINE, command.output()).await;
    let output = output.map_err(|_| Error::Late("the browser does not end".to_owned()))?;
    let output = output.map_err(Error::io("cannot run tests/browser/run.sh"))?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        let last = message.trim().lines().last().unwrap_or_default();
        return Err(Error::Failed(format!("the browser failed: {last}")));
    }
    describe(&serde_json::from_slice(&output.stdout)?)
}

fn describe(measured: &Value) -> Result<Section, Error> {
    let number = |key: &str| {
        let value = measured.get(key).and_then(Value::as_u64);
        value.ok_or_else(|| Error::Failed(format!("measure.js prints no `{key}`")))
    };
    let columns = [
        "cells",
        "size",
        "can be used after",
        "a keystroke",
        "the slowest",
    ];
    let mut section = Section::new(TITLE, NOTE, columns);
    section.row([
        &number("cells")?.to_string(),
        &format!("{} KB", number("bytes")? / 1000),
        &format!("{} ms", number("interactive")?),
        &format!("{} ms", number("keystroke")?),
        &format!("{} ms", number("slowest")?),
    ]);
    Ok(section)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn figures_of_the_browser_become_a_row() {
        let mut measured = json!({"cells": 5250, "bytes": 116_500, "interactive": 900, "keystroke": 12, "slowest": 30});
        let row = "| 5250 | 116 KB | 900 ms | 12 ms | 30 ms |";
        assert!(describe(&measured).unwrap().markdown().ends_with(row));
        measured["bytes"].take();
        let error = describe(&measured).unwrap_err().to_string();
        assert_eq!(error, "measure.js prints no `bytes`");
    }
}
