//! The control API of Amazon Bedrock as the operator uses it, over real HTTP: `ListFoundationModels` and
//! `ListInferenceProfiles`, the Account service's `ListRegions`, and what gives credentials: `AssumeRole` and
//! `AssumeRoleWithWebIdentity` of STS, and the endpoint that containers ask. Faults are had on demand, every request is
//! counted.
//!
//! It is the independent judge of the product and shares no code with it.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use bedrock_simulator::{Catalog, Fault, FaultRule, Operation, Simulator};
//!
//! let simulator = Simulator::start(Catalog::real()?).await?;
//! simulator.faults().add(FaultRule::new(Fault::AccessDenied).region("us-east-1").times(1));
//! // … point AWS_ENDPOINT_URL_BEDROCK at simulator.url() …
//! assert_eq!(simulator.count("us-east-1", Operation::ListFoundationModels), 1);
//! # Ok(())
//! # }
//! ```

mod admin;
mod api;
mod aws_error;
mod call;
mod catalog;
mod converse;
mod delay;
mod delivery;
mod distortion;
mod fault;
mod fault_plan;
mod identities;
mod operation;
mod paging;
mod random;
mod real_catalog;
mod request_log;
mod response;
mod server;
mod simulator;
mod sts;

pub use catalog::{Catalog, RegionOptStatus};
pub use delay::{Delay, InvalidDelay};
pub use fault::{Fault, FaultRule};
pub use fault_plan::Faults;
pub use identities::{Identities, Role, SECRETS, Session};
pub use operation::Operation;
pub use request_log::RecordedRequest;
pub use simulator::Simulator;
