//! The bytes of an answer, beside what the SDK makes of them.
//!
//! The SDK's types know the fields of the day it was built, fill in missing ones, and read an
//! answer without its list as an empty list. Here nothing may be lost or made up, so the SDK signs,
//! sends, retries and classifies, and the answer itself is read from its bytes.

use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    AfterDeserializationInterceptorContextRef, BeforeDeserializationInterceptorContextMut,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use http_body_util::Limited;

/// The largest body that is read: the largest real one has some 200 KB.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// Keeps the body of the last successful attempt of one call, and cuts a body that is too large.
#[derive(Clone, Debug, Default)]
pub(super) struct RawResponse {
    body: Arc<Mutex<Option<Vec<u8>>>>,
}

impl RawResponse {
    /// Takes the body.
    pub(super) fn take(&self) -> Vec<u8> {
        let mut body = self.body.lock().unwrap_or_else(PoisonError::into_inner);
        body.take().unwrap_or_default()
    }
}

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl Intercept for RawResponse {
    fn name(&self) -> &'static str {
        "RawAnswer"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = std::mem::replace(context.response_mut().body_mut(), SdkBody::taken());
        *context.response_mut().body_mut() =
            SdkBody::from_body_1_x(Limited::new(body, MAX_BODY_BYTES));
        Ok(())
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response().body().bytes().map(<[u8]>::to_vec);
        *self.body.lock().unwrap_or_else(PoisonError::into_inner) = body;
        Ok(())
    }
}
