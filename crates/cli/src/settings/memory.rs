//! The default memory budget: by cores, within what the cgroup allows.

use std::fs;
use std::path::Path;

use super::cgroup::{Cgroups, Folder};

/// Below this no part of the program can work: docs/decisions/0010 says what takes how much.
pub(crate) const MEMORY_BYTES_MIN: u64 = 96 << 20;

const PER_CORE_BYTES: u64 = 64 << 20;
const LEAST_BYTES: u64 = 256 << 20;

/// 64 MiB a thread and at least 256 MiB, but never above a quarter of the cgroup's limit; in a small
/// cgroup the least that works, if that is no more than half.
pub(super) fn default_bytes(threads: usize) -> u64 {
    let limit = limit(&Cgroups::of_this_process());
    limit.map_or_else(|| wanted(threads), |limit| within(limit, threads))
}

fn wanted(threads: usize) -> u64 {
    (threads as u64).saturating_mul(PER_CORE_BYTES).max(LEAST_BYTES)
}

fn within(limit: u64, threads: usize) -> u64 {
    let share = (limit / 4).max(MEMORY_BYTES_MIN.min(limit / 2));
    wanted(threads).min(share)
}

/// The tightest memory limit of the groups, if there is one.
fn limit(groups: &Cgroups) -> Option<u64> {
    groups.folders("memory").iter().filter_map(of_group).min()
}

fn of_group(folder: &Folder) -> Option<u64> {
    match folder {
        Folder::V1(folder) => {
            let own = number(&folder.join("memory.limit_in_bytes"));
            let inherited = fs::read_to_string(folder.join("memory.stat")).ok();
            // Tells of groups above that a container does not see, too.
            let inherited = inherited.as_ref().and_then(|stat| {
                stat.lines().find_map(|line| line.strip_prefix("hierarchical_memory_limit "))
            });
            least([own, inherited.and_then(|limit| limit.trim().parse().ok())])
        }
        // Whoever is above `high` is not killed, but made to wait while it is taken away.
        Folder::V2(folder) => {
            least(["memory.max", "memory.high"].map(|file| number(&folder.join(file))))
        }
    }
}

fn least(limits: [Option<u64>; 2]) -> Option<u64> {
    limits.into_iter().flatten().min()
}

/// None where there is no limit: the word `max`.
fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::cgroup::tests::{Fake, V1, V2};

    fn limit(group: &str, mounts: &str, files: &[(&str, &str)]) -> Option<u64> {
        let own = [("/proc/self/cgroup", group), ("/proc/self/mountinfo", mounts)];
        super::limit(&Fake::new(&[&own[..], files].concat()).cgroups())
    }

    #[test]
    fn the_tightest_group_of_version_2() {
        let nested = |own: &str, above: &str, high: &str| {
            let files = [
                ("/sys/fs/cgroup/a/b/memory.max", own),
                ("/sys/fs/cgroup/a/memory.max", above),
                ("/sys/fs/cgroup/a/b/memory.high", high),
            ];
            limit("0::/a/b\n", V2, &files)
        };
        assert_eq!(nested("max\n", "max\n", "max\n"), None);
        assert_eq!(nested("900\n", "max\n", "max\n"), Some(900));
        assert_eq!(nested("900\n", "800\n", "max\n"), Some(800));
        assert_eq!(nested("900\n", "800\n", "700\n"), Some(700));
        // A container that sees the host's path has its limit at the root.
        assert_eq!(limit("0::/a/b\n", V2, &[("/sys/fs/cgroup/memory.max", "5\n")]), Some(5));
    }

    #[test]
    fn the_tightest_group_of_version_1() {
        let group = "4:memory:/a/b\n2:cpu,cpuacct:/c\n0::/\n";
        let nested = |own: &str, above: &str, stat: &str| {
            let files = [
                ("/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", own),
                ("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", above),
                ("/sys/fs/cgroup/memory/a/b/memory.stat", stat),
                // Of another controller's group.
                ("/sys/fs/cgroup/memory/c/memory.limit_in_bytes", "1\n"),
            ];
            limit(group, V1, &files)
        };
        let none = "9223372036854771712\n";
        assert_eq!(nested(none, none, "cache 7\n"), Some(9_223_372_036_854_771_712));
        assert_eq!(nested("900\n", none, "cache 7\n"), Some(900));
        assert_eq!(nested("900\n", "800\n", "cache 7\n"), Some(800));
        let hidden = "cache 7\nhierarchical_memory_limit 600\nhierarchical_memsw_limit 9\n";
        assert_eq!(nested("900\n", "800\n", hidden), Some(600));
    }

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
