use crate::api::{AttemptError, RegionSource};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::*;
use crate::reconcile::status::region::{PublishAction, failed};
use ErrorCode::{
    AccessDenied, DeniedByPolicy, InvalidCredentials, NameNotResolved, RegionDisabled, Timeout,
};
use RegionState::{Denied, Disabled, Empty, Failed, Fresh, Stale, Unsupported};

const FAILING: &str = "us-east-1";
const OTHER: &str = "eu-west-1";
const NO_BEFORE: BTreeMap<String, RegionStatus> = BTreeMap::new();

#[test]
fn error_code_to_evidence() {
    // (error, the name resolves, the credentials are accepted)
    let cases = [
        (ErrorCode::AccessDenied, true, true),
        (ErrorCode::DeniedByPolicy, true, true),
        (ErrorCode::Throttled, true, true),
        (ErrorCode::InvalidRequest, true, true),
        (ErrorCode::EndlessPagination, true, true),
        (ErrorCode::ShrinkHeld, true, true),
        (ErrorCode::PayloadTooLarge, true, true),
        (ErrorCode::TargetConflict, true, true),
        (ErrorCode::WriteFailed, true, true),
        (ErrorCode::WriteConflict, true, true),
        (ErrorCode::RegionDisabled, true, false),
        (ErrorCode::InvalidCredentials, true, false),
        (ErrorCode::ServiceError, true, false),
        (ErrorCode::NameNotResolved, false, false),
        (ErrorCode::Unreachable, false, false),
        (ErrorCode::Timeout, false, false),
        (ErrorCode::MalformedAnswer, false, false),
        (ErrorCode::AnswerTooLarge, false, false),
        (ErrorCode::RoleNotAllowed, false, false),
        (ErrorCode::RegionsUnavailable, false, false),
        (ErrorCode::InvalidSpec, false, false),
        (ErrorCode::Unknown, false, false),
    ];
    for (code, resolve, accept_credentials) in cases {
        let grant_actions = accept_credentials
            && !matches!(
                code,
                ErrorCode::AccessDenied
                    | ErrorCode::DeniedByPolicy
                    | ErrorCode::Throttled
                    | ErrorCode::InvalidRequest
            );
        let expected = PeerEvidence {
            resolve,
            accept_credentials,
            grant_actions,
        };
        let codes = BTreeMap::from([
            ("eu-west-1".to_owned(), Err(code)),
            ("us-east-1".to_owned(), Err(ErrorCode::NameNotResolved)),
        ]);
        let others =
            |codes| PeerEvidence::of("us-east-1", ErrorCode::NameNotResolved, codes, &NO_BEFORE);
        assert_eq!(others(&codes), expected, "{code:?}");
    }
}

#[test]
fn region_is_no_evidence_about_itself() {
    let codes = BTreeMap::from([(FAILING.to_owned(), Err(ErrorCode::AccessDenied))]);
    let others = PeerEvidence::of(FAILING, ErrorCode::AccessDenied, &codes, &NO_BEFORE);
    assert_eq!(others, PeerEvidence::NONE);
}

#[test]
fn one_responding_region_suffices() {
    let codes = BTreeMap::from([
        (FAILING.to_owned(), Err(NameNotResolved)),
        (OTHER.to_owned(), Err(NameNotResolved)),
        ("us-west-2".to_owned(), Ok(())),
    ]);
    let others = PeerEvidence::of(FAILING, NameNotResolved, &codes, &NO_BEFORE);
    assert_eq!(others, PeerEvidence::ANSWER);
}

/// A region in this state after an attempt at that second, which failed so, or succeeded.
fn region(state: RegionState, error_code: Option<ErrorCode>, second: i64) -> RegionStatus {
    let at = Timestamp::from_second(1_800_000_000 + second).unwrap();
    let code = error_code.unwrap_or(ErrorCode::Unknown);
    let error = AttemptError::new(code, "no");
    let (status, publication) = failed(None, error, PeerEvidence::NONE, RegionSource::Account, at);
    assert_eq!(publication, PublishAction::Remove);
    RegionStatus {
        state,
        last_success_time: error_code.is_none().then_some(Time(at)),
        error: status.error.clone().filter(|_| error_code.is_some()),
        ..status
    }
}

