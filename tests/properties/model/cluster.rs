//! A cluster and an AWS in memory, and the operator's look at one resource in them.
//!
//! Every effect takes its turn in an order that follows from a seed, and the operator can be killed
//! before any of them.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use bedrock_model_map::api::{
    AttemptError, BedrockModelMap, BedrockModelMapStatus, ErrorCode, LABEL_NAME,
};
use bedrock_model_map::aws::priority::Priority;
use bedrock_model_map::bedrock::catalog::Snapshot;
use bedrock_model_map::publication::ownership::{Action, DesiredConfigMap, Owner, decide};
use bedrock_model_map::reconcile::status::detail::completed;
use bedrock_model_map::reconcile::status::events::Event;
use bedrock_model_map::reconcile::validate::ValidatedSpec;
use bedrock_model_map::reconcile::{Effects, Outcome, Reconciler, Work};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::outside::{Api, Outside};
use crate::answers::Lists;

pub const NAME: &str = "claude";
pub const NAMESPACE: &str = "team";
pub const UID: &str = "00000000-0000-4000-8000-000000000001";

/// More than any look takes to end.
const MAX_POLLS: u32 = 1_000_000;

/// What one look did.
#[derive(Clone, Debug, Default)]
pub struct Traces {
    /// Regions whose answer was wanted, and from when on.
    pub asked: BTreeMap<String, Timestamp>,
    /// Regions that AWS was asked for.
    pub fetched: BTreeSet<String>,
    /// What came, asked now or before.
    pub got: BTreeMap<String, Result<Lists, ErrorCode>>,
    pub account_asked: bool,
    /// ConfigMaps written, and the status.
    pub written: Vec<String>,
    pub removed: Vec<String>,
    /// Names of which a foreign ConfigMap came between read and write.
    pub raced: BTreeSet<String>,
}

impl Traces {
    pub fn is_quiet(&self) -> bool {
        self.fetched.is_empty()
            && !self.account_asked
            && self.written.is_empty()
            && self.removed.is_empty()
    }
}

#[derive(Debug, Default)]
struct State {
    resource: BedrockModelMapStatus,
    config_maps: BTreeMap<String, ConfigMap>,
    version: u64,
    /// What the operator forgets when it ends.
    verified: BTreeMap<String, String>,
    remembered: BTreeMap<String, (Lists, Arc<Snapshot>)>,
    /// Foreign ConfigMaps that appear right before ours would be created.
    ambush: BTreeSet<String>,
    traces: Traces,
    effects_left: Option<u8>,
    killed: bool,
    random: u64,
}

/// The cluster, with an operator in it.
#[derive(Debug)]
pub struct Cluster {
    state: Mutex<State>,
    outside: Outside,
    rendering: Arc<Semaphore>,
}

/// How a look ended.
#[derive(Debug)]
pub enum Ended {
    Whole(Box<Outcome>),
    /// The Kubernetes API did not answer.
    Broken,
    Killed,
}

impl Cluster {
    pub fn new(outside: Outside) -> Self {
        Self {
            state: Mutex::default(),
            outside,
            rendering: Arc::new(Semaphore::new(1)),
        }
    }

    pub fn outside(&mut self) -> &mut Outside {
        &mut self.outside
    }

    pub fn status(&self) -> BedrockModelMapStatus {
        self.state().resource.clone()
    }

    pub fn config_maps(&self) -> BTreeMap<String, ConfigMap> {
        self.state().config_maps.clone()
    }

    pub fn owner(&self) -> Owner {
        Owner::from_resource(&self.outside.resource())
    }

    /// Another's hand: changes the ConfigMap, or puts one there, or takes it away.
    pub fn touch(&self, name: &str, change: impl FnOnce(Option<ConfigMap>) -> Option<ConfigMap>) {
        let mut state = self.state();
        let before = state.config_maps.remove(name);
        if let Some(after) = change(before) {
            state.put(name, after);
        }
    }

    /// A foreign ConfigMap appears as soon as the operator has seen that there is none.
    pub fn lie_in_ambush(&self, name: &str) {
        self.state().ambush.insert(name.to_owned());
    }

    /// Nobody lies in ambush any more.
    pub fn stand_down(&self) {
        self.state().ambush.clear();
    }

    /// The operator starts anew.
    pub fn forget(&self) {
        let mut state = self.state();
        state.verified.clear();
        state.remembered.clear();
    }

    /// Has the operator look at the resource, and kills it before so many effects.
    pub fn look(&self, kill_before: Option<u8>, order: u64) -> (Ended, Traces) {
        let mut resource = self.outside.resource();
        {
            let mut state = self.state();
            state.traces = Traces::default();
            state.effects_left = kill_before;
            state.random = order | 1;
            resource.status = Some(state.resource.clone());
        }
        // The operator does not keep the compact mapping in memory.
        let regions = resource
            .status
            .iter_mut()
            .flat_map(|s| s.regions.values_mut());
        regions.for_each(|region| region.mapping = None);
        let settings = self.settings(&resource);
        let ended = {
            let look = Reconciler {
                resource: &resource,
                settings: settings.as_ref(),
                now: self.outside.now,
                world: self,
            };
            let mut future = pin!(look.look());
            let mut context = Context::from_waker(Waker::noop());
            let mut polls = 0;
            loop {
                polls += 1;
                assert!(polls < MAX_POLLS, "the look makes no progress");
                match future.as_mut().poll(&mut context) {
                    Poll::Ready(Ok(looked)) => break Ended::Whole(Box::new(looked)),
                    Poll::Ready(Err(_)) => break Ended::Broken,
                    Poll::Pending if self.state().killed => break Ended::Killed,
                    Poll::Pending => {}
                }
            }
        };
        let mut state = self.state();
        if std::mem::take(&mut state.killed) {
            state.verified.clear();
            state.remembered.clear();
        }
        (ended, std::mem::take(&mut state.traces))
    }

