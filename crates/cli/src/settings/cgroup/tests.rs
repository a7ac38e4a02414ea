use super::*;

/// A system with these files, by their absolute paths.
pub(in crate::settings) struct Fake(tempfile::TempDir);

impl Fake {
    pub(in crate::settings) fn new(files: &[(&str, &str)]) -> Self {
        let fake = Self(tempfile::tempdir().unwrap());
        for (path, text) in files {
            let path = fake.0.path().join(path.trim_start_matches('/'));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        fake
    }

    pub(in crate::settings) fn cgroups(&self) -> Cgroups {
        Cgroups::below(self.0.path())
    }

    fn folders(&self, controller: &str) -> Vec<String> {
        let folders = self.cgroups().folders(controller);
        let shown = folders.into_iter().map(|folder| {
            let (version, path) = match folder {
                Folder::V1(path) => (1, path),
                Folder::V2(path) => (2, path),
            };
            format!("{version} /{}", path.strip_prefix(self.0.path()).unwrap().display())
        });
        shown.collect()
    }
}

/// What mountinfo says of version 2 alone.
pub(in crate::settings) const V2: &str =
    "31 23 0:28 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
/// What it says of version 1, with two controllers in one hierarchy, and version 2 beside them.
pub(in crate::settings) const V1: &str = "\
31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

#[test]
fn every_group_on_the_way_up() {
    let fake = Fake::new(&[
        ("/proc/self/cgroup", "0::/system.slice/backup.service\n"),
        ("/proc/self/mountinfo", V2),
    ]);
    let up = [
        "2 /sys/fs/cgroup/system.slice/backup.service",
        "2 /sys/fs/cgroup/system.slice",
        "2 /sys/fs/cgroup",
    ];
    assert_eq!(fake.folders("cpu"), up);
}

#[test]
fn a_controller_of_version_1_has_its_own_tree() {
    let fake = Fake::new(&[
        (
            "/proc/self/cgroup",
            "5:cpuset:/z\n4:memory:/m\n3:cpuacct,cpu:/c\n1:name=systemd:/s\n0::/u\n",
        ),
        ("/proc/self/mountinfo", V1),
    ]);
    let unified = ["2 /sys/fs/cgroup/unified/u", "2 /sys/fs/cgroup/unified"];
    let cpu = ["1 /sys/fs/cgroup/cpu,cpuacct/c", "1 /sys/fs/cgroup/cpu,cpuacct"];
    assert_eq!(fake.folders("cpu"), [cpu, unified].concat());
    let memory = ["1 /sys/fs/cgroup/memory/m", "1 /sys/fs/cgroup/memory"];
    assert_eq!(fake.folders("memory"), [memory, unified].concat());
    // Known, but mounted nowhere.
    assert_eq!(fake.folders("cpuset"), unified);
}

#[test]
fn a_container_sees_its_own_part() {
    // The group's path is the host's, and only what is below the container's group is mounted.
    let fake = Fake::new(&[
        ("/proc/self/cgroup", "4:memory:/docker/1f/inner\n"),
        (
            "/proc/self/mountinfo",
            "35 31 0:32 /docker/1f /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
        ),
    ]);
    let both = ["1 /sys/fs/cgroup/memory/inner", "1 /sys/fs/cgroup/memory"];
    assert_eq!(fake.folders("memory"), both);

    // A group outside of what can be seen: the outermost that can be is the best there is.
    for group in ["0::/../other", "0::/kubepods/x"] {
        let fake = Fake::new(&[
            ("/proc/self/cgroup", group),
            ("/proc/self/mountinfo", &V2.replace(" / ", " /docker/1f ")),
        ]);
        assert_eq!(fake.folders("cpu"), ["2 /sys/fs/cgroup"], "{group}");
    }
    let fake = Fake::new(&[("/proc/self/cgroup", "0::/../other"), ("/proc/self/mountinfo", V2)]);
    assert_eq!(fake.folders("cpu"), ["2 /sys/fs/cgroup"]);
}

#[test]
fn elsewhere_and_nowhere() {
    let fake = Fake::new(&[
        ("/proc/self/cgroup", "0::/a\n"),
        ("/proc/self/mountinfo", "31 23 0:28 / /my\\040groups rw - cgroup2 cgroup2 rw\n"),
    ]);
    assert_eq!(fake.folders("cpu"), ["2 /my groups/a", "2 /my groups"]);
    assert!(Fake::new(&[]).folders("cpu").is_empty());
    let torn = Fake::new(&[("/proc/self/cgroup", "0:\n\n7"), ("/proc/self/mountinfo", "31 - \n")]);
    assert!(torn.folders("cpu").is_empty());
}