#[test]
fn response_before_network_failure_proves_nothing() {
    // The failing region after its attempt at second 10: (state, error); the error now; the other,
    // which is not queried now: (state, when it answered); whether that proves something.
    let cases = [
        // Not known to fail so.
        ((Failed, Timeout), NameNotResolved, (Fresh, 5), false),
        ((Failed, Timeout), NameNotResolved, (Fresh, 15), false),
        // Nothing answered since.
        (
            (Failed, NameNotResolved),
            NameNotResolved,
            (Fresh, 5),
            false,
        ),
        (
            (Failed, NameNotResolved),
            NameNotResolved,
            (Fresh, 10),
            false,
        ),
        (
            (Failed, NameNotResolved),
            NameNotResolved,
            (Fresh, 15),
            true,
        ),
        (
            (Failed, NameNotResolved),
            NameNotResolved,
            (Empty, 15),
            true,
        ),
        (
            (Failed, NameNotResolved),
            NameNotResolved,
            (Stale, 15),
            false,
        ),
        // It was found out together with the others.
        (
            (Unsupported, NameNotResolved),
            NameNotResolved,
            (Fresh, 5),
            true,
        ),
        (
            (Unsupported, NameNotResolved),
            NameNotResolved,
            (Failed, 5),
            false,
        ),
        ((Unsupported, NameNotResolved), Timeout, (Fresh, 15), false),
        (
            (Unsupported, NameNotResolved),
            RegionDisabled,
            (Fresh, 5),
            false,
        ),
        // The same with credentials.
        ((Failed, Timeout), RegionDisabled, (Fresh, 15), false),
        (
            (Stale, InvalidCredentials),
            RegionDisabled,
            (Fresh, 5),
            false,
        ),
        (
            (Stale, InvalidCredentials),
            RegionDisabled,
            (Fresh, 15),
            true,
        ),
        ((Stale, RegionDisabled), RegionDisabled, (Fresh, 5), true),
        ((Disabled, RegionDisabled), RegionDisabled, (Fresh, 5), true),
        (
            (Disabled, RegionDisabled),
            NameNotResolved,
            (Fresh, 5),
            false,
        ),
        // The same with permissions.
        ((Failed, Timeout), AccessDenied, (Fresh, 15), false),
        ((Failed, AccessDenied), AccessDenied, (Fresh, 5), false),
        ((Failed, AccessDenied), AccessDenied, (Fresh, 15), true),
        ((Denied, DeniedByPolicy), DeniedByPolicy, (Fresh, 5), true),
        ((Denied, DeniedByPolicy), DeniedByPolicy, (Denied, 5), false),
    ];
    for case in cases {
        let ((state, failed), now, (other, answered), proves) = case;
        let before = BTreeMap::from([
            (FAILING.to_owned(), region(state, Some(failed), 10)),
            (OTHER.to_owned(), region(other, None, answered)),
        ]);
        let codes = BTreeMap::from([(FAILING.to_owned(), Err(now))]);
        let expected = if proves {
            PeerEvidence::ANSWER
        } else {
            PeerEvidence::NONE
        };
        let others = PeerEvidence::of(FAILING, now, &codes, &before);
        assert_eq!(others, expected, "{case:?}");
    }
}

#[test]
fn current_query_overrides_earlier_status() {
    let before = BTreeMap::from([
        (
            FAILING.to_owned(),
            region(Unsupported, Some(NameNotResolved), 10),
        ),
        (OTHER.to_owned(), region(Fresh, None, 10)),
    ]);
    let codes = BTreeMap::from([
        (FAILING.to_owned(), Err(NameNotResolved)),
        (OTHER.to_owned(), Err(NameNotResolved)),
    ]);
    let others = PeerEvidence::of(FAILING, NameNotResolved, &codes, &before);
    assert_eq!(others, PeerEvidence::NONE);
}

#[test]
fn new_region_has_no_earlier_evidence() {
    let before = BTreeMap::from([(OTHER.to_owned(), region(Fresh, None, 10))]);
    let codes = BTreeMap::from([(FAILING.to_owned(), Err(NameNotResolved))]);
    assert_eq!(
        PeerEvidence::of(FAILING, NameNotResolved, &codes, &before),
        PeerEvidence::NONE
    );
}
