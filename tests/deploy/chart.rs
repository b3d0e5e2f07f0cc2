//! The chart as rendered, without a cluster.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::manifests::{assert_same, chart, container, objects, only, texts};
use crate::tools::{CHART, CRD_CHART, ROOT, run, tool};

const HOW_TO_UPDATE: &str =
    "if that is meant, run `UPDATE_SNAPSHOTS=1 make test-deploy` and check the diff";

/// The sets of values of which the rendered chart is kept. `default.yaml` is empty.
const CASES: [&str; 3] = ["default", "namespaced", "everything"];

fn values(case: &str) -> String {
    format!("{ROOT}/tests/deploy/values/{case}.yaml")
}

fn golden(case: &str) -> PathBuf {
    Path::new(ROOT).join(format!("tests/deploy/golden/{case}.yaml"))
}

#[test]
fn chart_passes_lint() {
    for case in CASES {
        run(
            &tool("helm"),
            &["lint", "--strict", CHART, "--values", &values(case)],
            "",
        )
        .unwrap();
    }
    run(&tool("helm"), &["lint", "--strict", CRD_CHART], "").unwrap();
}

#[test]
fn rendered_chart_matches_snapshot() {
    for case in CASES {
        // Definition and dashboard are compared with their origins instead.
        let without = "crds.install=false,metrics.dashboard.enabled=false";
        let rendered = chart(&["--values", &values(case), "--set", without]).unwrap();
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            fs::write(golden(case), rendered).unwrap();
            continue;
        }
        let reviewed = fs::read_to_string(golden(case)).unwrap_or_default();
        let mut lines = reviewed.lines().zip(rendered.lines()).enumerate();
        let different = lines.find(|(_, (reviewed, rendered))| reviewed != rendered);
        assert!(
            reviewed == rendered,
            "{case}: differs from {}, first in {different:?}; {HOW_TO_UPDATE}",
            golden(case).display()
        );
    }
}

/// The chart of definitions alone, and the operator's chart, both have what the code makes.
#[test]
fn charts_install_and_retain_crds() {
    let of_definitions = ["template", "definitions", CRD_CHART];
    let of_definitions = run(&tool("helm"), &of_definitions, "").unwrap();
    for rendered in [chart(&[]).unwrap(), of_definitions] {
        assert_definitions(&objects(&rendered));
    }
}

fn assert_definitions(rendered: &[Value]) {
    let definitions: Vec<_> = rendered
        .iter()
        .filter(|object| object["kind"] == "CustomResourceDefinition")
        .collect();
    let origins = fs::read_to_string(Path::new(ROOT).join("crds/bedrockmodelmaps.yaml")).unwrap();
    let origins = objects(&origins);
    assert_eq!(definitions.len(), 2);
    assert_eq!(origins.len(), 2);
    for origin in &origins {
        let name = &origin["metadata"]["name"];
        let mut same_name = definitions
            .iter()
            .filter(|d| d["metadata"]["name"] == *name);
        let definition = same_name.next().unwrap();
        assert_same("spec", &definition["spec"], &origin["spec"]);
        let policy = &definition["metadata"]["annotations"]["helm.sh/resource-policy"];
        assert_eq!(policy, "keep");
    }
}

#[test]
fn chart_contains_dashboard_unchanged() {
    let rendered = objects(&chart(&["--set", "metrics.dashboard.enabled=true"]).unwrap());
    let config_map = only(&rendered, "ConfigMap");
    let origin = Path::new(ROOT).join("config/prometheus/dashboard.json");
    let origin = fs::read_to_string(origin).unwrap();
    let json = config_map["data"]["dashboard.json"].as_str().unwrap();
    assert_eq!(json.trim(), origin.trim());
    assert_eq!(config_map["metadata"]["labels"]["grafana_dashboard"], "1");
}

#[test]
fn invalid_chart_values_are_rejected() {
    for (setting, said) in [
        ("replica=3", "replica"),
        ("replicas=-1", "replicas"),
        ("replicaCount=3", "names it replicas"),
        ("installCRDs=true", "names it crds.install"),
        ("image.pullPolicy=Sometimes", "pullPolicy"),
        ("image.digest=sha256:abc", "digest"),
        ("image.registry=example.com", "registry"),
        ("watchNamespaces=team-a", "watchNamespaces"),
        ("watchNamespaces={Team_A}", "watchNamespaces"),
        ("allowRoles[0].namespace=team-a", "role"),
        (
            "allowRoles[0].namespace=team-a,allowRoles[0].role=bedrock-reader",
            "role",
        ),
        ("leaderElection.leaseDurationSeconds=0", "leaseDuration"),
        ("concurrentRegions=0", "concurrentRegions"),
        ("requestsPerSecond=0", "requestsPerSecond"),
        ("requestsPerSecond=4294967296", "requestsPerSecond"),
        ("log.format=xml", "format"),
        ("proxy.https=proxy:3128", "https"),
        (
            "openshift.adaptSecurityContext=true",
            "adaptSecurityContext",
        ),
        ("extraArgs[0]=run", "extraArgs"),
        ("serviceAccount.create=false", "serviceAccount.name"),
    ] {
        let refused = chart(&["--set", setting]).expect_err(setting);
        assert!(refused.contains(said), "{setting}: {refused}");
    }
}

