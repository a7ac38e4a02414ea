//! What is kept on this machine of a far repository: few requests for who only reads, and nothing that is hidden from who
//! writes or looks whether it is whole.

use std::{fs, thread, time::Duration};

use e2e::{Place, noise};
use lifeboat_testkit::server::{Request, S3Options, S3Server};

use super::s3_variables;

/// A request as a line: what was asked of which kind of object.
fn line(request: &Request) -> String {
    let key = request.key.trim_start_matches("a prefix/repo/");
    format!("{:?} {key} {:?}", request.operation, request.status)
}

fn place_at(server: &S3Server, files: u64) -> Place {
    let place = Place::new().with(s3_variables(&server.endpoint())).keyed(&[]);
    for number in 0..files {
        place.file(format!("src/{:03}/{number:06}", number / 500), format!("file {number}"));
    }
    place.file("src/100/wanted", noise(1, 4096));
    thread::sleep(Duration::from_millis(60));
    place.ok(["backup", "src"]);
    server.forget_requests();
    place
}

/// Restores that file and says what it took.
fn restore(place: &Place, server: &S3Server, target: &str) -> Vec<String> {
    server.forget_requests();
    let path = place.path("src/100/wanted");
    place.ok(["restore", &format!("latest:{}", path.display()), "--target", target]);
    let found = find(&place.path(target), "wanted").unwrap();
    assert_eq!(fs::read(found).unwrap(), noise(1, 4096));
    server.requests().iter().map(line).collect()
}

fn find(below: &std::path::Path, name: &str) -> Option<std::path::PathBuf> {
    fs::read_dir(below).unwrap().map(|entry| entry.unwrap().path()).find_map(|path| {
        match path.is_dir() {
            true => find(&path, name),
            false => path.ends_with(name).then_some(path),
        }
    })
}

#[test]
fn one_file_of_a_hundred_thousand_takes_few_requests() {
    let server = S3Server::start(S3Options::default());
    let place = place_at(&server, 100_000);
    let cold = restore(&place, &server, "cold");
    println!("{} with nothing kept:\n{}", cold.len(), cold.join("\n"));
    assert!(cold.len() <= 20, "{cold:#?}");
    let warm = restore(&place, &server, "warm");
    println!("{} with a warm cache:\n{}", warm.len(), warm.join("\n"));
    // `config`, the key slot, the end of the log and what would come after it, and the beginning of a pack and a frame of it.
    assert!(warm.len() <= 6, "{warm:#?}");
    let without = restore(&place.with([("LIFEBOAT_CACHE_SIZE", "0")]), &server, "without");
    assert_eq!(without.len(), cold.len(), "{without:#?}");
}

/// The keys below `folder`.
fn keys(server: &S3Server, folder: &str) -> Vec<String> {
    let folder = format!("a prefix/repo/{folder}");
    server.keys().into_iter().filter(|key| key.starts_with(&folder)).collect()
}

#[test]
fn who_writes_or_judges_looks_at_the_store_itself() {
    let server = S3Server::start(S3Options::default());
    let place = place_at(&server, 100);
    place.ok(["ls", "latest"]);
    for key in keys(&server, "index/").into_iter().chain(keys(&server, "trees/")) {
        assert!(server.lose(&key));
    }
    // What was read can be read again, and nobody is told that all is well.
    place.ok(["ls", "latest"]);
    place.run(["ls", "latest", "--no-cache"]).expect_stderr("index/");
    place.run(["check"]).expect_code(4);
    let again = place.json(["backup", "src"]);
    assert!(again["stats"]["new_chunks"].as_u64().unwrap() > 0, "{again:#}");
    place.ok(["restore", "latest", "--target", "out", "--no-cache"]);
    assert_eq!(fs::read(find(&place.path("out"), "wanted").unwrap()).unwrap(), noise(1, 4096));
}

#[test]
fn what_is_kept_of_the_log_is_what_the_store_has() {
    let server = S3Server::start(S3Options::default());
    let place = place_at(&server, 100);
    let count = |place: &Place| place.json(["snapshots"])["snapshots"].as_array().unwrap().len();
    assert_eq!((count(&place), count(&place)), (1, 1));
    place.ok(["backup", "src"]);
    place.ok(["backup", "src"]);
    assert_eq!((count(&place), count(&place)), (3, 3));
    // Somebody puts it back, whether or not the end that was seen is remembered.
    let last = keys(&server, "log/").pop().unwrap();
    assert!(server.lose(&last));
    place.run(["snapshots"]).expect_code(4).expect_stderr("has been seen before");
    fs::remove_dir_all(place.path("home/.local/state")).unwrap();
    assert_eq!(count(&place), 2);
    // An entry that is another is not the one that was kept.
    let (before, last) = (keys(&server, "log/").remove(0), keys(&server, "log/").pop().unwrap());
    let bytes = server.object(&before).unwrap().bytes;
    server.plant(&last, bytes);
    fs::remove_dir_all(place.path("home/.local/state")).unwrap();
    assert_eq!(count(&place), 1);
}

#[test]
fn what_is_kept_of_another_repository_at_this_place_is_forgotten() {
    let server = S3Server::start(S3Options::default());
    let place = place_at(&server, 100);
    place.ok(["ls", "latest"]);
    keys(&server, "").iter().for_each(|key| assert!(server.lose(key)));
    place.run(["snapshots"]).expect_code(10);
    fs::remove_file(place.path("key")).unwrap();
    place.ok(["init"]);
    assert_eq!(place.json(["snapshots"])["snapshots"].as_array().unwrap().len(), 0);
    place.ok(["backup", "src"]);
    assert!(place.ok(["ls", "latest"]).stdout().contains("wanted"));
}
