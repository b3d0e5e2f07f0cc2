//! Effects in memory: a cluster and an AWS, in which the operator reconciles one resource.
//!
//! A seed determines the order of concurrent effects, and the operator can be killed before any
//! effect.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use bedrock_model_map::api::{
    AttemptError, BedrockModelMap, BedrockModelMapStatus, ErrorCode, LABEL_NAME, VerifiedConfigMap,
};
use bedrock_model_map::aws::priority::Priority;
use bedrock_model_map::bedrock::catalog::{PackedSnapshot, Snapshot};
use bedrock_model_map::publication::content::RegionContent;
use bedrock_model_map::publication::kept_metadata::kept_metadata;
use bedrock_model_map::publication::ownership::{Action, DesiredConfigMap, Owner, decide};
use bedrock_model_map::reconcile::contention::Repairs;
use bedrock_model_map::reconcile::status::detail::completed;
use bedrock_model_map::reconcile::status::events::Event;
use bedrock_model_map::reconcile::status::verified::{record, recorded};
use bedrock_model_map::reconcile::validate::ValidatedSpec;
use bedrock_model_map::reconcile::{Effects, Outcome, Reconciler, Seen, Work};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::environment::{Api, Environment};
use crate::answers::Lists;

pub const NAME: &str = "claude";
pub const NAMESPACE: &str = "team";
pub const UID: &str = "00000000-0000-4000-8000-000000000001";

/// Shortest time between the beginnings of two forced refreshes.
const FORCED_DISTANCE: SignedDuration = SignedDuration::from_secs(10);
/// More polls than any reconciliation needs.
const MAX_POLLS: u32 = 1_000_000;

/// Record of one reconciliation.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// Regions queried, with the earliest time of a snapshot that serves.
    pub queried: BTreeMap<String, Timestamp>,
    /// Regions fetched from AWS.
    pub fetched: BTreeSet<String>,
    /// Responses, fetched now or cached.
    pub got: BTreeMap<String, Result<Lists, ErrorCode>>,
    pub account_queried: bool,
    /// Written ConfigMaps, and `status`.
    pub written: Vec<String>,
    pub removed: Vec<String>,
    /// Names for which a foreign ConfigMap appeared between read and write.
    pub raced: BTreeSet<String>,
}

impl Trace {
    pub fn is_quiet(&self) -> bool {
        self.fetched.is_empty()
            && !self.account_queried
            && self.written.is_empty()
            && self.removed.is_empty()
    }
}

#[derive(Debug, Default)]
struct State {
    resource: BedrockModelMapStatus,
    config_maps: BTreeMap<String, ConfigMap>,
    version: u64,
    /// State that the operator loses when it ends.
    verified: BTreeMap<String, VerifiedConfigMap>,
    remembered: BTreeMap<String, (Lists, Arc<PackedSnapshot>)>,
    last_forced: Option<Timestamp>,
    repairs: BTreeMap<String, Repairs>,
    /// Foreign ConfigMaps that appear right before ours would be created.
    races: BTreeSet<String>,
    trace: Trace,
    effects_left: Option<u8>,
    killed: bool,
    random: u64,
}

/// The cluster, with an operator in it.
#[derive(Debug)]
pub struct Cluster {
    state: Mutex<State>,
    environment: Environment,
    rendering: Arc<Semaphore>,
}

/// End of a reconciliation.
#[derive(Debug)]
pub enum Ended {
    Completed(Box<Outcome>),
    /// The Kubernetes API failed.
    ApiDown,
    Killed,
}

impl Cluster {
    pub fn new(environment: Environment) -> Self {
        Self {
            state: Mutex::default(),
            environment,
            rendering: Arc::new(Semaphore::new(1)),
        }
    }

    pub fn environment(&mut self) -> &mut Environment {
        &mut self.environment
    }

    pub fn status(&self) -> BedrockModelMapStatus {
        self.state().resource.clone()
    }

    pub fn config_maps(&self) -> BTreeMap<String, ConfigMap> {
        self.state().config_maps.clone()
    }

    pub fn forced_refresh_from(&self) -> Timestamp {
        self.forced_refresh_may_begin_at(self.environment.now)
    }

