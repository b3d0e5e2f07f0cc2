//! Ownership of a ConfigMap, and the action that brings it to its desired state.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use crate::api::{
    ANNOTATION_SHA256, BedrockModelMap, DeletionPolicy, GROUP, KIND, LABEL_CONTENT,
    LABEL_MANAGED_BY, LABEL_NAME, LABEL_REGION, MANAGER,
};
use crate::bedrock::lifecycle_summary::LifecycleSummary;
use crate::publication::render::ConfigMapFiles;

/// The resource that owns ConfigMaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Whether its ConfigMaps are deleted with it.
    pub deletion_policy: DeletionPolicy,
    /// Labels that the user wants on its ConfigMaps.
    pub labels: BTreeMap<String, String>,
    /// Annotations that the user wants on its ConfigMaps.
    pub annotations: BTreeMap<String, String>,
}

impl Owner {
    /// The owner of a resource's ConfigMaps.
    pub fn from_resource(resource: &BedrockModelMap) -> Self {
        let metadata = &resource.metadata;
        Self {
            namespace: metadata.namespace.clone().unwrap_or_default(),
            name: metadata.name.clone().unwrap_or_default(),
            uid: metadata.uid.clone().unwrap_or_default(),
            deletion_policy: resource.spec.deletion_policy,
            labels: resource.spec.output.labels.clone(),
            annotations: resource.spec.output.annotations.clone(),
        }
    }

    /// Whether the resource owns an object with this metadata: it is the object's controller, or the
    /// object carries its labels and has no other controller. An object of an earlier resource of the
    /// same name is adopted.
    pub fn owns(&self, metadata: &ObjectMeta) -> bool {
        match controller(metadata) {
            Some(controller) if controller.uid == self.uid => true,
            Some(controller) => self.is_predecessor(controller) && self.is_labelled(metadata),
            None => self.is_labelled(metadata),
        }
    }

    fn is_predecessor(&self, controller: &OwnerReference) -> bool {
        controller.kind == KIND
            && controller.name == self.name
            && controller.api_version.split('/').next() == Some(GROUP)
    }

    fn is_labelled(&self, metadata: &ObjectMeta) -> bool {
        let label = |key| {
            metadata
                .labels
                .as_ref()
                .and_then(|l| l.get(key))
                .map(String::as_str)
        };
        label(LABEL_MANAGED_BY) == Some(MANAGER)
            && label(LABEL_NAME) == Some(&self.name)
            && label(LABEL_CONTENT).is_some()
    }

    fn owner_reference(&self) -> OwnerReference {
        OwnerReference {
            api_version: format!("{GROUP}/v1alpha1"),
            kind: KIND.to_owned(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            controller: Some(true),
            // It would need another permission, and only delays a foreground deletion.
            block_owner_deletion: None,
        }
    }
}

fn controller(metadata: &ObjectMeta) -> Option<&OwnerReference> {
    metadata
        .owner_references
        .iter()
        .flatten()
        .find(|r| r.controller == Some(true))
}

/// The content of a ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A region's models.
    Region(String),
    /// The environment variables of a region's aliases.
    Env(String),
    /// A region's aliases, in several formats.
    Aliases(String),
    /// All regions' models.
    Mapping,
}

/// The desired state of a ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredConfigMap {
    /// Its name.
    pub name: String,
    /// Its content.
    pub content: Content,
    /// The lifecycle of its models, for the metrics.
    pub ends: LifecycleSummary,
    /// Its files.
    pub files: ConfigMapFiles,
    /// Digest of all values that its desired state depends on.
    pub inputs: String,
}

impl DesiredConfigMap {
    fn labels(&self, owner: &Owner) -> BTreeMap<String, String> {
        let mut labels = owner.labels.clone();
        let (content, region) = match &self.content {
            Content::Region(region) => ("region", Some(region)),
            Content::Env(region) => ("env", Some(region)),
            Content::Aliases(region) => ("aliases", Some(region)),
            Content::Mapping => ("mapping", None),
        };
        labels.extend(region.map(|region| (LABEL_REGION.to_owned(), region.clone())));
        labels.insert(LABEL_MANAGED_BY.to_owned(), MANAGER.to_owned());
        labels.insert(LABEL_NAME.to_owned(), owner.name.clone());
        labels.insert(LABEL_CONTENT.to_owned(), content.to_owned());
        labels
    }

    fn annotations(&self, owner: &Owner) -> BTreeMap<String, String> {
        let mut annotations = owner.annotations.clone();
        annotations.insert(ANNOTATION_SHA256.to_owned(), self.files.sha256.clone());
        annotations
    }
}

/// The action on a ConfigMap.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Create the absent ConfigMap. The request fails if one exists by then.
    Create(Box<ConfigMap>),
    /// Replace the ConfigMap, which differs. The request fails on a conflict: the object carries its
    /// resource version.
    Replace(Box<ConfigMap>),
    /// Delete and create the ConfigMap, which a user made immutable. The API server accepts no change
    /// to an immutable ConfigMap.
    Recreate(Box<ConfigMap>),
    /// The ConfigMap is up to date.
    Nothing,
    /// The ConfigMap does not belong to this resource, and stays as it is.
    Conflict,
}

