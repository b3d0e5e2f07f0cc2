//! The operations as clients see them, without faults.

use crate::client::{Answer, MODELS, PROFILES, REGIONS, ask, escaped, send, signature};
use bedrock_simulator::{Catalog, Operation, RecordedRequest, RegionOptStatus, Simulator};
use serde_json::{Value, json};

async fn real() -> Simulator {
    Simulator::start(Catalog::real().unwrap()).await.unwrap()
}

async fn list_regions(simulator: &Simulator, body: &Value) -> Answer {
    let signature = signature("AKIDEXAMPLE", "us-east-1");
    send(simulator.address(), REGIONS, &signature, &body.to_string())
        .await
        .unwrap()
}

#[tokio::test]
async fn every_region_lists_its_own_models() {
    let simulator = real().await;
    let catalog = Catalog::real().unwrap();
    assert_eq!(catalog.regions().count(), 31);
    for region in catalog.regions() {
        let answer = ask(simulator.address(), region, MODELS).await;
        assert_eq!(
            answer.json(),
            json!({"modelSummaries": catalog.models(region)}),
            "{region}"
        );
    }
}

#[tokio::test]
async fn profile_list_without_type_is_system_defined_only() {
    let simulator = real().await;
    let types = async |query: &str| {
        let answer = ask(
            simulator.address(),
            "us-east-1",
            &format!("{PROFILES}?maxResults=1000{query}"),
        )
        .await;
        let json = answer.json();
        let profiles = json["inferenceProfileSummaries"]
            .as_array()
            .unwrap()
            .clone();
        let mut types: Vec<String> = profiles
            .iter()
            .map(|profile| profile["type"].to_string())
            .collect();
        types.dedup();
        (types.join(" "), profiles.len())
    };
    assert_eq!(types("").await, ("\"SYSTEM_DEFINED\"".to_owned(), 94));
    assert_eq!(
        types("&type=SYSTEM_DEFINED").await,
        ("\"SYSTEM_DEFINED\"".to_owned(), 94)
    );
    assert_eq!(
        types("&type=APPLICATION").await,
        ("\"APPLICATION\"".to_owned(), 3)
    );
    let unknown = ask(
        simulator.address(),
        "us-east-1",
        &format!("{PROFILES}?type=BOTH"),
    )
    .await;
    assert_eq!(
        unknown.header("x-amzn-errortype"),
        Some("ValidationException")
    );
}

#[tokio::test]
async fn pages_add_up_to_the_list() {
    let simulator = real().await;
    let all = ask(simulator.address(), "us-east-1", PROFILES).await.ids();
    let (mut ids, mut token, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let request = format!("{PROFILES}?maxResults=40{token}");
        let page = ask(simulator.address(), "us-east-1", &request).await;
        ids.extend(page.ids());
        pages += 1;
        let Some(next) = page.next_token() else { break };
        token = format!("&nextToken={}", escaped(&next));
    }
    assert_eq!((ids, pages), (all, 3));
}

#[tokio::test]
async fn default_page_has_one_hundred_items() {
    let profile =
        |number| json!({"inferenceProfileId": format!("p{number}"), "type": "SYSTEM_DEFINED"});
    let mut catalog = Catalog::new();
    catalog.set_profiles("us-east-1", (0..101).map(profile).collect());
    let simulator = Simulator::start(catalog).await.unwrap();
    let page = ask(simulator.address(), "us-east-1", PROFILES).await;
    assert_eq!(page.ids().len(), 100);
    assert!(page.next_token().is_some());
}

#[tokio::test]
async fn invalid_parameters_are_rejected() {
    let simulator = real().await;
    for query in [
        "maxResults=0",
        "maxResults=1001",
        "maxResults=many",
        "nextToken=made-up",
    ] {
        let answer = ask(
            simulator.address(),
            "us-east-1",
            &format!("{PROFILES}?{query}"),
        )
        .await;
        assert_eq!(answer.status, 400, "{query}");
        assert_eq!(
            answer.header("x-amzn-errortype"),
            Some("ValidationException")
        );
        assert!(answer.json()["message"].is_string());
    }
}

