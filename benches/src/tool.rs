//! The tools that are measured: how each is told to do the same five things.
//!
//! Versions and options are those of benches/peers/install.sh. All encrypt, and compress with zstd
//! at about its third level, as they do by default.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

/// Where a comparison happens, and with which Lifeboat.
#[derive(Clone, Debug)]
pub struct Place {
    /// The folder for everything: repositories, caches, logs, restored files.
    pub work: PathBuf,
    /// The volume that is backed up.
    pub data: PathBuf,
    /// The binary of Lifeboat that is measured.
    pub lifeboat: PathBuf,
}

impl Place {
    /// The repository of a tool.
    #[must_use]
    pub fn repository(&self, tool: Tool) -> PathBuf {
        self.work.join(format!("repository-{}", tool.name()))
    }

    /// The folder for a tool's settings and caches.
    #[must_use]
    pub fn home(&self, tool: Tool) -> PathBuf {
        self.work.join(format!("home-{}", tool.name()))
    }

    /// The folder that a tool restores into.
    #[must_use]
    pub fn restored(&self, tool: Tool) -> PathBuf {
        self.work.join(format!("restored-{}", tool.name()))
    }

    /// Where a tool's restored copy of the volume is found: its absolute path below the target.
    #[must_use]
    pub fn restored_data(&self, tool: Tool) -> PathBuf {
        let below = self.data.strip_prefix("/").unwrap_or(&self.data);
        self.restored(tool).join(below)
    }
}

/// One of the tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tool {
    /// The one that we make.
    Lifeboat,
    /// restic, in Go.
    Restic,
    /// rustic, restic's format in Rust.
    Rustic,
    /// borg, in Python and C.
    Borg,
}

/// What a tool is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The first backup, of everything.
    Full,
    /// Another backup of the unchanged volume.
    Unchanged,
    /// The backup after the next day's edits.
    NextDay,
    /// The newest backup restored into an empty folder.
    Restore,
    /// The newest backup restored over the volume as it was the day before.
    InPlace,
    /// Every byte of the repository read and verified.
    Check,
}

impl Step {
    /// All steps, in their order.
    pub const ALL: [Self; 6] =
        [Self::Full, Self::Unchanged, Self::NextDay, Self::Restore, Self::InPlace, Self::Check];

    /// The step as the tables call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Unchanged => "unchanged",
            Self::NextDay => "next day",
            Self::Restore => "restore",
            Self::InPlace => "restore in place",
            Self::Check => "check --read-data",
        }
    }
}

impl Tool {
    /// All tools, ours first.
    pub const ALL: [Self; 4] = [Self::Lifeboat, Self::Restic, Self::Rustic, Self::Borg];

