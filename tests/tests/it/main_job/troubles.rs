//! What goes wrong with single files is told, and everything else is there.

use lifeboat_testkit::skip::skip;
use std::{
    fs,
    io::Write as _,
    os::unix::{fs::PermissionsExt as _, net::UnixListener},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use e2e::{Outcome, Place, noise};
use lifeboat_testkit::tree::is_root;

use super::problem_paths;

/// Lets `lifeboat` run as somebody who may not read everything; root gives that right away.
fn humble(place: &Place) -> Command {
    if !is_root() {
        return place.lifeboat();
    }
    let own = place.lifeboat();
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set", "-dac_override,-dac_read_search"]).arg(own.get_program());
    command.env_clear().current_dir(own.get_current_dir().unwrap()).stdin(Stdio::null());
    command.envs(own.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
}

#[test]
fn what_may_not_be_read_is_told_and_the_rest_is_saved() {
    let place = Place::with_key_file();
    place.file("src/readable", "readable");
    let closed = place.file("src/closed", "closed");
    let inner = place.file("src/dir/inner", "inner");
    let dir = place.path("src/dir");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o000)).unwrap();
    let outcome = Outcome::of(humble(&place).args(["backup", "src", "--json"]));
    if outcome.stderr().contains("setpriv") {
        return skip(outcome.stderr());
    }
    let report = outcome.expect_code(3).json();
    assert_eq!(report["outcome"], "partial");
    let problems = problem_paths(&report);
    assert_eq!(problems.len(), 2, "{report:#}");
    assert!(problems.contains(&closed.display().to_string()), "{report:#}");
    assert!(problems.contains(&dir.display().to_string()), "{report:#}");
    assert!(report.to_string().contains("ermission denied"), "{report:#}");
    let shown = place.json(["snapshots"]);
    assert_eq!(shown["snapshots"][0]["problem_count"], 2);
    let readable = format!("latest:{}", place.path("src/readable").display());
    assert_eq!(place.ok(["cat", &readable]).stdout(), "readable");
    // As text, too, and the next run goes on as if nothing had been.
    let said = Outcome::of(humble(&place).args(["backup", "src"])).expect_code(3).stderr();
    assert!(said.contains("src/closed") && said.contains("src/dir"), "{said}");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
    place.ok(["backup", "src"]);
    let path = format!("latest:{}", inner.display());
    assert_eq!(place.ok(["cat", &path]).stdout(), "inner");
}

#[test]
fn a_file_that_changes_while_it_is_read_is_told() {
    let place = Place::with_key_file();
    let path = place.file("src/growing", noise(3, 40 << 20));
    place.file("src/quiet", "quiet");
    // Old enough to be trusted.
    thread::sleep(Duration::from_millis(60));
    let done = AtomicBool::new(false);
    let report = thread::scope(|scope| {
        scope.spawn(|| {
            let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
            while !done.load(Ordering::Relaxed) {
                file.write_all(b"another line\n").unwrap();
                thread::sleep(Duration::from_millis(1));
            }
        });
        let outcome = place.run(["backup", "src", "--json"]);
        done.store(true, Ordering::Relaxed);
        outcome
    });
    let report = report.expect_code(3).json();
    let problems = problem_paths(&report);
    assert_eq!(problems, [path.display().to_string()], "{report:#}");
    assert!(report.to_string().contains("changed"), "{report:#}");
    // What was read is kept, and read again by the next run, though it did not change since.
    let cat = format!("latest:{}", path.display());
    assert!(place.ok(["cat", &cat]).bytes().starts_with(&noise(3, 40 << 20)));
    thread::sleep(Duration::from_millis(50));
    let again = place.json(["backup", "src"]);
    let size = fs::metadata(&path).unwrap().len();
    assert_eq!(again["stats"]["read_bytes"], size, "{again:#}");
    assert_eq!(place.ok(["cat", &cat]).bytes(), fs::read(&path).unwrap());
    place.ok(["check", "--read-data"]);
}

#[test]
fn files_that_vanish_are_told() {
    const FILES: usize = 12_000;
    let place = Place::with_key_file();
    let source = place.folder("src");
    let name = |number: usize| source.join(format!("{number:05}"));
    for number in 0..FILES {
        fs::write(name(number), [7; 100]).unwrap();
    }
    let mut running = place.lifeboat();
    let running = running.args(["backup", "src", "--json"]);
    let mut running = running.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // From the end, while the backup comes from the beginning: it has seen the names already.
    let mut removed = 0;
    while running.try_wait().unwrap().is_none() && removed < FILES {
        removed += 1;
        fs::remove_file(name(FILES - removed)).unwrap();
        thread::sleep(Duration::from_micros(50));
    }
    let output = running.wait_with_output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{report:#}");
    let saved = report["stats"]["files"].as_u64().unwrap();
    let vanished = report["problems"]["count"].as_u64().unwrap();
    println!("{removed} removed; {saved} saved, {vanished} told");
    assert!(saved > 0 && vanished > 0 && saved + vanished <= FILES as u64, "{report:#}");
    place.ok(["check"]);
}

#[test]
fn pipes_and_sockets_are_never_opened() {
    struct Reaped(Child);
    impl Drop for Reaped {
        fn drop(&mut self) {
            self.0.kill().and_then(|()| self.0.wait()).unwrap();
        }
    }

    let place = Place::with_key_file();
    place.folder("src");
    let socket = UnixListener::bind(place.path("src/socket")).unwrap();
    socket.set_nonblocking(true).unwrap();
    let _writer = Reaped(
        // Waits in open(2) until somebody opens the pipe for reading.
        Command::new("sh")
            .args(["-c", "mkfifo src/pipe && echo x > src/pipe && touch opened"])
            .current_dir(place.path(""))
            .spawn()
            .unwrap(),
    );
    while !place.path("src/pipe").exists() {
        thread::sleep(Duration::from_millis(1));
    }
    let report = place.json(["backup", "src"]);
    assert_eq!(report["stats"]["others"], 2, "{report:#}");
    thread::sleep(Duration::from_millis(20));
    assert!(!place.path("opened").exists(), "somebody opened the pipe");
    assert!(socket.accept().is_err(), "somebody called");
}
