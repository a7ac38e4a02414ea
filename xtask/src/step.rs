//! Named, timed steps, and the commands that they run.

use std::{
    ffi::OsStr,
    fmt,
    path::{Path, PathBuf},
    process::{Command, ExitCode, ExitStatus},
    time::Instant,
};

use anyhow::{Context, Result};

/// A command ended badly; its exit code becomes ours.
#[derive(Debug)]
pub(crate) struct Failed {
    command: String,
    status: ExitStatus,
}

impl Failed {
    pub(crate) fn new(command: &Command, status: ExitStatus) -> Self {
        Self { command: spell(command), status }
    }

    /// The command's own exit code, or 1 when a signal ended it.
    pub(crate) fn exit_code(&self) -> ExitCode {
        let code = self.status.code().and_then(|code| u8::try_from(code).ok());
        code.map_or(ExitCode::FAILURE, ExitCode::from)
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` failed: {}", self.command, self.status)
    }
}

impl std::error::Error for Failed {}

/// Runs `work` under a name, and says how long it took.
pub(crate) fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    println!("== {name}");
    let started = Instant::now();
    let done = work().with_context(|| format!("step {name}"));
    let word = if done.is_ok() { "done" } else { "FAILED" };
    println!("== {name}: {word} in {:.1} s", started.elapsed().as_secs_f64());
    done
}

/// The workspace's folder.
pub(crate) fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_path_buf()
}

/// A command that runs in the workspace's folder.
pub(crate) fn command<I>(program: impl AsRef<OsStr>, arguments: I) -> Command
where
    I: IntoIterator<Item: AsRef<OsStr>>,
{
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    command
}

/// A cargo command that runs in the workspace's folder.
pub(crate) fn cargo<I>(arguments: I) -> Command
where
    I: IntoIterator<Item: AsRef<OsStr>>,
{
    command("cargo", arguments)
}

/// Runs a command that must end with exit code 0.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("run `{}`", spell(command)))?;
    if status.success() { Ok(()) } else { Err(Failed::new(command, status).into()) }
}

/// Runs a command that must end with exit code 0, and gives what it printed.
pub(crate) fn output_of(command: &mut Command) -> Result<String> {
    let output = command
        .stderr(std::process::Stdio::inherit())
        .output()
        .with_context(|| format!("run `{}`", spell(command)))?;
    if !output.status.success() {
        return Err(Failed::new(command, output.status).into());
    }
    String::from_utf8(output.stdout).with_context(|| format!("output of `{}`", spell(command)))
}

/// Whether a command can be run and ends with exit code 0; it stays silent.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// A command as one would type it.
pub(crate) fn spell(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}
