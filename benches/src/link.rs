//! A far store: how full the link is kept, and how many requests things take.
//!
//! The real binary over the tests' own S3 server and proxy, both in this process. Data that nobody
//! compresses, so that what is measured is the link and not the luck of the data. On a machine with few
//! cores the server and the proxy take a part of them; the table says how much the binary took.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Result, ensure};
use lifeboat_testkit::{
    proxy::{LaneOptions, Proxy, ProxyOptions},
    server::{Fault, Operation, S3Options, S3Server},
};

use crate::{
    corpus::Random,
    measure::{Sample, say, timed, warm},
    results,
    tool::{Place, quietly, remove},
};

const MIB: u64 = 1 << 20;
/// The length of each file.
const FILE_BYTES: u64 = 64 * MIB;
/// Of a thousand requests so many fail: half of them with 503, half with a reset connection.
const FAULTS_PER_MILLE: u32 = 50;

/// Which requests fail differs from run to run.
const FAULT_SEEDS: [u64; 3] = [1, 2, 3];
/// Smaller packs than usual where requests fail, so that many do.
const FAULTY_PACK_SIZE: &str = "4MiB";

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How much data, in MiB.
    pub mib: u64,
    /// What the link carries each way, in bytes a second.
    pub bytes_per_second: u64,
    /// How long there and back takes.
    pub round_trip: Duration,
    /// The delay each request has in the comparison with and without faults.
    pub delay: Duration,
}

/// A repository at the end of a link.
struct Far<'a> {
    place: &'a Place,
    server: S3Server,
    proxy: Proxy,
}

/// One run over the link.
struct Run {
    name: &'static str,
    sample: Sample,
    up: u64,
    down: u64,
    connections: u64,
    requests: BTreeMap<Operation, u64>,
}

/// Backs up and restores over both kinds of links, and writes the tables into `file`.
///
/// # Errors
///
/// A run failed.
pub fn link(options: Options, place: &Place, file: &Path) -> Result<()> {
    remove(place, &place.data)?;
    fill(&place.data, options.mib)?;
    warm(&[&place.data])?;
    let full = full_link(&options, place)?;
    let mut delays = vec![delayed(&options, place, None)?];
    for seed in FAULT_SEEDS {
        delays.push(delayed(&options, place, Some(seed))?);
    }
    let text = render(&options, &full, &delays);
    say(&text)?;
    results::record(file, "link", &text)
}

/// Files of noise.
fn fill(folder: &Path, mib: u64) -> Result<()> {
    fs::create_dir_all(folder)?;
    let random = Random::new(1, "link");
    let mut left = mib * MIB;
    for number in 0.. {
        let bytes = left.min(FILE_BYTES);
        if bytes == 0 {
            break;
        }
        let mut noise = random.branch(number);
        let mut file = io_file(&folder.join(format!("{number:04}")))?;
        for _ in 0..bytes / 8 {
            file.write_all(&noise.draw().to_le_bytes())?;
        }
        file.flush()?;
        left -= bytes;
    }
    Ok(())
}

fn io_file(path: &Path) -> Result<std::io::BufWriter<fs::File>> {
    Ok(std::io::BufWriter::with_capacity(1 << 20, fs::File::create(path)?))
}

/// All verbs over a link of a rate.
fn full_link(options: &Options, place: &Place) -> Result<Vec<Run>> {
    let link = ProxyOptions::link(options.bytes_per_second, options.round_trip);
    let far = Far::new(place, link, &[])?;
    let first = place.data.join("0000");
    let restored = place.work.join("restored-link");
    remove(place, &restored)?;
    let mut path = std::ffi::OsString::from("latest:");
    path.push(&first);
    let words = |words: &[&dyn AsRef<OsStr>]| -> Vec<std::ffi::OsString> {
        words.iter().map(|word| word.as_ref().to_owned()).collect()
    };
    let restore: [&dyn AsRef<OsStr>; 5] =
        [&"restore", &"--quiet", &"latest", &"--target", &restored];
    let mut runs = vec![
        far.run("first backup", &words(&[&"backup", &"--quiet", &place.data]))?,
        far.run("ls of a path", &words(&[&"ls", &path]))?,
        far.run("snapshots", &words(&[&"snapshots"]))?,
        far.run("unchanged backup", &words(&[&"backup", &"--quiet", &place.data]))?,
        far.run("restore", &words(&restore))?,
        far.run("check", &words(&[&"check", &"--quiet"]))?,
        far.run("check --read-data", &words(&[&"check", &"--quiet", &"--read-data"]))?,
    ];
    let mut same = Command::new("diff");
    same.arg("-r").arg(&place.data).arg(below(&restored, &place.data));
    ensure!(same.status()?.success(), "what was restored is something else");
    remove(place, &restored)?;
    runs.push(far.run("restore --no-sync", &words(&[&restore[..], &[&"--no-sync"]].concat()))?);
    remove(place, &restored)?;
    Ok(runs)
}

fn below(target: &Path, source: &Path) -> PathBuf {
    target.join(source.strip_prefix("/").unwrap_or(source))
}