#[tokio::test]
async fn account_service_lists_regions() {
    let simulator = real().await;
    simulator.edit_catalog(|catalog| {
        catalog.set_status("af-south-1", RegionOptStatus::Disabled);
    });
    let all = list_regions(&simulator, &json!({})).await.json();
    assert_eq!(all["Regions"].as_array().unwrap().len(), 31);
    assert_eq!(
        all["Regions"][0],
        json!({"RegionName": "af-south-1", "RegionOptStatus": "DISABLED"})
    );
    assert_eq!(all.get("NextToken"), None);

    let enabled =
        json!({"RegionOptStatusContains": ["ENABLED", "ENABLED_BY_DEFAULT"], "MaxResults": 20});
    let first = list_regions(&simulator, &enabled).await.json();
    assert_eq!(first["Regions"].as_array().unwrap().len(), 20);
    let rest = json!({"RegionOptStatusContains": ["ENABLED", "ENABLED_BY_DEFAULT"], "NextToken": first["NextToken"]});
    let second = list_regions(&simulator, &rest).await.json();
    assert_eq!(second["Regions"].as_array().unwrap().len(), 10);
    assert_eq!(
        list_regions(&simulator, &json!({"MaxResults": 51}))
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn unknown_or_disabled_region_rejects_client() {
    let simulator = real().await;
    simulator.edit_catalog(|catalog| {
        catalog.set_status("af-south-1", RegionOptStatus::Disabled);
    });
    for region in ["nowhere-east-1", "af-south-1"] {
        let answer = ask(simulator.address(), region, MODELS).await;
        assert_eq!(answer.status, 403);
        assert_eq!(
            answer.header("x-amzn-errortype"),
            Some("UnrecognizedClientException")
        );
    }
}

#[tokio::test]
async fn catalog_can_be_changed_at_run_time() {
    let simulator = real().await;
    let before = ask(simulator.address(), "us-west-2", MODELS).await.ids();
    simulator.edit_catalog(|catalog| {
        catalog.remove_model("us-west-2", &before[0]);
    });
    assert_eq!(
        ask(simulator.address(), "us-west-2", MODELS).await.ids(),
        before[1..]
    );
    simulator.edit_catalog(|catalog| {
        catalog.set_models("us-west-2", Vec::new());
    });
    assert_eq!(
        ask(simulator.address(), "us-west-2", MODELS).await.json(),
        json!({"modelSummaries": []})
    );
    assert_eq!(simulator.catalog().models("us-west-2"), [] as [Value; 0]);
}

#[tokio::test]
async fn every_request_is_counted() {
    let simulator = real().await;
    ask(simulator.address(), "us-east-1", MODELS).await;
    ask(
        simulator.address(),
        "us-east-1",
        &format!("{PROFILES}?type=APPLICATION"),
    )
    .await;
    ask(simulator.address(), "nowhere-east-1", MODELS).await;
    let unsigned = send(simulator.address(), MODELS, "", "").await.unwrap();
    assert_eq!(unsigned.status, 403);
    assert_eq!(
        unsigned.header("x-amzn-errortype"),
        Some("MissingAuthenticationTokenException")
    );

    assert_eq!(simulator.total(), 4);
    assert_eq!(
        simulator.count("us-east-1", Operation::ListFoundationModels),
        1
    );
    assert_eq!(
        simulator.count("us-east-1", Operation::ListInferenceProfiles),
        1
    );
    assert_eq!(
        simulator.count("eu-west-1", Operation::ListFoundationModels),
        0
    );
    let application = RecordedRequest {
        region: "us-east-1".to_owned(),
        operation: Operation::ListInferenceProfiles,
        identity: "AKIDEXAMPLE".to_owned(),
        profile_type: Some("APPLICATION".to_owned()),
        session: None,
    };
    assert_eq!(simulator.requests()[1], application);
    simulator.reset_counts();
    assert_eq!(simulator.total(), 0);
}

#[tokio::test]
async fn region_catalog_is_read_and_changed_over_http() {
    let simulator = real().await;
    let admin = async |method: &str, body: &str| {
        let request = format!("{method} /_simulator/catalog/us-east-1");
        let json = "Content-Type: application/json\r\n";
        send(simulator.address(), &request, json, body)
            .await
            .unwrap()
    };
    let mut listings = admin("GET", "").await.json();
    let models = listings["modelSummaries"].as_array_mut().unwrap();
    let one = models.swap_remove(0);
    *models = vec![one.clone()];
    assert_eq!(admin("PUT", &listings.to_string()).await.status, 204);

    let answer = ask(simulator.address(), "us-east-1", MODELS).await;
    assert_eq!(answer.json(), json!({"modelSummaries": [one]}));
    let other = ask(simulator.address(), "eu-central-1", MODELS).await;
    assert!(other.ids().len() > 1);
    let profiles = simulator.catalog().profiles("us-east-1").to_vec();
    assert_eq!(listings["inferenceProfileSummaries"], json!(profiles));
    assert_eq!(admin("PUT", "{}").await.status, 422);
}
