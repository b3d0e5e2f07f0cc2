//! The bytes of a response: how many are read, and what they are apart from the SDK's types.
//!
//! The SDK's types know the fields of the day it was built, fill in missing ones, and read a
//! response without its list as an empty list. Discovery must neither lose nor invent anything, so
//! the SDK signs, sends, retries and classifies, and [`RawResponse`] keeps the bytes.

use std::sync::Arc;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    AfterDeserializationInterceptorContextRef, BeforeDeserializationInterceptorContextMut,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use http_body_util::Limited;
use parking_lot::Mutex;

/// The largest body that is read: 20 times the largest real one, which has some 200 KB.
const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;

/// Fails a response whose body is too large. For every client: the SDK reads bodies to their end.
#[derive(Debug)]
pub(super) struct BodyLimit;

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl Intercept for BodyLimit {
    fn name(&self) -> &'static str {
        "BodyLimit"
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
}

/// Keeps the body of the last successful attempt of one call.
#[derive(Clone, Debug, Default)]
pub(super) struct RawResponse {
    body: Arc<Mutex<Option<Vec<u8>>>>,
}

impl RawResponse {
    pub(super) fn take(&self) -> Vec<u8> {
        self.body.lock().take().unwrap_or_default()
    }
}

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl Intercept for RawResponse {
    fn name(&self) -> &'static str {
        "RawResponse"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        *self.body.lock() = context.response().body().bytes().map(<[u8]>::to_vec);
        Ok(())
    }
}
