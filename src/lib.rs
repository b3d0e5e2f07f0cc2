//! Keeps in a Kubernetes cluster which Amazon Bedrock models exist in which region, and through
//! which inference profile each is invoked.
//!
//! `ARCHITECTURE.md` in the repository shows the way of the data through these modules.

pub mod api;
#[cfg(feature = "aws")]
pub mod aws;
#[cfg(feature = "operator")]
pub mod cli;
#[cfg(feature = "operator")]
mod cluster;
#[cfg(feature = "internals")]
pub mod core;
// With fewer features some of it has no caller.
#[cfg(not(feature = "internals"))]
#[cfg_attr(not(feature = "operator"), allow(dead_code))]
mod core;
#[cfg(feature = "aws")]
pub mod discovery;
#[cfg(feature = "operator")]
mod ops;
pub mod published;

pub use crate::core::{association, catalog, invocation, resolve, selection};
#[cfg(feature = "aws")]
pub use crate::core::{identity, urgency};
