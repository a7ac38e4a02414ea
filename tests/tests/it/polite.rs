//! Politeness: niceness and I/O class reach every thread and command, and a run that yields to load comes
//! to the right end.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use e2e::{Outcome, PASSPHRASE, Place, noise};

/// The niceness in a `stat` file of /proc.
fn niceness(stat: &Path) -> Option<i32> {
    let stat = fs::read_to_string(stat).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').nth(16)?.parse().ok()
}

/// What ionice says of a thread.
fn io_class(thread: &str) -> Option<String> {
    let said = Command::new("ionice").args(["-p", thread]).output().ok()?;
    said.status.success().then(|| String::from_utf8_lossy(&said.stdout).trim().to_owned())
}

/// Niceness and class of each thread of a process.
fn threads(process: u32) -> Vec<(String, Option<i32>, Option<String>)> {
    let tasks = fs::read_dir(format!("/proc/{process}/task"));
    let tasks = tasks.into_iter().flatten().flatten().map(|task| task.path());
    let of = |task: &Path| {
        let name = fs::read_to_string(task.join("comm")).ok()?.trim().to_owned();
        let number = task.file_name()?.to_str()?;
        // One that has just ended has neither.
        Some((name, Some(niceness(&task.join("stat"))?), Some(io_class(number)?)))
    };
    tasks.filter_map(|task| of(&task)).collect()
}

fn has_ionice() -> bool {
    let found = io_class(&std::process::id().to_string()).is_some();
    if !found {
        lifeboat_testkit::skip::skip("there is no ionice");
    }
    found
}

