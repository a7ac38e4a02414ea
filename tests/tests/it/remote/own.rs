//! The tests' own servers: everything that people do, over pages of a few keys and signed requests.

use e2e::Place;
use lifeboat_testkit::server::{
    AccessKey, Behaviour, GcsOptions, GcsServer, Operation, Request, S3Options, S3Server, Server,
};

use super::{main_job, s3_place};

/// Lists had several pages, nothing was refused, and every put was conditional.
fn assert_spoken_well(server: &Server) {
    assert!(
        server.requests().iter().any(|request| request.query.contains_key("continuation-token"))
    );
    let refused: Vec<_> = server
        .requests()
        .into_iter()
        .filter(|request| match request.status {
            Some(status) => !matches!(status, 200 | 204 | 206 | 404 | 412),
            // A read that was asked for twice, or not needed any more, is given up.
            None => request.operation == Operation::Put,
        })
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
    main_job(&s3_place(&server.endpoint()));
    assert_spoken_well(&server);
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

fn is_pack(request: &Request) -> bool {
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
    main_job(&Place::new().with(variables).keyed(&["--pack-size", "1MiB"]));
    assert_spoken_well(&server);
}