    pub fn owner(&self) -> Owner {
        Owner::from_resource(&self.environment.resource())
    }

    /// Changes, creates or deletes a ConfigMap behind the operator's back.
    pub fn touch(&self, name: &str, change: impl FnOnce(Option<ConfigMap>) -> Option<ConfigMap>) {
        let mut state = self.state();
        let before = state.config_maps.remove(name);
        if let Some(after) = change(before) {
            state.put(name, after);
        }
    }

    /// Creates a foreign ConfigMap as soon as the operator has read that none exists.
    pub fn arm_race(&self, name: &str) {
        self.state().races.insert(name.to_owned());
    }

    /// Cancels the races that have not happened.
    pub fn disarm_races(&self) {
        self.state().races.clear();
    }

    /// Restarts the operator.
    pub fn forget(&self) {
        self.state().restart();
    }

    /// Reconciles the resource, and kills the operator before its effect number `kill_before`.
    pub fn reconcile(&self, kill_before: Option<u8>, order: u64) -> (Ended, Trace) {
        let mut resource = self.environment.resource();
        {
            let mut state = self.state();
            state.trace = Trace::default();
            state.effects_left = kill_before;
            state.random = order | 1;
            // The record is kept apart.
            let verified = None;
            let status = state.resource.clone();
            resource.status = Some(BedrockModelMapStatus { verified, ..status });
        }
        // The operator does not keep the compact mapping in memory.
        let regions = resource
            .status
            .iter_mut()
            .flat_map(|s| s.regions.values_mut());
        regions.for_each(|region| region.mapping = None);
        let settings = self.settings(&resource);
        let ended = {
            let reconciler = Reconciler {
                resource: &resource,
                settings: settings.as_ref(),
                now: self.environment.now,
                effects: self,
            };
            let mut future = pin!(reconciler.reconcile());
            let mut context = Context::from_waker(Waker::noop());
            let mut polls = 0;
            loop {
                polls += 1;
                assert!(polls < MAX_POLLS, "the reconciliation makes no progress");
                match future.as_mut().poll(&mut context) {
                    Poll::Ready(Ok(outcome)) => break Ended::Completed(Box::new(outcome)),
                    Poll::Ready(Err(_)) => break Ended::ApiDown,
                    Poll::Pending if self.state().killed => break Ended::Killed,
                    Poll::Pending => {}
                }
            }
        };
        let mut state = self.state();
        if std::mem::take(&mut state.killed) {
            state.restart();
        }
        (ended, std::mem::take(&mut state.trace))
    }

    fn settings(&self, resource: &BedrockModelMap) -> Result<ValidatedSpec, AttemptError> {
        if self.environment.spec.refused {
            return Err(AttemptError::new(ErrorCode::RoleNotAllowed, "no"));
        }
        Ok(ValidatedSpec::of(resource).unwrap())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Yields to other effects at random; never returns if the operator is killed.
    async fn yield_to_others(&self) {
        let mut rounds = {
            let mut state = self.state();
            match &mut state.effects_left {
                Some(0) => state.killed = true,
                Some(left) => *left -= 1,
                None => {}
            }
            state.next_random() % 4
        };
        poll_fn(|context| {
            context.waker().wake_by_ref();
            if self.state().killed || rounds > 0 {
                rounds = rounds.saturating_sub(1);
                return Poll::Pending;
            }
            Poll::Ready(())
        })
        .await;
    }

    fn write(
        &self,
        target: &DesiredConfigMap,
        mut seen: Option<ConfigMap>,
    ) -> Result<bool, AttemptError> {
        let owner = self.owner();
        let name = &target.name;
        let mut state = self.state();
        state.verified.remove(name);
        for _ in 0..3 {
            let wanted = match decide(&owner, target, seen.as_ref()) {
                Action::Conflict => {
                    return Err(AttemptError::new(ErrorCode::TargetConflict, "foreign"));
                }
                Action::Nothing => {
                    state.verify(name, &target.inputs);
                    return Ok(false);
                }
                Action::Create(wanted) | Action::Replace(wanted) | Action::Recreate(wanted) => {
                    *wanted
                }
            };
            if self.environment.api == Api::RefusesWrites {
                return Err(AttemptError::new(ErrorCode::WriteFailed, "quota"));
            }
            if seen.is_none() && state.races.remove(name) {
                state.put(name, super::environment::foreign(name));
                state.trace.raced.insert(name.clone());
            }
            let live = state.config_maps.get(name);
            if version(live) == version(seen.as_ref()) {
                state.put(name, wanted);
                state.verify(name, &target.inputs);
                state.trace.written.push(name.clone());
                return Ok(true);
            }
            seen = live.cloned();
        }
        Err(AttemptError::new(
            ErrorCode::WriteFailed,
            "it changes all the time",
        ))
    }
}

fn version(config_map: Option<&ConfigMap>) -> Option<&str> {
    config_map?.metadata.resource_version.as_deref()
}

impl State {
    /// The next process knows what the status and the ConfigMaps hold.
    fn restart(&mut self) {
        self.verified = recorded(self.resource.verified.clone());
        self.remembered.clear();
        self.last_forced = None;
        self.repairs.clear();
    }

