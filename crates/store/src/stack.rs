//! A connection to a store: the base that a location names, with its layers around it.
//!
//! The one place that knows all layers and their order. Must not read the environment or a clock.

use std::sync::Arc;

use crate::layer::meter::Meter;
use crate::layer::metrics::MetricsStore;
use crate::layer::retry::{RetryOptions, RetryStore};
use crate::local::LocalStore;
use crate::options::StoreOptions;
use crate::url::Location;
use crate::{Result, Store, cloud};

/// Whether the place must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It must.
    Open,
    /// It is made if it is missing, where this program can make it (a directory).
    Create,
}

/// A store ready for use, and the numbers of what it was asked.
#[derive(Clone, Debug)]
pub struct Stack {
    /// The store.
    pub store: Arc<dyn Store>,
    /// What it counts.
    pub meter: Meter,
}

/// Connects to the store at `location`. Quick, and makes no request to a service.
///
/// # Errors
/// As the store's own: [`NotFound`](crate::ErrorKind::NotFound) when there is no such directory,
/// [`Invalid`](crate::ErrorKind::Invalid) for options that don't fit.
pub fn open(location: &Location, options: &StoreOptions, mode: Mode) -> Result<Stack> {
    let meter = Meter::new();
    let base = base(location, options, mode)?;
    let retry = RetryOptions { seed: options.seed, ..RetryOptions::default() };
    let retried = Arc::new(RetryStore::new(base, retry));
    Ok(Stack { store: Arc::new(MetricsStore::new(retried, meter.clone())), meter })
}

fn base(location: &Location, options: &StoreOptions, mode: Mode) -> Result<Arc<dyn Store>> {
    Ok(match location {
        Location::Local(path) | Location::Nfs(path) => {
            let connect = match (location, mode) {
                (Location::Nfs(_), Mode::Open) => LocalStore::open_network,
                (Location::Nfs(_), Mode::Create) => LocalStore::create_network,
                (_, Mode::Open) => LocalStore::open,
                (_, Mode::Create) => LocalStore::create,
            };
            Arc::new(connect(path)?.with_options(options.local))
        }
        Location::Bucket(bucket) => cloud::open(bucket, options)?.store,
    })
}
