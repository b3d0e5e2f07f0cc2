//! Random histories of one resource: events of the resource, AWS, the cluster and the operator. The
//! invariants hold after every step.
//!
//! The operator's own `Reconciler` runs; only its effects are in memory.

mod aliases;
mod cases;
mod cluster;
mod environment;
mod rules;

use bedrock_model_map::api::{ErrorCode, LABEL_MANAGED_BY};
use bedrock_model_map::reconcile::Next;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ConfigMap;
use proptest::array::uniform4;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::Config;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

use cluster::{Cluster, Ended};
use environment::{Api, Environment, MODELS, REGIONS, Region, Spec, foreign};
use rules::{Before, Invariants};

/// Every code with which AWS, or the way to it, fails.
const CODES: [ErrorCode; 13] = [
    ErrorCode::AccessDenied,
    ErrorCode::DeniedByPolicy,
    ErrorCode::InvalidCredentials,
    ErrorCode::RegionDisabled,
    ErrorCode::NameNotResolved,
    ErrorCode::Unreachable,
    ErrorCode::Timeout,
    ErrorCode::Throttled,
    ErrorCode::ServiceError,
    ErrorCode::InvalidRequest,
    ErrorCode::MalformedAnswer,
    ErrorCode::EndlessPagination,
    ErrorCode::AnswerTooLarge,
];

/// An event, and the reconciliation that follows.
#[derive(Clone, Debug)]
struct Step {
    event: HistoryEvent,
    /// The operator is killed before this effect.
    kill_before: Option<u8>,
    /// Seed of the order of concurrent effects.
    order: u64,
}

#[derive(Clone, Debug)]
enum HistoryEvent {
    Nothing,
    /// Time passes, in parts of a thousand of the interval.
    TimePasses(u16),
    /// Time passes until the operator requeues.
    TimeUntilDue,
    /// The clock is set back, in parts of a thousand of the interval.
    ClockSetBack(u16),
    SpecEdited(Edit),
    RefreshRequested,
    RegionResponds(usize, u16, u8),
    RegionFails(usize, ErrorCode, Option<i64>),
    AllFail(ErrorCode),
    RegionRecovers(usize),
    AllRecover,
    AccountRegions([bool; 4]),
    AccountFails(ErrorCode),
    Api(Api),
    OperatorRestarts,
    /// Someone changes one of the ConfigMaps.
    ConfigMapTouched(usize, Touch),
    /// A ConfigMap of someone else, at the place of a region's or of the merged one.
    Foreign(usize),
    /// The same, between the operator's read and its write.
    RaceForeign(usize),
    ForeignDeleted(usize),
}

