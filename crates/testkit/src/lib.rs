//! Ways to break things: stores that fail or lose power, clocks and randomness under control.
//!
//! For tests only: nothing that is released may depend on it. Everything in it is deterministic, so
//! that a failure can be repeated from its seed.

pub mod clock;
pub mod crash;
pub mod dice;
pub mod entropy;
pub mod fault;
pub mod hook;
pub mod link;
pub mod locked;
pub mod proxy;
pub mod same_tree;
pub mod server;
pub mod skip;
pub mod tree;
