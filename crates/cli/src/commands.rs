//! The commands, one verb a file: parse what was typed, call the library, render what it says.

mod backup;
mod cat;
mod check;
mod completions;
mod config;
mod diff;
mod doctor;
mod find;
mod forget;
mod gc;
mod heads;
mod heal;
mod heard;
mod hold;
mod init;
mod inspect;
mod key;
mod locks;
mod log;
mod ls;
mod marks;
#[cfg(feature = "mount")]
mod mount;
mod open;
mod own_file;
mod paths;
mod reading;
mod repair;
mod restore;
mod retention;
mod scrub;
mod session;
mod snapshots;
mod stats;
mod tag;
mod time;
mod traffic;
mod tree;

use anyhow::Result;

use crate::args::Command;
use crate::exit::End;
use crate::reference;
use crate::render::{Gone, Output};
use crate::settings::{Purpose, Settings};

impl Command {
    /// What the command opens the repository for.
    pub(crate) fn purpose(&self) -> Purpose {
        match self {
            Self::Forget(_)
            | Self::Hold(_)
            | Self::Key(_)
            | Self::Gc(_)
            | Self::Heal(_)
            | Self::Repair(_)
            | Self::Locks(_) => Purpose::Maintenance,
            _ => Purpose::Ordinary,
        }
    }
}

/// Says of a refusal by the store that the command has credentials of its own.
fn name_credentials(error: anyhow::Error, settings: &Settings) -> anyhow::Error {
    let is_refusal = error.chain().any(|cause| {
        let cause = cause.downcast_ref::<lifeboat_store::Error>();
        cause.is_some_and(|cause| cause.kind() == lifeboat_store::ErrorKind::Denied)
    });
    let place = settings.place.as_ref().filter(|place| place.purpose == Purpose::Maintenance);
    match place.filter(|_| is_refusal) {
        Some(place) => {
            let how = place.maintenance_said();
            error.context(format!("this needs the maintenance credential, which is given {how}"))
        }
        None => error,
    }
}

/// Runs the command to its end.
pub(crate) fn run(command: Command, settings: &Settings, output: &Output) -> Result<End> {
    let ended = match command {
        Command::Init(args) => init::run(&args, settings, output),
        Command::Backup(args) => backup::run(*args, settings, output),
        Command::Restore(args) => restore::run(args, settings, output),
        Command::Snapshots(args) => snapshots::run(&args, settings, output),
        Command::Ls(args) => ls::run(&args, settings, output),
        Command::Find(args) => find::run(&args, settings, output),
        Command::Diff(args) => diff::run(&args, settings, output),
        Command::Cat(args) => cat::run(&args, settings, output),
        #[cfg(feature = "mount")]
        Command::Mount(args) => mount::run(&args, settings, output),
        Command::Log(args) => log::run(&args, settings, output),
        Command::Inspect(args) => inspect::run(&args, settings, output),
        Command::Tag(args) => tag::run(&args, settings, output),
        Command::Forget(args) => forget::run(&args, settings, output),
        Command::Hold(args) => hold::run(&args, settings, output),
        Command::Retention(args) => retention::run(&args, settings, output),
        Command::Stats(args) => stats::run(&args, settings, output),
        Command::Key(args) => key::run(args, settings, output),
        Command::Gc(args) => gc::run(&args, settings, output),
        Command::Locks(args) => locks::run(&args, settings, output),
        Command::Check(args) => check::run(&args, settings, output),
        Command::Heal(args) => heal::run(&args, settings, output),
        Command::Repair(args) => repair::run(&args, settings, output),
        Command::Scrub(args) => scrub::run(&args, settings, output),
        Command::Config(args) => config::run(&args, settings, output),
        Command::Doctor(args) => doctor::run(&args, settings, output),
        Command::Completions(args) => completions::run(&args, output),
        Command::Reference => reference::print(output),
    };
    match ended {
        // `lifeboat ls | head`: whoever asked has seen enough.
        Err(error) if error.is::<Gone>() => Ok(End::Done),
        Err(error) => Err(name_credentials(error, settings)),
        ended => ended,
    }
}