#[derive(Clone, Debug)]
enum Edit {
    Regions(Option<[bool; 4]>),
    Minutes(u16),
    Suspend(bool),
    OnlyEven(bool),
    Prefix(&'static str),
    Aliases(usize),
    Compressed(bool),
    SummaryOnly(bool),
    Refused(bool),
}

/// What people do to a ConfigMap.
#[derive(Clone, Copy, Debug)]
enum Touch {
    Deletes,
    EditsModels,
    EditsMetadata,
    RemovesData,
    RemovesLabel,
    RemovesOwner,
    ForgesHash,
}

fn edit() -> impl Strategy<Value = Edit> {
    let chosen = uniform4(any::<bool>()).prop_filter("none", |c| c.contains(&true));
    prop_oneof![
        3 => option::of(chosen).prop_map(Edit::Regions),
        1 => (1_u16..300).prop_map(Edit::Minutes),
        1 => any::<bool>().prop_map(Edit::Suspend),
        2 => any::<bool>().prop_map(Edit::OnlyEven),
        2 => select(&["claude", "other"][..]).prop_map(Edit::Prefix),
        2 => (0..=3_usize).prop_map(Edit::Aliases),
        1 => any::<bool>().prop_map(Edit::Compressed),
        1 => any::<bool>().prop_map(Edit::SummaryOnly),
        1 => any::<bool>().prop_map(Edit::Refused),
    ]
}

fn event() -> impl Strategy<Value = HistoryEvent> {
    let region = || 0..REGIONS.len();
    // Now and then most models are gone at once, or all.
    let models = prop_oneof![
        4 => 0_u16..(1 << MODELS),
        1 => Just(0),
        1 => (0..MODELS).prop_map(|n| 1 << n),
        2 => Just((1 << MODELS) - 1),
    ];
    let wait = option::weighted(0.3, prop_oneof![0_i64..600, -1_i64..1_000_000]);
    let touch = select(
        &[
            Touch::Deletes,
            Touch::Deletes,
            Touch::EditsModels,
            Touch::EditsMetadata,
            Touch::RemovesData,
            Touch::RemovesLabel,
            Touch::RemovesOwner,
            Touch::ForgesHash,
        ][..],
    );
    let api = select(&[Api::Up, Api::Up, Api::RefusesWrites, Api::Down][..]);
    prop_oneof![
        1 => Just(HistoryEvent::Nothing),
        3 => (0_u16..2_500).prop_map(HistoryEvent::TimePasses),
        6 => Just(HistoryEvent::TimeUntilDue),
        1 => (0_u16..2_500).prop_map(HistoryEvent::ClockSetBack),
        3 => edit().prop_map(HistoryEvent::SpecEdited),
        2 => Just(HistoryEvent::RefreshRequested),
        5 => (region(), models, 0_u8..8).prop_map(|(r, m, p)| HistoryEvent::RegionResponds(r, m, p)),
        4 => (region(), select(&CODES[..]), wait).prop_map(|(r, c, w)| HistoryEvent::RegionFails(r, c, w)),
        1 => select(&CODES[..]).prop_map(HistoryEvent::AllFail),
        2 => region().prop_map(HistoryEvent::RegionRecovers),
        1 => Just(HistoryEvent::AllRecover),
        1 => uniform4(any::<bool>()).prop_map(HistoryEvent::AccountRegions),
        1 => select(&CODES[..]).prop_map(HistoryEvent::AccountFails),
        2 => api.prop_map(HistoryEvent::Api),
        2 => Just(HistoryEvent::OperatorRestarts),
        3 => (0_usize..13, touch).prop_map(|(n, touch)| HistoryEvent::ConfigMapTouched(n, touch)),
        1 => (0_usize..7).prop_map(HistoryEvent::Foreign),
        1 => (0_usize..7).prop_map(HistoryEvent::RaceForeign),
        2 => (0_usize..7).prop_map(HistoryEvent::ForeignDeleted),
    ]
}

/// What the operator has no part in, in the course of a history.
struct Reference;

impl ReferenceStateMachine for Reference {
    type State = Environment;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Environment> {
        let region = (1_u16..(1 << MODELS), 0_u8..8).prop_map(|(models, profiles)| Region {
            models,
            profiles,
            fails: None,
        });
        (uniform4(region), any::<bool>(), 1_u16..300, 0..=3_usize)
            .prop_map(|(regions, named, minutes, aliases)| Environment {
                spec: Spec {
                    regions: named.then_some([true; 4]),
                    minutes,
                    suspend: false,
                    only_even: false,
                    prefix: "claude",
                    aliases,
                    compressed: false,
                    summary_only: false,
                    refused: false,
                },
                generation: 1,
                token: None,
                regions,
                account: [true, true, true, false],
                account_fails: None,
                api: Api::Up,
                now: Timestamp::from_millisecond(1_800_000_000_123).unwrap(),
            })
            .boxed()
    }

    fn transitions(_: &Environment) -> BoxedStrategy<Step> {
        let kill = option::weighted(0.15, 0_u8..40);
        (event(), kill, any::<u64>())
            .prop_map(|(event, kill_before, order)| Step {
                event,
                kill_before,
                order,
            })
            .boxed()
    }

    fn apply(mut environment: Environment, step: &Step) -> Environment {
        match &step.event {
            HistoryEvent::SpecEdited(edit) => environment.edit(edit),
            HistoryEvent::RefreshRequested => {
                environment.token = Some(environment.token.map_or(1, |token| token + 1));
            }
            HistoryEvent::RegionResponds(region, models, profiles) => {
                environment.regions[*region] = Region {
                    models: *models,
                    profiles: *profiles,
                    fails: None,
                };
            }
            HistoryEvent::RegionFails(region, code, wait) => {
                environment.regions[*region].fails = Some((*code, *wait));
            }
            HistoryEvent::AllFail(code) => {
                let regions = environment.regions.iter_mut();
                regions.for_each(|region| region.fails = Some((*code, None)));
                environment.account_fails = Some(*code);
            }
            HistoryEvent::RegionRecovers(region) => environment.regions[*region].fails = None,
            HistoryEvent::AllRecover => environment.recover(),
            HistoryEvent::AccountRegions(account) => {
                environment.account = *account;
                environment.account_fails = None;
            }
            HistoryEvent::AccountFails(code) => environment.account_fails = Some(*code),
            HistoryEvent::Api(api) => environment.api = *api,
            HistoryEvent::Nothing
            | HistoryEvent::TimePasses(_)
            | HistoryEvent::TimeUntilDue
            | HistoryEvent::ClockSetBack(_)
            | HistoryEvent::OperatorRestarts
            | HistoryEvent::ConfigMapTouched(..)
            | HistoryEvent::Foreign(_)
            | HistoryEvent::RaceForeign(_)
            | HistoryEvent::ForeignDeleted(_) => {}
        }
        environment
    }
}

impl Environment {
    fn edit(&mut self, edit: &Edit) {
        let before = self.spec.clone();
        let spec = &mut self.spec;
        match edit {
            Edit::Regions(regions) => spec.regions = *regions,
            Edit::Minutes(minutes) => spec.minutes = *minutes,
            Edit::Suspend(suspend) => spec.suspend = *suspend,
            Edit::OnlyEven(only_even) => spec.only_even = *only_even,
            Edit::Prefix(prefix) => spec.prefix = prefix,
            Edit::Aliases(aliases) => spec.aliases = *aliases,
            Edit::Compressed(compressed) => spec.compressed = *compressed,
            Edit::SummaryOnly(summary_only) => spec.summary_only = *summary_only,
            Edit::Refused(refused) => spec.refused = *refused,
        }
        if self.spec != before {
            self.generation += 1;
        }
    }

