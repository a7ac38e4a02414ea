//! Load: what the kernel has counted of the whole machine and of this process, until now.
//!
//! Only counts that never fall, so that whoever asks takes the difference over a time of their own; the
//! averages that the kernel offers are of ten seconds and more. Knows the files of /proc and no policy.

use std::fmt::{Debug, Display};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Counts since the machine was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Load {
    /// While some program was ready to run and had no CPU.
    pub(super) cpu_stalled: Duration,
    /// While some program waited for a disk.
    pub(super) io_stalled: Duration,
    /// Ticks of all CPUs together.
    pub(super) ticks: u64,
    /// Those of them that other processes, and the kernel for whomever, have used.
    pub(super) ticks_of_others: u64,
    /// How many CPUs there are.
    pub(super) cpus: u32,
}

/// Tells of load.
pub(super) trait Source: Debug + Send + Sync {
    /// The counts at this moment.
    fn read(&self) -> io::Result<Load>;
}

/// The files of Linux.
#[derive(Debug)]
pub(super) struct Proc(PathBuf);

impl Proc {
    /// `/proc`, but in tests.
    pub(super) fn new(proc: &Path) -> Self {
        Self(proc.to_owned())
    }

    /// What `parse` finds in a file; errors name it.
    fn file<T>(&self, name: &str, parse: impl FnOnce(&str) -> Option<T>) -> io::Result<T> {
        let path = self.0.join(name);
        let wrong =
            |kind, why: &dyn Display| io::Error::new(kind, format!("{}: {why}", path.display()));
        let text = fs::read_to_string(&path).map_err(|error| wrong(error.kind(), &error))?;
        let unknown = || wrong(io::ErrorKind::InvalidData, &"it is not as it was expected");
        parse(&text).ok_or_else(unknown)
    }
}

impl Source for Proc {
    fn read(&self) -> io::Result<Load> {
        // Of the machine, not of a cgroup: who waits for us is in another one.
        let cpu_stalled = self.file("pressure/cpu", stalled)?;
        let io_stalled = self.file("pressure/io", stalled)?;
        let (ticks, used, cpus) = self.file("stat", of_all)?;
        let own = self.file("self/stat", own)?;
        let ticks_of_others = used.saturating_sub(own);
        Ok(Load { cpu_stalled, io_stalled, ticks, ticks_of_others, cpus })
    }
}

/// `some avg10=0.00 avg60=0.00 avg300=0.00 total=MICROSECONDS`
fn stalled(text: &str) -> Option<Duration> {
    let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let total = some.split(' ').find_map(|field| field.strip_prefix("total="))?;
    total.parse().ok().map(Duration::from_micros)
}

/// All ticks, those in use, and the number of CPUs: `cpu USER NICE SYSTEM IDLE IOWAIT IRQ SOFTIRQ STEAL`,
/// and then guests, which USER and NICE have counted.
fn of_all(text: &str) -> Option<(u64, u64, u32)> {
    let mut lines = text.lines();
    let fields = lines.next()?.strip_prefix("cpu ")?.split_whitespace().take(8);
    let fields: Vec<u64> = fields.map(|field| field.parse().ok()).collect::<Option<_>>()?;
    let [user, nice, system, _idle, _iowait, irq, softirq, _stolen] = fields[..].try_into().ok()?;
    let cpus = lines.take_while(|line| line.starts_with("cpu")).count();
    let sum = |ticks: &[u64]| ticks.iter().fold(0_u64, |sum, ticks| sum.saturating_add(*ticks));
    let used = sum(&[user, nice, system, irq, softirq]);
    Some((sum(&fields), used, u32::try_from(cpus).ok().filter(|cpus| *cpus > 0)?))
}

/// The ticks that all threads of this process have used, those that have ended, too.
fn own(text: &str) -> Option<u64> {
    // The command's name may have spaces and parentheses of its own.
    let (_, fields) = text.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    user.checked_add(system)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRESSURE: &str = "some avg10=4.95 avg60=9.15 avg300=31.52 total=4599463\n\
                            full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n";
    const STAT: &str = "cpu  100 20 30 4000 500 6 7 8 90 10\ncpu0 1 1 1 1 1 1 1 1 1 1\n\
                        cpu1 1 1 1 1 1 1 1 1 1 1\nintr 5 6\nctxt 9\n";
    const OWN: &str = "77 (a b) c) R 1 2 3 4 5 6 7 8 9 10 40 3 0 0 20 0 1 0 99\n";

    fn proc(files: &[(&str, &str)]) -> (tempfile::TempDir, Proc) {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let proc = Proc::new(dir.path());
        (dir, proc)
    }

    #[test]
    fn files_are_read() {
        let io = PRESSURE.replace("4599463", "12");
        let (_dir, proc) = proc(&[
            ("pressure/cpu", PRESSURE),
            ("pressure/io", &io),
            ("stat", STAT),
            ("self/stat", OWN),
        ]);
        let load = Load {
            cpu_stalled: Duration::from_micros(4_599_463),
            io_stalled: Duration::from_micros(12),
            ticks: 4671,
            ticks_of_others: 163 - 43,
            cpus: 2,
        };
        assert_eq!(proc.read().unwrap(), load);
    }

    #[test]
    fn errors_name_the_file() {
        let files = [
            ("pressure/cpu", PRESSURE),
            ("pressure/io", PRESSURE),
            ("stat", STAT),
            ("self/stat", OWN),
        ];
        for bad in 0..files.len() {
            let name = files[bad].0;
            let mut torn = files;
            torn[bad].1 = "some cpu 1 2 3\n";
            let (_dir, there) = proc(&torn);
            let error = there.read().unwrap_err();
            assert!(error.kind() == io::ErrorKind::InvalidData, "{name}: {error}");
            assert!(error.to_string().contains(name), "{name}: {error}");
            let missing: Vec<_> = files.into_iter().filter(|(other, _)| *other != name).collect();
            let (_dir, there) = proc(&missing);
            assert!(there.read().unwrap_err().to_string().contains(name), "{name}");
        }
    }

    #[test]
    fn this_process_is_found() {
        let proc = Proc::new(Path::new("/proc"));
        let before = proc.file("self/stat", own).unwrap();
        let begun = std::time::Instant::now();
        let mut sum = 0_u64;
        while proc.file("self/stat", own).unwrap() < before + 2 {
            sum = std::hint::black_box(sum.wrapping_mul(31) + 1);
            assert!(begun.elapsed() < Duration::from_secs(20), "no tick was counted");
        }
    }
}
