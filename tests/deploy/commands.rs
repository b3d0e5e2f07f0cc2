//! Every command in the README and in `docs/` works as it is written: each document is followed from its first line to
//! its last, in a cluster of its own.

use bedrock_simulator::{Catalog, Role, Simulator};
use control_plane::ControlPlane;
use futures::{StreamExt as _, stream};

use crate::markdown::{Block, Document, documents};
use crate::shell::Shell;

/// Followed by `tests/cli/transcripts.rs`, which compares what is printed too.
const WITH_TRANSCRIPTS: &str = "docs/command-line.md";

/// Commands that cannot run here, by how they begin, and why.
const NOT_RUN: [(&str, &str); 11] = [
    ("docker run", "needs a container engine, and a release"),
    ("make demo", ".ci/run runs it"),
    ("make test", ".ci/run runs it"),
    (
        "make comparison",
        "needs the Python packages that it compares with",
    ),
    ("aws iam", "needs an AWS account"),
    ("aws eks", "needs an AWS account, and a cluster of EKS"),
    ("cosign verify", "needs a release, and what signed it"),
    ("cosign verify-blob", "needs a release, and what signed it"),
    ("gh attestation", "needs a release, and what attested it"),
    ("sha256sum --check", "needs a release"),
    (
        "kubectl -n bedrock-model-map logs",
        "there is no node, and so no Pod that logs",
    ),
];

/// What the documents say, and what it is here.
const HERE: [(&str, &str); 8] = [
    (
        "oci://ghcr.io/bedrock-model-map/charts/bedrock-model-map",
        "charts/bedrock-model-map",
    ),
    ("/etc/bedrock", "mount"),
    ("<namespace>", "default"),
    ("<name>", "two-regions"),
    ("<region>", "us-east-1"),
    ("<model>", "anthropic.claude-sonnet-4-5-20250929-v1:0"),
    ("<the one named>", "bedrock-us-east-1"),
    // A machine may be busy.
    ("kubectl wait ", "kubectl wait --timeout=3m "),
];

/// What is there, or gone, when a reader comes to a heading.
const BEFORE: [(&str, &str, &[&str]); 15] = [
    (
        "README.md",
        "What you see",
        &[INSTALL, ESTABLISHED, "bedrock-model-map run"],
    ),
    (
        "README.md",
        "Install it",
        &["kubectl delete bmm --all", UNINSTALL],
    ),
    (
        "README.md",
        "On the command line",
        &["bedrock-model-map discover --output-dir mount --region eu-central-1"],
    ),
    (
        "docs/cluster-maps.md",
        "Switch it on",
        &[
            INSTALL,
            "kubectl wait --for=condition=Established crd/clusterbedrockmodelmaps.bedrock.modelmap.dev",
        ],
    ),
    (
        "docs/consume.md",
        "Following a change",
        &[
            INSTALL,
            ESTABLISHED,
            "bedrock-model-map run",
            "sed 's/name: aliases$/name: claude/' config/samples/aliases.yaml | kubectl apply -f -",
            "kubectl wait --for=condition=Ready bmm/claude",
            "kubectl create deployment app --image=example.com/app",
        ],
    ),
    (
        "docs/install.md",
        "In an umbrella chart",
        &[UNINSTALL, WITHOUT_DEFINITIONS],
    ),
    (
        "docs/install.md",
        "In some namespaces only",
        &[
            "helm uninstall bedrock-model-map-crds",
            WITHOUT_DEFINITIONS,
            "kubectl create namespace team-a",
        ],
    ),
    ("docs/install.md", "With Kustomize", &[UNINSTALL]),
    ("docs/install.md", "Upgrade", &[INSTALL]),
    (
        "docs/install.md",
        "A definition that was applied by hand",
        &[UNINSTALL, WITHOUT_DEFINITIONS, OLDER],
    ),
    (
        "docs/install.md",
        "Remove",
        &["kubectl apply -f config/samples/two-regions.yaml"],
    ),
    ("docs/upgrading.md", "Upgrading", &[OLDER]),
    (
        "docs/runbook.md",
        "BedrockModelMapOperatorDown",
        &[
            INSTALL,
            ESTABLISHED,
            POD,
            "bedrock-model-map run --leader-election-namespace bedrock-model-map",
            "kubectl apply -f config/samples/two-regions.yaml",
            "kubectl wait --for=condition=Ready bmm/two-regions",
        ],
    ),
    (
        "docs/sharding.md",
        "Example",
        &[
            "bedrock-model-map crd | kubectl apply --server-side -f -",
            ESTABLISHED,
            "kubectl create namespace payments",
            "sed 's/namespace: default/namespace: payments/' config/samples/bedrock_v1alpha1_bedrockmodelmap.yaml | kubectl apply -f -",
        ],
    ),
    ("docs/sharding.md", "With Helm", &[WITHOUT_DEFINITIONS]),
];