    fn settings(&self, resource: &BedrockModelMap) -> Result<ValidatedSpec, AttemptError> {
        if self.outside.spec.refused {
            return Err(AttemptError::new(ErrorCode::RoleNotAllowed, "no"));
        }
        Ok(ValidatedSpec::of(resource).unwrap())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Lets others go first now and then; never comes back if the operator is killed meanwhile.
    async fn turn(&self) {
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
                    state.verify(name);
                    return Ok(false);
                }
                Action::Create(wanted) | Action::Replace(wanted) | Action::Recreate(wanted) => {
                    *wanted
                }
            };
            if self.outside.api == Api::RefusesWrites {
                return Err(AttemptError::new(ErrorCode::WriteFailed, "quota"));
            }
            if seen.is_none() && state.ambush.remove(name) {
                state.put(name, super::outside::foreign(name));
                state.traces.raced.insert(name.clone());
            }
            let live = state.config_maps.get(name);
            if version(live) == version(seen.as_ref()) {
                state.put(name, wanted);
                state.verify(name);
                state.traces.written.push(name.clone());
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

    fn verify(&mut self, name: &str) {
        let live = version(self.config_maps.get(name)).map(str::to_owned);
        self.verified.insert(name.to_owned(), live.unwrap());
    }
}

impl Effects for Cluster {
    type Error = String;
    type RenderPermit = OwnedSemaphorePermit;

    /// One at a time: who holds one and acquires another waits for ever.
    async fn render_permit(&self, _: Work) -> OwnedSemaphorePermit {
        Arc::clone(&self.rendering).acquire_owned().await.unwrap()
    }

    async fn read(&self, config_map: &str) -> Result<Option<ConfigMap>, String> {
        self.turn().await;
        assert!(!config_map.is_empty(), "a ConfigMap without a name is read");
        if self.outside.api == Api::Down {
            return Err("down".to_owned());
        }
        Ok(self.state().config_maps.get(config_map).cloned())
    }

    async fn apply(
        &self,
        target: &DesiredConfigMap,
        seen: Option<ConfigMap>,
    ) -> Result<bool, AttemptError> {
        self.turn().await;
        self.write(target, seen)
    }

    async fn remove(&self, seen: &ObjectMeta) -> Result<bool, String> {
        self.turn().await;
        let name = seen.name.clone().unwrap();
        let mut state = self.state();
        let live = version(state.config_maps.get(&name));
        if live != seen.resource_version.as_deref() {
            return Ok(false);
        }
        state.config_maps.remove(&name);
        state.traces.removed.push(name);
        Ok(true)
    }

    async fn report(&self, status: &BedrockModelMapStatus, _: Vec<Event>) -> Result<(), String> {
        self.turn().await;
        if self.outside.api == Api::Down {
            return Err("down".to_owned());
        }
        let mut state = self.state();
        let live = state.resource.clone();
        let detail = self.outside.spec.detail();
        let wanted = completed(status.clone(), Some(&live), detail);
        if wanted != live {
            state.resource = wanted;
            state.traces.written.push("status".to_owned());
        }
        Ok(())
    }

    async fn ask(
        &self,
        region: &str,
        not_before: Timestamp,
        _: Priority,
    ) -> Result<Arc<Snapshot>, AttemptError> {
        self.turn().await;
        let mut state = self.state();
        state.traces.asked.insert(region.to_owned(), not_before);
        let known = state.remembered.get(region).cloned();
        let known = known.filter(|(_, k)| (not_before..=self.outside.now).contains(&k.taken_at));
        let (lists, snapshot) = if let Some(known) = known {
            known
        } else {
            state.traces.fetched.insert(region.to_owned());
            let answer = self.outside.answer(region);
            let got = answer.clone().map_err(|e| e.code);
            state.traces.got.insert(region.to_owned(), got);
            let lists = answer?;
            let taken_at = self.outside.now;
            let snapshot = Snapshot {
                taken_at,
                ..lists.snapshot()
            };
            (lists, Arc::new(snapshot))
        };
        state
            .traces
            .got
            .insert(region.to_owned(), Ok(lists.clone()));
        let kept = (lists, Arc::clone(&snapshot));
        state.remembered.insert(region.to_owned(), kept);
        Ok(snapshot)
    }

    async fn list_account_regions(&self) -> Result<Vec<String>, AttemptError> {
        self.turn().await;
        self.state().traces.account_asked = true;
        self.outside.account_answer()
    }

    fn last_snapshot(&self, region: &str) -> Option<Arc<Snapshot>> {
        self.state()
            .remembered
            .get(region)
            .map(|(_, s)| Arc::clone(s))
    }

    fn is_unchanged(&self, config_map: &str) -> bool {
        let state = self.state();
        let live = version(state.config_maps.get(config_map));
        live.is_some() && live == state.verified.get(config_map).map(String::as_str)
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
        metadata.filter(ours).collect()
    }

    fn now(&self) -> Timestamp {
        self.outside.now
    }
}
