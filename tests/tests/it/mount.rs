//! `mount`: what the kernel reads through it is what was backed up, in every respect and from any offset;
//! nothing can be written; damage is an error for what needs it; and it ends as it is asked to.

use std::{
    fs::{self, File, OpenOptions},
    io::{BufRead as _, BufReader, Read as _},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use e2e::{Place, noise};
use lifeboat_testkit::{
    same_tree::{Aspect, Difference, assert_same_tree, differences},
    skip::skip,
    tree::Awkward,
};
use rstest::rstest;
use rustix::{
    fs::OFlags,
    process::{Pid, Signal, kill_process},
};

/// A `lifeboat mount` that runs; unmounted when the value is dropped.
struct Mounted {
    child: Child,
    at: PathBuf,
    said: serde_json::Value,
}

impl Mounted {
    /// Mounts the snapshots of `place` with these options, or says why it can't be done here.
    fn new(place: &Place, options: &[&str]) -> Option<Self> {
        if let Err(reason) = can_mount() {
            skip(reason);
            return None;
        }
        let at = place.folder("mnt");
        let mut command = place.lifeboat();
        command.arg("mount").arg(&at).args(options).arg("--json");
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        let said = serde_json::from_str(&said).unwrap_or_default();
        let mut mounted = Self { child, at, said };
        if mounted.said["message_type"] != "mounted" {
            let (code, stderr) = mounted.wait();
            panic!("it does not mount: {code:?}, {stderr}");
        }
        Some(mounted)
    }

    /// The path in the newest snapshot of what is at `path`.
    fn newest(&self, path: &Path) -> PathBuf {
        self.at.join("snapshots/latest").join(path.strip_prefix("/").unwrap())
    }

    /// Waits for the end; its code, and what it complained of.
    fn wait(&mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }

    fn is_mounted(&self) -> bool {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        mounts.contains(&format!("lifeboat {} fuse", self.at.display()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if self.is_mounted() {
            unmount(&self.at);
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Whether this machine lets this user mount by FUSE.
fn can_mount() -> Result<(), String> {
    if !Path::new("/dev/fuse").exists() {
        return Err("there is no /dev/fuse".to_owned());
    }
    let helper = Command::new("fusermount3").arg("--version").output();
    match lifeboat_testkit::tree::is_root() || helper.is_ok() {
        true => Ok(()),
        false => Err("only root may mount here: there is no fusermount3".to_owned()),
    }
}

/// Unmounts as this user may, also what is in use.
fn unmount(at: &Path) {
    match lifeboat_testkit::tree::is_root() {
        true => run(Command::new("umount").arg("--lazy").arg(at)),
        false => run(Command::new("fusermount3").args(["-u", "-z"]).arg(at)),
    }
}

fn run(command: &mut Command) {
    let done = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn everything_is_as_it_was_backed_up() {
    let place = Place::with_key_file();
    let source = place.folder("src");
    for skipped in (Awkward { depth: 300, members: 1500 }).build(&source).unwrap() {
        println!("left out: {skipped}");
    }
    place.ok(["backup", "src", "--tag", "first"]);
    let Some(mounted) = Mounted::new(&place, &[]) else { return };
    let members: Vec<&String> = mounted.said.as_object().unwrap().keys().collect();
    assert_eq!(members, ["directory", "message_type", "snapshots", "warnings"]);
    assert_eq!(mounted.said["snapshots"], 1);
    let seen = mounted.newest(&source);
    assert_same_tree(&source, &seen);
    // The other ways to it.
    let id = place.json(["snapshots"])["snapshots"][0]["id"].as_str().unwrap().to_owned();
    let below = source.strip_prefix("/").unwrap();
    for way in
        [&format!("ids/{}", &id[..8]), &format!("ids/{id}"), "ids/latest", "tags/first/latest"]
    {
        let found = fs::read_dir(mounted.at.join(way).join(below));
        assert!(found.unwrap_or_else(|error| panic!("{way}: {error}")).count() > 10);
    }
    // Out of the mount again, by the programs that people use. None of them copies flags, and rsync would
    // read every hole. Unless it is told to look at nanoseconds, rsync leaves a directory the time of its
    // own making where that falls into the same second.
    const COPIES: [(&str, &str); 2] = [
        ("rsync", "rsync -aXAHS --max-size=1g --modify-window=-1"),
        ("cp", "cp -a --reflink=never"),
    ];
    for (name, copy) in COPIES {
        if name == "rsync" && Command::new("rsync").arg("--version").output().is_err() {
            skip("rsync is not installed");
            continue;
        }
        let out = place.folder(format!("out-{name}"));
        let from = format!("{}/.", seen.display());
        let mut words = copy.split(' ');
        run(Command::new(words.next().unwrap()).args(words).arg(&from).arg(&out));
        let mut differences = differences(&source, &out).unwrap();
        differences.retain(|Difference { path, aspect, .. }| {
            let is_left_out = name == "rsync" && path.ends_with(b"very large");
            !is_left_out && !matches!(aspect, Aspect::Flags | Aspect::Holes)
        });
        assert!(differences.is_empty(), "{name}: {differences:#?}");
    }
}

/// Deterministic dice.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % limit
    }
}

/// As fsx does with a file that it may write: stretches of bytes, of zeros and of nothing, over one another.
fn scrawl(path: &Path, seed: u64, length: u64) {
    let file = File::create(path).unwrap();
    file.set_len(length).unwrap();
    let mut dice = Dice(seed);
    for number in 0..60 {
        let offset = dice.below(length);
        let count = (dice.below(length / 20 + 1) + 1).min(length - offset);
        let count = usize::try_from(count).unwrap();
        let bytes = match dice.below(3) {
            0 => vec![0; count],
            _ => noise(seed * 1000 + number, count),
        };
        file.write_all_at(&bytes, offset).unwrap();
    }
}

/// Random reads of `seen` and what `source` has there.
fn compare(seen: &Path, bytes: &[u8], seed: u64, direct: bool) {
    let flags = if direct { OFlags::DIRECT } else { OFlags::empty() };
    let flags = i32::try_from(flags.bits()).unwrap();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(seen).unwrap();
    let mut dice = Dice(seed);
    let length = bytes.len() as u64;
    for _ in 0..400 {
        let offset = dice.below(length + 10_000);
        let count = match dice.below(4) {
            0 => dice.below(100),
            1 => dice.below(10_000),
            _ => dice.below(700_000),
        };
        let mut read = vec![0xee; usize::try_from(count).unwrap()];
        let mut filled = 0;
        while filled < read.len() {
            match file.read_at(&mut read[filled..], offset + filled as u64).unwrap() {
                0 => break,
                some => filled += some,
            }
        }
        let from = usize::try_from(offset.min(length)).unwrap();
        let until = usize::try_from((offset + count).min(length)).unwrap();
        let expected = &bytes[from..until.max(from)];
        assert!(read[..filled] == *expected, "{count} bytes at {offset}, direct: {direct}");
    }
}

#[test]
fn random_reads_give_the_bytes_of_the_original() {
    let place = Place::new().keyed(&["--chunk-size", "8KiB"]);
    let source = place.folder("src");
    let lengths = [1, 100, 70_000, 5_000_000, 60_000_000];
    for (seed, length) in (1..).zip(lengths) {
        scrawl(&source.join(length.to_string()), seed, length);
    }
    place.ok(["backup", "src"]);
    const MEBIBYTES: u64 = 128;
    let budget = format!("{MEBIBYTES}MiB");
    let Some(mounted) = Mounted::new(&place, &["--memory", &budget]) else { return };
    let seen = mounted.newest(&source);
    thread::scope(|scope| {
        for (seed, length) in (1..).zip(lengths) {
            let (seen, source) = (seen.join(length.to_string()), source.join(length.to_string()));
            scope.spawn(move || {
                let bytes = fs::read(&source).unwrap();
                compare(&seen, &bytes, seed, true);
                compare(&seen, &bytes, seed + 100, false);
                assert!(fs::read(&seen).unwrap() == bytes, "{length} bytes in order");
            });
        }
    });
    let status = fs::read_to_string(format!("/proc/{}/status", mounted.child.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    println!("{} MiB of {MEBIBYTES}", peak >> 10);
    assert!(peak >> 10 <= MEBIBYTES, "{peak} KiB");
}

#[test]
fn nothing_can_be_written() {
    let place = Place::with_key_file();
    let file = place.file("src/file", "content");
    place.ok(["backup", "src"]);
    let Some(mounted) = Mounted::new(&place, &[]) else { return };
    let seen = mounted.newest(&file);
    let refused = |what: &str, done: std::io::Result<()>| {
        let error = done.expect_err(what);
        assert_eq!(error.raw_os_error(), Some(30), "{what}: {error}");
    };
    refused("write", OpenOptions::new().write(true).open(&seen).map(drop));
    refused("append", OpenOptions::new().append(true).open(&seen).map(drop));
    refused("create", File::create(seen.with_file_name("new")).map(drop));
    refused("remove", fs::remove_file(&seen));
    refused("make", fs::create_dir(mounted.at.join("ids/new")));
    refused("rename", fs::rename(&seen, seen.with_file_name("other")));
    refused("link", fs::hard_link(&seen, seen.with_file_name("other")));
    let times = fs::FileTimes::new().set_modified(std::time::SystemTime::UNIX_EPOCH);
    let opened = File::open(&seen).unwrap();
    refused("touch", opened.set_times(times));
    assert_eq!(fs::read(&seen).unwrap(), b"content");
    let options = fs::read_to_string("/proc/self/mounts").unwrap();
    let own = options.lines().find(|line| line.contains(&mounted.at.display().to_string()));
    assert!(own.unwrap().contains(" ro,nosuid,nodev"), "{own:?}");
}

#[rstest]
#[case::terminated(Signal::TERM)]
#[case::interrupted(Signal::INT)]
fn a_signal_unmounts(#[case] signal: Signal) {
    let place = Place::with_key_file();
    let file = place.file("src/file", "content");
    place.ok(["backup", "src"]);
    let Some(mut mounted) = Mounted::new(&place, &[]) else { return };
    assert_eq!(fs::read(mounted.newest(&file)).unwrap(), b"content");
    kill_process(Pid::from_child(&mounted.child), signal).unwrap();
    assert_eq!(mounted.wait(), (Some(0), String::new()));
    assert!(!mounted.is_mounted());
}

#[test]
fn a_signal_unmounts_what_is_in_use() {
    let place = Place::with_key_file();
    let file = place.file("src/file", "content");
    place.ok(["backup", "src"]);
    let Some(mut mounted) = Mounted::new(&place, &[]) else { return };
    let held = File::open(mounted.newest(&file)).unwrap();
    kill_process(Pid::from_child(&mounted.child), Signal::TERM).unwrap();
    let (code, said) = mounted.wait();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("was in use"), "{said}");
    assert!(!mounted.is_mounted());
    assert!(held.read_at(&mut [0; 10], 0).is_err());
}

#[test]
fn umount_from_outside_is_the_end() {
    let place = Place::with_key_file();
    place.file("src/file", "content");
    place.ok(["backup", "src"]);
    let Some(mut mounted) = Mounted::new(&place, &[]) else { return };
    unmount(&mounted.at);
    assert_eq!(mounted.wait(), (Some(0), String::new()));
}

#[test]
fn a_new_snapshot_is_noticed() {
    let place = Place::with_key_file();
    let file = place.file("src/file", "first");
    place.ok(["backup", "src"]);
    let Some(mounted) = Mounted::new(&place, &[]) else { return };
    let held = File::open(mounted.newest(&file)).unwrap();
    place.file("src/file", "second, and of another length");
    place.ok(["backup", "src"]);
    let started = Instant::now();
    while fs::read(mounted.newest(&file)).unwrap() != b"second, and of another length" {
        assert!(started.elapsed() < Duration::from_secs(60), "it is not noticed");
        thread::sleep(Duration::from_millis(200));
    }
    // By id, and the link.
    assert_eq!(fs::read_dir(mounted.at.join("ids")).unwrap().count(), 3);
    let mut bytes = String::new();
    (&held).read_to_string(&mut bytes).unwrap();
    assert_eq!(bytes, "first");
}

#[test]
fn damage_is_an_error_for_the_files_that_need_it() {
    let place = Place::with_key_file();
    let bad = place.file("src/bad", noise(1, 300_000));
    place.ok(["backup", "src"]);
    let packs = || {
        let folders = fs::read_dir(place.repository().join("packs")).unwrap();
        let packs = folders.flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap());
        packs.map(|pack| pack.unwrap().path()).collect::<Vec<_>>()
    };
    let first = packs();
    assert_eq!(first.len(), 1, "{first:?}");
    let good = place.file("src/good", noise(2, 300_000));
    place.file("src/small", "in its entry");
    place.ok(["backup", "src"]);
    let mut bytes = fs::read(&first[0]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&first[0], bytes).unwrap();

    let Some(mut mounted) = Mounted::new(&place, &[]) else { return };
    for _ in 0..3 {
        let error = fs::read(mounted.newest(&bad)).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(5), "{error}");
    }
    assert!(fs::read(mounted.newest(&good)).unwrap() == fs::read(&good).unwrap());
    assert_eq!(fs::read(mounted.newest(&place.path("src/small"))).unwrap(), b"in its entry");
    assert_eq!(fs::read_dir(mounted.newest(&place.path("src"))).unwrap().count(), 3);
    kill_process(Pid::from_child(&mounted.child), Signal::TERM).unwrap();
    let (code, said) = mounted.wait();
    assert_eq!(code, Some(0), "{said}");
    let name = first[0].file_name().unwrap().to_str().unwrap();
    let told = said.lines().filter(|line| line.contains("src/bad")).count();
    assert!(told > 0 && said.contains(&name[..16]), "{said}");
    // Each damaged frame is told once, however often it is asked for.
    let lines: Vec<&str> = said.lines().collect();
    let errors: std::collections::HashSet<&str> =
        lines.iter().filter_map(|line| line.split_once("error=")).map(|(_, error)| error).collect();
    assert_eq!(errors.len(), lines.len(), "{said}");
}

#[test]
fn a_place_that_will_not_do_is_refused() {
    let place = Place::with_key_file();
    place.file("src/file", "x");
    for (directory, reason) in
        [("missing", "is not there"), ("src", "is not empty"), ("src/file", "is not a directory")]
    {
        place.run(["mount", directory]).expect_code(2).expect_stderr(reason);
    }
}

#[test]
fn a_mount_whose_process_was_killed_is_named() {
    let place = Place::with_key_file();
    place.file("src/file", "x");
    place.ok(["backup", "src"]);
    let Some(mut mounted) = Mounted::new(&place, &[]) else { return };
    mounted.child.kill().unwrap();
    mounted.child.wait().unwrap();
    place.run(["mount", "mnt"]).expect_code(2).expect_stderr("umount");
}