/// The action that brings the live ConfigMap to its desired state.
pub fn decide(owner: &Owner, target: &DesiredConfigMap, live: Option<&ConfigMap>) -> Action {
    let Some(live) = live else {
        let metadata = ObjectMeta {
            name: Some(target.name.clone()),
            namespace: Some(owner.namespace.clone()),
            ..ObjectMeta::default()
        };
        return Action::Create(Box::new(desired(owner, target, metadata)));
    };
    if !owner.owns(&live.metadata) {
        return Action::Conflict;
    }
    let desired = desired(owner, target, live.metadata.clone());
    if live.immutable == Some(true) {
        return Action::Recreate(Box::new(without_server_fields(desired)));
    }
    if is_up_to_date(live, &desired) {
        Action::Nothing
    } else {
        Action::Replace(Box::new(desired))
    }
}

/// The object without the fields that the API server sets.
fn without_server_fields(config_map: ConfigMap) -> ConfigMap {
    let ObjectMeta {
        name,
        namespace,
        labels,
        annotations,
        owner_references,
        ..
    } = config_map.metadata;
    ConfigMap {
        metadata: ObjectMeta {
            name,
            namespace,
            labels,
            annotations,
            owner_references,
            ..ObjectMeta::default()
        },
        ..config_map
    }
}

/// An absent map and an empty one are the same to the API server.
fn is_up_to_date(live: &ConfigMap, desired: &ConfigMap) -> bool {
    fn is_same<K: Ord, V: PartialEq>(
        a: Option<&BTreeMap<K, V>>,
        b: Option<&BTreeMap<K, V>>,
    ) -> bool {
        a.into_iter().flatten().eq(b.into_iter().flatten())
    }
    let (live_metadata, metadata) = (&live.metadata, &desired.metadata);
    is_same(live.data.as_ref(), desired.data.as_ref())
        && is_same(live.binary_data.as_ref(), desired.binary_data.as_ref())
        && is_same(live_metadata.labels.as_ref(), metadata.labels.as_ref())
        && is_same(
            live_metadata.annotations.as_ref(),
            metadata.annotations.as_ref(),
        )
        && live_metadata
            .owner_references
            .iter()
            .flatten()
            .eq(metadata.owner_references.iter().flatten())
}

/// The desired object: the operator's part of the metadata replaced, the rest kept.
fn desired(owner: &Owner, target: &DesiredConfigMap, mut metadata: ObjectMeta) -> ConfigMap {
    let previous = PreviouslyApplied::from_metadata(&metadata);
    metadata.labels = Some(merge_metadata(
        metadata.labels,
        &previous.labels,
        target.labels(owner),
    ));
    metadata.annotations = Some(merge_metadata(
        metadata.annotations,
        &previous.annotations,
        target.annotations(owner),
    ));
    let mut references = metadata.owner_references.unwrap_or_default();
    references.retain(|r| r.uid != owner.uid && !owner.is_predecessor(r));
    match owner.deletion_policy {
        DeletionPolicy::Delete => references.push(owner.owner_reference()),
        DeletionPolicy::Retain => {}
    }
    metadata.owner_references = (!references.is_empty()).then_some(references);
    metadata.managed_fields = None;
    let binary_data = &target.files.binary_data;
    ConfigMap {
        metadata,
        data: Some(target.files.data.clone()),
        binary_data: (!binary_data.is_empty()).then(|| {
            binary_data
                .iter()
                .map(|(k, v)| (k.clone(), ByteString(v.clone())))
                .collect()
        }),
        immutable: None,
    }
}

fn merge_metadata(
    live: Option<BTreeMap<String, String>>,
    previous: &[String],
    desired: BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut merged = live.unwrap_or_default();
    merged.retain(|key, _| !previous.contains(key));
    merged.extend(desired);
    merged
}

/// The labels and annotations of an earlier write, from `managedFields`. Those that the spec no longer
/// names are removed; those of other managers stay.
struct PreviouslyApplied {
    labels: Vec<String>,
    annotations: Vec<String>,
}

impl PreviouslyApplied {
    fn from_metadata(metadata: &ObjectMeta) -> Self {
        let keys = |path: &str| {
            metadata
                .managed_fields
                .iter()
                .flatten()
                .filter(|entry| entry.manager.as_deref() == Some(MANAGER))
                .filter_map(|entry| entry.fields_v1.as_ref()?.0.pointer(path)?.as_object())
                .flat_map(serde_json::Map::keys)
                .filter_map(|key| key.strip_prefix("f:"))
                .map(str::to_owned)
                .collect()
        };
        Self {
            labels: keys("/f:metadata/f:labels"),
            annotations: keys("/f:metadata/f:annotations"),
        }
    }
}

#[cfg(test)]
mod tests;
