//! Random responses of Bedrock, valid and malformed.

use bedrock_model_map::api::{InferenceProfilesSpec, ModelsSpec};
use bedrock_model_map::bedrock::association::{RegionCatalog, associate};
use bedrock_model_map::bedrock::catalog::Snapshot;
use bedrock_model_map::bedrock::model::ModelSummary;
use bedrock_model_map::bedrock::profile::ProfileSummary;
use bedrock_model_map::bedrock::selection::Selection;
use jiff::Timestamp;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

/// Times in a response, and as they are published.
pub const TIMES: [(&str, &str); 6] = [
    ("2026-09-01T18:00:00Z", "2026-09-01T18:00:00Z"),
    ("2026-09-01T18:00:00.000Z", "2026-09-01T18:00:00Z"),
    ("2026-09-01T18:00:00.120+00:00", "2026-09-01T18:00:00.12Z"),
    ("2026-09-01T18:00:00.5+02:00", "2026-09-01T16:00:00.5Z"),
    ("2026-09-01", "2026-09-01"),
    ("soon", "soon"),
];

const MODEL_IDS: [&str; 7] = [
    "anthropic.claude-v1:0",
    "anthropic.claude-v1:0:24k",
    "amazon.nova",
    "amazon.nova ",
    "z",
    "with/slash",
    "\u{1F600}\"\\",
];

const PROFILE_IDS: [&str; 7] = [
    "us.claude",
    "eu.claude",
    "global.claude",
    "us-gov.nova",
    "a1b2c3",
    ".",
    "\u{e9}",
];

/// The lists of a response.
#[derive(Clone, Debug)]
pub struct Lists {
    pub models: Vec<Value>,
    pub profiles: Vec<Value>,
}

impl Lists {
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            models: self
                .models
                .iter()
                .cloned()
                .enumerate()
                .map(|(index, item)| ModelSummary::from_response(index, item).unwrap())
                .collect(),
            profiles: self
                .profiles
                .iter()
                .cloned()
                .enumerate()
                .map(|(index, item)| ProfileSummary::from_response(index, item).unwrap())
                .collect(),
            taken_at: Timestamp::UNIX_EPOCH,
        }
    }

    pub fn catalog(&self) -> RegionCatalog {
        let everything = Selection::new(&ModelsSpec::default(), &InferenceProfilesSpec::default());
        associate(&self.snapshot(), &everything)
    }
}

/// Models and profiles, some with the same ID and different content.
pub fn lists() -> impl Strategy<Value = Lists> {
    let model = (select(&MODEL_IDS[..]), model_fields());
    let profile = (select(&PROFILE_IDS[..]), profile_fields());
    let models = vec(
        model.prop_map(|(id, fields)| with("modelId", id, fields)),
        0..8,
    );
    let profiles = vec(
        profile.prop_map(|(id, fields)| with("inferenceProfileId", id, fields)),
        0..8,
    );
    (models, profiles).prop_map(|(models, profiles)| Lists { models, profiles })
}

/// One response in two orders; items with the same ID have the same content.
pub fn two_orders() -> impl Strategy<Value = (Lists, Lists)> {
    let models = btree_map(select(&MODEL_IDS[..]), (model_fields(), 1_usize..3), 0..7);
    let profiles = btree_map(
        select(&PROFILE_IDS[..]),
        (profile_fields(), 1_usize..3),
        0..7,
    );
    (models, profiles).prop_flat_map(|(models, profiles)| {
        let repeated = |key: &'static str, (id, (fields, times)): (_, (Map<_, _>, usize))| {
            vec![with(key, id, fields); times]
        };
        let lists = Lists {
            models: models
                .into_iter()
                .flat_map(|item| repeated("modelId", item))
                .collect(),
            profiles: profiles
                .into_iter()
                .flat_map(|item| repeated("inferenceProfileId", item))
                .collect(),
        };
        let shuffled = (
            Just(lists.models.clone()).prop_shuffle(),
            Just(lists.profiles.clone()).prop_shuffle(),
            any::<u64>(),
        );
        shuffled.prop_map(move |(mut models, mut profiles, rotation)| {
            let inner = models.iter_mut().flat_map(|model| {
                let fields = model.as_object_mut().unwrap().iter_mut();
                fields.filter(|(key, _)| SET_LIKE.contains(&key.as_str()))
            });
            inner.for_each(|(_, values)| rotate(values, rotation));
            for profile in &mut profiles {
                if let Some(models) = profile.get_mut("models") {
                    rotate(models, rotation);
                }
            }
            (lists.clone(), Lists { models, profiles })
        })
    })
}

