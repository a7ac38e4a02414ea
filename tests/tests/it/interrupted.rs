//! Runs that are stopped: in order they go on later, and killed they leave a whole repository.

use std::{
    fs,
    path::Path,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use e2e::{Place, noise};
use lifeboat_testkit::same_tree::assert_same_tree;
use rstest::rstest;
use rustix::process::{Pid, Signal, kill_process};

/// A repository of small packs, so that some are soon there, and much to back up in `src`.
fn place_with_much(mebibytes: u64) -> Place {
    let place = Place::new().keyed(&["--pack-size", "1MiB"]);
    for number in 0..mebibytes / 2 {
        place.file(format!("src/{number:03}"), noise(number, 2 << 20));
    }
    thread::sleep(Duration::from_millis(60));
    place
}

fn start(place: &Place, arguments: &[&str]) -> Child {
    let mut command = place.lifeboat();
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

fn packs(repository: &Path) -> usize {
    let folders = fs::read_dir(repository.join("packs")).into_iter().flatten();
    folders.map(|folder| fs::read_dir(folder.unwrap().path()).unwrap().count()).sum()
}

/// Waits until `child` has stored `count` packs more than `before`.
fn wait_for_packs(place: &Place, child: &mut Child, before: usize, count: usize) {
    let started = Instant::now();
    while packs(&place.repository()) < before + count {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be interrupted");
        assert!(started.elapsed() < Duration::from_secs(60), "no packs");
        thread::sleep(Duration::from_millis(2));
    }
}

fn summary(child: Child) -> (Option<i32>, serde_json::Value) {
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let code = output.status.code();
    let json = serde_json::from_slice(&output.stdout);
    (code, json.unwrap_or_else(|error| panic!("{error}: {code:?}, {said}")))
}

#[rstest]
#[case::terminated(Signal::TERM)]
#[case::interrupted(Signal::INT)]
fn a_run_that_was_asked_to_stop_goes_on_later(#[case] signal: Signal) {
    const MEBIBYTES: u64 = 160;
    let place = place_with_much(MEBIBYTES);
    let mut child = start(&place, &["backup", "src", "--json"]);
    wait_for_packs(&place, &mut child, 0, 20);
    send(&child, signal);
    let (code, first) = summary(child);
    assert_eq!((code, &first["outcome"]), (Some(75), &"interrupted".into()), "{first:#}");
    let checkpoint = first["snapshot"].as_str().unwrap();
    place.ok(["check"]);

    // It is kept, and shown only to whoever asks for all.
    assert_eq!(place.json(["snapshots"])["snapshots"], serde_json::json!([]));
    let all = place.json(["snapshots", "--all"]);
    assert_eq!(all["snapshots"][0]["checkpoint"], true, "{all:#}");
    let refused = place.run(["restore", "latest", "--target", "none"]).expect_code(1);
    assert!(refused.stderr().contains("snapshot"), "{refused:?}");
    place.ok(["restore", checkpoint, "--target", "partly"]);

    let second = place.json(["backup", "src"]);
    assert_eq!(second["resumed"], checkpoint, "{second:#}");
    let read = |report: &serde_json::Value| report["stats"]["read_bytes"].as_u64().unwrap();
    println!("read {} and then {} of {MEBIBYTES} MiB", read(&first), read(&second));
    // Files of which the checkpoint has not all are read again, and they are of 2 MiB.
    assert!(read(&second) <= (MEBIBYTES << 20) - (16 << 20), "{second:#}");
    assert!(read(&first) + read(&second) <= (MEBIBYTES + 40) << 20, "{first:#}\n{second:#}");
    place.ok(["restore", "latest", "--target", "out"]);
    let source = place.path("src");
    assert_same_tree(&source, &place.path("out").join(source.strip_prefix("/").unwrap()));
    // The checkpoint is superseded.
    let all = place.json(["snapshots", "--all"]);
    assert_eq!(all["snapshots"][0]["standing"], "superseded", "{all:#}");
    place.ok(["check", "--read-data"]);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let place = place_with_much(60);
    // Several times: the two signals may be handled by two threads at once.
    for _ in 0..5 {
        let before = packs(&place.repository());
        let mut child = start(&place, &["backup", "src", "--kind", "full"]);
        wait_for_packs(&place, &mut child, before, 3);
        // While it stands still both arrive.
        send(&child, Signal::STOP);
        send(&child, Signal::INT);
        send(&child, Signal::TERM);
        send(&child, Signal::CONT);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    }
    place.ok(["check"]);
    place.ok(["backup", "src"]);
    place.ok(["check", "--read-data"]);
}

#[test]
fn killed_at_any_moment_it_leaves_a_whole_repository() {
    const ROUNDS: u64 = 15;
    let place = place_with_much(20);
    let mut killed = 0;
    // Without a fixed seed: over the days every moment is met. What was chosen is printed.
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let started = Instant::now();
    place.ok(["backup", "src"]);
    let whole = started.elapsed();
    for round in 0..ROUNDS {
        for number in 0..6 {
            let name = format!("src/round {round} {number}");
            place.file(name, noise(1000 * (round + 1) + number, 2 << 20));
        }
        let options = ["backup", "src", "--checkpoint-interval", "1s"];
        let mut child = start(&place, &options);
        let moment = u32::from(noise(seed + round, 1)[0]);
        thread::sleep(whole * moment / 255);
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        killed += u32::from(output.status.code().is_none());
        let check = place.json(["check"]);
        assert_eq!(check["clean"], true, "round {round}, at {moment}/255 of {whole:?}: {check:#}");
    }
    println!("{killed} of {ROUNDS} killed in time");
    assert!(killed > 0);
    let last = place.json(["backup", "src"]);
    assert_eq!(last["outcome"], "complete", "{last:#}");
    place.ok(["check", "--read-data"]);
    place.ok(["restore", "latest", "--target", "out"]);
    let source = place.path("src");
    assert_same_tree(&source, &place.path("out").join(source.strip_prefix("/").unwrap()));
    let leftovers = fs::read_dir(place.repository().join("tmp")).unwrap().count();
    println!("{leftovers} unfinished objects lie in tmp/");
}

#[test]
fn a_restore_that_is_killed_harms_nothing_and_can_be_done_again() {
    let place = place_with_much(60);
    place.ok(["backup", "src"]);
    let source = place.path("src");
    let restored = place.path("out").join(source.strip_prefix("/").unwrap());
    let mut child = start(&place, &["restore", "latest", "--target", "out"]);
    while !restored.exists() && child.try_wait().unwrap().is_none() {
        thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    place.ok(["check"]);
    place.ok(["restore", "latest", "--target", "again"]);
    assert_same_tree(&source, &place.path("again").join(source.strip_prefix("/").unwrap()));
}
