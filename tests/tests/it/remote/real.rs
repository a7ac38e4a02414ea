//! Real servers: moto, Azurite and Ceph, each as far as it goes.
//!
//! They run beside the tests; where one is not installed its tests say so (CONTRIBUTING.md).

mod append_only;
mod killed;
mod locked;

use e2e::{Account, Azurite, Ceph, Place, S3};

use super::{broken_promises, main_job};

/// A place to keep a repository in: who we are to its server, and its URL.
struct Remote {
    account: Box<dyn Account>,
    url: String,
}

impl Remote {
    fn s3(account: &S3, bucket: &str, prefix: &str) -> Self {
        Self { account: Box::new(account.clone()), url: format!("s3://{bucket}/{prefix}") }
    }

    fn moto() -> Option<Self> {
        S3::moto().map(|moto| Self::s3(&moto, &moto.bucket(), "a prefix/repo"))
    }

    fn ceph() -> Option<Self> {
        Ceph::running().map(|ceph| Self::s3(&ceph.owner, &ceph.owner.bucket(), "a/b"))
    }

    fn azurite() -> Option<Self> {
        let azurite = Azurite::running()?;
        let url = format!("az://{}/repo", azurite.container());
        Some(Self { account: Box::new(azurite), url })
    }

    /// A place to run `lifeboat` in, whose repository is there.
    fn place(&self) -> Place {
        Place::new().with(self.account.variables()).with([("LIFEBOAT_REPO", &self.url)])
    }

    /// Whether it keeps every promise of the trait.
    fn conforms(&self) {
        let failures = broken_promises(&self.url, self.account.variables(), |_| {});
        assert!(failures.is_empty(), "{failures:#?}");
    }

    /// Everything that people do with Lifeboat, once.
    fn main_job(&self) {
        main_job(&self.place().keyed(&["--pack-size", "1MiB"]));
    }
}

#[test]
fn moto_conforms() {
    Remote::moto().inspect(Remote::conforms);
}

#[test]
fn azurite_conforms() {
    Remote::azurite().inspect(Remote::conforms);
}

#[test]
fn ceph_conforms() {
    Remote::ceph().inspect(Remote::conforms);
}

#[test]
fn the_main_job_on_moto() {
    Remote::moto().inspect(Remote::main_job);
}

#[test]
fn the_main_job_on_azurite() {
    Remote::azurite().inspect(Remote::main_job);
}

#[test]
fn the_main_job_on_ceph() {
    Remote::ceph().inspect(Remote::main_job);
}
