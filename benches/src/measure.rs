//! One command, measured: wall time, CPU time, peak memory.
//!
//! The command runs below `/usr/bin/time`, a small process: the peak that the kernel counts for a
//! child begins with the size of the process that it was forked from.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

/// What one run took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Seconds from start to end.
    pub wall_s: f64,
    /// Seconds of all cores, the kernel's work included.
    pub cpu_s: f64,
    /// The most memory that was resident, in MiB.
    pub peak_mib: f64,
}

/// Runs `command` with its output in `log`, and measures it.
///
/// # Errors
///
/// The command failed (its log is named), or `/usr/bin/time` is not there.
pub fn timed(command: &Command, log: &Path) -> Result<Sample> {
    let numbers = log.with_extension("time");
    let mut timed = Command::new("/usr/bin/time");
    timed.arg("-o").arg(&numbers).args(["-f", "%e %U %S %M"]);
    timed.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => timed.env(name, value),
            None => timed.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        timed.current_dir(folder);
    }
    let output = File::create(log).with_context(|| log.display().to_string())?;
    let errors = log.with_extension("err");
    timed.stdin(std::process::Stdio::null()).stdout(output).stderr(File::create(&errors)?);
    let status = timed.status().context("run /usr/bin/time (Debian package `time`)")?;
    if !status.success() {
        let said = fs::read_to_string(&errors).unwrap_or_default();
        bail!("{command:?} ended with {status}: {said}");
    }
    parse(&fs::read_to_string(&numbers)?)
}

fn parse(text: &str) -> Result<Sample> {
    let line = text.lines().last().unwrap_or_default();
    let numbers: Vec<f64> = line.split(' ').map_while(|word| word.parse().ok()).collect();
    let [wall_s, user_s, system_s, peak_kib] = numbers[..] else {
        bail!("/usr/bin/time wrote {line:?}");
    };
    Ok(Sample { wall_s, cpu_s: user_s + system_s, peak_mib: peak_kib / 1024.0 })
}

/// Empties the page cache and reads `paths` in again, so that every step starts alike.
///
/// Says whether the cache could be emptied, which takes root.
///
/// # Errors
///
/// A file below `paths` could not be read.
pub fn warm(paths: &[&Path]) -> Result<bool> {
    let synced = Command::new("sync").status().context("run sync")?.success();
    let dropped = synced && fs::write("/proc/sys/vm/drop_caches", "3").is_ok();
    for path in paths {
        each_file(path, &mut |file| {
            let (mut file, mut buffer) = (File::open(file)?, vec![0; 1 << 20]);
            while file.read(&mut buffer)? > 0 {}
            Ok(())
        })
        .with_context(|| format!("read {}", path.display()))?;
    }
    Ok(dropped)
}

/// The regular files below a folder, in no order.
///
/// # Errors
///
/// What the file system says.
pub fn files_below(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    each_file(folder, &mut |file| {
        files.push(file.to_path_buf());
        Ok(())
    })?;
    Ok(files)
}

/// The bytes of all files below a folder.
///
/// # Errors
///
/// What the file system says.
pub fn bytes_below(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    each_file(folder, &mut |file| {
        bytes += file.symlink_metadata()?.len();
        Ok(())
    })?;
    Ok(bytes)
}

/// Calls `visit` with every regular file below `path`.
fn each_file(path: &Path, visit: &mut dyn FnMut(&Path) -> io::Result<()>) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            each_file(&entry.path(), visit)?;
        } else if kind.is_file() {
            visit(&entry.path())?;
        }
    }
    Ok(())
}

/// Says something to whoever watches.
///
/// # Errors
///
/// Standard output is closed.
pub fn say(line: &str) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{line}")
}

#[cfg(test)]
mod tests;
