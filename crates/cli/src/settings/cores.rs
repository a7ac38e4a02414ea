//! The default number of threads: the cores that the process may run on, within its cgroups' quotas.
//!
//! `std::thread::available_parallelism` knows both, but rounds a quota down: with one and a half cores it
//! counts one, and a third of what was granted is never used. It also takes no note of version 2 where
//! the group's path is one of the host's or the mount is elsewhere. So the two are put together here; it
//! stays the answer where the system gives no affinity.

use std::fs;
use std::num::NonZero;
use std::path::Path;

use super::cgroup::{Cgroups, Folder};

/// At least 1.
pub(super) fn default_threads() -> usize {
    within(allowed_cores(), &Cgroups::of_this_process())
}

/// How many cores the process may run on, of those that are there.
fn allowed_cores() -> usize {
    let affinity = rustix::thread::sched_getaffinity(None).map(|set| set.count() as usize);
    match affinity {
        Ok(count) if count > 0 => count,
        // More cores than a set of usual size holds.
        _ => std::thread::available_parallelism().map_or(1, NonZero::get),
    }
}

fn within(all: usize, groups: &Cgroups) -> usize {
    let quotas = groups.folders("cpu").into_iter().filter_map(|folder| cores(&folder));
    all.min(quotas.min().unwrap_or(all)).max(1)
}

/// What the group may use of all cores together, rounded up, if that is limited.
fn cores(folder: &Folder) -> Option<usize> {
    let (quota, period): (u64, u64) = match folder {
        Folder::V1(folder) => {
            (number(&folder.join("cpu.cfs_quota_us"))?, number(&folder.join("cpu.cfs_period_us"))?)
        }
        Folder::V2(folder) => {
            let text = fs::read_to_string(folder.join("cpu.max")).ok()?;
            let mut fields = text.split_whitespace();
            (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?)
        }
    };
    // No limit is a quota of -1 or the word `max`, which are no numbers here.
    usize::try_from(quota.checked_next_multiple_of(period)?.checked_div(period)?).ok()
}

fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::cgroup::tests::{Fake, V1, V2};
    use super::within;

    fn v2(files: &[(&str, &str)]) -> usize {
        let group = [("/proc/self/cgroup", "0::/a/b\n"), ("/proc/self/mountinfo", V2)];
        within(16, &Fake::new(&[&group[..], files].concat()).cgroups())
    }

    fn v1(files: &[(&str, &str)]) -> usize {
        let group = [("/proc/self/cgroup", "2:cpu,cpuacct:/a/b\n"), ("/proc/self/mountinfo", V1)];
        within(16, &Fake::new(&[&group[..], files].concat()).cgroups())
    }

    #[test]
    fn a_quota_is_rounded_up() {
        let own = |text: &str| v2(&[("/sys/fs/cgroup/a/b/cpu.max", text)]);
        assert_eq!(own("150000 100000\n"), 2);
        assert_eq!(own("200000 100000\n"), 2);
        assert_eq!(own("1000 100000\n"), 1);
        assert_eq!(own("0 100000\n"), 1);
        assert_eq!(own("max 100000\n"), 16);
        assert_eq!(own("9999999 100000\n"), 16, "no more than there are");
        for torn in ["", "5", "5 0", "5 x", "-1 100000"] {
            assert_eq!(own(torn), 16, "{torn:?}");
        }
    }

    #[test]
    fn the_tightest_group_counts() {
        let nested = |own: &str, above: &str, root: &str| {
            v2(&[
                ("/sys/fs/cgroup/a/b/cpu.max", own),
                ("/sys/fs/cgroup/a/cpu.max", above),
                ("/sys/fs/cgroup/cpu.max", root),
            ])
        };
        assert_eq!(nested("max 100000", "350000 100000", "max 100000"), 4);
        assert_eq!(nested("250000 100000", "max 100000", "900000 100000"), 3);
        assert_eq!(nested("max 100000", "max 100000", "25000 10000"), 3, "a container's own");
        assert_eq!(v2(&[]), 16);
    }

    #[test]
    fn version_1_has_two_files() {
        let cpu = "/sys/fs/cgroup/cpu,cpuacct";
        let (own, own_period) =
            (format!("{cpu}/a/b/cpu.cfs_quota_us"), format!("{cpu}/a/b/cpu.cfs_period_us"));
        let (above, above_period) =
            (format!("{cpu}/a/cpu.cfs_quota_us"), format!("{cpu}/a/cpu.cfs_period_us"));
        let nested = |quota: &str, quota_above: &str| {
            v1(&[
                (&own, quota),
                (&own_period, "50000\n"),
                (&above, quota_above),
                (&above_period, "100000\n"),
            ])
        };
        assert_eq!(nested("-1\n", "-1\n"), 16);
        assert_eq!(nested("120000\n", "-1\n"), 3);
        assert_eq!(nested("-1\n", "410000\n"), 5);
        assert_eq!(v1(&[(&own, "120000\n")]), 16, "a quota of no period says nothing");
        // Other than in version 2, other controllers' trees have nothing to do with it.
        assert_eq!(v1(&[("/sys/fs/cgroup/memory/a/cpu.max", "1 1")]), 16);
    }

    /// std counts the same cores, and fewer by a quota that it rounds down.
    #[test]
    fn no_fewer_than_std_counts() {
        let known = std::thread::available_parallelism().unwrap().get();
        let threads = super::default_threads();
        assert!((known..=known + 1).contains(&threads), "{threads}, {known}");
    }
}
