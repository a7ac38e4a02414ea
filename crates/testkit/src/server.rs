//! The tests' own servers of objects over HTTP: S3, and the XML side of Google Cloud Storage.
//!
//! Each runs in this process, on a port and a thread of its own, and stops when it is dropped. It
//! speaks what our stores say and refuses the rest, so that nothing is thought to be supported that
//! is not. What it does wrong is scripted ([`Fault`]) or a way it always has ([`Behaviour`]).
//!
//! Must not know what the objects mean. Its objects' times are those of this machine's clock.

mod answer;
mod behaviour;
mod bucket;
mod fault;
mod gcs;
mod host;
mod list;
mod objects;
mod request;
mod s3;

use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use bucket::Bucket;
use fault::Script;
use host::{Dialect, Host, Site};

pub use behaviour::{Behaviour, Lag, Policy};
pub use fault::{Fault, Moment};
pub use gcs::{GcsOptions, GcsServer};
pub use objects::Stored;
pub use request::{Operation, Request};
pub use s3::{AccessKey, S3Options, S3Server};

/// A server that runs: what every kind of them has.
#[derive(Debug)]
pub struct Server {
    site: Arc<Site>,
    host: Host,
}

impl Server {
    fn start(bucket: Bucket, dialect: Box<dyn Dialect>, port: u16) -> Self {
        let site = Arc::new(Site {
            bucket,
            dialect,
            script: Mutex::new(Script::default()),
            log: Mutex::default(),
        });
        let host = Host::start(port, Arc::clone(&site)).expect("a port of this machine is free");
        Self { site, host }
    }

    /// Where it is: `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.host.address())
    }

    /// The address that it listens on.
    pub fn address(&self) -> std::net::SocketAddr {
        self.host.address()
    }

    /// The name of its only bucket.
    pub fn bucket(&self) -> &str {
        self.site.bucket.name()
    }

    /// Adds a fault; the requests it counts begin now. Where several apply, the oldest does; delays
    /// add up, and come before whatever else happens.
    pub fn script(&self, fault: Fault) {
        guard(&self.site.script).add(fault);
    }

    /// Removes all faults: from now on everything works.
    pub fn heal(&self) {
        guard(&self.site.script).clear();
    }

    /// How many requests a fault other than a delay was done to.
    pub fn injected(&self) -> u64 {
        guard(&self.site.script).injected()
    }

    /// Behaves otherwise from now on.
    pub fn behave(&self, behaviour: Behaviour) {
        self.site.bucket.behave(behaviour);
    }

    /// All requests so far, in the order of their arrival.
    pub fn requests(&self) -> Vec<Request> {
        guard(&self.site.log).clone()
    }

    /// How many requests there were of one kind, whatever became of them.
    pub fn count(&self, operation: Operation) -> usize {
        guard(&self.site.log).iter().filter(|request| request.operation == operation).count()
    }

    /// Forgets the requests so far.
    pub fn forget_requests(&self) {
        guard(&self.site.log).clear();
    }

    /// The keys of all objects, in order.
    pub fn keys(&self) -> Vec<String> {
        self.site.bucket.objects().keys()
    }

    /// The object as it is stored.
    pub fn object(&self, key: &str) -> Option<Stored> {
        self.site.bucket.objects().stored(key)
    }

    /// Puts or replaces an object behind everybody's back.
    pub fn plant(&self, key: &str, bytes: impl Into<Bytes>) {
        self.site.bucket.plant(key, bytes.into());
    }

    /// Removes an object behind everybody's back; whether there was one.
    pub fn lose(&self, key: &str) -> bool {
        self.site.bucket.objects().remove(key).expect("the server's directory can be written")
    }
}

impl Deref for S3Server {
    type Target = Server;

    fn deref(&self) -> &Server {
        self.server()
    }
}

impl Deref for GcsServer {
    type Target = Server;

    fn deref(&self) -> &Server {
        self.server()
    }
}

/// What is behind the mutex, also after another test thread has panicked with it.
fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
