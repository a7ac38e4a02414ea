//! The text of AWS's configuration files: sections, members, and members of members.
//!
//! Knows no names. Lines that are neither are passed over, as AWS's own tools do.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

/// The members of one section; `s3.endpoint_url` is the member `endpoint_url` below `s3 =`.
pub(super) type Section = BTreeMap<String, Zeroizing<String>>;

/// The sections by what is between their brackets, inner spaces single.
pub(super) fn parse(text: &str) -> BTreeMap<String, Section> {
    let mut sections: BTreeMap<String, Section> = BTreeMap::new();
    let mut section: Option<String> = None;
    let mut above: Option<String> = None;
    for line in text.lines() {
        let is_indented = line.starts_with([' ', '\t']);
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(heading) = line.strip_prefix('[') {
            let name = heading.split_once(']').map(|(name, _)| name);
            let words = |name: &str| name.split_whitespace().collect::<Vec<_>>().join(" ");
            section = name.map(words);
            above = None;
            if let Some(section) = &section {
                sections.entry(section.clone()).or_default();
            }
            continue;
        }
        let (Some(section), Some((name, value))) = (&section, line.split_once('=')) else {
            continue;
        };
        let (name, value) = (name.trim().to_ascii_lowercase(), without_comment(value));
        let name = match (&above, is_indented) {
            (Some(above), true) => format!("{above}.{name}"),
            _ => {
                above = value.is_empty().then(|| name.clone());
                name
            }
        };
        if let Some(members) = sections.get_mut(section) {
            members.insert(name, Zeroizing::new(value.to_owned()));
        }
    }
    sections
}

/// A comment begins with a space and a `#` or `;`.
fn without_comment(value: &str) -> &str {
    let ends = [" #", " ;", "\t#", "\t;"].iter().filter_map(|mark| value.find(mark));
    value[..ends.min().unwrap_or(value.len())].trim()
}
