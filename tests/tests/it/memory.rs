//! Peak memory stays within `--memory`, whatever the data: measured, and enforced by a cgroup where one
//! can be made (otherwise only measured, and the test says so).

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

use e2e::{Place, noise};

const MIB: u64 = 1 << 20;
/// The least that the program accepts.
const LEAST: u64 = 96 * MIB;

/// A cgroup of one's own with a memory limit, removed when the value is dropped.
struct Cgroup(PathBuf);

impl Cgroup {
    fn new(limit_bytes: u64) -> Result<Self, String> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let own = fs::read_to_string("/proc/self/cgroup").map_err(|error| error.to_string())?;
        let group = |line: &str| -> Option<(PathBuf, &str)> {
            let mut fields = line.splitn(3, ':').skip(1);
            let (controllers, path) = (fields.next()?, fields.next()?.trim_start_matches('/'));
            match controllers {
                "" => Some((Path::new("/sys/fs/cgroup").join(path), "memory.max")),
                "memory" => {
                    Some((Path::new("/sys/fs/cgroup/memory").join(path), "memory.limit_in_bytes"))
                }
                _ => None,
            }
        };
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let mut reason = "there is no memory controller".to_owned();
        for (parent, limit) in own.lines().filter_map(group) {
            let dir = parent.join(format!("lifeboat-e2e-{}-{number}", std::process::id()));
            if let Err(error) = fs::create_dir(&dir) {
                reason = format!("{}: {error}", dir.display());
                continue;
            }
            let made = Self(dir);
            match fs::write(made.0.join(limit), limit_bytes.to_string()) {
                Ok(()) => return Ok(made),
                Err(error) => reason = format!("{}: {limit}: {error}", made.0.display()),
            }
        }
        Err(reason)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // What was killed is gone a moment later.
        for _ in 0..50 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Runs `lifeboat` where it may not hold more than `limit_bytes`; its peak resident memory.
fn peak_within(place: &Place, limit_bytes: u64, arguments: &[&OsStr]) -> u64 {
    let plain = place.lifeboat();
    let mut command = Command::new("sh");
    let group = Cgroup::new(limit_bytes);
    let procs = match &group {
        Ok(group) => group.0.join("cgroup.procs"),
        Err(reason) => {
            println!("measured only, there is no cgroup: {reason}");
            "/dev/null".into()
        }
    };
    command.args(["-c", r#"echo $$ > "$0" && exec "$@""#]).arg(procs).arg(plain.get_program());
    command.env_clear().current_dir(plain.get_current_dir().unwrap());
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let command = command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let now = fs::read_to_string(&status).unwrap_or_default();
        let line = now.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        // The highest so far, so that no moment is missed but the last two milliseconds.
        peak = peak.max(kib.unwrap_or(0) << 10);
        thread::sleep(Duration::from_millis(2));
    }
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{:?} under {limit_bytes} bytes: {said}", output.status);
    println!("{:>8} KiB of {:>6} MiB: {arguments:?}", peak >> 10, limit_bytes >> 20);
    peak
}

/// Peaks of backup, check and restore of `name` under a budget.
fn peaks(place: &Place, name: &str, budget: u64) -> [u64; 3] {
    let memory = budget.to_string();
    let target = format!("out {name} {memory}");
    let from = format!("latest:{}", place.path(name).display());
    let with = |arguments: &[&str]| {
        let all = arguments.iter().copied().chain(["--memory", &memory]);
        peak_within(place, budget, &Vec::from_iter(all.map(OsStr::new)))
    };
    let backup = with(&["backup", "--kind", "full", name]);
    let check = with(&["check", "--read-data"]);
    let restore = with(&["restore", &from, "--target", &target, "--no-sync"]);
    fs::remove_dir_all(place.path(target)).unwrap();
    let peaks = [backup, check, restore];
    assert!(peaks.iter().all(|peak| *peak <= budget), "{peaks:?} under {budget}");
    peaks
}

/// So many files of 4 KiB.
fn files(place: &Place, name: &str, count: u64) {
    for number in 0..count {
        if number % 500 == 0 {
            place.folder(format!("{name}/{}", number / 500));
        }
        let path = place.path(format!("{name}/{}/{number}", number / 500));
        fs::write(path, noise(number, 4096)).unwrap();
    }
}

#[test]
fn ten_times_the_files_need_no_more() {
    let place = Place::with_key_file();
    files(&place, "few", 2000);
    let few = peaks(&place, "few", LEAST);
    files(&place, "many", 20_000);
    let many = peaks(&place, "many", LEAST);
    for (few, many) in few.into_iter().zip(many) {
        assert!(many <= few + 48 * MIB, "{few} and {many}");
    }
}

#[test]
fn a_file_ten_times_as_large_needs_no_more() {
    let place = Place::with_key_file();
    let large = |name: &str, mebibytes: u64| {
        place.folder(name);
        let mut file = fs::File::create(place.path(name).join("file")).unwrap();
        for number in 0..mebibytes {
            let bytes = noise(mebibytes * 1000 + number, 1 << 20);
            std::io::Write::write_all(&mut file, &bytes).unwrap();
        }
    };
    large("small", 24);
    let small = peaks(&place, "small", LEAST);
    large("large", 240);
    let larger = peaks(&place, "large", LEAST);
    for (small, larger) in small.into_iter().zip(larger) {
        assert!(larger <= small + 48 * MIB, "{small} and {larger}");
    }
}

/// Buffers of many sizes came and went, and the allocator kept what lay between those still in use: a
/// restore held half as much again as it was allowed.
#[test]
fn data_that_compresses_more_and_less_needs_no_more() {
    let place = Place::with_key_file();
    for number in 0..120 {
        place.file(format!("mixed/noise/{number}"), noise(number, 1 << 20 | 1 << 18));
        let mut rows = String::new();
        for row in 0..40_000 {
            rows += &format!("{number} {row} {:x}\n", number * row * 2_654_435_761 % 1_000_003);
        }
        place.file(format!("mixed/rows/{number}"), rows);
    }
    let [_, check, _] = peaks(&place, "mixed", LEAST);
    // 27 MiB; 50 with the allocator's own ways.
    assert!(check <= 40 * MIB, "{check}");
}

#[test]
fn key_derivation_is_within_the_budget() {
    let place = Place::new();
    place.file("src/file", noise(1, 8 << 20));
    let memory = LEAST.to_string();
    let with = |arguments: &[&str]| {
        let all = arguments.iter().copied().chain(["--memory", &memory]);
        peak_within(&place, LEAST, &Vec::from_iter(all.map(OsStr::new)))
    };
    let backup = with(&["backup", "--init", "src"]);
    let restore = with(&["restore", "latest", "--target", "out"]);
    assert!(backup <= LEAST && restore <= LEAST, "{backup} and {restore}");
}

#[test]
fn the_default_is_kept_and_heeds_the_cgroup() {
    let place = Place::with_key_file();
    files(&place, "src", 4000);
    place.file("src/large", noise(1, 48 << 20));
    // A quarter of the limit is the default then, where it is less than 256 MiB.
    let limit = 512 * MIB;
    let enforced = Cgroup::new(limit).is_ok();
    let most = if enforced { limit / 4 } else { 256 * MIB };
    let run = |arguments: &[&str]| {
        let arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
        let peak = peak_within(&place, limit, &arguments);
        assert!(peak <= most, "{peak} of {most}: {arguments:?}");
    };
    run(&["backup", "src", "--threads", "2"]);
    run(&["check", "--read-data", "--threads", "2"]);
    run(&["restore", "latest", "--target", "out", "--threads", "2"]);
}

#[test]
fn a_budget_too_small_is_refused_at_once() {
    let place = Place::with_key_file();
    place.file("src/file", "x");
    for command in [
        &["backup", "src"][..],
        &["restore", "latest", "--target", "out"],
        &["check"],
        &["snapshots"],
        &["init"],
    ] {
        let refused = place.run(command.iter().copied().chain(["--memory", "1MiB"])).expect_code(2);
        assert!(refused.stderr().contains("96"), "says how much it needs: {refused:?}");
    }
    assert!(!place.path("out").exists());
    let refused =
        place.lifeboat().args(["check"]).env("LIFEBOAT_MEMORY", "95MiB").output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
}
