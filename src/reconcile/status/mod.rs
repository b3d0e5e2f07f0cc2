//! The status that follows from an outcome: of a region, of the account and of the resource.

#[cfg(feature = "operator")]
pub mod account;
#[cfg(feature = "operator")]
pub mod aliases;
#[cfg(feature = "operator")]
pub mod conditions;
#[cfg(feature = "operator")]
pub mod contention;
#[cfg(feature = "operator")]
pub mod detail;
#[cfg(feature = "operator")]
pub mod events;
#[cfg(feature = "operator")]
mod ids_available;
#[cfg(feature = "operator")]
pub(crate) mod new_condition;
#[cfg(feature = "operator")]
pub mod older_definition;
pub mod peers;
pub mod region;
mod shrink;
#[cfg(feature = "operator")]
pub mod verified;
