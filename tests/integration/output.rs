//! What `spec.output` makes of the same answers.

use serde_json::json;

use crate::oracle;
use crate::support::{Fixture, condition, mapping_json, mapping_value, whole_catalog};
use kube::ResourceExt as _;

#[tokio::test]
async fn spec_compression_decides_mapping_format() {
    let fixture = Fixture::with_regions(&["us-west-1"]).await;
    let spec = json!({"regions": ["us-west-1"]});
    fixture.create("claude", spec).await;
    let is_compressed = async || {
        fixture.sound("claude").await;
        let mapping = fixture.config_map("claude-mapping").await;
        let expected = oracle::mapping_json(&fixture.simulator.catalog(), ["us-west-1"]);
        assert!(mapping_json(&mapping) == expected);
        mapping.binary_data.is_some()
    };
    assert!(!is_compressed().await);
    for (compression, compressed) in [("Always", true), ("Never", false), ("Auto", false)] {
        fixture
            .patch(
                "claude",
                json!({"spec": {"output": {"compression": compression}}}),
            )
            .await;
        assert_eq!(is_compressed().await, compressed, "{compression}");
    }
}

#[tokio::test]
async fn mapping_over_one_mebibyte_is_refused_and_regions_are_published() {
    let fixture = Fixture::new(whole_catalog(), &[]).await;
    fixture
        .create("large", json!({"output": {"compression": "Never"}}))
        .await;
    let resource = fixture.sound("large").await;
    let [ready, reason, message] = condition(&resource, "Ready");
    assert_eq!([ready, reason], ["False", "PayloadTooLarge"]);
    assert!(message.contains("compression"), "{message}");
    assert_eq!(
        condition(&resource, "Stalled")[..2],
        ["True", "PayloadTooLarge"]
    );
    let config_maps = fixture.config_maps("large").await;
    assert_eq!(config_maps.len(), 31);
    assert!(!config_maps.contains_key("large-mapping"));

    fixture
        .patch(
            "large",
            json!({"spec": {"output": {"compression": "Auto"}}}),
        )
        .await;
    let resource = fixture.sound("large").await;
    assert_eq!(condition(&resource, "Ready")[0], "True");
    assert_eq!(condition(&resource, "Stalled"), [""; 3]);
    let last_good = fixture.config_map("large-mapping").await;

    fixture
        .patch(
            "large",
            json!({"spec": {"output": {"compression": "Never"}}}),
        )
        .await;
    let resource = fixture.settled("large").await;
    assert_eq!(condition(&resource, "Stalled")[1], "PayloadTooLarge");
    let kept = fixture.config_map("large-mapping").await;
    assert_eq!(kept.resource_version(), last_good.resource_version());
}

#[tokio::test]
async fn status_detail_decides_status_content() {
    let fixture = Fixture::with_regions(&["us-west-1"]).await;
    let spec = json!({"regions": ["us-west-1"], "output": {"statusDetail": "Summary"}});
    fixture.create("claude", spec).await;
    let mapping = async || {
        let resource = fixture.sound("claude").await;
        resource.status.unwrap().regions["us-west-1"]
            .mapping
            .clone()
    };
    assert_eq!(mapping().await, None);
    fixture
        .patch(
            "claude",
            json!({"spec": {"output": {"statusDetail": "Mapping"}}}),
        )
        .await;
    assert_eq!(mapping().await.unwrap().len(), 39);
}

#[tokio::test]
async fn user_labels_and_annotations_are_added_and_removed() {
    let fixture = Fixture::with_regions(&["us-west-1"]).await;
    let output = json!({"labels": {"team": "a", "tier": "1"}, "annotations": {"note": "x"}});
    fixture
        .create(
            "claude",
            json!({"regions": ["us-west-1"], "output": output}),
        )
        .await;
    fixture.sound("claude").await;
    // What others put on the object is theirs.
    for name in ["claude-us-west-1", "claude-mapping"] {
        let theirs =
            json!({"metadata": {"labels": {"theirs": "l"}, "annotations": {"theirs": "a"}}});
        fixture.patch_config_map(name, theirs).await;
    }
    let shown = async || {
        fixture.sound("claude").await;
        let mut shown = Vec::new();
        for name in ["claude-us-west-1", "claude-mapping"] {
            let published = fixture.config_map(name).await;
            let labels = published.labels();
            let labels = ["team", "tier", "theirs"].map(|key| labels.get(key).cloned());
            let annotations = published.annotations();
            let annotations = ["note", "theirs"].map(|key| annotations.get(key).cloned());
            shown.push(json!([labels, annotations]));
        }
        assert_eq!(shown[0], shown[1]);
        shown.remove(0)
    };
    assert_eq!(shown().await, json!([["a", "1", "l"], ["x", "a"]]));
    let output = json!({"labels": {"team": "b", "tier": null}, "annotations": {"note": null}});
    fixture
        .patch("claude", json!({"spec": {"output": output}}))
        .await;
    assert_eq!(shown().await, json!([["b", null, "l"], [null, "a"]]));
}

#[tokio::test]
async fn removed_regions_and_mapping_are_pruned() {
    let fixture = Fixture::with_regions(&["us-west-1", "eu-central-2", "ap-east-2"]).await;
    let names = async || {
        fixture.sound("claude").await;
        fixture
            .config_maps("claude")
            .await
            .into_keys()
            .collect::<Vec<_>>()
    };
    fixture.create("claude", json!({})).await;
    let all = [
        "claude-ap-east-2",
        "claude-eu-central-2",
        "claude-mapping",
        "claude-us-west-1",
    ];
    assert_eq!(names().await, all);
    fixture
        .patch(
            "claude",
            json!({"spec": {"regions": ["us-west-1", "eu-central-2"]}}),
        )
        .await;
    assert_eq!(
        names().await,
        ["claude-eu-central-2", "claude-mapping", "claude-us-west-1"]
    );
    let mapping = mapping_value(&fixture.config_map("claude-mapping").await);
    let regions: Vec<&String> = mapping["models"].as_object().unwrap().keys().collect();
    assert_eq!(regions, ["eu-central-2", "us-west-1"]);
    fixture
        .patch(
            "claude",
            json!({"spec": {"output": {"configMapPrefix": "other.name"}}}),
        )
        .await;
    assert_eq!(
        names().await,
        [
            "other.name-eu-central-2",
            "other.name-mapping",
            "other.name-us-west-1"
        ]
    );
    // A region of which nothing is left has no ConfigMap and is not in the mapping.
    let only_here = "nowhere.*";
    fixture
        .patch(
            "claude",
            json!({"spec": {"models": {"include": [only_here]}}}),
        )
        .await;
    assert_eq!(names().await, ["other.name-mapping"]);
    let mapping = mapping_json(&fixture.config_map("other.name-mapping").await);
    assert_eq!(mapping, r#"{"models":{}}"#);
}
