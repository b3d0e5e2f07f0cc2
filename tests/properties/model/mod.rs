//! Random histories of one resource: whatever happens to it, to AWS, to the cluster and to the
//! operator, what must always hold does, after every step.
//!
//! `core::look` is what runs, as in the operator; only what it reads, writes and asks is in memory.

mod cases;
mod cluster;
mod outside;
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
use outside::{Api, MODELS, Outside, REGIONS, Region, Spec, foreign};
use rules::{Before, Book};

/// Every code with which AWS, or the way to it, fails.
const CODES: [ErrorCode; 12] = [
    ErrorCode::AccessDenied,
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

/// What happens, and the look that follows.
#[derive(Clone, Debug)]
struct Step {
    happens: Happening,
    /// The operator is killed before so many effects of its look.
    kill_before: Option<u8>,
    /// In which order effects that are under way at once come to their end.
    order: u64,
}

#[derive(Clone, Debug)]
enum Happening {
    Nothing,
    /// Time passes, in parts of a thousand of the interval.
    Passes(u16),
    /// Time passes exactly as long as the operator means to wait.
    PassesUntilDue,
    /// The clock is set back, in parts of a thousand of the interval.
    SetBack(u16),
    Edits(Edit),
    Requests,
    Answers(usize, u16, u8),
    Fails(usize, ErrorCode, Option<i64>),
    AllFail(ErrorCode),
    Recovers(usize),
    AllRecover,
    AccountHas([bool; 4]),
    AccountFails(ErrorCode),
    Api(Api),
    OperatorStartsAnew,
    /// Someone changes one of the ConfigMaps.
    Touched(usize, Touch),
    /// A ConfigMap of someone else, at the place of a region's or of the merged one.
    Foreign(usize),
    /// The same, between the operator's read and its write.
    Ambush(usize),
    ForeignGoes(usize),
}

#[derive(Clone, Debug)]
enum Edit {
    Regions(Option<[bool; 4]>),
    Minutes(u16),
    Suspend(bool),
    OnlyEven(bool),
    Prefix(&'static str),
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
        1 => any::<bool>().prop_map(Edit::Compressed),
        1 => any::<bool>().prop_map(Edit::SummaryOnly),
        1 => any::<bool>().prop_map(Edit::Refused),
    ]
}

fn happening() -> impl Strategy<Value = Happening> {
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
        1 => Just(Happening::Nothing),
        3 => (0_u16..2_500).prop_map(Happening::Passes),
        6 => Just(Happening::PassesUntilDue),
        1 => (0_u16..2_500).prop_map(Happening::SetBack),
        3 => edit().prop_map(Happening::Edits),
        2 => Just(Happening::Requests),
        5 => (region(), models, 0_u8..8).prop_map(|(r, m, p)| Happening::Answers(r, m, p)),
        4 => (region(), select(&CODES[..]), wait).prop_map(|(r, c, w)| Happening::Fails(r, c, w)),
        1 => select(&CODES[..]).prop_map(Happening::AllFail),
        2 => region().prop_map(Happening::Recovers),
        1 => Just(Happening::AllRecover),
        1 => uniform4(any::<bool>()).prop_map(Happening::AccountHas),
        1 => select(&CODES[..]).prop_map(Happening::AccountFails),
        2 => api.prop_map(Happening::Api),
        2 => Just(Happening::OperatorStartsAnew),
        3 => (0_usize..5, touch).prop_map(|(n, touch)| Happening::Touched(n, touch)),
        1 => (0_usize..5).prop_map(Happening::Foreign),
        1 => (0_usize..5).prop_map(Happening::Ambush),
        2 => (0_usize..5).prop_map(Happening::ForeignGoes),
    ]
}

/// What the operator has no part in, in the course of a history.
struct Reference;

