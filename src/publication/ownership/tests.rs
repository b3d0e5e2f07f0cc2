use serde_json::{Value, json};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;

use super::*;

const UID: &str = "uid-of-claude";

fn owner(deletion_policy: DeletionPolicy) -> Owner {
    Owner {
        namespace: "team-a".into(),
        name: "claude".into(),
        uid: UID.into(),
        deletion_policy,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
    }
}

fn target() -> DesiredConfigMap {
    DesiredConfigMap {
        name: "claude-us-east-1".into(),
        content: Content::Region("us-east-1".into()),
        ends: LifecycleSummary::default(),
        files: ConfigMapFiles {
            data: BTreeMap::from([("models.json".into(), "{}".into())]),
            binary_data: BTreeMap::new(),
            sha256: "abc".into(),
        },
        inputs: String::new(),
    }
}

fn our_labels() -> Value {
    json!({
        "app.kubernetes.io/managed-by": "bedrock-model-map",
        "bedrock.modelmap.dev/name": "claude",
        "bedrock.modelmap.dev/content": "region",
        "bedrock.modelmap.dev/region": "us-east-1",
    })
}

fn reference(kind: &str, name: &str, uid: &str, controller: bool) -> Value {
    let api_version = match kind {
        "BedrockModelMap" => "bedrock.modelmap.dev/v1alpha1",
        _ => "example.com/v1",
    };
    json!({"apiVersion": api_version, "kind": kind, "name": name, "uid": uid,
           "controller": controller})
}

fn our_reference() -> Value {
    reference("BedrockModelMap", "claude", UID, true)
}

fn metadata(labels: &Value, references: &[Value]) -> ObjectMeta {
    let metadata = json!({"labels": labels, "ownerReferences": references});
    serde_json::from_value(metadata).unwrap()
}

/// A ConfigMap in the state that `decide` wants.
fn published(owner: &Owner, target: &DesiredConfigMap) -> ConfigMap {
    match decide(owner, target, None) {
        Action::Create(mut created) => {
            created.metadata.uid = Some("uid-of-config-map".into());
            created.metadata.resource_version = Some("7".into());
            *created
        }
        other => panic!("{other:?}"),
    }
}

fn replaced(owner: &Owner, target: &DesiredConfigMap, live: &ConfigMap) -> ConfigMap {
    match decide(owner, target, Some(live)) {
        Action::Replace(wanted) => *wanted,
        other => panic!("{other:?}"),
    }
}

fn label<'a>(object: &'a ConfigMap, key: &str) -> Option<&'a str> {
    object
        .metadata
        .labels
        .as_ref()?
        .get(key)
        .map(String::as_str)
}

fn annotation<'a>(object: &'a ConfigMap, key: &str) -> Option<&'a str> {
    let annotations = object.metadata.annotations.as_ref()?;
    annotations.get(key).map(String::as_str)
}

