//! The `BedrockModelMap` of each namespace: its content, and whose it is.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use crate::api::conditions::{DEGRADED, READY, RECONCILING, STALLED};
use crate::api::refresh_token::acknowledged_form;
use crate::api::{
    ANNOTATION_REQUESTED_AT, ANNOTATION_TEMPLATE, BedrockModelMap, CLUSTER_KIND,
    ClusterBedrockModelMap, GROUP, LABEL_CLUSTER_MAP,
};
use crate::digest::sha256_hex;

/// What every child of a cluster map has.
#[derive(Clone, Debug)]
pub struct DesiredChild<'a> {
    map: &'a ClusterBedrockModelMap,
    uid: &'a str,
    name: &'a str,
    api_version: String,
    /// SHA-256 of the template.
    template: String,
}

/// How the child of a namespace differs from the desired one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    None,
    /// Somebody edited it, or a refresh was requested.
    Drift,
    /// It has an earlier template.
    Outdated,
}

/// How far a child is with its latest spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Not tried yet.
    Pending,
    Ready,
    /// A user must change something.
    Stalled,
    /// Tried, and neither Ready nor Stalled.
    NotReady,
}

impl<'a> DesiredChild<'a> {
    /// None for a cluster map without a UID or a name, which no API server returns.
    pub fn new(map: &'a ClusterBedrockModelMap, api_version: String) -> Option<Self> {
        let template = serde_json::to_vec(&map.spec.template).ok()?;
        Some(Self {
            map,
            uid: map.metadata.uid.as_deref()?,
            name: map.metadata.name.as_deref()?,
            api_version,
            template: sha256_hex(&template),
        })
    }

    /// The name of every child.
    pub fn name(&self) -> &str {
        self.name
    }

    /// Whether the object is a child: its controller is this cluster map. The label alone proves nothing,
    /// because anybody may set it, and without it the object is still ours.
    pub fn owns(&self, object: &ObjectMeta) -> bool {
        controller(object).is_some_and(|owner| {
            owner.uid == self.uid
                && owner.kind == CLUSTER_KIND
                && owner.api_version.starts_with(&format!("{GROUP}/"))
        })
    }

    /// The difference of a child.
    pub fn difference(&self, child: &BedrockModelMap) -> Difference {
        let annotation = |key: &str| child.metadata.annotations.as_ref()?.get(key);
        if annotation(ANNOTATION_TEMPLATE) != Some(&self.template) {
            return Difference::Outdated;
        }
        let template = &self.map.spec.template;
        let labels = self.labels();
        let annotations = self.annotations();
        let is_same = child.spec == template.spec
            && contains(child.metadata.labels.as_ref(), &labels)
            && contains(child.metadata.annotations.as_ref(), &annotations);
        if is_same {
            Difference::None
        } else {
            Difference::Drift
        }
    }

    /// A new child.
    pub fn create(&self, namespace: &str) -> BedrockModelMap {
        let mut child = BedrockModelMap::new(self.name, self.map.spec.template.spec.clone());
        child.metadata.namespace = Some(namespace.to_owned());
        child.metadata.labels = Some(self.labels());
        child.metadata.annotations = Some(self.annotations());
        child.metadata.owner_references = Some(vec![self.owner()]);
        child
    }

    /// The child as it replaces this one. Labels and annotations of others stay; of an earlier template,
    /// none is known any more, so they stay too.
    pub fn replace(&self, live: BedrockModelMap) -> BedrockModelMap {
        let mut child = live;
        child.spec = self.map.spec.template.spec.clone();
        let metadata = &mut child.metadata;
        metadata.managed_fields = None;
        metadata
            .labels
            .get_or_insert_default()
            .extend(self.labels());
        metadata
            .annotations
            .get_or_insert_default()
            .extend(self.annotations());
        child
    }

    /// The token of the requested refresh, as a status acknowledges it.
    pub fn requested(&self) -> Option<String> {
        self.token()
            .map(|token| acknowledged_form(token).into_owned())
    }

    fn token(&self) -> Option<&String> {
        let annotations = self.map.metadata.annotations.as_ref()?;
        annotations.get(ANNOTATION_REQUESTED_AT)
    }

    fn labels(&self) -> BTreeMap<String, String> {
        let mut labels = self.map.spec.template.metadata.labels.clone();
        labels.insert(LABEL_CLUSTER_MAP.to_owned(), self.name.to_owned());
        labels
    }

    fn annotations(&self) -> BTreeMap<String, String> {
        let mut annotations = self.map.spec.template.metadata.annotations.clone();
        annotations.insert(ANNOTATION_TEMPLATE.to_owned(), self.template.clone());
        if let Some(token) = self.token() {
            annotations.insert(ANNOTATION_REQUESTED_AT.to_owned(), token.clone());
        }
        annotations
    }

    /// Without `blockOwnerDeletion`, which would need the right to update finalizers.
    fn owner(&self) -> OwnerReference {
        OwnerReference {
            api_version: self.api_version.clone(),
            kind: CLUSTER_KIND.to_owned(),
            name: self.name.to_owned(),
            uid: self.uid.to_owned(),
            controller: Some(true),
            block_owner_deletion: None,
        }
    }
}

fn controller(object: &ObjectMeta) -> Option<&OwnerReference> {
    let mut owners = object.owner_references.iter().flatten();
    owners.find(|owner| owner.controller == Some(true))
}

fn contains(actual: Option<&BTreeMap<String, String>>, wanted: &BTreeMap<String, String>) -> bool {
    wanted
        .iter()
        .all(|(key, value)| actual.and_then(|actual| actual.get(key)) == Some(value))
}

/// How far a child is with its latest spec.
pub fn progress(child: &BedrockModelMap) -> Progress {
    let observed = child.status.as_ref().and_then(|s| s.observed_generation);
    if observed != child.metadata.generation || is_true(child, RECONCILING) {
        return Progress::Pending;
    }
    if is_true(child, STALLED) {
        Progress::Stalled
    } else if is_true(child, READY) {
        Progress::Ready
    } else {
        Progress::NotReady
    }
}

/// Whether a child is Degraded.
pub fn is_degraded(child: &BedrockModelMap) -> bool {
    is_true(child, DEGRADED)
}

fn is_true(child: &BedrockModelMap, kind: &str) -> bool {
    let mut conditions = child.status.iter().flat_map(|s| &s.conditions);
    conditions.any(|c| c.type_ == kind && c.status == "True")
}

#[cfg(test)]
mod tests;