const SET_LIKE: [&str; 4] = [
    "inputModalities",
    "outputModalities",
    "customizationsSupported",
    "inferenceTypesSupported",
];

fn rotate(values: &mut Value, rotation: u64) {
    if let Some(values) = values.as_array_mut().filter(|values| !values.is_empty()) {
        let by = usize::try_from(rotation).unwrap_or(0) % values.len();
        values.rotate_left(by);
        values.swap(0, by);
    }
}

fn with(key: &str, id: &str, mut fields: Map<String, Value>) -> Value {
    fields.insert(key.to_owned(), json!(id));
    Value::Object(fields)
}

/// An object with some of these keys.
fn object(keys: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Map<String, Value>> {
    let (keys, values): (Vec<_>, Vec<_>) = keys
        .into_iter()
        .map(|(key, value)| (key, option::of(value)))
        .unzip();
    values
        .prop_map(move |values| {
            keys.iter()
                .zip(values)
                .filter_map(|(key, value)| Some(((*key).to_owned(), value?)))
                .collect()
        })
        .boxed()
}

/// Values of the documented type, and sometimes any other value.
fn mostly(usual: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Value> {
    prop_oneof![6 => usual, 1 => anything()].boxed()
}

fn one_of(values: &'static [&'static str]) -> BoxedStrategy<Value> {
    select(values).prop_map(|value| json!(value)).boxed()
}

fn set_of(values: &'static [&'static str]) -> BoxedStrategy<Value> {
    mostly(vec(mostly(one_of(values)), 0..4).prop_map(Value::Array))
}

fn time() -> BoxedStrategy<Value> {
    mostly(select(&TIMES[..]).prop_map(|(response, _)| json!(response)))
}

fn anything() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        // Quarters: serde_json does not round-trip every other fraction, and the API has no fractions.
        any::<i32>().prop_map(|n| Value::from(f64::from(n) / 4.0)),
        ".{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::Array),
            btree_map("[a-c\u{e9}\"]{0,2}", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
    .boxed()
}

fn model_fields() -> BoxedStrategy<Map<String, Value>> {
    let lifecycle = object(vec![
        ("status", mostly(one_of(&["ACTIVE", "LEGACY", "WANING"]))),
        ("startOfLifeTime", time()),
        ("endOfLifeTime", time()),
    ]);
    object(vec![
        ("modelName", mostly(one_of(&["Claude", "Nova"]))),
        ("providerName", mostly(one_of(&["Anthropic", "Amazon"]))),
        ("inputModalities", set_of(&["TEXT", "IMAGE", "HOLOGRAM"])),
        ("outputModalities", set_of(&["TEXT", "VIDEO"])),
        ("customizationsSupported", set_of(&["FINE_TUNING"])),
        (
            "inferenceTypesSupported",
            set_of(&["ON_DEMAND", "PROVISIONED", "INFERENCE_PROFILE"]),
        ),
        (
            "responseStreamingSupported",
            mostly(any::<bool>().prop_map(Value::from)),
        ),
        ("modelLifecycle", mostly(lifecycle.prop_map(Value::Object))),
        ("brandNew", anything()),
        ("referencedByInstanceProfiles", anything()),
    ])
}

fn profile_fields() -> BoxedStrategy<Map<String, Value>> {
    let arn = prop_oneof![
        8 => (select(&["us-east-1", "us-west-2", ""][..]), select(&MODEL_IDS[..])).prop_map(
            |(region, id)| json!(format!("arn:aws:bedrock:{region}::foundation-model/{id}"))
        ),
        1 => one_of(&["", "/", "z", "arn:aws", "a/z/", "//z", "arn:aws:bedrock:x:y/z"]),
        1 => anything(),
    ];
    let entry = object(vec![("modelArn", arn.boxed()), ("more", anything())]);
    let entry = mostly(entry.prop_map(Value::Object));
    object(vec![
        ("inferenceProfileName", mostly(one_of(&["Claude"]))),
        ("createdAt", time()),
        ("updatedAt", time()),
        ("status", mostly(one_of(&["ACTIVE", "ACTIVE", "CREATING"]))),
        (
            "type",
            mostly(one_of(&["SYSTEM_DEFINED", "SYSTEM_DEFINED", "APPLICATION"])),
        ),
        ("models", mostly(vec(entry, 0..6).prop_map(Value::Array))),
        ("brandNew", anything()),
    ])
}