    fn recover(&mut self) {
        let regions = self.regions.iter_mut();
        regions.for_each(|region| region.fails = None);
        self.account_fails = None;
    }

    /// The name of a region's ConfigMap, that of the merged one, or one of a region's aliases.
    fn target(&self, index: usize) -> String {
        match REGIONS.get(index) {
            Some(region) => self.config_map(region),
            None if index == REGIONS.len() => self.mapping(),
            None => {
                let names = self.alias_config_maps(REGIONS[0]);
                names[index % names.len()].clone()
            }
        }
    }
}

/// The operator and its cluster.
struct Operated {
    cluster: Cluster,
    next: Option<Next>,
    invariants: Invariants,
}

impl Operated {
    fn event(&mut self, event: &HistoryEvent) {
        let interval = self.cluster.environment().interval();
        let parts = |thousandths: u16| {
            let thousandths = f64::from(thousandths);
            SignedDuration::from_secs_f64(interval.as_secs_f64() * thousandths / 1000.0)
        };
        let now = &mut self.cluster.environment().now;
        match event {
            HistoryEvent::TimePasses(thousandths) => *now += parts(*thousandths),
            HistoryEvent::ClockSetBack(thousandths) => *now -= parts(*thousandths),
            HistoryEvent::TimeUntilDue => {
                if let Some(Next::After(wait)) = self.next {
                    *now += SignedDuration::try_from(wait).unwrap();
                }
            }
            HistoryEvent::OperatorRestarts => self.cluster.forget(),
            HistoryEvent::ConfigMapTouched(index, touch) => self.touch(*index, *touch),
            HistoryEvent::Foreign(index) => {
                let name = self.cluster.environment().target(*index);
                if !self.cluster.config_maps().contains_key(&name) {
                    self.cluster.touch(&name, |_| Some(foreign(&name)));
                    self.invariants.foreign.insert(name);
                }
            }
            HistoryEvent::RaceForeign(index) => {
                let name = self.cluster.environment().target(*index);
                self.cluster.arm_race(&name);
            }
            HistoryEvent::ForeignDeleted(index) => {
                let name = self.cluster.environment().target(*index);
                if self.invariants.foreign.remove(&name) {
                    self.cluster.touch(&name, |_| None);
                }
            }
            HistoryEvent::Nothing
            | HistoryEvent::SpecEdited(_)
            | HistoryEvent::RefreshRequested
            | HistoryEvent::RegionResponds(..)
            | HistoryEvent::RegionFails(..)
            | HistoryEvent::AllFail(_)
            | HistoryEvent::RegionRecovers(_)
            | HistoryEvent::AllRecover
            | HistoryEvent::AccountRegions(_)
            | HistoryEvent::AccountFails(_)
            | HistoryEvent::Api(_) => {}
        }
    }

    fn touch(&mut self, index: usize, touch: Touch) {
        let there = self.cluster.config_maps();
        let ours = there
            .keys()
            .filter(|n| !self.invariants.foreign.contains(*n));
        let names: Vec<&String> = ours.collect();
        if names.is_empty() {
            return;
        }
        let name = names[index % names.len()];
        self.cluster.touch(name, |before| changed(before?, touch));
        self.invariants.touched.insert(name.clone());
        let owner = self.cluster.owner();
        let now = self.cluster.config_maps();
        // Without labels and owner nothing shows that it is ours.
        if now.get(name).is_some_and(|c| !owner.owns(&c.metadata)) {
            self.invariants.foreign.insert(name.clone());
        }
    }