fn references(object: &ConfigMap) -> Vec<&str> {
    object
        .metadata
        .owner_references
        .iter()
        .flatten()
        .map(|reference| reference.uid.as_str())
        .collect()
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table, a row for each rule")]
fn config_map_is_owned_by_controller_or_labels() {
    let ours = our_labels();
    let without = |key: &str| {
        let mut labels = our_labels();
        labels.as_object_mut().unwrap().remove(key);
        labels
    };
    let changed = |key: &str, value: &str| {
        let mut labels = our_labels();
        labels[key] = json!(value);
        labels
    };
    let predecessor = reference("BedrockModelMap", "claude", "uid-of-earlier", true);
    // (case, labels, owner references, ours)
    let cases = [
        ("our labels, no owner", ours.clone(), vec![], true),
        (
            "our labels, ours",
            ours.clone(),
            vec![our_reference()],
            true,
        ),
        ("no labels, ours", json!({}), vec![our_reference()], true),
        (
            "labels edited, ours",
            changed(LABEL_NAME, "other"),
            vec![our_reference()],
            true,
        ),
        ("no labels, no owner", json!({}), vec![], false),
        (
            "another resource's labels",
            changed(LABEL_NAME, "other"),
            vec![],
            false,
        ),
        (
            "another manager's label",
            changed(LABEL_MANAGED_BY, "Helm"),
            vec![],
            false,
        ),
        (
            "no manager's label",
            without(LABEL_MANAGED_BY),
            vec![],
            false,
        ),
        ("no name", without(LABEL_NAME), vec![], false),
        ("no content", without(LABEL_CONTENT), vec![], false),
        (
            "our labels, another controller",
            ours.clone(),
            vec![reference("Deployment", "claude", "uid-of-other", true)],
            false,
        ),
        (
            "our labels, another resource of our kind controls it",
            ours.clone(),
            vec![reference("BedrockModelMap", "other", "uid-of-other", true)],
            false,
        ),
        (
            "our labels, a resource of our kind's name in another group",
            ours.clone(),
            vec![
                json!({"apiVersion": "example.com/v1", "kind": "BedrockModelMap",
                        "name": "claude", "uid": "uid-of-other", "controller": true}),
            ],
            false,
        ),
        (
            "our labels, an owner that does not control it",
            ours.clone(),
            vec![reference("Namespace", "n", "uid-of-other", false)],
            true,
        ),
        (
            "our labels, an earlier resource of our name",
            ours.clone(),
            vec![predecessor.clone()],
            true,
        ),
        (
            "our labels, an earlier resource of our name in another version",
            ours.clone(),
            vec![
                json!({"apiVersion": "bedrock.modelmap.dev/v1", "kind": "BedrockModelMap",
                        "name": "claude", "uid": "uid-of-earlier", "controller": true}),
            ],
            true,
        ),
        (
            "no labels, an earlier resource of our name",
            json!({}),
            vec![predecessor],
            false,
        ),
        (
            "no labels, ours but another controls it",
            json!({}),
            vec![
                reference("BedrockModelMap", "claude", UID, false),
                reference("Deployment", "d", "uid-of-other", true),
            ],
            false,
        ),
        (
            "two owners, we control it",
            json!({}),
            vec![
                reference("Secret", "s", "uid-of-other", false),
                our_reference(),
            ],
            true,
        ),
    ];
    for (case, labels, references, expected) in cases {
        let metadata = metadata(&labels, &references);
        let owner = owner(DeletionPolicy::Delete);
        assert_eq!(owner.owns(&metadata), expected, "{case}");
        let live = ConfigMap {
            metadata,
            ..ConfigMap::default()
        };
        let action = decide(&owner, &target(), Some(&live));
        assert_eq!(action == Action::Conflict, !expected, "{case}: {action:?}");
    }
}

#[test]
fn empty_unlabelled_config_map_is_a_conflict() {
    let live = ConfigMap::default();
    let action = decide(&owner(DeletionPolicy::Delete), &target(), Some(&live));
    assert_eq!(action, Action::Conflict);
}

#[test]
fn absent_config_map_is_created_with_labels_annotations_and_owner() {
    let mut owner = owner(DeletionPolicy::Delete);
    owner.labels = BTreeMap::from([("team".into(), "a".into())]);
    owner.annotations = BTreeMap::from([("note".into(), "hello".into())]);
    let Action::Create(created) = decide(&owner, &target(), None) else {
        panic!("not created");
    };
    assert_eq!(
        serde_json::to_value(&created).unwrap(),
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": "claude-us-east-1",
                "namespace": "team-a",
                "labels": {
                    "app.kubernetes.io/managed-by": "bedrock-model-map",
                    "bedrock.modelmap.dev/name": "claude",
                    "bedrock.modelmap.dev/content": "region",
                    "bedrock.modelmap.dev/region": "us-east-1",
                    "team": "a",
                },
                "annotations": {"bedrock.modelmap.dev/content-sha256": "abc", "note": "hello"},
                "ownerReferences": [{
                    "apiVersion": "bedrock.modelmap.dev/v1alpha1",
                    "kind": "BedrockModelMap",
                    "name": "claude",
                    "uid": "uid-of-claude",
                    "controller": true,
                }],
            },
            "data": {"models.json": "{}"},
        })
    );
}

