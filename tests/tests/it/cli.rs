//! The command line: what every command prints, how it ends, and that its reference is true.

mod backup;
mod config;
mod doctor;
mod errors;
mod json;
mod keys;
mod latest;
mod look;
mod reference;

use e2e::Place;

/// A place with a repository of two snapshots of `src`, of which the second differs in every way.
fn place_with_two_snapshots() -> Place {
    let place = Place::new();
    place.file("src/a.txt", "first\n");
    place.file("src/dir/b.conf", vec![b'b'; 5000]);
    place.file("src/dir/gone", "gone\n");
    place.ok(["backup", "--init", "src", "--tag", "old", "--time", "2026-01-02T03:04:05Z"]);
    place.file("src/a.txt", "second, longer\n");
    place.file("src/new", "new\n");
    std::fs::remove_file(place.path("src/dir/gone")).unwrap();
    place.ok(["backup", "src", "--tag", "new"]);
    place
}

/// The ids of all snapshots, oldest first.
fn ids(place: &Place) -> Vec<String> {
    let listed = place.json(["snapshots"]);
    let snapshots = listed["snapshots"].as_array().unwrap();
    snapshots.iter().map(|snapshot| snapshot["id"].as_str().unwrap().to_owned()).collect()
}
