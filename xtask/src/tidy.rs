//! The rules of the house that no compiler knows, each with a reason in CONTRIBUTING.md.
//!
//! A check is a function from the tree to complaints; it changes nothing. Only `--write` writes,
//! and only what is derived: the recorded hash of the format's source and the CLI's reference.

mod arrows;
mod cli_docs;
mod fixtures;
mod links;
mod names;
mod orphans;
mod sources;
mod spec_hash;
mod tree;

use anyhow::{Result, bail};

use self::tree::Tree;

/// How `tidy` treats what is derived.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Options {
    /// Write what is derived (the format's source hash, docs/cli.md) in place of comparing it
    #[arg(long)]
    write: bool,
}

/// Runs every check and fails with all complaints at once.
pub(crate) fn tidy(options: &Options) -> Result<()> {
    let tree = Tree::read()?;
    let mut complaints = Vec::new();
    complaints.extend(arrows::check(&tree)?);
    complaints.extend(names::check(&tree));
    complaints.extend(sources::check(&tree)?);
    complaints.extend(orphans::check(&tree)?);
    complaints.extend(fixtures::check(&tree)?);
    complaints.extend(links::check(&tree)?);
    if options.write {
        spec_hash::write(&tree)?;
        cli_docs::write(&tree)?;
    } else {
        complaints.extend(spec_hash::check(&tree)?);
        complaints.extend(cli_docs::check(&tree)?);
    }
    for complaint in &complaints {
        println!("{complaint}");
    }
    match complaints.len() {
        0 => Ok(()),
        count => bail!("{count} complaints"),
    }
}