#[test]
fn merged_config_map_has_no_region_label_and_can_hold_binary_data() {
    let target = DesiredConfigMap {
        name: "claude-mapping".into(),
        content: Content::Mapping,
        ends: LifecycleSummary::default(),
        files: ConfigMapFiles {
            data: BTreeMap::new(),
            binary_data: BTreeMap::from([("mapping.json.gz".into(), vec![31, 139])]),
            sha256: "abc".into(),
        },
        inputs: String::new(),
    };
    let created = published(&owner(DeletionPolicy::Retain), &target);
    assert_eq!(label(&created, LABEL_CONTENT), Some("mapping"));
    assert_eq!(label(&created, LABEL_REGION), None);
    assert_eq!(created.metadata.owner_references, None);
    let binary = created.binary_data.as_ref().unwrap();
    assert_eq!(binary["mapping.json.gz"].0, [31, 139]);
    let again = decide(&owner(DeletionPolicy::Retain), &target, Some(&created));
    assert_eq!(again, Action::Nothing);
}

#[test]
fn config_map_in_desired_state_needs_no_action() {
    for policy in [DeletionPolicy::Delete, DeletionPolicy::Retain] {
        let live = published(&owner(policy), &target());
        assert_eq!(
            decide(&owner(policy), &target(), Some(&live)),
            Action::Nothing,
            "{policy:?}"
        );
    }
}

#[test]
fn server_set_and_empty_fields_are_not_drift() {
    let mut live = published(&owner(DeletionPolicy::Retain), &target());
    live.metadata.creation_timestamp =
        Some(serde_json::from_value(json!("2026-11-23T10:00:00Z")).unwrap());
    live.metadata.owner_references = Some(Vec::new());
    live.binary_data = Some(BTreeMap::new());
    live.immutable = Some(false);
    let action = decide(&owner(DeletionPolicy::Retain), &target(), Some(&live));
    assert_eq!(action, Action::Nothing);
}

#[test]
fn drift_is_replaced_at_the_observed_resource_version() {
    type Change = fn(&mut ConfigMap);
    let changes: [(&str, Change); 9] = [
        ("data changed", |c| {
            c.data = Some(BTreeMap::from([("models.json".into(), "{} ".into())]));
        }),
        ("data removed", |c| c.data = None),
        ("a file added", |c| {
            let data = c.data.as_mut().unwrap();
            data.insert("more.json".into(), "{}".into());
        }),
        ("binary data added", |c| {
            let bytes = ByteString(vec![1]);
            c.binary_data = Some(BTreeMap::from([("b".into(), bytes)]));
        }),
        ("a label of ours changed", |c| {
            let labels = c.metadata.labels.as_mut().unwrap();
            labels.insert(LABEL_REGION.into(), "eu-west-1".into());
        }),
        ("labels removed", |c| c.metadata.labels = None),
        ("the hash changed", |c| {
            let annotations = c.metadata.annotations.as_mut().unwrap();
            annotations.insert(ANNOTATION_SHA256.into(), "def".into());
        }),
        ("annotations removed", |c| c.metadata.annotations = None),
        ("our reference no longer that of a controller", |c| {
            let references = c.metadata.owner_references.as_mut().unwrap();
            references[0].controller = None;
        }),
    ];
    let owner = owner(DeletionPolicy::Delete);
    let whole = published(&owner, &target());
    for (case, change) in changes {
        let mut live = whole.clone();
        change(&mut live);
        let wanted = replaced(&owner, &target(), &live);
        assert_eq!(wanted, whole, "{case}");
        assert_eq!(wanted.metadata.resource_version.as_deref(), Some("7"));
        assert_eq!(wanted.metadata.uid.as_deref(), Some("uid-of-config-map"));
    }
}

#[test]
fn owner_reference_follows_deletion_policy() {
    let (delete, retain) = (owner(DeletionPolicy::Delete), owner(DeletionPolicy::Retain));
    let live = published(&delete, &target());
    assert_eq!(references(&live), [UID]);
    let retained = replaced(&retain, &target(), &live);
    assert_eq!(retained.metadata.owner_references, None);
    let deletable = replaced(&delete, &target(), &retained);
    assert_eq!(references(&deletable), [UID]);
}