impl ReferenceStateMachine for Reference {
    type State = Outside;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Outside> {
        let region = (1_u16..(1 << MODELS), 0_u8..8).prop_map(|(models, profiles)| Region {
            models,
            profiles,
            fails: None,
        });
        (uniform4(region), any::<bool>(), 1_u16..300)
            .prop_map(|(regions, named, minutes)| Outside {
                spec: Spec {
                    regions: named.then_some([true; 4]),
                    minutes,
                    suspend: false,
                    only_even: false,
                    prefix: "claude",
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

    fn transitions(_: &Outside) -> BoxedStrategy<Step> {
        let kill = option::weighted(0.15, 0_u8..40);
        (happening(), kill, any::<u64>())
            .prop_map(|(happens, kill_before, order)| Step {
                happens,
                kill_before,
                order,
            })
            .boxed()
    }

    fn apply(mut outside: Outside, step: &Step) -> Outside {
        match &step.happens {
            Happening::Edits(edit) => outside.edit(edit),
            Happening::Requests => {
                outside.token = Some(outside.token.map_or(1, |token| token + 1));
            }
            Happening::Answers(region, models, profiles) => {
                outside.regions[*region] = Region {
                    models: *models,
                    profiles: *profiles,
                    fails: None,
                };
            }
            Happening::Fails(region, code, wait) => {
                outside.regions[*region].fails = Some((*code, *wait));
            }
            Happening::AllFail(code) => {
                let regions = outside.regions.iter_mut();
                regions.for_each(|region| region.fails = Some((*code, None)));
                outside.account_fails = Some(*code);
            }
            Happening::Recovers(region) => outside.regions[*region].fails = None,
            Happening::AllRecover => outside.recover(),
            Happening::AccountHas(account) => {
                outside.account = *account;
                outside.account_fails = None;
            }
            Happening::AccountFails(code) => outside.account_fails = Some(*code),
            Happening::Api(api) => outside.api = *api,
            Happening::Nothing
            | Happening::Passes(_)
            | Happening::PassesUntilDue
            | Happening::SetBack(_)
            | Happening::OperatorStartsAnew
            | Happening::Touched(..)
            | Happening::Foreign(_)
            | Happening::Ambush(_)
            | Happening::ForeignGoes(_) => {}
        }
        outside
    }
}

impl Outside {
    fn edit(&mut self, edit: &Edit) {
        let before = self.spec.clone();
        let spec = &mut self.spec;
        match edit {
            Edit::Regions(regions) => spec.regions = *regions,
            Edit::Minutes(minutes) => spec.minutes = *minutes,
            Edit::Suspend(suspend) => spec.suspend = *suspend,
            Edit::OnlyEven(only_even) => spec.only_even = *only_even,
            Edit::Prefix(prefix) => spec.prefix = prefix,
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

    /// The name of a region's ConfigMap, or that of the merged one.
    fn target(&self, index: usize) -> String {
        match REGIONS.get(index) {
            Some(region) => self.config_map(region),
            None => self.mapping(),
        }
    }
}

/// The operator and its cluster.
struct Operated {
    cluster: Cluster,
    next: Option<Next>,
    book: Book,
}

impl Operated {
    fn happens(&mut self, happening: &Happening) {
        let interval = self.cluster.outside().interval();
        let parts = |thousandths: u16| {
            let thousandths = f64::from(thousandths);
            SignedDuration::from_secs_f64(interval.as_secs_f64() * thousandths / 1000.0)
        };
        let now = &mut self.cluster.outside().now;
        match happening {
            Happening::Passes(thousandths) => *now += parts(*thousandths),
            Happening::SetBack(thousandths) => *now -= parts(*thousandths),
            Happening::PassesUntilDue => {
                if let Some(Next::After(wait)) = self.next {
                    *now += SignedDuration::try_from(wait).unwrap();
                }
            }
            Happening::OperatorStartsAnew => self.cluster.forget(),
            Happening::Touched(index, touch) => self.is_touched(*index, *touch),
            Happening::Foreign(index) => {
                let name = self.cluster.outside().target(*index);
                if !self.cluster.config_maps().contains_key(&name) {
                    self.cluster.touch(&name, |_| Some(foreign(&name)));
                    self.book.foreign.insert(name);
                }
            }
            Happening::Ambush(index) => {
                let name = self.cluster.outside().target(*index);
                self.cluster.lie_in_ambush(&name);
            }
            Happening::ForeignGoes(index) => {
                let name = self.cluster.outside().target(*index);
                if self.book.foreign.remove(&name) {
                    self.cluster.touch(&name, |_| None);
                }
            }
            Happening::Nothing
            | Happening::Edits(_)
            | Happening::Requests
            | Happening::Answers(..)
            | Happening::Fails(..)
            | Happening::AllFail(_)
            | Happening::Recovers(_)
            | Happening::AllRecover
            | Happening::AccountHas(_)
            | Happening::AccountFails(_)
            | Happening::Api(_) => {}
        }
    }

    fn is_touched(&mut self, index: usize, touch: Touch) {
        let there = self.cluster.config_maps();
        let ours = there.keys().filter(|n| !self.book.foreign.contains(*n));
        let names: Vec<&String> = ours.collect();
        if names.is_empty() {
            return;
        }
        let name = names[index % names.len()];
        self.cluster.touch(name, |before| changed(before?, touch));
        self.book.touched.insert(name.clone());
        let owner = self.cluster.owner();
        let now = self.cluster.config_maps();
        // Without labels and owner nothing tells that it is ours.
        if now.get(name).is_some_and(|c| !owner.owns(&c.metadata)) {
            self.book.foreign.insert(name.clone());
        }
    }

    /// Has the operator look, and checks all that is to hold then.
    fn looks(&mut self, kill_before: Option<u8>, order: u64) -> Ended {
        let before = Before::of(&self.cluster);
        let (ended, traces) = self.cluster.look(kill_before, order);
        if let Ended::Whole(looked) = &ended {
            self.next = Some(looked.next);
        }
        self.book.check(&mut self.cluster, &before, &ended, &traces);
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

struct Histories;

impl StateMachineTest for Histories {
    type SystemUnderTest = Operated;
    type Reference = Reference;

    fn init_test(outside: &Outside) -> Operated {
        let mut operated = Operated {
            cluster: Cluster::new(outside.clone()),
            next: None,
            book: Book::default(),
        };
        operated.looks(None, 1);
        operated
    }

    fn apply(mut operated: Operated, outside: &Outside, step: Step) -> Operated {
        let now = operated.cluster.outside().now;
        *operated.cluster.outside() = Outside {
            now,
            ..outside.clone()
        };
        operated.happens(&step.happens);
        let mut ended = operated.looks(step.kill_before, step.order);
        // Its own write of the status has it look again: a request may wait behind a changed spec.
        for _ in 0..2 {
            if matches!(&ended, Ended::Whole(looked) if looked.refreshed.is_some()) {
                ended = operated.looks(None, step.order);
            }
        }
        if matches!(ended, Ended::Whole(_)) {
            // Nothing is due any more: nobody is asked, nothing is written.
            let (ended, traces) = operated.cluster.look(None, step.order);
            let over = matches!(ended, Ended::Whole(_));
            assert!(over && traces.is_quiet(), "no rest: {ended:?} {traces:#?}");
        }
        operated
    }

    /// Once nothing fails, the published content equals that of the reference model.
    fn teardown(mut operated: Operated, _: Outside) {
        let outside = operated.cluster.outside();
        outside.recover();
        outside.api = Api::Up;
        if outside.spec.suspend || outside.spec.refused {
            outside.spec.suspend = false;
            outside.spec.refused = false;
            outside.generation += 1;
        }
        for name in std::mem::take(&mut operated.book.foreign) {
            operated.cluster.touch(&name, |_| None);
        }
        operated.cluster.stand_down();
        let outside = operated.cluster.outside();
        let enough = outside.now + outside.interval().mul_f64(2.2);
        // A merged mapping that waits for a region's answer is tried again every minute.
        for _ in 0..1_000 {
            let ended = operated.looks(None, 1);
            let outside = operated.cluster.outside();
            if outside.now > enough {
                break;
            }
            match ended {
                Ended::Whole(looked) => match looked.next {
                    Next::After(wait) => outside.now += SignedDuration::try_from(wait).unwrap(),
                    Next::Change => panic!("it waits for a change"),
                },
                other @ (Ended::Broken | Ended::Killed) => panic!("{other:?}"),
            }
        }
        operated.book.check_converged(&mut operated.cluster);
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
    fn whatever_happens_what_must_always_hold_does(sequential 1..60 => Histories);
}
