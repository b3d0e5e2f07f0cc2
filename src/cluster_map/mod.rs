//! What a `ClusterBedrockModelMap` means: which namespaces have a `BedrockModelMap`, what becomes of each,
//! and the status that follows.

pub mod children;
pub mod rollout;
pub mod selector;
pub mod status;
