//! The default memory budget: by cores, within what the cgroup allows.

use std::fs;
use std::path::{Path, PathBuf};

const PER_CORE_BYTES: u64 = 64 << 20;
const LEAST_BYTES: u64 = 256 << 20;

/// 64 MiB a thread and at least 256 MiB, but never above a quarter of the cgroup's limit.
pub(super) fn default_bytes(threads: usize) -> u64 {
    let wanted = (threads as u64).saturating_mul(PER_CORE_BYTES).max(LEAST_BYTES);
    cgroup_limit().map_or(wanted, |limit| wanted.min(limit / 4))
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
    fn never_nothing() {
        assert!(super::default_bytes(1) > 0);
        assert!(super::default_bytes(1024) >= super::default_bytes(1));
    }
}
