//! The HTTP client below `object_store`: ours, so that each request is made once, signed anew,
//! watched, limited and counted.
//!
//! Knows requests and answers, and which of them go to the bucket; nothing of keys. Must not read
//! the environment: proxy and certificates come from the options alone. Nothing here repeats a
//! request: neither redirects nor retries are followed.

mod body;
mod carrier;
mod service;
mod tls;
mod watch;

pub(super) use carrier::HttpCarrier;
pub(super) use service::{Aim, Inner, Service};
