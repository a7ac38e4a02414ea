//! Counts what test runners report, so that a run can close on one line that adds it up.

use std::{
    fmt,
    io::{BufRead, BufReader, Read, Write},
    ops::AddAssign,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result};

use crate::step::{Failed, spell};

/// How many tests passed, failed and were left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

impl Tally {
    /// Runs a test command to its end, shows what it says, and adds its closing lines up.
    ///
    /// The second value says that the command itself ended badly.
    pub(crate) fn of(command: &mut Command) -> Result<(Self, Option<Failed>)> {
        let what = spell(command);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("run `{what}`"))?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let reader = std::thread::spawn(move || follow(err, std::io::stderr()));
        let mut tally = follow(out, std::io::stdout())?;
        tally += reader.join().map_err(|_panic| anyhow::anyhow!("reading `{what}` failed"))??;
        let status = child.wait().with_context(|| format!("wait for `{what}`"))?;
        Ok((tally, (!status.success()).then(|| Failed::new(command, status))))
    }

    /// So many of those that passed have only said that they do not run here.
    pub(crate) fn skip(&mut self, count: u64) {
        let count = count.min(self.passed);
        self.passed -= count;
        self.skipped += count;
    }

    /// What one line of a runner's output counts; most lines count nothing.
    fn of_line(line: &str) -> Self {
        let line = line.trim();
        let counts = if line.starts_with("Summary [") {
            line.split_once(" run: ").map(|(_, counts)| counts)
        } else {
            line.strip_prefix("test result: ")
                .and_then(|rest| rest.split_once(". "))
                .map(|(_, c)| c)
        };
        let mut tally = Self::default();
        for part in counts.unwrap_or_default().split([',', ';']) {
            let mut words = part.split_whitespace();
            let Some(count) = words.next().and_then(|word| word.parse::<u64>().ok()) else {
                continue;
            };
            match words.next() {
                Some("passed") => tally.passed += count,
                Some("skipped" | "ignored") => tally.skipped += count,
                Some("failed" | "timed" | "exec") => tally.failed += count,
                _ => {}
            }
        }
        tally
    }
}

/// The variable that names the file in which a test says that it does not run here.
pub(crate) const SKIPS: &str = "LIFEBOAT_TEST_SKIPS";

/// That file: a runner counts such tests as passed, and keeps what they print to itself.
pub(crate) struct Skips(tempfile::NamedTempFile);

impl Skips {
    pub(crate) fn new() -> Result<Self> {
        tempfile::NamedTempFile::new().map(Self).context("make a file for what is skipped")
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Shows what it says, and how many tests that are.
    pub(crate) fn tell(&self) -> Result<u64> {
        let said = std::fs::read_to_string(self.path()).context("read what was skipped")?;
        print!("{said}");
        Ok(said.lines().count() as u64)
    }
}

/// Copies a child's output line by line, counting on the way.
fn follow(from: Option<impl Read>, mut to: impl Write) -> Result<Tally> {
    let mut tally = Tally::default();
    let Some(from) = from else { return Ok(tally) };
    let (mut from, mut line) = (BufReader::new(from), Vec::new());
    while from.read_until(b'\n', &mut line)? > 0 {
        to.write_all(&line)?;
        tally += Tally::of_line(&String::from_utf8_lossy(&line));
        line.clear();
    }
    Ok(tally)
}

#[cfg(test)]
mod tests;
