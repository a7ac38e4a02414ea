//! Torture: eight programs back up, two collect, one forgets and one checks, in one repository at the same time, and all of
//! them are killed at random.
//!
//! Knows which content each backup was given. In the end every snapshot that was acknowledged and not forgotten is there, and
//! every one that is there has the content of its backup, bit for bit; and what the store holds is what a fresh repository
//! of the same snapshots needs, and little more.
//!
//! A few seconds in `ci`; `cargo xtask deep torture` takes ten minutes for each of the stores.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Child, Output, Stdio},
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use e2e::{Account as _, Ceph, Place, S3, noise};
use lifeboat_testkit::dice::Dice;
use serde_json::Value;

/// So many back up.
const WRITERS: u64 = 8;
/// So many collect.
const COLLECTORS: u64 = 2;
/// The files of a source.
const FILES: u64 = 12;
/// So many contents there are for all files of all sources: they come, go, and come back elsewhere.
const CONTENTS: u64 = 80;
/// For how many seconds, if it is not these few.
const SECONDS: &str = "LIFEBOAT_TEST_TORTURE_SECONDS";
const FEW_SECONDS: u64 = 8;
/// How much more than a fresh repository there may be, in percent.
const MORE: u64 = 5;
/// Packs this small, so that there are many.
const OPTIONS: [&str; 2] = ["--pack-size", "1MiB"];

/// What the files of a source have: the number of a content, by name.
type Content = BTreeMap<String, u64>;

/// A backup that was tried.
#[derive(Debug)]
struct Taken {
    tag: String,
    content: Content,
    /// What it said that its snapshot is, if it came to that.
    acknowledged: Option<String>,
    /// Whether somebody has tried to forget it.
    is_given_up: bool,
}

/// What became of the programs of one kind.
#[derive(Clone, Copy, Debug, Default)]
struct Runs {
    ended: u32,
    killed: u32,
    /// How long those took together that ended.
    took: Duration,
}

/// A repository and all that is done to it.
struct Arena {
    place: Place,
    end: Instant,
    taken: Mutex<Vec<Taken>>,
    runs: Mutex<BTreeMap<&'static str, Runs>>,
    failures: Mutex<Vec<String>>,
}

impl Arena {
    fn new(place: Place) -> Self {
        let end = Instant::now() + Duration::from_secs(seconds());
        let (taken, runs, failures) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { place, end, taken, runs, failures }
    }

    /// Whether to go on.
    fn is_open(&self) -> bool {
        Instant::now() < self.end && self.failures.lock().unwrap().is_empty()
    }

    /// Runs a command, and kills it in so many of a hundred cases; what it printed, if it ended by itself.
    fn run(
        &self,
        dice: &mut Dice,
        killed: u64,
        kind: &'static str,
        arguments: &[&str],
    ) -> Option<Output> {
        let mut command = self.place.lifeboat();
        command.args(arguments).arg("--json").stdout(Stdio::piped()).stderr(Stdio::piped());
        let begun = Instant::now();
        let mut child = command.spawn().unwrap();
        let Runs { ended, took, .. } = self.of_kind(kind);
        let is_killed = ended > 0 && dice.percent(killed) && {
            // At any moment of what such a run takes, and mostly before its end.
            let micros = u64::try_from((took / ended).as_micros()).unwrap();
            thread::sleep(Duration::from_micros(dice.below(micros + 1)));
            is_killed(&mut child)
        };
        let output = child.wait_with_output().unwrap();
        let mut runs = self.runs.lock().unwrap();
        let runs = runs.entry(kind).or_default();
        if is_killed {
            runs.killed += 1;
            return None;
        }
        runs.ended += 1;
        runs.took += begun.elapsed();
        Some(output)
    }

    fn of_kind(&self, kind: &str) -> Runs {
        self.runs.lock().unwrap().get(kind).copied().unwrap_or_default()
    }