    /// The tool's name, in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Lifeboat => "lifeboat",
            Self::Restic => "restic",
            Self::Rustic => "rustic",
            Self::Borg => "borg",
        }
    }

    /// What the tool says its version is; nothing where it is not installed.
    #[must_use]
    pub fn version(self, place: &Place) -> Option<String> {
        let flag = if self == Self::Restic { "version" } else { "--version" };
        let output = Command::new(self.program(place)).arg(flag).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let first = text.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
        output.status.success().then_some(first)
    }

    /// Makes an empty repository in the place of the last one.
    ///
    /// # Errors
    ///
    /// The tool failed, or the old one can't be removed.
    pub fn fresh(self, place: &Place) -> Result<()> {
        remove(place, &place.repository(self))?;
        remove(place, &place.home(self))?;
        fs::create_dir_all(place.home(self))?;
        let words: &[&str] = match self {
            Self::Borg => &["init", "--encryption", "repokey-blake2"],
            _ => &["init"],
        };
        let mut command = self.command(place, words);
        if self == Self::Borg {
            command.arg(place.repository(self));
        }
        quietly(&mut command)
    }

    /// The command of a step.
    #[must_use]
    pub fn step(self, place: &Place, step: Step) -> Command {
        match step {
            Step::Full | Step::Unchanged | Step::NextDay => self.backup(place, step),
            Step::Restore | Step::InPlace => self.restore(place, step),
            Step::Check => self.check(place),
        }
    }

    fn backup(self, place: &Place, step: Step) -> Command {
        let mut command = match self {
            Self::Lifeboat => self.command(place, &["backup", "--json"]),
            Self::Restic => self.command(place, &["backup", "--quiet"]),
            Self::Rustic => self.command(place, &["backup"]),
            Self::Borg => {
                let mut command = self.command(place, &["create", "--compression", "zstd,3"]);
                command.arg(archive(place, step));
                command
            }
        };
        command.arg(&place.data);
        command
    }

    fn restore(self, place: &Place, step: Step) -> Command {
        let target = place.restored(self);
        match self {
            Self::Lifeboat | Self::Restic => {
                let quiet = ["restore", "--quiet", "latest", "--target"];
                let mut command = self.command(place, &quiet);
                command.arg(target);
                match (self, step) {
                    // No peer waits for the disk at the end of a restore.
                    (Self::Lifeboat, _) => drop(command.arg("--no-sync")),
                    // What Lifeboat does unless it is told otherwise.
                    (_, Step::InPlace) => drop(command.args(["--overwrite", "if-changed"])),
                    _ => {}
                }
                command
            }
            Self::Rustic => {
                let mut command = self.command(place, &["restore", "latest"]);
                command.arg(target);
                command
            }
            Self::Borg => {
                let mut command = self.command(place, &["extract"]);
                command.arg(archive(place, Step::NextDay)).current_dir(target);
                command
            }
        }
    }

    fn check(self, place: &Place) -> Command {
        match self {
            Self::Lifeboat | Self::Restic => {
                self.command(place, &["check", "--quiet", "--read-data"])
            }
            Self::Rustic => self.command(place, &["check", "--read-data"]),
            Self::Borg => {
                let mut command = self.command(place, &["check", "--verify-data"]);
                command.arg(place.repository(self));
                command
            }
        }
    }

    fn program(self, place: &Place) -> PathBuf {
        match self {
            Self::Lifeboat => place.lifeboat.clone(),
            _ => PathBuf::from(self.name()),
        }
    }

    /// A command with the repository, the passphrase and a home of its own in its environment.
    #[must_use]
    pub fn command(self, place: &Place, words: &[&str]) -> Command {
        let repository = place.repository(self).into_os_string();
        let below = |name: &str| place.home(self).join(name);
        let settings: Vec<(&str, OsString)> = match self {
            Self::Lifeboat => vec![
                ("LIFEBOAT_REPO", repository),
                ("LIFEBOAT_PASSWORD", "x".into()),
                ("XDG_CACHE_HOME", below("cache").into()),
            ],
            Self::Restic => vec![
                ("RESTIC_REPOSITORY", repository),
                ("RESTIC_PASSWORD", "x".into()),
                ("RESTIC_CACHE_DIR", below("cache").into()),
            ],
            Self::Rustic => vec![
                ("RUSTIC_REPOSITORY", repository),
                ("RUSTIC_PASSWORD", "x".into()),
                ("RUSTIC_CACHE_DIR", below("cache").into()),
                ("RUSTIC_NO_PROGRESS", "true".into()),
            ],
            Self::Borg => {
                vec![("BORG_PASSPHRASE", "x".into()), ("BORG_BASE_DIR", below("base").into())]
            }
        };
        let mut command = Command::new(self.program(place));
        command.args(words).envs(settings).env("HOME", place.home(self)).current_dir(&place.work);
        command
    }
}

/// The name of the archive that borg makes in a step.
fn archive(place: &Place, step: Step) -> OsString {
    let mut name = place.repository(Tool::Borg).into_os_string();
    name.push(format!("::{}", step.name().replace(' ', "-")));
    name
}

/// Runs a command that must succeed, without showing what it says.
///
/// # Errors
///
/// It can't be run or failed; the error has what it said.
pub fn quietly(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("run {command:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} ended with {}: {said}", output.status);
    Ok(())
}

/// Removes a file or a folder of the comparison, if it is there.
///
/// # Errors
///
/// It is not below the comparison's folder, or the file system refuses.
pub fn remove(place: &Place, path: &Path) -> Result<()> {
    let mine = path.starts_with(&place.work) && path != place.work;
    ensure!(mine, "{} is not mine to remove", path.display());
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other.with_context(|| format!("remove {}", path.display())),
    }
}
