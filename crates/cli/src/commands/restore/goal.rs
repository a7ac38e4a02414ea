//! Where a restore goes: a directory, a tar archive, a block device, or stdout.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use lifeboat::Context;
use lifeboat::report::escape;
use lifeboat::restore::{
    Origin, Overwrite, OwnerBy, OwnerOptions, RestoreOptions, RestoreReport, archive, cat, restore,
    to_device,
};
use lifeboat_format::snapshot::Snapshot;
use lifeboat_format::tree::PathKey;

use crate::args::{OverwriteArg, OwnerArg, RestoreArgs};
use crate::commands::cat::{BUFFER_BYTES, unless_gone};
use crate::exit::Usage;
use crate::render::{Output, closed};

/// How much a dry run fetches to tell how long all of it takes, in bytes.
const SAMPLE_BYTES: u64 = 16 << 20;

/// Where a restore goes.
pub(super) enum Goal {
    Dir(PathBuf),
    /// A tar archive, in this file or to stdout.
    Tar(Option<PathBuf>),
    Device(PathBuf),
    Stdout,
}

impl Goal {
    pub(super) fn of(args: &RestoreArgs, output: &Output) -> Result<Self> {
        let Some(target) = &args.target else {
            only_for_directories(args)?;
            return Ok(Self::Stdout);
        };
        if let Some(file) = target.as_os_str().as_bytes().strip_prefix(b"tar:") {
            only_for_directories(args)?;
            if file == b"-" && output.json {
                let why = "--json needs stdout, which tar:- takes: write tar:FILE";
                return Err(Usage(why.to_owned()).into());
            }
            let file = (file != b"-").then(|| PathBuf::from(OsStr::from_bytes(file)));
            return Ok(Self::Tar(file));
        }
        let Ok(found) = target.metadata() else { return Ok(Self::Dir(target.clone())) };
        if found.file_type().is_block_device() {
            only_for_directories(args)?;
            return Ok(Self::Device(target.clone()));
        }
        if !found.is_dir() {
            let target = escape(target.as_os_str().as_bytes());
            let why = format!("--target {target} is there and is not a directory");
            return Err(Usage(why).into());
        }
        Ok(Self::Dir(target.clone()))
    }

    /// What it is called in messages.
    pub(super) fn name(&self) -> String {
        let escape = |path: &Path| escape(path.as_os_str().as_bytes());
        match self {
            Self::Dir(path) | Self::Device(path) => escape(path),
            Self::Tar(Some(file)) => format!("tar:{}", escape(file)),
            Self::Tar(None) => "tar:-".to_owned(),
            Self::Stdout => "stdout".to_owned(),
        }
    }

    /// Whether content goes to stdout, which then takes nothing else.
    pub(super) fn is_stdout(&self) -> bool {
        matches!(self, Self::Stdout | Self::Tar(None))
    }
}

/// Refuses options that would say nothing where there is no directory to restore into.
fn only_for_directories(args: &RestoreArgs) -> Result<()> {
    let given = [
        (args.dry_run, "--dry-run"),
        (args.delete, "--delete"),
        (args.verify, "--verify"),
        (args.verify_existing, "--verify-existing"),
        (args.no_sync, "--no-sync"),
        (!matches!(args.overwrite, OverwriteArg::IfChanged), "--overwrite"),
    ];
    match given.iter().find(|(is_given, _)| *is_given) {
        Some((_, option)) => {
            Err(Usage(format!("{option} is for restores into a directory")).into())
        }
        None => Ok(()),
    }
}

/// What is restored, and with what.
pub(super) struct Work<'a> {
    pub(super) origin: Origin<'a>,
    pub(super) snapshot: &'a Snapshot,
    /// Only what is there in the snapshot.
    pub(super) path: Option<PathKey>,
    pub(super) context: &'a Context<'a>,
    pub(super) memory_bytes: u64,
}

