//! What is shown on a terminal only.

use std::process::Stdio;
use std::time::Duration;

use bedrock_simulator::{Delay, Fault};
use tokio::process::Command;

use crate::support::{aws, bedrock};

/// How wide the terminal is.
const WIDTH: usize = 72;

/// Runs the program on a terminal; what the terminal got, stdout and stderr as they came.
async fn on_a_terminal(url: &str, arguments: &str) -> String {
    let program = env!("CARGO_BIN_EXE_bedrock-model-map");
    let command = format!("stty cols {WIDTH} rows 24; exec {program} {arguments}");
    let spawn = "import pty, sys; sys.exit(pty.spawn([\"sh\", \"-c\", sys.argv[1]]))";
    let output = Command::new("python3")
        .args(["-c", spawn, &command])
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap())
        .env("TERM", "xterm")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(aws(url))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn progress_names_pending_regions_and_the_table_fits() {
    let simulator = bedrock().await;
    let second = Duration::from_secs(1);
    simulator
        .faults()
        .add(Fault::latency(Delay::between(second, second)));
    let arguments = "discover --provider anthropic --include '*-sonnet-4-*' \
                     --region eu-west-1 --region us-east-1 --region ap-southeast-2";
    let shown = on_a_terminal(&simulator.url(), arguments).await;
    assert!(
        shown.contains("0/3 regions  waiting for ap-southeast-2, eu-west-1"),
        "{shown}"
    );
    // After the progress was removed.
    let (_, result) = shown.split_once("MODEL").unwrap();
    let result = format!("MODEL{result}").replace('\r', "");
    let lines: Vec<_> = result.lines().collect();
    let tables = lines.iter().filter(|line| line.starts_with("MODEL "));
    assert_eq!(tables.count(), 2, "{result}");
    let (summary, table) = lines.split_last().unwrap();
    assert!(table.iter().all(|line| line.len() <= WIDTH), "{result}");
    assert!(summary.starts_with("3 of 3 regions responded"), "{result}");
}
