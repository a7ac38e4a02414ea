//! `mount`: shows snapshots as files in a directory, until it is unmounted.
//!
//! Threads: this one waits for the end, or for a signal that asks for it; some answer the kernel
//! (`serve`); one looks for new snapshots.

mod point;
mod serve;

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use lifeboat::browse::{Browser, Owner, ToShow};
use lifeboat::report::escape;
use lifeboat_repo::log::Fold;
use lifeboat_repo::open::Repository;
use lifeboat_repo::snapshots::{Filter, Snapshots};
use rustix::process::{getgid, getuid};
use serde::Serialize;

use self::point::{MountPoint, MountedPoint};
use self::serve::Served;
use super::session::{Session, chunks, filter};
use crate::args::MountArgs;
use crate::exit::End;
use crate::render::{Output, count};
use crate::settings::Settings;
use crate::signals::on_first_signal;

/// The part of the memory budget for frames. What is read is kept by the kernel, too.
const FRAMES_PART: u64 = 8;
/// What a request that is answered may take, in bytes: a frame as it was stored and inflated, what is
/// given to the kernel, and what the allocator keeps for the thread.
const REQUEST_BYTES: u64 = 16 << 20;
/// How many requests are answered at once, at least and at most: most of them wait for the store.
const REQUESTS: std::ops::RangeInclusive<u64> = 4..=16;
/// How long a request may be under way when the directory is no longer mounted; nobody waits for it.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the main thread hears of.
enum Event {
    /// A signal asked to stop.
    Asked,
    /// Nobody asks for anything any more.
    Ended(std::io::Result<()>),
}

#[derive(Serialize)]
struct Mounted {
    message_type: &'static str,
    directory: String,
    snapshots: usize,
    warnings: Vec<String>,
}

pub(super) fn run(args: &MountArgs, settings: &Settings, output: &Output) -> Result<End> {
    let point = MountPoint::new(&args.dir)?;
    let session = Session::open_to_read(settings, output)?;
    let wanted = filter(&args.select)?;
    let snapshots = session.snapshots()?;
    let frames_bytes = settings.memory_bytes / FRAMES_PART;
    let reader = session.chunks_within(frames_bytes)?.reader;
    let owner = Owner { uid: getuid().as_raw(), gid: getgid().as_raw() };
    let shown = select(&snapshots, &wanted);
    let browser = Arc::new(Browser::new(reader, shown, owner, settings.memory_bytes));
    let warnings = session.warnings();
    let Session { repository, fold, .. } = session;
    let lookout = Lookout { repository, fold, wanted, frames_bytes, browser: Arc::clone(&browser) };
    let (events, heard) = channel();
    // Before it is mounted: from then on a signal has to unmount it.
    let asked = events.clone();
    on_first_signal(move || drop(asked.send(Event::Asked)))?;
    let served = Served::new(Arc::clone(&browser), lookout.start()?);
    let requests = settings.memory_bytes / REQUEST_BYTES;
    let requests = requests.clamp(*REQUESTS.start(), *REQUESTS.end());
    let mut mount = point.mount(served, requests, args.allow_other)?;
    let running = mount.take_session()?;
    let end = move || drop(events.send(Event::Ended(running.run())));
    thread::Builder::new().name("mount".to_owned()).spawn(end).context("start a thread")?;
    say(&browser, &mount, warnings, output)?;
    match heard.recv().context("hear of the mount")? {
        Event::Asked => {
            mount.unmount(output)?;
            // What is under way ends first, but for what waits for a store that does not answer. Whatever
            // ended then, it is no longer mounted.
            drop(heard.recv_timeout(PATIENCE));
        }
        Event::Ended(ended) => {
            ended.with_context(|| format!("serve the mount at {}", mount.shown()))?;
        }
    }
    Ok(End::Done)
}

fn say(
    browser: &Browser,
    mount: &MountedPoint,
    warnings: Vec<String>,
    output: &Output,
) -> Result<()> {
    if output.json {
        return output.document(&Mounted {
            message_type: "mounted",
            directory: mount.shown(),
            snapshots: browser.snapshots(),
            warnings,
        });
    }
    let snapshots = count(browser.snapshots() as u64, "snapshot");
    let (directory, command) = (mount.shown(), mount.command());
    output.line(format!("{snapshots} at {directory}; Ctrl-C or `{command}` ends this"))
}

/// The snapshots that are meant, in the order of the log, so that names go on meaning the same.
fn select<'s>(snapshots: &'s Snapshots, wanted: &'s Filter) -> impl Iterator<Item = ToShow<'s>> {
    let live = snapshots.live().filter(|known| wanted.matches(&known.snapshot));
    live.map(|known| ToShow {
        snapshot: &known.snapshot,
        may_be_outdated: snapshots.may_be_outdated(known),
    })
}

/// Looks for new snapshots when somebody lists snapshots.
struct Lookout {
    repository: Repository,
    fold: Fold,
    wanted: Filter,
    frames_bytes: u64,
    browser: Arc<Browser>,
}

impl Lookout {
    /// On a thread of its own, since the store may take its time. Whoever sends it something hears that it
    /// has looked by the end of that.
    fn start(mut self) -> Result<Sender<Sender<()>>> {
        let (ask, asked) = channel::<Sender<()>>();
        let watch = move || {
            for done in asked {
                if let Err(error) = self.look() {
                    let error = format!("{error:#}");
                    tracing::warn!(error, "new snapshots could not be looked for");
                }
                drop(done);
            }
        };
        thread::Builder::new().name("lookout".to_owned()).spawn(watch).context("start a thread")?;
        Ok(ask)
    }

    /// Shows new snapshots, if there are any. What was shown before stays where that fails.
    fn look(&mut self) -> Result<()> {
        if !self.fold.refresh(self.repository.io())? {
            return Ok(());
        }
        let snapshots = Snapshots::load(&self.repository, &self.fold)?;
        let warn = |warning| tracing::warn!("{warning}");
        let chunks = chunks(&self.repository, &self.fold, self.frames_bytes, warn)?;
        self.browser.renew(chunks.reader, select(&snapshots, &self.wanted));
        Ok(())
    }
}

/// A path as text for people.
fn shown(path: &std::path::Path) -> String {
    use std::os::unix::ffi::OsStrExt as _;
    escape(path.as_os_str().as_bytes())
}