impl Work<'_> {
    pub(super) fn to(self, goal: &Goal, args: RestoreArgs) -> Result<RestoreReport> {
        let Self { origin, snapshot, context, memory_bytes, .. } = self;
        let options =
            |args, path, target| RestoreOptions { memory_bytes, ..options(args, path, target) };
        match goal {
            Goal::Dir(dir) => {
                let options = options(args, self.path, dir.clone());
                Ok(restore(origin, snapshot, &options, context)?)
            }
            Goal::Tar(file) => {
                let options = options(args, self.path, PathBuf::from(goal.name()));
                to_archive(file.as_deref(), |out| {
                    archive(origin.reader, snapshot, &options, out, context)
                })
            }
            Goal::Device(device) => {
                let path = self.single_file(&args)?;
                let bytes = to_device(origin.reader, snapshot, &path, device, context)?;
                Ok(RestoreReport { files: 1, bytes, ..RestoreReport::default() })
            }
            Goal::Stdout => {
                let path = self.single_file(&args)?;
                let mut out = BufWriter::with_capacity(BUFFER_BYTES, std::io::stdout().lock());
                let bytes =
                    cat(origin.reader, snapshot, &path, &mut out, context).map_err(unless_gone)?;
                out.flush().map_err(closed)?;
                Ok(RestoreReport { files: 1, bytes, ..RestoreReport::default() })
            }
        }
    }

    fn single_file(self, args: &RestoreArgs) -> Result<PathKey> {
        if !(args.include.is_empty() && args.exclude.is_empty()) {
            let why = "--include and --exclude are not for a single file";
            return Err(Usage(why.to_owned()).into());
        }
        Ok(self.path.ok_or_else(|| Usage("which file? write SNAPSHOT:/PATH".to_owned()))?)
    }
}

/// Writes an archive to a new file, which is durable at the end and not there if it failed, or to stdout.
fn to_archive(
    file: Option<&Path>,
    write: impl FnOnce(&mut dyn Write) -> lifeboat::error::Result<RestoreReport>,
) -> Result<RestoreReport> {
    let Some(path) = file else {
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, std::io::stdout().lock());
        let report = write(&mut out).map_err(unless_gone)?;
        out.flush().map_err(closed)?;
        return Ok(report);
    };
    let name = escape(path.as_os_str().as_bytes());
    let file = File::options()
        .write(true)
        .create_new(true)
        .open(path)
        .with_context(|| format!("can't make {name}, which must not be there yet"))?;
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, file);
    let written = write(&mut out);
    let outcome = written.and_then(|report| {
        let synced = out.into_inner().map_err(std::io::IntoInnerError::into_error);
        match synced.and_then(|file| file.sync_all()) {
            Ok(()) => Ok(report),
            Err(cause) => Err(lifeboat::Error::local("write", name.as_bytes(), cause)),
        }
    });
    if outcome.is_err() {
        std::fs::remove_file(path).with_context(|| format!("can't remove {name} again"))?;
    }
    Ok(outcome?)
}

fn options(args: RestoreArgs, path: Option<PathKey>, target: PathBuf) -> RestoreOptions {
    RestoreOptions {
        path,
        include: args.include,
        exclude: args.exclude,
        overwrite: match args.overwrite {
            OverwriteArg::Never => Overwrite::Never,
            OverwriteArg::IfChanged => Overwrite::IfChanged,
            OverwriteArg::IfNewer => Overwrite::IfNewer,
            OverwriteArg::Always => Overwrite::Always,
        },
        verify_existing: args.verify_existing,
        delete: args.delete,
        owners: OwnerOptions {
            by: match args.owner {
                OwnerArg::Number => OwnerBy::Number,
                OwnerArg::Name => OwnerBy::Name,
                OwnerArg::None => OwnerBy::None,
            },
            users: args.map_user,
            groups: args.map_group,
        },
        verify: args.verify,
        dry_run: args.dry_run,
        sample_bytes: SAMPLE_BYTES,
        sync: !args.no_sync,
        ..RestoreOptions::new(target)
    }
}
