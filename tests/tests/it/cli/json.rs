//! The JSON of every command: the members that docs/cli.md promises, all of them and no others.

use e2e::Place;
use serde_json::Value;

/// The members of an object, in the order of their names.
fn members(value: &Value) -> Vec<&str> {
    let object = value.as_object().unwrap_or_else(|| panic!("not an object: {value}"));
    object.keys().map(String::as_str).collect()
}

#[track_caller]
fn expect(value: &Value, message_type: &str, names: &str) {
    assert_eq!(value["message_type"], message_type, "{value}");
    expect_members(value, &format!("message_type {names}"));
}

#[track_caller]
fn expect_members(value: &Value, names: &str) {
    let mut wanted: Vec<&str> = names.split_whitespace().collect();
    wanted.sort_unstable();
    let mut found = members(value);
    found.sort_unstable();
    assert_eq!(found, wanted, "{value}");
}

#[test]
fn writing() {
    let place = Place::new();
    place.file("src/a", "a");
    expect(&place.json(["init"]), "initialized", "repository location");
    let summary = place.json(["backup", "src"]);
    expect(
        &summary,
        "backup_summary",
        "dry_run outcome snapshot run kind parent resumed stats problems seconds warnings requests",
    );
    expect_members(
        &summary["stats"],
        "files dirs others bytes files_new files_changed files_unchanged read_bytes new_bytes \
         new_chunks data_frame_bytes new_metadata_bytes stored_bytes stored_objects",
    );
    expect_members(&summary["problems"], "count first");
    assert_eq!((&summary["outcome"], &summary["kind"]), (&"complete".into(), &"full".into()));
    expect(
        &place.json(["restore", "latest", "--target", "out"]),
        "restore_summary",
        "snapshot target files dirs links other bytes unchanged unchanged_bytes kept deleted verified \
         verified_bytes healed losses resumed dry_run fetch notices problems seconds warnings requests",
    );
    let tags = place.json(["tag", "latest", "--add", "x"]);
    expect(&tags, "tags", "snapshots warnings");
    expect_members(&tags["snapshots"][0], "old new tags");
    let held = place.json(["hold", "latest", "--until", "1d"]);
    expect(&held, "hold", "snapshots until unchanged warnings");
    let forgotten = place.json(["forget", "--keep-last", "1"]);
    expect(&forgotten, "forget", "dry_run groups forgotten refused warnings");
    expect_members(&forgotten["groups"][0], "by kept going");
    expect_members(&forgotten["groups"][0]["kept"][0], "id time reasons");
    place.ok(["hold", "latest", "--release"]);
    let gone = place.json(["forget", "latest", "--yes-really"]);
    let id = gone["forgotten"][0].as_str().unwrap();
    expect(&place.json(["forget", "--undo", id]), "undo", "restored warnings");
    let played = place.json(["retention", "simulate", "--schedule", "@daily", "--keep-last", "1"]);
    expect(&played, "simulation", "until groups warnings");
    expect_members(&played["groups"][0], "title runs kept snapshots_max added_bytes stored_bytes");
    let explained = place.json(["backup", "src", "--explain", "src/a"]);
    expect(&explained, "explanation", "path exists included at rule rule_file rule_line text");
}

#[test]
fn problems_are_in_the_report_and_lines_on_stderr() {
    let place = Place::new();
    place.file("src/a", "a");
    let said = place.run(["backup", "--init", "src", "nothing", "--json"]).expect_code(3);
    let summary = said.json();
    assert_eq!(summary["outcome"], "partial");
    assert_eq!(summary["problems"]["count"], 1);
    expect_members(&summary["problems"]["first"][0], "path operation error");
    let stderr = said.stderr();
    let line = stderr.lines().find(|line| line.starts_with('{')).unwrap();
    expect(&serde_json::from_str(line).unwrap(), "problem", "path operation error");
}

#[test]
fn lists() {
    let place = super::place_with_two_snapshots();
    let listed = place.json(["snapshots"]);
    expect(&listed, "snapshots", "snapshots unreadable warnings");
    let snapshot = &listed["snapshots"][1];
    expect_members(
        snapshot,
        "id time started ended kind checkpoint standing held_until source host roots tags outcome \
         problem_count parent original run entry author tool stats",
    );
    expect_members(&snapshot["roots"][0], "path missing entries bytes");
    expect_members(
        &snapshot["stats"],
        "files dirs other files_new files_changed files_unchanged bytes read_bytes new_bytes \
         stored_bytes meta_bytes new_chunks requests",
    );

    const ENTRY: &str = "path type mode uid gid user group size mtime links target device";
    let entries = place.json(["ls", "latest"]);
    expect(&entries, "ls", "snapshot warnings entries problem_count problems");
    assert_eq!(entries["entries"].as_array().unwrap().len(), 5);
    expect_members(&entries["entries"][0], ENTRY);
    let found = place.json(["find", "a.txt"]);
    expect(&found, "find", "warnings matches problem_count problems");
    expect_members(&found["matches"][0], &format!("snapshot {ENTRY}"));
    let ids = super::ids(&place);
    let diff = place.json(["diff", &ids[0], &ids[1]]);
    expect(&diff, "diff", "old new warnings changes summary problem_count problems");
    expect_members(&diff["changes"][0], "change path old_size new_size");
    expect_members(
        &diff["summary"],
        "added removed modified type_changed metadata_changed bytes_added bytes_removed",
    );
}

