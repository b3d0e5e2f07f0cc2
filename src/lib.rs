//! Discovers which Amazon Bedrock models each AWS region offers and which inference profile invokes
//! them, and publishes the result as ConfigMaps.
//!
//! As a library the crate reads what the operator publishes. Without any feature that is a mounted
//! ConfigMap ([`reader::MountedMap`]), and the decisions as functions over plain values
//! ([`bedrock`]): nothing of Kubernetes or AWS is compiled.
//!
//! ```
//! use bedrock_model_map::reader::MountedMap;
//!
//! # let folder = tempfile::tempdir()?;
//! # let mount = folder.path();
//! # std::fs::write(mount.join("metadata.json"), r#"{"schemaVersion":1,"region":"eu-central-1","state":"Fresh","discoveredAt":"2026-11-01T00:00:00Z","models":1,"profiles":1,"associations":1}"#)?;
//! # std::fs::write(mount.join("models.json"), r#"{"a.model-v1:0":{"inferenceTypesSupported":["INFERENCE_PROFILE"],"referencedByInstanceProfiles":[{"inferenceProfileId":"eu.a.model-v1:0","type":"SYSTEM_DEFINED","status":"ACTIVE","models":[]}]}}"#)?;
//! let map = MountedMap::open(mount)?;
//! let id = map.current().invoke_with("eu-central-1", "a.model-v1:0")?;
//! assert_eq!(id, "eu.a.model-v1:0");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | feature | gives |
//! |---|---|
//! | `cluster` | `reader::get_model_profile_mapping`: what a `BedrockModelMap` has published |
//! | `aws` | `discovery::discover`: asks Amazon Bedrock |
//! | `operator` (default) | the program |
//!
//! With `cluster` or `aws` the program that uses the crate chooses the version of `k8s-openapi`.
//!
//! `ARCHITECTURE.md` in the repository describes the modules and the data flow.

pub mod api;
#[cfg(feature = "aws")]
pub mod aws;
// With fewer features some of it has no caller.
#[cfg_attr(not(feature = "operator"), allow(dead_code))]
pub mod bedrock;
#[cfg(feature = "operator")]
pub mod cli;
#[cfg(feature = "internals")]
pub mod digest;
#[cfg(not(feature = "internals"))]
mod digest;
#[cfg(feature = "aws")]
pub mod discovery;
#[cfg(feature = "operator")]
mod kubernetes;
#[cfg(all(feature = "operator", feature = "internals"))]
pub mod leader;
#[cfg(all(feature = "operator", not(feature = "internals")))]
mod leader;
#[cfg(feature = "operator")]
mod ops;
#[cfg(feature = "internals")]
pub mod publication;
#[cfg(not(feature = "internals"))]
mod publication;
pub mod reader;
#[cfg(all(feature = "aws", feature = "internals"))]
pub mod reconcile;
#[cfg(all(feature = "aws", not(feature = "internals")))]
mod reconcile;
#[cfg(any(feature = "aws", feature = "cluster"))]
mod text;
