//! Discovers which Amazon Bedrock models each AWS region offers and which inference profile invokes
//! them, and publishes the result as ConfigMaps.
//!
//! The library reads what the operator publishes. Without any feature it reads a mounted ConfigMap
//! ([`reader::MountedMap`]) and offers the decisions as functions over plain values ([`bedrock`]):
//! neither Kubernetes nor AWS is compiled.
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
//! | `cluster` | `reader::MapReader`: reads what a `BedrockModelMap` has published |
//! | `aws` | `discovery::discover`: queries Amazon Bedrock |
//! | `operator` | the program: `cargo install bedrock-model-map --features operator` |
//!
//! With `cluster` or `aws` the program that uses the library chooses the version of `k8s-openapi`.
//! Types of [`jiff`], `kube` and `k8s-openapi` stand in signatures; the crates are re-exported, and a
//! new major version of one of them is a new major version of this library.
//!
//! The library compiles with Rust 1.88 without features, and with Rust 1.89 with `cluster`. `aws` needs
//! the Rust version of the AWS SDK. The program is built with the toolchain of `rust-toolchain.toml`.
//!
//! `ARCHITECTURE.md` in the repository describes the modules and the data flow.

#![cfg_attr(docsrs, feature(doc_cfg))]
// The Rust version in Cargo.toml is that of the library without `aws`.
#![cfg_attr(not(feature = "aws"), warn(clippy::incompatible_msrv))]
// With fewer features some private items have no caller; a build of the program finds dead code.
#![cfg_attr(not(feature = "operator"), allow(dead_code))]

pub use jiff;
#[cfg(any(feature = "aws", feature = "cluster"))]
pub use k8s_openapi;
#[cfg(feature = "cluster")]
pub use kube;

pub mod api;
#[cfg(feature = "aws")]
pub mod aws;
pub mod bedrock;
#[cfg(feature = "operator")]
#[doc(hidden)]
pub mod cli;
#[cfg(feature = "operator")]
mod cluster_map;
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