    /// Reconciles, and checks the invariants.
    fn reconcile(&mut self, kill_before: Option<u8>, order: u64) -> Ended {
        let before = Before::new(&self.cluster);
        let (ended, trace) = self.cluster.reconcile(kill_before, order);
        if let Ended::Completed(outcome) = &ended {
            self.next = Some(outcome.next);
        }
        self.invariants
            .check(&mut self.cluster, &before, &ended, &trace);
        ended
    }
}

fn changed(mut config_map: ConfigMap, touch: Touch) -> Option<ConfigMap> {
    let metadata = &mut config_map.metadata;
    let file = |config_map: &mut ConfigMap, name: &str| {
        let data = config_map.data.get_or_insert_default();
        data.insert(name.to_owned(), r#"{"edited":{}}"#.to_owned());
    };
    match touch {
        Touch::Deletes => return None,
        Touch::EditsModels => {
            file(&mut config_map, "models.json");
            file(&mut config_map, "mapping.json");
        }
        Touch::EditsMetadata => file(&mut config_map, "metadata.json"),
        Touch::RemovesData => {
            config_map.data = None;
            config_map.binary_data = None;
        }
        Touch::RemovesLabel => {
            let labels = metadata.labels.as_mut();
            labels.map(|labels| labels.remove(LABEL_MANAGED_BY));
        }
        Touch::RemovesOwner => metadata.owner_references = None,
        Touch::ForgesHash => {
            let forged = (
                "bedrock.modelmap.dev/content-sha256".to_owned(),
                "0".to_owned(),
            );
            metadata
                .annotations
                .get_or_insert_default()
                .extend([forged]);
        }
    }
    Some(config_map)
}

/// The longest wait until a held response is confirmed.
const CONFIRMATION: SignedDuration = SignedDuration::from_mins(1);

struct Histories;

impl StateMachineTest for Histories {
    type SystemUnderTest = Operated;
    type Reference = Reference;

    fn init_test(environment: &Environment) -> Operated {
        let mut operated = Operated {
            cluster: Cluster::new(environment.clone()),
            next: None,
            invariants: Invariants::default(),
        };
        operated.reconcile(None, 1);
        operated
    }

    fn apply(mut operated: Operated, environment: &Environment, step: Step) -> Operated {
        let now = operated.cluster.environment().now;
        *operated.cluster.environment() = Environment {
            now,
            ..environment.clone()
        };
        operated.event(&step.event);
        let mut ended = operated.reconcile(step.kill_before, step.order);
        // Its own write of the status triggers a reconciliation: a request may wait behind a changed spec.
        for _ in 0..2 {
            if matches!(&ended, Ended::Completed(outcome) if outcome.refreshed.is_some()) {
                ended = operated.reconcile(None, step.order);
            }
        }
        if matches!(ended, Ended::Completed(_)) {
            // Nothing is due any more: nobody is queried, nothing is written.
            let (ended, trace) = operated.cluster.reconcile(None, step.order);
            let over = matches!(ended, Ended::Completed(_));
            assert!(over && trace.is_quiet(), "no rest: {ended:?} {trace:#?}");
        }
        operated
    }

    /// Once nothing fails, the published content equals that of the reference model.
    fn teardown(mut operated: Operated, _: Environment) {
        let environment = operated.cluster.environment();
        environment.recover();
        environment.api = Api::Up;
        if environment.spec.suspend || environment.spec.refused {
            environment.spec.suspend = false;
            environment.spec.refused = false;
            environment.generation += 1;
        }
        for name in std::mem::take(&mut operated.invariants.foreign) {
            operated.cluster.touch(&name, |_| None);
        }
        operated.cluster.disarm_races();
        let environment = operated.cluster.environment();
        // After the last failure's interval the first response, which may be held, for half a minute; then the one
        // that confirms it and may lose an alias, which the next one confirms.
        let enough = environment.now + environment.interval().mul_f64(2.2) + CONFIRMATION;
        // A merged mapping that waits for a region's answer is tried again every minute.
        for _ in 0..1_000 {
            let ended = operated.reconcile(None, 1);
            let environment = operated.cluster.environment();
            if environment.now > enough {
                break;
            }
            match ended {
                Ended::Completed(outcome) => match outcome.next {
                    Next::After(wait) => environment.now += SignedDuration::try_from(wait).unwrap(),
                    Next::Change => panic!("it waits for a change"),
                },
                other @ (Ended::ApiDown | Ended::Killed) => panic!("{other:?}"),
            }
        }
        operated.invariants.check_converged(&mut operated.cluster);
    }
}

fn config() -> Config {
    let config = crate::config();
    let given = std::env::var_os("PROPTEST_CASES").is_some();
    Config {
        cases: if given { config.cases } else { 64 },
        max_shrink_iters: 500,
        ..config
    }
}

prop_state_machine! {
    #![proptest_config(config())]

    #[test]
    fn invariants_hold_after_every_event(sequential 1..60 => Histories);
}
