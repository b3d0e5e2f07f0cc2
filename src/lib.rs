//! Keeps in a Kubernetes cluster which Amazon Bedrock models exist in which region, and through
//! which inference profile each is invoked.
//!
//! `ARCHITECTURE.md` in the repository shows the way of the data through these modules.

pub mod api;
pub mod aws;
pub mod cli;
pub mod cluster;
pub mod core;
pub mod discovery;
pub mod ops;
pub mod published;