    /// As [`run`](Self::run) of what must end well, or else say that others were faster each time; the document that it
    /// printed.
    fn run_well(
        &self,
        dice: &mut Dice,
        killed: u64,
        kind: &'static str,
        arguments: &[&str],
    ) -> Option<Value> {
        let output = self.run(dice, killed, kind, arguments)?;
        if output.status.success() {
            return Some(serde_json::from_slice(&output.stdout).unwrap());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.code() == Some(1) && said.contains("came between each time") {
            self.runs.lock().unwrap().entry("overtaken").or_default().ended += 1;
            return None;
        }
        let said: Vec<&str> = said.lines().filter(|line| !line.contains(" WARN ")).collect();
        let printed = String::from_utf8_lossy(&output.stdout);
        let failure = format!("{arguments:?}: {}\n{}\n{printed}", output.status, said.join("\n"));
        self.failures.lock().unwrap().push(failure);
        None
    }

    fn back_up(&self, number: u64) {
        let mut dice = Dice::new(1000 + number);
        let folder = format!("source {number}");
        let source = self.place.folder(&folder);
        let mut content = Content::new();
        let mut round = 0;
        while self.is_open() {
            round += 1;
            change(&source, &mut content, &mut dice);
            let tag = format!("b{number}r{round}");
            let taken = Taken {
                tag: tag.clone(),
                content: content.clone(),
                acknowledged: None,
                is_given_up: false,
            };
            self.taken.lock().unwrap().push(taken);
            let arguments = ["backup", &folder, "--tag", &tag];
            let Some(report) = self.run_well(&mut dice, 30, "backup", &arguments) else { continue };
            let id = report["snapshot"].as_str().unwrap().to_owned();
            let mut all = self.taken.lock().unwrap();
            let taken = all.iter_mut().find(|taken| taken.tag == tag).unwrap();
            taken.acknowledged = Some(id);
        }
    }

    fn collect(&self, number: u64) {
        let mut dice = Dice::new(2000 + number);
        while self.is_open() {
            let unused = dice.one_of(&["0", "0", "5%", "unlimited"]);
            let delay = dice.one_of(&["0s", "0s", "1s"]);
            let options = ["gc", "--trash-period", "0", "--max-unused", unused, "--delay", delay];
            self.run_well(&mut dice, 40, "gc", &options);
        }
    }

    fn forget(&self) {
        let mut dice = Dice::new(3000);
        while self.is_open() {
            thread::sleep(Duration::from_millis(100));
            let chosen: Vec<String> = {
                let mut all = self.taken.lock().unwrap();
                let mut old: Vec<&mut Taken> =
                    all.iter_mut().filter(|one| one.is_known()).collect();
                let left = usize::try_from(WRITERS * 2 + dice.below(WRITERS)).unwrap();
                for _ in 0..left.min(old.len()) {
                    let at = dice.below(old.len() as u64);
                    old.swap_remove(usize::try_from(at).unwrap());
                }
                old.iter_mut().for_each(|one| one.is_given_up = true);
                old.iter().filter_map(|one| one.acknowledged.clone()).collect()
            };
            if chosen.is_empty() {
                continue;
            }
            let mut arguments = vec!["forget", "--yes-really"];
            arguments.extend(chosen.iter().map(String::as_str));
            self.run_well(&mut dice, 20, "forget", &arguments);
            if dice.percent(20) {
                // It comes back, unless a collector was quicker.
                self.run(&mut dice, 20, "undo", &["forget", "--undo", &chosen[0]]);
            }
        }
    }

    fn check(&self) {
        let mut dice = Dice::new(4000);
        while self.is_open() {
            let depth: &[&str] = dice.one_of(&[&["check"], &["check", "--read-data"]]);
            self.run_well(&mut dice, 20, "check", depth);
        }
    }

    /// All of them, until the time is over.
    fn fight(&self) {
        thread::scope(|scope| {
            for number in 0..WRITERS {
                scope.spawn(move || self.back_up(number));
            }
            for number in 0..COLLECTORS {
                scope.spawn(move || self.collect(number));
            }
            scope.spawn(|| self.forget());
            scope.spawn(|| self.check());
        });
        for (kind, Runs { ended, killed, .. }) in self.runs.lock().unwrap().iter() {
            println!("{kind}: {ended} ended, {killed} killed");
        }
        let failures = self.failures.lock().unwrap();
        assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    }

    /// What is shown has its content, and what must be shown is; the folders into which it was restored, oldest first, each with its source.
    fn restored(&self) -> Vec<(PathBuf, String)> {
        let check = self.place.json(["check", "--read-data"]);
        assert_eq!(check["clean"], true, "{check:#}");
        let shown = self.place.json(["snapshots"]);
        let shown = shown["snapshots"].as_array().unwrap();
        let taken = self.taken.lock().unwrap();
        let ids: Vec<&str> = shown.iter().map(|one| one["id"].as_str().unwrap()).collect();
        let must = taken.iter().filter(|one| one.is_known());
        for Taken { acknowledged, tag, .. } in must {
            let id = acknowledged.as_deref().unwrap();
            assert!(ids.contains(&id), "{tag}, snapshot {id}, was acknowledged and is not there");
        }
        println!("{} backups were begun, {} snapshots are there", taken.len(), ids.len());
        let mut folders = Vec::new();
        for snapshot in shown {
            let (id, tag) =
                (snapshot["id"].as_str().unwrap(), snapshot["tags"][0].as_str().unwrap());
            let taken = taken.iter().find(|one| one.tag == tag).unwrap();
            self.place.ok(["restore", id, "--target", id]);
            let (writer, _) = tag[1..].split_once('r').unwrap();
            let folder = format!("source {writer}");
            let at = self.place.path(id).join(self.place.path(&folder).strip_prefix("/").unwrap());
            assert_content(&at, &taken.content, tag);
            folders.push((at, folder));
        }
        folders
    }

    /// Collects what is left to collect, and says what there is then in the `stored` bytes of the store.
    fn collected(&self, stored: &dyn Fn() -> u64) -> u64 {
        for _ in 0..2 {
            self.place.ok(["gc", "--now", "--trash-period", "0", "--max-unused", "0"]);
        }
        stored()
    }
}

impl Taken {
    /// Whether its snapshot must be there.
    fn is_known(&self) -> bool {
        self.acknowledged.is_some() && !self.is_given_up
    }
}

#[expect(clippy::disallowed_methods, reason = "cargo xtask deep tells in this variable")]
fn seconds() -> u64 {
    std::env::var(SECONDS).map_or(FEW_SECONDS, |seconds| seconds.parse().unwrap())
}

/// Whether it was, before it ended by itself.
fn is_killed(child: &mut Child) -> bool {
    let has_ended = child.try_wait().unwrap().is_some();
    if !has_ended {
        child.kill().unwrap();
    }
    // It may have ended between the two.
    !has_ended && child.wait().unwrap().code().is_none()
}

fn bytes_of(content: u64) -> Vec<u8> {
    let mut dice = Dice::new(content);
    noise(content, usize::try_from(5_000 + dice.below(600_000)).unwrap())
}

/// Some files get other contents, some go.
fn change(source: &Path, content: &mut Content, dice: &mut Dice) {
    for _ in 0..=dice.below(4) {
        let name = format!("folder {}/file {}", dice.below(3), dice.below(FILES / 3));
        let path = source.join(&name);
        if dice.percent(15) && content.remove(&name).is_some() {
            fs::remove_file(path).unwrap();
            continue;
        }
        let number = dice.below(CONTENTS);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes_of(number)).unwrap();
        content.insert(name, number);
    }
}

