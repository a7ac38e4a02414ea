//! Whether a store is fit for a repository, and whether the repository in it fits the store.
//!
//! Needs no key: `config` is in clear, and everything else is about the store. What is tried is
//! written below `probe/` and removed again, where that is allowed.

mod repository;

use std::time::SystemTime;

use lifeboat_codec::{Clock, Entropy};
use lifeboat_format::id::RepositoryId;
use lifeboat_format::key::PROBE;
use lifeboat_repo::Kind;
use lifeboat_repo::cancel::Cancel;
use lifeboat_repo::io::Io;
use lifeboat_store::probe::{ProbeOptions, Watch, probe};
use std::sync::Arc;
use std::time::Duration;

pub use lifeboat_store::probe::{Capabilities, Deletes, Grade, Latency, ProbeReport, Rate, Speed};

use crate::context::Context;
use crate::error::Result;
use crate::monitor::{Monitor, Phase};

/// What a doctor looks at, and how thoroughly.
#[derive(Clone, Debug)]
pub struct DoctorOptions {
    /// How many bytes go up, and come down again, to measure the speed; none measures nothing and
    /// makes fewer tries.
    pub speed_bytes: u64,
    /// Nothing else writes to the repository meanwhile, on the user's word: then a store that can't
    /// keep two writers apart will do.
    pub exclusive: bool,
    /// Whether new objects are to be locked: then it is an error when they are not.
    pub locks: bool,
    /// Where randomness comes from.
    pub entropy: Entropy,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

/// One thing that was found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is about: a word that stays the same.
    pub subject: &'static str,
    /// What it rules out.
    pub grade: Grade,
    /// What was found, as a sentence without a full stop.
    pub found: String,
    /// What that rules out or allows.
    pub meaning: Option<String>,
    /// What to do about it.
    pub advice: Option<String>,
}

/// The repository that is there, as far as it can be known without a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its id.
    pub id: RepositoryId,
    /// Whether it is marked for one writer at a time.
    pub is_exclusive: bool,
}

/// What a doctor found.
#[derive(Clone, Debug, PartialEq)]
pub struct DoctorReport {
    /// The store's place, without secrets.
    pub location: String,
    /// Of the store, then of the repository.
    pub findings: Vec<Finding>,
    /// The repository, if there is one that can be understood.
    pub repository: Option<Found>,
    /// The store's findings as facts and numbers.
    pub store: ProbeReport,
    /// Whether a repository works safely there, as it is or would be created.
    pub is_fit: bool,
}

impl DoctorReport {
    /// The worst of all findings.
    pub fn grade(&self) -> Grade {
        self.findings.iter().map(|finding| finding.grade).max().unwrap_or(Grade::Good)
    }
}

/// Tries out the store at `io`, which must not have been told that it is used
/// [exclusively](lifeboat_store::options::StoreOptions::exclusive), and looks at the repository there.
///
/// # Errors
/// The store's, when it can't be reached; [`Kind::Cancelled`] when it was asked to stop, after what it
/// wrote has been removed.
pub fn doctor(io: &Io, options: &DoctorOptions, context: &Context<'_>) -> Result<DoctorReport> {
    context.monitor.phase(Phase::Probe);
    if options.speed_bytes > 0 {
        context.monitor.expect(0, options.speed_bytes.saturating_mul(2));
    }
    let watch = Watched { monitor: context.monitor, cancel: &context.cancel };
    let store = io.block_on(probe(io.store(), &probe_options(options)?, &watch));
    let store = store.map_err(|cause| lifeboat_repo::Error::store("try out", cause))?;
    if store.is_stopped {
        let stopped = lifeboat_repo::Error::new(Kind::Cancelled, "try out", io.describe());
        return Err(stopped.because("it was asked to stop").into());
    }
    let mut findings: Vec<Finding> = store.findings.iter().map(of_store).collect();
    let (repository, more) = repository::look(io, &store.capabilities)?;
    findings.extend(more);
    let mut report =
        DoctorReport { location: io.describe(), findings, repository, store, is_fit: false };
    let one_writer_will_do =
        options.exclusive || report.repository.is_some_and(|found| found.is_exclusive);
    let worst = if one_writer_will_do { Grade::OneWriter } else { Grade::Note };
    report.is_fit = report.grade() <= worst;
    Ok(report)
}

fn probe_options(options: &DoctorOptions) -> Result<ProbeOptions> {
    let random = || {
        let bytes = options.entropy.bytes().map(u64::from_le_bytes);
        bytes.map_err(|cause| lifeboat_repo::Error::codec("draw", "random bytes", cause))
    };
    let (prefix, seed) = (format!("{PROBE}{:016x}/", random()?), random()?);
    let clock = Arc::clone(&options.clock);
    let now = Arc::new(move || system_time(&*clock));
    let probe = match options.speed_bytes {
        0 => ProbeOptions::quick(prefix, seed, now),
        bytes => ProbeOptions::new(prefix, bytes, seed, now),
    };
    Ok(ProbeOptions { locks: options.locks, ..probe })
}

fn system_time(clock: &dyn Clock) -> SystemTime {
    let now = clock.now();
    let seconds = Duration::from_secs(now.secs.unsigned_abs());
    let whole = match now.secs {
        0.. => SystemTime::UNIX_EPOCH.checked_add(seconds),
        _ => SystemTime::UNIX_EPOCH.checked_sub(seconds),
    };
    let fraction = Duration::from_nanos(u64::from(now.nanos));
    whole.and_then(|whole| whole.checked_add(fraction)).unwrap_or(SystemTime::UNIX_EPOCH)
}

fn of_store(finding: &lifeboat_store::probe::Finding) -> Finding {
    let lifeboat_store::probe::Finding { subject, grade, found, meaning, advice } = finding.clone();
    Finding { subject: subject.name(), grade, found, meaning, advice }
}

/// A monitor and a cancel token as the probe knows them.
struct Watched<'a> {
    monitor: &'a dyn Monitor,
    cancel: &'a Cancel,
}

impl Watch for Watched<'_> {
    fn moved(&self, bytes: u64) {
        self.monitor.advance(0, bytes);
    }

    fn is_stopped(&self) -> bool {
        self.cancel.is_cancelled()
    }
}

#[cfg(test)]
mod tests;
