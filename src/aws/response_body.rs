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
use futures::stream::try_unfold;
use http_body_util::{BodyExt as _, Limited, StreamBody};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The largest body that is read: 20 times the largest real one, which has some 200 KB.
const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;
/// A body up to this size is read at once. Larger ones share a budget.
const ORDINARY_BODY_BYTES: usize = 512 * 1024;
/// How many bodies larger than that are in memory at once.
const LARGE_BODIES: usize = 4;

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
        replace_body(context, limited);
        Ok(())
    }
}

fn replace_body(
    context: &mut BeforeDeserializationInterceptorContextMut<'_>,
    replacement: impl FnOnce(SdkBody) -> SdkBody,
) {
    let body = context.response_mut().body_mut();
    *body = replacement(std::mem::replace(body, SdkBody::taken()));
}

/// Reads nothing of a body that states too large a length.
fn limited(body: SdkBody) -> SdkBody {
    let length = body.content_length().and_then(|n| usize::try_from(n).ok());
    let limit = match length {
        Some(length) if length > MAX_BODY_BYTES => 0,
        Some(_) | None => MAX_BODY_BYTES,
    };
    SdkBody::from_body_1_x(Limited::new(body, limit))
}

/// The budget of bytes for the bodies of all regions together. An ordinary body needs none of it, so
/// that a large one delays only other large ones. Its holder waits for no second one.
#[derive(Clone, Debug)]
pub(super) struct BodyBudget(Arc<Semaphore>);

impl Default for BodyBudget {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LARGE_BODIES)))
    }
}

/// Keeps the body of the last successful attempt of one call.
#[derive(Clone, Debug)]
pub(super) struct RawResponse {
    budget: BodyBudget,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    bytes: Vec<u8>,
    permit: Option<OwnedSemaphorePermit>,
}

/// A body with its part of the budget, to be dropped once it is parsed.
#[derive(Debug)]
pub(super) struct RawBody {
    pub(super) bytes: Vec<u8>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl RawResponse {
    pub(super) fn new(budget: &BodyBudget) -> Self {
        Self {
            budget: budget.clone(),
            kept: Arc::default(),
        }
    }

    pub(super) fn take(&self) -> RawBody {
        let Kept { bytes, permit } = std::mem::take(&mut *self.kept.lock());
        RawBody {
            bytes,
            _permit: permit,
        }
    }

    /// The body, which reads on beyond the ordinary size once the budget permits.
    fn budgeted(&self, body: SdkBody) -> SdkBody {
        // That of an earlier attempt.
        *self.kept.lock() = Kept::default();
        let (budget, kept) = (self.budget.clone(), Arc::clone(&self.kept));
        let frames = try_unfold((Box::pin(body), 0), move |(mut body, read)| {
            let (budget, kept) = (budget.clone(), Arc::clone(&kept));
            async move {
                let Some(frame) = body.frame().await.transpose()? else {
                    return Ok::<_, BoxError>(None);
                };
                let read = read + frame.data_ref().map_or(0, |data| data.iter().len());
                let is_large = read > ORDINARY_BODY_BYTES;
                if is_large && kept.lock().permit.is_none() {
                    let permit = budget.0.acquire_owned().await?;
                    kept.lock().permit = Some(permit);
                }
                Ok(Some((frame, (body, read))))
            }
        });
        SdkBody::from_body_1_x(StreamBody::new(frames))
    }
}

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl Intercept for RawResponse {
    fn name(&self) -> &'static str {
        "RawResponse"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        replace_body(context, |body| self.budgeted(body));
        Ok(())
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let bytes = context.response().body().bytes().map(<[u8]>::to_vec);
        self.kept.lock().bytes = bytes.unwrap_or_default();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::FutureExt as _;
    use http_body_util::LengthLimitError;
    use http_body_util::combinators::BoxBody;
    use hyper::body::Frame;

    use super::*;

    /// A body of unknown length, in chunks of 64 KiB.
    fn chunked(bytes: usize) -> SdkBody {
        let chunk = || Ok::<_, Infallible>(Frame::data(vec![b'x'; 65_536].into()));
        let chunks = futures::stream::iter((0..bytes / 65_536).map(move |_| chunk()));
        SdkBody::from_body_1_x(StreamBody::new(chunks))
    }

    async fn read(body: SdkBody) -> Result<usize, BoxError> {
        let collected = BoxBody::new(body).collect().await?;
        Ok(collected.to_bytes().len())
    }

    #[tokio::test]
    async fn body_that_states_too_large_a_length_is_not_read() {
        for body in [
            SdkBody::from(vec![0; MAX_BODY_BYTES + 1]),
            chunked(2 * MAX_BODY_BYTES),
        ] {
            let error = read(limited(body)).await.unwrap_err();
            assert!(error.is::<LengthLimitError>(), "{error}");
        }
        assert_eq!(
            read(limited(chunked(MAX_BODY_BYTES))).await.unwrap(),
            MAX_BODY_BYTES
        );
    }

    #[tokio::test]
    async fn large_bodies_wait_for_budget_and_ordinary_ones_do_not() {
        const LARGE: usize = ORDINARY_BODY_BYTES + 65_536;
        let budget = BodyBudget::default();
        let responses: Vec<RawResponse> = (0..=LARGE_BODIES)
            .map(|_| RawResponse::new(&budget))
            .collect();
        let (waiting, reading) = responses.split_last().unwrap();
        for response in reading {
            assert_eq!(
                read(response.budgeted(chunked(LARGE))).await.unwrap(),
                LARGE
            );
        }
        let mut large = Box::pin(read(waiting.budgeted(chunked(LARGE))));
        assert!(large.as_mut().now_or_never().is_none());
        let ordinary = RawResponse::new(&budget).budgeted(chunked(ORDINARY_BODY_BYTES));
        assert_eq!(read(ordinary).await.unwrap(), ORDINARY_BODY_BYTES);
        // The parsed body gives its part back.
        drop(reading[0].take());
        assert_eq!(large.await.unwrap(), LARGE);
    }

    #[tokio::test]
    async fn failed_call_gives_its_part_of_the_budget_back() {
        let budget = BodyBudget::default();
        for _ in 0..=2 * LARGE_BODIES {
            let response = RawResponse::new(&budget);
            let too_large = response.budgeted(limited(chunked(2 * MAX_BODY_BYTES)));
            read(too_large).await.unwrap_err();
        }
    }
}
