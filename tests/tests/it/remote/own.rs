//! The tests' own servers: everything that people do, over pages of a few keys and signed requests.

use std::{fs, thread, time::Duration};

use e2e::{Place, noise};
use lifeboat_testkit::{
    same_tree::assert_same_tree,
    server::{AccessKey, Behaviour, GcsOptions, GcsServer, Operation, S3Options, S3Server, Server},
    tree::Awkward,
};

use super::{restored, s3_place};

fn main_job(place: &Place, server: &Server) {
    let source = place.folder("src");
    for skipped in (Awkward { depth: 20, members: 50 }).build(&source).unwrap() {
        println!("not in the tree: {skipped}");
    }
    place.file("src/much", noise(1, 6 << 20));
    place.file("src/gone", "soon\n");
    // What is younger than the file system's clock is read again.
    thread::sleep(Duration::from_millis(60));
    let first = place.json(["backup", "src"]);
    assert_eq!(first["outcome"], "complete", "{first:#}");
    place.file("src/new", noise(2, 1 << 20));
    fs::remove_file(place.path("src/gone")).unwrap();
    let second = place.json(["backup", "src"]);
    let read = second["stats"]["read_bytes"].as_u64().unwrap();
    assert!((1 << 20..2 << 20).contains(&read), "only what changed: {second:#}");
    place.ok(["restore", "latest", "--target", "out"]);
    assert_same_tree(&source, &restored(place, "out"));
    let check = place.json(["check", "--read-data"]);
    assert_eq!(check["clean"], true, "{check:#}");
    let shown = place.json(["snapshots"]);
    assert_eq!(shown["snapshots"].as_array().unwrap().len(), 2, "{shown:#}");
    // Lists had several pages, nothing was refused, and nothing but what was asked for is there.
    assert!(
        server.requests().iter().any(|request| request.query.contains_key("continuation-token"))
    );
    let refused: Vec<_> = server
        .requests()
        .into_iter()
        .filter(|request| !matches!(request.status, Some(200 | 204 | 206 | 404 | 412)))
        .collect();
    assert!(refused.is_empty(), "{refused:#?}");
    assert!(server.keys().iter().all(|key| key.starts_with("a prefix/repo/")));
    let puts = server.requests();
    let mut puts = puts.iter().filter(|request| request.operation == Operation::Put);
    assert!(puts.all(|put| {
        put.header("if-none-match") == Some("*")
            || put.header("x-goog-if-generation-match") == Some("0")
    }));
}

fn few_keys() -> Behaviour {
    Behaviour { keys_per_page: 3, ..Behaviour::default() }
}

#[test]
fn the_main_job_on_the_own_s3() {
    let access_key = Some(AccessKey::test());
    let options = S3Options { access_key, behaviour: few_keys(), ..S3Options::default() };
    let server = S3Server::start(options);
    main_job(&s3_place(&server.endpoint()), &server);
    // Every pack came with a checksum that was compared.
    let requests = server.requests();
    let packs = |request: &&_| is_pack(request);
    assert!(requests.iter().filter(packs).count() >= 7);
    assert!(requests.iter().filter(packs).all(|put| {
        put.headers
            .iter()
            .any(|(name, _)| name.starts_with("x-amz-checksum-") || name == "content-md5")
    }));
}

fn is_pack(request: &lifeboat_testkit::server::Request) -> bool {
    request.operation == Operation::Put && request.key.contains("/packs/")
}

#[test]
fn the_main_job_on_the_own_gcs() {
    let token = Some("a token".to_owned());
    let options = GcsOptions { token, behaviour: few_keys(), ..GcsOptions::default() };
    let server = GcsServer::start(options);
    let variables = [
        ("GOOGLE_BASE_URL", server.endpoint()),
        ("GOOGLE_ALLOW_HTTP", "true".to_owned()),
        ("GOOGLE_BEARER_TOKEN", "a token".to_owned()),
        ("LIFEBOAT_REPO", "gs://bucket/a prefix/repo".to_owned()),
    ];
    main_job(&Place::new().with(variables).keyed(&["--pack-size", "1MiB"]), &server);
}
