//! `kill -9` of the program, and of a server whose state survives it: nothing committed is lost, and
//! what was committed is not uploaded again.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use e2e::{Place, noise};
use lifeboat_testkit::{
    same_tree::assert_same_tree,
    server::{Operation, Request, S3Options, S3Server},
    tree::Scratch,
};

use super::{restored, s3_place};

const MEBIBYTES: u64 = 48;

/// So many MiB a second, so that a run takes equally long on any machine.
const RATE: u64 = 24;

/// How far a run is from one checkpoint to the next. A checkpoint waits for packs on their way; with the memory
/// that these runs have they are few.
const INTERVAL_S: u64 = 3;

/// Packs that were made for the next commit are put beside those of this one: no more than memory holds.
const BESIDE: u64 = 33 << 20;

/// The most that is uploaded again after an interruption, in bytes.
const AGAIN_MAX: u64 = ((INTERVAL_S * RATE) << 20) + BESIDE;

/// The variable that makes a process of the server: its directory, a colon, its port.
const SERVE: &str = "LIFEBOAT_TEST_SERVE";

fn place_with_much(endpoint: &str, mebibytes: u64) -> Place {
    let place = s3_place(endpoint);
    for number in 0..mebibytes / 2 {
        place.file(format!("src/{number:03}"), noise(number, 2 << 20));
    }
    thread::sleep(Duration::from_millis(60));
    place
}

fn start_backup(place: &Place, options: &[&str]) -> Child {
    let mut command = place.lifeboat();
    let interval = format!("{INTERVAL_S}s");
    command.args(["backup", "src", "--checkpoint-interval", &interval, "--json"]).args(options);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// As fast as the link that is meant, with little memory.
fn start_paced_backup(place: &Place, options: &[&str]) -> Child {
    let rate = format!("{RATE}MiB");
    let paced = ["--limit-upload", &rate, "--memory", "96MiB"];
    start_backup(place, &[&paced, options].concat())
}

/// Waits until `is_so`, while the backup runs.
fn wait_until(backup: &mut Child, is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(backup.try_wait().unwrap().is_none(), "it ended before it could be interrupted");
        assert!(started.elapsed() < Duration::from_secs(120), "it does not come that far");
        thread::sleep(Duration::from_millis(2));
    }
}

fn assert_whole(place: &Place) {
    assert_eq!(place.json(["check", "--read-data"])["clean"], true);
    place.ok(["restore", "latest", "--target", "whole"]);
    assert_same_tree(&place.path("src"), &restored(place, "whole"));
}

fn is_put(request: &Request, folder: &str) -> bool {
    request.operation == Operation::Put
        && request.status == Some(200)
        && request.key.contains(folder)
}

fn put_bytes(requests: &[Request]) -> u64 {
    let puts = requests.iter().filter(|request| request.operation == Operation::Put);
    puts.map(|request| request.received_bytes).sum()
}

#[test]
fn a_backup_that_is_killed_uploads_less_than_a_checkpoint_interval_again() {
    const SECONDS: u64 = 4 * INTERVAL_S;
    let server = S3Server::start(S3Options::default());
    let place = place_with_much(&server.endpoint(), SECONDS * RATE);
    server.forget_requests();
    let mut backup = start_paced_backup(&place, &[]);
    let commits = || server.requests().iter().filter(|request| is_put(request, "/log/")).count();
    let packs = || server.requests().iter().filter(|request| is_put(request, "/packs/")).count();
    wait_until(&mut backup, || commits() >= 1);
    let at = packs();
    wait_until(&mut backup, || packs() > at + 2);
    backup.kill().unwrap();
    backup.wait().unwrap();
    let first = server.requests();
    let last_commit = first.iter().rposition(|request| is_put(request, "/log/")).unwrap();
    let (committed, later) = (put_bytes(&first[..last_commit]), put_bytes(&first[last_commit..]));
    assert_eq!(place.json(["check", "--read-data"])["clean"], true);
    server.forget_requests();
    let report = place.json(["backup", "src"]);
    assert_eq!(report["outcome"], "complete", "{report:#}");
    let second = put_bytes(&server.requests());
    let all = (SECONDS * RATE) << 20;
    println!(
        "{committed} bytes before the last commit, {later} after it, {second} by the next run, of \
         {all}"
    );
    // Nothing of what was committed, and of the rest less than an interval.
    assert!(committed > BESIDE, "{committed}");
    assert!(committed + second <= all + BESIDE, "{committed} + {second} of {all}");
    assert!(committed + later + second <= all + AGAIN_MAX, "{later} and {second} of {all}");
    assert_whole(&place);
}

