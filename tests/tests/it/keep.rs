//! Keep and let go: rules, guards, holds, and the way back.

use e2e::Place;
use serde_json::Value;

/// A place with one snapshot a day at 02:00, from day 1 of November 2026 on.
fn place_with_days(days: u32) -> Place {
    let place = Place::with_key_file();
    place.file("src/a", "a");
    for day in 1..=days {
        let time = format!("2026-11-{day:02}T02:00:00Z");
        place.ok(["backup", "src", "--time", &time]);
    }
    place
}

/// The days of all snapshots that are shown.
fn days(place: &Place) -> Vec<String> {
    let listed = place.json(["snapshots"]);
    let snapshots = listed["snapshots"].as_array().unwrap();
    snapshots.iter().map(|snapshot| snapshot["time"].as_str().unwrap()[8..10].to_owned()).collect()
}

fn id_of(place: &Place, day: usize) -> String {
    let listed = place.json(["snapshots", "--all"]);
    listed["snapshots"][day - 1]["id"].as_str().unwrap().to_owned()
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

#[test]
fn rules_let_go_and_undo_brings_back() {
    let place = place_with_days(10);
    let rules =
        ["--keep-daily", "2", "--keep-weekly", "2", "--max-share", "80", "--time-zone", "UTC"];
    let dry = place.ok(["forget", "--dry-run"].iter().chain(&rules)).stdout();
    // 2026-11-08 is a Sunday.
    for line in ["2026-11  -------###", "daily, weekly", "- goes", "7 snapshots would be forgotten"]
    {
        assert!(dry.contains(line), "{line:?} is not in {dry}");
    }
    assert_eq!(days(&place).len(), 10);
    let shown = place.json(["forget", "--dry-run"].iter().chain(&rules));
    assert_eq!((&shown["dry_run"], &shown["refused"]), (&true.into(), &Value::Null));
    let kept = &shown["groups"][0]["kept"];
    assert_eq!(texts(&kept[0]["reasons"]), ["daily", "weekly"]);
    assert_eq!(texts(&kept[2]["reasons"]), ["weekly"]);

    let done = place.json(["forget"].iter().chain(&rules));
    let gone = texts(&done["forgotten"]);
    assert_eq!(gone.len(), 7);
    assert_eq!(days(&place), ["08", "09", "10"]);
    let again = place.json(["forget"].iter().chain(&rules));
    assert!(texts(&again["forgotten"]).is_empty());
    let all = place.ok(["snapshots", "--all"]).stdout();
    assert_eq!(all.matches("forgotten").count(), 7, "{all}");

    // It is left out everywhere, and says so.
    for command in [&["ls", gone[0]][..], &["restore", gone[0], "--target", "out"]] {
        place.run(command).expect_code(1).expect_stderr("it was forgotten, by log/");
    }
    place
        .run(["forget", "--undo", "ffff"])
        .expect_code(1)
        .expect_stderr("no snapshot that is forgotten");
    let back = place.ok(["forget", "--undo", gone[0], gone[6]]).stdout();
    assert_eq!(back.matches("is back").count(), 2);
    assert_eq!(days(&place).len(), 5);
    place.ok(["restore", gone[0], "--target", "out"]);
    place.ok(["check"]);
}

#[test]
fn guards_refuse_what_lets_go_of_too_much() {
    let place = place_with_days(4);
    place.run(["forget"]).expect_code(2).expect_stderr("no rule keeps anything");
    place
        .run(["forget", "--keep-daily", "0"])
        .expect_code(2)
        .expect_stderr("no rule keeps anything");
    place.run(["forget", "latest", "--keep-last", "1"]).expect_code(2).expect_stderr("not both");
    place.run(["forget", "--keep-last", "x"]).expect_code(2);
    place
        .run(["forget", "--keep-last", "1", "--group-by", "x"])
        .expect_code(2)
        .expect_stderr("policy");
    place
        .run(["forget", "--keep-last", "1", "--time-zone", "Mars/Base"])
        .expect_code(2)
        .expect_stderr("Europe/Berlin");
    let many = place.run(["forget", "--keep-last", "1"]).expect_code(1);
    many.expect_stderr("3 of 4 snapshots are more than 50 percent").expect_stderr("--yes-really");
    // A dry run says so, and shows what would go.
    let dry = place.json(["forget", "--keep-last", "1", "--dry-run"]);
    assert!(dry["refused"].as_str().unwrap().contains("50 percent"), "{dry}");
    let tagged = ["forget", "--keep-tag", "x", "--max-share", "100"];
    place.run(tagged).expect_code(1).expect_stderr("none would be left");
    assert_eq!(days(&place).len(), 4);
    place.ok(["forget", "--keep-last", "1", "--max-share", "75"]);
    assert_eq!(days(&place), ["04"]);
    place.run(["forget", "latest"]).expect_code(1).expect_stderr("none would be left");
    place.ok(["forget", "latest", "--yes-really"]);
    assert!(days(&place).is_empty());
    let report = place.json(["backup", "src"]);
    assert_eq!((&report["parent"], &report["kind"]), (&Value::Null, &"full".into()));
}

#[test]
fn groups_count_for_themselves() {
    let place = place_with_days(3);
    place.file("other/b", "b");
    place.ok(["backup", "other", "--source", "b", "--tag", "x", "--time", "2026-10-01"]);
    let rules = ["forget", "--keep-last", "1", "--max-share", "100", "--dry-run"];
    let shown = place.json(rules);
    assert_eq!(shown["groups"].as_array().unwrap().len(), 2);
    assert_eq!(texts(&shown["forgotten"]).len(), 2);
    let by = shown["groups"][1]["by"].as_object().unwrap();
    assert_eq!(by.keys().collect::<Vec<_>>(), ["node", "source"]);
    // All together: only one stays, which the guard would not let happen.
    let together = place.json(rules.iter().chain(&["--group-by", ""]));
    assert_eq!(texts(&together["forgotten"]).len(), 3);
    assert!(together["refused"].as_str().unwrap().contains("of b"), "{together}");
    let filtered = place.json(rules.iter().chain(&["--source", "b"]));
    assert!(texts(&filtered["forgotten"]).is_empty());
}

#[test]
fn what_is_held_stays() {
    let place = place_with_days(4);
    let (first, second) = (id_of(&place, 1), id_of(&place, 2));
    place.run(["hold", &first]).expect_code(2);
    place.run(["hold", &first, "--legal"]).expect_code(2).expect_stderr("--reason");
    place.run(["hold", &first, "--until", "2020-01-01"]).expect_code(2).expect_stderr("is over");
    let held = place.json(["hold", &first, "--legal", "--reason", "case 7"]);
    assert_eq!((&held["until"], texts(&held["snapshots"])), (&"forever".into(), vec![&*first]));
    place.ok(["hold", &second, "--until", "90d"]);
    place.run(["hold", &first, "--until", "90d"]).expect_code(1).expect_stderr("held for longer");
    assert!(place.ok(["snapshots"]).stdout().contains("full, held"));
    assert_eq!(place.json(["snapshots"])["snapshots"][0]["held_until"], "forever");
    place
        .run(["forget", &first])
        .expect_code(1)
        .expect_stderr("it is held")
        .expect_stderr("--release");
    // Rules keep it, also under other marks.
    place.ok(["tag", &first, "--add", "x"]);
    place.ok(["forget", "--keep-last", "1"]);
    assert_eq!(days(&place), ["01", "02", "04"]);
    // Why is sealed, and `inspect` shows it to whoever has the key.
    let entry = place.json(["inspect", "log/0000000000000004"]);
    assert_eq!(entry["content"]["body"]["reason"], "case 7", "{entry}");
    place.ok(["hold", &first, "--release"]);
    place.ok(["forget", "--keep-last", "1"]);
    assert_eq!(days(&place), ["02", "04"]);

    place.ok(["backup", "src", "--hold-until", "30d"]);
    place.run(["forget", "latest"]).expect_code(1).expect_stderr("it is held");
    let past = place.run(["backup", "src", "--hold-until", "2020-01-01"]).expect_code(2);
    past.expect_stderr("is over");
}

#[test]
fn a_policy_is_played_for_a_year() {
    let place = Place::with_key_file();
    let rules = ["--keep-daily", "7", "--keep-monthly", "12", "--time-zone", "UTC"];
    let simulate = ["retention", "simulate", "--schedule", "0 2 * * *"];
    let played = place.json(simulate.iter().chain(&rules));
    let group = &played["groups"][0];
    let runs = group["runs"].as_u64().unwrap();
    assert!((365..=366).contains(&runs), "{played}");
    assert!((17..=19).contains(&group["kept"].as_array().unwrap().len()), "{played}");
    assert_eq!(group["stored_bytes"], Value::Null);
    for (name, seed) in [("a", 1), ("b", 2)] {
        place.file(format!("src/{name}"), e2e::noise(seed, 100_000));
        place.ok(["backup", "src"]);
    }
    let group = place.json(simulate.iter().chain(&rules))["groups"][0].clone();
    // The source grows by 100 kB a day.
    let stored = group["stored_bytes"].as_u64().unwrap();
    assert!((36_000_000..60_000_000).contains(&stored), "{group}");
    let text = place.ok(simulate.iter().chain(&rules)).stdout();
    assert!(text.contains("each backup adds") && text.contains("# kept"), "{text}");
    let bad = place.run(["retention", "simulate", "--schedule", "nightly", "--keep-last", "1"]);
    bad.expect_code(2).expect_stderr("0 2 * * *");
    place.run(simulate).expect_code(2).expect_stderr("no rule keeps anything");
}
