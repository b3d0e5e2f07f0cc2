//! Keeps in a Kubernetes cluster which Amazon Bedrock models exist in which region, and through
//! which inference profile each is invoked.

pub mod api;
pub mod core;
