//! What `latest` is where something of the log is damaged, and who is told.

use std::fs;

use e2e::Place;

/// A place with three snapshots, of whose log the last entry is damaged.
fn place_with_damage_at_the_end() -> (Place, Vec<String>) {
    let place = Place::with_key_file();
    for text in ["first", "second", "third"] {
        place.file("src/file", text);
        place.ok(["backup", "src"]);
    }
    let ids = super::ids(&place);
    let entry = place.repository().join("log/0000000000000002");
    let mut bytes = fs::read(&entry).unwrap();
    bytes[40] ^= 1;
    fs::write(&entry, bytes).unwrap();
    // The damage came with a copy of the store, to a machine that has not seen the log.
    fs::remove_dir_all(place.path("home/.local")).unwrap();
    (place, ids)
}

#[test]
fn latest_is_refused_where_a_newer_snapshot_may_be_lost() {
    let (place, ids) = place_with_damage_at_the_end();
    for command in [
        &["restore", "latest", "--target", "out"][..],
        &["ls", "latest"],
        &["cat", "latest:/x"],
        &["find", "file", "--snapshot", "latest"],
        &["diff", &ids[0], "latest"],
        &["tag", "latest", "--add", "x"],
    ] {
        let refused = place.run(command).expect_code(4).expect_stderr("log/0000000000000002");
        refused.expect_stderr("choose a snapshot by its id to go on");
    }
    assert!(!place.path("out").exists());
    place.ok(["restore", &ids[1], "--target", "out"]);
    let restored = place.path(format!("out{}", place.path("src/file").display()));
    assert_eq!(fs::read(restored).unwrap(), b"second");
    // A backup goes on, with a warning, and its snapshot is the newest without a doubt.
    place.run(["--quiet", "backup", "src"]).expect_code(0).expect_stderr("log/0000000000000002");
    place.ok(["ls", "latest"]);
}

#[test]
fn damage_of_the_log_is_told_to_whoever_asks_for_quiet() {
    let (place, ids) = place_with_damage_at_the_end();
    let said = place.run(["--quiet", "snapshots"]).expect_code(0);
    said.expect_stderr("warning: ").expect_stderr("log/0000000000000002");
    for command in [
        &["snapshots"][..],
        &["restore", &ids[0], "--target", "out"],
        &["ls", &ids[0]],
        &["find", "file"],
        &["diff", &ids[0], &ids[1]],
        &["tag", &ids[0], "--add", "x"],
    ] {
        let document = place.json(command);
        let warnings = document["warnings"].as_array().unwrap();
        let told = warnings[0].as_str().unwrap();
        assert!(told.contains("log/0000000000000002"), "{command:?}: {document:#}");
    }
}

#[test]
fn the_filter_by_path_means_roots() {
    let place = super::place_with_two_snapshots();
    place.ok(["backup", "src/dir", "--tag", "inner"]);
    let with = |path: &str| {
        let listed = place.json(["snapshots", "--path", path]);
        listed["snapshots"].as_array().unwrap().len()
    };
    assert_eq!((with("src"), with("src/dir"), with("src/dir/b.conf"), with(".")), (2, 1, 0, 0));
}
