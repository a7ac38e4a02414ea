//! The directory that is mounted over: whether it can be, how it is, and how it is let go.
//!
//! Knows directories, `/dev/fuse` and the kernel's refusals; not what is shown.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, anyhow};
use fuser::{Config, MountOption, Session, SessionACL, SessionUnmounter};
use rustix::mount::UnmountFlags;
use rustix::process::geteuid;

use super::serve::Served;
use super::shown;
use crate::exit::Usage;
use crate::render::Output;

/// Where the kernel is spoken to.
const DEVICE: &str = "/dev/fuse";
/// The program that mounts for who is not root.
const HELPER: &str = "fusermount3";
/// What the mount is called in the system's list.
const NAME: &str = "lifeboat";

/// A directory that can be mounted over.
#[derive(Debug)]
pub(super) struct MountPoint {
    path: PathBuf,
}

/// A directory that is mounted over.
#[derive(Debug)]
pub(super) struct MountedPoint {
    path: PathBuf,
    session: Option<Session<Served>>,
    unmounter: SessionUnmounter,
}

impl MountPoint {
    /// Looks at the directory.
    ///
    /// # Errors
    /// [`Usage`] when it is none that can be mounted over.
    pub(super) fn new(path: &Path) -> Result<Self> {
        let refuse = |reason: &str| Err(Usage(format!("{} {reason}", shown(path))).into());
        let looked = path.metadata().and_then(|looked| Ok((path.canonicalize()?, looked)));
        let (whole, looked) = match looked {
            Ok(looked) => looked,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return refuse("is not there; create the directory first, or choose another");
            }
            Err(error) if error.raw_os_error() == Some(libc::ENOTCONN) => {
                return refuse(
                    "is still mounted by a process that has ended; unmount it with `umount` (or \
                     `fusermount3 -u`)",
                );
            }
            Err(error) => return Err(error).with_context(|| format!("look at {}", shown(path))),
        };
        if !looked.is_dir() {
            return refuse("is not a directory; choose an empty one");
        }
        let mut members =
            whole.read_dir().with_context(|| format!("list the directory {}", shown(path)))?;
        if members.next().is_some() {
            return refuse("is not empty, and what is in it would be hidden; choose an empty one");
        }
        Ok(Self { path: whole })
    }

    /// Mounts, for so many `requests` to be answered at once. Nobody is answered yet.
    ///
    /// # Errors
    /// When the kernel or the helper refuses, with what to do.
    pub(super) fn mount(
        self,
        served: Served,
        requests: u64,
        allow_other: bool,
    ) -> Result<MountedPoint> {
        if !Path::new(DEVICE).exists() {
            return Err(anyhow!(
                "mount {}: there is no {DEVICE}; load the kernel's module with `modprobe fuse`, or \
                 give the container this device",
                shown(&self.path)
            ));
        }
        let session = Session::new(served, &self.path, &options(requests, allow_other));
        let mut session =
            session.map_err(|error| anyhow!("mount {}: {}", shown(&self.path), advice(&error)))?;
        let unmounter = session.unmount_callable();
        Ok(MountedPoint { path: self.path, session: Some(session), unmounter })
    }
}

fn options(requests: u64, allow_other: bool) -> Config {
    let mut options = Config::default();
    options.mount_options = vec![
        MountOption::RO,
        MountOption::NoSuid,
        MountOption::NoDev,
        MountOption::NoAtime,
        MountOption::FSName(NAME.to_owned()),
    ];
    if allow_other {
        options.acl = SessionACL::All;
        // The kernel looks at owners and modes for us. Without others there is no need: who has the
        // key can read everything anyway.
        options.mount_options.push(MountOption::DefaultPermissions);
    }
    options.n_threads = Some(usize::try_from(requests).unwrap_or(1));
    options
}

/// Why it could not be mounted, and what to do.
fn advice(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.trim();
    if text.contains("user_allow_other") {
        return format!("{text}; add the line `user_allow_other` to /etc/fuse.conf as root");
    }
    if !has_helper() {
        return format!(
            "{text}; only root may mount by itself (in a container: with the capability \
             SYS_ADMIN), and the program {HELPER}, which does it for others, is not there: install \
             the package fuse3"
        );
    }
    format!("{text}; check who may open {DEVICE} and that the directory belongs to you")
}

fn has_helper() -> bool {
    let mut helper = Command::new(HELPER);
    let version = helper.arg("--version").stdin(Stdio::null()).output();
    version.is_ok()
}

impl MountedPoint {
    /// The directory, for people.
    pub(super) fn shown(&self) -> String {
        shown(&self.path)
    }

    /// The command that unmounts it.
    pub(super) fn command(&self) -> String {
        match geteuid().is_root() {
            true => format!("umount {}", self.shown()),
            false => format!("{HELPER} -u {}", self.shown()),
        }
    }

    /// What answers the kernel, to be run; once only.
    pub(super) fn take_session(&mut self) -> Result<Session<Served>> {
        self.session.take().context("a mount is served once")
    }

    /// Unmounts; a directory that is in use goes out of sight at once, and whoever uses it gets errors.
    pub(super) fn unmount(&mut self, output: &Output) -> Result<()> {
        let Err(error) = self.unmounter.unmount() else { return Ok(()) };
        if error.raw_os_error() != Some(libc::EBUSY) || !geteuid().is_root() {
            return Err(error).with_context(|| {
                format!("unmount {} (do it with `{}`)", self.shown(), self.command())
            });
        }
        output.notice(format!(
            "notice: {} was in use; who still has a file open there can't read on",
            self.shown()
        ));
        rustix::mount::unmount(&self.path, UnmountFlags::DETACH)
            .with_context(|| format!("unmount {}", self.shown()))
    }
}

#[cfg(test)]
mod tests;