/// A chart that has this one as a dependency, under an alias and a condition.
const UMBRELLA: &str = r"
apiVersion: v2
name: platform
version: 1.0.0
dependencies:
  - name: bedrock-model-map
    alias: models
    version: '*'
    condition: models.enabled
";

#[test]
fn chart_renders_as_aliased_subchart() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("Chart.yaml"), UMBRELLA).unwrap();
    fs::create_dir(folder.path().join("charts")).unwrap();
    let subchart = folder.path().join("charts/bedrock-model-map");
    std::os::unix::fs::symlink(CHART, subchart).unwrap();
    let render = |values: &str| {
        let path = folder.path().to_str().unwrap();
        let template = ["template", "platform", path, "--set", values];
        objects(&run(&tool("helm"), &template, "").unwrap())
    };
    let rendered = render(
        "models.enabled=true,models.replicas=1,global.other=unknown,global.imageRegistry=example.com",
    );
    let deployment = only(&rendered, "Deployment");
    assert_eq!(deployment["spec"]["replicas"], 1);
    let image = container(&rendered)["image"].as_str().unwrap();
    assert!(
        image.starts_with("example.com/bedrock-model-map/"),
        "{image}"
    );
    assert_eq!(deployment["metadata"]["name"], "platform-bedrock-model-map");
    let name = "app.kubernetes.io/name";
    assert_eq!(
        deployment["spec"]["selector"]["matchLabels"][name],
        "bedrock-model-map"
    );
    assert!(render("models.enabled=false").is_empty());
}

#[test]
fn chart_uses_only_known_flags_and_variables() {
    let operator = Path::new(env!("CARGO_BIN_EXE_bedrock-model-map"));
    let help = run(operator, &["run", "--help"], "").unwrap();
    for case in CASES {
        let objects = objects(&chart(&["--values", &values(case)]).unwrap());
        let container = container(&objects);
        let arguments = texts(&container["args"]);
        assert_eq!(arguments[0], "run");
        for argument in &arguments[1..] {
            let (flag, _) = argument.split_once('=').unwrap();
            assert!(help.contains(&format!("{flag} ")), "{flag}\n{help}");
        }
        // The operator reads all of the command line before it connects to a cluster, and finds none here.
        let ended = run(
            Path::new("/usr/bin/env"),
            &[
                &["-i", "BIND_ADDRESS=127.0.0.1:0", operator.to_str().unwrap()],
                &arguments[..],
            ]
            .concat(),
            "",
        )
        .unwrap_err();
        assert!(ended.contains("no cluster"), "{case}: {ended}");
    }
}

/// Options of `run` that the chart leaves as they are.
const WITHOUT_VALUE: [&str; 2] = [
    // Ports, probes and the NetworkPolicy go with its default.
    "bind-address",
    // It is the release's, where the operator has the right to Leases.
    "leader-election-namespace",
];

#[test]
fn every_operator_option_has_chart_value() {
    let operator = Path::new(env!("CARGO_BIN_EXE_bedrock-model-map"));
    let help = run(operator, &["run", "--help"], "").unwrap();
    // What an option does is indented further.
    let options = help
        .lines()
        .filter_map(|line| line.strip_prefix("      --")?.split_whitespace().next());
    let mut without_value: BTreeSet<&str> = options.collect();
    for case in CASES {
        let objects = objects(&chart(&["--values", &values(case)]).unwrap());
        for argument in &texts(&container(&objects)["args"])[1..] {
            let (flag, _) = argument.split_once('=').unwrap();
            without_value.remove(flag.trim_start_matches("--"));
        }
    }
    assert_eq!(without_value, BTreeSet::from(WITHOUT_VALUE));
}

#[test]
fn chart_unit_tests_pass() {
    run(&tool("helm-unittest"), &["--strict", CHART], "").unwrap();
}

#[test]
fn chart_readmes_match_values() {
    for chart in [CHART, CRD_CHART] {
        let search = ["--chart-search-root", chart, "--dry-run"];
        let arguments = [&search[..], &["--log-level", "error"]].concat();
        let printed = run(&tool("helm-docs"), &arguments, "").unwrap();
        let readme = fs::read_to_string(Path::new(chart).join("README.md")).unwrap();
        assert_eq!(
            printed.trim(),
            readme.trim(),
            "{chart}/README.md is not what its values make: run `make generate-chart`"
        );
    }
}

/// What kube-score asks for and the chart does not do, with the reason.
const EXCEPTIONS: [&str; 5] = [
    // A CPU limit would only delay a refresh.
    "--ignore-container-cpu-limit",
    // A release's tag never moves; `image.digest` pins the content as well.
    "--ignore-test",
    "container-image-pull-policy",
    // The topology spread constraints keep the Pods apart.
    "--ignore-test",
    "deployment-has-host-podantiaffinity",
];

#[test]
fn kube_score_reports_only_accepted_findings() {
    for case in CASES {
        let rendered = chart(&["--values", &values(case)]).unwrap();
        let score = ["score", "--kubernetes-version", "v1.32"];
        let rest = ["--exit-one-on-warning", "--output-format", "ci", "-"];
        let arguments = [&score[..], &EXCEPTIONS, &rest].concat();
        run(&tool("kube-score"), &arguments, &rendered)
            .unwrap_or_else(|findings| panic!("{case}: {findings}"));
    }
}
