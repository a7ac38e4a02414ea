//! Stores around stores: each adds one thing and passes everything else on.
//!
//! A layer knows verbs, keys, sizes and kinds of errors; never what the objects mean.

pub mod adaptive;
pub mod bandwidth;
pub mod cache;
pub mod cost;
pub mod hedge;
pub mod meter;
pub mod metrics;
pub mod record;
pub mod retry;
pub mod throttle;
pub mod watchdog;

#[cfg(test)]
pub(crate) mod scripted;
