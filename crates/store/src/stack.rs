//! A connection to a store: the base that a location names, with its layers around it.
//!
//! The one place that knows all layers and their order (decision 13 says why it is this one). Must
//! not read the environment or a clock.

use std::sync::Arc;

use crate::layer::adaptive::{AdaptiveOptions, AdaptiveStore};
use crate::layer::cost::PriceTable;
use crate::layer::hedge::{HedgeOptions, HedgeStore};
use crate::layer::meter::Meter;
use crate::layer::metrics::MetricsStore;
use crate::layer::retry::{RetryOptions, RetryStore};
use crate::layer::throttle::ThrottleStore;
use crate::layer::watchdog::{WatchdogOptions, WatchdogStore};
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

/// How patient the layers are, and how busy.
#[derive(Clone, Debug, Default)]
pub struct LayerOptions {
    /// How calls are repeated; the seed is that of the store's options.
    pub retry: RetryOptions,
    /// How many calls a service may be asked at once.
    pub adaptive: AdaptiveOptions,
    /// When a service is asked again for a slow read.
    pub hedge: HedgeOptions,
    /// When a call is stuck; the usual for the kind of store if it is not given.
    pub watchdog: Option<WatchdogOptions>,
    /// What a service charges; its provider's list prices if it is not given.
    pub prices: Option<PriceTable>,
}

/// A store ready for use, and the numbers of what it was asked.
#[derive(Clone, Debug)]
pub struct Stack {
    /// The store. Needs a tokio runtime with a timer.
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
    let connect = match (location, mode) {
        (Location::Local(path), Mode::Open) => LocalStore::open(path),
        (Location::Local(path), Mode::Create) => LocalStore::create(path),
        (Location::Nfs(path), Mode::Open) => LocalStore::open_network(path),
        (Location::Nfs(path), Mode::Create) => LocalStore::create_network(path),
        (Location::Bucket(bucket), _) => {
            let cloud = cloud::open(bucket, options)?;
            let prices = options.layers.prices.clone();
            let prices = prices.unwrap_or_else(|| PriceTable::of(bucket.provider));
            let meter = Meter::over_http(cloud.traffic, prices);
            return Ok(over_service(cloud.store, options, meter));
        }
    };
    let directory = connect?.with_options(options.local);
    Ok(over_directory(Arc::new(directory), options, Meter::new()))
}

/// The layers of a store that is a directory: nothing that learns from a service's answers.
pub fn over_directory(base: Arc<dyn Store>, options: &StoreOptions, meter: Meter) -> Stack {
    let watchdog = options.layers.watchdog.unwrap_or_default();
    let mut store: Arc<dyn Store> = Arc::new(WatchdogStore::new(base, watchdog));
    if !options.upload.is_unlimited() || !options.download.is_unlimited() {
        let (upload, download) = (options.upload.clone(), options.download.clone());
        store = Arc::new(ThrottleStore::new(store, upload, download));
    }
    counted_and_retried(store, options, meter)
}

/// The layers of a store that is a service of others, which limits its bandwidth itself.
pub fn over_service(base: Arc<dyn Store>, options: &StoreOptions, meter: Meter) -> Stack {
    let layers = &options.layers;
    let usual = WatchdogOptions::for_services(options.cloud.stall);
    let watchdog = layers.watchdog.unwrap_or(usual);
    let watchdog = watchdog.within(&options.upload, &options.download, layers.adaptive);
    let watched = Arc::new(WatchdogStore::new(base, watchdog));
    let adapted = Arc::new(AdaptiveStore::new(watched, layers.adaptive, &meter));
    let hedged = Arc::new(HedgeStore::new(adapted, layers.hedge, meter.clone()));
    counted_and_retried(hedged, options, meter)
}

fn counted_and_retried(below: Arc<dyn Store>, options: &StoreOptions, meter: Meter) -> Stack {
    let retry = RetryOptions { seed: options.seed, ..options.layers.retry };
    let retried = Arc::new(RetryStore::counted(below, retry, meter.clone()));
    Stack { store: Arc::new(MetricsStore::new(retried, meter.clone())), meter }
}

#[cfg(test)]
mod tests;
