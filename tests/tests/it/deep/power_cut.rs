//! A machine loses its power while it backs up to a disk of its own: what was acknowledged stays.
//!
//! The plug is the emulator's process: what the guest's kernel had not written is gone, as after a
//! power cut. A disk that lies about its own cache is not imitated.

use std::{collections::BTreeMap, path::Path, thread, time::Duration};

use e2e::{Machine, noise};
use rstest::rstest;

/// Ample for what an emulated machine does in a second or two.
const PATIENCE: Duration = Duration::from_secs(300);

/// Rounds of backups and a cut.
const ROUNDS: u64 = 3;

/// A shell's way to one line for the tree in `$1`: names, kinds, modes, times and contents.
const DIGEST: &str = "digest() {
    (cd \"$1\" && find . ! -name . -exec stat -c '%n %F %a %Y %u %g' {} + | sort &&
        find . -type f -exec sha256sum {} + | sort) | sha256sum | cut -c 1-64
}
mount -t ext4 /dev/vdb /mnt
export LIFEBOAT_CONFIG=/tools/config.toml LIFEBOAT_REPO=disk LIFEBOAT_KEY_FILE=/mnt/key
";

/// Backs a changing tree up for ever, and says so each time that a backup has succeeded.
fn backups(from: u64) -> String {
    format!(
        "{DIGEST}
        [ -d /mnt/repo ] || {{ lifeboat init --pack-size 1MiB --quiet && sync; }} || exit
        mkdir -p /tmp/src/dir
        n={from}
        echo BEGIN
        while n=$((n + 1)); do
            dd if=/dev/urandom of=/tmp/src/$((n % 7)) bs=100k count=$((n % 5 + 1)) 2>/dev/null
            echo $n >/tmp/src/dir/number
            digest=$(digest /tmp/src)
            lifeboat backup /tmp/src --tag n$n --quiet || exit
            echo \"ACKNOWLEDGED $n $digest\"
        done"
    )
}

/// Restores the snapshot of each number and says what it found.
fn restores(numbers: impl Iterator<Item = u64>) -> String {
    let numbers: Vec<String> = numbers.map(|number| number.to_string()).collect();
    format!(
        "{DIGEST}
        lifeboat check --read-data && echo CLEAN
        for n in {}; do
            lifeboat restore latest --tag n$n --target /tmp/out --quiet &&
                echo \"FOUND $n $(digest /tmp/out/tmp/src)\"
            rm -rf /tmp/out
        done
        mkdir -p /tmp/src
        lifeboat backup /tmp/src --quiet && echo AGAIN",
        numbers.join(" ")
    )
}

/// The numbers and digests of the lines that begin with `word`.
fn said(lines: &[String], word: &str) -> BTreeMap<u64, String> {
    let rests = lines.iter().filter_map(|line| line.strip_prefix(word)?.trim().split_once(' '));
    // The last line may be cut in two, and did not reach us then.
    let whole = rests.filter(|(_, digest)| digest.len() == 64);
    whole.map(|(number, digest)| (number.parse().unwrap(), digest.to_owned())).collect()
}

fn verify(machine: &Machine, disk: &Path, config: &str, acknowledged: &BTreeMap<u64, String>) {
    let script = restores(acknowledged.keys().copied());
    let guest = machine.boot(&script, Some(disk), &[("config.toml", config.as_bytes())]);
    let lines = guest.finish(PATIENCE);
    let found = said(&lines, "FOUND");
    assert_eq!(&found, acknowledged, "what a successful backup had promised");
    for word in ["CLEAN", "AGAIN"] {
        assert!(lines.iter().any(|line| line == word), "{word}");
    }
}

#[rstest]
#[case::each("each")]
#[case::together("together")]
#[ignore = "run by `cargo xtask deep power-cut`"]
fn what_was_acknowledged_is_there_after_the_power_came_back(#[case] sync: &str) {
    let machine = Machine::of_environment();
    let disk = machine.disk("disk.img", 1024);
    let config = format!("[repository.disk]\nurl = \"/mnt/repo\"\nsync = \"{sync}\"\n");
    let tools = [("config.toml", config.as_bytes())];
    let mut acknowledged = BTreeMap::new();
    // Without a fixed seed: over the days every moment is met. What was chosen is printed.
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    for round in 0..ROUNDS {
        let from = 1000 * round;
        let mut guest = machine.boot(&backups(from), Some(&disk), &tools);
        for _ in 0..3 {
            guest.wait_for("ACKNOWLEDGED", PATIENCE);
        }
        let moment = Duration::from_millis(20 * u64::from(noise(seed + round, 1)[0]));
        thread::sleep(moment);
        let lines = guest.cut_power();
        let new = said(&lines, "ACKNOWLEDGED");
        println!("round {round}: {} acknowledged, cut after {moment:?} more", new.len());
        acknowledged.extend(new);
        verify(&machine, &disk, &config, &acknowledged);
    }
    println!("{sync}: {} acknowledged in {ROUNDS} rounds, 0 lost", acknowledged.len());
}
