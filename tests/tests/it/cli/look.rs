//! The commands that look: what they print for people.

use std::process::Stdio;

use e2e::Place;

#[test]
fn snapshots_in_a_table() {
    let place = super::place_with_two_snapshots();
    let said = place.ok(["snapshots"]).stdout();
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with("ID        Time"), "{said}");
    assert!(lines[1].contains("2026-01-02 03:04:05  full "), "{said}");
    assert!(lines[2].contains(" incremental "), "{said}");
    assert_eq!(lines[3], "2 snapshots");
    let only = place.ok(["snapshots", "--tag", "old"]).stdout();
    assert!(only.ends_with("1 snapshot\n"), "{only}");
    let source = place.path("src");
    let of_root = place.ok(["snapshots".as_ref(), "--path".as_ref(), source.as_os_str()]).stdout();
    assert!(of_root.ends_with("2 snapshots\n"), "{of_root}");
}

#[test]
fn ls_lists_all_or_one_level() {
    let place = super::place_with_two_snapshots();
    let root = place.path("src").display().to_string();
    let all = place.ok(["ls", "latest"]).stdout();
    let wanted = ["", "/a.txt", "/dir", "/dir/b.conf", "/new"];
    assert_eq!(all, wanted.map(|name| format!("{root}{name}\n")).concat());
    let level = place.ok(["ls", "--directory", &format!("latest:{root}")]).stdout();
    assert_eq!(level, ["/a.txt", "/dir", "/new"].map(|name| format!("{root}{name}\n")).concat());
    let long = place.ok(["ls", "-l", &format!("latest:{root}/a.txt")]).stdout();
    assert!(long.starts_with("-rw"), "{long}");
    assert!(long.contains(" 15 "), "{long}");
    assert!(long.trim_end().ends_with("/src/a.txt"), "{long}");
    // A path above the root has the root below it.
    let above = place.ok(["ls", &format!("latest:{}", place.path("").display())]).stdout();
    assert_eq!(above, all);
}

#[test]
fn find_prints_what_restore_takes() {
    let place = super::place_with_two_snapshots();
    let found = place.ok(["find", "*.conf"]).stdout();
    let lines: Vec<&str> = found.lines().collect();
    assert_eq!(lines.len(), 2, "{found}");
    let said = place.ok(["cat", lines[0]]);
    assert_eq!(said.bytes().len(), 5000);
    assert_eq!(place.ok(["find", "*.CONF"]).stdout(), "");
    assert_eq!(place.ok(["find", "-i", "*.CONF", "--tag", "old"]).stdout().lines().count(), 1);
    assert_eq!(place.ok(["find", "**/dir/*", "--snapshot", "latest"]).stdout().lines().count(), 1);
}

#[test]
fn find_by_size_time_and_type() {
    let place = super::place_with_two_snapshots();
    let root = place.path("src").display().to_string();
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_500_000_000);
    let times = std::fs::FileTimes::new().set_modified(old);
    std::fs::File::open(place.path("src/new")).unwrap().set_times(times).unwrap();
    place.ok(["backup", "src"]);
    let id = super::ids(&place)[2][..8].to_owned();
    for (options, expected) in [
        (&["--size", "+4K"][..], &["/dir/b.conf"][..]),
        (&["--size=+4", "--size=-16"], &["/a.txt"]),
        (&["--size", "4"], &["/new"]),
        (&["--type", "dir"], &["", "/dir"]),
        (&["-t", "f", "*.txt", "**/dir/*"], &["/a.txt", "/dir/b.conf"]),
        (&["--older", "2017-07-15"], &["/new"]),
        (&["--newest", "10d", "--type", "file"], &["/new"]),
        (&["--newer", "10d", "-t", "file"], &["/a.txt", "/dir/b.conf"]),
        (&["--oldest", "2017-07-14T02:40:00Z", "--newest", "2017-07-14T02:40:00Z"], &["/new"]),
        (&["--size", "+1G"], &[]),
    ] {
        let mut arguments = vec!["find", "--snapshot", "latest"];
        arguments.extend(options);
        let expected = expected.iter().map(|name| format!("{id}:{root}{name}\n"));
        assert_eq!(place.ok(arguments).stdout(), expected.collect::<String>(), "{options:?}");
    }
    let long = place.ok(["find", "new", "-l", "--snapshot", "latest"]).stdout();
    assert!(long.contains(" 4 2017-07-14 02:40:00 "), "{long}");
    place.run(["find"]).expect_code(2).expect_stderr("PATTERN");
    place.run(["find", "--newer", "soon"]).expect_code(2).expect_stderr("--newer \"soon\"");
    place.run(["find", "--size", "big"]).expect_code(2).expect_stderr("+ before it");
}

