//! Groups: which snapshots a policy is applied to together.
//!
//! By default those of one signing key and one source, so that nobody's snapshots count for another's.

use std::str::FromStr;

use crate::{Error, Result};

/// One thing that the snapshots of a group have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupBy {
    /// The key that signed them.
    Node,
    /// The source.
    Source,
    /// The host.
    Host,
    /// The roots.
    Paths,
    /// The tags.
    Tags,
    /// The policy by which they were made.
    Policy,
}

/// What a snapshot says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The key that signed it first.
    pub node: String,
    /// What its source is known by.
    pub source: String,
    /// Its host.
    pub host: String,
    /// Its roots, as text.
    pub paths: Vec<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// The policy by which it was made.
    pub policy: Option<String>,
}

impl GroupBy {
    /// The default: by signing key and source.
    pub const DEFAULT: [Self; 2] = [Self::Node, Self::Source];

    /// What these are called in lists.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Source => "source",
            Self::Host => "host",
            Self::Paths => "paths",
            Self::Tags => "tags",
            Self::Policy => "policy",
        }
    }

    /// What the snapshots of a group have in common by this: paths and tags in any order.
    #[must_use]
    pub fn of(self, facts: &Facts) -> Vec<String> {
        let sorted = |texts: &[String]| {
            let mut texts = texts.to_vec();
            texts.sort();
            texts
        };
        match self {
            Self::Node => vec![facts.node.clone()],
            Self::Source => vec![facts.source.clone()],
            Self::Host => vec![facts.host.clone()],
            Self::Paths => sorted(&facts.paths),
            Self::Tags => sorted(&facts.tags),
            Self::Policy => facts.policy.iter().cloned().collect(),
        }
    }
}

impl FromStr for GroupBy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(match text {
            "node" => Self::Node,
            "source" => Self::Source,
            "host" => Self::Host,
            "path" | "paths" => Self::Paths,
            "tag" | "tags" => Self::Tags,
            "policy" => Self::Policy,
            _ => {
                let known = "node, source, host, paths, tags, policy";
                return Err(Error::new(format!("{text:?} groups nothing; known are {known}")));
            }
        })
    }
}

#[cfg(test)]
mod tests;
