//! Times the release build beside the installed peers; the work is done by the package `bench`.

use anyhow::Result;

use crate::step::{cargo, root, run, step};

/// What is measured, and on how much.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is one of the user's switches")]
pub(crate) struct Options {
    /// Install restic, rustic and borg first (benches/peers/install.sh)
    #[arg(long)]
    peers: bool,
    /// Only what a far store takes: a link with a rate and a delay, and one with faults
    #[arg(long)]
    link: bool,
    /// Only a repository of a hundred million chunks; needs 50 GB of disk
    #[arg(long, conflicts_with = "link")]
    index: bool,
    /// Only a collection beside `restic prune`, after half of many snapshots were forgotten
    #[arg(long, conflicts_with_all = ["link", "index"])]
    collect: bool,
    /// Size of the corpus in GiB
    #[arg(long, default_value_t = 3.0)]
    gib: f64,
    /// What else the package `bench` is told, after `--`
    #[arg(last = true)]
    rest: Vec<String>,
}

/// Builds what is measured, and runs the comparison.
pub(crate) fn bench(options: &Options) -> Result<()> {
    if options.peers {
        let install = root().join("benches/peers/install.sh");
        step("peers", || run(crate::step::command("sh", ["-eu"]).arg(install)))?;
    }
    let build = ["build", "--release", "--locked", "--package"];
    step("build lifeboat", || run(cargo(build).arg("lifeboat-cli")))?;
    step("build bench", || run(cargo(build).arg("bench")))?;
    let gib = options.gib.to_string();
    let program = ["run", "--release", "--locked", "--quiet", "--package", "bench", "--"];
    let verbs = match options {
        Options { link: true, .. } => vec![vec!["link"]],
        Options { index: true, .. } => vec![vec!["index", "--gib", &gib]],
        Options { collect: true, .. } => vec![vec!["collect", "--gib", &gib]],
        _ => {
            vec![
                vec!["compare", "--gib", &gib],
                vec!["efficiency", "--gib", &gib],
                vec!["restore", "--gib", &gib],
                vec!["small-files"],
            ]
        }
    };
    for verb in verbs {
        let mut command = cargo(program);
        command.args(&verb).args(&options.rest);
        step(&format!("bench {}", verb[0]), || run(&mut command))?;
    }
    Ok(())
}
