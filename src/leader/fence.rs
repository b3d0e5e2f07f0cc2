//! Fence that keeps a replica without the lease from writing.
//!
//! The fence is a layer of the client, so every write passes it, including the client's retries.

use std::pin::pin;
use std::task::{Context, Poll, ready};

use futures::future::{BoxFuture, FutureExt as _, poll_fn};
use http::{Method, Request};
use kube::client::Body;
use tokio::sync::watch;
use tokio::time::sleep;
use tower::{BoxError, Layer, Service};

use crate::leader::election::{ClockReading, Permit};

/// Gate for all writes of this process. Clones share it.
#[derive(Clone, Debug)]
pub struct Fence {
    permit: watch::Sender<Permit>,
}

/// Error of a write that the fence refused.
#[derive(Debug, thiserror::Error)]
#[error("write refused: this replica does not hold the lease")]
pub struct FenceClosedError;

impl Fence {
    /// A fence with this permit.
    pub fn new(permit: Permit) -> Self {
        Self {
            permit: watch::Sender::new(permit),
        }
    }

    /// Replaces the permit.
    pub fn set(&self, permit: Permit) {
        self.permit.send_replace(permit);
    }

    fn is_closed(&self) -> bool {
        self.permit
            .borrow()
            .remaining(ClockReading::now())
            .is_none()
    }

    /// Completes when the fence closes.
    async fn closed(&self) {
        let mut permits = self.permit.subscribe();
        loop {
            let permit = *permits.borrow_and_update();
            let Some(remaining) = permit.remaining(ClockReading::now()) else {
                return;
            };
            tokio::select! {
                () = sleep(remaining) => {}
                // The channel stays open: `self` owns the sender.
                _ = permits.changed() => {}
            }
        }
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

/// Service whose writes pass a [`Fence`].
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
        let is_read = [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method());
        let response = self.inner.call(request);
        if is_read {
            return response.boxed();
        }
        while_open(self.fence.clone(), response).boxed()
    }
}

/// Drives the request while the fence is open. A suspended process may resume at any step, including
/// the sending, so the permit is checked before each poll.
async fn while_open<T>(
    fence: Fence,
    request: impl Future<Output = Result<T, BoxError>>,
) -> Result<T, BoxError> {
    let mut request = pin!(request);
    let step = poll_fn(|cx| {
        if fence.is_closed() {
            return Poll::Ready(Err(FenceClosedError.into()));
        }
        Poll::Ready(ready!(request.as_mut().poll(cx)))
    });
    tokio::select! {
        biased;
        response = step => response,
        () = fence.closed() => Err(FenceClosedError.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::time::Duration;

    use futures::FutureExt as _;
    use tower::{ServiceExt as _, service_fn};

    use super::*;

    /// Sends a request through the fence to a server that always answers.
    async fn send(fence: &Fence, method: Method) -> Result<&'static str, String> {
        let service = fence.layer(service_fn(async |_| Ok::<_, BoxError>("answered")));
        let mut request = Request::new(Body::empty());
        *request.method_mut() = method;
        service.oneshot(request).await.map_err(|e| e.to_string())
    }

    fn valid_for(duration: Duration) -> Permit {
        Permit::From {
            renewed: ClockReading::now(),
            duration,
        }
    }

    #[tokio::test]
    async fn closed_fence_passes_reads_only() {
        let closed = Fence::new(Permit::Never);
        let (reads, writes) = (
            [Method::GET, Method::HEAD],
            [Method::POST, Method::PUT, Method::PATCH, Method::DELETE],
        );
        for method in reads {
            assert_eq!(send(&closed, method).await, Ok("answered"));
        }
        for method in writes {
            let refused = send(&closed, method.clone()).await;
            assert_eq!(refused, Err(FenceClosedError.to_string()), "{method}");
            let open = Fence::new(valid_for(Duration::from_hours(1)));
            assert_eq!(send(&open, method).await, Ok("answered"));
        }
    }

    #[tokio::test]
    async fn writes_fail_after_permit_expires() {
        let fence = Fence::new(valid_for(Duration::ZERO));
        send(&fence, Method::PUT).await.unwrap_err();
        fence.set(Permit::Always);
        send(&fence, Method::PUT).await.unwrap();
        fence.set(Permit::Never);
        send(&fence, Method::PUT).await.unwrap_err();
    }

    #[tokio::test]
    async fn in_flight_write_is_cancelled_with_permit() {
        // The permit expires.
        let fence = Fence::new(valid_for(Duration::from_millis(20)));
        while_open(fence, pending::<Result<(), _>>())
            .await
            .unwrap_err();

        // The permit is revoked; a renewal keeps the request alive.
        let fence = Fence::new(valid_for(Duration::from_hours(1)));
        let mut request = pin!(while_open(fence.clone(), pending::<Result<(), _>>()));
        assert!(request.as_mut().now_or_never().is_none());
        fence.set(valid_for(Duration::from_hours(1)));
        assert!(request.as_mut().now_or_never().is_none());
        fence.set(Permit::Never);
        request.await.unwrap_err();
    }

    #[tokio::test]
    async fn closed_fence_stops_request_before_next_poll() {
        // As after a suspended process resumes: the timer has not fired yet, and the request is ready.
        let fence = Fence::new(Permit::Always);
        let mut steps = 0;
        let request = poll_fn(|_| {
            steps += 1;
            Poll::<Result<(), BoxError>>::Pending
        });
        {
            let mut request = pin!(while_open(fence.clone(), request));
            assert!(request.as_mut().now_or_never().is_none());
            fence.set(Permit::Never);
            assert!(matches!(request.as_mut().now_or_never(), Some(Err(_))));
        }
        assert_eq!(steps, 1);
    }
}
