//! `backup --explain PATH`: which rule takes or leaves a path. Opens no repository.

use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use lifeboat::backup::BackupOptions;
use lifeboat::report::escape;
use lifeboat::source::exclude::{Cause, Excludes, Explanation, Origin, Rule};
use serde::Serialize;

use crate::commands::paths;
use crate::exit::End;
use crate::render::Output;
use crate::settings::current_dir;

#[derive(Default, Serialize)]
struct Explained {
    message_type: &'static str,
    path: String,
    /// Whether there is something at the path.
    exists: bool,
    /// Whether it would be backed up.
    included: bool,
    /// The path or the directory above it that is decided about.
    at: Option<String>,
    rule: Option<String>,
    rule_file: Option<String>,
    rule_line: Option<usize>,
    text: String,
}

pub(super) fn run(path: &Path, options: &BackupOptions, output: &Output) -> Result<End> {
    let path = paths::absolute(&current_dir()?, path);
    let excludes = Excludes::new(&options.excludes)?;
    let mut explained = match root_of(&path, options) {
        Some(root) => {
            let explanation =
                excludes.explain(&root, &path).map_err(|problem| anyhow!("{problem}"))?;
            explained(&path, &explanation)
        }
        None => Explained {
            message_type: "explanation",
            path: text(&path),
            exists: true,
            text: format!("{} is not below any of the paths to back up", text(&path)),
            ..Explained::default()
        },
    };
    if is_nothing(&path) {
        explained.exists = false;
        explained.text.push_str(" (there is nothing at that path now)");
    }
    if output.json {
        output.document(&explained)?;
    } else {
        output.line(&explained.text)?;
    }
    Ok(End::Done)
}

fn is_nothing(path: &Path) -> bool {
    let missing = [ErrorKind::NotFound, ErrorKind::NotADirectory];
    path.symlink_metadata().is_err_and(|error| missing.contains(&error.kind()))
}

/// The innermost root that the path lies in; the file system's where none was given.
fn root_of(path: &Path, options: &BackupOptions) -> Option<PathBuf> {
    if options.roots.is_empty() && options.selected.is_empty() {
        return Some(PathBuf::from("/"));
    }
    let roots = options.roots.iter().filter(|root| path.starts_with(root));
    let innermost = roots.max_by_key(|root| root.components().count()).cloned();
    let is_selected = || options.selected.iter().any(|selected| path.starts_with(selected));
    innermost.or_else(|| is_selected().then(|| PathBuf::from("/")))
}

fn explained(path: &Path, explanation: &Explanation) -> Explained {
    let mut explained = Explained {
        message_type: "explanation",
        path: text(path),
        exists: true,
        included: true,
        text: explanation.to_string(),
        ..Explained::default()
    };
    match explanation {
        Explanation::Unmentioned { .. } => {}
        Explanation::Kept { rule, .. } => explained.name(rule),
        Explanation::Excluded { at, cause, .. } => {
            explained.included = false;
            explained.at = Some(text(at));
            match cause {
                Cause::Rule(rule) => explained.name(rule),
                cause => explained.rule = Some(cause.to_string()),
            }
        }
    }
    explained
}

impl Explained {
    fn name(&mut self, rule: &Rule) {
        self.rule = Some(rule.text.clone());
        if let Origin::File { path, line } = &rule.origin {
            self.rule_file = Some(text(path));
            self.rule_line = Some(*line);
        }
    }
}

fn text(path: &Path) -> String {
    escape(path.as_os_str().as_bytes())
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use lifeboat::backup::BackupOptions;

    use super::root_of;

    #[test]
    fn the_innermost_root() {
        let root = |path: &str, options: &BackupOptions| root_of(Path::new(path), options);
        let mut options = BackupOptions::new(vec!["/a".into(), "/a/b".into()], "h");
        assert_eq!(root("/a/b/c", &options), Some(PathBuf::from("/a/b")));
        assert_eq!(root("/x", &options), None);
        options.selected = vec!["/x/y".into()];
        assert_eq!(root("/x/y/z", &options), Some(PathBuf::from("/")));
        assert_eq!(root("/x", &BackupOptions::new(Vec::new(), "h")), Some(PathBuf::from("/")));
    }
}