#[test]
fn a_store() {
    let place = super::place_with_two_snapshots();
    let report = place.json(["doctor", "--size", "1MiB"]);
    expect(
        &report,
        "doctor",
        "location fit grade repository findings capabilities latency speed clock_ahead_ms left",
    );
    assert_eq!((&report["fit"], &report["grade"]), (&true.into(), &"good".into()), "{report}");
    expect_members(&report["repository"], "id exclusive");
    expect_members(&report["findings"][0], "subject grade found meaning advice");
    expect_members(
        &report["capabilities"],
        "conditional_create read_after_write list_after_write ranges deletes deleted_name_is_free \
         versions locks",
    );
    expect_members(&report["latency"], "put_ms get_ms");
    expect_members(&report["speed"], "object_bytes at_once put_one put_many get_one get_many");
    let subjects: Vec<_> = report["findings"].as_array().unwrap().iter().collect();
    let subjects: Vec<_> = subjects.iter().map(|f| f["subject"].as_str().unwrap()).collect();
    for subject in ["create", "read", "list", "ranges", "delete", "clock", "speed", "writers"] {
        assert!(subjects.contains(&subject), "{subject}: {subjects:?}");
    }
    let quick = place.json(["doctor", "--quick"]);
    assert_eq!((&quick["speed"], &quick["fit"]), (&Value::Null, &true.into()));
}

#[test]
fn objects_and_bytes() {
    let place = super::place_with_two_snapshots();
    let file = place.json(["cat", &format!("latest:{}/a.txt", place.path("src").display())]);
    expect(&file, "file", "snapshot path encoding content size");
    assert_eq!(file["content"], "c2Vjb25kLCBsb25nZXIK");
    assert_eq!(file["size"], 15);
    // An empty file, too, is one whole document; one that is not there is none.
    place.file("src/empty", "");
    place.ok(["backup", "src"]);
    let empty = place.json(["cat", &format!("latest:{}/empty", place.path("src").display())]);
    assert_eq!((&empty["content"], &empty["size"]), (&"".into(), &0.into()));
    let said = place.run(["cat", "latest:/nothing", "--json"]).expect_code(1);
    assert_eq!(said.stdout(), "");
    for key in ["config", "log/0000000000000000"] {
        expect(&place.json(["inspect", key]), "object", "key size content");
    }
}

#[test]
fn sums() {
    let place = super::place_with_two_snapshots();
    let stats = place.json(["stats"]);
    expect(&stats, "stats", "snapshots repository");
    expect_members(&stats["snapshots"][0], "id time source stats");
    expect_members(
        &stats["repository"],
        "snapshots files raw_bytes unique_bytes chunks stored_bytes dedup_ratio \
         compression_ratio total_ratio current_files objects unreferenced requests restore",
    );
    let objects = &stats["repository"]["objects"];
    expect_members(objects, "packs tree_packs index log checkpoints keys config");
    expect_members(&objects["log"], "count bytes bytes_per_file");
    assert_eq!(objects["log"]["count"], 2);
    expect_members(&stats["repository"]["requests"], "count stored_bytes per_gb");
    expect_members(&stats["repository"]["restore"], "snapshot requests bytes");
    let check = place.json(["check", "--read-data"]);
    expect(&check, "check_summary", "clean read_data problem_count problems notes counts requests");
    expect_members(&check["requests"], "total calls retries throttled bytes_up bytes_down");
    assert_eq!(check["clean"], true);
    expect_members(
        &check["counts"],
        "log_entries key_slots packs tree_packs segments stored_bytes chunks snapshots tree_nodes \
         entries referenced_chunks packs_read bytes_read chunks_verified unreferenced_objects \
         unreferenced_bytes",
    );
}

#[test]
fn damage_is_a_finding_and_4() {
    let place = super::place_with_two_snapshots();
    let packs = place.repository().join("packs");
    std::fs::remove_dir_all(packs).unwrap();
    let said = place.run(["check", "--json"]).expect_code(4);
    let report = said.json();
    assert_eq!(report["clean"], false);
    expect_members(&report["problems"][0], "object what affected affected_more");
}

#[test]
fn keys() {
    let place = super::place_with_two_snapshots();
    let listed = place.json(["key", "list"]);
    expect(&listed, "key_slots", "slots");
    expect_members(&listed["slots"][0], "slot kind label created usable current error");
    let added = place.json(["key", "add", "--new-key-file", "k.key"]);
    expect(&added, "key_added", "slot file");
    let slot = added["slot"].as_str().unwrap();
    expect(&place.json(["key", "remove", slot]), "key_removed", "slot file");
    expect(&place.json(["key", "export", "sheet"]), "key_exported", "slot file");
    let file = place.file("new", "another\n").display().to_string();
    let changed = place.json(["key", "passwd", "--new-password-file", &file]);
    expect(&changed, "key_changed", "slot file");
}

#[test]
fn completions() {
    let script = Place::new().json(["completions", "bash"]);
    expect(&script, "completions", "shell script");
    assert!(script["script"].as_str().unwrap().contains("lifeboat"));
}
