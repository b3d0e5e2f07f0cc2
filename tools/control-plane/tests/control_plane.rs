//! What tests of the operator rely on.

#![allow(clippy::unwrap_used)]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use control_plane::{ControlPlane, Error};

/// Runs kubectl with words separated by blanks and an object on its stdin; returns what it prints.
fn kubectl(
    control_plane: &ControlPlane,
    kubeconfig: &Path,
    arguments: &str,
    stdin: &str,
) -> Result<String, String> {
    let mut child = Command::new(control_plane.kubectl())
        .env("KUBECONFIG", kubeconfig)
        .args(arguments.split_whitespace())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(stdin.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    if output.status.success() {
        Ok(String::from_utf8(output.stdout)
            .unwrap()
            .trim_end()
            .to_owned())
    } else {
        Err(String::from_utf8(output.stderr).unwrap())
    }
}

fn admin(control_plane: &ControlPlane, arguments: &str) -> Result<String, String> {
    kubectl(control_plane, control_plane.kubeconfig(), arguments, "")
}

/// Until the administrator's command succeeds.
fn eventually(control_plane: &ControlPlane, arguments: &str) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while let Err(error) = admin(control_plane, arguments) {
        assert!(Instant::now() < deadline, "kubectl {arguments}: {error}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[tokio::test]
async fn namespace_can_be_created_and_deleted() {
    let control_plane = ControlPlane::shared().await;
    admin(control_plane, "create namespace short-lived").unwrap();
    admin(control_plane, "create configmap within -n short-lived").unwrap();
    admin(control_plane, "delete namespace short-lived --timeout=60s").unwrap();
    let error = admin(control_plane, "get namespace short-lived").unwrap_err();
    assert!(error.contains("NotFound"), "{error}");
}

#[tokio::test]
async fn garbage_collector_deletes_owned_object() {
    let control_plane = ControlPlane::shared().await;
    admin(control_plane, "create configmap owner").unwrap();
    let uid = admin(
        control_plane,
        "get configmap owner -o jsonpath={.metadata.uid}",
    )
    .unwrap();
    let owned = format!(
        r#"{{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {{"name": "owned", "ownerReferences":
           [{{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": "{uid}"}}]}}}}"#
    );
    kubectl(
        control_plane,
        control_plane.kubeconfig(),
        "create -f -",
        &owned,
    )
    .unwrap();
    admin(control_plane, "delete configmap owner").unwrap();
    admin(
        control_plane,
        "wait --for=delete configmap/owned --timeout=60s",
    )
    .unwrap();
}

#[tokio::test]
async fn user_has_groups_and_only_rbac_permissions() {
    let control_plane = ControlPlane::shared().await;
    let user = "system:serviceaccount:default:reader";
    let groups = ["system:serviceaccounts", "system:serviceaccounts:default"];
    let kubeconfig = control_plane.kubeconfig_for(user, &groups).unwrap();
    let as_user = |arguments| kubectl(control_plane, &kubeconfig, arguments, "");
    assert_eq!(
        as_user("auth whoami -o jsonpath={.status.userInfo.username}").unwrap(),
        user
    );
    assert_eq!(
        as_user("auth whoami -o jsonpath={.status.userInfo.groups}").unwrap(),
        r#"["system:serviceaccounts","system:serviceaccounts:default","system:authenticated"]"#,
    );
    let error = as_user("get configmaps").unwrap_err();
    assert!(error.contains("Forbidden"), "{error}");
    admin(
        control_plane,
        "create rolebinding reader --clusterrole=view --serviceaccount=default:reader",
    )
    .unwrap();
    eventually(
        control_plane,
        &format!("auth can-i list configmaps --as={user}"),
    );
    as_user("get configmaps").unwrap();
}

#[tokio::test]
async fn third_group_is_rejected() {
    let error = ControlPlane::shared()
        .await
        .kubeconfig_for("user", &["a", "b", "c"])
        .unwrap_err();
    assert!(matches!(error, Error::TooManyGroups(3)), "{error}");
}

#[tokio::test]
async fn data_survives_restart_but_not_control_plane() {
    let control_plane = ControlPlane::start().await.unwrap();
    admin(&control_plane, "create configmap kept").unwrap();

    control_plane.stop_api_server();
    let error = admin(&control_plane, "get configmap kept").unwrap_err();
    assert!(error.contains("refused"), "{error}");
    control_plane.start_api_server().await.unwrap();
    admin(&control_plane, "get configmap kept").unwrap();

    control_plane.stop_etcd();
    admin(&control_plane, "create configmap lost --request-timeout=1s").unwrap_err();
    control_plane.start_etcd().await.unwrap();
    eventually(&control_plane, "get configmap kept");

    let folder = control_plane.folder().to_owned();
    assert!(folder.exists());
    drop(control_plane);
    assert!(!folder.exists());
}