/// A server in a process of its own.
struct Process {
    child: Child,
    endpoint: String,
    directory: PathBuf,
}

impl Process {
    fn start(directory: &Path, port: u16) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "remote::killed::serves_where_it_is_asked_to", "--nocapture"])
            .env(SERVE, format!("{}:{port}", directory.display()))
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut lines = lines.map(|line| line.unwrap());
        let endpoint = lines.find_map(|line| line.find("http://").map(|at| line[at..].to_owned()));
        Self { child, endpoint: endpoint.unwrap(), directory: directory.to_owned() }
    }

    fn port(&self) -> u16 {
        self.endpoint.rsplit(':').next().unwrap().parse().unwrap()
    }

    /// How many packs it has acknowledged, or is about to.
    fn packs(&self) -> usize {
        self.files("%2Fpacks%2F").len()
    }

    fn commits(&self) -> usize {
        self.files("%2Flog%2F").len()
    }

    fn pack_bytes(&self) -> u64 {
        let packs = self.files("%2Fpacks%2F");
        packs.iter().map(|pack| fs::metadata(pack).unwrap().len()).sum()
    }

    fn files(&self, folder: &str) -> Vec<PathBuf> {
        let objects = fs::read_dir(self.directory.join("objects")).unwrap();
        let paths = objects.map(|object| object.unwrap().path());
        paths.filter(|path| path.to_string_lossy().contains(folder)).collect()
    }

    fn kill(mut self) -> u16 {
        let port = self.port();
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        port
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The server's process, which is this test binary; an ordinary run has nothing to do here.
#[test]
fn serves_where_it_is_asked_to() {
    #[expect(clippy::disallowed_methods, reason = "the test that starts it tells in this variable")]
    let Ok(asked) = std::env::var(SERVE) else { return };
    let (directory, port) = asked.rsplit_once(':').unwrap();
    let (directory, port) = (Some(directory.into()), port.parse().unwrap());
    let server = S3Server::start(S3Options { directory, port, ..S3Options::default() });
    println!("{}", server.endpoint());
    loop {
        thread::sleep(Duration::from_secs(3600));
    }
}

#[test]
fn a_server_that_is_killed_and_comes_back_is_only_a_pause() {
    let scratch = Scratch::new().unwrap();
    let mut server = Process::start(scratch.path(), 0);
    let place = place_with_much(&server.endpoint, MEBIBYTES);
    let mut backup = start_backup(&place, &[]);
    for _ in 0..2 {
        let before = server.packs();
        wait_until(&mut backup, || server.packs() > before + 3);
        let port = server.kill();
        server = Process::start(scratch.path(), port);
    }
    let output = backup.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_whole(&place);
}

#[test]
fn a_server_that_stays_away_fails_the_backup_and_the_next_one_goes_on() {
    const SECONDS: u64 = 4 * INTERVAL_S;
    let scratch = Scratch::new().unwrap();
    let server = Process::start(scratch.path(), 0);
    let place = place_with_much(&server.endpoint, SECONDS * RATE);
    let before = server.commits();
    let mut backup = start_paced_backup(&place, &["--retry-for", "2s"]);
    wait_until(&mut backup, || server.commits() > before);
    let at = server.packs();
    wait_until(&mut backup, || server.packs() > at + 2);
    let port = server.kill();
    let output = backup.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("try again later"), "{said}");
    let server = Process::start(scratch.path(), port);
    assert_eq!(place.json(["check", "--read-data"])["clean"], true);
    let first = server.pack_bytes();
    place.ok(["backup", "src"]);
    // No object is ever put in another's place, so all that was put is there.
    let (both, all) = (server.pack_bytes(), (SECONDS * RATE) << 20);
    println!("{first} bytes of packs by the run that failed, {both} by both, of {all}");
    assert!(first > BESIDE && both <= all + AGAIN_MAX, "{first}, {both} of {all}");
    assert_whole(&place);
}