fn assert_content(at: &Path, content: &Content, tag: &str) {
    let mut found = 0;
    for folder in fs::read_dir(at).unwrap().map(Result::unwrap) {
        found += fs::read_dir(folder.path()).unwrap().count();
    }
    assert_eq!(found, content.len(), "the files of {tag}");
    for (name, number) in content {
        let is_same = fs::read(at.join(name)).is_ok_and(|bytes| bytes == bytes_of(*number));
        assert!(is_same, "{name} of {tag}, which has content {number}");
    }
}

/// What a fresh repository of these folders takes, in bytes.
fn fresh(place: &Place, folders: &[(PathBuf, String)], stored: &dyn Fn() -> u64) -> u64 {
    let source = place.folder("sources");
    for (folder, name) in folders {
        // Under the name it was backed up by, so that each has its parent.
        let path = source.join(name);
        fs::rename(folder, &path).unwrap();
        place.ok(["backup", path.to_str().unwrap()]);
        fs::remove_dir_all(path).unwrap();
    }
    stored()
}

/// The bytes of all files below these folders.
fn bytes_below(folders: &[PathBuf]) -> u64 {
    let sizes = folders.iter().flat_map(|folder| fs::read_dir(folder).into_iter().flatten());
    let size = |entry: fs::DirEntry| match entry.file_type().unwrap().is_dir() {
        true => bytes_below(&[entry.path()]),
        false => entry.metadata().unwrap().len(),
    };
    sizes.map(Result::unwrap).map(size).sum()
}

/// What the log counts: everything but the log itself.
const KINDS: [&str; 3] = ["packs", "trees", "index"];

fn torture(
    arena: &Arena,
    stored: &dyn Fn() -> u64,
    new: impl FnOnce() -> (Place, Box<dyn Fn() -> u64>),
) {
    arena.fight();
    let left = arena.collected(stored);
    let folders = arena.restored();
    let (fresh_place, stored_fresh) = new();
    let fresh = fresh(&fresh_place, &folders, &stored_fresh);
    println!("{left} bytes are left, and {fresh} in a fresh repository");
    assert!(left * 100 <= fresh * (100 + MORE), "{left} bytes, and {fresh} in a fresh repository");
}

#[test]
fn on_this_disk() {
    let new = || {
        let place = Place::new().keyed(&OPTIONS);
        let folders: Vec<PathBuf> = KINDS.map(|kind| place.repository().join(kind)).into();
        (place, Box::new(move || bytes_below(&folders)) as Box<dyn Fn() -> u64>)
    };
    let (place, stored) = new();
    torture(&Arena::new(place), &stored, new);
}

#[test]
fn on_a_server() {
    let Some(ceph) = Ceph::running() else { return };
    let new = || {
        let (server, bucket) = (ceph.owner.clone(), ceph.owner.bucket());
        let url = [("LIFEBOAT_REPO", format!("s3://{bucket}/repo"))];
        let place = Place::new().with(server.variables()).with(url).keyed(&OPTIONS);
        (place, Box::new(move || bytes_in(&server, &bucket)) as Box<dyn Fn() -> u64>)
    };
    let (place, stored) = new();
    torture(&Arena::new(place), &stored, new);
}

/// The bytes of all objects but those of the log.
fn bytes_in(server: &S3, bucket: &str) -> u64 {
    let of_kind = |kind: &&str| {
        let listed =
            server.ask("GET", &format!("/{bucket}?list-type=2&prefix=repo/{kind}/"), &[], "");
        assert!(!listed.contains("<IsTruncated>true"), "more than one page of {kind}");
        let sizes = listed.split("<Size>").skip(1);
        let size = |rest: &str| rest.split_once('<').unwrap().0.parse::<u64>().unwrap();
        sizes.map(size).sum::<u64>()
    };
    KINDS.iter().map(of_kind).sum()
}
