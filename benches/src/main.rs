//! The command line of the comparison; `cargo xtask bench` builds and calls it.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result, ensure};
use bench::{
    collect::{self, collect},
    compare::{self, compare},
    corpus::{self, Spec},
    index::{self, index},
    link::{self, link},
    measure::say,
    primitives::efficiency,
    restore::restore,
    small_files::{self, small_files},
    tool::{Place, Tool},
};
use clap::{Args, Parser, Subcommand};

/// Measures whole backups beside the installed peers.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make the volume in a folder, or edit the one there into that of the next day
    Corpus {
        folder: PathBuf,
        /// Edit what is there
        #[arg(long)]
        next_day: bool,
        #[command(flatten)]
        size: Size,
    },
    /// Time full, unchanged, next-day, restore and check of every installed tool
    Compare {
        /// The tools, by name
        #[arg(long, value_delimiter = ',', default_value = "lifeboat,restic,rustic,borg")]
        tools: Vec<String>,
        /// How often all is repeated
        #[arg(long, default_value_t = 1)]
        rounds: u32,
        #[command(flatten)]
        size: Size,
        #[command(flatten)]
        scene: Scene,
    },
    /// Back up and restore over a link of the given kind, and count requests
    Link {
        /// How much data, in MiB
        #[arg(long, default_value_t = 1024)]
        mib: u64,
        /// What the link carries each way, in MB/s
        #[arg(long, default_value_t = 100)]
        rate: u64,
        /// How long there and back takes, in ms
        #[arg(long, default_value_t = 40)]
        round_trip: u64,
        /// The same where faults are compared with none, in ms
        #[arg(long, default_value_t = 50)]
        delay: u64,
        #[command(flatten)]
        scene: Scene,
    },
    /// Forget half of many snapshots, and time the collection beside that of a peer
    Collect {
        /// How many snapshots
        #[arg(long, default_value_t = 100)]
        snapshots: u32,
        #[command(flatten)]
        size: Size,
        #[command(flatten)]
        scene: Scene,
    },
    /// Restore a volume beside a copy of it, and one file of it
    Restore {
        #[command(flatten)]
        size: Size,
        #[command(flatten)]
        scene: Scene,
    },
    /// Say how near a first backup is to the sum of what it can't do without
    Efficiency {
        #[command(flatten)]
        size: Size,
        #[command(flatten)]
        scene: Scene,
    },
    /// Open, look up in and back up into a repository of very many chunks; needs 500 bytes of disk for each
    Index {
        /// How many chunks
        #[arg(long, default_value_t = 100_000_000)]
        chunks: u64,
        /// How many are looked up
        #[arg(long, default_value_t = 50_000)]
        look_ups: u64,
        /// Leave the repository there, to look at it
        #[arg(long)]
        keep: bool,
        #[command(flatten)]
        size: Size,
        #[command(flatten)]
        scene: Scene,
    },
    /// What `index` runs to look chunks up
    #[command(hide = true)]
    LookUp {
        repository: PathBuf,
        #[arg(long)]
        chunks: u64,
        #[arg(long)]
        absent: u64,
        #[arg(long)]
        present: u64,
    },
    /// Say what many tiny files take in the repository, and where it goes
    SmallFiles {
        /// How many files
        #[arg(long, default_value_t = 10_000)]
        count: u64,
        #[command(flatten)]
        scene: Scene,
    },
}

#[derive(Debug, Args)]
struct Size {
    /// How much data the volume holds, in GiB
    #[arg(long, default_value_t = 3.0)]
    gib: f64,
    /// What everything random follows from
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Debug, Args)]
struct Scene {
    /// The folder for volume, repositories and restored files; several times the volume's size
    #[arg(long, default_value = "target/bench")]
    work: PathBuf,
    /// The Lifeboat that is measured
    #[arg(long, default_value = "target/release/lifeboat")]
    lifeboat: PathBuf,
    /// Where the tables are written
    #[arg(long, default_value = "benches/RESULTS.md")]
    results: PathBuf,
}

impl Size {
    fn spec(&self) -> Result<Spec> {
        ensure!((0.001..1024.0).contains(&self.gib), "--gib must be from 0.001 to 1024");
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the range was checked"
        )]
        let bytes = (self.gib * f64::from(1 << 30)) as u64;
        Ok(Spec { seed: self.seed, bytes })
    }
}

impl Scene {
    fn place(&self, data: &str) -> Result<Place> {
        let there =
            |path: &PathBuf| path.canonicalize().with_context(|| path.display().to_string());
        std::fs::create_dir_all(&self.work).with_context(|| self.work.display().to_string())?;
        let work = there(&self.work)?;
        Ok(Place { data: work.join(data), lifeboat: there(&self.lifeboat)?, work })
    }
}

fn main() -> Result<()> {
    match Cli::parse().verb {
        Verb::Corpus { folder, next_day, size } => {
            if next_day {
                return Ok(say(&format!("{:?}", corpus::next_day(&folder, size.spec()?)?))?);
            }
            corpus::build(&folder, size.spec()?)
        }
        Verb::Compare { tools, rounds, size, scene } => {
            let tools = tools.iter().map(|name| tool(name)).collect::<Result<_>>()?;
            let options = compare::Options { spec: size.spec()?, tools, rounds };
            compare(&options, &scene.place("volume")?, &scene.results)
        }
        Verb::Link { mib, rate, round_trip, delay, scene } => {
            let options = link::Options {
                mib,
                bytes_per_second: rate * 1_000_000,
                round_trip: Duration::from_millis(round_trip),
                delay: Duration::from_millis(delay),
            };
            link(options, &scene.place("link")?, &scene.results)
        }
        Verb::Collect { snapshots, size, scene } => {
            let options = collect::Options { spec: size.spec()?, snapshots };
            collect(options, &scene.place("history")?, &scene.results)
        }
        Verb::Restore { size, scene } => {
            restore(size.spec()?, &scene.place("volume")?, &scene.results)
        }
        Verb::Efficiency { size, scene } => {
            efficiency(size.spec()?, &scene.place("volume")?, &scene.results)
        }
        Verb::Index { chunks, look_ups, keep, size, scene } => {
            let options = index::Options { chunks, look_ups, volume: size.spec()?, keep };
            index(options, &scene.place("volume")?, &scene.results)
        }
        Verb::LookUp { repository, chunks, absent, present } => {
            index::look_up(&repository, chunks, absent, present)
        }
        Verb::SmallFiles { count, scene } => {
            let options = small_files::Options { count, seed: 1 };
            small_files(options, &scene.place("small-files")?, &scene.results)
        }
    }
}

fn tool(name: &str) -> Result<Tool> {
    let tool = Tool::ALL.into_iter().find(|tool| tool.name() == name);
    tool.with_context(|| format!("no tool is called {name}"))
}
