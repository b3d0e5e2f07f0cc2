//! Whose a ConfigMap is, and what is to be done so that it becomes what it should be.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{
    ManagedFieldsEntry, ObjectMeta, OwnerReference,
};

use crate::api::{
    ANNOTATION_SHA256, BedrockModelMap, DeletionPolicy, GROUP, KIND, LABEL_CONTENT,
    LABEL_MANAGED_BY, LABEL_NAME, LABEL_REGION, MANAGER,
};
use crate::bedrock::lifecycle::LifecycleSummary;
use crate::publication::render::ConfigMapFiles;

/// The resource that ConfigMaps belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Whether its ConfigMaps go with it.
    pub deletion_policy: DeletionPolicy,
    /// Labels that the user wants on its ConfigMaps.
    pub labels: BTreeMap<String, String>,
    /// Annotations that the user wants on its ConfigMaps.
    pub annotations: BTreeMap<String, String>,
}

impl Owner {
    /// The owner that a resource is.
    pub fn of(resource: &BedrockModelMap) -> Self {
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

    /// Whether an object with this metadata is this resource's: it controls it, or the object
    /// carries its labels and nobody else controls it. An object of an earlier resource of the same
    /// name is taken over.
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

    fn reference(&self) -> OwnerReference {
        OwnerReference {
            api_version: format!("{GROUP}/v1alpha1"),
            kind: KIND.to_owned(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            controller: Some(true),
            // Would need a further permission, and only delays a foreground deletion.
            block_owner_deletion: None,
        }
    }
}

fn controller(metadata: &ObjectMeta) -> Option<&OwnerReference> {
    let references = metadata.owner_references.iter().flatten();
    references.into_iter().find(|r| r.controller == Some(true))
}

/// What a ConfigMap holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A region's models.
    Region(String),
    /// All regions' models.
    Mapping,
}

/// A ConfigMap as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredConfigMap {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub content: Content,
    /// Which of its models come to an end, for the metrics.
    pub ends: LifecycleSummary,
    /// Its files.
    pub files: ConfigMapFiles,
}

impl DesiredConfigMap {
    fn labels(&self, owner: &Owner) -> BTreeMap<String, String> {
        let mut labels = owner.labels.clone();
        let content = match &self.content {
            Content::Region(region) => {
                labels.insert(LABEL_REGION.to_owned(), region.clone());
                "region"
            }
            Content::Mapping => "mapping",
        };
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

/// What is to be done with a ConfigMap.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// There is none: create it, which fails should one appear meanwhile.
    Create(Box<ConfigMap>),
    /// It differs: replace it, which fails should it change meanwhile (its resource version is in
    /// the object).
    Replace(Box<ConfigMap>),
    /// Someone made it immutable: delete it, as it was seen, and create it anew. An API server
    /// takes back neither that nor any change of the content.
    Recreate(Box<ConfigMap>),
    /// It is as it should be.
    Nothing,
    /// It is not this resource's: leave it alone.
    Conflict,
}

/// Decides what is to be done so that the ConfigMap becomes the target.
pub fn decide(owner: &Owner, target: &DesiredConfigMap, live: Option<&ConfigMap>) -> Action {
    let Some(live) = live else {
        let metadata = ObjectMeta {
            name: Some(target.name.clone()),
            namespace: Some(owner.namespace.clone()),
            ..ObjectMeta::default()
        };
        return Action::Create(Box::new(completed(owner, target, metadata)));
    };
    if !owner.owns(&live.metadata) {
        return Action::Conflict;
    }
    let wanted = completed(owner, target, live.metadata.clone());
    if live.immutable == Some(true) {
        return Action::Recreate(Box::new(anew(wanted)));
    }
    if same(live, &wanted) {
        Action::Nothing
    } else {
        Action::Replace(Box::new(wanted))
    }
}

/// The object without what the API server alone says of the one that it was.
fn anew(config_map: ConfigMap) -> ConfigMap {
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

fn same(live: &ConfigMap, wanted: &ConfigMap) -> bool {
    let some = |map: &Option<BTreeMap<String, String>>| map.clone().unwrap_or_default();
    live.data.clone().unwrap_or_default() == wanted.data.clone().unwrap_or_default()
        && live.binary_data.clone().unwrap_or_default()
            == wanted.binary_data.clone().unwrap_or_default()
        && some(&live.metadata.labels) == some(&wanted.metadata.labels)
        && some(&live.metadata.annotations) == some(&wanted.metadata.annotations)
        && live.metadata.owner_references.clone().unwrap_or_default()
            == wanted.metadata.owner_references.clone().unwrap_or_default()
}

/// The object with our part of the metadata as it should be, and that of others as it is.
fn completed(owner: &Owner, target: &DesiredConfigMap, mut metadata: ObjectMeta) -> ConfigMap {
    let set_before = PreviouslyApplied::of(&metadata);
    metadata.labels = Some(merged(
        metadata.labels,
        &set_before.labels,
        target.labels(owner),
    ));
    metadata.annotations = Some(merged(
        metadata.annotations,
        &set_before.annotations,
        target.annotations(owner),
    ));
    let mut references = metadata.owner_references.unwrap_or_default();
    references.retain(|r| r.uid != owner.uid && !owner.is_predecessor(r));
    match owner.deletion_policy {
        DeletionPolicy::Delete => references.push(owner.reference()),
        DeletionPolicy::Retain => {}
    }
    metadata.owner_references = (!references.is_empty()).then_some(references);
    metadata.managed_fields = None;
    let binary = target.files.binary_data.iter();
    ConfigMap {
        metadata,
        data: Some(target.files.data.clone()),
        binary_data: (!target.files.binary_data.is_empty()).then(|| {
            binary
                .map(|(k, v)| (k.clone(), ByteString(v.clone())))
                .collect()
        }),
        immutable: None,
    }
}

fn merged(
    live: Option<BTreeMap<String, String>>,
    set_before: &[String],
    wanted: BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut merged = live.unwrap_or_default();
    merged.retain(|key, _| !set_before.contains(key));
    merged.extend(wanted);
    merged
}

/// The labels and annotations that we set at an earlier write, as the API server keeps book of
/// them: those that the user no longer wants are taken away, those of others stay.
#[derive(Default)]
struct PreviouslyApplied {
    labels: Vec<String>,
    annotations: Vec<String>,
}

impl PreviouslyApplied {
    fn of(metadata: &ObjectMeta) -> Self {
        let entries = metadata.managed_fields.iter().flatten();
        let ours = |entry: &&ManagedFieldsEntry| entry.manager.as_deref() == Some(MANAGER);
        let mut set_before = Self::default();
        for entry in entries.filter(ours) {
            let Some(fields) = &entry.fields_v1 else {
                continue;
            };
            let keys = |path: &str| {
                let of_path = fields
                    .0
                    .pointer(path)
                    .and_then(serde_json::Value::as_object);
                let keys = of_path.into_iter().flat_map(|object| object.keys());
                keys.filter_map(|key| key.strip_prefix("f:"))
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            };
            set_before.labels.extend(keys("/f:metadata/f:labels"));
            set_before
                .annotations
                .extend(keys("/f:metadata/f:annotations"));
        }
        set_before
    }
}

#[cfg(test)]
mod tests;