    fn next_random(&mut self) -> u64 {
        // xorshift64
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random >> 8
    }

    fn put(&mut self, name: &str, mut config_map: ConfigMap) {
        self.version += 1;
        config_map.metadata.resource_version = Some(self.version.to_string());
        let uid = || format!("uid-{}", self.version);
        config_map.metadata.uid.get_or_insert_with(uid);
        self.config_maps.insert(name.to_owned(), config_map);
    }

    fn verify(&mut self, name: &str, inputs: &str) {
        let live = version(self.config_maps.get(name)).map(str::to_owned);
        let verified = VerifiedConfigMap {
            resource_version: live.unwrap(),
            inputs: inputs.to_owned(),
            bytes: 0,
        };
        self.verified.insert(name.to_owned(), verified);
    }
}

impl Effects for Cluster {
    type Error = String;
    type RenderPermit = OwnedSemaphorePermit;

    /// One permit in all: a holder that acquires a second one deadlocks.
    async fn render_permit(&self, _: Work) -> OwnedSemaphorePermit {
        Arc::clone(&self.rendering).acquire_owned().await.unwrap()
    }

    async fn read(&self, config_map: &str) -> Result<Option<ConfigMap>, String> {
        self.yield_to_others().await;
        assert!(!config_map.is_empty(), "a ConfigMap without a name is read");
        if self.environment.api == Api::Down {
            return Err("down".to_owned());
        }
        Ok(self.state().config_maps.get(config_map).cloned())
    }

    async fn apply(&self, target: &DesiredConfigMap, seen: Seen) -> Result<bool, AttemptError> {
        self.yield_to_others().await;
        let seen = match seen {
            Seen::Read(seen) => seen.map(|seen| *seen),
            Seen::Unread if self.is_labelled(&target.name) => self
                .read(&target.name)
                .await
                .map_err(|error| AttemptError::new(ErrorCode::WriteFailed, error))?,
            Seen::Unread => None,
        };
        self.write(target, seen)
    }

    async fn remove(&self, seen: &ObjectMeta) -> Result<bool, String> {
        self.yield_to_others().await;
        let name = seen.name.clone().unwrap();
        let mut state = self.state();
        let live = version(state.config_maps.get(&name));
        if live != seen.resource_version.as_deref() {
            return Ok(false);
        }
        state.config_maps.remove(&name);
        state.trace.removed.push(name);
        Ok(true)
    }

    async fn report(&self, status: &BedrockModelMapStatus, _: Vec<Event>) -> Result<(), String> {
        self.yield_to_others().await;
        if self.environment.api == Api::Down {
            return Err("down".to_owned());
        }
        let mut state = self.state();
        let mut live = state.resource.clone();
        live.verified = None;
        let detail = self.environment.spec.detail();
        let wanted = completed(status.clone(), Some(&live), detail);
        if wanted != live {
            let verified = record(&wanted, state.verified.clone());
            state.resource = BedrockModelMapStatus { verified, ..wanted };
            state.trace.written.push("status".to_owned());
        }
        Ok(())
    }

    fn request_known_since(&self, _: &str, now: Timestamp) -> Timestamp {
        now
    }