#[test]
fn other_owner_references_stay_and_predecessor_reference_goes() {
    let other = reference("Secret", "s", "uid-of-other", false);
    let predecessor = reference("BedrockModelMap", "claude", "uid-of-earlier", true);
    let doubled = reference("BedrockModelMap", "claude", UID, false);
    // (case, policy, references before, references after)
    let cases = [
        (
            "a predecessor",
            DeletionPolicy::Delete,
            vec![predecessor.clone()],
            vec![UID],
        ),
        (
            "a predecessor, to be retained",
            DeletionPolicy::Retain,
            vec![predecessor.clone()],
            vec![],
        ),
        (
            "another owner",
            DeletionPolicy::Delete,
            vec![other.clone()],
            vec!["uid-of-other", UID],
        ),
        (
            "another owner, to be retained",
            DeletionPolicy::Retain,
            vec![our_reference(), other.clone()],
            vec!["uid-of-other"],
        ),
        (
            "another owner and a predecessor",
            DeletionPolicy::Delete,
            vec![predecessor, other],
            vec!["uid-of-other", UID],
        ),
        (
            "ourselves without control",
            DeletionPolicy::Delete,
            vec![doubled],
            vec![UID],
        ),
    ];
    for (case, policy, before, after) in cases {
        let mut live = published(&owner(policy), &target());
        live.metadata.owner_references = metadata(&json!({}), &before).owner_references;
        let wanted = replaced(&owner(policy), &target(), &live);
        assert_eq!(references(&wanted), after, "{case}");
        let again = decide(&owner(policy), &target(), Some(&wanted));
        assert_eq!(again, Action::Nothing, "{case}");
    }
}

#[test]
fn metadata_of_other_managers_stays() {
    let owner = owner(DeletionPolicy::Delete);
    let mut live = published(&owner, &target());
    let (labels, annotations) = (&mut live.metadata.labels, &mut live.metadata.annotations);
    labels.as_mut().unwrap().insert("theirs".into(), "1".into());
    let annotations = annotations.as_mut().unwrap();
    annotations.insert("theirs".into(), "2".into());
    live.metadata.finalizers = Some(vec!["example.com/theirs".into()]);
    assert_eq!(decide(&owner, &target(), Some(&live)), Action::Nothing);

    live.data = None;
    let wanted = replaced(&owner, &target(), &live);
    assert_eq!(label(&wanted, "theirs"), Some("1"));
    assert_eq!(annotation(&wanted, "theirs"), Some("2"));
    assert_eq!(wanted.metadata.finalizers, live.metadata.finalizers);
}

