//! RESULTS.md: one section a benchmark, each replaced whole when it is measured anew.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result};

const OPENING: &str = "# Results\n\nWritten by `cargo xtask bench`; do not edit by hand. A number is \
                       worth something only beside the others of its table, measured in one run.\n";

/// Puts `text` in the place of a section of the file, or at its end.
///
/// # Errors
///
/// The file can't be read or written.
pub fn record(file: &Path, section: &str, text: &str) -> Result<()> {
    let old = if file.exists() {
        fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?
    } else {
        OPENING.to_owned()
    };
    fs::write(file, replaced(&old, section, text))
        .with_context(|| format!("write {}", file.display()))
}

fn replaced(old: &str, section: &str, text: &str) -> String {
    let (start, end) = (format!("<!-- {section} -->\n"), format!("<!-- end of {section} -->\n"));
    let body = format!("{start}\n{}\n\n{end}", text.trim());
    let parts = old.split_once(&start).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(&end)?;
        Some(format!("{before}{body}{after}"))
    });
    parts.unwrap_or_else(|| format!("{}\n\n{body}", old.trim_end()))
}

/// Where and when something was measured, in one paragraph.
#[must_use]
pub fn circumstances() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name"));
    let cpu = cpu.map_or("an unknown CPU", |rest| rest.trim_start_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory = memory.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok());
    let memory_gib = memory.unwrap_or_default() >> 20;
    let said = |program: &str, words: &[&str]| {
        let output = Command::new(program).args(words).output();
        let text = output.ok().map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        text.map_or_else(|| "unknown".to_owned(), |text| text.trim().to_owned())
    };
    let when = said("date", &["-u", "+%Y-%m-%d %H:%M UTC"]);
    let kernel = said("uname", &["-sr"]);
    let commit = said("git", &["describe", "--always", "--dirty", "--abbrev=12"]);
    format!("{when}, commit {commit}; {cpu}, {cores} cores, {memory_gib} GiB, {kernel}.")
}

#[cfg(test)]
mod tests;
