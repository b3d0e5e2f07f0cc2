//! Observes every version of every `ConfigMap`, and records broken invariants.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Api, ResourceExt as _};
use serde_json::Value;
use tokio::task::JoinHandle;

/// Gone when dropped.
pub struct ConfigMapObserver {
    invariants: Arc<Mutex<Invariants>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Invariants {
    /// Every `models.json` that a region may ever have had.
    valid: BTreeSet<String>,
    /// Regions' `ConfigMaps` that were there, and since the last relist.
    seen: BTreeSet<String>,
    listed: BTreeSet<String>,
    versions: usize,
    broken: Vec<String>,
}

impl ConfigMapObserver {
    /// Of all of them; the foreign one has this in `data`.
    pub fn new(api: Api<ConfigMap>, foreign: ConfigMap) -> Self {
        let invariants = Arc::new(Mutex::new(Invariants::default()));
        let shared = Arc::clone(&invariants);
        let task = tokio::spawn(async move {
            let events = watcher(api, Config::default()).default_backoff();
            let mut events = std::pin::pin!(events);
            while let Some(event) = events.next().await {
                // What breaks the watch is what the tests do.
                if let Ok(event) = event {
                    shared.lock().unwrap().observe(event, &foreign);
                }
            }
        });
        Self { invariants, task }
    }

    /// Adds a valid `models.json`.
    pub fn allow(&self, models_json: String) {
        self.invariants.lock().unwrap().valid.insert(models_json);
    }

    /// The invariants that were broken.
    pub fn broken(&self) -> Vec<String> {
        self.invariants.lock().unwrap().broken.clone()
    }

    /// How many versions were seen.
    pub fn versions(&self) -> usize {
        self.invariants.lock().unwrap().versions
    }
}

impl Drop for ConfigMapObserver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Invariants {
    fn observe(&mut self, event: Event<ConfigMap>, foreign: &ConfigMap) {
        match event {
            Event::Apply(config_map) => self.check(&config_map, foreign),
            Event::Init => self.listed.clear(),
            Event::InitApply(config_map) => {
                self.listed.insert(config_map.name_any());
                self.check(&config_map, foreign);
            }
            Event::InitDone => {
                let gone: Vec<&String> = self.seen.difference(&self.listed).collect();
                if !gone.is_empty() {
                    self.broken.push(format!("{gone:?} are gone"));
                }
            }
            Event::Delete(config_map) => {
                self.broken
                    .push(format!("{} was deleted", config_map.name_any()));
            }
        }
    }

    fn check(&mut self, config_map: &ConfigMap, foreign: &ConfigMap) {
        let name = config_map.name_any();
        self.versions += 1;
        if name == foreign.name_any() {
            if config_map.data != foreign.data || config_map.labels() != foreign.labels() {
                self.broken
                    .push(format!("{name} is foreign and has changed"));
            }
            return;
        }
        if !config_map
            .labels()
            .contains_key("bedrock.modelmap.dev/region")
        {
            return;
        }
        self.seen.insert(name.clone());
        let models = config_map
            .data
            .as_ref()
            .and_then(|data| data.get("models.json"));
        if !models.is_some_and(|models| self.valid.contains(models)) {
            self.broken
                .push(format!("{name} holds what no region answered"));
        }
        let file = |file| config_map.data.as_ref()?.get(file).cloned();
        for part in ["invocation.json", "metadata.json"] {
            let json: Option<Value> = file(part).and_then(|text| serde_json::from_str(&text).ok());
            if json.is_none() {
                self.broken.push(format!("{name} has no {part}"));
            }
        }
    }
}
