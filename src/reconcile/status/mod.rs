//! What an outcome means: for a region, for the account, and for the resource as a whole.

#[cfg(feature = "operator")]
pub mod account;
#[cfg(feature = "operator")]
pub mod conditions;
#[cfg(feature = "operator")]
pub mod detail;
#[cfg(feature = "operator")]
pub mod events;
pub mod peers;
pub mod region;