    fn forced_refresh_may_begin_at(&self, now: Timestamp) -> Timestamp {
        let last = self.state().last_forced.filter(|last| *last <= now);
        last.map_or(now, |last| now.max(last + FORCED_DISTANCE))
    }

    fn begin_forced_refresh(&self, now: Timestamp) {
        self.state().last_forced = Some(now);
    }

    fn repairs(&self) -> BTreeMap<String, Repairs> {
        self.state().repairs.clone()
    }

    fn repairs_of(&self, config_map: &str) -> Repairs {
        let repairs = &self.state().repairs;
        repairs.get(config_map).cloned().unwrap_or_default()
    }

    fn record_repair(&self, config_map: &str, repairs: Repairs) {
        self.state().repairs.insert(config_map.to_owned(), repairs);
    }

    async fn query(
        &self,
        region: &str,
        not_before: Timestamp,
        _: Priority,
    ) -> Result<Arc<PackedSnapshot>, AttemptError> {
        self.yield_to_others().await;
        let mut state = self.state();
        state.trace.queried.insert(region.to_owned(), not_before);
        let known = state.remembered.get(region).cloned();
        let known =
            known.filter(|(_, k)| (not_before..=self.environment.now).contains(&k.taken_at));
        let (lists, snapshot) = if let Some(known) = known {
            known
        } else {
            state.trace.fetched.insert(region.to_owned());
            let answer = self.environment.answer(region);
            let got = answer.clone().map_err(|e| e.code);
            state.trace.got.insert(region.to_owned(), got);
            let lists = answer?;
            let taken_at = self.environment.now;
            let snapshot = Snapshot {
                taken_at,
                ..lists.snapshot()
            };
            let packed = PackedSnapshot::new(&snapshot).unwrap();
            (lists, Arc::new(packed))
        };
        state.trace.got.insert(region.to_owned(), Ok(lists.clone()));
        let kept = (lists, Arc::clone(&snapshot));
        state.remembered.insert(region.to_owned(), kept);
        Ok(snapshot)
    }

    async fn list_account_regions(&self, _: Timestamp) -> Result<Vec<String>, AttemptError> {
        self.yield_to_others().await;
        self.state().trace.account_queried = true;
        self.environment.account_answer()
    }

    fn last_snapshot(&self, region: &str) -> Option<Arc<PackedSnapshot>> {
        self.state()
            .remembered
            .get(region)
            .map(|(_, s)| Arc::clone(s))
    }

    fn share(&self, _: &str, bytes: Arc<str>) -> Arc<str> {
        bytes
    }

    fn rendered<E>(
        &self,
        _: String,
        render: impl FnOnce() -> Result<RegionContent, E>,
    ) -> Result<RegionContent, E> {
        render()
    }

    fn is_unchanged(&self, config_map: &str) -> bool {
        let state = self.state();
        let live = version(state.config_maps.get(config_map));
        let verified = state.verified.get(config_map);
        live.is_some() && live == verified.map(|v| v.resource_version.as_str())
    }

    fn is_current(&self, config_map: &str, inputs: &str) -> bool {
        let has_inputs = |verified: &VerifiedConfigMap| verified.inputs == inputs;
        self.state()
            .verified
            .get(config_map)
            .is_some_and(has_inputs)
            && self.is_unchanged(config_map)
    }

    fn is_labelled(&self, config_map: &str) -> bool {
        let state = self.state();
        let metadata = state.config_maps.get(config_map).map(|c| &c.metadata);
        metadata.is_some_and(|m| {
            m.labels
                .as_ref()
                .is_some_and(|l| l.contains_key(LABEL_NAME))
        })
    }

    fn labelled_config_maps(&self) -> Vec<ObjectMeta> {
        let state = self.state();
        let metadata = state.config_maps.values().map(|c| c.metadata.clone());
        let ours = |m: &ObjectMeta| {
            let labels = m.labels.as_ref();
            labels
                .and_then(|l| l.get(LABEL_NAME))
                .is_some_and(|n| n == NAME)
        };
        metadata.filter(ours).map(kept_metadata).collect()
    }

    async fn compute<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        work()
    }

    fn now(&self) -> Timestamp {
        self.environment.now
    }
}
