use std::process::Command;

use super::{bytes_below, parse, timed};

#[test]
fn measures_a_command() {
    let place = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "echo \"$WORD\"; sleep 0.2"]).env("WORD", "row");
    let log = place.path().join("log");
    let sample = timed(&command, &log).unwrap();
    assert!(sample.wall_s >= 0.2 && sample.cpu_s < sample.wall_s, "{sample:?}");
    assert!(sample.peak_mib > 0.5 && sample.peak_mib < 50.0, "{sample:?}");
    assert_eq!(std::fs::read_to_string(log).unwrap(), "row\n");
}

#[test]
fn a_failed_command_is_told_with_what_it_said() {
    let place = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "echo sunk >&2; exit 3"]);
    let error = timed(&command, &place.path().join("log")).unwrap_err().to_string();
    assert!(error.contains("sunk") && error.contains('3'), "{error}");
}

#[test]
fn reads_the_last_line_only() {
    assert!((parse("Command warned\n1.50 1.00 0.25 2048\n").unwrap().cpu_s - 1.25).abs() < 1e-9);
    assert!(parse("Command exited with non-zero status 1\n").is_err());
}

#[test]
fn adds_up_all_files() {
    let place = tempfile::tempdir().unwrap();
    std::fs::create_dir(place.path().join("a")).unwrap();
    std::fs::write(place.path().join("a/b"), "abc").unwrap();
    std::fs::write(place.path().join("c"), "de").unwrap();
    assert_eq!(bytes_below(place.path()).unwrap(), 5);
}
