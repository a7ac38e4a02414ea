//! The default memory budget: by cores, within what the cgroup allows.

use std::fs;
use std::path::{Path, PathBuf};

/// Below this no part of the program can work: docs/decisions/0010 says what takes how much.
pub(crate) const MEMORY_BYTES_MIN: u64 = 96 << 20;

const PER_CORE_BYTES: u64 = 64 << 20;
const LEAST_BYTES: u64 = 256 << 20;

/// 64 MiB a thread and at least 256 MiB, but never above a quarter of the cgroup's limit; in a small
/// cgroup the least that works, if that is no more than half.
pub(super) fn default_bytes(threads: usize) -> u64 {
    cgroup_limit().map_or_else(|| wanted(threads), |limit| within(limit, threads))
}

fn wanted(threads: usize) -> u64 {
    (threads as u64).saturating_mul(PER_CORE_BYTES).max(LEAST_BYTES)
}

fn within(limit: u64, threads: usize) -> u64 {
    let share = (limit / 4).max(MEMORY_BYTES_MIN.min(limit / 2));
    wanted(threads).min(share)
}

/// The tightest memory limit of the process's cgroup and those above it, if there is one.
fn cgroup_limit() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    groups.lines().filter_map(limit_of).min()
}

fn limit_of(line: &str) -> Option<u64> {
    let mut fields = line.splitn(3, ':');
    let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
    let (root, file) = if controllers.is_empty() {
        ("/sys/fs/cgroup", "memory.max")
    } else if controllers.split(',').any(|name| name == "memory") {
        ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
    } else {
        return None;
    };
    let group = Path::new(root).join(path.trim_start_matches('/'));
    // In a container the path is often one of the host's; its own limit is then at the root.
    let above = group.ancestors().take_while(|dir| dir.starts_with(root)).map(PathBuf::from);
    above.filter_map(|dir| fs::read_to_string(dir.join(file)).ok()?.trim().parse().ok()).min()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_small_cgroup_gets_what_works() {
        let mib = |bytes: u64| super::within(bytes << 20, 2) >> 20;
        assert_eq!([mib(4096), mib(512), mib(256), mib(128)], [256, 128, 96, 64]);
    }

    #[test]
    fn never_nothing() {
        assert!(super::default_bytes(1) > 0);
        assert!(super::default_bytes(1024) >= super::default_bytes(1));
    }
}
