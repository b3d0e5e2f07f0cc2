//! What keeps a replica that does not lead from writing.
//!
//! The fence is a part of the client: whatever changes something in the cluster passes it, however
//! it is called and how often the client tries it again.

use std::pin::pin;
use std::task::{Context, Poll, ready};
use std::time::{Instant, SystemTime};

use futures::future::{BoxFuture, FutureExt as _, poll_fn};
use http::{Method, Request};
use kube::client::{Body, ClientBuilder};
use kube::{Client, Config};
use tokio::sync::watch;
use tokio::time::sleep;
use tower::{BoxError, Layer, Service};

use crate::leader::election::{ClockReading, Permit};

/// Whether this process may write now. Copies share it.
#[derive(Clone, Debug)]
pub struct Fence {
    permit: watch::Sender<Permit>,
}

/// A write that was refused.
#[derive(Debug, thiserror::Error)]
#[error("this replica does not lead, or not surely any more: it writes nothing")]
pub struct Refused;

impl Fence {
    /// With this to begin with.
    pub fn new(permit: Permit) -> Self {
        Self {
            permit: watch::Sender::new(permit),
        }
    }

    /// From now on.
    pub fn set(&self, permit: Permit) {
        self.permit.send_replace(permit);
    }

    /// A client whose writes pass the fence.
    pub fn client(&self, config: Config) -> Result<Client, kube::Error> {
        Ok(ClientBuilder::try_from(config)?.with_layer(self).build())
    }

    fn is_closed(&self) -> bool {
        self.permit.borrow().remaining(moment()).is_none()
    }

    /// Ready once it is closed.
    async fn closed(&self) {
        let mut permits = self.permit.subscribe();
        loop {
            let permit = *permits.borrow_and_update();
            let Some(remaining) = permit.remaining(moment()) else {
                return;
            };
            tokio::select! {
                () = sleep(remaining) => {}
                // The sender is a part of `self`.
                _ = permits.changed() => {}
            }
        }
    }
}

/// Now, on both clocks.
pub(super) fn moment() -> ClockReading {
    ClockReading {
        monotonic: Instant::now(),
        wall: SystemTime::now(),
    }
}

impl<S> Layer<S> for Fence {
    type Service = Fenced<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Fenced {
            inner,
            fence: self.clone(),
        }
    }
}

/// See [`Fence`].
#[derive(Clone, Debug)]
pub struct Fenced<S> {
    inner: S,
    fence: Fence,
}

impl<S> Service<Request<Body>> for Fenced<S>
where
    S: Service<Request<Body>, Error = BoxError>,
    S::Response: 'static,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let reads = [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method());
        let answer = self.inner.call(request);
        if reads {
            return answer.boxed();
        }
        guarded(self.fence.clone(), answer).boxed()
    }
}

/// The request goes on only as long as the fence is open. A process that was stopped and goes on
/// may find any step to be the next one, the sending included: so each is preceded by a look.
async fn guarded<T>(
    fence: Fence,
    request: impl Future<Output = Result<T, BoxError>>,
) -> Result<T, BoxError> {
    let mut request = pin!(request);
    let step = poll_fn(|cx| {
        if fence.is_closed() {
            return Poll::Ready(Err(Refused.into()));
        }
        Poll::Ready(ready!(request.as_mut().poll(cx)))
    });
    tokio::select! {
        biased;
        answer = step => answer,
        () = fence.closed() => Err(Refused.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::time::Duration;

    use futures::FutureExt as _;
    use tower::{ServiceExt as _, service_fn};

    use super::*;

    /// What becomes of a request that would be answered at once.
    async fn sent(fence: &Fence, method: Method) -> Result<&'static str, String> {
        let service = fence.layer(service_fn(async |_| Ok::<_, BoxError>("answered")));
        let mut request = Request::new(Body::empty());
        *request.method_mut() = method;
        service.oneshot(request).await.map_err(|e| e.to_string())
    }

    fn valid_for(lasts: Duration) -> Permit {
        Permit::From {
            renewed: moment(),
            lasts,
        }
    }

    #[tokio::test]
    async fn only_reads_pass_a_closed_fence() {
        let closed = Fence::new(Permit::Never);
        let (reads, writes) = (
            [Method::GET, Method::HEAD],
            [Method::POST, Method::PUT, Method::PATCH, Method::DELETE],
        );
        for method in reads {
            assert_eq!(sent(&closed, method).await, Ok("answered"));
        }
        for method in writes {
            let refused = sent(&closed, method.clone()).await;
            assert_eq!(refused, Err(Refused.to_string()), "{method}");
            let open = Fence::new(valid_for(Duration::from_hours(1)));
            assert_eq!(sent(&open, method).await, Ok("answered"));
        }
    }

    #[tokio::test]
    async fn writes_pass_no_longer_than_the_permit() {
        let fence = Fence::new(valid_for(Duration::ZERO));
        sent(&fence, Method::PUT).await.unwrap_err();
        fence.set(Permit::Always);
        sent(&fence, Method::PUT).await.unwrap();
        fence.set(Permit::Never);
        sent(&fence, Method::PUT).await.unwrap_err();
    }

    #[tokio::test]
    async fn requests_under_way_end_with_the_permit() {
        // It runs out.
        let fence = Fence::new(valid_for(Duration::from_millis(20)));
        guarded(fence, pending::<Result<(), _>>())
            .await
            .unwrap_err();

        // It is taken away. A renewal does not end it.
        let fence = Fence::new(valid_for(Duration::from_hours(1)));
        let mut request = pin!(guarded(fence.clone(), pending::<Result<(), _>>()));
        assert!(request.as_mut().now_or_never().is_none());
        fence.set(valid_for(Duration::from_hours(1)));
        assert!(request.as_mut().now_or_never().is_none());
        fence.set(Permit::Never);
        request.await.unwrap_err();
    }

    #[tokio::test]
    async fn no_step_is_made_once_the_fence_is_closed() {
        // As after a stop of the process: the timer has not fired yet, and the request could go on.
        let fence = Fence::new(Permit::Always);
        let mut steps = 0;
        let request = poll_fn(|_| {
            steps += 1;
            Poll::<Result<(), BoxError>>::Pending
        });
        {
            let mut request = pin!(guarded(fence.clone(), request));
            assert!(request.as_mut().now_or_never().is_none());
            fence.set(Permit::Never);
            assert!(matches!(request.as_mut().now_or_never(), Some(Err(_))));
        }
        assert_eq!(steps, 1);
    }
}
