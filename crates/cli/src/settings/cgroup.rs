//! Cgroups: the folders whose files say how much this process may use.
//!
//! Knows where a group's files are, in version 1 and 2 and in containers; not what is in them.
//! `settings::cores` and `settings::memory` ask.
//!
//! Invariant: a group's limit holds for all groups below it, so every group on the way up is given.

use std::fs;
use std::path::{Component, Path, PathBuf};

/// What the kernel says of this process's groups.
#[derive(Debug)]
pub(super) struct Cgroups {
    /// `/`, but in tests.
    root: PathBuf,
    /// `/proc/self/cgroup`
    groups: String,
    /// `/proc/self/mountinfo`
    mounts: String,
}

/// The files of one group.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Folder {
    /// In the hierarchy of one controller.
    V1(PathBuf),
    /// In the one that all controllers share.
    V2(PathBuf),
}

impl Cgroups {
    /// Those of this process; none where the system has no such thing.
    pub(super) fn of_this_process() -> Self {
        Self::below(Path::new("/"))
    }

    pub(super) fn below(root: &Path) -> Self {
        let text = |name: &str| fs::read_to_string(root.join(name)).unwrap_or_default();
        let (groups, mounts) = (text("proc/self/cgroup"), text("proc/self/mountinfo"));
        Self { root: root.to_owned(), groups, mounts }
    }

    /// The group and all above it that can be seen, wherever they may have files of this controller.
    pub(super) fn folders(&self, controller: &str) -> Vec<Folder> {
        let mut folders = Vec::new();
        for line in self.groups.lines() {
            let mut fields = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(group)) = (fields.next(), fields.next()) else { continue };
            let named = if controllers.is_empty() {
                None
            } else if controllers.split(',').any(|name| name == controller) {
                Some(controller)
            } else {
                continue;
            };
            let Some((mounted, below)) = self.place(named, group) else { continue };
            let innermost = mounted.join(below);
            let up = innermost.ancestors().take_while(|folder| folder.starts_with(&mounted));
            folders.extend(up.map(|folder| match named {
                Some(_) => Folder::V1(folder.to_owned()),
                None => Folder::V2(folder.to_owned()),
            }));
        }
        folders
    }

    /// Where the hierarchy is mounted, and the group's place below.
    fn place(&self, controller: Option<&str>, group: &str) -> Option<(PathBuf, PathBuf)> {
        let mounts = self.mounts.lines().filter_map(|line| mount(line, controller));
        let mounts: Vec<(PathBuf, PathBuf)> = mounts.collect();
        let inside = |root: &Path| {
            let below = Path::new(group).strip_prefix(root).ok()?;
            let is_plain = below.components().all(|part| matches!(part, Component::Normal(_)));
            is_plain.then(|| below.to_owned())
        };
        let seen = mounts.iter().find_map(|(root, point)| Some((point, inside(root)?)));
        // In a container the group's path may be one of the host's, and what is mounted the group.
        let (point, below) =
            seen.or_else(|| mounts.first().map(|(_, point)| (point, PathBuf::new())))?;
        let point = point.strip_prefix("/").unwrap_or(point);
        Some((self.root.join(point), below))
    }
}

/// What of the hierarchy is mounted, and where, if the line of mountinfo is about it: that of the
/// controller, else that of version 2.
fn mount(line: &str, controller: Option<&str>) -> Option<(PathBuf, PathBuf)> {
    let (before, after) = line.split_once(" - ")?;
    let mut after = after.split(' ');
    let (kind, options) = (after.next()?, after.nth(1)?);
    let is_it = match controller {
        None => kind == "cgroup2",
        Some(name) => kind == "cgroup" && options.split(',').any(|option| option == name),
    };
    let mut before = before.split(' ').skip(3);
    is_it.then_some((unescape(before.next()?), unescape(before.next()?)))
}

/// `\040` and the like, as mountinfo writes spaces, tabs, line ends and backslashes.
fn unescape(text: &str) -> PathBuf {
    let plain = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    plain.iter().fold(text.to_owned(), |text, (escape, plain)| text.replace(escape, plain)).into()
}

#[cfg(test)]
pub(super) mod tests;
