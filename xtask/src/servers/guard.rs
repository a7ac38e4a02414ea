//! A server's process group, which ends when its owner does.

use std::{
    io::Read,
    net::TcpStream,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::step::{command, root};

/// How long a server may take until it answers.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running server, stopped with everything that it started when the value is dropped.
///
/// Between this process and the server stands `guard.sh`, whose standard input ends with this
/// process: no signal can get between them.
#[derive(Debug)]
pub(crate) struct Guard {
    shell: Child,
    log: PathBuf,
}

impl Guard {
    /// Starts `server`, which says what it has to say in `log`.
    pub(crate) fn start(server: &Command, log: &Path) -> Result<Self> {
        if let Some(folder) = log.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("create {}", folder.display()))?;
        }
        // What an earlier one said is not about this one.
        let ended = ended(log);
        if ended.exists() {
            std::fs::remove_file(&ended).with_context(|| format!("remove {}", ended.display()))?;
        }
        let mut shell = command("sh", [root().join("xtask/servers/guard.sh")]);
        shell.arg(log).arg(server.get_program()).args(server.get_args());
        for (name, value) in server.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        // Its own group: ctrl-c on the terminal is for us, not for the guard.
        shell.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let shell = shell.spawn().context("run xtask/servers/guard.sh")?;
        Ok(Self { shell, log: log.to_owned() })
    }

    /// Waits until something listens on `port` and `done` holds.
    pub(crate) fn wait(&self, port: u16, done: impl Fn() -> bool) -> Result<()> {
        let started = Instant::now();
        loop {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() && done() {
                return Ok(());
            }
            if ended(&self.log).exists() || started.elapsed() > PATIENCE {
                bail!("the server does not answer; it said: {}", self.tail());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The end of what the server said.
    fn tail(&self) -> String {
        let mut said = Vec::new();
        let read = std::fs::File::open(&self.log).and_then(|mut log| log.read_to_end(&mut said));
        match read {
            Ok(_) => {
                let said = String::from_utf8_lossy(&said);
                let lines: Vec<&str> = said.lines().collect();
                lines[lines.len().saturating_sub(15)..].join("\n")
            }
            Err(error) => format!("(nothing: {error})"),
        }
    }
}

/// What appears when the server has ended by itself.
fn ended(log: &Path) -> PathBuf {
    let mut name = log.as_os_str().to_owned();
    name.push(".ended");
    name.into()
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        if let Err(error) = self.shell.wait() {
            eprintln!("xtask: wait for a server's guard: {error}");
        }
    }
}
