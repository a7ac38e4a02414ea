//! Rules in gitignore syntax, each with where it was said.
//!
//! Knows text and paths; no files. The matching is the `ignore` crate's; this room adds which rule it
//! was, absolute paths, and the refusal of lines that would silently do nothing.

use std::fmt;
use std::path::{Path, PathBuf};

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder, Glob};

use crate::report::escape;

/// One rule, as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its text.
    pub text: String,
    /// Where it was said.
    pub origin: Origin,
}

/// Where a rule was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Among the patterns of the run.
    Pattern,
    /// In a file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
    },
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Pattern => write!(f, "the pattern {:?}", self.text),
            Origin::File { path, line } => {
                let path = escape(path.as_os_str().as_encoded_bytes());
                write!(f, "the rule {:?} in {path}, line {line}", self.text)
            }
        }
    }
}

/// What a set of rules says about a path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ruling<'a> {
    /// The rule that decides.
    pub(super) rule: &'a Rule,
    /// Whether it leaves out, or takes back in.
    pub(super) excludes: bool,
}

/// Rules of which the last that matches decides.
#[derive(Debug)]
pub(super) struct RuleSet {
    rules: Vec<Rule>,
    /// All rules, on paths relative to where they hold.
    relative: Gitignore,
    /// Those that begin with a slash, on absolute paths.
    absolute: Gitignore,
}

impl RuleSet {
    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// What they say about a path given relative to where they hold and, if those count, as an absolute
    /// one without its first slash.
    pub(super) fn ruling(
        &self,
        relative: &Path,
        absolute: Option<&Path>,
        is_dir: bool,
    ) -> Option<Ruling<'_>> {
        let relative = numbered(self.relative.matched(relative, is_dir));
        let absolute = absolute.and_then(|path| numbered(self.absolute.matched(path, is_dir)));
        let (number, excludes) = relative.max(absolute)?;
        Some(Ruling { rule: self.rules.get(number)?, excludes })
    }
}

impl Default for RuleSet {
    fn default() -> Self {
        Self { rules: Vec::new(), relative: Gitignore::empty(), absolute: Gitignore::empty() }
    }
}

/// The matcher keeps a path beside each glob, "where it is from": here the number of the rule.
fn numbered(found: Match<&Glob>) -> Option<(usize, bool)> {
    let (glob, excludes) = match found {
        Match::None => return None,
        Match::Ignore(glob) => (glob, true),
        Match::Whitelist(glob) => (glob, false),
    };
    Some((glob.from()?.to_str()?.parse().ok()?, excludes))
}

/// Gathers rules.
pub(super) struct RuleSetBuilder {
    rules: Vec<Rule>,
    relative: GitignoreBuilder,
    absolute: GitignoreBuilder,
}

impl Default for RuleSetBuilder {
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            relative: GitignoreBuilder::new(""),
            absolute: GitignoreBuilder::new(""),
        }
    }
}

impl RuleSetBuilder {
    /// Adds a pattern of the run; the error says what is wrong with it.
    pub(super) fn add_pattern(&mut self, pattern: &str) -> Result<(), String> {
        if pattern.trim_end().is_empty() {
            return Err("an exclude pattern is empty".to_owned());
        }
        if pattern.starts_with('#') {
            return Err(format!(
                "the exclude pattern {pattern:?} is a comment; for a name with # write \\{pattern}"
            ));
        }
        self.add(Rule { text: pattern.to_owned(), origin: Origin::Pattern })
    }

    /// Adds all the good lines of a file; the result says what is wrong with the first bad one.
    pub(super) fn add_file(&mut self, path: &Path, bytes: &[u8]) -> Option<String> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut bad = None;
        for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let origin = Origin::File { path: path.to_owned(), line: number + 1 };
            let text = String::from_utf8_lossy(line).into_owned();
            if text.starts_with('#') || text.trim_end().is_empty() {
                continue;
            }
            let rule = Rule { text, origin };
            let added = match std::str::from_utf8(line) {
                Ok(_) => self.add(rule),
                Err(_) => Err(format!("{rule} is not UTF-8; stand-ins such as ? match any byte")),
            };
            if let Err(error) = added {
                bad.get_or_insert(error);
            }
        }
        bad
    }

    /// The rules, ready; the error says why they can't be.
    pub(super) fn build(self) -> Result<RuleSet, String> {
        let too_much = |error| format!("the exclude rules are too much for the matcher: {error}");
        Ok(RuleSet {
            rules: self.rules,
            relative: self.relative.build().map_err(too_much)?,
            absolute: self.absolute.build().map_err(too_much)?,
        })
    }

    fn add(&mut self, rule: Rule) -> Result<(), String> {
        let number = PathBuf::from(self.rules.len().to_string());
        let wrong = |error| format!("{rule} is not a valid one: {error}");
        self.relative.add_line(Some(number.clone()), &rule.text).map_err(wrong)?;
        if rule.text.strip_prefix('!').unwrap_or(&rule.text).starts_with('/') {
            self.absolute.add_line(Some(number), &rule.text).map_err(wrong)?;
        }
        self.rules.push(rule);
        Ok(())
    }
}