#[test]
fn diff_names_every_change() {
    let place = super::place_with_two_snapshots();
    let ids = super::ids(&place);
    let root = place.path("src").display().to_string();
    let said = place.ok(["diff", &ids[0], &ids[1]]).stdout();
    let changes = format!("M {root}/a.txt\n- {root}/dir/gone\n+ {root}/new\n");
    assert!(said.starts_with(&changes), "{said}");
    assert!(said.contains("1 added, 1 removed, 1 modified"), "{said}");
    let with_metadata = place.ok(["diff", "--metadata", &ids[0], &ids[1]]).stdout();
    assert!(with_metadata.contains(&format!("U {root}/dir\n")), "{with_metadata}");
}

#[test]
fn cat_gives_the_bytes() {
    let place = super::place_with_two_snapshots();
    let file = format!("latest:{}/a.txt", place.path("src").display());
    assert_eq!(place.ok(["cat", &file]).bytes(), b"second, longer\n");
    let old = format!("{}:{}/a.txt", super::ids(&place)[0], place.path("src").display());
    assert_eq!(place.ok(["cat", &old]).bytes(), b"first\n");
}

#[test]
fn nobody_need_read_to_the_end() {
    let place = Place::new();
    place.file("src/large", vec![b'x'; 3 << 20]);
    for number in 0..3000 {
        place.file(format!("src/a-name-that-fills-the-pipe-{number}"), "");
    }
    place.ok(["backup", "--init", "src"]);
    let file = format!("latest:{}/large", place.path("src").display());
    for arguments in [&["ls", "latest"][..], &["ls", "latest", "--json"], &["cat", &file]] {
        let mut command = place.lifeboat();
        let child = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child.spawn().unwrap();
        drop(child.stdout.take());
        let ended = child.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        assert!(ended.stderr.is_empty(), "{ended:?}");
    }
}

#[test]
fn inspect_stats_and_check_in_words() {
    let place = super::place_with_two_snapshots();
    assert!(place.ok(["inspect", "config"]).stdout().contains("fastcdc-2020-keyed-gear"));
    let stats = place.ok(["stats"]).stdout();
    assert!(stats.contains("2 snapshots with 6 files"), "{stats}");
    assert!(stats.contains("tree packs"), "{stats}");
    let check = place.ok(["check"]).stdout();
    assert!(check.contains("no damage was found; --read-data"), "{check}");
    assert!(place.ok(["check", "--read-data"]).stdout().ends_with("no damage was found\n"));
}

#[test]
fn tags_stay_with_what_they_were_put_on() {
    let place = super::place_with_two_snapshots();
    let before = super::ids(&place);
    let said = place.ok(["tag", &before[0], "latest", "--add", "kept", "--remove", "old"]).stdout();
    assert_eq!(said.lines().count(), 2, "{said}");
    let listed = place.json(["snapshots", "--tag", "kept"]);
    assert_eq!(listed["snapshots"].as_array().unwrap().len(), 2);
    assert_eq!(listed["snapshots"][0]["tags"], serde_json::json!(["kept"]));
    // The old id still names it.
    assert!(place.ok(["ls", &before[0]]).stdout().contains("gone"));
    let same = place.ok(["tag", "latest", "--add", "kept"]).stdout();
    assert!(same.contains("is as it was"), "{same}");
    place.run(["tag", "latest", "--set", "a,b"]).expect_code(2).expect_stderr("comma");
}
