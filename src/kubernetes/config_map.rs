//! Writes of `ConfigMaps`: only changed and owned ones, and never over an unseen change.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, ObjectMeta, PostParams, Preconditions};
use kube::{Api, Client, ResourceExt as _};

use super::request::{CallError, call};
use crate::api::{AttemptError, ErrorCode, MANAGER};
use crate::ops::metrics::{Metrics, Write};
use crate::publication::ownership::{Action, DesiredConfigMap, Owner, decide};

/// Attempts of a write that conflicts with concurrent changes.
const ATTEMPTS: usize = 5;

/// Writes the `ConfigMaps` of one resource.
#[derive(Clone)]
pub(super) struct Publisher {
    api: Api<ConfigMap>,
    owner: Owner,
    metrics: Metrics,
}

/// Result of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WriteOutcome {
    pub(super) resource_version: Option<String>,
    /// False if the `ConfigMap` was up to date.
    pub(super) written: bool,
}

impl Publisher {
    pub(super) fn new(client: Client, owner: Owner, metrics: Metrics) -> Self {
        Self {
            api: Api::namespaced(client, &owner.namespace),
            owner,
            metrics,
        }
    }

    /// Reads a `ConfigMap`, owned or not.
    pub(super) async fn read(&self, name: &str) -> Result<Option<ConfigMap>, CallError> {
        call(|| self.describe("read", name), self.api.get_opt(name)).await
    }

    fn describe(&self, verb: &str, name: &str) -> String {
        format!("cannot {verb} ConfigMap {}/{name}", self.owner.namespace)
    }

    /// Creates, replaces or recreates the `ConfigMap` as desired, starting from the state just read.
    pub(super) async fn apply(
        &self,
        target: &DesiredConfigMap,
        seen: Option<ConfigMap>,
    ) -> Result<WriteOutcome, AttemptError> {
        let name = &target.name;
        let (params, mut last) = (params(), None);
        let mut live = seen;
        for _ in 0..ATTEMPTS {
            let (write, written) = match decide(&self.owner, target, live.as_ref()) {
                Action::Conflict => return Err(self.conflict(name)),
                Action::Nothing => {
                    return Ok(WriteOutcome {
                        resource_version: live.and_then(|live| live.resource_version()),
                        written: false,
                    });
                }
                Action::Create(wanted) => {
                    let request = self.api.create(&params, &wanted);
                    (
                        Write::Create,
                        call(|| self.describe("create", name), request).await,
                    )
                }
                Action::Recreate(wanted) => {
                    let seen = live.unwrap_or_default().metadata;
                    // If it changed meanwhile, it still exists and the creation fails.
                    self.remove(&seen).await.map_err(write_failed)?;
                    let request = self.api.create(&params, &wanted);
                    (
                        Write::Create,
                        call(|| self.describe("create", name), request).await,
                    )
                }
                Action::Replace(wanted) => {
                    let request = self.api.replace(name, &params, &wanted);
                    (
                        Write::Replace,
                        call(|| self.describe("replace", name), request).await,
                    )
                }
            };
            match written {
                Ok(object) => {
                    self.metrics
                        .count_config_map_write(write, target.files.bytes());
                    return Ok(WriteOutcome {
                        resource_version: object.resource_version(),
                        written: true,
                    });
                }
                // Changed, created or deleted between the read and the write.
                Err(error) if error.is_conflict() || error.is_not_found() => last = Some(error),
                Err(error) => return Err(write_failed(error)),
            }
            live = self.read(name).await.map_err(write_failed)?;
        }
        let why = last.map(|error| error.to_string()).unwrap_or_default();
        Err(AttemptError::new(
            ErrorCode::WriteConflict,
            format!("{why} (changed concurrently each time)"),
        ))
    }

    fn conflict(&self, name: &str) -> AttemptError {
        let Owner {
            namespace,
            name: owner,
            ..
        } = &self.owner;
        AttemptError::new(
            ErrorCode::TargetConflict,
            format!(
                "ConfigMap {namespace}/{name} exists and is not owned by BedrockModelMap {owner}; delete it, or set another spec.output.configMapPrefix"
            ),
        )
    }

    /// Deletes a `ConfigMap` if it is owned and unchanged since it was observed. Returns whether it was
    /// deleted.
    pub(super) async fn remove(&self, seen: &ObjectMeta) -> Result<bool, CallError> {
        let Some(name) = seen.name.as_deref().filter(|_| self.owner.owns(seen)) else {
            return Ok(false);
        };
        let preconditions = Preconditions {
            uid: seen.uid.clone(),
            resource_version: seen.resource_version.clone(),
        };
        let params = DeleteParams::default().preconditions(preconditions);
        match call(
            || self.describe("delete", name),
            self.api.delete(name, &params),
        )
        .await
        {
            Ok(_) => {
                self.metrics.count_config_map_write(Write::Delete, 0);
                Ok(true)
            }
            // Deleted or changed meanwhile; a change triggers the next reconciliation.
            Err(error) if error.is_not_found() || error.is_conflict() => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn params() -> PostParams {
    PostParams {
        dry_run: false,
        field_manager: Some(MANAGER.to_owned()),
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "used as the function of map_err"
)]
pub(super) fn write_failed(cause: CallError) -> AttemptError {
    AttemptError::new(ErrorCode::WriteFailed, cause.to_string())
}
