use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, PoisonError};

use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use crate::api::Service;
use crate::catalog::Catalog;
use crate::fault_plan::Faults;
use crate::identities::Identities;
use crate::operation::Operation;
use crate::request_log::RecordedRequest;
use crate::server::serve;

/// A running simulator. It stops when it is dropped, whatever requests are still open.
pub struct Simulator {
    address: SocketAddr,
    service: Arc<Service>,
    server: AbortHandle,
}

impl Simulator {
    /// Starts on a free port of the loopback interface, on the current runtime.
    pub async fn start(catalog: Catalog) -> io::Result<Self> {
        Self::start_on((Ipv4Addr::LOCALHOST, 0).into(), catalog).await
    }

    /// Starts on that address.
    pub async fn start_on(address: SocketAddr, catalog: Catalog) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let service = Arc::new(Service::new(catalog));
        Ok(Self {
            address: listener.local_addr()?,
            server: tokio::spawn(serve(listener, Arc::clone(&service))).abort_handle(),
            service,
        })
    }

    /// What `AWS_ENDPOINT_URL_BEDROCK`, `_ACCOUNT` and `_STS` have to be, or `AWS_ENDPOINT_URL` for all of them.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The faults, to be changed at any time.
    pub fn faults(&self) -> &Faults {
        &self.service.faults
    }

    /// The roles that it gives credentials of; none at first.
    pub fn identities(&self) -> &Identities {
        &self.service.identities
    }

    /// What `AWS_CONTAINER_CREDENTIALS_FULL_URI` has to be.
    pub fn container_credentials_url(&self) -> String {
        format!("{}/v1/credentials", self.url())
    }

    /// The catalogue as it is now.
    pub fn catalog(&self) -> Catalog {
        self.service
            .catalog
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Changes the catalogue. Answers come from before or after, never from between.
    pub fn edit_catalog(&self, edit: impl FnOnce(&mut Catalog)) {
        edit(
            &mut self
                .service
                .catalog
                .write()
                .unwrap_or_else(PoisonError::into_inner),
        );
    }

    /// Every request so far, in the order of arrival.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.service.log.requests()
    }

    /// How many requests of that operation a region had so far.
    pub fn count(&self, region: &str, operation: Operation) -> usize {
        self.service.log.count(region, operation)
    }

    /// How many requests there were so far.
    pub fn total(&self) -> usize {
        self.service.log.total()
    }

    /// Forgets all requests so far.
    pub fn reset_counts(&self) {
        self.service.log.reset();
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.server.abort();
    }
}