const INSTALL: &str = "helm install bedrock-model-map charts/bedrock-model-map --namespace bedrock-model-map --create-namespace";
const UNINSTALL: &str = "helm uninstall bedrock-model-map --namespace bedrock-model-map";
const WITHOUT_DEFINITIONS: &str = "kubectl delete -f crds/bedrockmodelmaps.yaml";
/// Another definition than today's.
const OLDER: &str =
    "sed 's/maxItems: 64/maxItems: 32/' crds/bedrockmodelmaps.yaml | kubectl create -f -";
/// In place of the controller that makes Pods, which runs only where there is a node.
const POD: &str = r#"
kubectl -n bedrock-model-map get deployment bedrock-model-map -o json \
    | jq '.spec.template + {apiVersion: "v1", kind: "Pod"} | .metadata.name = "operator"' \
    | kubectl -n bedrock-model-map apply -f -
"#;
const ESTABLISHED: &str =
    "kubectl wait --for=condition=Established crd/bedrockmodelmaps.bedrock.modelmap.dev";

/// These print nothing, also where there is something.
const SILENT: [&str; 2] = ["MODEL_ID=", "bedrock-model-map discover --output-dir"];

fn here(command: &str) -> String {
    let replace = |command: String, (said, here): &(&str, &str)| command.replace(said, here);
    HERE.iter().fold(command.to_owned(), replace)
}

/// Whether these are the first words of a command.
fn begins(command: &str, words: &str) -> bool {
    let rest = command.strip_prefix(words);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

fn is_run(command: &str) -> bool {
    !NOT_RUN.iter().any(|(words, _)| begins(command, words))
}

/// Runs the command; an error if it failed, or if it had nothing to tell.
async fn run(shell: &mut Shell<'_>, command: &str) -> Result<(), String> {
    let command = here(command);
    let printed = shell.run(&command).await?;
    let nothing = ["", "null"].contains(&printed.trim());
    if nothing && !SILENT.iter().any(|start| command.starts_with(start)) {
        return Err("prints nothing".to_owned());
    }
    Ok(())
}

/// Runs a document's commands, up to the first that fails.
async fn follow(document: &Document) -> Result<(), String> {
    let control_plane = ControlPlane::start().await.unwrap();
    let simulator = Simulator::start(Catalog::real().unwrap()).await.unwrap();
    let reader = Role::new("arn:aws:iam::444455556666:role/bedrock-reader");
    simulator
        .identities()
        .add(reader.external_id("team-a-7f3c"));
    let mut shell = Shell::new(&control_plane, &simulator);
    let mut heading = "";
    for block in document
        .blocks
        .iter()
        .filter(|block| !block.commands().is_empty())
    {
        let mut commands = Vec::new();
        if block.heading != heading {
            heading = &block.heading;
            let before = BEFORE
                .iter()
                .filter(|(name, under, _)| *name == document.name && *under == heading);
            commands.extend(
                before
                    .flat_map(|(_, _, commands)| *commands)
                    .map(|&command| command.to_owned()),
            );
        }
        commands.extend(
            block
                .commands()
                .into_iter()
                .filter(|command| is_run(command)),
        );
        for command in commands {
            run(&mut shell, &command)
                .await
                .map_err(|said| format!("{}: {command}\n{said}", block.place))?;
        }
    }
    Ok(())
}

/// The documents that have commands, save the one with transcripts.
fn with_commands() -> Vec<Document> {
    let mut documents = documents();
    documents.retain(|document| document.name != WITH_TRANSCRIPTS);
    documents.retain(|document| {
        document
            .blocks
            .iter()
            .any(|block| !block.commands().is_empty())
    });
    documents
}

#[tokio::test]
async fn document_commands_run() {
    let mut documents = with_commands();
    documents.retain(|document| {
        document
            .blocks
            .iter()
            .flat_map(Block::commands)
            .any(|command| is_run(&command))
    });
    assert!(documents.len() > 5, "{documents:?}");
    // Two at once: each has a control plane.
    let outcomes: Vec<Result<(), String>> = stream::iter(&documents)
        .map(follow)
        .buffer_unordered(2)
        .collect()
        .await;
    let failed: Vec<String> = outcomes.into_iter().filter_map(Result::err).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

#[test]
fn command_exceptions_occur_in_documents() {
    let documents = with_commands();
    let commands: Vec<String> = documents
        .iter()
        .flat_map(|document| &document.blocks)
        .flat_map(Block::commands)
        .collect();
    for (words, why) in NOT_RUN {
        assert!(
            commands.iter().any(|command| begins(command, words)),
            "no document has a command `{words} …` any more ({why})"
        );
    }
    for start in SILENT {
        assert!(
            commands.iter().any(|command| command.starts_with(start)),
            "no document has `{start} …` any more"
        );
    }
    for (said, _) in HERE {
        assert!(
            commands.iter().any(|command| command.contains(said)),
            "no command has `{said}` any more"
        );
    }
    for (name, heading, _) in BEFORE {
        let mut of_name = documents.iter().filter(|document| document.name == name);
        let mut blocks = of_name.by_ref().flat_map(|document| &document.blocks);
        assert!(
            blocks.any(|block| block.heading == heading && !block.commands().is_empty()),
            "{name} has no command under {heading} any more"
        );
    }
}