#[test]
fn every_thread_is_nice() {
    if !has_ionice() {
        return;
    }
    let place = Place::with_key_file();
    place.file("src/file", noise(1, 24 << 20));
    let mut backup = place.lifeboat();
    // So slow that there is time to look at it.
    backup.args(["backup", "src", "--limit-upload", "64K", "--threads", "3"]);
    backup.args(["--nice", "7", "--io-class", "best-effort:6"]);
    let mut child = backup.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    let mut seen = Vec::new();
    // The first thread, three workers, and some for the store.
    while seen.len() < 6 && begun.elapsed() < Duration::from_secs(60) {
        thread::sleep(Duration::from_millis(20));
        seen = threads(child.id());
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(seen.len() >= 6, "{seen:?}");
    for (name, nice, class) in &seen {
        let polite = (Some(7), Some("best-effort: prio 6"));
        assert_eq!((*nice, class.as_deref()), polite, "{name}: {seen:?}");
    }
}

#[test]
fn commands_take_it_over_from_wherever_it_was_said() {
    if !has_ionice() {
        return;
    }
    let place = Place::new();
    place.ok(["init"]);
    let command = format!("cat /proc/$$/stat > stat; ionice -p $$ > class; echo '{PASSPHRASE}'");
    let config = place.file(
        "config.toml",
        format!(
            "[repository.prod]\nurl = '{}'\nnice = 3\nio-class = 'idle'\n",
            place.repository().display()
        ),
    );
    let look = |options: &[&str], variables: &[(&str, &str)]| {
        let mut list = place.lifeboat();
        list.env_remove("LIFEBOAT_PASSWORD").args(["snapshots", "--password-command", &command]);
        Outcome::of(list.args(options).envs(variables.iter().copied())).expect_code(0);
        let class = fs::read_to_string(place.path("class")).unwrap();
        (niceness(&place.path("stat")).unwrap(), class.trim().to_owned())
    };
    let config = config.to_str().unwrap();
    let file = ["--config", config, "--repo", "prod"];
    assert_eq!(look(&file, &[]), (3, "idle".to_owned()));
    let variables = [("LIFEBOAT_NICE", "4"), ("LIFEBOAT_IO_CLASS", "best-effort")];
    assert_eq!(look(&file, &variables), (4, "best-effort: prio 4".to_owned()));
    let options = [&file[..], &["--nice", "5", "--io-class", "idle"]].concat();
    assert_eq!(look(&options, &variables), (5, "idle".to_owned()));
}

#[test]
fn what_makes_no_sense_names_its_option() {
    let place = Place::new();
    for (option, value) in [("nice", "20"), ("io-class", "last"), ("yield-to-load", "100")] {
        let said = place.run(["snapshots".to_owned(), format!("--{option}={value}")]);
        said.expect_code(2).expect_stderr(&format!("{option} (--{option}): "));
    }
}

#[test]
fn what_the_kernel_refuses_names_its_option() {
    let place = Place::new();
    let binary = place.path("lifeboat");
    fs::copy(e2e::binary(), &binary).unwrap();
    fs::set_permissions(place.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    let refused = |options: &str| {
        let nobody = match rustix::process::geteuid().is_root() {
            true => "setpriv --reuid=65534 --regid=65534 --clear-groups",
            false => "",
        };
        let script = format!("exec {nobody} {} snapshots {options}", binary.display());
        Outcome::of(&mut place.shell(&script)).expect_code(2)
    };
    refused("--nice=-1").expect_stderr("nice (--nice): the kernel refuses -1");
    refused("--io-class realtime")
        .expect_stderr("io-class (--io-class): the kernel refuses realtime:4");
}

#[test]
fn yielding_changes_nothing_but_the_time() {
    if !Path::new("/proc/pressure/cpu").exists() {
        lifeboat_testkit::skip::skip("the kernel has no pressure stall information");
        let place = Place::with_key_file();
        for command in [&["backup", "."][..], &["check"], &["restore", "latest", "--target", "out"]]
        {
            let said = place.run([command, &["--yield-to-load"]].concat());
            said.expect_code(2).expect_stderr("psi=1");
        }
        return;
    }
    let place = Place::with_key_file();
    place.file("src/large", noise(1, 40 << 20));
    for number in 0..50 {
        place.file(format!("src/dir/{number}"), noise(number, 5000));
    }
    // A bare option must not take what comes behind for its value.
    place.ok(["backup", "--yield-to-load", "src"]);
    let from = format!("latest:{}", place.path("src").display());
    place.ok(["restore", "--yield-to-load=1", &from, "--target", "out"]);
    place.ok(["check", "--read-data", "--yield-to-load=99"]);
    let compared = Outcome::of(place.shell("diff -r src out").env("LC_ALL", "C"));
    compared.expect_code(0);
}

/// Programs that only want the CPU; they end with this.
struct Hogs(Vec<std::process::Child>);

impl Hogs {
    fn new(place: &Place, count: usize) -> Self {
        Self((0..count).map(|_| place.shell("while :; do :; done").spawn().unwrap()).collect())
    }
}

impl Drop for Hogs {
    fn drop(&mut self) {
        for hog in &mut self.0 {
            let _killed = hog.kill();
            let _ended = hog.wait();
        }
    }
}

#[test]
fn who_yields_notices_that_others_wait() {
    if !Path::new("/proc/pressure/cpu").exists() {
        lifeboat_testkit::skip::skip("the kernel has no pressure stall information");
        return;
    }
    let place = Place::with_key_file();
    // More than memory holds, over a slow link: workers begin units, and so look at the load, for seconds,
    // however quick the machine.
    place.file("src/large", noise(1, 64 << 20));
    let cores = thread::available_parallelism().unwrap().get();
    let backup = |more: &[&str]| {
        let fixed = ["backup", "-vv", "--memory", "96MiB", "--limit-upload", "12MB", "src"];
        place.ok(fixed.iter().chain(more).copied()).stderr()
    };
    let _hogs = Hogs::new(&place, 3 * cores);
    assert!(!backup(&[]).contains("others wait"));
    fs::write(place.path("src/large"), noise(2, 64 << 20)).unwrap();
    let said = backup(&["--yield-to-load=1"]);
    assert!(said.contains("others wait"), "{said}");
}