/// A first backup over a link that is only long, with or without faults.
fn delayed(options: &Options, place: &Place, faults: Option<u64>) -> Result<Run> {
    let lane = LaneOptions { delay: options.delay / 2, bytes_per_second: None };
    let link = ProxyOptions { up: lane, down: lane };
    let far = Far::new(place, link, &["--pack-size".into(), FAULTY_PACK_SIZE.into()])?;
    if let Some(seed) = faults {
        let half = FAULTS_PER_MILLE / 2;
        far.server.script(Fault::status(503).forever().now_and_then(half, seed));
        far.server.script(Fault::reset().forever().now_and_then(half, seed + 100));
    }
    let name = if faults.is_some() { "with faults" } else { "delay only" };
    far.run(name, &["backup".into(), "--quiet".into(), place.data.clone().into()])
}

impl<'a> Far<'a> {
    /// An empty repository behind such a link.
    fn new(place: &'a Place, link: ProxyOptions, init: &[std::ffi::OsString]) -> Result<Self> {
        let server = S3Server::start(S3Options::default());
        let proxy = Proxy::start(server.address(), link);
        remove(place, &place.work.join("home-link"))?;
        fs::create_dir_all(place.work.join("home-link"))?;
        let far = Self { place, server, proxy };
        quietly(far.command(&["init".into()]).args(init))?;
        Ok(far)
    }

    fn command(&self, words: &[std::ffi::OsString]) -> Command {
        let home = self.place.work.join("home-link");
        let mut command = Command::new(&self.place.lifeboat);
        command
            .args(words)
            .env("HOME", &home)
            .env("LIFEBOAT_REPO", format!("s3://{}/bench", self.server.bucket()))
            .env("LIFEBOAT_KEY_FILE", home.join("key"))
            .env("AWS_ENDPOINT_URL", self.proxy.endpoint())
            .env("AWS_ALLOW_HTTP", "true")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .current_dir(&self.place.work);
        command
    }

    fn run(&self, name: &'static str, words: &[std::ffi::OsString]) -> Result<Run> {
        let (up, down) = self.proxy.bytes();
        let connections = self.proxy.connections();
        self.server.forget_requests();
        let log = self.place.work.join("link.log");
        let sample = timed(&self.command(words), &log)?;
        let mut requests = BTreeMap::new();
        for request in self.server.requests() {
            *requests.entry(request.operation).or_insert(0) += 1;
        }
        let (up_now, down_now) = self.proxy.bytes();
        Ok(Run {
            name,
            sample,
            up: up_now - up,
            down: down_now - down,
            connections: self.proxy.connections() - connections,
            requests,
        })
    }
}

impl Run {
    fn all_requests(&self) -> u64 {
        self.requests.values().sum()
    }

    fn kinds(&self) -> String {
        let kinds: Vec<String> = self
            .requests
            .iter()
            .map(|(operation, count)| format!("{count} {operation:?}"))
            .collect();
        kinds.join(", ")
    }

    /// What was carried in the direction that most went, in bytes a second.
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    fn rate(&self) -> f64 {
        self.up.max(self.down) as f64 / self.sample.wall_s
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn render(options: &Options, full: &[Run], delays: &[Run]) -> String {
    let link = options.bytes_per_second as f64;
    let mut text = format!(
        "## A far store\n\n{}\n\n{} MiB that do not compress, in files of 64 MiB; S3 by the tests' own \
         server behind a proxy, all on this machine, without TLS. Default settings (`--memory` of \
         256 MiB).\n\nA link of {:.0} MB/s each way, {} ms there and back:\n\n\
         | run | wall s | CPU s | peak MiB | MB up | MB down | of the link | connections | requests |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|---|\n",
        results::circumstances(),
        options.mib,
        link / 1e6,
        options.round_trip.as_millis(),
    );
    for run in full {
        let Sample { wall_s, cpu_s, peak_mib } = run.sample;
        text += &format!(
            "| {} | {wall_s:.2} | {cpu_s:.2} | {peak_mib:.0} | {:.1} | {:.1} | {:.0} % | {} | {}: {} |\n",
            run.name,
            run.up as f64 / 1e6,
            run.down as f64 / 1e6,
            100.0 * run.rate() / link,
            run.connections,
            run.all_requests(),
            run.kinds(),
        );
    }
    text += &format!(
        "\nA first backup in packs of {FAULTY_PACK_SIZE} over a link of any rate, {} ms there and back; with faults, {} of 1000 \
         requests fail, half with 503 and half with a reset, other ones in each run:\n\n\
         | run | wall s | MB/s | connections | requests |\n|---|--:|--:|--:|---|\n",
        options.delay.as_millis(),
        FAULTS_PER_MILLE,
    );
    for run in delays {
        text += &format!(
            "| {} | {:.2} | {:.0} | {} | {}: {} |\n",
            run.name,
            run.sample.wall_s,
            options.mib as f64 * 1.048_576 / run.sample.wall_s,
            run.connections,
            run.all_requests(),
            run.kinds(),
        );
    }
    let mut walls: Vec<f64> = delays.iter().map(|run| run.sample.wall_s).collect();
    let plain = walls.remove(0);
    walls.sort_unstable_by(f64::total_cmp);
    let median = walls[walls.len() / 2];
    text += &format!("\nWith faults it takes {:.2} times as long (the median).\n", median / plain);
    text
}
