//! What a program compiles that uses the crate with few features.

use std::collections::BTreeSet;
use std::process::Command;

/// The names of all packages that these features bring.
fn packages(features: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--package"])
        .arg(env!("CARGO_PKG_NAME"))
        .args(["--edges", "normal", "--prefix", "none", "--format", "{p}"])
        .args(["--features", features])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let packages = String::from_utf8(output.stdout).unwrap();
    let names = packages.lines().filter_map(|line| line.split(' ').next());
    names.map(str::to_owned).collect()
}

fn of_kubernetes(package: &str) -> bool {
    package.starts_with("kube") || package.starts_with("k8s-openapi")
}

/// Not aws-lc, the cryptography of rustls.
fn of_aws(package: &str) -> bool {
    package.starts_with("aws-") && !package.starts_with("aws-lc")
}

#[test]
fn no_feature_compiles_neither_kubernetes_nor_aws_nor_a_runtime() {
    let packages = packages("");
    assert!(packages.contains("serde_json"), "{packages:?}");
    let unfit = |p: &&String| {
        of_kubernetes(p)
            || of_aws(p)
            || ["tokio", "clap", "rustls", "tracing"].contains(&p.as_str())
    };
    let unfit: Vec<_> = packages.iter().filter(unfit).collect();
    assert!(unfit.is_empty(), "make them optional: {unfit:?}");
}

#[test]
fn cluster_compiles_no_aws_and_aws_no_kubernetes_client() {
    let cluster = packages("cluster");
    assert!(cluster.contains("kube"), "{cluster:?}");
    assert!(!cluster.iter().any(|p| of_aws(p)), "{cluster:?}");
    let aws = packages("aws");
    assert!(aws.contains("aws-sdk-bedrock"), "{aws:?}");
    assert!(!aws.iter().any(|p| p.starts_with("kube")), "{aws:?}");
    for packages in [cluster, aws] {
        assert!(!packages.contains("clap"), "{packages:?}");
    }
}
