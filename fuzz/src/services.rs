//! Responses of the Account service and of STS.

use std::sync::Arc;

use bedrock_model_map::aws::identity::{Caller, Role};
use bedrock_model_map::aws::scripted::Response;
use bedrock_model_map::aws::{Audience, AwsError};
use bedrock_model_map::bedrock::region::is_region;

/// Regions of an account that are accepted.
const MAX_REGIONS: usize = 128;

/// The input: a byte, even for a response that succeeds, then its body.
pub fn holds(input: &[u8]) {
    let Some((first, body)) = input.split_first() else {
        return;
    };
    let status: u16 = if first % 2 == 0 { 200 } else { 400 };
    let response = Response {
        status: status.try_into().unwrap(),
        body: body.into(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    match runtime.block_on(response.account_regions()) {
        Ok(regions) => {
            assert!(!regions.is_empty() && regions.len() <= MAX_REGIONS);
            assert!(regions.iter().all(|region| is_region(region)));
            assert!(regions.is_sorted_by(|one, next| one < next));
        }
        Err(error) => check_message(&error),
    }
    let role = Role {
        arn: "arn:aws:iam::123456789012:role/reader".parse().unwrap(),
        external_id: None,
    };
    let caller = Caller::Session {
        role: Arc::new(role),
        name: "team-a@claude".to_owned(),
    };
    if let Err(error) = runtime.block_on(response.assume_role(&caller)) {
        check_message(&error);
    }
}

/// A message reaches status, logs and terminals: it has one line and no control character.
fn check_message(error: &AwsError) {
    for audience in [Audience::Operator, Audience::Command] {
        let message = error.message_for(audience);
        assert!(
            !message.is_empty() && !message.contains(char::is_control),
            "{message:?}"
        );
    }
}
