//! An entry of a tree as lists show it: one line, or one JSON object.

use std::fmt;

use lifeboat::report::escape;
use lifeboat_format::time::Time;
use lifeboat_format::tree::{Device, Entry, EntryKind};
use serde::Serialize;

use super::human::{mode_text, time_text};

/// What lists show of an entry. Sizes in bytes; texts are escaped where they are not UTF-8.
#[derive(Debug, Serialize)]
pub(crate) struct EntryView {
    path: String,
    #[serde(rename = "type")]
    kind: &'static str,
    mode: String,
    uid: u32,
    gid: u32,
    user: Option<String>,
    group: Option<String>,
    size: u64,
    mtime: Time,
    links: u64,
    target: Option<String>,
    device: Option<String>,
    #[serde(skip)]
    permissions: String,
}

impl EntryView {
    /// The entry at this absolute path.
    pub(crate) fn new(path: &[u8], entry: &Entry) -> Self {
        let text = |bytes: &[u8]| (!bytes.is_empty()).then(|| escape(bytes));
        Self {
            path: escape(path),
            kind: kind_name(entry.kind),
            mode: format!("{:04o}", entry.mode),
            uid: entry.uid,
            gid: entry.gid,
            user: text(&entry.user),
            group: text(&entry.group),
            size: entry.size,
            mtime: entry.mtime,
            links: entry.links,
            target: text(&entry.target),
            device: entry.rdev.map(|Device { major, minor }| format!("{major}:{minor}")),
            permissions: mode_text(entry.kind, entry.mode),
        }
    }

    /// Its line: the path after `place`, and all the rest before that if `long`.
    pub(crate) fn line(&self, place: &str, long: bool) -> String {
        if !long {
            return format!("{place}{}", self.path);
        }
        let name =
            |name: &Option<String>, number: u32| name.clone().unwrap_or_else(|| number.to_string());
        let (user, group) = (name(&self.user, self.uid), name(&self.group, self.gid));
        let size = self.device.clone().unwrap_or_else(|| self.size.to_string());
        let time = time_text(self.mtime);
        format!("{} {user:8} {group:8} {size:>12} {time} {place}{self}", self.permissions)
    }
}

impl fmt::Display for EntryView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        match &self.target {
            Some(target) => write!(f, " -> {target}"),
            None => Ok(()),
        }
    }
}

fn kind_name(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::File => "file",
        EntryKind::Dir => "dir",
        EntryKind::Symlink => "symlink",
        EntryKind::Fifo => "fifo",
        EntryKind::Socket => "socket",
        EntryKind::Char => "char",
        EntryKind::Block => "block",
    }
}

#[cfg(test)]
mod tests {
    use lifeboat_format::tree::{Entry, EntryKind};

    use super::EntryView;

    #[test]
    fn lines_and_json() {
        let entry = Entry {
            kind: EntryKind::Symlink,
            mode: 0o777,
            uid: 1000,
            user: b"ann".to_vec(),
            target: b"to\xff".to_vec(),
            ..Entry::default()
        };
        let view = EntryView::new(b"/a\n", &entry);
        assert_eq!(view.line("12:", false), r"12:/a\x0a");
        let long = view.line("", true);
        assert!(long.starts_with("lrwxrwxrwx ann      0 "), "{long}");
        assert!(long.ends_with(r"/a\x0a -> to\xff"), "{long}");
        let json = serde_json::to_value(&view).unwrap();
        assert_eq!(json["type"], "symlink");
        assert_eq!(json["mode"], "0777");
        assert_eq!(json["mtime"], "1970-01-01T00:00:00Z");
        assert!(json["group"].is_null());
    }
}
