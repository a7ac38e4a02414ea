//! Whether two trees are the same in everything that a file system keeps.
//!
//! Knows nothing of the product: its own walk, its own comparison, so that it can't share a mistake.
//! Not compared: ctime, inode numbers, access times, and where the data lies on the medium.

mod facts;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;

use crate::tree::{Reach, split};
use facts::Facts;

/// What of a thing can differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aspect {
    /// It is in one of the trees only.
    Presence,
    /// File, directory, symbolic link and so on; nothing else is compared then.
    Kind,
    /// The permissions and the three special bits.
    Mode,
    /// The numbers of user and group.
    Owner,
    /// The time of the last change, to the nanosecond.
    Mtime,
    /// The length of a file.
    Size,
    /// The bytes of a file.
    Content,
    /// Where a file has holes.
    Holes,
    /// The target of a symbolic link.
    Target,
    /// The number of a device.
    Device,
    /// The extended attributes, ACLs among them.
    Xattrs,
    /// The file flags.
    Flags,
    /// Which names are the same file.
    Links,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The path below the roots; empty for the roots themselves.
    pub path: Vec<u8>,
    /// What differs.
    pub aspect: Aspect,
    /// How it is in the first tree and in the second.
    pub detail: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} of \"{}\": {}", self.aspect, shown(&self.path), self.detail)
    }
}

/// A path without what would make a terminal unreadable.
fn shown(path: &[u8]) -> String {
    const SHOWN_MAX: usize = 300;
    match path.get(path.len().saturating_sub(SHOWN_MAX)..) {
        Some(end) if end.len() < path.len() => format!("...{}", end.escape_ascii()),
        _ => path.escape_ascii().to_string(),
    }
}

/// Fails the test if the directories `a` and `b` differ in anything.
///
/// # Panics
/// With the differences, or when a tree can't be read.
pub fn assert_same_tree(a: &Path, b: &Path) {
    assert_same_tree_except(a, b, &[]);
}

/// Fails the test if the directories `a` and `b` differ in anything but these aspects.
///
/// # Panics
/// With the differences, or when a tree can't be read.
pub fn assert_same_tree_except(a: &Path, b: &Path, except: &[Aspect]) {
    const TOLD_MAX: usize = 30;
    let mut differences = differences(a, b).expect("both trees can be read");
    differences.retain(|difference| !except.contains(&difference.aspect));
    let told = differences.iter().take(TOLD_MAX).map(|difference| format!("\n  {difference}"));
    let told = String::from_iter(told);
    let (count, a, b) = (differences.len(), a.display(), b.display());
    assert!(differences.is_empty(), "{count} differences between {a} and {b}:{told}");
}

/// All the differences between the directories `a` and `b`, in the order of their paths.
///
/// # Errors
/// Those of reading them.
pub fn differences(a: &Path, b: &Path) -> io::Result<Vec<Difference>> {
    let (mut of_a, mut of_b) = (facts::gather(a)?, facts::gather(b)?);
    let mut reach = (Reach::new(a)?, Reach::new(b)?);
    let mut differences = Vec::new();
    let mut paths = Vec::from_iter(of_a.keys().chain(of_b.keys()).cloned());
    paths.sort_unstable();
    paths.dedup();
    for path in paths {
        let mut differ = |aspect, detail: String| {
            differences.push(Difference { path: path.clone(), aspect, detail });
        };
        match (of_a.remove(&path), of_b.remove(&path)) {
            (Some(facts), None) => {
                differ(Aspect::Presence, format!("only in the first: {}", facts.kind));
            }
            (None, Some(facts)) => {
                differ(Aspect::Presence, format!("only in the second: {}", facts.kind));
            }
            (Some(first), Some(second)) if first.kind != second.kind => {
                differ(Aspect::Kind, format!("{} and {}", first.kind, second.kind));
            }
            (Some(first), Some(second)) => {
                compare(&first, &second, &mut differ);
                if first.kind == "file"
                    && first.size == second.size
                    && let Some(place) = content_differs(&mut reach, &path, &first, &second)?
                {
                    differ(Aspect::Content, format!("first at byte {place}"));
                }
            }
            (None, None) => {}
        }
    }
    Ok(differences)
}

fn compare(a: &Facts, b: &Facts, differ: &mut impl FnMut(Aspect, String)) {
    let mut check = |aspect, same: bool, a: &dyn fmt::Debug, b: &dyn fmt::Debug| {
        if !same {
            differ(aspect, format!("{a:?} and {b:?}"));
        }
    };
    let octal = |mode| format!("{mode:04o}");
    check(Aspect::Mode, a.mode == b.mode, &octal(a.mode), &octal(b.mode));
    check(Aspect::Owner, a.owner == b.owner, &a.owner, &b.owner);
    check(Aspect::Mtime, a.mtime == b.mtime, &a.mtime, &b.mtime);
    check(Aspect::Size, a.size == b.size, &a.size, &b.size);
    check(Aspect::Target, a.target == b.target, &shown(&a.target), &shown(&b.target));
    check(Aspect::Device, a.device == b.device, &a.device, &b.device);
    check(Aspect::Flags, a.flags == b.flags, &a.flags, &b.flags);
    let links = |facts: &Facts| facts.first_link.as_deref().map(shown);
    check(Aspect::Links, a.first_link == b.first_link, &links(a), &links(b));
    check(Aspect::Xattrs, a.xattrs == b.xattrs, &xattrs(&a.xattrs), &xattrs(&b.xattrs));
    check(Aspect::Holes, a.holes == b.holes, &a.holes, &b.holes);
}

fn xattrs(of: &BTreeMap<Vec<u8>, Vec<u8>>) -> Vec<String> {
    let text = |(name, value): (&Vec<u8>, &Vec<u8>)| format!("{}={}", shown(name), shown(value));
    of.iter().map(text).collect()
}

/// The first byte in which two files of one size differ. What is a hole in both is not read.
fn content_differs(
    reach: &mut (Reach, Reach),
    path: &[u8],
    a: &Facts,
    b: &Facts,
) -> io::Result<Option<u64>> {
    use std::os::unix::fs::FileExt;
    const STEP_BYTES: usize = 256 << 10;
    let (first, second) = (open_file(&mut reach.0, path)?, open_file(&mut reach.1, path)?);
    let (mut left, mut right) = (vec![0; STEP_BYTES], vec![0; STEP_BYTES]);
    let mut data = Vec::from_iter(a.data.iter().chain(&b.data).cloned());
    data.sort_unstable_by_key(|range| range.start);
    let mut at = 0;
    for range in data {
        at = at.max(range.start);
        while at < range.end {
            let step =
                usize::try_from((range.end - at).min(STEP_BYTES as u64)).unwrap_or(STEP_BYTES);
            first.read_exact_at(&mut left[..step], at)?;
            second.read_exact_at(&mut right[..step], at)?;
            let mut pairs = left[..step].iter().zip(&right[..step]);
            if let Some(place) = pairs.position(|(a, b)| a != b) {
                return Ok(Some(at + place as u64));
            }
            at += step as u64;
        }
    }
    Ok(None)
}

fn open_file(reach: &mut Reach, path: &[u8]) -> io::Result<std::fs::File> {
    use rustix::fs::{Mode, OFlags, openat};
    let (dir, name) = split(path);
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(reach.dir(dir)?, name, flags, Mode::empty())?.into())
}

#[cfg(test)]
mod tests;