/// An entry of `managedFields` in the form of the API server.
fn managed_by(manager: &str, labels: &[&str], annotations: &[&str]) -> ManagedFieldsEntry {
    let keys = |keys: &[&str]| -> Value {
        keys.iter()
            .map(|key| (format!("f:{key}"), json!({})))
            .chain([(".".to_owned(), json!({}))])
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let entry = json!({
        "manager": manager, "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1",
        "fieldsV1": {"f:metadata": {"f:labels": keys(labels), "f:annotations": keys(annotations)},
                     "f:data": {".": {}, "f:models.json": {}}},
    });
    serde_json::from_value(entry).unwrap()
}

#[test]
fn metadata_removed_from_spec_is_removed_and_that_of_others_stays() {
    let mut before = owner(DeletionPolicy::Delete);
    before.labels = BTreeMap::from([
        ("example.com/kept".into(), "1".into()),
        ("dropped".into(), "2".into()),
    ]);
    before.annotations = BTreeMap::from([("gone".into(), "3".into())]);
    let mut live = published(&before, &target());
    let labels = live.metadata.labels.as_mut().unwrap();
    labels.insert("theirs".into(), "4".into());
    live.metadata.managed_fields = Some(vec![
        managed_by(
            "bedrock-model-map",
            &[
                "example.com/kept",
                "dropped",
                LABEL_MANAGED_BY,
                LABEL_NAME,
                LABEL_CONTENT,
                LABEL_REGION,
            ],
            &["gone", ANNOTATION_SHA256],
        ),
        managed_by("kubectl", &["theirs"], &[]),
    ]);
    assert_eq!(
        decide(&before, &target(), Some(&live)),
        Action::Nothing,
        "managedFields are not drift"
    );

    let mut now = owner(DeletionPolicy::Delete);
    now.labels = BTreeMap::from([("example.com/kept".into(), "5".into())]);
    let wanted = replaced(&now, &target(), &live);
    assert_eq!(label(&wanted, "example.com/kept"), Some("5"));
    assert_eq!(label(&wanted, "dropped"), None);
    assert_eq!(annotation(&wanted, "gone"), None);
    assert_eq!(label(&wanted, "theirs"), Some("4"));
    assert_eq!(label(&wanted, LABEL_NAME), Some("claude"));
    assert_eq!(annotation(&wanted, ANNOTATION_SHA256), Some("abc"));
    assert_eq!(wanted.metadata.managed_fields, None);
}

#[test]
fn unreadable_managed_fields_remove_nothing() {
    let owner = owner(DeletionPolicy::Delete);
    let mut live = published(&owner, &target());
    let labels = live.metadata.labels.as_mut().unwrap();
    labels.insert("theirs".into(), "1".into());
    let entries = [
        json!({"manager": "bedrock-model-map"}),
        json!({"manager": "bedrock-model-map", "fieldsV1": {}}),
        json!({"manager": "bedrock-model-map", "fieldsV1": {"f:metadata": {"f:labels": 7}}}),
        json!({"manager": "bedrock-model-map",
               "fieldsV1": {"f:metadata": {"f:labels": {"theirs": {}}}}}),
        json!({"fieldsV1": {"f:metadata": {"f:labels": {"f:theirs": {}}}}}),
    ];
    for entry in entries {
        let entry = serde_json::from_value(entry).unwrap();
        live.metadata.managed_fields = Some(vec![entry]);
        assert_eq!(decide(&owner, &target(), Some(&live)), Action::Nothing);
    }
}

#[test]
fn user_metadata_cannot_override_operator_metadata() {
    let mut owner = owner(DeletionPolicy::Delete);
    owner.labels = BTreeMap::from([(LABEL_NAME.into(), "other".into())]);
    owner.annotations = BTreeMap::from([(ANNOTATION_SHA256.into(), "other".into())]);
    let created = published(&owner, &target());
    assert_eq!(label(&created, LABEL_NAME), Some("claude"));
    assert_eq!(annotation(&created, ANNOTATION_SHA256), Some("abc"));
}

#[test]
fn owner_is_read_from_resource() {
    let resource = json!({
        "apiVersion": "bedrock.modelmap.dev/v1alpha1",
        "kind": "BedrockModelMap",
        "metadata": {"name": "claude", "namespace": "team-a", "uid": UID},
        "spec": {"deletionPolicy": "Retain",
                 "output": {"labels": {"team": "a"}, "annotations": {"note": "b"}}},
    });
    let expected = Owner {
        labels: BTreeMap::from([("team".into(), "a".into())]),
        annotations: BTreeMap::from([("note".into(), "b".into())]),
        ..owner(DeletionPolicy::Retain)
    };
    let resource = serde_json::from_value(resource).unwrap();
    assert_eq!(Owner::from_resource(&resource), expected);
}

#[test]
fn immutable_config_map_is_recreated() {
    let owner = owner(DeletionPolicy::Delete);
    let mut live = published(&owner, &target());
    let labels = live.metadata.labels.as_mut().unwrap();
    labels.insert("theirs".into(), "1".into());
    let theirs = live.clone();
    live.immutable = Some(true);
    let Action::Recreate(wanted) = decide(&owner, &target(), Some(&live)) else {
        panic!("not recreated");
    };
    // The API server sets these on the new object.
    let mut expected = theirs;
    expected.metadata.uid = None;
    expected.metadata.resource_version = None;
    assert_eq!(*wanted, expected);

    live.metadata.owner_references =
        metadata(&json!({}), &[reference("Other", "x", "y", true)]).owner_references;
    assert_eq!(decide(&owner, &target(), Some(&live)), Action::Conflict);
}
